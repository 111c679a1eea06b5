"""One connection: replies find their callers, pushes are bounded, and every way to lose it is told as one error."""

from __future__ import annotations

import contextlib
import os
from functools import partial
from random import Random
from typing import TYPE_CHECKING, Any

import pytest
import redis
import trio

from stentor.bridge._address import Address
from stentor.bridge._errors import ConnectionLost, ReplyError
from stentor.bridge._opening import open_connection
from tests.bridge.proxy import open_proxy
from tests.bridge.servers import redis_server, tls_server, wait_until
from tests.services import LOOPBACK

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

    from stentor.bridge._connection import Connection
    from stentor.bridge._opening import Opening
    from tests.bridge.proxy import Proxy
    from tests.bridge.servers import RedisServer

pytestmark = [pytest.mark.live, pytest.mark.real_clock]
SOON = 20.0
"""Seconds within which what a test waits for must have come, on a busy machine too."""


@pytest.fixture(scope="module")
def server() -> Iterator[RedisServer]:
    """A server for the tests that do it no harm."""
    with redis_server() as running:
        yield running


def to(url: str, **options: Any) -> Opening:
    login = {name: options.pop(name) for name in ("user", "password", "tls") if name in options}
    return open_connection(Address.parse(url, **login), **options)


async def reason_of_loss(connection: Connection) -> str:
    with trio.fail_after(SOON), pytest.raises(ConnectionLost) as caught:
        await connection.wait_lost()
    assert connection.why == caught.value.reason
    return caught.value.reason


# -- commands ---------------------------------------------------------------------------------------------------------


async def test_a_command_has_its_reply(server: RedisServer) -> None:
    async with to(server.url) as connection:
        assert await connection.execute("SET", "key", b"\x00\xff") == b"OK"
        assert await connection.execute("GET", "key") == b"\x00\xff"
        assert await connection.execute("GET", "no key") is None
        assert await connection.execute("INCRBY", "number", 5) == 5
        assert await connection.execute("HSET", "map", "a", 1.5) == 1
        assert await connection.execute("HGETALL", "map") == {b"a": b"1.5"}


async def test_an_error_is_raised_with_its_code(server: RedisServer) -> None:
    async with to(server.url) as connection:
        await connection.execute("SET", "text", "x")
        with pytest.raises(ReplyError, match=r"^WRONGTYPE Operation against a key") as caught:
            await connection.execute("LPUSH", "text", "y")
        assert caught.value.code == "WRONGTYPE"
        assert caught.value.is_fatal
        assert await connection.execute("PING") == b"PONG"


async def test_a_pipeline_keeps_errors_in_their_place(server: RedisServer) -> None:
    async with to(server.url) as connection:
        assert await connection.pipeline([]) == []
        replies = await connection.pipeline([("SET", "a", 1), ("LPUSH", "a", 2), ("GET", "a")])
        assert [replies[0], replies[1].code, replies[2]] == [b"OK", "WRONGTYPE", b"1"]
        replies = await connection.pipeline([("MULTI",), ("INCR", "a"), ("LPUSH", "a", 2), ("EXEC",)])
        assert [replies[3][0], replies[3][1].code] == [2, "WRONGTYPE"]


async def test_a_command_that_cannot_be_written_changes_nothing(server: RedisServer) -> None:
    async with to(server.url) as connection:
        with pytest.raises(TypeError, match="str, int, float or bytes"):
            await connection.execute("GET", None)  # type: ignore[arg-type]
        with pytest.raises(UnicodeEncodeError):
            await connection.execute("GET", "\ud800")
        with pytest.raises(ValueError, match=r"^args must name channels behind unsubscribe$"):
            await connection.execute("UNSUBSCRIBE")
        assert await connection.execute("PING") == b"PONG"


async def test_the_login_names_the_connection_and_chooses_the_database(server: RedisServer) -> None:
    async with to(f"{server.url}/3", name="here") as connection:
        (info,) = [line for line in (await connection.execute("CLIENT", "INFO")).split() if line.startswith(b"name=")]
        assert info == b"name=here"
        await connection.execute("SET", "only", "in 3")
        assert connection.server.is_primary
        assert connection.server.mode == "standalone"
        assert connection.server.version[0].isdigit()
    async with to(server.url) as connection:
        assert await connection.execute("GET", "only") is None


