"""What crosses a bridge and what does not, how it arrives, and what comes back."""

from __future__ import annotations

import re
from functools import partial
from typing import Any

import pytest
import trio

import stentor
from stentor import AddressingMode, Priority, Trouble
from stentor.bridge import Gap, GapKind, LinkTiming, RedisBridge, UnsendableError, _bridge
from stentor.bridge._body import Beacon, Control, Goodbye, Presence, RollCall, encode_control
from stentor.bridge._envelope import Envelope, EnvelopeCodec
from tests.bridge.joined import OPTIONS, Log, joined, until
from tests.bridge.proxy import open_proxy
from tests.bridge.servers import RedisServer, redis_server

pytestmark = [pytest.mark.live, pytest.mark.real_clock]
both = pytest.mark.parametrize("transport", ["pubsub", "streams"])


@both
async def test_a_message_arrives_as_it_was_sent(server: RedisServer, transport: str) -> None:
    log = Log()
    async with joined(server, "b", in_=["ai.**"], transport=transport) as (there, into):
        async with joined(server, "a", out=["ai.**"], transport=transport) as (here, _):
            await into.subscribe(there.register("reader", log), "ai.models.*")

            async def ask(message: stentor.Message) -> None:
                await here.publish("ai.models.x", message.payload, sender="asker", priority=Priority.URGENT, ttl=60.0)

            here.register("asker", ask).subscribe("start")
            payload: Any = {"text": "wörter", "data": b"\x00\xff", "list": [1, 2.5, None, True]}
            first = await here.publish("start", payload)
            second = await here.publish(
                "ai.models.y", "plain", headers={"k": "v"}, content_type="text/plain", deadline=trio.current_time() + 9
            )
            await until(lambda: len(log.messages) == 2)
            by_topic = {message.topic: message for message in log.messages}
            caused, plain = by_topic["ai.models.x"], by_topic["ai.models.y"]
            assert caused.payload == payload
            assert (caused.sender, caused.priority, caused.ttl) == ("asker", Priority.URGENT, 60.0)
            assert caused.cause == first.message_id
            assert (plain.id, plain.headers, plain.content_type) == (second.message_id, {"k": "v"}, "text/plain")
            assert plain.timestamp == pytest.approx(second.message.timestamp, abs=0.5)
            assert plain.deadline == pytest.approx(second.message.deadline, abs=0.5)
            assert plain.addressing is AddressingMode.TOPIC


@both
async def test_nothing_crosses_that_no_pattern_names(server: RedisServer, transport: str) -> None:
    log = Log()
    async with joined(server, "b", in_=["ai.*"], transport=transport) as (there, into):
        async with joined(server, "a", out=["ai.*", "out.*"], transport=transport) as (here, out_of):
            reader = there.register("reader", log)
            for pattern in ("ai.*", "out.*", "secret.*"):
                await into.subscribe(reader, pattern)
            for topic in ("secret.x", "out.x", "ai.x.y", "ai.x"):
                await here.publish(topic, topic)
            await there.publish("ai.x", "stays there")
            await until(lambda: len(log.payloads) == 2)
            await out_of.flushed()
            assert sorted(map(str, log.payloads)) == ["ai.x", "stays there"]
            assert out_of.statistics().accepted == 2
            assert into.statistics().accepted == 0


@both
async def test_a_copy_that_comes_after_its_senders_goodbye_is_a_repeat(server: RedisServer, transport: str) -> None:
    log = Log()
    async with joined(server, "b", in_=["t"], transport=transport) as (there, into), open_proxy(server.port) as path:
        await into.subscribe(there.register("reader", log), "t")
        async with stentor.open_bus() as here:
            quick = LinkTiming(interval=0.2, grace=0.2, timeout=0.4, first_delay=0.02, max_delay=0.2)
            options: dict[str, Any] = OPTIONS | {"node": "a", "transport": transport, "timing": quick}
            async with RedisBridge(here, path.url, out=["t"], **options) as out_of:
                sent = 0
                while not out_of.statistics().sent_again:  # it is not where something else was on its way already
                    await out_of.flushed()
                    path.hold("up", "down", later_ones=False)
                    await here.publish("t", sent)
                    sent += 1
                    await until(partial(log.has, sent))
        path.release()  # the first copy of the last message, on a connection that was given up
        await until(lambda: into.statistics().repeats)
        assert log.payloads == list(range(sent))


