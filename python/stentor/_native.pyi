"""The compiled half of stentor: topics, patterns and the index of subscriptions."""

from collections import OrderedDict, deque
from collections.abc import Awaitable, Callable, Coroutine, Generator, Iterable, Iterator, Mapping, Sequence
from contextvars import Context, Token
from types import FrameType
from typing import Any, Final, Literal, Self, final

from trio import CancelScope, Event
from trio.lowlevel import Abort, Task
from typing_extensions import disjoint_base

from stentor._machine.calls import Suspended
from stentor._machine.waits import AnyOf, Waits
from stentor._mechanisms.deliveries import Watcher
from stentor._mechanisms.mailbox import Quota
from stentor._mechanisms.recipients import Receiver, Recipient
from stentor._mechanisms.subscriptions import Subscription, SubscriptionTable
from stentor._values.dialects import Dialect, DialectLike
from stentor._values.messages import AddressingMode, Priority
from stentor._values.modes import Mode
from stentor._values.options import DeliveryMode, SubscriptionOptions
from stentor._values.policies import HandlerPolicy
from stentor._values.results import BroadcastResult

__all__ = [
    "BUILD_PROFILE",
    "VERSION",
    "Alarms",
    "Current",
    "Delivery",
    "Desk",
    "Door",
    "Entry",
    "Explanation",
    "Frames",
    "Grammar",
    "Histogram",
    "Ids",
    "Index",
    "IndexStatistics",
    "Journal",
    "Lane",
    "Message",
    "Meter",
    "Opened",
    "Pattern",
    "Publication",
    "Publisher",
    "Pump",
    "Question",
    "QuotaState",
    "ReadyQueue",
    "Receipt",
    "RecipientState",
    "Relay",
    "Request",
    "RouteState",
    "Selection",
    "Shift",
    "Target",
    "Turns",
    "WorkersState",
    "pack_commands",
    "validate_topic",
]

VERSION: Final[str]
"""The version of the crate, which is the version of the package."""

BUILD_PROFILE: Final[str]
"""The cargo profile of this build: `"release"` or `"debug"`."""

@final
class Grammar:
    """What topics and patterns look like: a dialect of one's own, or a built-in one with other limits.

    A frozen value, which pickles. `Grammar.of` gives those of the built-in dialects.

    Args:
        separator: One ASCII character between two segments.
        single: The segment that matches exactly one segment.
        multi: The segment that matches a run of segments.
        multi_min: The fewest segments that `multi` matches: 0 or 1.
        multi_anywhere: Whether `multi` may stand anywhere and several times, or last only.
        empty_segments: Whether a segment may be empty.
        empty_topic: Whether the empty text is a topic, of zero segments.
        globs: Whether `*`, `?` and `[...]` are a glob inside one segment.
        hidden_prefix: A topic that starts with it is matched only by a pattern that spells it.
        global_pattern: The whole pattern that matches every topic, beside `multi` itself.
        wildcard_text: Where the text of a wildcard is plain text: `"nowhere"`, `"inside"` a longer
            segment, or also in `"topics"`.
        forbidden: Characters that neither a topic nor a pattern may hold.
        max_segments: The most segments of a topic or a pattern.
        max_bytes: The most bytes of UTF-8 of a topic or a pattern.
        max_multi: The most multi wildcards of a pattern (in `redis`: stars).

    Raises:
        ValueError: The parts contradict each other; the text names the part and the rule.

    Example:
        >>> colons = stentor.Grammar(":", single="+", multi="...")
        >>> stentor.Pattern("ai:...:error", colons).matches("ai:models:gpt4:error")
        True
    """

    def __new__(
        cls,
        separator: str,
        *,
        single: str,
        multi: str,
        multi_min: int = 0,
        multi_anywhere: bool = True,
        empty_segments: bool = False,
        empty_topic: bool = False,
        globs: bool = False,
        hidden_prefix: str | None = None,
        global_pattern: str | None = None,
        wildcard_text: Literal["nowhere", "inside", "topics"] = "nowhere",
        forbidden: str = "",
        max_segments: int = 256,
        max_bytes: int = 4096,
        max_multi: int = 8,
    ) -> Grammar: ...
    @classmethod
    def of(
        cls,
        dialect: DialectLike,
        *,
        max_segments: int | None = None,
        max_bytes: int | None = None,
        max_multi: int | None = None,
    ) -> Grammar:
        """Return the grammar of a dialect, with other limits where they are given.

        Args:
            dialect: A `Dialect`, its value, or a `Grammar`.
            max_segments: The most segments of a topic or a pattern.
            max_bytes: The most bytes of UTF-8 of a topic or a pattern.
            max_multi: The most multi wildcards of a pattern (in `redis`: stars).

        Raises:
            TypeError: `dialect` is none of the three.
            ValueError: `dialect` is not the name of one, or a limit is below 1.

        Example:
            >>> stentor.Grammar.of("mqtt").separator
            '/'
            >>> stentor.Pattern("**.a.**", stentor.Grammar.of("mailbox", max_multi=1))
            Traceback (most recent call last):
            ...
            stentor.InvalidPatternError: invalid pattern '**.a.**' at offset 5: more than 1 multi wildcards (max_multi)
        """

    @property
    def separator(self) -> str | None:
        """One character between two segments; None in `redis`, which has no segments."""

    @property
    def single(self) -> str | None:
        """The segment that matches exactly one segment; None in `redis`."""

    @property
    def multi(self) -> str | None:
        """The segment that matches a run of segments; None in `redis`."""

    @property
    def hidden_prefix(self) -> str | None:
        """The text that hides a topic from patterns that do not spell it, if there is one."""

    @property
    def max_segments(self) -> int:
        """The most segments of a topic or a pattern."""

    @property
    def max_bytes(self) -> int:
        """The most bytes of UTF-8 of a topic or a pattern."""

    @property
    def max_multi(self) -> int:
        """The most multi wildcards of a pattern (in `redis`: stars)."""

    def __eq__(self, other: object, /) -> bool: ...
    def __hash__(self) -> int: ...

