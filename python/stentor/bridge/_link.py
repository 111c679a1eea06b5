"""The link: one connection after the other, kept up for as long as it runs, and every interruption told."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING, Literal, NoReturn, TypeAlias, final

import trio
from attrs import define, evolve, frozen

from stentor.bridge._backoff import Backoff
from stentor.bridge._errors import ConnectionLost, ReplyError
from stentor.bridge._locator import Locator
from stentor.bridge._opening import PUSH_BYTES, open_connection

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from stentor.bridge._address import Address
    from stentor.bridge._connection import Connection

StateName: TypeAlias = Literal["connected", "reconnecting", "degraded"]


@final
@frozen
class LinkTiming:
    """How long a link waits, in seconds."""

    interval: float = 5.0
    """From one heartbeat to the next."""
    grace: float = 5.0
    """Until the reply to a heartbeat must have come."""
    timeout: float = 5.0
    """Until the reply to any other command must have come, and until a login must be done."""
    setup_timeout: float = 30.0
    """Until a new connection must be set up."""
    first_delay: float = 0.05
    """Before the first attempt to connect again; doubled after each that fails."""
    max_delay: float = 5.0
    """At most before an attempt to connect again, and always where somebody must first change something."""
    healthy_after: float = 1.0
    """How long a connection must have lasted for the delays to begin anew after it."""


@final
@frozen
class LinkState:
    """How a link is."""

    name: StateName
    """Connected; reconnecting, as the server is not there; or degraded: it is there, and refuses what we need."""
    reason: str = ""
    """Why it is not connected, in words."""
    since: float = 0.0
    """Since when, on trio's clock."""


@final
@frozen
class Interruption:
    """A time in which a link was down."""

    reason: str
    """Why, in words."""
    seconds: float
    """From the last sign of life of the old connection until the new one was ready for use."""


@final
@define
class LinkStatistics:
    """What a link has seen."""

    connects: int = 0
    """Connections that were ready for use."""
    failures: int = 0
    """Attempts to connect that failed."""
    interruptions: int = 0
    """Connections lost and replaced."""
    seconds_down: float = 0.0
    """What all interruptions took together."""
    round_trip: float | None = None
    """How long the last heartbeat took, in seconds."""
    last_error: str = ""
    """Why the last connection was lost or the last attempt failed."""


