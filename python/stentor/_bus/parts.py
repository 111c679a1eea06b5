"""The parts of a bus, and how they are put together."""

from __future__ import annotations

import secrets
from itertools import count
from random import Random
from typing import TYPE_CHECKING, Any, Final, Never, final

import trio

from stentor._machine.addressing import Addressing
from stentor._machine.attendance import Attendance
from stentor._machine.backlog import Backlog
from stentor._machine.calls import Calls
from stentor._machine.dispatcher import Dispatcher
from stentor._machine.ledger import Ledger
from stentor._machine.publishing import PUBLISH_BUDGET, Publishing
from stentor._machine.pump import PumpingDispatcher
from stentor._machine.quiescence import Quiescence
from stentor._machine.readiness import Readiness
from stentor._machine.requests import Requests
from stentor._machine.router import Router
from stentor._machine.stamping import Stamper
from stentor._machine.storing import Storing
from stentor._machine.timers import Timers
from stentor._machine.transit import Carriage
from stentor._machine.waits import Waits
from stentor._machine.workers import Workers
from stentor._mechanisms.dead_letters import DeadLetterBox
from stentor._mechanisms.permissions import Permissions
from stentor._mechanisms.recipients import Recipient
from stentor._mechanisms.registry import Registry
from stentor._mechanisms.retained import RetainedMessages
from stentor._mechanisms.subscriptions import RESERVED, SubscriptionTable
from stentor._native import Current, Door, Ids, Meter
from stentor._values.options import DEFAULT_OPTIONS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from stentor._bus.entrance import Entrance
    from stentor._bus.settings import BusSettings
    from stentor._mechanisms.health import Problem
    from stentor._values.options import SubscriptionOptions
    from stentor._values.policies import HandlerPolicy
    from stentor._values.protocols import MailboxStore

_SYSTEM_CLOCK: Final = "trio._core._run", "SystemClock"
"""The clock that trio has if nothing is said: the system's monotonic one, with an offset."""


