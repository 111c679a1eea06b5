"""The registry: every recipient of a bus by its name, and the sums over all there are and were."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, final

from stentor._mechanisms.statistics import Histogram
from stentor._values.errors import AlreadyRegisteredError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from stentor._mechanisms.recipients import Recipient

COUNTS: Final = ("addressed", "handled", "dead", "dropped", "expired", "stored", "abandoned")
"""The counts of a recipient that never go down."""


@final
class Registry:
    """Recipients by name. One that has left is remembered until its last handler ends, and in the sums for ever."""

    __slots__ = ("_by_name", "_gone", "_latency_gone", "_leaving")

    def __init__(self) -> None:
        """Make an empty registry."""
        self._by_name: dict[str, Recipient] = {}
        self._leaving: list[Recipient] = []
        self._latency_gone = Histogram()
        self._gone = dict.fromkeys(COUNTS, 0)

    def add(self, recipient: Recipient) -> None:
        """Enter a recipient.

        Raises:
            AlreadyRegisteredError: Its name is taken.
        """
        if self._by_name.setdefault(recipient.name, recipient) is not recipient:
            raise AlreadyRegisteredError(recipient.name)

    def remove(self, recipient: Recipient) -> None:
        """Give the recipient's name back."""
        del self._by_name[recipient.name]
        self._leaving.append(recipient)
        self._forget()

    def get(self, name: str) -> Recipient | None:
        """Return the recipient of that name, or None."""
        return self._by_name.get(name)

    def agents(self) -> Iterator[Recipient]:
        """Iterate over the agents, in order of registration."""
        return (recipient for recipient in self._by_name.values() if not recipient.is_feed)

    def names(self) -> Iterator[str]:
        """Iterate over the names of the agents, in order of registration."""
        return (recipient.name for recipient in self.agents())

    def __len__(self) -> int:
        """Return how many have a name now."""
        return len(self._by_name)

    def __iter__(self) -> Iterator[Recipient]:
        """Iterate over those that have a name, in order of registration, and then over those that still run."""
        yield from self._by_name.values()
        yield from self._leaving

    def totals(self) -> dict[str, int]:
        """Return the sum of each count, and of what waits and runs; O(recipients)."""
        self._forget()
        totals = {name: gone + sum(getattr(r, name) for r in self) for name, gone in self._gone.items()}
        totals["waiting"] = sum(recipient.waiting for recipient in self)
        totals["running"] = sum(len(recipient.running) for recipient in self)
        totals["unacknowledged"] = sum(len(recipient.unacknowledged) for recipient in self)
        return totals

    def latency(self) -> Histogram:
        """Return the latencies of all there are and were: from accepting a message to the end of its handler."""
        merged = Histogram()
        for latency in (self._latency_gone, *(recipient.latency for recipient in self)):
            if latency is not None:
                merged.merge(latency)
        return merged

    def busy(self) -> tuple[tuple[str, int, int], ...]:
        """Return the name of each recipient that is busy, with how many deliveries wait and run."""
        return tuple((r.name, r.waiting, len(r.running)) for r in self if r.busy)

    def _forget(self) -> None:
        for recipient in [recipient for recipient in self._leaving if not recipient.running]:
            self._leaving.remove(recipient)
            if recipient.latency is not None:
                self._latency_gone.merge(recipient.latency)
            for name in COUNTS:
                self._gone[name] += getattr(recipient, name)
