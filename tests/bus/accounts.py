"""What the tests count by themselves, and how they hold the bus's own counts against it."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import trio
import trio.testing

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable

    import stentor

STATES = (
    "handled",
    "dead",
    "dropped",
    "expired",
    "waiting",
    "running",
    "unacknowledged",
    "stored",
    "abandoned",
)
"""Every delivery is in exactly one of these; a statistics record without one of them counts none there."""


def states(record: Any) -> dict[str, int]:
    """The states that a statistics record knows, with their counts."""
    return {state: getattr(record, state) for state in STATES if hasattr(record, state)}


def check_conservation(bus: stentor.Bus, *members: stentor.Agent | stentor.Feed[Any]) -> None:
    """Fail unless the states add up for the bus and for each of `members`."""
    records: list[Any] = [bus.statistics(), *(member.statistics() for member in members)]
    for record in records:
        counts = states(record)
        assert record.addressed == sum(counts.values()), f"{record.addressed} addressed, but {counts}"
        assert all(count >= 0 for count in counts.values()), counts


class Account:
    """One test's own books: what was accepted for whom, by the receipts, and what became of it."""

    def __init__(self) -> None:
        """Begin with nothing accepted."""
        self.accepted: Counter[str] = Counter()
        self.ended: Counter[str] = Counter()
        """By agent: handlers that came to their end, or messages that the owner of a feed got."""
        self.failed: Counter[str] = Counter()

    def enter(self, receipt: stentor.Receipt) -> None:
        """Write down a receipt."""
        self.accepted.update(receipt.recipients)

    def handler(
        self, name: str, body: Callable[[stentor.Message], Awaitable[object]] | None = None
    ) -> Callable[[stentor.Message], Awaitable[None]]:
        """A handler that does `body` and writes down how it ended; a cancelled one is not written down."""

        async def handle(message: stentor.Message) -> None:
            try:
                if body is not None:
                    await body(message)
            except Exception:
                self.failed[name] += 1
                raise
            self.ended[name] += 1

        return handle

    def check(self, bus: stentor.Bus, members: Iterable[stentor.Agent | stentor.Feed[Any]]) -> None:
        """Fail unless the bus says of each member, and of all, what the books say."""
        members = tuple(members)
        check_conservation(bus, *members)
        for member in members:
            record = member.statistics()
            assert record.addressed == self.accepted[member.name], member
            assert record.handled == self.ended[member.name], member
            assert record.dead == self.failed[member.name], member
        total = bus.statistics()
        assert total.addressed == self.accepted.total()
        assert total.handled == self.ended.total()
        assert total.dead == self.failed.total()


async def all_parked() -> None:
    """Return when every other task waits for something."""
    await trio.testing.wait_all_tasks_blocked()
