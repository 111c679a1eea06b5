"""Frames in every cut: what a server sends comes out the same however it is cut, and damage ends in one error alone."""

from __future__ import annotations

import contextlib
from random import Random
from typing import TYPE_CHECKING, Any

import hypothesis.strategies as st
import pytest
import trio
from hypothesis import given, settings
from trio.testing import MemoryReceiveStream, memory_stream_pair

from stentor.bridge._address import Address
from stentor.bridge._connection import Connection
from stentor.bridge._errors import ConnectionLost, ReplyError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

Value = Any
ADDRESS = Address.parse("redis://memory")
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.binary(max_size=30)
    | st.from_regex(r"[A-Z]{1,8} [a-z \x80-\xff]{0,12}", fullmatch=True).map(ReplyError)
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.binary(max_size=4), inner, max_size=3),
    max_leaves=12,
)
PUSHES = st.tuples(st.just(b"message"), st.binary(max_size=8), st.binary(max_size=60)).map(list)


SCALAR_FORMS: dict[type, Callable[[Any], bytes]] = {
    type(None): lambda _none: b"_\r\n",
    bool: lambda value: b"#t\r\n" if value else b"#f\r\n",
    int: lambda value: b":%d\r\n" % value,
    float: lambda value: b",%s\r\n" % repr(value).encode(),
    bytes: lambda value: b"$%d\r\n%s\r\n" % (len(value), value),
    ReplyError: lambda value: b"-%s\r\n" % value.text.encode(),
}


def encode(value: Value, *, is_push: bool = False) -> bytes:
    """What a server writes for a value, in RESP3."""
    if isinstance(value, dict):
        return b"%%%d\r\n" % len(value) + b"".join(encode(each) for pair in value.items() for each in pair)
    if isinstance(value, list):
        return (b">" if is_push else b"*") + b"%d\r\n" % len(value) + b"".join(map(encode, value))
    return SCALAR_FORMS[type(value)](value)


def plain(value: Value) -> Value:
    """The same value with errors as something that can be compared."""
    if isinstance(value, ReplyError):
        return ("error", value.text)
    if isinstance(value, list):
        return [plain(each) for each in value]
    if isinstance(value, dict):
        return {key: plain(each) for key, each in value.items()}
    return value


def in_pieces(data: bytes, rng: Random) -> list[bytes]:
    """The bytes cut at random, most often into small pieces."""
    pieces = []
    while data:
        size = rng.choice((1, 1, 2, 5, 40, 4000))
        pieces.append(data[:size])
        data = data[size:]
    return pieces


@contextlib.asynccontextmanager
async def connected() -> AsyncIterator[tuple[Connection, trio.StapledStream[Any, MemoryReceiveStream]]]:
    """A connection, and the server's end of it."""
    ours, theirs = memory_stream_pair()
    connection = Connection(ours, ADDRESS, timeout=1.0, push_bytes=10_000)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(connection.serve)
        yield connection, theirs
        connection.lose("the test is over")


async def exchange(frames: list[tuple[bool, Value]], seed: int) -> None:
    """Send replies and pushes, as told by the booleans, in pieces; see that each arrives where it belongs."""
    replies, pushes = ([value for is_push, value in frames if is_push is wanted] for wanted in (False, True))
    pieces = in_pieces(b"".join(encode(value, is_push=is_push) for is_push, value in frames), Random(seed))
    got: list[Value] = []

    async def receive(connection: Connection) -> None:
        while len(got) < len(pushes):
            got.extend(await connection.receive_pushes())

    async with connected() as (connection, server), trio.open_nursery() as nursery:
        nursery.start_soon(receive, connection)
        answers: list[Value] = []

        async def ask() -> None:
            answers.extend(await connection.pipeline([("ECHO", "x")] * len(replies)))

        nursery.start_soon(ask)
        if replies:
            await server.receive_some()  # an answer that comes before the question is nobody's
        for piece in pieces:
            await server.send_all(piece)
    assert plain(answers) == plain(replies)
    assert [list(push) for push in got] == pushes


