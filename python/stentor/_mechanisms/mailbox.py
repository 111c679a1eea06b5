"""A mailbox: the deliveries that wait for one recipient.

Three ideas meet here. The *mailbox* has a lane for each delivery mode of its recipient. A *lane*, which is native,
orders what waits: the most urgent first, equals in their order. A *quota* bounds it: each subscription may have so many
deliveries waiting, and publishers that find it used up queue at it, or push something out, as its overflow policy says.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import OrderedDict
from typing import TYPE_CHECKING, Final, final

from stentor._native import Lane as Lane
from stentor._native import QuotaState
from stentor._values.options import Overflow

if TYPE_CHECKING:
    from collections.abc import Callable

    from stentor._mechanisms.deliveries import Delivery
    from stentor._values.options import SubscriptionOptions

_PUSHING_OUT: Final = (Overflow.DROP_OLDEST, Overflow.LATEST)


@final
class Quota(QuotaState):
    """How many deliveries may wait because of one subscription, and who waits for room."""

    __slots__ = ()

    @property
    def overflow(self) -> Overflow:
        """What happens to a message that finds it used up."""
        return self.options.overflow

    @property
    def is_closed(self) -> bool:
        """Whether it lets nobody in now: what comes would have to wait, or is refused."""
        return self.waiting >= self.capacity and not self.drops

    @property
    def drops(self) -> bool:
        """Whether it lets everybody in, and something is dropped when it is used up."""
        return self.overflow not in (Overflow.BLOCK, Overflow.FAIL)

    def enter(self, delivery: Delivery, *, first: bool = False) -> None:
        """Remember when a delivery began to wait, for a policy that pushes out; `first` puts it before all others."""
        if not self.tracks:
            return
        if self.order is None:
            self.order: OrderedDict[Delivery, None] | None = OrderedDict()
            self.newest: dict[str, Delivery] | None = {} if self.overflow is Overflow.LATEST else None
        self.order[delivery] = None
        if first:
            self.order.move_to_end(delivery, last=False)
        if self.newest is not None:
            topic = delivery.message.topic
            self.newest[topic] = self.newest.get(topic, delivery) if first else delivery

    def displaced(self, topic: str) -> Delivery | None:
        """Return the waiting delivery that a new message on `topic` pushes out, if it does."""
        if self.order is None:
            return None
        if self.newest is not None and topic in self.newest:
            return self.newest[topic]
        return None if self.waiting < self.capacity else next(iter(self.order))

    def outdates(self, delivery: Delivery) -> bool:
        """Say whether a newer message on the topic of `delivery` waits, in a quota that wants only the latest."""
        return self.newest is not None and delivery.message.topic in self.newest

    def leaves(self, delivery: Delivery) -> None:
        """Give the place of `delivery` back, to the publisher that has waited longest."""
        self.waiting: int = self.waiting - 1
        if self.order is not None:
            del self.order[delivery]
            if self.newest is not None and self.newest.get(delivery.message.topic) is delivery:
                del self.newest[delivery.message.topic]
        if self.waiters is not None:
            self.wake_oldest()

    def enqueue(self, age: int, wake: Callable[[], None]) -> None:
        """Let a publisher wait for room; `wake` is called once when it should look again, lowest `age` first."""
        if self.waiters is None:
            self.waiters = []
        insort(self.waiters, (age, wake), key=_age)

    def dequeue(self, age: int) -> None:
        """Take a publisher that waits out again."""
        waiters = self.waiters or []
        del waiters[bisect_left(waiters, age, key=_age)]
        self.waiters = waiters or None

    def wake_oldest(self) -> None:
        """Wake the publisher that has waited longest, if there is room for it."""
        if self.waiters and self.waiting < self.capacity:
            _, wake = self.waiters.pop(0)
            self.waiters = self.waiters or None
            wake()

    def wake_all(self) -> None:
        """Wake every publisher: what they waited for may not concern them any more."""
        waiters, self.waiters = self.waiters, None
        for _, wake in waiters or ():
            wake()


def quota_of(lane: Lane, options: SubscriptionOptions) -> Quota:
    """Return a quota of which nothing is used."""
    return Quota(lane, options, options.overflow in _PUSHING_OUT)


def _age(waiter: tuple[int, Callable[[], None]]) -> int:
    return waiter[0]
