"""What a mailbox store takes and gives back: entries, their states, queries, pages, summaries, and what it keeps."""

from __future__ import annotations

from enum import Enum
from math import isnan
from typing import TYPE_CHECKING, Any, final

from attrs import field, frozen

from stentor._values import checks
from stentor._values.messages import Message, Priority

if TYPE_CHECKING:
    from collections.abc import Iterable

    from attrs import Attribute


class EntryKind(Enum):
    """Why a message is in a mailbox store.

    Example:
        >>> import stentor
        >>> stentor.EntryKind("mail")
        <EntryKind.MAIL: 'mail'>
    """

    MAIL = "mail"
    """It waits for its agent: the backlog."""
    FAILED = "failed"
    """A handler of its agent failed for good; only who asks for failed ones reads it."""
    DEAD_LETTER = "dead_letter"
    """A dead letter, kept for people: it is never handed out, and waits for nobody."""


class ReadState(Enum):
    """How far a stored message has come.

    Example:
        >>> import stentor
        >>> [state.value for state in stentor.ReadState]
        ['unread', 'handed_out', 'acknowledged', 'expired']
    """

    UNREAD = "unread"
    """Nobody has it."""
    HANDED_OUT = "handed_out"
    """It was read, and not acknowledged yet."""
    ACKNOWLEDGED = "acknowledged"
    """Its agent is done with it; it is kept for audit and never handed out again."""
    EXPIRED = "expired"
    """Its time to live was over before anybody read it; it is kept for audit and never handed out."""


def _kind(value: object) -> EntryKind:
    return value if type(value) is EntryKind else checks.member("kind", value, EntryKind)


_ORDINARY = (str, Message, 0)


@final
@frozen
class MailboxEntry:
    """One message for the stored mailbox of one agent: what `MailboxStore.append` takes.

    Raises:
        TypeError: An argument is of the wrong type.
        ValueError: `failure` is missing for a failed one or a dead letter, or is given for mail.

    Example:
        >>> import stentor
        >>> message = stentor.Message("gpt4", "hello", id="m-1")
        >>> stentor.MailboxEntry("gpt4", message).kind.name
        'MAIL'
        >>> stentor.MailboxEntry("gpt4", message, kind="failed", failure="ValueError: no such model").failure
        'ValueError: no such model'
    """

    agent: str
    """Whose mailbox it goes to."""
    message: Message
    """The message."""
    kind: EntryKind = field(default=EntryKind.MAIL, converter=_kind, kw_only=True)
    """Why it is stored."""
    failure: str | None = field(default=None, kw_only=True)
    """What went wrong, in words; None for mail."""
    attempts: int = field(default=0, kw_only=True)
    """How many times a handler was called with it before it was stored."""

    def __attrs_post_init__(self) -> None:
        # One look at what is ordinary, before each argument is looked at by itself.
        if (type(self.agent), type(self.message), self.attempts) != _ORDINARY:
            checks.instance("agent", self.agent, str)
            checks.instance("message", self.message, Message)
            checks.whole("attempts", self.attempts, least=0)
        if self.kind is not EntryKind.MAIL or self.failure is not None:
            self._check_failure()

    def _check_failure(self) -> None:
        if self.failure is None:
            msg = f"failure must be given for kind {self.kind.name}, not None"
            raise ValueError(msg)
        checks.instance("failure", self.failure, str)
        if self.kind is EntryKind.MAIL:
            msg = f"failure must be None for mail, not {self.failure!r}"
            raise ValueError(msg)


@final
@frozen(kw_only=True)
class StoredMessage:
    """A message in a mailbox store, as it was at the moment of asking.

    Times are seconds on the clock of the store: trio's for `MemoryStore`; a store that outlives the process says its
    own, which is the wall clock. The `message`'s own times are always on trio's clock.

    A handler that must not act twice on a message that comes back remembers `message.id`: it is the same each time.
    """

    id: int
    """Its number: unique within the store, ascending in the order of acceptance, never used again."""
    agent: str
    """Whose mailbox it is in."""
    message: Message
    """The message; its payload equals what was accepted."""
    kind: EntryKind
    """Why it is stored."""
    state: ReadState
    """How far it has come."""
    stored_at: float
    """When it was accepted."""
    acknowledged_at: float | None
    """When it was acknowledged, or None."""
    handouts: int
    """How many times it was handed out, this time included."""
    failure: str | None
    """What went wrong, in words; None for mail."""
    attempts: int
    """How many times a handler was called with it before it failed."""

    @property
    def redelivered(self) -> bool:
        """Whether it was handed out before this time, so that it may have been handled already."""
        return self.handouts > 1


def _ids(value: Iterable[int] | None) -> frozenset[int] | None:
    return None if value is None else frozenset(checks.numbers("ids", value))


