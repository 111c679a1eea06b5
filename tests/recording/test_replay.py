"""A replay with the same handlers is the same; with changed ones it says where they do something else."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import attrs
import pytest
import trio

import stentor
from stentor.recording import Kind, RecordedMessage, read, record, replay
from tests.recording.programs import on_virtual_clock

if TYPE_CHECKING:
    from pathlib import Path


class Market:
    """Agents that answer, pass on, wait and fail, after a rule that may change."""

    def __init__(self, **changes: Any) -> None:
        """Trade by the rules, but for `changes`."""
        self.changes = changes

    def setup(self, bus: stentor.Bus) -> None:
        """Register everybody."""

        async def quote(message: stentor.Message) -> object:
            await trio.sleep(self.changes.get("pause", 0.5))
            if message.payload == self.changes.get("refuses", 3):
                raise ValueError(message.payload)
            await bus.publish("quotes", message.payload, sender="maker", ttl=5.0)
            return self.changes.get("answer", "done")

        async def tell(message: stentor.Message) -> None:
            await bus.send("log", [message.topic, message.payload], sender="teller")

        async def log(_: object) -> None:
            await trio.sleep(0.25)

        bus.register("maker", quote, concurrency=2).subscribe("ask.*")
        bus.register("teller", tell).subscribe("quotes")
        bus.register("log", log, mode="batch", batch_size=self.changes.get("batch", 2), batch_timeout=1.0)

    async def trade(self, path: Path) -> None:
        """Trade and record it."""
        with record(path) as recorder:
            async with stentor.open_bus(observers=[recorder]) as bus:
                self.setup(bus)
                for number in range(8):
                    if number % 3 == 0:
                        try:
                            await bus.request("ask.r", number, timeout=2.0, sender="client")
                        except stentor.RequestFailedError:
                            await bus.broadcast("sorry", sender="client", priority=2)
                    await bus.publish("ask.p", number, sender="client", deadline=trio.current_time() + 50.0)
                    await bus.publish("quotes", -number, sender="client")
                    await trio.sleep(0.7)


def played(tmp_path: Path, **changes: Any) -> Any:
    """The difference that `changes` make."""
    (tmp_path / "r").unlink(missing_ok=True)
    on_virtual_clock(Market().trade, tmp_path / "r")
    return on_virtual_clock(replay, tmp_path / "r", Market(**changes).setup)


@pytest.mark.parametrize("_", range(5))  # trio decides by chance who is first; a replay follows
def test_the_same_handlers_do_the_same(tmp_path: Path, _: int) -> None:
    difference = played(tmp_path)
    assert difference is None, str(difference)


def test_changed_handlers_are_found_out(tmp_path: Path) -> None:
    difference = played(tmp_path, answer="gone")
    assert difference.fields == (("payload", "done", "gone"),)
    assert difference.first.message.in_reply_to is not None
    difference = played(tmp_path, refuses=5)
    assert (difference.first.kind, difference.second.kind) == (Kind.FAILED, Kind.HANDLED)
    difference = played(tmp_path, pause=0.6)
    assert [name for name, *_ in difference.fields] == ["time"]
    assert played(tmp_path, batch=3) is not None


def test_setup_may_be_async_and_the_recording_open(tmp_path: Path) -> None:
    on_virtual_clock(Market().trade, tmp_path / "r")

    async def setup(bus: stentor.Bus) -> None:
        await trio.sleep(3)
        Market().setup(bus)

    assert on_virtual_clock(replay, read(tmp_path / "r"), setup, drain_timeout=20.0) is None


def test_a_recording_of_a_real_clock_is_replayed_without_times(tmp_path: Path) -> None:
    async def main(pause: float) -> None:
        with record(tmp_path / "r") as recorder:
            async with stentor.open_bus(observers=[recorder]) as bus:
                setup(bus)
                await bus.publish("t", 1)
                await trio.sleep(pause)

    def setup(bus: stentor.Bus) -> None:
        async def handler(_: stentor.Message) -> None:
            await bus.publish("u")

        bus.register("a", handler).subscribe("t")

    trio.run(main, 0.01)
    assert on_virtual_clock(partial(replay, times=False), tmp_path / "r", setup) is None


@attrs.frozen
class Bid:
    """A payload that is an object."""

    price: int


def test_payloads_are_made_again(tmp_path: Path) -> None:
    got: list[object] = []

    def setup(bus: stentor.Bus) -> None:
        async def handler(message: stentor.Message) -> None:
            got.append(message.payload)

        bus.register("a", handler).subscribe("*")

    async def main() -> None:
        with record(tmp_path / "r") as recorder:
            async with stentor.open_bus(observers=[recorder]) as bus:
                setup(bus)
                await bus.publish("bid", Bid(3))
                await bus.publish("odd", setup)

    def payload(message: RecordedMessage) -> object:
        return setup if message.payload_is_repr else Bid(**message.payload)  # type: ignore[arg-type]

    on_virtual_clock(main)
    assert on_virtual_clock(replay, tmp_path / "r", setup, payloads=payload) is None
    assert got == [Bid(3), setup] * 2
    with pytest.raises(ValueError, match=r"^payloads must be given, for that of message \S+ was recorded as <function"):
        on_virtual_clock(replay, tmp_path / "r", setup)


def test_an_agent_that_is_gone_is_a_difference(tmp_path: Path) -> None:
    async def main() -> None:
        with record(tmp_path / "r") as recorder:
            async with stentor.open_bus(observers=[recorder]) as bus:
                bus.register("a", None)
                await bus.send("a", 1)
                await bus.publish("t", 2)

    on_virtual_clock(main)
    difference = on_virtual_clock(replay, tmp_path / "r", lambda _: None)
    assert (difference.first.message.topic, difference.second.message.topic) == ("a", "t")