@final
class Pattern:
    """What a subscription matches: a text with wildcards, read by a dialect.

    A frozen value: patterns of the same text and dialect are equal, hash alike, and pickle.

    Args:
        text: The pattern as it is written.
        dialect: A `Dialect`, its value, or a `Grammar`.

    Raises:
        InvalidPatternError: `text` is no pattern of the dialect; the first flaw from the left.
        TypeError: `text` is not a `str`, or `dialect` none of the three.
        ValueError: `dialect` is not the name of one.

    Example:
        >>> pattern = stentor.Pattern("ai.models.*")
        >>> pattern.matches("ai.models.gpt4")
        True
        >>> pattern.matches("ai.models.gpt4.turbo")
        False
        >>> stentor.Pattern("ai.**").includes(pattern)
        True
    """

    def __new__(cls, text: str, dialect: DialectLike = "mailbox") -> Pattern: ...
    @property
    def text(self) -> str:
        """The text as it was given."""

    @property
    def dialect(self) -> Dialect | Grammar:
        """The dialect it was read by: a `Dialect`, or the `Grammar` of one's own."""

    @property
    def canonical(self) -> str:
        """The text with all runs of wildcards in one form.

        Patterns that mean the same because of runs of wildcards have the same one: `a.**.**` and
        `a.**` do, `a.**.*` and `a.*.**` do. In `redis`, which has no such form, the text itself.

        Example:
            >>> stentor.Pattern("**.*.logs").canonical
            '*.**.logs'
            >>> stentor.Pattern("*").canonical == stentor.Pattern("*.**").canonical == "**"
            True
        """

    @property
    def is_exact(self) -> bool:
        """Whether it holds no wildcard, so that it matches one topic."""

    def matches(self, topic: str) -> bool:
        """Whether a topic matches.

        Args:
            topic: A topic of the same dialect.

        Raises:
            InvalidTopicError: `topic` is no topic of the dialect.
            TypeError: `topic` is not a `str`.

        Example:
            >>> stentor.Pattern("logs.**.error").matches("logs.db.replica.error")
            True
        """

    def includes(self, other: Pattern) -> bool:
        """Whether every topic that `other` matches is matched by this pattern too.

        Exact, over topics of any length: the limits of a dialect do not count.

        Args:
            other: A pattern of the same dialect.

        Raises:
            LimitError: The answer takes more than 4,000,000 steps, about a tenth of a second.
            TypeError: `other` is not a `Pattern`.
            ValueError: `other` is of another dialect.

        Example:
            >>> stentor.Pattern("ai.**").includes(stentor.Pattern("ai.*.gpt[34]"))
            True
        """

    def overlaps(self, other: Pattern) -> bool:
        """Whether some topic is matched by both patterns.

        Exact, over topics of any length: the limits of a dialect do not count.

        Args:
            other: A pattern of the same dialect.

        Raises:
            LimitError: The answer takes more than 4,000,000 steps, about a tenth of a second.
            TypeError: `other` is not a `Pattern`.
            ValueError: `other` is of another dialect.

        Example:
            >>> stentor.Pattern("ai.*.log").overlaps(stentor.Pattern("**.error.*"))
            True
            >>> stentor.Pattern("v?").overlaps(stentor.Pattern("v[!0-9]*x"))
            False
        """

    def __eq__(self, other: object, /) -> bool: ...
    def __hash__(self) -> int: ...

def validate_topic(text: str, dialect: DialectLike = "mailbox") -> str:
    """Return a topic as it was given, if it is one.

    Args:
        text: The topic.
        dialect: A `Dialect`, its value, or a `Grammar`.

    Raises:
        InvalidTopicError: `text` is no topic of the dialect; the first flaw from the left.
        TypeError: `text` is not a `str`, or `dialect` none of the three.
        ValueError: `dialect` is not the name of one.

    Example:
        >>> stentor.validate_topic("ai.models.gpt4")
        'ai.models.gpt4'
        >>> stentor.validate_topic("sport//tennis", "mqtt")
        'sport//tennis'
    """

@final
class Explanation:
    """One subscription that matches a topic, and why.

    Example:
        >>> import stentor
        >>> matcher = stentor.Matcher()
        >>> matcher.add("ai.**", "all")
        0
        >>> matcher.explain("ai.models")
        (Explanation(id=0, pattern='ai.**', structure='shape'),)
    """

    @property
    def id(self) -> int:
        """The subscription."""

    @property
    def pattern(self) -> str:
        """Its pattern, as it was given."""

    @property
    def structure(self) -> str:
        """Through which structure it was found: `"exact"`, `"shape"`, `"trie"` or `"prefix"`."""

    def __eq__(self, other: object, /) -> bool: ...
    def __hash__(self) -> int: ...

@final
class IndexStatistics:
    """What an index holds; counts unless said otherwise."""

    @property
    def subscriptions(self) -> int:
        """Subscriptions added and not removed."""

    @property
    def patterns(self) -> int:
        """Different patterns among them; two that differ only in runs of wildcards are one."""

    @property
    def nodes(self) -> int:
        """Nodes of the trie, which holds the patterns that no faster structure takes."""

    @property
    def shapes(self) -> int:
        """Shapes of wildcard patterns, found by hash."""

    @property
    def symbols(self) -> int:
        """Different segment texts in the trie."""

    @property
    def prefixes(self) -> int:
        """Different literal prefixes of patterns without segments."""

    @property
    def bytes(self) -> int:
        """Bytes that the index owns on the heap."""

    @property
    def lookups(self) -> int:
        """Valid topics that `match` and `pick` were asked for."""

    def __eq__(self, other: object, /) -> bool: ...

@final
class Index:
    """The subscription index: which subscriptions match a topic, and what they stand for. Not public.

    Args:
        dialect: A `Dialect`, its value, or a `Grammar`.
        reserved: A first segment: topics under it are matched only by patterns that spell it.
        keeps_values: Whether each subscription has a value; about eight bytes each.

    Raises:
        TypeError: `dialect` is none of the three.
        ValueError: `dialect` is not the name of one.

    Example:
        >>> from stentor._native import Index
        >>> index = Index("mailbox")
        >>> index.add_many(["ai.**", "ai.models.*", "ops.**"])
        [0, 1, 2]
        >>> index.match("ai.models.gpt4")
        (0, 1)
        >>> index = Index("mailbox", keeps_values=True)
        >>> all_of_it = index.add("ai.**", "all")
        >>> index.pick("ai.models.gpt4")
        ('all',)
    """

    def __new__(cls, dialect: DialectLike, *, reserved: str | None = None, keeps_values: bool = False) -> Index: ...
    def add(self, pattern: str, value: object = None) -> int:
        """Add one subscription to `pattern` and return its id, greater than all before.

        Raises:
            InvalidPatternError: `pattern` is none of the dialect; nothing has changed.
            ValueError: there is a `value`, and the index keeps none; nothing has changed.
        """

    def add_many(self, patterns: Sequence[str], values: Sequence[object] | None = None) -> list[int]:
        """Add a subscription to each of the patterns, or none at all, and return their ids.

        Raises:
            InvalidPatternError: for the first that is no pattern; nothing has changed.
            ValueError: `values` are not as many as `patterns`, or the index keeps none; nothing has changed.
        """

    def remove(self, id: int) -> Any:
        """Remove the subscription with this id, and return its value.

        Raises:
            ValueError: `id` is of no subscription, or no longer.
        """

    def exact_topic(self, id: int) -> str | None:
        """Return the one topic that a subscription matches; None if its pattern has a wildcard or it is not there."""

    def match(self, topic: str, /) -> tuple[int, ...]:
        """Return the ids whose patterns match a topic, ascending.

        Raises:
            InvalidTopicError: `topic` is none of the dialect.
        """

    def match_many(self, topics: Sequence[str]) -> list[tuple[int, ...]]:
        """Return what `match` returns, for each topic.

        Raises:
            InvalidTopicError: for the first that is no topic.
        """

    def pick(self, topic: str, /) -> tuple[Any, ...]:
        """Return the values whose patterns match a topic, by ascending id; none if the index keeps no values.

        Raises:
            InvalidTopicError: `topic` is none of the dialect.
        """

    def pick_many(self, topics: Sequence[str]) -> list[tuple[Any, ...]]:
        """Return what `pick` returns, for each topic.

        Raises:
            InvalidTopicError: for the first that is no topic.
        """

    def explain(self, topic: str) -> tuple[Explanation, ...]:
        """Say which patterns match a topic, and through which structure, in the order of their first subscriptions.

        Raises:
            InvalidTopicError: `topic` is none of the dialect.
        """

    def statistics(self) -> IndexStatistics:
        """Return what the index holds."""

    def __contains__(self, id: object, /) -> bool: ...
    def __len__(self) -> int: ...

