"""What only streams do: acknowledge after the handler, come again, be claimed, be cut back, and start over."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
import trio

import stentor
from stentor.bridge import GapKind, RedisBridge
from stentor.bridge._body import MESSAGE
from stentor.bridge._envelope import EnvelopeCodec
from stentor.storage import SQLiteStore
from tests.bridge.joined import OPTIONS, Log, joined, trim, until
from tests.bridge.proxy import open_proxy

if TYPE_CHECKING:
    from pathlib import Path

    from tests.bridge.servers import RedisServer

pytestmark = [pytest.mark.live, pytest.mark.real_clock]
STREAM = "st1:{test}:s:0"


class Dies(Exception):  # noqa: N818 - it says what happens
    """The end of a process that had no time to say goodbye."""


def pending(server: RedisServer, node: str = "b", stream: str = STREAM) -> int:
    """How many entries a node has read and not acknowledged."""
    return int(server.ask("XPENDING", stream, f"n:{node}")["pending"])


def messages_in(server: RedisServer) -> list[bytes]:
    """The envelopes in the stream, each alone in its entry, without those in which bridges talk to each other."""
    frames = [fields[b"e"] for _, fields in server.ask("XRANGE", STREAM, "-", "+")]
    return [frame for frame in frames if EnvelopeCodec().decode(frame).kind == MESSAGE]


async def test_an_entry_is_acknowledged_when_its_handler_is_done(server: RedisServer) -> None:
    gate = trio.Event()

    async def handle(_: stentor.Message) -> None:
        await gate.wait()

    async with joined(server, "b", in_=["t"], transport="streams") as (there, into):
        async with joined(server, "a", out=["t"], transport="streams") as (here, _):
            await into.subscribe(there.register("slow", handle), "t")
            await here.publish("t", 1)
            await until(lambda: there.statistics().running == 1)
            await trio.sleep(0.1)
            assert pending(server) == 1
            gate.set()
            await until(lambda: pending(server) == 0)


async def test_an_entry_of_a_stream_that_nobody_has_read_is_read_once_more(server: RedisServer) -> None:
    changed: list[bytes] = []

    def rename(data: bytes) -> bytes:
        if changed or key not in data or key + b"*0" in data:  # the last: nothing is pending
            return data
        changed.append(data)
        return data.replace(key, key.replace(b"test", b"t{st"))

    key = f"${len(STREAM)}\r\n{STREAM}\r\n".encode()  # as a reply names it

    log = Log()
    async with open_proxy(server.port) as proxy, stentor.open_bus(drain_timeout=5) as there:
        options: dict[str, Any] = OPTIONS | {"transport": "streams"}
        async with RedisBridge(there, proxy.url, in_=["t"], node="b", **options) as into:
            async with joined(server, "a", out=["t"], transport="streams") as (here, _):
                await into.subscribe(there.register("reader", log), "t")
                proxy.rewrite = rename
                for number in range(3):
                    await here.publish("t", number)
                await until(partial(log.has, 3))
                assert changed
                await until(lambda: pending(server) == 0)
                assert [message.payload for message in log.messages] == [0, 1, 2]


async def test_what_was_not_acknowledged_comes_again_and_is_marked(server: RedisServer) -> None:
    seen: list[tuple[object, bool]] = []
    handled: list[object] = []

    async def quick(message: stentor.Message) -> None:
        handled.append(message.payload)
        if message.payload == 1:
            await trio.sleep_forever()

    async def note(message: stentor.Message, delivery: stentor.Delivery) -> None:
        seen.append((message.payload, delivery.redelivered))

    options: dict[str, Any] = OPTIONS | {"transport": "streams"}
    async with joined(server, "a", out=["t"], transport="streams") as (here, out_of):
        with pytest.raises(Dies):
            async with stentor.open_bus() as there, RedisBridge(there, server.url, in_=["t"], node="b", **options) as b:
                await b.subscribe(there.register("reader", quick), "t")
                for n in range(3):
                    await here.publish("t", n)
                    await out_of.flushed()
                await until(lambda: handled == [0, 1])
                await until(lambda: pending(server) == 2)
                raise Dies
        await here.publish("t", 3)
        async with joined(server, "b", in_=["t"], transport="streams") as (there, into):
            await into.subscribe(there.register("reader", note), "t")
            await until(lambda: len(seen) == 3)
            assert seen == [(1, True), (2, True), (3, False)]
            assert into.statistics().redelivered == 2
            await until(lambda: pending(server) == 0)
            assert out_of.statistics().sent == 4


async def test_what_was_sent_at_once_is_acknowledged_as_a_whole(server: RedisServer) -> None:
    seen: list[tuple[object, bool]] = []

    async def note(message: stentor.Message, delivery: stentor.Delivery) -> None:
        seen.append((message.payload, delivery.redelivered))
        if message.payload == 17 and not delivery.redelivered:
            await trio.sleep_forever()

    options: dict[str, Any] = OPTIONS | {"transport": "streams"}
    async with joined(server, "a", out=["t"], transport="streams") as (here, out_of):
        with pytest.raises(Dies):
            async with stentor.open_bus() as there, RedisBridge(there, server.url, in_=["t"], node="b", **options) as b:
                await b.subscribe(there.register("reader", note), "t")
                for n in range(40):
                    here.publish_nowait("t", n)
                await until(lambda: len(seen) == 18)
                await until(lambda: pending(server) == 2)
                raise Dies
        assert seen == [(n, False) for n in range(18)]
        async with joined(server, "b", in_=["t"], transport="streams") as (there, into):
            await into.subscribe(there.register("reader", note), "t")
            await until(lambda: len(seen) == 42)
            assert seen[18:] == [(n, True) for n in range(16, 40)]
            assert into.statistics().redelivered == 24
            await until(lambda: pending(server) == 0)
        assert out_of.statistics().sent == 40


async def test_what_is_sent_at_once_has_its_order_in_every_stream(server: RedisServer) -> None:
    logs = {f"t.{n}": Log() for n in range(7)}
    async with joined(server, "b", in_=["t.*"], transport="streams", shards=3) as (there, into):
        async with joined(server, "a", out=["t.*"], transport="streams", shards=3) as (here, _):
            for topic, log in logs.items():
                await into.subscribe(there.register(topic, log), topic)
            for n in range(700):
                await here.publish(f"t.{n % 7}", n)
            await until(lambda: sum(len(log.payloads) for log in logs.values()) == 700)
            for first, log in enumerate(logs.values()):
                assert log.payloads == list(range(first, 700, 7))
            assert into.statistics().missing == into.statistics().repeats == 0
            await until(lambda: all(pending(server, stream=f"st1:{{test}}:s:{shard}") == 0 for shard in range(3)))


async def test_one_bad_envelope_takes_no_other_of_its_entry_with_it(server: RedisServer) -> None:
    log = Log()
    async with joined(server, "b", in_=["t"], transport="streams") as (there, into):
        async with joined(server, "a", out=["t"], transport="streams") as (here, out_of):
            await into.subscribe(there.register("reader", log), "t")
            for n in range(3):
                await here.publish("t", n)
                await out_of.flushed()
            await until(lambda: log.payloads == [0, 1, 2])
            frames = messages_in(server)
            words = [word for frame in (b"garbage", *frames, frames[-1][:-1]) for word in ("e", frame)]
            server.ask("XADD", STREAM, "*", *words)
            await here.publish("t", 3)
            await until(lambda: log.payloads == [0, 1, 2, 3])
            await until(lambda: pending(server) == 0)
            assert into.statistics().repeats == 3
            assert into.statistics().refused == {"short": 1, "checksum": 1}
            assert server.ask("XLEN", "st1:{test}:dead") == 2


async def test_a_node_that_comes_back_knows_what_it_had(server: RedisServer) -> None:
    log = Log()
    async with joined(server, "a", out=["t"], transport="streams") as (here, out_of):
        for part in range(3):
            async with joined(server, "b", in_=["t"], transport="streams") as (there, into):
                await into.subscribe(there.register("reader", log), "t")
                for n in range(10):
                    await here.publish("t", 10 * part + n)
                    await out_of.flushed()
                await until(partial(log.has, 10 * (part + 1)))
            copies = messages_in(server)[:5]
            for frame in copies:
                server.ask("XADD", STREAM, "*", "e", frame)  # as a connection that is long gone may do
            await here.publish("t", "meanwhile")
            await out_of.flushed()
            async with joined(server, "b", in_=["t"], transport="streams") as (there, into):
                await into.subscribe(there.register("reader", log), "t")
                await until(lambda: log.payloads[-1] == "meanwhile")
                assert into.statistics().repeats == len(copies)
                assert into.statistics().missing == 0
            log.messages.pop()
    assert log.payloads == list(range(30))


async def test_several_share_a_group_and_take_over_from_who_is_gone(server: RedisServer) -> None:
    logs = [Log(), Log()]
    seen: list[tuple[object, bool]] = []

    async def stuck(_: stentor.Message) -> None:
        await trio.sleep_forever()

    async def note(message: stentor.Message, delivery: stentor.Delivery) -> None:
        seen.append((message.payload, delivery.redelivered))

    options: dict[str, Any] = {"in_": ["t"], "transport": "streams", "group": "workers", "claim_after": 0.4}
    async with joined(server, "a", out=["t"], transport="streams") as (here, _):
        async with joined(server, "b", **options) as (b, one), joined(server, "c", **options) as (c, two):
            await one.subscribe(b.register("reader", logs[0]), "t")
            await two.subscribe(c.register("reader", logs[1]), "t")
            for n in range(100):
                await here.publish("t", n)
                await trio.sleep(0.001)
            await until(lambda: sum(len(log.payloads) for log in logs) == 100)
            assert sorted(int(str(p)) for log in logs for p in log.payloads) == list(range(100))
            assert one.statistics().missing == two.statistics().missing == 0
        with pytest.raises(Dies):
            async with stentor.open_bus() as b:
                async with RedisBridge(b, server.url, node="b", **(OPTIONS | options)) as one:
                    await one.subscribe(b.register("reader", stuck), "t")
                    await here.publish("t", "left")
                    await until(lambda: b.statistics().running == 1)
                    raise Dies
        async with joined(server, "c", **options) as (c, two):
            await two.subscribe(c.register("reader", note), "t")
            await until(lambda: seen == [("left", True)])
            assert two.statistics().claimed == 1


async def test_an_entry_that_cannot_be_read_is_kept_for_people(server: RedisServer) -> None:
    log = Log()
    async with joined(server, "b", in_=["t"], transport="streams") as (there, into):
        async with joined(server, "a", out=["t"], transport="streams") as (here, _):
            await into.subscribe(there.register("reader", log), "t")
            server.ask("XADD", STREAM, "*", "e", "garbage")
            await here.publish("t", "good")
            await until(lambda: log.payloads == ["good"])
            await until(lambda: pending(server) == 0)
            ((_, fields),) = server.ask("XRANGE", "st1:{test}:dead", "-", "+")
            assert fields[b"e"] == b"garbage"


async def test_streams_are_cut_back_to_what_somebody_needs(server: RedisServer) -> None:
    log = Log()
    gate = trio.Event()

    async def slow(message: stentor.Message) -> None:
        if message.payload == 150:
            await gate.wait()
        await log(message)

    async with joined(server, "b", in_=["t"], transport="streams") as (there, into):
        async with joined(server, "a", out=["t"], transport="streams", max_length=1000) as (here, out_of):
            await into.subscribe(there.register("reader", slow), "t", capacity=10)
            for n in range(300):
                await here.publish("t", n)
                await out_of.flushed()
            await until(lambda: len(log.messages) == 150)
            await trio.sleep(0.2)
            await trim(out_of)
            assert 0 < out_of.statistics().trimmed <= 150
            gate.set()
            await until(lambda: len(log.messages) == 300)
            assert log.payloads == list(range(300))
            assert out_of.statistics().gaps.get(GapKind.TRIMMED.value, 0) == 0


async def test_what_is_removed_unread_is_told_to_both_sides(server: RedisServer) -> None:
    log = Log()
    async with joined(server, "b", in_=["t"], transport="streams") as (there, into):
        await into.synced()
    async with joined(server, "a", out=["t"], transport="streams", max_length=100) as (here, out_of):
        for n in range(1000):
            await here.publish("t", n)
            await out_of.flushed()
        await trim(out_of)
        assert out_of.statistics().gaps == {"trimmed": 1}
        async with joined(server, "b", in_=["t"], transport="streams") as (there, into):
            server.ask("HSET", "st1:{test}:seen:n:b", f"{out_of._origin.hex()}:{STREAM}", 0)
            await into.subscribe(there.register("reader", log), "t")
            await until(lambda: len(log.payloads) + into.statistics().missing == 1000)
            assert into.statistics().missing > 0


async def test_a_server_that_lost_its_data_is_started_over_with(server: RedisServer) -> None:
    log = Log()
    async with joined(server, "b", in_=["t"], transport="streams") as (there, into):
        async with joined(server, "a", out=["t"], transport="streams") as (here, _):
            await into.subscribe(there.register("reader", log), "t")
            await here.publish("t", 1)
            await until(lambda: log.payloads == [1])
            server.ask("FLUSHALL")
            await here.publish("t", 2)
            await until(lambda: log.payloads == [1, 2])
            assert into.statistics().gaps["reset"] == 1
            assert into.statistics().missing == 0


async def test_a_message_goes_from_store_to_store_whoever_dies(server: RedisServer, tmp_path: Path) -> None:
    seen: list[tuple[object, bool]] = []

    async def note(message: stentor.Message, delivery: stentor.Delivery) -> None:
        seen.append((message.payload, delivery.redelivered))

    options: dict[str, Any] = OPTIONS | {"transport": "streams", "durable": True, "out": ["t"], "node": "a"}
    with pytest.raises(Dies):
        async with stentor.open_bus(store=SQLiteStore(tmp_path / "a.db")) as here:
            async with RedisBridge(here, "unix:///nobody/listens.sock", **options):
                for n in range(5):
                    await here.publish("t", n)
                raise Dies
    async with joined(server, "b", in_=["t"], transport="streams") as (_, into):
        await into.synced()
    async with stentor.open_bus(store=SQLiteStore(tmp_path / "a.db")) as here:
        async with RedisBridge(here, server.url, **options) as out_of:
            await here.publish("t", 5)
            await until(lambda: out_of.statistics().sent == 6)
            await here.settled()
            (summary,) = await here.store.mailboxes()
            assert summary.unread == 0
    async with stentor.open_bus(store=SQLiteStore(tmp_path / "b.db")) as there:
        options = OPTIONS | {"transport": "streams"}
        async with RedisBridge(there, server.url, in_=["t"], node="b", **options):
            there.register("reader", note, durable=True).subscribe("t")
            await until(lambda: len(seen) == 6)
            await until(lambda: pending(server) == 0)
    assert [payload for payload, _ in seen] == list(range(6))
