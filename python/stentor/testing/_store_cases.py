"""How a case of the store tests runs: on trio, with a clock that moves only when it is told."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import trio
from trio.testing import MockClock

from stentor import MailboxEntry, Message, Retention

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from stentor import MailboxStore, StoredMessage


class StoreMaker:
    """What the cases need from whoever runs them."""

    def make(self, *, capacity: int, retention: Retention) -> MailboxStore:
        """Return a new, empty, closed store; called on trio, once for each case."""
        raise NotImplementedError

    async def pass_time(self, seconds: float) -> None:
        """Let time pass on trio's clock, which is a `MockClock`, and on that of the store."""
        clock = trio.lowlevel.current_clock()
        if not isinstance(clock, MockClock):
            msg = "the clock of the run must be a MockClock"
            raise TypeError(msg)
        clock.jump(seconds)
        await trio.lowlevel.checkpoint()


def case(
    *, capacity: int = 1000, retention: Retention | None = None, opened: bool = True
) -> Callable[[Callable[[Any, MailboxStore], Awaitable[None]]], Callable[[Any], None]]:
    """Make a test that any test runner can call of an async function of a store with these bounds."""

    def wrap(body: Callable[[Any, MailboxStore], Awaitable[None]]) -> Callable[[Any], None]:
        async def main(tests: StoreMaker) -> None:
            store = tests.make(capacity=capacity, retention=Retention() if retention is None else retention)
            if not opened:
                await body(tests, store)
                return
            async with store:
                await body(tests, store)

        def test(self: StoreMaker) -> None:
            trio.run(main, self, clock=MockClock())

        test.__name__, test.__qualname__ = getattr(body, "__name__", "case"), getattr(body, "__qualname__", "case")
        test.__doc__, test.__module__ = body.__doc__, body.__module__
        return test

    return wrap


def same(what: str, found: object, expected: object) -> None:
    """Fail unless `found` is equal to `expected`."""
    if found != expected:
        msg = f"{what}: {found!r}, where {expected!r} was expected"
        raise AssertionError(msg)


def mail(agent: str, payload: object = None, **options: Any) -> MailboxEntry:
    """Return an entry whose message was stamped just now."""
    of_entry = {name: options.pop(name) for name in ("kind", "failure", "attempts") if name in options}
    options.setdefault("id", f"{agent}-{payload!r}")
    message = Message(agent, payload, timestamp=trio.current_time(), **options)
    return MailboxEntry(agent, message, **of_entry)


def payloads(found: tuple[StoredMessage, ...]) -> list[object]:
    """Return what the messages carry."""
    return [stored.message.payload for stored in found]