async def test_a_large_command_goes_by_the_writer(server: RedisServer) -> None:
    async with to(server.url) as connection:
        values = {f"large {n}": bytes([n]) * 3_000_000 for n in range(8)}
        async with trio.open_nursery() as nursery:
            for key, value in values.items():
                nursery.start_soon(connection.execute, "SET", key, value)
        for key, value in values.items():
            assert await connection.execute("GET", key) == value


# -- cancellation -----------------------------------------------------------------------------------------------------


async def test_a_cancelled_callers_reply_is_given_to_nobody_else(server: RedisServer) -> None:
    """20,000 commands, each with a token of its own, of which many are cancelled at some point."""
    seen = {"answered": 0, "cancelled": 0}

    async def ask(connection: Connection, task: int, rng: Random) -> None:
        for number in range(400):
            token = f"{task}:{number}".encode()
            with trio.move_on_after(rng.choice((0, 0.0005, 0.002, 5, 5, 5))) as scope:
                assert await connection.execute("ECHO", token) == token
                seen["answered"] += 1
            seen["cancelled"] += scope.cancelled_caught

    async with to(server.url) as connection:
        async with trio.open_nursery() as nursery:
            for task in range(50):
                nursery.start_soon(ask, connection, task, Random(task))
        assert await connection.execute("ECHO", "last") == b"last"
    assert seen["answered"] + seen["cancelled"] == 20_000
    assert seen["cancelled"] > 1000
    assert seen["answered"] > 1000


async def test_a_cancelled_receiver_loses_no_push(server: RedisServer) -> None:
    async with to(server.url) as connection, to(server.url) as sender:
        await connection.execute("SUBSCRIBE", "cancel")
        rng, got = Random(1), list[int]()

        async def send() -> None:
            for number in range(2000):
                await sender.execute("PUBLISH", "cancel", number)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(send)
            while len(got) < 2000:
                with trio.move_on_after(rng.choice((0, 0.0002, 0.001))):
                    if rng.random() < 0.5:
                        got.append(int((await connection.receive_push())[2]))
                    else:
                        got += [int(push[2]) for push in await connection.receive_pushes()]
        assert got == list(range(2000))


async def test_opening_can_be_cancelled_at_any_point(server: RedisServer) -> None:
    async with to(server.url) as watcher:
        for step in range(30):
            with trio.move_on_after(step / 10_000):
                async with to(server.url, name="cancelled") as connection:
                    await connection.execute("PING")
        with trio.fail_after(SOON):
            while b"name=cancelled" in await watcher.execute("CLIENT", "LIST"):
                pass


async def test_what_the_block_raises_is_not_wrapped(server: RedisServer) -> None:
    with pytest.raises(KeyError, match="of the block"):
        async with to(server.url):
            raise KeyError("of the block")
    with trio.CancelScope() as scope, pytest.raises(KeyError, match="of the block"):
        async with to(server.url):
            scope.cancel()
            raise KeyError("of the block")


async def test_after_the_block_it_is_lost(server: RedisServer) -> None:
    async with to(server.url) as connection:
        pass
    for call in (connection.execute("PING"), connection.pipeline([("PING",)]), connection.receive_push()):
        with pytest.raises(ConnectionLost, match=r"^it was closed here$"):
            await call


# -- pushes -----------------------------------------------------------------------------------------------------------


async def test_subscribing_returns_when_all_is_confirmed(server: RedisServer) -> None:
    async with to(server.url) as connection:
        replies = await connection.execute("SUBSCRIBE", "one", "two")
        assert replies == [[b"subscribe", b"one", 1], [b"subscribe", b"two", 2]]
        assert await connection.execute("PSUBSCRIBE", "t*") == [[b"psubscribe", b"t*", 3]]
        assert await connection.execute("PUBLISH", "two", "hello") == 2
        assert await connection.receive_push() == [b"message", b"two", b"hello"]
        assert await connection.receive_pushes() == [[b"pmessage", b"t*", b"two", b"hello"]]
        assert await connection.execute("UNSUBSCRIBE", "one", "two", "two") == [
            [b"unsubscribe", b"one", 2],
            [b"unsubscribe", b"two", 1],
            [b"unsubscribe", b"two", 1],
        ]
        assert await connection.execute("PUNSUBSCRIBE", "t*") == [[b"punsubscribe", b"t*", 0]]


