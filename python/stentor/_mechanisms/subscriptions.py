"""Who is subscribed to what: the table that turns a topic into the ready tuple of its recipients."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol, final

from stentor._mechanisms.mailbox import quota_of
from stentor._mechanisms.matching import MatchTable
from stentor._mechanisms.routes import Route
from stentor._mechanisms.statistics import SubscriptionStatistics
from stentor._values.patterns import Grammar, Pattern

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from stentor._mechanisms.mailbox import Quota
    from stentor._mechanisms.matching import MatchStatistics
    from stentor._mechanisms.recipients import Recipient
    from stentor._values.dialects import DialectLike
    from stentor._values.modes import Mode
    from stentor._values.options import DeliveryMode, SubscriptionOptions

RESERVED: Final = "_stentor"
"""First segment of the library's own topics: a wildcard matches below it only where the pattern spells it."""

_SPELLS_RESERVED: Final = (RESERVED[0], "[", "\\")
"""What a pattern begins with that spells that segment: plainly, as a class of one character, or escaped."""


def reserved_topic(dialect: DialectLike, *names: str) -> str:
    """Return the topic of the library's own that is spelt by `names` in `dialect`."""
    return (Grammar.of(dialect).separator or ".").join((RESERVED, *names))


@final
class Subscription:
    """An agent's interest in a pattern, with its options; `Agent.subscribe` makes it.

    As a context manager it closes itself at the end.

    Example:
        >>> import stentor, trio
        >>> async def handler(message): ...
        >>> async def main():
        ...     async with stentor.open_bus() as bus:
        ...         with bus.register("gpt4", handler).subscribe("ai.**", capacity=5) as subscription:
        ...             print(subscription)
        ...         print(subscription)
        >>> trio.run(main)
        <Subscription of 'gpt4' to 'ai.**'>
        <closed Subscription of 'gpt4' to 'ai.**'>
    """

    __slots__ = ("_id", "_made_quota", "_options", "_recipient", "_table", "_wildcard", "pattern")

    pattern: str
    """The text that was subscribed to."""

    def __init__(
        self, table: SubscriptionTable, pattern: str, recipient: Recipient, options: SubscriptionOptions
    ) -> None:
        """Enter a subscription into `table`; users call `Agent.subscribe`."""
        self.pattern = pattern
        self._options = options
        self._recipient = recipient
        self._made_quota: Quota | None = None
        self._wildcard: bool | None = None
        self._table: SubscriptionTable | None = table
        self._id = table.enter(self, recipient)

    @property
    def agent(self) -> str:
        """The name of the agent, or of the feed, that is subscribed."""
        return self._recipient.name

    @property
    def is_feeds(self) -> bool:
        """Whether it is its own recipient, and no agent's."""
        return self._recipient.is_feed

    @property
    def is_extensions(self) -> bool:
        """Whether an extension of the bus is subscribed, and no agent."""
        return self._recipient.is_extension

    @property
    def readiness(self) -> tuple[bool, bool, int]:
        """How ready its agent is for one more message, the readiest first: not away, with room, with least to do."""
        recipient = self._recipient
        full = self.waiting >= self._options.capacity
        return recipient.away, full, recipient.waiting + recipient.running_count

    @property
    def options(self) -> SubscriptionOptions:
        """How its messages are delivered, and what bounds them."""
        return self._options

    @property
    def mode(self) -> DeliveryMode | Mode:
        """When the agent is called, and with what."""
        return self._options.mode

    @property
    def waiting(self) -> int:
        """How many messages wait because of it now; never more than its capacity."""
        return 0 if self._made_quota is None else self._made_quota.waiting

    @property
    def closed(self) -> bool:
        """Whether it has been closed."""
        return self._table is None

    @property
    def is_wildcard(self) -> bool:
        """Whether its pattern can match more than one topic."""
        if self._wildcard is None:
            dialect = "mailbox" if self._table is None else self._table.dialect
            self._wildcard = not Pattern(self.pattern, dialect).is_exact
        return self._wildcard

    def statistics(self) -> SubscriptionStatistics:
        """Return what has come by it: what was delivered because it governed the delivery."""
        quota = self._made_quota
        return SubscriptionStatistics(
            agent=self.agent,
            pattern=self.pattern,
            capacity=self._options.capacity,
            accepted=0 if quota is None else quota.total,
            dropped=0 if quota is None else quota.dropped,
            waiting=self.waiting,
        )

    @property
    def _quota(self) -> Quota:
        """What bounds its messages; made with the first route that it is on."""
        if self._made_quota is None:
            self._made_quota = quota_of(self._recipient.lane(self._options.behaviour()), self._options)
        return self._made_quota

    def close(self) -> None:
        """End it: nothing published from now on comes by it; what was accepted stays. A second close does nothing."""
        if self._table is not None:
            self._table.discard(self._id, self._recipient)
            self._table = None
            if self._made_quota is not None:
                self._made_quota.wake_all()

    def __enter__(self) -> Subscription:
        """Return the subscription."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the subscription."""
        self.close()

    def __repr__(self) -> str:
        """Name the agent and the pattern."""
        return f"<{'closed ' if self.closed else ''}Subscription of {self.agent!r} to {self.pattern!r}>"