@given(
    frames=st.lists(VALUES.map(lambda value: (False, value)) | PUSHES.map(lambda value: (True, value)), max_size=20),
    seed=st.integers(),
)
async def test_what_is_sent_in_pieces_comes_out_whole(frames: list[tuple[bool, Value]], seed: int) -> None:
    await exchange(frames, seed)


async def survive(data: bytes, seed: int) -> None:
    """Feed bytes to a connection on which somebody waits; see that it ends in time, and in no other error."""
    async with connected() as (connection, server):
        with trio.fail_after(60), contextlib.suppress(ConnectionLost, ReplyError):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(_drain, connection)
                nursery.start_soon(_send, server, in_pieces(data, Random(seed)))
                with contextlib.suppress(ConnectionLost, ReplyError):
                    await connection.pipeline([("ECHO", "x")] * 100)
                nursery.cancel_scope.cancel()


async def _drain(connection: Connection) -> None:
    with contextlib.suppress(ConnectionLost):
        while True:
            await connection.receive_pushes()


async def _send(server: Any, pieces: list[bytes]) -> None:
    await server.receive_some()
    with contextlib.suppress(trio.BrokenResourceError, trio.ClosedResourceError):
        for piece in pieces:
            await server.send_all(piece)


def damaged(data: bytes, rng: Random) -> bytes:
    changed = bytearray(data)
    for _ in range(rng.randrange(1, 6)):
        place = rng.randrange(len(changed) + 1)
        choice = rng.randrange(3)
        if choice == 0:
            changed[place:place] = rng.choice((b"*", b"$", b"%", b">", b"~", b"|", b"9", b"-", b"\r\n", b"\xff", b"_"))
        elif choice == 1:
            del changed[place : place + rng.randrange(1, 4)]
        elif changed:
            changed[place % len(changed)] ^= 1 << rng.randrange(8)
    return bytes(changed)


@given(frames=st.lists(VALUES, min_size=1, max_size=10), seed=st.integers())
async def test_damage_ends_in_one_error_alone(frames: list[Value], seed: int) -> None:
    await survive(damaged(b"".join(map(encode, frames)), Random(seed)), seed)


@given(data=st.binary(max_size=200), seed=st.integers())
@settings(max_examples=50)
async def test_bytes_of_anything_end_in_one_error_alone(data: bytes, seed: int) -> None:
    await survive(data, seed)


def _random_value(rng: Random, depth: int = 3) -> Value:
    kind = rng.randrange(8 if depth else 6)
    if kind == 7:
        return {rng.randbytes(3): _random_value(rng, depth - 1) for _ in range(rng.randrange(4))}
    if kind == 6:
        return [_random_value(rng, depth - 1) for _ in range(rng.randrange(5))]
    choices = (None, rng.random() < 0.5, rng.randrange(-(2**63), 2**63), rng.random(), rng.randbytes(rng.randrange(40)))
    return (*choices, ReplyError(f"ERR {rng.random()}"))[kind]


def _random_frame(rng: Random) -> tuple[bool, Value]:
    if rng.random() < 0.5:
        return True, [b"message", rng.randbytes(4), rng.randbytes(rng.randrange(200))]
    return False, _random_value(rng)


@pytest.mark.long
async def test_a_million_frames_in_pieces() -> None:
    seed = Random().randrange(2**32)
    rng = Random(seed)
    for number in range(10_000):
        try:
            await exchange([_random_frame(rng) for _ in range(100)], number)
        except BaseException as error:
            error.add_note(f"seed {seed}, round {number}")
            raise


@pytest.mark.long
async def test_fifty_thousand_damaged_streams() -> None:
    seed = Random().randrange(2**32)
    rng = Random(seed)
    for number in range(50_000):
        try:
            await survive(damaged(b"".join(encode(_random_value(rng)) for _ in range(10)), rng), number)
        except BaseException as error:
            error.add_note(f"seed {seed}, round {number}")
            raise
