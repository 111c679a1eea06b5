"""Gathering: from entries, one behind the other, to deliveries with all that became of each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, final

from stentor.recording._records import Kind, Outcome, RecordedDelivery

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from stentor.recording._records import Entry, ErrorText, RecordedMessage

_OUTCOMES: Final = {
    Kind.HANDLED: Outcome.HANDLED,
    Kind.FAILED: Outcome.FAILED,
    Kind.DROPPED: Outcome.DROPPED,
    Kind.EXPIRED: Outcome.EXPIRED,
    Kind.STORED: Outcome.STORED,
    Kind.ABANDONED: Outcome.ABANDONED,
}


def gathered(entries: Iterable[Entry]) -> Iterator[RecordedDelivery]:
    """Return the deliveries that `entries` tell of, in the order in which they came into mailboxes."""
    messages: dict[str, RecordedMessage] = {}
    latest: dict[tuple[str, str], _Delivery] = {}
    every: list[_Delivery] = []

    def begin(agent: str, message: RecordedMessage, time: float) -> _Delivery:
        delivery = latest[agent, message.id] = _Delivery(agent, message, time)
        every.append(delivery)
        return delivery

    for entry in entries:
        message = entry.message
        if message is not None:
            messages[message.id] = message
            for agent in message.recipients:
                begin(agent, message, entry.time)
            continue
        agent = entry.agent or ""
        delivery = latest.get((agent, entry.message_id))
        if delivery is None:  # it was routed to somebody who was not there
            delivery = begin(agent, messages[entry.message_id], entry.time)
        delivery.add(entry)
    return (delivery.record() for delivery in every)


@final
class _Delivery:
    """A delivery that is not over yet."""

    __slots__ = ("_accepted", "_agent", "_begun", "_ended", "_errors", "_message", "_outcome")

    def __init__(self, agent: str, message: RecordedMessage, accepted: float) -> None:
        self._agent = agent
        self._message = message
        self._accepted = accepted
        self._begun: list[float] = []
        self._ended: float | None = None
        self._outcome: Outcome | None = None
        self._errors: list[ErrorText] = []

    def add(self, entry: Entry) -> None:
        """Take what happened to it."""
        if entry.error is not None:
            self._errors.append(entry.error)
        if entry.kind is Kind.BEGUN:
            self._begun.append(entry.time)
        elif entry.kind in _OUTCOMES:
            self._ended = entry.time
            self._outcome = _OUTCOMES[entry.kind]

    def record(self) -> RecordedDelivery:
        """Return what is known of it."""
        return RecordedDelivery(
            message=self._message,
            agent=self._agent,
            accepted=self._accepted,
            begun=tuple(self._begun),
            ended=self._ended,
            outcome=self._outcome,
            attempts=len(self._begun),
            errors=tuple(self._errors),
        )
