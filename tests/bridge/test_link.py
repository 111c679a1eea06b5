"""The link: it comes back from every fault, tells each interruption, and never tries in a busy loop."""

from __future__ import annotations

import contextlib
from random import Random
from typing import TYPE_CHECKING, Any

import pytest
import trio
from attrs import evolve

from stentor.bridge._address import Address
from stentor.bridge._backoff import Backoff
from stentor.bridge._errors import ConnectionLost, ReplyError
from stentor.bridge._link import Interruption, Link, LinkState, LinkTiming
from stentor.bridge._locator import Locator
from stentor.bridge._slots import slot_of
from tests.bridge.proxy import open_proxy
from tests.bridge.servers import SERVICE, cluster, redis_server, sentinel_setup
from tests.services import LOOPBACK, free_port

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

    from stentor.bridge._connection import Connection
    from tests.bridge.servers import RedisServer

pytestmark = [pytest.mark.live, pytest.mark.real_clock]
SOON = 30.0
"""Seconds within which what a test waits for must have come, on a busy machine too."""
QUICK = LinkTiming(interval=0.2, grace=0.3, timeout=1.0, setup_timeout=1.0, first_delay=0.02, max_delay=0.2)


class Watched:
    """A link with everything that it has told."""

    def __init__(self, address: Address, **options: Any) -> None:
        self.states: list[LinkState] = []
        self.interruptions: list[Interruption] = []
        self._told = trio.Event()
        options = {"timing": QUICK, "rng": Random(1), **options}
        self.link = Link(address, on_state=self._note, on_interruption=self.interruptions.append, **options)

    def _note(self, state: LinkState) -> None:
        self.states.append(state)
        self._told.set()
        self._told = trio.Event()

    @property
    def names(self) -> list[str]:
        """The states in short."""
        return [state.name for state in self.states]

    async def until(self, name: str) -> LinkState:
        """Wait until the link is in a state."""
        with trio.fail_after(SOON):
            while self.link.state.name != name:
                await self._told.wait()
        return self.link.state

    async def connected(self) -> Connection:
        """Wait until there is a connection."""
        with trio.fail_after(SOON):
            return await self.link.connected()

    async def back(self) -> Interruption:
        """Wait until the next interruption is over."""
        seen = len(self.interruptions)
        with trio.fail_after(SOON):
            while len(self.interruptions) == seen:
                await self._told.wait()
        await self.until("connected")
        return self.interruptions[seen]


@contextlib.asynccontextmanager
async def running(url: str, *, login: dict[str, Any] | None = None, **options: Any) -> AsyncIterator[Watched]:
    watched = Watched(Address.parse(url, **(login or {})), **options)
    failure: Exception | None = None
    async with trio.open_nursery() as nursery:
        await nursery.start(watched.link.run)
        try:
            yield watched
        except Exception as error:  # noqa: BLE001 - raised below, where the nursery does not make a group of it
            failure = error
        nursery.cancel_scope.cancel()
    if failure is not None:
        raise failure


async def eventually(condition: Callable[[], bool]) -> None:
    with trio.fail_after(SOON):
        while not condition():  # noqa: ASYNC110 - statistics wake nobody
            await trio.sleep(0.01)


async def do(call: Any, *args: Any) -> None:
    await trio.to_thread.run_sync(call, *args)


async def subscribe(connection: Connection) -> None:
    await connection.execute("SUBSCRIBE", "topic")


async def hears(watched: Watched, server: RedisServer) -> None:
    """See that the setup was done on the connection that is there now."""
    connection = await watched.connected()
    assert await trio.to_thread.run_sync(server.ask, "PUBLISH", "topic", "hello") == 1
    assert await connection.receive_push() == [b"message", b"topic", b"hello"]


@pytest.fixture(scope="module")
def shared() -> Iterator[RedisServer]:
    """A server for the tests that do it no lasting harm."""
    with redis_server() as server:
        yield server


# -- the delays -------------------------------------------------------------------------------------------------------


def test_delays_double_up_to_the_longest_and_are_jittered() -> None:
    backoff = Backoff(0.05, 5.0, Random(7))
    for whole in (0.05, 0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 5.0, 5.0):
        assert whole / 2 <= backoff.delay() <= whole
    assert 2.5 <= backoff.longest() <= 5.0
    backoff.reset()
    assert backoff.delay() <= 0.05


def test_delays_are_the_same_for_the_same_seed() -> None:
    one, same, other = (Backoff(0.05, 5.0, Random(seed)) for seed in (7, 7, 8))
    delays = [[backoff.delay() for _ in range(20)] for backoff in (one, same, other)]
    assert delays[0] == delays[1] != delays[2]