def _texts(value: Iterable[str] | None) -> frozenset[str] | None:
    return None if value is None else checks.names("senders", value)


def _states(value: Iterable[ReadState | str] | None) -> frozenset[ReadState] | None:
    return None if value is None else checks.members("states", value, ReadState)


def _kinds(value: Iterable[EntryKind | str] | None) -> frozenset[EntryKind] | None:
    return None if value is None else checks.members("kinds", value, EntryKind)


def _priority(value: Priority | int | None) -> Priority | None:
    return None if value is None else checks.member("min_priority", value, Priority)


def _optional_name(_: object, attribute: Attribute[Any], value: object) -> None:
    if value is not None:
        checks.instance(attribute.name, value, str)


def _time(_: object, attribute: Attribute[Any], value: object) -> None:
    if value is not None and (not isinstance(value, (int, float)) or isinstance(value, bool) or isnan(value)):
        msg = f"{attribute.name} must be a time of the store's clock, in seconds, not {value!r}"
        raise TypeError(msg)


@final
@frozen(kw_only=True)
class MailboxQuery:
    """Which stored messages are meant: those that fulfil everything said; without a word, all.

    Raises:
        TypeError: An argument is of the wrong type.
        ValueError: There is no such state, kind or priority, or `until` is before `since`.

    Example:
        >>> import stentor
        >>> query = stentor.MailboxQuery(agent="gpt4", states=["unread"], min_priority=stentor.Priority.HIGH)
        >>> query.agent, query.states
        ('gpt4', frozenset({<ReadState.UNREAD: 'unread'>}))
    """

    agent: str | None = field(default=None, validator=_optional_name)
    """In the mailbox of this agent."""
    since: float | None = field(default=None, validator=_time)
    """Accepted at this time of the store's clock or later."""
    until: float | None = field(default=None, validator=_time)
    """Accepted before this time of the store's clock."""
    ids: frozenset[int] | None = field(default=None, converter=_ids)
    """With one of these numbers."""
    message_id: str | None = field(default=None, validator=_optional_name)
    """Whose message has this `id`."""
    senders: frozenset[str] | None = field(default=None, converter=_texts)
    """Sent by one of these."""
    min_priority: Priority | None = field(default=None, converter=_priority)
    """Of this priority or a higher one."""
    states: frozenset[ReadState] | None = field(default=None, converter=_states)
    """In one of these states."""
    kinds: frozenset[EntryKind] | None = field(default=None, converter=_kinds)
    """Of one of these kinds."""

    def __attrs_post_init__(self) -> None:
        if self.since is not None and self.until is not None and self.until < self.since:
            msg = f"until must be >= since, which is {self.since!r}, not {self.until!r}"
            raise ValueError(msg)


@final
@frozen(kw_only=True)
class MailboxPage:
    """A part of what a query found, in order of acceptance."""

    messages: tuple[StoredMessage, ...]
    """The messages of this page."""
    cursor: int | None
    """What to pass as `after` for the next page, or None when this is the last."""


@final
@frozen(kw_only=True)
class MailboxSummary:
    """One mailbox of a store in numbers: every entry is in exactly one of the states, or a dead letter."""

    agent: str
    """Whose mailbox it is."""
    unread: int
    """Mail and failed ones that nobody has."""
    handed_out: int
    """Mail and failed ones that were read and not acknowledged."""
    acknowledged: int
    """Mail and failed ones kept for audit after their acknowledgement."""
    expired: int
    """Mail and failed ones kept for audit whose time was over before anybody read them."""
    dead_letters: int
    """Dead letters."""
    bytes: int
    """What its entries take, as the store measures it."""


def _bound(_: object, attribute: Attribute[Any], value: object) -> None:
    if value is not None:
        checks.whole(attribute.name, value, least=0)


def _age(_: object, attribute: Attribute[Any], value: object) -> None:
    if value is not None:
        checks.seconds(attribute.name, value, zero=True)


@final
@frozen(kw_only=True)
class Retention:
    """How much a mailbox keeps of what waits for nobody: acknowledged and expired messages, and dead letters.

    What is unread or handed out is never removed by it. Of the rest the oldest goes first, by number, as soon as one
    bound is passed.

    Raises:
        TypeError: A bound is of the wrong type.
        ValueError: A bound is negative.

    Example:
        >>> import stentor
        >>> stentor.Retention(count=0)  # nothing is kept for audit
        Retention(age=None, count=0, bytes=None)
    """

    age: float | None = field(default=None, validator=_age)
    """Seconds since its acceptance after which a message is not kept, or None for no such bound."""
    count: int | None = field(default=10_000, validator=_bound)
    """How many are kept in one mailbox, or None for no such bound."""
    bytes: int | None = field(default=None, validator=_bound)
    """How many bytes those kept in one mailbox may take, or None for no such bound."""