@final
class Message:
    """What is published: immutable, and one object for all recipients.

    It is equal to itself only, not to another message that says the same.

    A message made by hand has no `id` and no `timestamp` yet; the bus that accepts it hands out a stamped copy.

    Example:
        >>> import stentor
        >>> message = stentor.Message("ai.models.gpt4", {"query": "why?"}, sender="moderator")
        >>> message.topic, message.priority.name
        ('ai.models.gpt4', 'NORMAL')
        >>> message.replace(sender="somebody else").sender
        'somebody else'
    """

    def __new__(
        cls,
        topic: str,
        payload: object = None,
        *,
        sender: str | None = None,
        id: str | None = None,
        timestamp: float = 0.0,
        priority: Priority | int | None = None,
        ttl: float | None = None,
        deadline: float | None = None,
        content_type: str | None = None,
        headers: Mapping[str, str] | None = None,
        in_reply_to: str | None = None,
        cause: str | None = None,
        addressing: AddressingMode | str | None = None,
    ) -> Message: ...
    @property
    def topic(self) -> str:
        """The concrete name it was published to; the agent's name for a DIRECT message."""

    @property
    def payload(self) -> object:
        """Whatever the publisher sent. It is shared, not copied: treat it as immutable."""

    @property
    def sender(self) -> str | None:
        """Name of the publisher, or None."""

    @property
    def id(self) -> str:
        """Unique within the bus, and very likely across buses; empty until a bus has accepted the message."""

    @property
    def timestamp(self) -> float:
        """When the bus accepted it: seconds on trio's clock."""

    @property
    def priority(self) -> Priority:
        """Order within a mailbox."""

    @property
    def ttl(self) -> float | None:
        """Seconds from `timestamp` after which it is never handled, or None for no such limit."""

    @property
    def deadline(self) -> float | None:
        """Instant on trio's clock from which it is never handled, or None; a request's reply is awaited until then."""

    @property
    def content_type(self) -> str | None:
        """What the payload is, or None when the publisher did not say."""

    @property
    def headers(self) -> Mapping[str, str]:
        """Free annotations."""

    @property
    def in_reply_to(self) -> str | None:
        """The `id` of the request that this message answers, or None."""

    @property
    def cause(self) -> str | None:
        """The `id` of the message whose handler published this one, or None."""

    @property
    def addressing(self) -> AddressingMode:
        """How its recipients were found."""

    @property
    def expires_at(self) -> float:
        """Instant on trio's clock from which it is not handled any more; infinity without `ttl` and `deadline`."""

    def replace(self, **changes: Any) -> Message:
        """Return a message that differs from this one in the fields that are given.

        Args:
            **changes: Fields by name, as the constructor takes them.

        Raises:
            TypeError: A message has no such field, or the value is none for it.
        """

    def __getnewargs_ex__(self) -> tuple[tuple[str], dict[str, Any]]: ...

@disjoint_base
class Publisher:
    """The publishing of a bus: through its door where that will do, and else by the machine."""

    def __new__(cls, *args: object, **options: object) -> Self: ...
    def publish(
        self,
        topic: str,
        payload: object = None,
        *,
        retain: bool = False,
        confirm: bool = False,
        sender: str | None = None,
        priority: Priority | int = ...,
        ttl: float | None = None,
        deadline: float | None = None,
        content_type: str | None = None,
        headers: Mapping[str, str] = ...,
        in_reply_to: str | None = None,
    ) -> Coroutine[Any, Any, Receipt]:
        """Publish to everyone whose pattern matches `topic`, and return once every mailbox has accepted the message.

        It is accepted for all recipients in one step. Where a mailbox with `Overflow.BLOCK` is full it waits, holding
        nothing; cancelled while it waits, nobody gets the message. It yields to other tasks only when it has to wait,
        and once in 1,000 calls.

        Args:
            topic: A concrete name, without wildcards.
            payload: Anything; it is shared by all recipients, not copied.
            retain: Whether it becomes the topic's retained value, for subscribers who come later and ask for it.
            confirm: Whether `Receipt.confirmed` will tell what became of it.
            sender: As for `Message`, like what follows.
            priority: Order within a mailbox.
            ttl: Seconds after which it is not handled any more.
            deadline: Instant on trio's clock from which it is not handled any more.
            content_type: What the payload is.
            headers: Free annotations.
            in_reply_to: The id of the request that it answers.

        Raises:
            InvalidTopicError: `topic` is not one.
            PermissionDeniedError: The sender may not publish to it.
            MailboxFullError: A mailbox with `Overflow.FAIL` is full; nobody gets the message.
            DeadlockError: A handler would wait for an agent that waits for it.
            ValueError: An option is out of its range, or `topic` is reserved.
            trio.ClosedResourceError: The bus is closed.
        """

    def publish_nowait(
        self,
        topic: str,
        payload: object = None,
        *,
        retain: bool = False,
        sender: str | None = None,
        priority: Priority | int = ...,
        ttl: float | None = None,
        deadline: float | None = None,
        content_type: str | None = None,
        headers: Mapping[str, str] = ...,
        in_reply_to: str | None = None,
    ) -> Receipt:
        """Publish as `publish` does, but raise where that would wait.

        Raises:
            InvalidTopicError: `topic` is not one.
            PermissionDeniedError: The sender may not publish to it.
            MailboxFullError: A mailbox with `Overflow.FAIL` is full; nobody gets the message.
            ValueError: An option is out of its range, or `topic` is reserved.
            RuntimeError: It is not called by a task of the trio run that the bus is in; others use `portal`.
            trio.WouldBlock: A mailbox with `Overflow.BLOCK` is full, or an agent is durable; nobody gets the message.
            trio.ClosedResourceError: The bus is closed.
        """

    _desk: Desk
    def request(
        self,
        topic: str,
        payload: object = None,
        *,
        timeout: float = 5.0,
        addressing: AddressingMode | str = ...,
        sender: str | None = None,
        priority: Priority | int = ...,
        ttl: float | None = None,
        deadline: float | None = None,
        content_type: str | None = None,
        headers: Mapping[str, str] = ...,
        in_reply_to: str | None = None,
    ) -> Coroutine[Any, Any, Message]:
        """Publish a question, and return the first answer.

        An agent answers by what its handler returns, unless that is None, or by `reply`. The way back is open before
        the question leaves, and nobody handles it any more once its time is up.

        Args:
            topic: A concrete name, without wildcards; or, by `addressing`, that of an agent.
            payload: The question.
            timeout: Seconds; the message carries it as its deadline, unless one is given that is earlier.
            addressing: `AddressingMode.TOPIC`, or DIRECT to ask one agent by its name, or BROADCAST to ask every agent
                but the sender, whatever the topic.
            sender: As for `publish`, like what follows.
            priority: Order within a mailbox.
            ttl: Seconds after which it is not handled any more.
            deadline: Is set by `timeout`.
            content_type: What the payload is.
            headers: Free annotations.
            in_reply_to: The id of the request that it answers.

        Raises:
            trio.TooSlowError: No answer came in time; the text names who has the question.
            NoResponderError: No agent listens there; feeds are not asked.
            UnknownAgentError: It is addressed to an agent that does not exist.
            RequestFailedError: Every handler failed.
            InvalidTopicError: `topic` is not one.
            PermissionDeniedError: The sender may not publish to it.
            MailboxFullError: A mailbox with `Overflow.FAIL` is full; nobody gets the question.
            DeadlockError: A handler would wait for an agent that waits for it.
            ValueError: `timeout` is not > 0, or an option is out of its range.
            trio.ClosedResourceError: The bus is closed.
        """