async def test_a_process_gets_only_what_somebody_listens_to(server: RedisServer) -> None:
    log = Log()
    async with joined(server, "b", in_=["**"]) as (there, into):
        async with joined(server, "a", out=["**"]) as (here, _):
            subscription = await into.subscribe(there.register("reader", log), "news.*")
            assert server.ask("PUBSUB", "NUMPAT") == 1
            await here.publish("weather.rome", 1)
            await here.publish("news.rome", 2)
            await until(lambda: log.payloads == [2])
            subscription.close()
            await into.synced()
            await here.publish("news.rome", 3)
            await until(lambda: into.statistics().unheard == 1)
            assert log.payloads == [2]
            assert into.statistics().delivered == 1


@both
async def test_messages_do_not_go_round_in_circles(server: RedisServer, transport: str) -> None:
    logs = {name: Log() for name in "abc"}
    options: dict[str, Any] = {"out": ["t.*"], "in_": ["t.*"], "transport": transport}
    async with joined(server, "a", **options) as (a, one), joined(server, "b", **options) as (b, two):
        async with joined(server, "c", **options) as (c, three):
            for bus, bridge, log in zip((a, b, c), (one, two, three), logs.values(), strict=True):
                await bridge.subscribe(bus.register("reader", log), "t.*")
            await a.publish("t.x", "from a")
            await b.publish("t.x", "from b")
            await until(lambda: all(len(log.messages) == 2 for log in logs.values()))
            await trio.sleep(0.3)
            assert [len(log.messages) for log in logs.values()] == [2, 2, 2]
            assert [bridge.statistics().accepted for bridge in (one, two, three)] == [1, 1, 0]


@both
async def test_order_is_kept_and_nothing_comes_twice(server: RedisServer, transport: str) -> None:
    log = Log()
    async with joined(server, "b", in_=["t.*"], transport=transport) as (there, into):
        async with joined(server, "a", out=["t.*"], transport=transport) as (here, _):
            agent = there.register("reader", log)
            await into.subscribe(agent, "t.*", capacity=50)
            await into.subscribe(agent, "t.a")
            for n in range(1000):
                await here.publish("t.a", n)
            await until(lambda: len(log.messages) >= 1000)
            assert log.payloads == list(range(1000))
            seen = into.statistics()
            assert (seen.delivered, seen.missing) == (1000, 0)


@both
async def test_questions_are_answered_in_the_other_process(server: RedisServer, transport: str) -> None:
    async def answer(message: stentor.Message) -> str:
        return f"{message.payload}!"

    async def fail(_: stentor.Message) -> None:
        msg = "no"
        raise ValueError(msg)

    async with joined(server, "b", in_=["ask.*"], transport=transport) as (there, into):
        async with joined(server, "a", out=["ask.*"], transport=transport) as (here, out_of):
            await into.subscribe(there.register("answerer", answer), "ask.well")
            await into.subscribe(there.register("failer", fail), "ask.badly")
            reply = await here.request("ask.well", "why", timeout=10)
            assert (reply.payload, reply.sender) == ("why!", "answerer")
            with pytest.raises(trio.TooSlowError):
                await here.request("ask.badly", timeout=0.3)
            assert out_of.statistics().replies == 1


@both
async def test_what_cannot_be_sent_is_a_dead_letter_here(server: RedisServer, transport: str) -> None:
    async with joined(server, "a", out=["t"], transport=transport, max_size=1000) as (here, out_of):
        await here.publish("t", object())
        await here.publish("t", "x" * 2000)
        await here.settled()
        causes = [letter.cause for letter in here.dead_letters]
        assert [type(cause) for cause in causes] == [UnsendableError, UnsendableError]
        assert out_of.statistics().refused == {"unsendable": 2}


