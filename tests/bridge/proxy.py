"""A TCP path that can be broken in every way a network breaks: it forwards to a server until it is told otherwise.

`up` is the direction from the client to the server, `down` the one back.
"""

from __future__ import annotations

import contextlib
import socket
import struct
from functools import partial
from typing import TYPE_CHECKING, Literal, TypeAlias

import trio

from tests.services import LOOPBACK

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from random import Random

Direction: TypeAlias = Literal["up", "down"]
DIRECTIONS: tuple[Direction, Direction] = ("up", "down")
CHUNK_BYTES = 2**16
BROKEN = (trio.BrokenResourceError, trio.ClosedResourceError, OSError)


class Path:
    """One client's connection and the one to the server that belongs to it."""

    def __init__(self, client: trio.SocketStream, server: trio.SocketStream) -> None:
        self.client = client
        self.server = server
        self.passes: dict[Direction, trio.Event] = {}
        self.release()

    def hold(self, *directions: Direction) -> None:
        """Let nothing pass in these directions; what comes is kept, as far as the system's buffers go."""
        for direction in directions:
            self.passes[direction] = trio.Event()

    def release(self) -> None:
        """Let everything pass, beginning with what was kept, also where the other side has gone by now."""
        for direction in DIRECTIONS:
            self.passes.pop(direction, trio.Event()).set()
            self.passes[direction] = trio.Event()
            self.passes[direction].set()

    async def close(self, *, reset: bool = False) -> None:
        """Close both connections in order, or with a reset, at which the other sides throw away what they have."""
        for stream in (self.client, self.server):
            with contextlib.suppress(*BROKEN):
                if reset:
                    stream.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            with trio.CancelScope(shield=True):  # the second, too, where the first wait is cancelled
                await trio.aclose_forcefully(stream)


class Proxy:
    """A path to a server, with a switch for each fault. Made by `open_proxy`."""

    def __init__(self, target: int) -> None:
        self.target = target
        self.port = 0
        self.delay = 0.0
        """Seconds that each chunk takes on its way."""
        self.segment = CHUNK_BYTES
        """The most bytes that are handed on at once."""
        self.rewrite: Callable[[bytes], bytes] | None = None
        """What becomes of each chunk on its way down."""
        self.is_refusing = False
        """Whether a new connection is closed as soon as it is made."""
        self.connections = 0
        """How many connections have been made."""
        self.paths: list[Path] = []
        self._held: tuple[Direction, ...] = ()
        self._damage: dict[Direction, tuple[int, Random]] = {}

    @property
    def url(self) -> str:
        """Where a client connects to."""
        return f"redis://{LOOPBACK}:{self.port}"

    def hold(self, *directions: Direction, later_ones: bool = True) -> None:
        """Let nothing pass: on the connections there are, and unless told otherwise on those that will be made."""
        for path in self.paths:
            path.hold(*directions)
        if later_ones:
            self._held = directions

    def release(self) -> None:
        """Let everything pass again, beginning with what was held, even if its sender has gone."""
        self._held = ()
        for path in self.paths:
            path.release()

    def corrupt(self, direction: Direction, chunks: int, rng: Random) -> None:
        """Change one byte in each of the next chunks in this direction."""
        self._damage[direction] = chunks, rng

    async def cut(self, *, reset: bool = False) -> None:
        """Close all connections that there are."""
        for path in list(self.paths):
            await path.close(reset=reset)

    async def handle(self, client: trio.SocketStream) -> None:
        """Serve one client until both directions have ended."""
        self.connections += 1
        with contextlib.suppress(*BROKEN):
            if not self.is_refusing:
                server = await trio.open_tcp_stream(LOOPBACK, self.target)
                path = Path(client, server)
                path.hold(*self._held)
                self.paths.append(path)
                try:
                    async with trio.open_nursery() as nursery:
                        nursery.start_soon(self._pump, path, "up")
                        nursery.start_soon(self._pump, path, "down")
                finally:
                    self.paths.remove(path)
                    await path.close()
        await trio.aclose_forcefully(client)

    async def _pump(self, path: Path, direction: Direction) -> None:
        source, sink = (path.client, path.server) if direction == "up" else (path.server, path.client)
        with contextlib.suppress(*BROKEN):
            while data := await source.receive_some(CHUNK_BYTES):
                await path.passes[direction].wait()
                await trio.sleep(self.delay)
                damaged = self._damaged(direction, bytes(data))
                size = self.segment  # which may change while these are on their way
                for start in range(0, len(damaged), size):
                    await sink.send_all(damaged[start : start + size])
            await path.passes[direction].wait()
            await sink.send_eof()

    def _damaged(self, direction: Direction, data: bytes) -> bytes:
        if direction == "down" and self.rewrite is not None:
            data = self.rewrite(data)
        left, rng = self._damage.get(direction, (0, None))
        if not left or rng is None:
            return data
        self._damage[direction] = left - 1, rng
        place = rng.randrange(len(data))
        return data[:place] + bytes([data[place] ^ rng.randrange(1, 256)]) + data[place + 1 :]


@contextlib.asynccontextmanager
async def open_proxy(target: int) -> AsyncIterator[Proxy]:
    """Forward connections on a port of its own to the port `target`, until the block ends."""
    async with trio.open_nursery() as nursery:
        proxy = Proxy(target)
        listeners = await nursery.start(partial(trio.serve_tcp, proxy.handle, 0, host=LOOPBACK))
        proxy.port = listeners[0].socket.getsockname()[1]
        failure: Exception | None = None
        try:
            yield proxy
        except Exception as error:  # noqa: BLE001 - raised below, where the nursery does not make a group of it
            failure = error
        nursery.cancel_scope.cancel()
    if failure is not None:
        raise failure