@final
class Question(Coroutine[Any, Any, Message]):
    """A question that is asked when it is awaited, once; it is a coroutine in all but its type."""

    @property
    def cr_frame(self) -> FrameType | None:
        """The frame of who waits here."""

    @property
    def cr_await(self) -> object:
        """What who waits here awaits."""

    def __await__(self) -> Generator[Any, Any, Message]: ...
    def __iter__(self) -> Self: ...
    def __next__(self) -> Any: ...
    def send(self, value: Any, /) -> Any:
        """Begin, or go on with what trio answers."""

    def throw(self, kind: Any, value: Any = None, traceback: Any = None, /) -> Any:
        """Raise an error where it waits, or here where it has not begun, which it never will then."""

    def close(self) -> None:
        """Call it off."""

@final
class Publication(Coroutine[Any, Any, Receipt]):
    """A publish that happens when it is awaited, once; it is a coroutine in all but its type."""

    def __await__(self) -> Generator[Any, Any, Receipt]: ...
    def __next__(self) -> Any: ...
    def send(self, value: Any, /) -> Any:
        """Begin, or go on with what trio answers."""

    def throw(self, kind: Any, value: Any = None, traceback: Any = None, /) -> Any:
        """Raise an error where it waits, or here where it has not begun, which it never will then."""

    def close(self) -> None:
        """Call it off."""

    @property
    def cr_frame(self) -> FrameType | None:
        """The frame of who waits here."""

    @property
    def cr_await(self) -> object:
        """What who waits here awaits."""

@final
class Delivery:
    """One message for one agent; handlers may take it as their second argument.

    Example:
        >>> import stentor, trio
        >>> async def handler(message, delivery):
        ...     print(delivery.agent, [sub.pattern for sub in delivery.subscriptions], delivery.attempt)
        >>> async def main():
        ...     async with stentor.open_bus() as bus:
        ...         agent = bus.register("gpt4", handler)
        ...         agent.subscribe("ai.*")
        ...         agent.subscribe("ai.models")
        ...         await bus.publish("ai.models", "hello")
        >>> trio.run(main)
        gpt4 ['ai.*', 'ai.models'] 1
    """

    attempt: int
    """How many times its handler has been called with it, this call included."""
    redelivered: bool
    """Whether it may have been handled before: it was handed out, from a stored mailbox or by polling, and not
    acknowledged."""
    _watcher: Watcher | None
    _state: int
    _arrived: float
    _started: float
    _batch: tuple[Delivery, ...] | None
    _scope: CancelScope | None
    _cause: Exception | None

    def __new__(
        cls, message: Message, target: Any, watcher: Any = None
    ) -> Delivery: ...  # only the dispatcher makes one
    @property
    def message(self) -> Message:
        """The message: one object, shared with every other recipient."""

    @property
    def _target(self) -> Target: ...
    @property
    def agent(self) -> str:
        """The name of the agent that it is for."""

    @property
    def subscriptions(self) -> tuple[Subscription, ...]:
        """All of the agent's subscriptions that matched, in order of subscription."""

    @property
    def mode(self) -> DeliveryMode | Mode:
        """The mode of the subscription that governs this delivery: the first that matched."""

@final
class Target:
    """One recipient of a message: its subscriptions that match, and the quota that governs the delivery."""

    def __new__(
        cls,
        recipient: Recipient,
        quota: Quota,
        subscriptions: tuple[Subscription, ...] | None = None,
        *,
        wildcard: bool = False,
    ) -> Target: ...
    @property
    def recipient(self) -> Recipient: ...
    @property
    def quota(self) -> Quota: ...
    @property
    def subscriptions(self) -> tuple[Subscription, ...]: ...
    @property
    def wildcard(self) -> bool:
        """Whether the governing subscription is a wildcard pattern."""

    @property
    def is_called(self) -> bool:
        """Whether a handler will be called with the message, message by message."""

    @property
    def is_there(self) -> bool:
        """Whether somebody takes the message now: a handler, a mailbox that is polled, or an owner who receives."""

@final
class Selection:
    """Whom one message is for, in subscription order, and whose filter failed on it."""

    def __new__(
        cls, targets: Sequence[Target], broken: Iterable[tuple[Target, Exception]] | None = None
    ) -> Selection: ...
    @property
    def targets(self) -> tuple[Target, ...]:
        """Those into whose mailboxes it is put in one step."""

    @property
    def durable(self) -> tuple[Target, ...]:
        """Those in whose stored mailboxes it must be before."""

    @property
    def broken(self) -> tuple[tuple[Target, Exception], ...]:
        """Recipients whose filter raised, with what it raised."""

    @property
    def names(self) -> tuple[str, ...]:
        """The names of all whom it is for."""

    @property
    def wildcards(self) -> int:
        """How many of them are reached through a wildcard."""

    @property
    def all_targets(self) -> tuple[Target, ...]:
        """All recipients: first those that get it in one step, then the durable ones."""

    def only(self, targets: Sequence[Target]) -> Selection:
        """Return the selection of `targets` instead of all; whose filter failed stays so."""

@disjoint_base
class RouteState:
    """What a publish must know of the route of a topic."""

    selection: Selection | None
    """Whom every message is for, or None where that depends on the message."""

    def __new__(cls, *_args: object) -> Self: ...

@final
class Lane:
    """What waits for one recipient in one mode, the most urgent first; all it does is O(1), amortised."""

    counted: bool
    """Whether what waits here keeps the bus from being settled."""
    scheduled: bool
    """Whether it stands in the ready queue, or is held."""
    held: bool
    """Whether what waits here lets the backlog go first."""
    apart: int
    """How often in a row its handler must not wait before the leader serves it again; 0 while it does."""
    alarm: int
    """The timer that will look whether it is due."""
    alarm_at: float
    """When that goes off."""
    again: deque[Delivery] | None
    """What leads calls whose next attempt is due, and that have kept their slot; None for none."""
    waiting: int
    """How many deliveries wait."""
    peak: int
    """The most that ever waited at once."""

    def __new__(cls, recipient: Recipient, mode: Mode, realtime: bool, backlog: bool) -> Lane: ...
    @property
    def recipient(self) -> Recipient: ...
    @property
    def mode(self) -> Mode:
        """When the recipient is called, and with what."""

    @property
    def realtime(self) -> bool:
        """Whether it is due as soon as it has anything, one message at a time."""

    @property
    def backlog(self) -> bool:
        """Whether it is for what comes from the stored mailbox."""

    def put(self, delivery: Delivery, *, first: bool = False) -> None:
        """Add a delivery behind those of its priority, or before them when it is put back."""

    def take(self) -> Delivery | None:
        """Remove and return the first delivery, or None when nothing waits."""

    def first(self) -> Delivery | None:
        """Return the delivery that would be taken next, or None."""

    def drop(self) -> None:
        """Let go of one delivery that has just ceased to wait, wherever it stands."""

    def __iter__(self) -> Iterator[Delivery]:
        """Iterate over what waits now, in the order in which it would be taken."""

