"""Stamping: what a publisher hands over becomes a message, checked at the door."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, TypedDict, final

from stentor._values import checks
from stentor._values.content import check_message
from stentor._values.messages import NO_HEADERS, Message, Priority

if TYPE_CHECKING:
    from collections.abc import Callable

    from stentor._native import Current, Ids
    from stentor._values.content import MessageLimits
    from stentor._values.messages import AddressingMode


class MessageOptions(TypedDict, total=False):
    """What may be said of a message beside its topic and payload; the same everywhere a message is published."""

    sender: str | None
    priority: Priority | int
    ttl: float | None
    deadline: float | None
    content_type: str | None
    headers: Mapping[str, str]
    in_reply_to: str | None


@final
class Stamper:
    """Gives every message its id, its time and its cause."""

    def __init__(self, ids: Ids, clock: Callable[[], float], current: Current, limits: MessageLimits) -> None:
        """Take ids from `ids`, read the time from `clock`, and refuse what is beyond `limits`.

        The cause of a message is the one whose delivery `current` names.
        """
        self._current = current
        self._limits = limits
        self.limited: bool = limits.max_payload_bytes is not None or limits.max_total_bytes is not None
        self._clock = clock
        self._ids = ids

    def stamp(
        self,
        topic: str,
        payload: object,
        addressing: AddressingMode,
        *,
        sender: str | None = None,
        priority: Priority | int = Priority.NORMAL,
        ttl: float | None = None,
        deadline: float | None = None,
        content_type: str | None = None,
        headers: Mapping[str, str] = NO_HEADERS,
        in_reply_to: str | None = None,
    ) -> Message:
        """Make the message.

        Raises:
            TypeError: An argument is of the wrong type.
            ValueError: An argument is out of its range, or beyond a limit; the text names it and the rule.
        """
        checks.instance("topic", topic, str)
        if sender is not None:
            checks.instance("sender", sender, str)
        if content_type is not None:
            checks.instance("content_type", content_type, str)
        if in_reply_to is not None:
            checks.instance("in_reply_to", in_reply_to, str)
        if headers is not NO_HEADERS:
            headers = _headers(headers)
        if content_type is not None or headers or self.limited:
            check_message(topic, payload, content_type, headers, self._limits)
        cause = self._current.get()
        return Message(
            topic,
            payload,
            sender=sender,
            id=self._ids.take(),
            timestamp=self._clock(),
            priority=priority if priority is Priority.NORMAL else checks.member("priority", priority, Priority),
            ttl=None if ttl is None else checks.seconds("ttl", ttl),
            deadline=None if deadline is None else checks.seconds("deadline", deadline, zero=True),
            content_type=content_type,
            headers=headers,
            in_reply_to=in_reply_to,
            cause=None if cause is None else cause.message.id,
            addressing=addressing,
        )

    def restamp(self, message: Message, topic: str) -> Message:
        """Make the message that is to be published to `topic` in the place of one that its publisher made."""
        return self.stamp(
            topic,
            message.payload,
            message.addressing,
            sender=message.sender,
            priority=message.priority,
            ttl=message.ttl,
            deadline=message.deadline,
            content_type=message.content_type,
            headers=message.headers,
            in_reply_to=message.in_reply_to,
        )


def _headers(headers: Mapping[str, str]) -> Mapping[str, str]:
    checks.instance("headers", headers, Mapping)  # type: ignore[type-abstract]  # it is asked about, not made
    for item in headers.items():
        if not all(isinstance(part, str) for part in item):
            msg = f"headers must map str to str, not {item[0]!r} to {item[1]!r}"
            raise TypeError(msg)
    return MappingProxyType(dict(headers))
