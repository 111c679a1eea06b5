"""What a journal must write: an observer that makes every entry of what it is told, plainly, as bytes."""

from __future__ import annotations

import re
from typing import Any

import msgspec
import trio

import stentor

_payload = msgspec.msgpack.Encoder(order="deterministic").encode


class Entries(stentor.Observer):
    """All entries, each in MessagePack; with payloads and the texts of errors as a recording has them, or without."""

    def __init__(self, *, whole: bool) -> None:
        """Begin with none."""
        self.all: list[bytes] = []
        self.whole = whole

    def note(self, kind: int, *fields: object) -> None:
        """Make an entry."""
        entry = (kind, trio.current_time(), *fields)
        try:
            self.all.append(msgspec.msgpack.encode(entry))
        except UnicodeEncodeError:
            self.all.append(msgspec.msgpack.encode(escaped(entry)))

    def note_message(
        self, kind: int, message: stentor.Message, recipients: tuple[str, ...], inside: stentor.Delivery | None
    ) -> None:
        """Make an entry of a message."""
        self.note(
            kind,
            message.id,
            message.topic,
            message.sender,
            recipients,
            inside and (inside.agent, inside.message.id, inside.attempt),
            message.in_reply_to,
            message.cause,
            message.priority.value,
            message.addressing.value,
            message.ttl,
            message.deadline,
            message.content_type,
            dict(message.headers) or None,
            *(content(message.payload) if self.whole else ()),
        )

    def note_delivery(self, kind: int, delivery: stentor.Delivery, *more: object) -> None:
        """Make an entry of a delivery."""
        self.note(kind, delivery.agent, delivery.message.id, delivery.attempt, *more)

    def error(self, error: Exception) -> object:
        """What is recorded of an error."""
        kind = type(error)
        name = kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
        return (name, without_addresses(str(error))) if self.whole else name

    def accepted(self, message: stentor.Message, recipients: tuple[str, ...], inside: stentor.Delivery | None) -> None:
        """Make an entry of what is accepted."""
        self.note_message(1, message, recipients, inside)

    def recalled(self, delivery: stentor.Delivery) -> None:
        """Make an entry of what comes into a mailbox again."""
        self.note_message(2, delivery.message, (delivery.agent,), None)

    def begun(self, delivery: stentor.Delivery) -> None:
        """Make an entry of what begins."""
        self.note_delivery(3, delivery)

    def retrying(self, delivery: stentor.Delivery, error: Exception) -> None:
        """Make an entry of what is tried again."""
        self.note_delivery(4, delivery, self.error(error))

    def handled(self, delivery: stentor.Delivery, latency: float) -> None:
        """Make an entry of what was handled."""
        del latency
        self.note_delivery(5, delivery)

    def failed(self, delivery: stentor.Delivery, error: Exception) -> None:
        """Make an entry of what has failed."""
        self.note_delivery(6, delivery, self.error(error))

    def dropped(self, delivery: stentor.Delivery) -> None:
        """Make an entry of what was dropped."""
        self.note_delivery(7, delivery)

    def expired(self, delivery: stentor.Delivery) -> None:
        """Make an entry of what has expired."""
        self.note_delivery(8, delivery)

    def stored(self, delivery: stentor.Delivery) -> None:
        """Make an entry of what is stored."""
        self.note_delivery(9, delivery)

    def abandoned(self, delivery: stentor.Delivery) -> None:
        """Make an entry of what was left."""
        self.note_delivery(10, delivery)


def content(payload: object) -> tuple[int, object]:
    """The form of a payload, and the payload in it."""
    try:
        plain = _payload(payload)
    except (TypeError, OverflowError, UnicodeEncodeError):
        plain = None
    if plain is None or len(plain) > 1_000_000:
        return 1, without_addresses(repr(payload))
    return 0, msgspec.Raw(plain)


def without_addresses(text: str) -> str:
    """The beginning of the text, without what differs from run to run."""
    return re.sub(r" at 0x[0-9a-f]+", " at 0x...", text[:10_000])


def escaped(value: Any) -> Any:
    """The same, without lone surrogates."""
    if isinstance(value, str):
        return value.encode(errors="backslashreplace").decode()
    if isinstance(value, (tuple, list)):
        return [escaped(each) for each in value]
    if isinstance(value, dict):
        return {escaped(key): escaped(each) for key, each in value.items()}
    return value