@disjoint_base
class QuotaState:
    """What a quota counts: how many deliveries wait because of one subscription, and how many may."""

    waiting: int
    """How many deliveries wait."""
    total: int
    """How many deliveries it let in."""
    dropped: int
    """How many it dropped."""
    waiters: list[tuple[int, Callable[[], None]]] | None
    """The publishers that wait for room; None for none."""
    order: OrderedDict[Delivery, None] | None
    """What waits, the oldest first; None before the first that must be entered."""
    newest: dict[str, Delivery] | None
    """The newest that waits of each topic, where a new one replaces it; None before the first."""

    def __new__(cls, lane: Lane, options: SubscriptionOptions, tracks: bool, /) -> Self: ...
    @property
    def lane(self) -> Lane: ...
    @property
    def options(self) -> SubscriptionOptions:
        """The options that it was made from."""

    @property
    def capacity(self) -> int: ...
    @property
    def tracks(self) -> bool:
        """Whether each arrival must be entered, because a later one may push it out."""

@disjoint_base
class RecipientState:
    """What there is of a recipient, but for what is decided about it."""

    handler: Callable[..., Any] | None
    """What is called with its messages, or None when its owner receives."""
    context: Context
    """What a handler's own copy of the context is made from: as it was at registration."""
    direct: Quota | None
    """The quota of what is addressed to it directly, or to everybody; None while nothing was."""
    receivers: deque[Receiver] | None
    """Tasks that wait for its mail, the one that has waited longest first; None while there was none."""
    timeout: float
    """Seconds after which a handler that waits has taken too long; infinity for never."""
    wants_delivery: bool
    """Whether the handler wants the delivery beside the message."""
    is_feed: bool
    """Whether it is a subscription's own recipient, and no agent."""
    is_extension: bool
    """Whether an extension takes messages by it, and it is no agent."""
    durable: bool
    """Whether all that it gets comes by way of its stored mailbox."""
    away: bool
    """Whether it is not called until it is back."""
    returning: bool
    """Whether it gets its backlog, which everything else waits for."""
    quarantined: bool
    """Whether it is away because its handler failed too often in a row."""
    closed: bool
    """Whether nothing comes to it any more."""
    dismissed: bool
    """Whether its owner has closed it."""
    iterators: int
    """How many iterate over what comes."""
    slots: int
    """How many more of its deliveries may begin now."""
    slots_away: int
    """The slots that it gets back when it returns."""
    failures_in_a_row: int
    """How many calls of its handler have failed since one did not."""
    addressed: int
    """Messages that passed its filters."""
    handled: int
    """Deliveries whose handler finished, or that the owner has."""
    dead: int
    """Deliveries that failed for good."""
    dropped: int
    """Deliveries that an overflow policy dropped."""
    expired: int
    """Deliveries that came too late."""
    stored: int
    """Deliveries that went to the stored mailbox."""
    abandoned: int
    """Deliveries that the closing of the agent or of the bus left."""
    retries: int
    """Attempts beyond the first."""
    blocked: float
    """Seconds for which its handler kept everybody else from running, in all."""
    longest_block: float
    """The same, for its longest stretch."""
    latency: Histogram | None
    """From the acceptance of a message to the end of its handler; None before the first."""

    def __new__(
        cls,
        name: str,
        handler: Callable[..., Any] | None,
        context: Context,
        policy: HandlerPolicy,
        options: SubscriptionOptions,
        arrange: Callable[[Lane], None],
        /,
    ) -> Self: ...
    @property
    def name(self) -> str:
        """The name under which messages are addressed to it."""

    @property
    def policy(self) -> HandlerPolicy:
        """What happens to a handler that takes too long, or fails."""

    @property
    def options(self) -> SubscriptionOptions:
        """How what is addressed to it directly, or to everybody, is delivered."""

    @property
    def arrange(self) -> Callable[[Lane], None]:
        """Lines a lane up if it is due."""

    @property
    def lanes(self) -> tuple[Lane, ...]:
        """Its lanes, in the order in which they were first needed."""

    @property
    def has_lanes(self) -> bool:
        """Whether it has a lane yet."""

    def find_lane(self, mode: Mode, backlog: bool) -> Lane | None:
        """Return the lane for `mode`, that of the backlog or the other one, or None if there is none."""

    def open_lane(self, mode: Mode, realtime: bool, backlog: bool) -> Lane:
        """Give it a lane more, and return that."""

    def counts(self, lane: Lane) -> bool:
        """Return whether what waits in `lane` keeps the bus from being settled."""

    @property
    def subscriptions(self) -> tuple[Subscription, ...]:
        """Its open subscriptions, in order of subscription."""

    @property
    def is_subscribed(self) -> bool:
        """Whether it has an open subscription."""

    def enter(self, id: int, subscription: Subscription) -> None:
        """Take note of a subscription under its id, which is greater than all before."""

    def discard(self, id: int) -> None:
        """Forget the subscription of that id, if it is there."""

    @property
    def running(self) -> dict[Delivery, None]:
        """The deliveries that its handlers have begun with, or that its owner has."""

    @property
    def running_count(self) -> int:
        """How many deliveries run."""

    @property
    def backing_off(self) -> dict[Delivery, int]:
        """What waits for its next attempt, and the timer of that."""

    @property
    def backs_off(self) -> bool:
        """Whether anything waits for its next attempt."""

    @property
    def unacknowledged(self) -> dict[str, Delivery]:
        """What was polled and not yet acknowledged, by the id of the message."""

    @property
    def unacknowledged_count(self) -> int:
        """How much was polled and not yet acknowledged."""

    def count_handled(self, latency: float) -> None:
        """Count a handled delivery, which took so many seconds."""

    def note_block(self, duration: float) -> None:
        """Note that its handler kept everybody else from running for so many seconds."""

