"""A mailbox: the deliveries that wait for one recipient.

Three ideas meet here. The *mailbox* has a lane for each delivery mode of its recipient. A *lane* orders what waits: the
most urgent first, equals in their order. A *quota* bounds it: each subscription may have so many of its deliveries
waiting, and publishers that find it used up queue at it, or push something out, as its overflow policy says.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import OrderedDict, deque
from math import inf
from typing import TYPE_CHECKING, Final, final

from stentor._mechanisms.deliveries import WAITING
from stentor._values.messages import Priority
from stentor._values.options import REALTIME, Overflow

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from stentor._mechanisms.deliveries import Delivery
    from stentor._mechanisms.recipients import Recipient
    from stentor._values.modes import Mode
    from stentor._values.options import SubscriptionOptions

_BEFORE_NORMAL: Final = (Priority.URGENT, Priority.HIGH)
_SLACK: Final = 64


@final
class Lane:
    """What waits for one recipient in one mode; adding, taking and dropping are O(1), amortised.

    Ordinary lanes hold NORMAL messages only, so these have a queue of their own and the others exist on demand. A
    delivery that is dropped from the middle stays in its queue as a ghost until it comes to the front, or until there
    are more ghosts than deliveries.
    """

    __slots__ = (
        "_ghosts",
        "_normal",
        "_others",
        "again",
        "alarm",
        "alarm_at",
        "apart",
        "counted",
        "held",
        "mode",
        "peak",
        "realtime",
        "recipient",
        "scheduled",
        "waiting",
    )

    def __init__(self, recipient: Recipient, mode: Mode) -> None:
        """Make an empty lane."""
        self.recipient = recipient
        self.mode = mode
        self.realtime = mode is REALTIME
        """Whether it is due as soon as it has anything, one message at a time."""
        self.counted = False
        """Whether what waits here keeps the bus from being settled."""
        self.scheduled = False
        """Whether it stands in the ready queue, or is held."""
        self.held = False
        """Whether what waits here lets the backlog go first."""
        self.apart = 0
        """How often in a row its handler must not wait before it is served by the leader again; 0 while it is."""
        self.alarm = 0
        """The timer that will look whether it is due, and when it goes off."""
        self.alarm_at = inf
        self.again: deque[Delivery] = deque()
        """Deliveries whose next attempt is due, and that have kept their slot."""
        self.waiting = 0
        """How many deliveries wait."""
        self.peak = 0
        """The most that ever waited at once."""
        self._ghosts = 0
        self._normal: deque[Delivery] = deque()
        self._others: dict[Priority, deque[Delivery]] | None = None

    def __iter__(self) -> Iterator[Delivery]:
        """Iterate over what waits, in the order in which it would be taken."""
        for queue in self._queues():
            yield from (delivery for delivery in queue if delivery._state == WAITING)

    def put(self, delivery: Delivery, *, first: bool = False) -> None:
        """Add a delivery behind those of its priority, or before them when it is put back."""
        priority = delivery.message.priority
        queue = self._normal if priority is Priority.NORMAL else self._queue(priority)
        if first:
            queue.appendleft(delivery)
        else:
            queue.append(delivery)
        self.waiting += 1
        if self.waiting > self.peak:
            self.peak = self.waiting

    def take(self) -> Delivery | None:
        """Remove and return the first delivery, or None when nothing waits."""
        if not self.waiting:
            return None
        self.waiting -= 1
        if not self._ghosts and self._others is None:
            return self._normal.popleft()
        for queue in self._queues():
            while queue:
                delivery = queue.popleft()
                if delivery._state == WAITING:
                    return delivery
                self._ghosts -= 1
        return None

    def first(self) -> Delivery | None:
        """Return the delivery that would be taken next."""
        return next(iter(self), None)

    def drop(self) -> None:
        """Let go of one delivery that has just ceased to wait, wherever it stands."""
        self.waiting -= 1
        self._ghosts += 1
        if self._ghosts > self.waiting + _SLACK:
            self._ghosts = 0
            for queue in self._queues():
                alive = [delivery for delivery in queue if delivery._state == WAITING]
                queue.clear()
                queue.extend(alive)

    def _queue(self, priority: Priority) -> deque[Delivery]:
        """Return the queue of a priority that is not NORMAL."""
        if self._others is None:
            self._others = {p: deque() for p in sorted(Priority, reverse=True) if p is not Priority.NORMAL}
        return self._others[priority]

    def _queues(self) -> Iterator[deque[Delivery]]:
        others = self._others or {}
        for priority in sorted(Priority, reverse=True):
            queue = self._normal if priority is Priority.NORMAL else others.get(priority)
            if queue is not None:
                yield queue


@final
class Quota:
    """How many deliveries may wait because of one subscription, and who waits for room."""

    __slots__ = (
        "_newest",
        "_order",
        "_waiters",
        "capacity",
        "dropped",
        "lane",
        "options",
        "overflow",
        "total",
        "tracks",
        "waiting",
    )

    def __init__(self, lane: Lane, options: SubscriptionOptions) -> None:
        """Make a quota of which nothing is used."""
        self.lane = lane
        self.options = options
        self.capacity = options.capacity
        self.overflow = options.overflow
        self.waiting = 0
        self.total = 0
        """How many deliveries it let in."""
        self.dropped = 0
        self._waiters: list[tuple[int, Callable[[], None]]] = []
        self._order: OrderedDict[Delivery, None] | None = None
        self._newest: dict[str, Delivery] | None = None
        self.tracks: bool = self.overflow in (Overflow.DROP_OLDEST, Overflow.LATEST)
        """Whether each arrival must be entered, because a later one may push it out."""
        if self.tracks:
            self._order = OrderedDict()
        if self.overflow is Overflow.LATEST:
            self._newest = {}

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
        if self._order is None:
            return
        self._order[delivery] = None
        if first:
            self._order.move_to_end(delivery, last=False)
        if self._newest is not None:
            topic = delivery.message.topic
            self._newest[topic] = self._newest.get(topic, delivery) if first else delivery

    def displaced(self, topic: str) -> Delivery | None:
        """Return the waiting delivery that a new message on `topic` pushes out, if it does."""
        if self._order is None:
            return None
        if self._newest is not None and topic in self._newest:
            return self._newest[topic]
        return None if self.waiting < self.capacity else next(iter(self._order))

    def outdates(self, delivery: Delivery) -> bool:
        """Say whether a newer message on the topic of `delivery` waits, in a quota that wants only the latest."""
        return self._newest is not None and delivery.message.topic in self._newest

    def leaves(self, delivery: Delivery) -> None:
        """Give the place of `delivery` back, to the publisher that has waited longest."""
        self.waiting -= 1
        if self._order is not None:
            del self._order[delivery]
            if self._newest is not None and self._newest.get(delivery.message.topic) is delivery:
                del self._newest[delivery.message.topic]
        if self._waiters:
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
