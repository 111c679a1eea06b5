"""The registry: every recipient of a bus by its name, and the sums over all there are and were."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol, final

from stentor._mechanisms.statistics import Histogram
from stentor._values.errors import AlreadyRegisteredError

if TYPE_CHECKING:
    from collections.abc import Container, Iterator

    from stentor._mechanisms.recipients import Recipient

COUNTS: Final = ("addressed", "handled", "dead", "dropped", "expired", "stored", "abandoned")
"""The counts of a recipient that never go down."""


class AgentListener(Protocol):
    """Is told of agents, in the step in which they come and go."""

    def __call__(self, name: str, /, *, there: bool) -> object:
        """The agent of that name has come, or gone."""
        ...


@final
class Registry:
    """Recipients by name. One that has left is remembered until its last handler ends, and in the sums for ever."""

    __slots__ = ("_by_name", "_gone", "_latency_gone", "_leaving", "_stand_ins", "on_change")

    def __init__(self) -> None:
        """Make an empty registry."""
        self._by_name: dict[str, Recipient] = {}
        self._leaving: list[Recipient] = []
        self._latency_gone = Histogram()
        self._gone = dict.fromkeys(COUNTS, 0)
        self._stand_ins: dict[str, Recipient] = {}
        """Who takes what is addressed to an agent that is not of this bus, by the name of that agent."""
        self.on_change: list[AgentListener] = []
        """Are told of each agent that comes or goes."""

    def add(self, recipient: Recipient) -> None:
        """Enter a recipient.

        Raises:
            AlreadyRegisteredError: Its name is taken, here or where somebody stands in for it.
        """
        name = recipient.name
        if name in self._stand_ins or self._by_name.setdefault(name, recipient) is not recipient:
            raise AlreadyRegisteredError(name)
        if self.on_change:
            self._tell(recipient, there=True)

    def remove(self, recipient: Recipient) -> None:
        """Give the recipient's name back."""
        del self._by_name[recipient.name]
        self._leaving.append(recipient)
        self._forget()
        if self.on_change:
            self._tell(recipient, there=False)

    def _tell(self, recipient: Recipient, *, there: bool) -> None:
        if not (recipient.is_feed or recipient.is_extension):
            for listener in self.on_change:
                listener(recipient.name, there=there)

    def stand_in(self, name: str, recipient: Recipient) -> None:
        """Let `recipient` have what is addressed to an agent of that name elsewhere.

        Raises:
            AlreadyRegisteredError: An agent of this bus, or one that somebody else stands in for, has the name.
        """
        if name in self._by_name or self._stand_ins.setdefault(name, recipient) is not recipient:
            raise AlreadyRegisteredError(name)

    def stand_down(self, name: str, recipient: Recipient) -> None:
        """Let `recipient` stand in for that agent no more, if it did."""
        if self._stand_ins.get(name) is recipient:
            del self._stand_ins[name]

    def stand_down_all(self, recipients: Container[Recipient]) -> None:
        """Let none of `recipients` stand in for anybody."""
        self._stand_ins = {name: each for name, each in self._stand_ins.items() if each not in recipients}

    def addressee(self, name: str) -> Recipient | None:
        """Return who has what is addressed to that name: the agent, or who stands in for it, or None."""
        return self._by_name.get(name) or self._stand_ins.get(name)

    def get(self, name: str) -> Recipient | None:
        """Return the recipient of that name, or None."""
        return self._by_name.get(name)

    def named(self) -> list[Recipient]:
        """Return those that have a name, in order of registration."""
        return list(self._by_name.values())

    def agents(self) -> Iterator[Recipient]:
        """Iterate over the agents, in order of registration."""
        return (r for r in self._by_name.values() if not (r.is_feed or r.is_extension))

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
        totals["running"] = sum(recipient.running_count for recipient in self)
        totals["unacknowledged"] = sum(recipient.unacknowledged_count for recipient in self)
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
        return tuple((r.name, r.waiting, r.running_count) for r in self if r.busy)

    def _forget(self) -> None:
        for recipient in [recipient for recipient in self._leaving if not recipient.running_count]:
            self._leaving.remove(recipient)
            if recipient.latency is not None:
                self._latency_gone.merge(recipient.latency)
            for name in COUNTS:
                self._gone[name] += getattr(recipient, name)