@disjoint_base
class Journal:
    """An observer that makes an entry of the causal record of all that it is told, and of which other code takes them.

    The entries are in MessagePack, as docs/guide/recording.md documents them. `stentor.recording` has journals that
    write them to a file or make a digest of them. Where all observers of a bus are journals, they are written into
    natively, and no observer is called.

    A subclass has `_write(data, count)`, which takes so many entries, and `_error(error)`, which returns what is
    recorded of an error. If it sets `_payload_limit`, it has `_content(payload, limit)` too, which returns what is
    recorded of a payload: its form, and itself in it; the simplest are recorded without. `_encode(value)` is asked for
    what stands where a text should. All of these return MessagePack.

    Example:
        >>> import stentor, trio
        >>> class Counting(stentor.Journal):
        ...     pages = 0
        ...
        ...     def _write(self, data, count):
        ...         self.pages += 1
        >>> async def main():
        ...     counting = Counting()
        ...     async with stentor.open_bus(observers=[counting]) as bus:
        ...         with bus.subscribe("ai.*") as feed:
        ...             await bus.publish("ai.models")
        ...             await feed.receive()
        ...     return counting.entries, counting.pages
        >>> trio.run(main)
        (2, 0)
    """

    _payload_limit: int | None
    """Bytes of an encoded payload that are recorded; None where payloads are not."""

    def __new__(cls, *_args: Any, **_options: Any) -> Self: ...
    @property
    def entries(self) -> int:
        """How many entries there are so far."""

    def _turn_page(self) -> None:
        """Hand over what has been gathered; so it is, too, whenever that are a thousand entries."""

    def _now(self) -> float:
        """Return the time as it would be recorded."""

    def accepted(self, message: Message, recipients: tuple[str, ...], inside: Delivery | None) -> None:
        """Make an entry of a message that is accepted."""

    def recalled(self, delivery: Delivery) -> None:
        """Make an entry of a message of before that comes into a mailbox."""

    def begun(self, delivery: Delivery) -> None:
        """Make an entry of a call of a handler."""

    def retrying(self, delivery: Delivery, error: Exception) -> None:
        """Make an entry of an attempt that has failed, where another follows."""

    def handled(self, delivery: Delivery, latency: float) -> None:
        """Make an entry of a delivery that was handled."""

    def failed(self, delivery: Delivery, error: Exception) -> None:
        """Make an entry of a delivery that has failed for good."""

    def dropped(self, delivery: Delivery) -> None:
        """Make an entry of a delivery that was dropped."""

    def expired(self, delivery: Delivery) -> None:
        """Make an entry of a delivery whose time was up."""

    def stored(self, delivery: Delivery) -> None:
        """Make an entry of a delivery that is in the agent's stored mailbox."""

    def abandoned(self, delivery: Delivery) -> None:
        """Make an entry of a delivery that was left without an outcome."""

    def ending(self) -> None:
        """The end of the bus's block is no entry."""

@final
class Histogram:
    """Durations in buckets whose width grows with their size, after the idea of HdrHistogram; adding is O(1)."""

    def __new__(cls, state: tuple[int, int, list[int], int, float, float] | None = None) -> Histogram: ...
    def __getnewargs__(self) -> tuple[tuple[int, int, list[int], int, float, float]]: ...
    def add(self, duration: float) -> None:
        """Count one duration in seconds; a negative one counts as none at all."""

    def merge(self, other: Histogram) -> None:
        """Add all durations of `other`."""

    def percentile(self, share: float) -> float:
        """Return a duration that `share` (0 to 1) of all do not exceed: the middle of its bucket."""

    @property
    def count(self) -> int:
        """How many durations were counted."""

    @property
    def total(self) -> float:
        """The sum of all, in seconds."""

    @property
    def maximum(self) -> float:
        """The longest, exactly."""

@final
class Meter:
    """What the machine reads and counts while it runs: the time, and how many deliveries have no outcome yet."""

    now: float
    """When the last handler stopped, in seconds: the next one starts then, so that one reading a delivery is enough."""
    busy: int
    """How many deliveries wait or run and keep the bus from being settled."""
    awaited: int
    """How many wait until nothing is busy."""

    def __new__(cls, clock: Callable[[], float], *, monotonic: bool = False) -> Meter: ...
    def read(self) -> float:
        """Return the time, in seconds."""

@final
class ReadyQueue:
    """The lanes that can be served now, first come first served."""

    def __new__(cls) -> ReadyQueue: ...
    def append(self, lane: Lane) -> None:
        """Put a lane at the end."""

    def popleft(self) -> Lane:
        """Remove and return the lane at the front.

        Raises:
            IndexError: there is none.
        """

    def discard(self, lane: Lane) -> None:
        """Take a lane out, if it stands here."""

    def clear(self) -> None:
        """Take all lanes out."""

    def __len__(self) -> int: ...

@final
class Current:
    """The delivery in whose handler, or in whose child task, the code runs; one variable for each bus."""

    def __new__(cls, name: str) -> Current: ...
    def base(self) -> Context:
        """Return a copy of the running context, for others to be copied from and nothing else.

        It is the same as the last time, if that is still in use and the variables are those of then.
        """

    def get(self) -> Delivery | None:
        """Return the delivery, or None outside of handlers."""

    def set(self, delivery: Delivery | None) -> Token[Any]:
        """Set the delivery for the running context, and return a token for `reset`."""

    def reset(self, token: Token[Any]) -> None:
        """Set again what was set before `token` was made."""

@final
class Pump:
    """Puts messages into mailboxes and calls handlers; it belongs to one bus, and one thread."""

    def __new__(
        cls,
        meter: Meter,
        queue: ReadyQueue,
        apart: ReadyQueue,
        current: Current,
        *,
        observed: bool,
        journals: Sequence[Journal],
        trio: Mapping[str, object] | None,
        patience: int,
        serve: Callable[[Lane], Suspended | None],
        arrange: Callable[[Lane], None],
        begun: Callable[[Delivery], None],
        finish: Callable[[Delivery, object], None],
        fail: Callable[[Delivery, Exception], None],
        abandon: Callable[[Delivery], None],
        room: Callable[[Quota], None],
        ready: Callable[[], None],
        quiet: Callable[[], None],
        as_coroutine: Callable[[object], object],
    ) -> Pump: ...
    def accept(self, message: Message, selection: Selection, watcher: Watcher | None = None) -> bool:
        """Put a message into the mailboxes of a selection, if that is the ordinary thing for all; else return False."""

@disjoint_base
class WorkersState:
    """The part of the workers of one bus that is read and written for every handler that waits."""

    leader: Task | None
    """The task of the worker that leads, or None while nobody does."""
    @property
    def resting(self) -> dict[Task, None]:
        """Publishers that let the leader have a turn, the first to do so at the front."""

    def __new__(cls, *args: object, **options: object) -> Self: ...
    @property
    def spares(self) -> dict[Task, None]:
        """The tasks of workers that wait for work."""
    coming: int
    """Workers that have been called, and have not had their turn yet."""

    def call_by(
        self,
        queue: ReadyQueue,
        *,
        reschedule: Callable[[Task, Any], None],
        woken: object,
        start: Callable[[], None],
        current: Current,
        meter: Meter,
        turns: Turns | None,
    ) -> None:
        """Call workers for the lanes of `queue`; `start` has another one begin where none waits for work.

        `turns` gives a worker its turn within that of who waits for it, unless in a handler, as `current` says; `meter`
        is read when a worker has its turn.
        """

    def wake(self) -> None:
        """See to it that somebody drains the ready queue."""

    def call(self) -> None:
        """Call a worker, one that waits for work if there is any: of those, the last to have worked."""

    def hand_over(self) -> bool:
        """Let a worker lead at once, within the turn of the task that runs, and return whether that task may go on.

        It may where what was ready has begun, and nobody has cancelled it. Whoever is about to wait for handlers calls
        this; see `stentor._machine.workers`.
        """

    def arrived(self) -> None:
        """Take note that a worker that was called has its turn."""

    def claim(self, task: Task) -> bool:
        """Let `task` lead, unless somebody does, and return whether it leads."""

