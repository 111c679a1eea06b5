"""The message: immutable, one object shared by all its recipients."""

from __future__ import annotations

from enum import Enum, IntEnum
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from stentor._native import Message as Message

if TYPE_CHECKING:
    from collections.abc import Mapping

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