async def test_pushes_that_nobody_takes_are_bounded_and_no_silence(server: RedisServer) -> None:
    """60 MB are published while nobody receives: the server cuts at its limit, and until then we hold a little."""
    server.ask("CONFIG", "SET", "client-output-buffer-limit", "pubsub 8mb 8mb 60")
    async with to(server.url, timeout=0.5, push_bytes=2**20) as connection, to(server.url) as sender:
        await connection.execute("SUBSCRIBE", "flood")
        for _ in range(60):
            await sender.pipeline([("PUBLISH", "flood", bytes(10_000))] * 100)
        await trio.sleep(0.8)  # longer than the time that a reply may take
        assert connection.why is None  # we have not read so far as to know
        got = 0
        with pytest.raises(ConnectionLost, match=r"the server closed it|reset by peer"):
            while True:
                pushes = await connection.receive_pushes()
                assert len(pushes) <= 2**20 / 10_000 + 1
                got += len(pushes)
        assert 0 < got < 6000


async def test_pushes_that_are_taken_make_room(server: RedisServer) -> None:
    async with to(server.url, push_bytes=1000) as connection, to(server.url) as sender:
        await connection.execute("SUBSCRIBE", "room")
        await sender.pipeline([("PUBLISH", "room", number) for number in range(100)])
        with trio.fail_after(SOON):
            assert [int((await connection.receive_push())[2]) for _ in range(100)] == list(range(100))
            assert await connection.execute("PING") == b"PONG"


async def test_a_reply_waits_behind_pushes_that_nobody_takes(server: RedisServer) -> None:
    async with to(server.url, timeout=0.3, push_bytes=1000) as connection, to(server.url) as sender:
        await connection.execute("SUBSCRIBE", "slow")
        await sender.pipeline([("PUBLISH", "slow", bytes(200))] * 100)
        replies: list[Any] = []

        async def ask() -> None:
            replies.append(await connection.execute("ECHO", "after the pushes"))

        async with trio.open_nursery() as nursery:
            nursery.start_soon(ask)
            await trio.sleep(0.6)
            assert replies == []
            got = 0
            while got < 100:
                got += len(await connection.receive_pushes())
        assert replies == [b"after the pushes"]


# -- being refused ----------------------------------------------------------------------------------------------------


async def test_who_may_not_come_in_is_told_why_without_secrets() -> None:
    rights = ("resetkeys", "resetchannels", "&st1:sim:*", "-@all", "+hello", "+auth", "+ping", "+subscribe")
    acl = ("sim", "on", ">right-word", *rights)
    with redis_server("--requirepass", "master-word", "--user", *acl) as server:
        for login, code in (
            ({}, "NOAUTH"),
            ({"password": "wrong-word"}, "WRONGPASS"),
            ({"user": "sim", "password": "wrong-word"}, "WRONGPASS"),
        ):
            with pytest.raises(ReplyError) as refused:
                async with to(server.url, **login):
                    pass
            assert (refused.value.code, refused.value.is_fatal) == (code, True)
            assert "wrong-word" not in repr(refused.value)
        async with to(server.url, user="sim", password="right-word") as connection:  # noqa: S106 - a test's own
            await connection.execute("SUBSCRIBE", "st1:sim:p:a")
            assert "right-word" not in repr(connection)
            for command in (("SUBSCRIBE", "other", "another"), ("GET", "key")):
                with pytest.raises(ReplyError, match=r"^NOPERM"):
                    await connection.execute(*command)
            assert await connection.execute("PING") == b"PONG"
            assert (await connection.check()).is_primary


async def serve(stream: trio.SocketStream, *, answer: bytes) -> None:
    with contextlib.suppress(trio.BrokenResourceError):
        await stream.receive_some()
        await stream.send_all(answer)
        await stream.receive_some()