@final
class Turns:
    """Gives turns to the workers of all buses of one trio run."""

    @property
    def workers(self) -> set[Task]:
        """The tasks of all workers, for as long as they live."""

    def __new__(
        cls,
        state: dict[str, Any],
        *,
        task: Task,
        frame: Callable[[int], object],
        deepest: int,
        waiting: type,
        pausing: object,
        reschedule: Callable[[Task], None],
        value: Callable[[Any], object],
        error: Callable[[BaseException], object],
        replay: Callable[[Any], Callable[[Any], object]],
    ) -> Turns:
        """Give turns to the workers of the trio run in which this is called.

        Args:
            state: What trio keeps about this thread.
            task: One of the tasks.
            frame: Returns the frame so many calls back; raises where there are not so many.
            deepest: How many frames there may be between trio and who gives a turn.
            waiting: The class of what a task asks of trio to wait.
            pausing: What it asks to let others have a turn.
            reschedule: Lets a task have a turn in the next pass.
            value: Makes an outcome of what a task returned.
            error: Makes an outcome of what a task raised.
            replay: Makes a function that returns what a task has asked.

        Raises:
            AttributeError: A task keeps something elsewhere.
        """

@final
class Shift:
    """What one worker does while there is something to do; to await it is to do it."""

    scope: CancelScope | None
    """The cancel scope that a handler that waits is cancelled by."""
    served: Recipient | None
    """After whose handler the task is named."""

    def __new__(cls, pump: Pump, workers: WorkersState, task: Task, *, budget: int) -> Shift: ...
    @property
    def waits(self) -> bool:
        """Whether a handler has suspended, so that this must be awaited."""

    def lead(self) -> bool:
        """Lead, and return whether all is done and nothing waits: else what there is is for who awaits this."""

    def interrupt(self, error: BaseException) -> bool:
        """Let the handler go on with `error` if one waits, and return whether it does."""

    @property
    def cr_frame(self) -> FrameType | None:
        """The frame of the handler that waits."""

    @property
    def cr_await(self) -> object:
        """What the handler that waits awaits."""

    def __await__(self) -> Generator[Any, Any, bool | None]: ...
    def __iter__(self) -> Self: ...
    def __next__(self) -> object: ...
    def send(self, value: object, /) -> object:
        """Let the handler go on with what trio answers."""

    def throw(self, kind: object, value: object = None, traceback: object = None, /) -> object:
        """Let the handler go on with an error."""

    def close(self) -> None:
        """Let the handler that waits end."""

@final
class Ids:
    """The ids of the messages that one bus stamps: a prefix, and a number each."""

    number: int
    """The last number that was given."""
    prefix: str
    """What all ids begin with."""

    def __new__(cls, prefix: str, number: int = 0) -> Ids: ...
    def take(self) -> str:
        """Return the next id."""

@final
class Receipt:
    """The message was accepted: each recipient has it in its mailbox, or has dropped it there as its policy says.

    Example:
        >>> import stentor, trio
        >>> async def main():
        ...     async with stentor.open_bus() as bus:
        ...         with bus.subscribe("ai.**"):
        ...             receipt = await bus.publish("ai.models.gpt4", "hello")
        ...             print(receipt.accepted)
        >>> trio.run(main)
        1
    """

    def __new__(
        cls,
        *,
        message: Message,
        recipients: tuple[str, ...],
        confirm: Callable[[], Awaitable[BroadcastResult]] | None = None,
    ) -> Receipt: ...
    @property
    def message(self) -> Message:
        """The message as the bus stamped it."""

    @property
    def recipients(self) -> tuple[str, ...]:
        """The agents and feeds that it is for, in order of subscription."""

    def confirmed(self) -> Awaitable[BroadcastResult]:
        """Wait until every handler has finished or failed, and return what became of the message.

        Whom it waits for, `Bus.publish_and_wait` tells.

        Raises:
            RuntimeError: The message was not published with `confirm=True`.
            DeadlockError: A handler would wait for an agent that waits for it.
        """

    @property
    def message_id(self) -> str:
        """The `id` of the message."""

    @property
    def accepted(self) -> int:
        """How many recipients it is for."""

    def __eq__(self, other: object, /) -> bool: ...
    def __hash__(self) -> int: ...

@final
class Door:
    """Publishes ordinary messages: of which nothing is said but their sender, to recipients that have room."""

    open: bool
    """Whether messages are ordinary that have nothing out of the ordinary: no middleware and no limit."""
    guarded: bool
    """Whether it must be asked who may publish what."""
    budget: int
    """Messages that may be published before others must have a turn."""
    ordinary: int
    """Messages that were published here, without the machine."""
    published: int
    """Messages that were published."""
    wildcards: int
    """How many of their recipients were reached through a wildcard."""

    def __new__(
        cls,
        pump: Pump | None,
        meter: Meter,
        current: Current,
        ids: Ids,
        *,
        routes: Mapping[str, RouteState],
        lines: Mapping[str, object],
        budget: int,
    ) -> Door: ...
    def relay(
        self,
        messages: list[Message | None],
        start: int,
        own: tuple[RecipientState, ...],
        tokens: list[Any] | None = None,
        done: Callable[[Any, bool], object] | None = None,
    ) -> tuple[int, int, int]:
        """Relay messages from place `start` on, one after another, as long as that is the ordinary thing to do.

        Where `done` is given it is called with the token of each message and whether that was handled, once everybody
        is done with it; and for None, which stands for a message that nobody wants, at once.

        Returns:
            The place where it stopped, how many of the messages were for somebody, and how many for nobody.
        """

    @property
    def budget_outside(self) -> int:
        """What is left of the budget of everybody outside of handlers."""

    def turn(self) -> None:
        """Let the handler that runs now, or the outside, have a budget of its own."""

@final
class Alarms:
    """What is to be done at an instant; setting costs O(log n), cancelling O(1), amortised."""

    armed: float
    """The instant at which somebody will look what is due; infinity while nobody will."""

    def __new__(cls) -> Alarms: ...
    def set(self, when: float, action: Callable[[], None]) -> int:
        """Have `action` called at the instant `when`, and return a number by which to cancel that."""

    def cancel(self, number: int) -> None:
        """Forget an alarm; one that has gone off already is forgotten anyway."""

    def next(self) -> float:
        """Return the instant of the earliest alarm; infinity when none is set."""

    def ring(self, now: float) -> None:
        """Call the actions of all alarms whose instant has come by `now`, the earliest first."""

    @property
    def idle(self) -> int:
        """How many cancelled alarms are left lying about."""

    def __len__(self) -> int:
        """How many are set."""