# -- coming up --------------------------------------------------------------------------------------------------------


async def test_it_is_connected_once_it_is_set_up(shared: RedisServer) -> None:
    seen: list[str] = []

    async def setup(connection: Connection) -> None:
        await connection.execute("PING")
        seen.append(watched.link.state.name)

    async with running(shared.url, setup=setup) as watched:
        connection = await watched.connected()
        assert await connection.execute("PING") == b"PONG"
        assert seen == ["reconnecting"]
        assert [(state.name, state.reason) for state in watched.states] == [
            ("reconnecting", "not connected yet"),
            ("connected", ""),
        ]
        assert watched.interruptions == []
        assert watched.link.statistics().connects == 1


async def test_it_waits_for_a_server_that_is_not_there_yet() -> None:
    with redis_server() as server:
        await do(server.kill)
        async with running(server.url) as watched:
            await eventually(lambda: watched.link.statistics().failures >= 3)
            assert f"no way to {LOOPBACK}:{server.port}" in watched.link.state.reason
            await do(server.start)
            await watched.connected()
        assert watched.names == ["reconnecting", "reconnecting", "connected"]
        assert watched.interruptions == []


async def test_the_heartbeat_tells_the_round_trip(shared: RedisServer) -> None:
    async with running(shared.url, timing=evolve(QUICK, interval=0.01)) as watched:
        await watched.connected()
        await eventually(lambda: watched.link.statistics().round_trip is not None)
        assert watched.link.statistics().connects == 1


async def test_a_setup_that_does_not_end_is_given_up(shared: RedisServer) -> None:
    attempts = 0

    async def setup(connection: Connection) -> None:
        nonlocal attempts
        attempts += 1
        if attempts == 1:
            await connection.execute("BLPOP", "nothing", 0, timeout=1000)

    async with running(shared.url, setup=setup, timing=evolve(QUICK, setup_timeout=0.1)) as watched:
        await watched.connected()
        assert watched.states[1].reason == "not set up within 0.1 s"


# -- coming back ------------------------------------------------------------------------------------------------------


async def test_a_server_that_is_killed_and_comes_back() -> None:
    with redis_server() as server:
        async with running(server.url, setup=subscribe) as watched:
            connection = await watched.connected()
            await do(server.kill)
            await watched.until("reconnecting")
            with pytest.raises(ConnectionLost, match=r"^the server closed it$"):
                await connection.execute("PING")
            await trio.sleep(0.2)
            await do(server.start)
            await hears(watched, server)
            (interruption,) = watched.interruptions
            assert interruption.reason == "the server closed it"
            assert 0.2 <= interruption.seconds < SOON
            statistics = watched.link.statistics()
            assert (statistics.connects, statistics.interruptions) == (2, 1)
            assert statistics.seconds_down == interruption.seconds


async def test_a_connection_that_the_server_kills(shared: RedisServer) -> None:
    async with running(shared.url, setup=subscribe, name="victim") as watched:
        for number in range(1, 4):
            await watched.connected()
            await do(shared.ask, "CLIENT", "KILL", "TYPE", "pubsub")
            await watched.back()
            assert len(watched.interruptions) == number
        await hears(watched, shared)


async def test_a_frozen_server_is_left_in_time_and_found_again() -> None:
    with redis_server() as server:
        async with running(server.url, setup=subscribe) as watched:
            await watched.connected()
            server.freeze()
            frozen_at = trio.current_time()
            state = await watched.until("reconnecting")
            assert state.reason == "no reply in time"
            assert trio.current_time() - frozen_at >= QUICK.grace
            server.thaw()
            await hears(watched, server)
            (interruption,) = watched.interruptions
            assert interruption.seconds >= QUICK.grace


@pytest.mark.parametrize("directions", [("up",), ("down",), ("up", "down")])
async def test_a_path_that_is_half_open(shared: RedisServer, directions: Any) -> None:
    async with open_proxy(shared.port) as proxy, running(proxy.url, setup=subscribe) as watched:
        await watched.connected()
        proxy.hold(*directions)
        assert (await watched.until("reconnecting")).reason == "no reply in time"
        proxy.release()
        assert (await watched.back()).reason == "no reply in time"
        await hears(watched, shared)


async def test_a_path_that_is_cut_five_times(shared: RedisServer) -> None:
    async with open_proxy(shared.port) as proxy, running(proxy.url, setup=subscribe) as watched:
        for number in range(5):
            await watched.connected()
            async with trio.open_nursery() as nursery:
                nursery.start_soon(watched.back)
                await proxy.cut(reset=number % 2 == 1)
        await hears(watched, shared)
        assert len(watched.interruptions) == 5