class SubscriptionListener(Protocol):
    """Is told of subscriptions, in the step in which they come and go."""

    def __call__(self, subscription: Subscription, /, *, there: bool) -> object:
        """The subscription was made, or closed."""
        ...


@final
class SubscriptionTable:
    """All subscriptions of a bus, and for every topic its route."""

    def __init__(self, dialect: DialectLike, *, cache_capacity: int) -> None:
        """Make an empty table for topics of `dialect` that caches up to `cache_capacity` routes."""
        self.dialect = dialect
        self._by_id: dict[int, Subscription] = {}
        self.eavesdropping: int = 0
        """How many subscriptions may match the library's own topics; while none does, nobody need be looked for."""
        self._index = MatchTable(dialect, build=self._route, cache_capacity=cache_capacity, reserved=RESERVED)
        self.route: Callable[[str], Route] = self._index.lookup
        """Return the route of a topic, at the cost of one `dict` lookup when it is cached."""
        self.cached: dict[str, Route] = self._index.cached
        """The routes that are cached, to be read only."""
        self.on_change: list[SubscriptionListener] = []
        """Are told of each subscription that is made or closed."""

    def __len__(self) -> int:
        """Return the number of subscriptions."""
        return len(self._by_id)

    def __iter__(self) -> Iterator[Subscription]:
        """Iterate over the subscriptions, in their order."""
        return iter(self._by_id.values())

    def enter(self, subscription: Subscription, recipient: Recipient) -> int:
        """Add a subscription of `recipient` and return its id; ids ascend in the order of subscription.

        Raises:
            InvalidPatternError: The pattern is not one of the dialect.
        """
        key = self._index.add(subscription.pattern)
        self.eavesdropping += subscription.pattern.startswith(_SPELLS_RESERVED)
        self._by_id[key] = subscription
        recipient.enter(key, subscription)
        for listener in self.on_change:
            listener(subscription, there=True)
        return key

    def discard(self, key: int, recipient: Recipient) -> None:
        """Take a subscription of `recipient` out."""
        self._index.remove(key)
        subscription = self._by_id.pop(key)
        self.eavesdropping -= subscription.pattern.startswith(_SPELLS_RESERVED)
        recipient.discard(key)
        for listener in self.on_change:
            listener(subscription, there=False)

    def statistics(self, *, lookups: int) -> MatchStatistics:
        """Return the state of the index and of the cache of routes, after so many `lookups` of a route."""
        return self._index.statistics(lookups=lookups)

    def _route(self, keys: tuple[int, ...]) -> Route:
        return Route(tuple(map(self._by_id.__getitem__, keys)))