@both
async def test_strangers_are_counted_and_dropped(server: RedisServer, transport: str) -> None:
    log = Log()
    async with joined(server, "b", in_=["t"], transport=transport, keys={1: b"k" * 16}) as (there, into):
        async with (
            joined(server, "a", out=["t"], transport=transport) as (unsigned, _),
            joined(server, "c", out=["t"], transport=transport, keys={1: b"o" * 16}) as (wrong, _),
            joined(server, "d", out=["t"], transport=transport, keys={1: b"k" * 16, 2: b"n" * 16}, sign_with=1) as (
                right,
                _,
            ),
        ):
            await into.subscribe(there.register("reader", log), "t")
            await unsigned.publish("t", "unsigned")
            await wrong.publish("t", "signed by a stranger")
            channel = "st1:{test}:p:t"
            if transport == "pubsub":
                server.ask("PUBLISH", channel, "garbage")
            else:
                server.ask("XADD", "st1:{test}:s:0", "*", "e", "garbage")
            await right.publish("t", "signed")
            await until(lambda: log.payloads == ["signed"])
            await until(lambda: {"short", "signature"} <= into.statistics().refused.keys())
            assert into.state == "connected"


def knows_the_other(bridge: RedisBridge) -> bool:
    """Whether somebody has told a bridge how far all that it sends is numbered."""
    origins = bridge._running.sequencing.items()
    return any(origin.answered for _, origin in origins)


@both
async def test_the_state_is_told_and_the_bus_goes_on(transport: str) -> None:
    states: list[object] = []
    log = Log()

    async def note(message: stentor.Message) -> None:
        payload: Any = message.payload
        states.append(payload["state"])

    with redis_server() as own:
        async with joined(own, "b", in_=["t"], transport=transport) as (there, into):
            async with joined(own, "a", out=["t"], transport=transport) as (here, out_of):
                here.register("watcher", note).subscribe("_stentor.bridge.test.state", retained=True)
                here.register("local", log).subscribe("t")
                far = Log()
                await into.subscribe(there.register("reader", far), "t")
                await until(lambda: out_of.state == "connected")
                await until(lambda: knows_the_other(into))  # before, it could not tell that anything is missing
                await trio.to_thread.run_sync(own.kill)
                await until(lambda: out_of.state == "reconnecting")
                await here.publish("t", "meanwhile")
                await until(lambda: log.payloads == ["meanwhile"])
                (problem,) = here.health().problems
                assert (problem.agent, problem.trouble) == ("_stentor.bridge.test", Trouble.RECONNECTING)
                await trio.to_thread.run_sync(own.start)
                await until(lambda: here.health().ok)
                await until(lambda: far.payloads or into.statistics().missing)
                await until(lambda: states[-1] == "connected")
                assert "reconnecting" in states


async def test_a_gap_is_told_as_a_message(server: RedisServer) -> None:
    async with joined(server, "b", in_=["t"]) as (there, into):
        async with joined(server, "a", out=["t"], overflow="drop_newest", outbox_capacity=2) as (here, out_of):
            with there.subscribe("_stentor.bridge.test.gap") as feed:
                await into.subscribe(there.register("reader", Log()), "t")
                await out_of.synced()
                for n in range(50):
                    here.publish_nowait("t", n) if n < 2 else await here.publish("t", n)
                await out_of.flushed()
                dropped = out_of.statistics().dropped
                if dropped:
                    gap: Any = (await feed.receive()).payload
                    assert isinstance(gap, Gap)
                    assert (gap.kind, gap.node, gap.scope) == (GapKind.HOLE, "a", "t")
                await until(lambda: into.statistics().missing == dropped)


async def test_bad_arguments_are_refused() -> None:
    async with stentor.open_bus() as bus:
        cases: list[tuple[dict[str, Any], str]] = [
            ({"out": "ai.*"}, "out must be a collection of patterns, not a single str"),
            ({"in_": ["_stentor.**"]}, "in_ must not hold the library's own topics, but holds '_stentor.**'"),
            ({"transport": "mail"}, "transport must be one of 'pubsub', 'streams', not 'mail'"),
            ({"namespace": "a{b}"}, "namespace must be 1 to 64 letters, digits and _ . : - only, not 'a{b}'"),
            ({"outbox_capacity": 0}, "outbox_capacity must be >= 1 and finite, not 0"),
            ({"overflow": "explode"}, "overflow must be one of "),
            ({"beacon_interval": 0}, "beacon_interval must be > 0 seconds, not 0"),
        ]
        for options, text in cases:
            with pytest.raises((TypeError, ValueError), match="^" + re.escape(text)):
                RedisBridge(bus, "redis://localhost", **options)
        bridge = RedisBridge(bus, "redis://user:secret@localhost", node="n")
        assert repr(bridge) == "<RedisBridge 'default', node 'n', to redis://user:***@localhost:6379>"