@pytest.mark.parametrize("seed", range(4))
async def test_damaged_bytes(shared: RedisServer, seed: int) -> None:
    async with open_proxy(shared.port) as proxy, running(proxy.url, setup=subscribe) as watched:
        for direction in ("up", "down"):
            proxy.corrupt(direction, 3, Random(f"{seed} {direction}"))
            for _ in range(10):
                connection = await watched.connected()
                with contextlib.suppress(ConnectionLost, ReplyError):
                    await connection.execute("PUBLISH", "elsewhere", "x")
        proxy.corrupt("up", 0, Random())
        proxy.corrupt("down", 0, Random())
        connection = await watched.connected()
        watched.link.fail(connection, "done with damage")  # what was damaged may have been the subscription
        await watched.back()
        await hears(watched, shared)


async def test_a_receiver_that_is_cut_for_being_slow() -> None:
    with redis_server("--client-output-buffer-limit", "pubsub 1mb 1mb 60") as server:
        async with running(server.url, setup=subscribe, push_bytes=100_000) as watched:
            connection = await watched.connected()
            with server.client() as sender:
                for _ in range(300):
                    await do(sender.publish, "topic", bytes(50_000))
            await trio.sleep(QUICK.interval + QUICK.grace)
            assert watched.link.state.name == "connected"
            with pytest.raises(ConnectionLost):
                while True:
                    await connection.receive_pushes()
            await hears(watched, server)
            assert len(watched.interruptions) == 1


async def test_a_server_that_hangs_up_is_not_called_in_a_busy_loop(shared: RedisServer) -> None:
    async with open_proxy(shared.port) as proxy:
        proxy.is_refusing = True
        async with running(proxy.url, timing=LinkTiming()):
            await trio.sleep(1.0)
    assert 3 <= proxy.connections <= 6  # 0.05, 0.1, 0.2, 0.4 s, each at least half


# -- being refused ----------------------------------------------------------------------------------------------------


async def test_a_wrong_password_degrades_and_is_tried_slowly() -> None:
    with redis_server("--requirepass", "old-word") as server:
        old, new = {"password": "old-word"}, {"password": "new-word"}
        with server.client(**old) as keeper:
            timing = evolve(QUICK, max_delay=0.8)
            async with running(server.url, login=new, timing=timing) as watched:
                state = await watched.until("degraded")
                assert state.reason.startswith("WRONGPASS ")
                await trio.sleep(1.0)
                assert watched.link.statistics().failures <= 4
                await do(keeper.execute_command, "CONFIG", "SET", "requirepass", "new-word")
                await watched.connected()
            assert watched.names == ["reconnecting", "degraded", "connected"]
            assert "new-word" not in f"{watched.states}{watched.link!r}"


async def test_a_right_that_is_missing_or_withdrawn_degrades() -> None:
    acl = ["sim", "on", ">word", "resetkeys", "resetchannels", "-@all", "+hello", "+auth", "+subscribe", "+publish"]
    with redis_server("--user", *acl) as server:
        login = {"user": "sim", "password": "word"}
        async with running(server.url, login=login, setup=subscribe) as watched:
            assert (await watched.until("degraded")).reason.startswith("NOPERM ")
            await do(server.ask, "ACL", "SETUSER", "sim", "&topic")
            connection = await watched.connected()
            await do(server.ask, "ACL", "SETUSER", "sim", "-publish")
            with pytest.raises(ReplyError) as refused:
                await connection.execute("PUBLISH", "topic", "x")
            watched.link.fail(connection, refused.value)
            assert (await watched.until("degraded")).reason.startswith("NOPERM ")
            await watched.until("connected")
            assert watched.interruptions[-1].reason.startswith("NOPERM ")


async def test_a_replica_is_not_good_enough() -> None:
    with redis_server() as primary, redis_server(replica_of=primary) as replica:
        async with running(replica.url) as watched:
            assert (await watched.until("degraded")).reason.startswith("READONLY the server is a replica")
            await do(replica.ask, "REPLICAOF", "NO", "ONE")
            await watched.connected()
            assert watched.names == ["reconnecting", "degraded", "connected"]
            await do(replica.ask, "REPLICAOF", LOOPBACK, primary.port)
            assert (await watched.until("degraded")).reason.startswith("READONLY the server is a replica")