@final
class Desk:
    """Where questions leave and answers come in."""

    def __new__(
        cls,
        door: Door,
        alarms: Alarms,
        *,
        waiting: dict[str, Any],
        table: SubscriptionTable,
        reply_to: str,
        trap: Callable[[Callable[[object], Abort]], tuple[object, Coroutine[Any, Any, None]]],
        aborted: Abort,
        reschedule: Callable[[Task, Any], None],
        woken: object,
        no_reply: Callable[[Request], Exception],
        arm: Callable[[float], None],
        waits: Waits,
        any_of: Callable[[Iterable[Recipient | Delivery]], AnyOf],
    ) -> Desk: ...
    def ask(
        self, topic: str, payload: object, timeout: float, options: Mapping[str, object], wanted: int | None
    ) -> Request | None:
        """Ask, if that is the ordinary thing to do, and seat who asks; else change nothing, and return None."""

    def served_by(self, workers: WorkersState) -> None:
        """Let who asks hand over to those workers."""

@final
class Request:
    """One question on its way: the watcher of its deliveries, and the place to which the answers come."""

    def __new__(cls, message: Message, wanted: int | None, desk: Desk) -> Request: ...
    @property
    def message(self) -> Message:
        """The question."""

    @property
    def wanted(self) -> int | None:
        """How many answers are wanted; None for one from everybody whom it reached."""

    def is_over_at_once(self) -> bool:
        """Let a worker have its turn within that of who asked, and return whether nobody need wait any more."""

    @property
    def trap(self) -> object:
        """What trio is to be asked by who waits here."""

    @property
    def complete(self) -> bool:
        """Whether nobody need wait for it any more."""

    @property
    def first(self) -> Message | None:
        """The first answer, if there is one."""

    @property
    def replies(self) -> tuple[Message, ...]:
        """The answers, in the order in which they came."""

    @property
    def errors(self) -> tuple[tuple[str, Exception], ...]:
        """Who failed, and why."""

    @property
    def silent(self) -> tuple[str, ...]:
        """Who was asked, and neither answered nor failed."""

    def select(self, selection: Selection) -> Selection:
        """Take note of who may answer.

        Raises:
            DeadlockError: Waiting for them would never end.
        """

    def awaited(self) -> list[Recipient | Delivery | AnyOf]:
        """Name whom it waits for: all who have it or will, or any of them when one answer is enough."""

    def accepted(self, delivery: Delivery) -> None:
        """Expect an answer from the agent of a delivery."""

    def keeps(self, delivery: Delivery, error: Exception) -> bool:
        """Keep nothing: what has failed for good is a dead letter."""

    def over(self, delivery: Delivery, error: Exception | None) -> None:
        """Expect no answer any more from whoever failed."""

    def reply(self, message: Message) -> bool:
        """Take one answer, if it is waited for: the first of its sender, and no more than are wanted."""

    def give_up(self) -> None:
        """Let whoever asked wait no longer: the time is up, or the bus is closed."""

    def __call__(self, *args: object, **kwargs: object) -> None:
        """Let whoever asked wait no longer: the time is up."""

    def sit(self, task: Task, deadline: float) -> None:
        """Let `task` wait here until `deadline`."""

    def leave(self) -> None:
        """Wait for nothing any more."""

@final
class Relay:
    """Watches the deliveries of one relayed message."""

    def __new__(
        cls, not_to: tuple[RecipientState, ...], done: Callable[[bool], object] | None, *, redelivered: bool
    ) -> Relay:
        """Keep the message from `not_to`, and call `done` once all others are done with it.

        `done` is told whether they are: False when somebody was closed before. Only those are waited for whom
        `Bus.settled` waits for: an owner who polls, or who does not iterate, has it as soon as it is in the mailbox.
        """

    def select(self, selection: Selection) -> Selection:
        """Choose all but those who brought it."""

    def accepted(self, delivery: Delivery) -> None:
        """Wait for a delivery, if anybody does."""

    def keeps(self, delivery: Delivery, error: Exception) -> bool:
        """Keep nothing: what has failed for good is a dead letter."""

    def over(self, delivery: Delivery, error: Exception | None) -> None:
        """Take note that one is over."""

    def committed(self) -> None:
        """Take note that it was accepted, for everybody."""

@final
class Entry:
    """One message on its way out by a bridge."""

    kind: Final[int]
    """What the body is."""
    scope: Final[str]
    """Whose numbers it is numbered by."""
    topic: Final[str]
    body: Final[bytes]
    hop: Final[int]
    sent_at: Final[int]
    """When it was accepted, in milliseconds since 1970."""
    accepted_at: Final[float]
    """The same on the steady clock, as `expires_at`."""
    expires_at: Final[float]
    size: Final[int]
    """Bytes that it takes, about."""
    number: int
    """Its number in its scope, 0 before it has one."""
    over: Event | None
    """Is set when it is confirmed, or dropped, if somebody waits for that."""
    dropped: bool
    """Whether it was dropped."""

    def __new__(
        cls,
        kind: int,
        scope: str,
        topic: str,
        body: bytes,
        hop: int,
        sent_at: int,
        accepted_at: float,
        expires_at: float = ...,
    ) -> Entry:
        """Make one that has no number yet; it is sent at `sent_at` milliseconds since 1970."""

@final
class Frames:
    """Makes and opens the ordinary envelopes of one bridge."""

    def __new__(
        cls,
        origin: bytes,
        *,
        streams: Sequence[str],
        max_size: int,
        most_hops: int,
        anchor: float,
        ages: Sequence[float],
    ) -> Frames: ...
    def entry(self, message: Message, hop: int, now: float, again: bool) -> Entry | None:
        """Return an ordinary message as an entry of the outbox, accepted `now`; None if it is no ordinary one."""

    def seal(self, entries: list[Entry], again: bool) -> list[bytes]:
        """Return the envelopes of entries that have their numbers, in their order; `again` if they may have come."""

    def open(
        self,
        items: list[Any],
        start: int,
        stop: int,
        *,
        scope: str | None,
        origins: Mapping[bytes, object],
        wanted: Mapping[str, bool],
        ages: list[int],
        now: float,
    ) -> Opened:
        """Open pushes, or the entries of the stream `scope`, up to the first that is out of the ordinary."""

@final
class Opened:
    """What one call has opened, until something out of the ordinary came."""

    messages: Final[list[Message | None]]
    """The messages, and by streams None for each that nobody wants."""
    tokens: Final[list[tuple[str, bytes]]]
    """By streams, the entry of each of these: its stream and its id."""
    held: Final[dict[tuple[str, bytes], int]]
    """By streams, the entries, and how many messages each holds."""
    origins: Final[list[bytes]]
    """The origins that something came from."""
    stop: Final[int]
    """The place of the first item that was not opened."""
    echoes: Final[int]
    """How many messages were from here."""
    unheard: Final[int]
    """How many messages nobody wants."""
    oldest: Final[float]
    """The greatest age of a message, in seconds."""

def pack_commands(commands: list[tuple[Any, ...]]) -> bytes:
    """Return commands, each a tuple of strings, bytes and numbers, in the form in which they are sent.

    Raises:
        TypeError: A word is of another type.
        UnicodeEncodeError: A word has no encoding.
    """