@both
async def test_nothing_that_comes_ends_the_bridge(server: RedisServer, transport: str) -> None:
    """Words between bridges, well sealed, that no bridge would say; and a middleware that has enough."""

    class Picky(stentor.Middleware):
        def publishing(self, message: stentor.Message) -> stentor.Message:
            if message.payload == "ugly":
                msg = "not here"
                raise LookupError(msg)
            return message

    log = Log()
    codec = EnvelopeCodec(namespace="test")
    words: list[Control] = [
        Presence("x", 1, whole=True, there=["no*name", "", "a..b", "_stentor.x", "x" * 5000, "fine"], gone=["y"]),
        Presence("x", 7, whole=False, there=[], gone=["never there"]),
        Beacon("x", {"": 3, "no*topic": 2**63, "t": 2**62}, ["t"], {"b": 1}, last=True),
        RollCall("x", 2**60, names=True, fresh=True),
        Goodbye("never met", {"t": 1}),
        Goodbye("b", {}),
    ]
    frames = [
        codec.encode(Envelope(kind, b"stranger", 0, 1, again=False, sent_at=0, topic="", body=body))
        for kind, body in [*map(encode_control, words), (9, b""), (1, b"\xc1")]
    ]
    async with stentor.open_bus(middleware=[Picky()]) as there:
        options: dict[str, Any] = OPTIONS | {"node": "b", "in_": ["**"], "out": ["**"], "transport": transport}
        async with RedisBridge(there, server.url, **options) as into:
            async with joined(server, "a", out=["t"], transport=transport) as (here, _):
                await into.subscribe(there.register("reader", log), "t")
                for frame in frames:
                    server.ask("PUBLISH", "st1:{test}:b", frame)
                await here.publish("t", "ugly")
                await here.publish("t", "good")
                await until(lambda: log.payloads == ["good"])
                await until(lambda: into.statistics().agents == 1)
                assert {"message", "kind", "body"} <= into.statistics().refused.keys()
                assert into.state == "connected"


async def test_a_bridge_that_cannot_be_made_leaves_nothing_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_bridge, "DRAIN", 0.1)  # there is no server to say goodbye to
    async with stentor.open_bus() as bus:
        with pytest.raises(ValueError, match=re.escape("durable must go with a store given to open_bus")):
            async with RedisBridge(bus, "redis://localhost", durable=True):
                pass
        async with RedisBridge(bus, "unix:///nobody/listens") as bridge:
            with pytest.raises(stentor.AlreadyRegisteredError):
                async with RedisBridge(bus, "unix:///nobody/listens"):
                    pass
            assert bridge.state == "reconnecting"
        assert bus.health().ok
        with pytest.raises(RuntimeError, match=re.escape("a bridge has one life; make another")):
            async with bridge:
                pass


async def test_what_the_block_raises_comes_out_as_it_is() -> None:
    async with stentor.open_bus() as bus:
        with pytest.raises(KeyError):
            async with RedisBridge(bus, "unix:///nobody/listens"):
                raise KeyError
        with trio.move_on_after(0.05) as scope:
            async with RedisBridge(bus, "unix:///nobody/listens"):
                await trio.sleep_forever()
        assert scope.cancelled_caught


async def test_a_fault_in_the_bridge_itself_comes_out_of_its_block(monkeypatch: pytest.MonkeyPatch) -> None:
    def break_down(_: object) -> None:
        raise ZeroDivisionError

    async with stentor.open_bus() as bus:
        with pytest.raises(ExceptionGroup) as caught:
            async with RedisBridge(bus, "unix:///nobody/listens", beacon_interval=0.05) as bridge:
                monkeypatch.setattr(bridge._running.sender, "beacon", lambda: break_down(None))
                await trio.sleep_forever()
        assert caught.group_contains(ZeroDivisionError)
