"""What happens when messages are let go of: at any depth, in any thread, and with finalizers that publish."""

from __future__ import annotations

import gc
import subprocess
import sys
import weakref
from contextlib import suppress
from threading import Event, Thread
from typing import Any

import pytest
import trio

import stentor

CHAIN = """
import trio, stentor

async def published(held):
    last = None
    async with stentor.open_bus() as bus:
        for _ in range(200_000):
            last = held(await bus.publish("t", last))

def made():
    last = None
    for _ in range(200_000):
        last = stentor.Message(topic="t", payload=last, id="1", timestamp=0.0)

"""


@pytest.mark.parametrize(
    "program",
    [
        "trio.run(published, lambda receipt: receipt)",
        "trio.run(published, lambda receipt: receipt.message)",
        "trio.run(published, lambda receipt: [receipt.message])",
        "made()",
    ],
)
def test_a_long_chain_of_messages_each_of_which_holds_the_last_can_end(program: str) -> None:
    """In a process of its own, for it would be the end of this one."""
    subprocess.run([sys.executable, "-c", CHAIN + program], check=True, timeout=60)


class Signals:
    """Something whose finalizer waits, and lets other threads go on meanwhile."""

    def __init__(self) -> None:
        self.begun, self.may_end = Event(), Event()

    def __del__(self) -> None:
        self.begun.set()
        assert self.may_end.wait(10)


@pytest.mark.parametrize("length", [1, 50, 200])
def test_a_message_ends_at_once_whatever_another_thread_is_ending(length: int) -> None:
    def end_a_chain() -> None:
        last: object = held.pop()
        for _ in range(length):
            last = stentor.Message("t", last)
        del last

    signals = Signals()
    begun, may_end = signals.begun, signals.may_end
    held = [signals]
    del signals
    thread = Thread(target=end_a_chain)
    thread.start()
    assert begun.wait(10)
    message = stentor.Message("t")
    reference = weakref.ref(message)
    del message
    assert reference() is None
    may_end.set()
    thread.join()


class Publishes:
    """Something whose finalizer publishes, as often as it is told, one of its kind."""

    def __init__(self, bus: stentor.Bus, times: int) -> None:
        self.bus, self.times = bus, times
        self.itself = self if times < 0 else None

    def __del__(self) -> None:
        with suppress(stentor.MailboxFullError, RuntimeError, trio.ClosedResourceError):
            if self.times:
                self.bus.publish_nowait("t", Publishes(self.bus, self.times - 1) if self.times > 0 else "late")


@pytest.mark.parametrize("overflow", ["drop_oldest", "latest", "drop_newest"])
async def test_what_is_pushed_out_may_publish_when_it_is_let_go_of(overflow: Any) -> None:
    async with stentor.open_bus() as bus:
        feed = bus.subscribe("t", capacity=2, overflow=overflow)
        for _ in range(5):
            bus.publish_nowait("t", Publishes(bus, 1))
        received = 0
        while bus.statistics().waiting:
            feed.receive_nowait()
            received += 1
        seen = bus.statistics()
        assert seen.addressed == seen.handled + seen.dropped + seen.waiting
        assert 5 <= seen.addressed <= 10
        assert received >= 1


async def test_a_collection_amid_a_publish_puts_in_no_more_than_there_is_room_for() -> None:
    async with stentor.open_bus() as bus:
        with bus.subscribe("t", capacity=3, overflow="fail") as feed:
            for _ in range(2):
                bus.publish_nowait("t")
            kept = [bus.publish_nowait("elsewhere") for _ in range(600)]  # so that the next takes new memory
            gc.collect()
            gc.disable()
            try:
                Publishes(bus, -1)  # which only a collection lets go of
                begun = [[] for _ in range(3000)]  # type: ignore[var-annotated]
                gc.enable()
                with suppress(stentor.MailboxFullError):
                    bus.publish_nowait("t", "mine")
                assert bus.statistics().waiting == 3
            finally:
                gc.enable()
            del kept, begun
            assert len([feed.receive_nowait() for _ in range(3)]) == 3


def test_a_message_in_a_cycle_by_its_sender_is_collected() -> None:
    class Name(str):
        __slots__ = ("__weakref__", "message")

    name = Name("me")
    name.message = stentor.Message("t", sender=name)  # type: ignore[attr-defined]
    reference = weakref.ref(name)
    del name
    gc.collect()
    assert reference() is None
