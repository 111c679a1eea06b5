"""What is read from a recording: frozen records."""

from __future__ import annotations

from enum import Enum, IntEnum
from typing import TYPE_CHECKING, final

from attrs import frozen

from stentor.recording import _entries

if TYPE_CHECKING:
    from collections.abc import Mapping

    from stentor import AddressingMode, Priority


class Kind(IntEnum):
    """What an entry tells.

    Example:
        >>> from stentor.recording import Kind
        >>> Kind(3)
        <Kind.BEGUN: 3>
    """

    ACCEPTED = _entries.ACCEPTED
    """A message was accepted."""
    RECALLED = _entries.RECALLED
    """A message of before came into a mailbox: a retained value, or one from a stored mailbox."""
    BEGUN = _entries.BEGUN
    """A handler was called."""
    RETRYING = _entries.RETRYING
    """An attempt failed, and another was to follow."""
    HANDLED = _entries.HANDLED
    """A delivery was handled."""
    FAILED = _entries.FAILED
    """A delivery failed for good."""
    DROPPED = _entries.DROPPED
    """A delivery was dropped."""
    EXPIRED = _entries.EXPIRED
    """A delivery expired."""
    STORED = _entries.STORED
    """A delivery came into the stored mailbox."""
    ABANDONED = _entries.ABANDONED
    """A delivery was left by the end of its agent or bus."""


class Outcome(Enum):
    """How a delivery ended.

    Example:
        >>> from stentor.recording import Outcome
        >>> Outcome("failed")
        <Outcome.FAILED: 'failed'>
    """

    HANDLED = "handled"
    FAILED = "failed"
    DROPPED = "dropped"
    EXPIRED = "expired"
    STORED = "stored"
    ABANDONED = "abandoned"


@final
@frozen
class ErrorText:
    """An error as it was recorded.

    Example:
        >>> from stentor.recording import ErrorText
        >>> str(ErrorText("ValueError", "no such model"))
        'ValueError: no such model'
    """

    type: str
    """The name of its class, with its module unless that is built in."""
    text: str
    """What it said."""

    def __str__(self) -> str:
        """Name the type and the text."""
        return f"{self.type}: {self.text}" if self.text else self.type


@final
@frozen
class Inside:
    """The delivery in whose handler a message was published.

    Example:
        >>> from stentor.recording import Inside
        >>> Inside("gpt4", "1f-7", 1).agent
        'gpt4'
    """

    agent: str
    """Whose handler it was."""
    message_id: str
    """The message that it handled."""
    attempt: int
    """Which call of the handler it was."""


@final
@frozen(eq=False)
class RecordedMessage:
    """A message as it was recorded.

    Example:
        >>> from stentor.recording import RecordedMessage
        >>> list(RecordedMessage.__annotations__)[:4]
        ['id', 'topic', 'payload', 'payload_is_repr']
    """

    id: str
    """Its id."""
    topic: str
    """Where it was published; for a direct message the name of the agent."""
    payload: object
    """The payload as plain data (what msgspec makes of it, so an attrs object is a dict), or its repr."""
    payload_is_repr: bool
    """Whether the payload could not be encoded, or was too long, so that this is its repr."""
    sender: str | None
    """Who published it."""
    time: float
    """When it was accepted, in seconds on the clock of the run."""
    recipients: tuple[str, ...]
    """Who got it, in subscription order."""
    inside: Inside | None
    """Inside which delivery it was published; None outside of handlers."""
    in_reply_to: str | None
    """The id of the request that it answers."""
    cause: str | None
    """The id of the message whose handler published it."""
    priority: Priority
    """Its priority."""
    addressing: AddressingMode
    """How its recipients were found."""
    ttl: float | None
    """Seconds after which it was not to be handled."""
    deadline: float | None
    """Instant from which it was not to be handled."""
    content_type: str | None
    """What its payload was said to be."""
    headers: Mapping[str, str]
    """Its annotations."""


@final
@frozen(eq=False)
class Entry:
    """One thing that happened, in the order in which it did.

    Example:
        >>> from stentor.recording import Entry, Kind
        >>> Entry(Kind.BEGUN, 2.5, "1f-7", "gpt4", 1, None, None)
        <Entry: at 2.5 s 'gpt4' began message 1f-7, attempt 1>
    """

    kind: Kind
    """What happened."""
    time: float
    """When, in seconds on the clock of the run."""
    message_id: str
    """With which message."""
    agent: str | None
    """At whom; None where a message was accepted."""
    attempt: int
    """Which call of the handler; 0 where a message was accepted or recalled."""
    error: ErrorText | None
    """What the handler raised, where an attempt failed."""
    message: RecordedMessage | None
    """The message, where one was accepted or recalled."""

    def __str__(self) -> str:
        """Tell it in words."""
        if self.message is not None and self.agent is None:
            sender = "" if self.message.sender is None else f" from {self.message.sender!r}"
            return f"at {self.time:g} s message {self.message_id} was accepted on {self.message.topic!r}{sender}"
        error = "" if self.error is None else f": {self.error}"
        verb = _VERBS[self.kind]
        return f"at {self.time:g} s {self.agent!r} {verb} message {self.message_id}, attempt {self.attempt}{error}"

    def __repr__(self) -> str:
        """Tell it in words."""
        return f"<Entry: {self}>"


_VERBS = {
    Kind.RECALLED: "got back",
    Kind.BEGUN: "began",
    Kind.RETRYING: "failed, and was to try again,",
    Kind.HANDLED: "handled",
    Kind.FAILED: "failed for good on",
    Kind.DROPPED: "dropped",
    Kind.EXPIRED: "let expire",
    Kind.STORED: "stored",
    Kind.ABANDONED: "abandoned",
}


@final
@frozen(eq=False)
class RecordedDelivery:
    """One message for one recipient, from its acceptance to its outcome.

    Example:
        >>> from stentor.recording import RecordedDelivery
        >>> sorted(name for name, value in vars(RecordedDelivery).items() if isinstance(value, property))
        ['latency', 'waited']
    """

    message: RecordedMessage
    """The message."""
    agent: str
    """The recipient."""
    accepted: float
    """When it came into the mailbox, in seconds on the clock of the run."""
    begun: tuple[float, ...]
    """When its handler was called, each time; nothing for what was received or polled."""
    ended: float | None
    """When it had its outcome; None if it had none when the recording ended."""
    outcome: Outcome | None
    """What became of it; None if that was still open."""
    attempts: int
    """How many times its handler was called."""
    errors: tuple[ErrorText, ...]
    """What the attempts that failed raised."""

    @property
    def waited(self) -> float | None:
        """Seconds in the mailbox before the handler was called first; None if it never was."""
        return self.begun[0] - self.accepted if self.begun else None

    @property
    def latency(self) -> float | None:
        """Seconds from its acceptance to its outcome; None if it had none."""
        return None if self.ended is None else self.ended - self.accepted