@contextlib.asynccontextmanager
async def strange_server(answer: bytes) -> AsyncIterator[str]:
    """Something that says one thing to whatever it is told first."""
    async with trio.open_nursery() as nursery:
        listeners = await nursery.start(partial(trio.serve_tcp, partial(serve, answer=answer), 0, host=LOOPBACK))
        yield f"redis://{LOOPBACK}:{listeners[0].socket.getsockname()[1]}"
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (
            b"-ERR unknown command `HELLO`, with args beginning with: `3`, `AUTH`, `default`, `our-word`\r\n",
            "ERR unknown command `HELLO`, with args beginning with: `3`, `AUTH`, `default`, `***`",
        ),
        (b"+OK\r\n", "the server does not answer HELLO as Redis 6 and later do"),
        (b"HTTP/1.1 400 Bad Request\r\n", "what the server sent is no RESP3"),
        (b"%1\r\n*1\r\n:1\r\n:2\r\n", "what the server sent is no RESP3"),
        (b">1\r\n+hi\r\n*0\r\n", "the server does not answer HELLO as Redis 6 and later do"),
        (b"", "no reply in time"),
    ],
)
async def test_what_is_no_redis_is_told_so(answer: bytes, error: str) -> None:
    async with strange_server(answer) as url:
        with trio.fail_after(SOON), pytest.raises((ReplyError, ConnectionLost)) as caught:
            async with to(url, password="our-word", timeout=0.3):  # noqa: S106 - a test's own
                pass
    assert str(caught.value).startswith(error)
    assert "our-word" not in repr(caught.value)


async def test_an_answer_that_nobody_asked_for_ends_it() -> None:
    async with strange_server(b"%1\r\n+role\r\n+master\r\n+more\r\n") as url:
        async with to(url) as connection:
            assert await reason_of_loss(connection) == "the server answered what nobody had asked"


# -- ways to it -------------------------------------------------------------------------------------------------------


async def test_it_speaks_over_a_unix_socket(tmp_path: Path) -> None:
    with redis_server("--unixsocket", str(tmp_path / "redis.sock")):
        beside = redis.Redis(unix_socket_path=str(tmp_path / "redis.sock"))
        wait_until(lambda: bool(beside.ping()), "the server listens there, too")
        async with to(f"unix://{tmp_path}/redis.sock?db=2") as connection:
            assert await connection.execute("PING") == b"PONG"
        with pytest.raises(ConnectionLost, match=r"^no way to .*none.sock: .*No such file"):
            async with to(f"unix://{tmp_path}/none.sock"):
                pass


async def test_it_speaks_tls_and_checks_the_host() -> None:
    with tls_server() as (server, context):
        secure = f"rediss://localhost:{server.port}"
        async with to(secure, tls=context) as connection:
            value = os.urandom(3_000_000)
            await connection.execute("SET", "key", value)
            assert await connection.execute("ECHO", "x") == b"x"
            await connection.execute("SUBSCRIBE", "tls")
            await connection.execute("PUBLISH", "tls", "hello")
            assert await connection.receive_push() == [b"message", b"tls", b"hello"]
            assert await connection.execute("GET", "key") == value
        for url, options, why in (
            (f"rediss://{LOOPBACK}:{server.port}", {"tls": context}, "IP address mismatch"),
            (secure, {}, "certificate verify failed"),
        ):
            with pytest.raises(ConnectionLost, match=f"^no TLS with .*{why}"):
                async with to(url, **options):
                    pass
        with pytest.raises(ConnectionLost):
            async with to(f"redis://localhost:{server.port}", timeout=1.0):
                pass


async def test_a_server_that_is_not_there_is_told_so() -> None:
    with redis_server() as server:
        url, port = server.url, server.port
    with pytest.raises(ConnectionLost, match=f"^no way to {LOOPBACK}:{port}: .*refused"):
        async with to(url):
            pass


# -- faults -----------------------------------------------------------------------------------------------------------


async def test_a_killed_server_is_noticed_at_once() -> None:
    with redis_server() as server:
        async with to(server.url) as connection:
            await trio.to_thread.run_sync(server.kill)
            assert await reason_of_loss(connection) == "the server closed it"
            with pytest.raises(ConnectionLost):
                await connection.execute("PING")


async def test_a_connection_that_the_server_kills_is_noticed_at_once(server: RedisServer) -> None:
    async with to(server.url) as connection, to(server.url) as other:
        number = await connection.execute("CLIENT", "ID")
        await other.execute("CLIENT", "KILL", "ID", number)
        assert await reason_of_loss(connection) == "the server closed it"