async def test_only_the_connection_that_is_there_can_be_given_up(shared: RedisServer) -> None:
    async with running(shared.url) as watched:
        old = await watched.connected()
        watched.link.fail(old, "for the test")
        assert (await watched.back()).reason == "for the test"
        watched.link.fail(old, ReplyError("NOPERM again"))
        new = await watched.connected()
        assert new is not old
        assert await new.execute("PING") == b"PONG"
        new.lose("cut")
        await watched.back()
        assert watched.names == ["reconnecting", "connected"] * 3


# -- Sentinel and Cluster ---------------------------------------------------------------------------------------------


async def test_it_follows_a_failover_by_sentinel() -> None:
    with sentinel_setup() as (servers, sentinels):
        hosts = ",".join(f"{LOOPBACK}:{port}" for port in (free_port(), *(each.port for each in sentinels)))
        async with running(f"redis+sentinel://{hosts}/{SERVICE}", setup=subscribe) as watched:
            await hears(watched, servers[0])
            await do(servers[0].kill)
            await watched.back()
            connection = await watched.connected()
            assert connection.server.is_primary
            replicas = [each for each in servers[1:] if each.ask("ROLE")[0] == b"master"]
            assert len(replicas) == 1
            await hears(watched, replicas[0])


async def test_a_service_that_no_sentinel_knows() -> None:
    with redis_server() as server:
        url = f"redis+sentinel://{LOOPBACK}:{server.port}/other"
        async with running(url) as watched:
            assert (await watched.until("degraded")).reason.startswith("ERR unknown command")


async def test_it_follows_a_slot_and_a_failover_in_a_cluster() -> None:
    with cluster(replicas=1) as nodes:
        tag = next(f"{{{name}}}" for name in "abcdefgh" if slot_of(name) <= 5460)
        url = f"redis+cluster://{LOOPBACK}:{nodes[1].port},{LOOPBACK}:{nodes[2].port}"
        async with running(url, slot=slot_of(tag)) as watched:
            connection = await watched.connected()
            assert await connection.execute("SSUBSCRIBE", f"{tag}:topic")
            assert await connection.execute("SPUBLISH", f"{tag}:topic", "hello") == 1
            assert await connection.receive_push() == [b"smessage", f"{tag}:topic".encode(), b"hello"]
            await _move_slot(slot_of(tag), nodes[0], nodes[1], nodes)
            with pytest.raises(ReplyError, match=r"^MOVED") as moved:
                await connection.execute("SPUBLISH", f"{tag}:topic", "hello")
            watched.link.fail(connection, moved.value)
            await watched.back()
            connection = await watched.connected()
            assert await connection.execute("SET", f"{tag}:key", "here") == b"OK"
        first = next(name for name in "abcdefgh" if slot_of(name) <= 5460 and f"{{{name}}}" != tag)
        async with running(url, slot=slot_of(first)) as watched:
            await watched.connected()
            await do(nodes[0].kill)
            await watched.back()
            connection = await watched.connected()
            assert await connection.execute("SET", first, "there") == b"OK"
            assert await trio.to_thread.run_sync(nodes[3].ask, "GET", first) == b"there"


async def _move_slot(slot: int, source: RedisServer, target: RedisServer, nodes: list[RedisServer]) -> None:
    """Give an empty slot to another node, as an operator does."""
    source_id, target_id = (each.ask("CLUSTER", "MYID") for each in (source, target))
    target.ask("CLUSTER", "SETSLOT", slot, "IMPORTING", source_id)
    source.ask("CLUSTER", "SETSLOT", slot, "MIGRATING", target_id)
    for node in (target, source, nodes[2]):
        await do(node.ask, "CLUSTER", "SETSLOT", slot, "NODE", target_id)


async def test_who_is_named_by_moved_is_asked_next() -> None:
    locator = Locator(Address.parse("redis+cluster://sim:pw@one"), slot=7, timeout=1.0)
    for useless in ("MOVED", "MOVED 7", "MOVED 7 two", "MOVED 7 two:x", "MOVED 7 :7", "ASK 7 two:7", "ERR x"):
        assert not locator.follow(ReplyError(useless))
    assert locator.follow(ReplyError("MOVED 7 two:7"))
    assert str(await locator.locate()) == "redis://sim:***@two:7"
    alone = Locator(Address.parse("redis://one"), slot=None, timeout=1.0)
    assert not alone.follow(ReplyError("MOVED 7 two:7"))


def test_a_cluster_needs_a_slot() -> None:
    with pytest.raises(ValueError, match=r"^slot must be given for the address of a cluster$"):
        Link(Address.parse("redis+cluster://localhost"))