@final
class Parts:
    """Everything that one bus consists of, from the table of subscriptions to the router."""

    closed: bool = False
    """Whether the bus is closed, so that nobody receives any more."""

    def __init__(self, nursery: trio.Nursery, store: MailboxStore, settings: BusSettings) -> None:
        """Put the parts together; tasks live in `nursery`, and `store` is open."""
        self.settings = settings
        self.nursery = nursery
        self.store = store
        self.meter: Meter = _meter()
        self.clock: Callable[[], float] = self.meter.read
        self.random: Random = Random(settings.seed)
        self.current: Current = Current("stentor.delivery")
        """The delivery in whose handler, or in whose child task, the code runs; one variable for each bus."""
        prefix = secrets.token_hex(4) if settings.seed is None else f"{self.random.getrandbits(32):08x}"
        self.table: SubscriptionTable = SubscriptionTable(settings.dialect, cache_capacity=settings.cache_capacity)
        self.registry: Registry = Registry()
        self.retained: RetainedMessages = RetainedMessages(
            settings.dialect, capacity=settings.retained_capacity, reserved=RESERVED
        )
        self.permissions: Permissions = Permissions(settings.dialect, reserved=RESERVED)
        self.ids: Ids = Ids(prefix)
        self.stamper: Stamper = Stamper(self.ids, self.clock, self.current, settings.limits)
        self.ledger: Ledger = Ledger(
            DeadLetterBox(settings.dialect, capacity=settings.dead_letter_capacity), settings.observers, self.meter
        )
        self.timers: Timers = Timers(self.clock, nursery)
        self.readiness: Readiness = Readiness(self.clock, self.timers)
        self.calls: Calls = Calls(
            self.meter,
            self.current,
            ledger=self.ledger,
            readiness=self.readiness,
            timers=self.timers,
            random=self.random,
        )
        self.dispatcher: Dispatcher = Dispatcher(self.clock, self.ledger, self.readiness, self.calls)
        self.pumping: PumpingDispatcher | None = self._pumping()
        self.front: Dispatcher | PumpingDispatcher = self.dispatcher if self.pumping is None else self.pumping
        self.attendance: Attendance = Attendance(self.clock, self.dispatcher, self.readiness, self.ledger)
        self.waits: Waits = Waits(self.current)
        self.addressing: Addressing = Addressing(self.table, self.registry, self.random)
        self.storing: Storing = Storing(store, nursery, self.ledger)
        self.backlog: Backlog = Backlog(
            store, self.storing, nursery, self.dispatcher, attendance=self.attendance, ledger=self.ledger
        )
        lines: dict[str, Any] = {}
        self.door: Door = Door(
            None if self.pumping is None else self.pumping.pump,
            self.meter,
            self.current,
            self.ids,
            routes=self.table.cached,
            lines=lines,
            budget=PUBLISH_BUDGET,
        )
        self.door.open = not (settings.middleware or self.ledger.observed or settings.transit or self.stamper.limited)
        self.publishing: Publishing = Publishing(
            self.addressing,
            self.dispatcher,
            self.attendance,
            self.backlog,
            front=self.front,
            door=self.door,
            lines=lines,
            waits=self.waits,
            observers=settings.observers,
        )
        self.requests: Requests = Requests(self.door, self.timers, self.table, self.waits)
        self.quiescence: Quiescence = Quiescence(self.ledger, self.readiness, self.meter)
        self.router: Router = Router(self.storing, self.backlog, self.publishing, self.ledger)
        if settings.transit is not None:
            self.publishing.put = Carriage(
                settings.transit,
                self.clock,
                dispatcher=self.dispatcher,
                calls=self.calls,
                ledger=self.ledger,
                timers=self.timers,
            ).accept
        self.feed_numbers: count[int] = count(1)
        self.examiners: list[Callable[[], Iterable[Problem]]] = []
        """What extensions find wrong with themselves."""
        self.entrances: dict[Entrance, None] = {}
        """The ways in from other threads, of the portals that are open."""
        self.dismiss: Callable[[Recipient], None]
        """Gives the name of a closed agent or feed back; set by the bus."""
        self.calls.on_raise = self._raise
        self.calls.on_quarantine = self.attendance.quarantine
        self.permissions.on_revoke = self._close_forbidden
        self.permissions.on_policy = self._guard
        self.workers: Workers = self._workers()

    def recipient(
        self, name: str, handler: Callable[..., object] | None, policy: HandlerPolicy, options: SubscriptionOptions
    ) -> Recipient:
        """Make a recipient to whose handler the running context belongs; it is not registered yet."""
        recipient = Recipient(name, handler, self.current.base(), policy, options, self.readiness.arranging)
        if options is not DEFAULT_OPTIONS:
            recipient.expect(options.behaviour())
        return recipient

    def _workers(self) -> Workers:
        """Make the workers, and tell who waits for them how to."""
        workers = Workers(self.front, self.calls, self.readiness, self.nursery, meter=self.meter, current=self.current)
        self.publishing.rest = workers.rest
        self.publishing.hand_over = workers.hand_over
        self.requests.desk.served_by(workers)
        return workers

    def _pumping(self) -> PumpingDispatcher | None:
        if self.settings.dispatcher == "python":
            return None
        return PumpingDispatcher(
            self.dispatcher,
            self.calls,
            readiness=self.readiness,
            ledger=self.ledger,
            meter=self.meter,
            current=self.current,
        )

    def _guard(self, active: bool) -> None:  # noqa: FBT001 - told what has become of a property
        self.door.guarded = active

    def _close_forbidden(self, agent: str | None) -> None:
        """Close the subscriptions of an agent, or of all, that it could not make any more."""
        for subscription in list(self.table):
            name = None if subscription.is_feeds else subscription.agent
            if (agent is None or name == agent) and not self.permissions.may_subscribe(name, subscription.pattern):
                subscription.close()

    def _raise(self, error: Exception) -> None:
        async def let_it_out() -> Never:
            raise error

        self.nursery.start_soon(let_it_out, name="stentor on_error=raise")


def _meter() -> Meter:
    """Return a meter of trio's clock; that of the system it reads without a call."""
    clock = trio.lowlevel.current_clock()
    return Meter(clock.current_time, monotonic=(type(clock).__module__, type(clock).__name__) == _SYSTEM_CLOCK)
