"""Sentinels and a cluster: one bridge talks to one node, and follows it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import trio

import stentor
from stentor.bridge import RedisBridge
from stentor.bridge._keys import Keys
from stentor.bridge._slots import slot_of
from tests.bridge.joined import OPTIONS, Log, until
from tests.bridge.servers import SERVICE, cluster, sentinel_setup, wait_for_order

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.bridge.servers import RedisServer

pytestmark = [pytest.mark.live, pytest.mark.real_clock]
both = pytest.mark.parametrize("transport", ["pubsub", "streams"])


@pytest.fixture(scope="module")
def shared_cluster() -> Iterator[list[RedisServer]]:
    """Three primaries, and a replica of the first: a cluster takes seconds to begin."""
    with cluster(replicas=1) as nodes:
        yield nodes


@pytest.fixture
def nodes(shared_cluster: list[RedisServer]) -> list[RedisServer]:
    """The cluster with all its nodes and nothing in it; the first primary comes first, whoever that is by now."""
    for node in shared_cluster:
        if node.process.poll() is not None:
            node.start()
    wait_for_order(shared_cluster, 1)
    first, second, third, fourth = shared_cluster
    if fourth.ask("ROLE")[0] == b"master":
        first, fourth = fourth, first
    for primary in (first, second, third):
        primary.ask("FLUSHALL")
    return [first, second, third, fourth]


def namespace_of_first() -> str:
    """A namespace whose slot the first node of a cluster of three has."""
    return next(name for name in map("x{}".format, range(100)) if slot_of(Keys(name).prefix) <= 5460)


@both
async def test_messages_cross_a_cluster_and_follow_a_failover(nodes: list[RedisServer], transport: str) -> None:
    log = Log()
    url = f"redis+cluster://127.0.0.1:{nodes[1].port},127.0.0.1:{nodes[2].port}"
    options: dict[str, Any] = OPTIONS | {"transport": transport, "namespace": namespace_of_first()}
    async with stentor.open_bus() as here, stentor.open_bus() as there:
        async with (
            RedisBridge(there, url, in_=["t.*"], node="b", **options) as into,
            RedisBridge(here, url, out=["t.*"], node="a", **options) as out_of,
        ):
            await into.subscribe(there.register("reader", log), "t.*")
            for n in range(20):
                await here.publish("t.x", n)
            await until(lambda: log.payloads == list(range(20)))
            await trio.to_thread.run_sync(nodes[0].kill)
            for n in range(20, 40):
                await here.publish("t.x", n)
            await out_of.flushed()
            await until(lambda: len(log.payloads) + into.statistics().missing == 40)
            assert log.payloads == sorted(set(map(int, map(str, log.payloads))))
            assert log.payloads[:20] == list(range(20))
            await until(lambda: out_of.state == into.state == "connected")


@both
async def test_a_failover_by_sentinel_loses_nothing_that_replicas_had(transport: str) -> None:
    log = Log()
    with sentinel_setup() as (servers, sentinels):
        hosts = ",".join(f"127.0.0.1:{each.port}" for each in sentinels)
        url = f"redis+sentinel://{hosts}/{SERVICE}"
        options: dict[str, Any] = OPTIONS | {"transport": transport, "wait_replicas": 1}
        async with stentor.open_bus() as here, stentor.open_bus() as there:
            async with (
                RedisBridge(there, url, in_=["t"], node="b", **options) as into,
                RedisBridge(here, url, out=["t"], node="a", **options),
            ):
                await into.subscribe(there.register("reader", log), "t")
                for n in range(200):
                    await here.publish("t", n)
                    await trio.sleep(0.005)
                    if n == 50:
                        await trio.to_thread.run_sync(servers[0].kill)
                await until(lambda: len(log.payloads) + into.statistics().missing >= 200)
                assert log.payloads == sorted(set(map(int, map(str, log.payloads))))
                if transport == "streams":
                    assert log.payloads == list(range(200))
