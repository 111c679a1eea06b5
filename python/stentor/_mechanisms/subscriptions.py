"""Who is subscribed to what: the table that turns a topic into the ready tuple of its recipients."""

from __future__ import annotations

from bisect import bisect_left, insort
from typing import TYPE_CHECKING, Final, final

from stentor._mechanisms.matching import MatchTable
from stentor._values.patterns import Pattern

if TYPE_CHECKING:
    from collections.abc import Callable

    from stentor._mechanisms.matching import MatchStatistics
    from stentor._mechanisms.recipients import Recipient
    from stentor._values.dialects import DialectLike
    from stentor._values.options import DeliveryMode, SubscriptionOptions

RESERVED: Final = "_stentor"
"""First segment of the library's own topics: a wildcard matches below it only where the pattern spells it."""


@final
class Quota:
    """How many deliveries may wait in a recipient's mailbox because of one subscription, and who waits for room."""

    __slots__ = ("_waiters", "capacity", "options", "recipient", "waiting")

    def __init__(self, recipient: Recipient, options: SubscriptionOptions) -> None:
        """Make a quota of which nothing is used."""
        self.recipient: Recipient = recipient
        self.options: SubscriptionOptions = options
        self.capacity: int = options.capacity
        self.waiting: int = 0
        self._waiters: list[tuple[int, Callable[[], None]]] = []

    def release(self) -> None:
        """Give one place back, to the publisher that has waited longest."""
        self.waiting -= 1
        self.wake_oldest()

    def enqueue(self, age: int, wake: Callable[[], None]) -> None:
        """Let a publisher wait for room; `wake` is called once when it should look again, lowest `age` first."""
        insort(self._waiters, (age, wake), key=_age)

    def dequeue(self, age: int) -> None:
        """Take a publisher that waits out again."""
        del self._waiters[bisect_left(self._waiters, age, key=_age)]

    def wake_oldest(self) -> None:
        """Wake the publisher that has waited longest, if there is room for it."""
        if self._waiters and self.waiting < self.capacity:
            self._waiters.pop(0)[1]()

    def wake_all(self) -> None:
        """Wake every publisher: what they waited for may not concern them any more."""
        waiters, self._waiters = self._waiters, []
        for _, wake in waiters:
            wake()


def _age(waiter: tuple[int, Callable[[], None]]) -> int:
    return waiter[0]


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

    __slots__ = ("_id", "_quota", "_table", "_wildcard", "pattern")

    pattern: str
    """The text that was subscribed to."""

    def __init__(self, table: SubscriptionTable, pattern: str, quota: Quota) -> None:
        """Enter a subscription into `table`; users call `Agent.subscribe`."""
        self.pattern = pattern
        self._quota = quota
        self._wildcard: bool | None = None
        self._table: SubscriptionTable | None = table
        self._id = table.enter(self, quota.recipient)

    @property
    def agent(self) -> str:
        """The name of the agent, or of the feed, that is subscribed."""
        return self._quota.recipient.name

    @property
    def options(self) -> SubscriptionOptions:
        """How its messages are delivered, and what bounds them."""
        return self._quota.options

    @property
    def mode(self) -> DeliveryMode:
        """When the agent is called, and with what."""
        return self._quota.options.mode

    @property
    def waiting(self) -> int:
        """How many messages wait because of it now; never more than its capacity."""
        return self._quota.waiting

    @property
    def closed(self) -> bool:
        """Whether it has been closed."""
        return self._table is None

    def close(self) -> None:
        """End it: nothing published from now on comes by it; what was accepted stays. A second close does nothing."""
        if self._table is not None:
            self._table.discard(self._id, self._quota.recipient)
            self._table = None
            self._quota.wake_all()

    def __enter__(self) -> Subscription:
        """Return the subscription."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the subscription."""
        self.close()

    def __repr__(self) -> str:
        """Name the agent and the pattern."""
        return f"<{'closed ' if self.closed else ''}Subscription of {self.agent!r} to {self.pattern!r}>"


@final
class Target:
    """One recipient of a topic: its subscriptions that match, of which the first governs the delivery."""

    __slots__ = ("quota", "recipient", "subscriptions", "wildcard")

    def __init__(
        self, recipient: Recipient, subscriptions: tuple[Subscription, ...], quota: Quota, *, wildcard: bool
    ) -> None:
        """Make the target; `quota` is that of the governing subscription, `wildcard` says whether it is one."""
        self.recipient: Recipient = recipient
        self.subscriptions: tuple[Subscription, ...] = subscriptions
        self.quota: Quota = quota
        self.wildcard: bool = wildcard


@final
class Route:
    """Who receives what is published to one topic: immutable, shared by every publish until a subscription changes."""

    __slots__ = ("targets", "wildcards")

    def __init__(self, targets: tuple[Target, ...]) -> None:
        """Make a route to `targets`, which stand in subscription order."""
        self.targets: tuple[Target, ...] = targets
        self.wildcards: int = sum(target.wildcard for target in targets)


@final
class SubscriptionTable:
    """All subscriptions of a bus, and for every topic its route."""

    def __init__(self, dialect: DialectLike, *, cache_capacity: int) -> None:
        """Make an empty table for topics of `dialect` that caches up to `cache_capacity` routes."""
        self.dialect: DialectLike = dialect
        self._by_id: dict[int, Subscription] = {}
        self._index = MatchTable(dialect, build=self._route, cache_capacity=cache_capacity, reserved=RESERVED)
        self.route: Callable[[str], Route] = self._index.lookup
        """Return the route of a topic, at the cost of one `dict` lookup when it is cached."""

    def __len__(self) -> int:
        """Return the number of subscriptions."""
        return len(self._by_id)

    def enter(self, subscription: Subscription, recipient: Recipient) -> int:
        """Add a subscription of `recipient` and return its id; ids ascend in the order of subscription.

        Raises:
            InvalidPatternError: The pattern is not one of the dialect.
        """
        key = self._index.add(subscription.pattern)
        self._by_id[key] = recipient.subscriptions[key] = subscription
        return key

    def discard(self, key: int, recipient: Recipient) -> None:
        """Take a subscription of `recipient` out."""
        self._index.remove(key)
        del self._by_id[key], recipient.subscriptions[key]

    def statistics(self, *, lookups: int) -> MatchStatistics:
        """Return the state of the index and of the cache of routes, after so many `lookups` of a route."""
        return self._index.statistics(lookups=lookups)

    def _route(self, keys: tuple[int, ...]) -> Route:
        matched: dict[Recipient, list[Subscription]] = {}
        for key in keys:
            subscription = self._by_id[key]
            matched.setdefault(subscription._quota.recipient, []).append(subscription)
        return Route(tuple(self._target(recipient, tuple(subs)) for recipient, subs in matched.items()))

    def _target(self, recipient: Recipient, subscriptions: tuple[Subscription, ...]) -> Target:
        governing = subscriptions[0]
        if governing._wildcard is None:
            governing._wildcard = not Pattern(governing.pattern, self.dialect).is_exact
        return Target(recipient, subscriptions, governing._quota, wildcard=governing._wildcard)
