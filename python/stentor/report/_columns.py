"""What a report shows, column by column: numbers and indices, so that a hundred thousand messages load at once."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any, Final, final

from stentor.recording import Outcome, RecordingWarning

if TYPE_CHECKING:
    from collections.abc import Iterable

    from stentor.recording import RecordedDelivery, RecordedMessage, Recording

PREVIEW: Final = 240
"""Code points of a payload that are shown."""
DIGITS: Final = 6
"""Digits behind the point of a time in seconds."""
MESSAGE_COLUMNS: Final = ("id", "time", "topic", "sender", "cause", "reply", "priority", "addressing", "payload")
DELIVERY_COLUMNS: Final = ("message", "agent", "accepted", "begun", "ended", "outcome", "attempts", "error")
OUTCOMES: Final = (*(outcome.value for outcome in Outcome), "open")


@final
class _Names:
    """Texts, each once, and the index of each."""

    def __init__(self) -> None:
        self.indices: dict[str, int] = {}

    def of(self, text: str | None) -> int:
        """Return the index of a text, -1 for none."""
        return -1 if text is None else self.indices.setdefault(text, len(self.indices))

    def all(self) -> list[str]:
        return list(self.indices)


@final
class Columns:
    """The columns of one recording."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self._agents = _Names()
        self._topics = _Names()
        self._errors = _Names()
        self._ids: dict[str, int] = {}
        self._start: float | None = None
        self._end = 0.0
        self._messages: dict[str, list[Any]] = {name: [] for name in MESSAGE_COLUMNS}
        self._deliveries: dict[str, list[Any]] = {name: [] for name in DELIVERY_COLUMNS}

    def add(self, messages: Iterable[RecordedMessage], deliveries: Iterable[RecordedDelivery]) -> None:
        """Take the messages that were accepted, also for nobody, and the deliveries."""
        for message in messages:
            self._message(message)
        for delivery in deliveries:
            self._delivery(delivery)

    def _time(self, time: float | None) -> float | None:
        if time is None:
            return None
        if self._start is None:
            self._start = time
        seconds = round(time - self._start, DIGITS)
        self._end = max(self._end, seconds)
        return seconds

    def _message(self, message: RecordedMessage) -> int:
        index = self._ids.setdefault(message.id, len(self._ids))
        if index < len(self._messages["id"]):
            return index
        sender = message.sender
        if sender is None and message.inside is not None:
            sender = message.inside.agent
        row = (
            message.id,
            self._time(message.time),
            self._topics.of(message.topic),
            self._agents.of(sender),
            self._ids.get(message.cause or "", -1),
            self._ids.get(message.in_reply_to or "", -1),
            message.priority.value,
            message.addressing.value,
            _preview(message),
        )
        for column, value in zip(self._messages.values(), row, strict=True):
            column.append(value)
        return index

    def _delivery(self, delivery: RecordedDelivery) -> None:
        outcome = "open" if delivery.outcome is None else delivery.outcome.value
        row = (
            self._message(delivery.message),
            self._agents.of(delivery.agent),
            self._time(delivery.accepted),
            self._time(delivery.begun[0]) if delivery.begun else None,
            self._time(delivery.ended),
            OUTCOMES.index(outcome),
            delivery.attempts,
            self._errors.of(str(delivery.errors[-1])) if delivery.errors else -1,
        )
        for column, value in zip(self._deliveries.values(), row, strict=True):
            column.append(value)

    def as_json(self) -> dict[str, Any]:
        """Return all of it, as JSON has it."""
        return {
            "agents": self._agents.all(),
            "topics": self._topics.all(),
            "errors": self._errors.all(),
            "outcomes": OUTCOMES,
            "start": self._start or 0.0,
            "end": self._end,
            "messages": self._messages,
            "deliveries": self._deliveries,
        }


def _preview(message: RecordedMessage) -> str:
    text = message.payload if message.payload_is_repr or isinstance(message.payload, str) else repr(message.payload)
    text = str(text)
    return text if len(text) <= PREVIEW else f"{text[:PREVIEW]}..."


def columns(recording: Recording) -> dict[str, Any]:
    """Return what the page shows of a recording, with what was wrong with the file."""
    found = Columns()
    with warnings.catch_warnings(record=True) as given:
        warnings.simplefilter("always", RecordingWarning)
        found.add(recording.messages(), recording.deliveries())
        digest = recording.digest()
    warning = next((str(each.message) for each in given if issubclass(each.category, RecordingWarning)), None)
    return found.as_json() | {
        "name": recording.path.name,
        "about": dict(recording.about),
        "version": recording.version,
        "digest": digest,
        "warning": warning,
    }
