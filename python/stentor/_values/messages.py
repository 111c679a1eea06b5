"""The message: immutable, one object shared by all its recipients."""

from __future__ import annotations

from enum import Enum, IntEnum
from math import inf
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, final

from attrs import Factory, field, fields, frozen

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

NO_HEADERS: Final[Mapping[str, str]] = MappingProxyType({})


class Priority(IntEnum):
    """How urgent a message is: a mailbox hands out the most urgent first, equals in their order.

    Example:
        >>> import stentor
        >>> stentor.Priority.URGENT > stentor.Priority.NORMAL
        True
    """

    LOW = 0
    NORMAL = 1
    HIGH = 2
    URGENT = 3


class AddressingMode(Enum):
    """How the recipients of a message are found.

    Example:
        >>> import stentor
        >>> stentor.AddressingMode("topic")
        <AddressingMode.TOPIC: 'topic'>
    """

    DIRECT = "direct"
    """One agent by name (and whoever's pattern matches that name)."""
    TOPIC = "topic"
    """Everyone with a subscription that matches the topic."""
    BROADCAST = "broadcast"
    """Every agent but the sender."""


def _expires_at(message: Message) -> float:
    limit = inf if message.deadline is None else message.deadline
    return limit if message.ttl is None else min(limit, message.timestamp + message.ttl)


@final
@frozen(eq=False)
class Message:
    """What is published: immutable, and one object for all recipients.

    A message made by hand has no `id` and no `timestamp` yet; the bus that accepts it hands out a stamped copy.

    Example:
        >>> import stentor
        >>> message = stentor.Message("ai.models.gpt4", {"query": "why?"}, sender="moderator")
        >>> message.topic, message.priority.name
        ('ai.models.gpt4', 'NORMAL')
    """

    topic: str
    """The concrete name it was published to; the agent's name for a DIRECT message."""
    payload: object = None
    """Whatever the publisher sent. It is shared, not copied: treat it as immutable."""
    sender: str | None = field(default=None, kw_only=True)
    """Name of the publisher, or None."""
    id: str = field(default="", kw_only=True)
    """Unique within the bus, and very likely across buses; empty until a bus has accepted the message."""
    timestamp: float = field(default=0.0, kw_only=True)
    """When the bus accepted it: seconds on trio's clock."""
    priority: Priority = field(default=Priority.NORMAL, kw_only=True)
    """Order within a mailbox."""
    ttl: float | None = field(default=None, kw_only=True)
    """Seconds from `timestamp` after which it is never handled, or None for no such limit."""
    deadline: float | None = field(default=None, kw_only=True)
    """Instant on trio's clock from which it is never handled, or None; a request's reply is awaited until then."""
    content_type: str | None = field(default=None, kw_only=True)
    """What the payload is, or None when the publisher did not say."""
    headers: Mapping[str, str] = field(default=NO_HEADERS, kw_only=True)
    """Free annotations."""
    in_reply_to: str | None = field(default=None, kw_only=True)
    """The `id` of the request that this message answers, or None."""
    cause: str | None = field(default=None, kw_only=True)
    """The `id` of the message whose handler published this one, or None."""
    addressing: AddressingMode = field(default=AddressingMode.TOPIC, kw_only=True)
    """How its recipients were found."""

    expires_at: float = field(init=False, repr=False, default=Factory(_expires_at, takes_self=True))
    """Instant on trio's clock from which it is not handled any more; infinity without `ttl` and `deadline`."""

    def __reduce__(self) -> tuple[Callable[..., Message], tuple[object, ...]]:
        """Pickle what it was made of; a view of headers cannot be."""
        made_of = {item.name: getattr(self, item.name) for item in fields(Message) if item.init}
        return _unpickled, (made_of | {"headers": dict(self.headers)},)


def _unpickled(made_of: dict[str, Any]) -> Message:
    headers = made_of["headers"]
    return Message(**made_of | {"headers": MappingProxyType(headers) if headers else NO_HEADERS})
