"""The block in which a connection lives: entered it is logged in, left it is closed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, cast, final

import trio

from stentor.bridge._connection import Connection
from stentor.bridge._errors import ConnectionLost
from stentor.bridge._streams import open_stream

if TYPE_CHECKING:
    from types import TracebackType

    from stentor.bridge._address import Address

PUSH_BYTES: Final = 8 * 2**20
"""How much may wait to be received before the connection stops reading."""


def open_connection(
    address: Address, *, timeout: float = 5.0, name: str = "stentor", push_bytes: int = PUSH_BYTES
) -> Opening:
    """Return an async context manager that connects, logs in, and yields the connection.

    Entering raises `ConnectionLost` where there is no way to the server or it does not answer in time, and
    `ReplyError` where it does not let us in.

    Args:
        address: One server.
        timeout: Seconds within which each of connecting and logging in must be done, and each reply have come.
        name: What the connection is called in the server's list of clients.
        push_bytes: How many bytes of pushes may wait to be received before the connection stops reading.
    """
    return Opening(address, timeout=timeout, name=name, push_bytes=push_bytes)


@final
class Opening:
    """The `async with` block in which a connection lives."""

    def __init__(self, address: Address, *, timeout: float, name: str, push_bytes: int) -> None:
        self._address = address
        self._timeout = timeout
        self._name = name
        self._push_bytes = push_bytes
        self._block = trio.open_nursery()
        self._opened: tuple[Connection, trio.Nursery] | None = None

    async def __aenter__(self) -> Connection:
        """Connect and log in."""
        stream: trio.abc.Stream | None = None
        with trio.move_on_after(self._timeout):
            stream = await open_stream(self._address)
        if stream is None:
            msg = f"no connection to {self._address.endpoints[0]} within {self._timeout:g} s"
            raise ConnectionLost(msg)
        connection = Connection(stream, self._address, timeout=self._timeout, push_bytes=self._push_bytes)
        nursery = await self._block.__aenter__()
        nursery.start_soon(connection.serve)
        self._opened = connection, nursery
        try:
            await connection.log_in(self._name)
        except BaseException:
            await self._close()
            raise
        return connection

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Close the connection. What the block raised is not wrapped in a group, since the tasks raise nothing."""
        await self._close()

    async def _close(self) -> None:
        connection, nursery = cast("tuple[Connection, trio.Nursery]", self._opened)
        connection.lose("it was closed here")
        nursery.cancel_scope.shield = True  # nothing is left to wait for, and what the block raised must not be hidden
        await self._block.__aexit__(None, None, None)
