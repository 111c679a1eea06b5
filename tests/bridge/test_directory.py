"""Which agents of other processes a bridge knows by name, and when it learns of them and forgets them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

import stentor
from stentor import AddressingMode
from stentor.bridge import RedisBridge
from stentor.bridge._body import Presence
from stentor.bridge._directory import MOST_NODES, Directory
from tests.bridge.joined import OPTIONS, Log, joined, until

if TYPE_CHECKING:
    from tests.bridge.servers import RedisServer

pytestmark = [pytest.mark.live, pytest.mark.real_clock]
both = pytest.mark.parametrize("transport", ["pubsub", "streams"])
FAR: dict[str, Any] = {"out": ["far"], "in_": ["far"]}


@both
async def test_agents_elsewhere_are_addressed_by_name(server: RedisServer, transport: str) -> None:
    log = Log()
    names: dict[str, Any] = {"out": ["agents.*"], "in_": ["agents.*"], "transport": transport}
    async with joined(server, "b", **names) as (there, _), joined(server, "a", **names) as (here, out_of):
        far = there.register("agents.far", log)
        there.register("private")
        await until(lambda: out_of.statistics().agents == 1)
        await here.send("agents.far", "hello", sender="agents.near")
        await until(lambda: log.payloads == ["hello"])
        assert log.messages[0].addressing is AddressingMode.DIRECT
        with pytest.raises(stentor.UnknownAgentError):
            await here.send("private", "hello")
        with pytest.raises(stentor.AlreadyRegisteredError):
            here.register("agents.far")
        far.close()
        await until(lambda: out_of.statistics().agents == 0)
        here.register("agents.far")


async def test_a_name_that_is_taken_twice_is_told_to_both_sides(server: RedisServer) -> None:
    names: dict[str, Any] = {"out": ["twin"], "in_": ["twin"]}
    async with stentor.open_bus() as here, stentor.open_bus() as there:
        here.register("twin")
        there.register("twin")
        with here.subscribe("_stentor.bridge.test.disputed") as feed:
            async with (
                RedisBridge(here, server.url, node="a", **names, **OPTIONS) as one,
                RedisBridge(there, server.url, node="b", **names, **OPTIONS) as two,
            ):
                await until(lambda: one.statistics().disputed and two.statistics().disputed)
                assert (one.statistics().disputed, two.statistics().disputed) == ({"twin": "b"}, {"twin": "a"})
                assert (await feed.receive()).payload == {"agent": "twin", "node": "b"}
                for bus, node in ((here, "b"), (there, "a")):
                    (problem,) = bus.health().problems
                    assert problem.detail == f"the name 'twin' is taken twice: here and at node '{node}'"


@both
async def test_who_comes_later_is_known_too(server: RedisServer, transport: Any) -> None:
    async with joined(server, "a", transport=transport, **FAR) as (_, out_of):
        await out_of.synced()
        await out_of.flushed()  # the others have been asked, and there are none
        async with stentor.open_bus() as there:
            there.register("far")
            async with RedisBridge(there, server.url, node="b", transport=transport, **FAR, **OPTIONS):
                await until(lambda: out_of.statistics().agents == 1)


async def test_agents_of_a_node_that_was_silent_come_back_with_it(server: RedisServer) -> None:
    async with joined(server, "a", expiry=0.3, **FAR) as (here, out_of):
        async with joined(server, "b", **FAR | {"beacon_interval": 0.8}) as (there, _):
            log = Log()
            there.register("far", log)
            await until(lambda: out_of.statistics().agents == 1)
            await until(lambda: out_of.statistics().agents == 0)
            await until(lambda: out_of.statistics().agents == 1)
            await here.send("far", "hello")
            await until(lambda: log.payloads == ["hello"])


async def test_agents_of_a_silent_node_are_gone(server: RedisServer) -> None:
    async with joined(server, "a", expiry=0.6, **FAR) as (here, out_of):
        async with stentor.open_bus() as there:
            there.register("far")
            try:
                async with RedisBridge(there, server.url, node="b", **FAR, **OPTIONS):
                    await until(lambda: out_of.statistics().agents == 1)
                    raise RuntimeError("it dies without a goodbye")
            except RuntimeError:
                pass
        await until(lambda: out_of.statistics().agents == 0)
        with pytest.raises(stentor.UnknownAgentError):
            await here.send("far")


async def test_no_more_than_so_many_silent_nodes_are_remembered() -> None:
    asked: list[object] = []
    async with stentor.open_bus() as bus:
        directory = Directory(
            bus.extend("test"),
            node="a",
            origin=b"a",
            shared=bool,
            reachable=bool,
            expiry=1.0,
            say=asked.append,
            ask=lambda: asked.append("names"),
        )
        for number in range(MOST_NODES + 1):
            directory.take(Presence(f"n{number}", 1, whole=True, there=[], gone=[]), b"b", 2.0 * number)
            directory.expire(2.0 * number + 1.5)
        directory.heard("n0", b"b", 1e6)
        assert asked == []
        directory.heard("n1", b"b", 1e6)
        assert asked == ["names"]