@final
class Link:
    """Keeps a connection to the primary: connects, sets up, listens for its heart, and begins anew when it is lost.

    Nothing is lost silently and nothing is repeated: who uses a connection sees `ConnectionLost`, and `on_interruption`
    is told how long there was none. A primary that has become a replica is left. A server that refuses us is tried
    again, but only after the longest delay.

    Args:
        address: Where Redis is.
        slot: In a cluster, the hash slot whose owner is wanted.
        name: What the connections are called in the server's list of clients.
        setup: Called with each new connection, before it counts as connected: to subscribe, for example.
        timing: How long to wait for what.
        push_bytes: How many bytes of pushes may wait to be received before a connection stops reading.
        rng: Where the randomness of the delays comes from.
        on_state: Called with each new state.
        on_interruption: Called with each interruption, once it is over.
    """

    def __init__(
        self,
        address: Address,
        *,
        slot: int | None = None,
        name: str = "stentor",
        setup: Callable[[Connection], Awaitable[object]] | None = None,
        timing: LinkTiming | None = None,
        push_bytes: int = PUSH_BYTES,
        rng: Random | None = None,
        on_state: Callable[[LinkState], object] | None = None,
        on_interruption: Callable[[Interruption], object] | None = None,
    ) -> None:
        self._timing = timing or LinkTiming()
        self._locator = Locator(address, slot=slot, timeout=self._timing.timeout)
        self._name = name
        self._setup = setup
        self._push_bytes = push_bytes
        self._backoff = Backoff(self._timing.first_delay, self._timing.max_delay, rng or Random())
        self._on_state = on_state
        self._on_interruption = on_interruption
        self._state = LinkState("reconnecting", "not connected yet")
        self._connection: Connection | None = None
        self._changed = trio.lowlevel.ParkingLot()
        self._refusal: ReplyError | None = None
        self._down: tuple[str, float] | None = None  # why and since when there is no connection, once there was one
        self._ready_at = 0.0
        self._statistics = LinkStatistics()

    @property
    def state(self) -> LinkState:
        """How it is now."""
        return self._state

    def statistics(self) -> LinkStatistics:
        """Return what it has seen until now."""
        return evolve(self._statistics)

    async def connected(self) -> Connection:
        """Wait until there is a connection that is set up, and return it; where there is one, it does not yield."""
        await trio.lowlevel.checkpoint_if_cancelled()
        while self._connection is None or self._connection.why is not None:
            await self._changed.park()
        return self._connection

    def fail(self, connection: Connection, reason: str | ReplyError) -> None:
        """Say that a connection is no good although it lives; nothing happens if it is not the current one.

        Where `reason` is an error that trying again at once cannot mend, the link is degraded until a new connection
        is set up; where it says who serves the slot now, that is the next server.
        """
        if connection is not self._connection:
            return
        if isinstance(reason, ReplyError):
            self._refusal = reason
        connection.lose(reason if isinstance(reason, str) else reason.text)

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Keep the connection up for ever. Nothing that a server or the network does ends it."""
        self._enter("reconnecting", self._state.reason)
        task_status.started()
        try:
            while True:
                reason = await self._live()
                self._count_loss(reason)
                self._enter("reconnecting" if self._refusal is None else "degraded", reason)
                await trio.sleep(self._delay())
        finally:
            self._connection = None

    async def _live(self) -> str:
        """Keep one connection up until it fails, and return why."""
        self._refusal = None
        try:
            await self._live_and_fail()
        except ConnectionLost as error:
            return error.reason
        except ReplyError as error:
            self._refusal = error
            return error.text

    async def _live_and_fail(self) -> NoReturn:
        """Connect, set up, and ask for the heartbeat until one of these fails."""
        timing = self._timing
        address = await self._locator.locate()
        opening = open_connection(address, timeout=timing.timeout, name=self._name, push_bytes=self._push_bytes)
        async with opening as connection:
            _require_primary(connection)
            if self._setup is not None:
                await self._set_up(self._setup, connection)
            self._count_connect(connection)
            while True:
                with trio.move_on_after(timing.interval):
                    await connection.wait_lost()
                asked_at = trio.current_time()
                await connection.check(timeout=timing.grace)
                self._statistics.round_trip = trio.current_time() - asked_at
                _require_primary(connection)

    async def _set_up(self, setup: Callable[[Connection], Awaitable[object]], connection: Connection) -> None:
        with trio.move_on_after(self._timing.setup_timeout) as scope:
            await setup(connection)
        if scope.cancelled_caught:
            msg = f"not set up within {self._timing.setup_timeout:g} s"
            raise ConnectionLost(msg)

    def _count_connect(self, connection: Connection) -> None:
        """Let everybody have the connection, and tell of the interruption that it ends."""
        self._connection = connection
        self._ready_at = trio.current_time()
        self._statistics.connects += 1
        if self._down is not None:
            (reason, since), self._down = self._down, None
            self._statistics.interruptions += 1
            self._statistics.seconds_down += self._ready_at - since
            if self._on_interruption is not None:
                self._on_interruption(Interruption(reason, self._ready_at - since))
        self._enter("connected", "")
        self._changed.unpark_all()

    def _count_loss(self, reason: str) -> None:
        """Take the connection away from everybody, where there was one, and remember since when it was silent."""
        self._statistics.last_error = reason
        connection, self._connection = self._connection, None
        if connection is None:
            self._statistics.failures += 1
            return
        self._down = reason, connection.heard_at
        if trio.current_time() - self._ready_at >= self._timing.healthy_after:
            self._backoff.reset()

    def _delay(self) -> float:
        """Return how long to wait before the next attempt."""
        if self._refusal is not None:
            self._locator.follow(self._refusal)
            if self._refusal.is_fatal:
                return self._backoff.longest()
        return self._backoff.delay()

    def _enter(self, name: StateName, reason: str) -> None:
        if (name, reason) != (self._state.name, self._state.reason) or not self._state.since:
            self._state = LinkState(name, reason, trio.current_time())
            if self._on_state is not None:
                self._on_state(self._state)


def _require_primary(connection: Connection) -> None:
    if not connection.server.is_primary:
        msg = "READONLY the server is a replica, which takes no writes and whose channels reach nobody else"
        raise ReplyError(msg)