async def test_a_frozen_server_is_noticed_in_time() -> None:
    with redis_server() as server:
        async with to(server.url, timeout=0.5) as connection:
            server.freeze()
            began = trio.current_time()
            with trio.fail_after(SOON), pytest.raises(ConnectionLost, match=r"^no reply in time$"):
                await connection.execute("PING")
            assert trio.current_time() - began >= 0.5
        with trio.fail_after(SOON), pytest.raises(ConnectionLost, match=r"^no reply in time$"):
            async with to(server.url, timeout=0.3):
                pass


async def test_callers_of_a_frozen_server_pile_up_no_memory() -> None:
    with redis_server() as server:
        async with to(server.url, timeout=2.0) as connection:
            server.freeze()
            with trio.move_on_after(0.5):
                async with trio.open_nursery() as nursery:
                    for _ in range(5000):
                        nursery.start_soon(connection.execute, "ECHO", bytes(1000))
            assert len(connection._calls) <= 1024
            assert len(connection._outgoing) <= 2**20 + 2000


@contextlib.asynccontextmanager
async def through(server: RedisServer, **options: Any) -> AsyncIterator[tuple[Connection, Proxy]]:
    async with open_proxy(server.port) as proxy, to(proxy.url, **options) as connection:
        yield connection, proxy


@pytest.mark.parametrize("direction", ["up", "down"])
async def test_a_path_that_is_half_open_is_noticed_in_time(server: RedisServer, direction: Any) -> None:
    async with through(server, timeout=0.5) as (connection, proxy):
        proxy.hold(direction)
        with trio.fail_after(SOON), pytest.raises(ConnectionLost, match=r"^no reply in time$"):
            await connection.execute("PING")


@pytest.mark.parametrize("reset", [False, True])
async def test_a_path_that_is_cut_is_noticed_at_once(server: RedisServer, *, reset: bool) -> None:
    async with through(server) as (connection, proxy), trio.open_nursery() as nursery:
        proxy.hold("down")
        nursery.start_soon(partial(proxy.cut, reset=reset))
        with trio.fail_after(SOON), pytest.raises(ConnectionLost, match=r"the server closed it|failed: "):
            await connection.execute("PING")


async def test_tiny_segments_change_nothing(server: RedisServer) -> None:
    async with through(server) as (connection, proxy):
        for size in (1, 7):
            proxy.segment = size
            await connection.execute("SUBSCRIBE", f"tiny {size}")
            replies = await connection.pipeline([("ECHO", "x" * n) for n in range(50)])
            assert replies == [b"x" * n for n in range(50)]
            await connection.execute("PUBLISH", f"tiny {size}", bytes(range(256)))
            assert await connection.receive_push() == [b"message", f"tiny {size}".encode(), bytes(range(256))]


async def test_a_damaged_length_that_swallows_a_busy_stream_is_noticed(server: RedisServer) -> None:
    """Bytes keep coming all the time; none of them becomes a frame."""

    def damage(data: bytes) -> bytes:
        return data.replace(b"$5\r\nhello", b"$999999999\r\nhello")

    async with through(server, timeout=0.5) as (connection, proxy), to(server.url) as sender:
        await connection.execute("SUBSCRIBE", "busy")
        proxy.rewrite = damage
        heard = connection.heard_at

        async def talk() -> None:
            while connection.why is None:
                await sender.execute("PUBLISH", "busy", "hello")
                await trio.sleep(0.01)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(talk)
            await trio.sleep(0.1)
            with trio.fail_after(SOON), pytest.raises(ConnectionLost, match=r"^no reply in time$"):
                await connection.check()
        assert connection.heard_at - heard < 0.5


@pytest.mark.parametrize("direction", ["up", "down"])
@pytest.mark.parametrize("seed", range(8))
async def test_damaged_bytes_raise_nothing_else(server: RedisServer, seed: int, direction: Any) -> None:
    """Whatever comes of a damaged byte: a wrong value, an error of the server, or a lost connection."""
    with contextlib.suppress(ConnectionLost, ReplyError), trio.fail_after(SOON):
        async with through(server, timeout=0.3) as (connection, proxy):
            proxy.corrupt(direction, 5, Random(f"{seed} {direction}"))
            for number in range(200):
                await connection.pipeline([("ECHO", str(number))] * 5)
