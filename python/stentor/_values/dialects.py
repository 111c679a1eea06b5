"""The built-in dialects of topics and patterns."""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING, TypeAlias, final

if TYPE_CHECKING:
    from stentor._native import Grammar


@final
@enum.unique
class Dialect(enum.Enum):
    """What separates the segments of a topic, and which segments of a pattern are wildcards.

    Wherever a `dialect=` is asked for, a member, its value, or a `stentor.Grammar` will do.

    Example:
        >>> import stentor
        >>> stentor.Pattern("sport/#", stentor.Dialect.MQTT).matches("sport")
        True
        >>> stentor.Pattern("sport/#", "mqtt").dialect
        <Dialect.MQTT: 'mqtt'>
    """

    MAILBOX = "mailbox"
    """The default: `.`, `*` for one segment, `**` for any number, globs inside a segment."""
    MQTT = "mqtt"
    """MQTT 3.1.1 and 5, as mosquitto answers: `/`, `+`, `#` last, empty levels, hidden `$` topics."""
    NATS = "nats"
    """NATS, as a pedantic client is told: `.`, `*`, and `>` last for one or more tokens."""
    AMQP = "amqp"
    """A topic exchange of RabbitMQ: `.`, `*`, `#` anywhere for any number of words, empty words."""
    REDIS = "redis"
    """PSUBSCRIBE of Redis: one glob over the bytes of the whole name, no segments."""


DialectLike: TypeAlias = "Dialect | str | Grammar"
"""What `dialect=` takes: a member, its value, or a grammar."""
