"""A program that Ctrl-C ends at one line after another of the machine that keeps the books; run as a script.

It is a process of its own, because Python complains of coroutines that an interruption kept from ever beginning.
"""

from __future__ import annotations

import logging
import signal
import sys
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

import trio
from trio.testing import MockClock

import stentor
from tests.bus.accounts import check_conservation

if TYPE_CHECKING:
    from types import FrameType

MACHINE = Path(stentor.__file__).parent / "_machine"
MODULES = ("dispatcher", "calls", "ledger", "pump", "readiness", "requests", "shifts", "timers", "waits", "workers")
CORE = (*(str(MACHINE / f"{name}.py") for name in MODULES), str(MACHINE.parent / "_mechanisms" / "mailbox.py"))


class Interrupt:
    """Raises the signal of Ctrl-C at one line of the machine."""

    def __init__(self, line: int) -> None:
        """At line number `line`, counted from 0 as they are run."""
        self._left = line
        self.done = False

    def trace(self, frame: FrameType, event: str, _: object) -> object:
        """Count lines; the protocol of `sys.settrace`."""
        code = frame.f_code
        if code.co_filename not in CORE or code.co_name in {"_first_step", "_go_on"}:
            return None  # from these two on it is the handler that is interrupted
        places = {"call", "line"} if code.co_name == "_interruptible" else {"line"}
        if event in places and not self.done:
            if self._left:
                self._left -= 1
            else:
                self.done = True
                signal.raise_signal(signal.SIGINT)
        return self.trace


async def questions(bus: stentor.Bus, members: list[stentor.Agent | stentor.Feed[stentor.Message]]) -> None:
    """Ask an agent who asks another."""

    async def ask(message: stentor.Message) -> object:
        return (await bus.request("answer", message.payload, timeout=2.0)).payload

    async def answer(message: stentor.Message) -> object:
        return message.payload

    for name, handler in (("ask", ask), ("answer", answer)):
        members.append(agent := bus.register(name, handler))
        agent.subscribe(name)
    for _ in range(3):
        await bus.request("ask", 1, timeout=2.0)


async def program(kept: list[stentor.Bus], members: list[stentor.Agent | stentor.Feed[stentor.Message]]) -> None:
    """Publish, ask, relay, fail, wait for room and read."""

    async def relay(message: stentor.Message) -> None:
        fuel = int(str(message.payload))
        if fuel:
            await bus.publish("b", fuel - 1)
            await trio.sleep(1)

    async def fail(message: stentor.Message) -> None:
        raise ValueError(message.payload)

    async with stentor.open_bus() as bus:
        kept.append(bus)
        for name, handler in (("a", relay), ("b", relay), ("c", fail)):
            members.append(agent := bus.register(name, handler))
            agent.subscribe(f"[{name}x]", capacity=2)
        await questions(bus, members)
        members.append(feed := bus.subscribe("**"))
        for i in range(4):
            await bus.publish("x", i)
        await bus.publish_and_wait("x", 1, timeout=1.5)
        async for _ in feed:
            if not feed.statistics().waiting:
                break
        await bus.settled()


def run(line: int) -> bool:
    """Interrupt the program at one line; return whether it came to that."""
    kept: list[stentor.Bus] = []
    members: list[stentor.Agent | stentor.Feed[stentor.Message]] = []
    interrupt = Interrupt(line)
    interrupted = False
    sys.settrace(interrupt.trace)  # type: ignore[arg-type]  # a bound method that returns itself
    try:
        trio.run(program, kept, members, clock=MockClock(autojump_threshold=0))
    except KeyboardInterrupt:
        interrupted = True
    finally:
        sys.settrace(None)
    assert interrupted == interrupt.done
    for bus in kept:
        check_conservation(bus, *members)
        assert bus.statistics().running == bus.statistics().waiting == 0
        assert bus.statistics().abandoned == len(bus.left)
    return interrupt.done


if __name__ == "__main__":
    logging.disable(logging.CRITICAL)
    every = int(sys.argv[1])
    for number in count():
        if not run(number * every):
            break
    print(number)  # noqa: T201 - it is what the test reads
