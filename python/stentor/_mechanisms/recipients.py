"""Recipients: who has a mailbox. An agent's recipient has a handler, a feed's has a task that receives."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Protocol, final

from stentor._mechanisms.mailbox import Mailbox
from stentor._mechanisms.statistics import AgentStatistics

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextvars import Context

    from stentor._mechanisms.deliveries import Delivery
    from stentor._mechanisms.subscriptions import Subscription


class Receiver(Protocol):
    """A task that waits for the next delivery to a feed."""

    def hand(self, delivery: Delivery | None) -> None:
        """Give it the delivery, or None for the end, and let it go on."""


@final
class Recipient:
    """The state of one recipient. The dispatcher is the only one who writes `mailbox`, the counts and the flags.

    At any moment, and each counted by itself: addressed = handled + dead + expired + abandoned + waiting + running.
    """

    __slots__ = (
        "abandoned",
        "addressed",
        "context",
        "counted",
        "dead",
        "expired",
        "handled",
        "handler",
        "mailbox",
        "name",
        "receivers",
        "running",
        "scheduled",
        "slots",
        "subscriptions",
        "wants_delivery",
    )

    def __init__(
        self, name: str, handler: Callable[..., object] | None, context: Context, *, wants_delivery: bool, slots: int
    ) -> None:
        """Make a recipient to which nothing has been addressed."""
        self.name: str = name
        self.handler: Callable[..., object] | None = handler
        self.wants_delivery: bool = wants_delivery
        self.context: Context = context
        """What a handler's own copy of the context is made from: as it was at registration."""
        self.mailbox: Mailbox = Mailbox()
        self.subscriptions: dict[int, Subscription] = {}
        """By index id, so in order of subscription."""
        self.slots: int = slots
        """How many more of its deliveries may begin now."""
        self.scheduled: bool = False
        """Whether it stands in the ready queue."""
        self.counted: bool = handler is not None
        """Whether what waits here keeps the bus from being settled; not so for a feed that nobody iterates."""
        self.running: dict[Delivery, None] = {}
        self.receivers: deque[Receiver] = deque()
        """Tasks that wait for the mail of a feed, the one that has waited longest first."""
        self.addressed: int = 0
        self.handled: int = 0
        self.dead: int = 0
        self.expired: int = 0
        self.abandoned: int = 0

    @property
    def busy(self) -> bool:
        """Whether it has something waiting or running that counts for quiescence."""
        return self.counted and bool(self.running or self.mailbox)

    def statistics(self) -> AgentStatistics:
        """Return what became of everything addressed to it."""
        return AgentStatistics(
            name=self.name,
            subscriptions=len(self.subscriptions),
            addressed=self.addressed,
            handled=self.handled,
            dead=self.dead,
            expired=self.expired,
            abandoned=self.abandoned,
            waiting=len(self.mailbox),
            running=len(self.running),
            peak_waiting=self.mailbox.peak,
        )
