"""One RESP3 connection on a trio stream. It has no pool, repeats no command, and does not come back once it is lost.

Three tasks serve it. The reader takes whole frames out of the stream: replies go to the call at the head of the queue,
pushes into a bounded buffer. The writer sends what a caller could not hand to the operating system at once. The watch
ends the connection when the reply to the call at the head is overdue; a reply is a whole frame, so bytes that never
become one do not count as life. Time in which nobody takes the pushes, so that we do not read, is no silence.

A caller only puts its command into the queue and waits, so it may be cancelled at any point: what was sent stays sent,
and its reply is thrown away when it comes.
"""

from __future__ import annotations

import os
from collections import deque
from math import inf
from typing import TYPE_CHECKING, Any, Final, TypeAlias, cast, final

import hiredis
import trio

from stentor.bridge._errors import ConnectionLost, ReplyError
from stentor.bridge._frames import pack_commands
from stentor.bridge._handshake import hello, server_info, without_secrets
from stentor.bridge._pushes import PushBuffer

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from stentor.bridge._address import Address
    from stentor.bridge._handshake import ServerInfo
    from stentor.bridge._pushes import Push

Argument: TypeAlias = str | bytes | int | float
# The stub of hiredis knows commands of one word alone.
_pack = cast("Callable[[tuple[Argument, ...]], bytes]", hiredis.pack_command)  # pyright: ignore[reportUnknownMemberType]

READ_BYTES: Final = 2**16
OUTGOING_BYTES: Final = 2**20
"""How much may wait to be written before further callers wait, too."""
IN_FLIGHT: Final = 1024
"""How many calls may wait for replies before further callers wait to be sent."""
SUBSCRIBING: Final = frozenset(
    f"{how}{what}".encode() for how in ("", "p", "s") for what in ("subscribe", "unsubscribe")
)
"""Commands that are answered by pushes, one for each channel, which are called as the command is."""
NOTHING: Final = object()


class _Call:
    """The replies that a caller waits for, and until when."""

    __slots__ = ("confirmed_by", "deadline", "missing", "replies", "task")

    def __init__(self, missing: int, deadline: float, confirmed_by: bytes | None) -> None:
        self.missing = missing
        self.deadline = deadline
        self.confirmed_by = confirmed_by
        self.replies: list[Any] = []
        self.task: trio.lowlevel.Task | None = None


@final
class Connection:
    """A connection to one server, made by `open_connection`. Once it is lost, every call raises `ConnectionLost`."""

    def __init__(self, stream: trio.abc.Stream, address: Address, *, timeout: float, push_bytes: int) -> None:
        self._stream = stream
        self._address = address
        self._timeout = timeout
        # Small commands go straight to the operating system where the stream is a plain socket.
        self._fd = stream.socket.fileno() if isinstance(stream, trio.SocketStream) else None
        self._parser = hiredis.Reader(replyError=ReplyError, notEnoughData=NOTHING)
        self._server: ServerInfo | None = None
        self._why: str | None = None
        self._calls: deque[_Call] = deque()
        self._room = trio.lowlevel.ParkingLot()  # callers, until there is room for their command
        self._outgoing = bytearray()
        self._unsent = trio.lowlevel.ParkingLot()  # the writer, while there is nothing to write
        self._pushes = PushBuffer(push_bytes)
        self._read_at = self._heard_at = trio.current_time()
        self._paused_since: float | None = None
        self._paused = 0.0
        self._alarm = trio.CancelScope()
        self._service = trio.CancelScope()
        self._lost = trio.Event()

    @property
    def server(self) -> ServerInfo:
        """What the server said of itself when it was last asked, at the login or by `check`."""
        if self._server is None:
            raise ConnectionLost(self._why or "there was no login yet")
        return self._server

    @property
    def why(self) -> str | None:
        """Why the connection is lost, or None as long as it is not."""
        return self._why

    @property
    def heard_at(self) -> float:
        """When the last whole frame came, on trio's clock."""
        return self._heard_at

    def __repr__(self) -> str:
        return f"<Connection to {self._address}, {self._why or 'open'}>"

    # -- commands -----------------------------------------------------------------------------------------------------

    async def execute(self, *args: Argument, timeout: float | None = None) -> Any:
        """Send one command and return its reply.

        A command that subscribes or unsubscribes must name channels, and returns the list of their confirmations when
        all are there.

        Args:
            args: The command's words.
            timeout: Seconds to wait for the reply instead of the connection's; a blocking command needs more.

        Raises:
            ReplyError: The server answered with an error.
            ConnectionLost: There is no connection any more, or it was lost before the reply came.
        """
        command = args[0].lower() if isinstance(args[0], bytes) else str(args[0]).lower().encode()
        is_subscribing = command in SUBSCRIBING
        if is_subscribing and len(args) == 1:
            msg = f"args must name channels behind {command.decode()}"
            raise ValueError(msg)
        count, confirmed_by = (len(args) - 1, command) if is_subscribing else (1, None)
        replies = await self._ask(_pack(args), count, timeout, confirmed_by)
        if isinstance(replies[0], ReplyError):
            raise replies[0]
        return replies if is_subscribing else replies[0]

    async def pipeline(self, commands: Sequence[Sequence[Argument]], *, timeout: float | None = None) -> list[Any]:
        """Send commands in one write and return their replies in order, a `ReplyError` where one failed.

        Args:
            commands: The words of each; none of them may subscribe.
            timeout: Seconds to wait for the last reply instead of the connection's.

        Raises:
            ConnectionLost: There is no connection any more, or it was lost before the last reply came.
        """
        if not commands:
            await trio.lowlevel.checkpoint()
            return []
        return await self._ask(pack_commands(list(map(tuple, commands))), len(commands), timeout)

    async def check(self, *, timeout: float | None = None) -> ServerInfo:
        """Ask the server whether it is there and what it is by now, which needs no right that the login does not.

        Raises:
            ReplyError: The server answered with an error.
            ConnectionLost: It does not answer.
        """
        self._server = server_info(await self.execute("HELLO", timeout=timeout))
        return self._server

    async def log_in(self, name: str) -> None:
        """Say who we are; done once, before anything else."""
        try:
            self._server = server_info(await self.execute(*hello(self._address, name)))
            if self._address.db:
                await self.execute("SELECT", self._address.db)
        except ReplyError as error:
            raise without_secrets(error, self._address) from None

    async def _ask(
        self, packed: bytes, count: int, timeout: float | None, confirmed_by: bytes | None = None
    ) -> list[Any]:
        await trio.lowlevel.checkpoint_if_cancelled()
        while self._why is None and (len(self._calls) >= IN_FLIGHT or len(self._outgoing) >= OUTGOING_BYTES):
            await self._room.park()
        self._raise_if_lost()
        limit = self._timeout if timeout is None else timeout
        call = _Call(count, self._clock() + limit, confirmed_by)
        self._calls.append(call)
        if trio.current_time() + limit < self._alarm.deadline:
            self._alarm.deadline = trio.current_time() + limit
        self._send(packed)
        call.task = trio.lowlevel.current_task()

        def forget(_raise_cancel: object) -> trio.lowlevel.Abort:
            call.task = None
            return trio.lowlevel.Abort.SUCCEEDED

        if call.missing and self._why is None:
            await trio.lowlevel.wait_task_rescheduled(forget)
        if call.missing:
            self._raise_if_lost()
        return call.replies

    def _raise_if_lost(self) -> None:
        if self._why is not None:
            raise ConnectionLost(self._why)

    # -- pushes -------------------------------------------------------------------------------------------------------

    async def receive_push(self) -> Push:
        """Wait for what the server sends unasked, and take the oldest, such as `[b"message", channel, payload]`.

        Raises:
            ConnectionLost: The connection is lost, and all that had come has been taken.
        """
        if not await self._pushes.wait():
            self._raise_if_lost()
        return self._pushes.take()

    async def receive_pushes(self) -> list[Push]:
        """Wait for at least one push, and take all that have come, in their order.

        Raises:
            ConnectionLost: The connection is lost, and all that had come has been taken.
        """
        if not await self._pushes.wait():
            self._raise_if_lost()
        return self._pushes.take_all()

    # -- losing it ----------------------------------------------------------------------------------------------------

    def lose(self, reason: str) -> None:
        """Give the connection up; all who wait for something of it get `ConnectionLost` with the first reason given."""
        if self._why is not None:
            return
        self._why = reason
        self._lost.set()
        self._service.cancel()
        self._room.unpark_all()
        self._pushes.close()
        for call in self._calls:
            if call.task is not None:
                trio.lowlevel.reschedule(call.task)
        self._calls.clear()
        self._outgoing.clear()

    async def wait_lost(self) -> None:
        """Wait until the connection is lost, and raise `ConnectionLost`."""
        await self._lost.wait()
        self._raise_if_lost()

    # -- the tasks that serve it --------------------------------------------------------------------------------------

    async def serve(self) -> None:
        """Read, write and watch until the connection is lost; run once."""
        try:
            with self._service:
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(self._read)
                    nursery.start_soon(self._write)
                    nursery.start_soon(self._watch)
        finally:
            self.lose("it was closed here")
            await trio.aclose_forcefully(self._stream)

    async def _read(self) -> None:
        try:
            while data := await self._stream.receive_some(READ_BYTES):
                self._read_at = trio.current_time()
                self._parser.feed(bytes(data))
                await self._take_frames()
            self.lose("the server closed it")
        except (trio.BrokenResourceError, OSError) as error:
            self.lose(f"reading failed: {error.__cause__ or error}")
        except Exception as error:  # noqa: BLE001 - damaged frames make the parser raise more than one kind of error
            self.lose(f"what the server sent is no RESP3: {error!r}")

    async def _take_frames(self) -> None:
        """Hand out every frame that is whole by now."""
        gets, push_type, calls = self._parser.gets, hiredis.PushNotification, self._calls
        while (frame := gets()) is not NOTHING:
            self._heard_at = self._read_at
            if type(frame) is push_type and not self._confirms(frame):
                if self._pushes.put(frame):
                    await self._pause()
            elif calls and (call := calls[0]).missing > 1 and call.confirmed_by is None:
                call.replies.append(frame)
                call.missing -= 1
            else:
                self._answer(frame)

    async def _pause(self) -> None:
        """Do not read until there is room for pushes; the time this takes is not the server's."""
        self._paused_since = trio.current_time()
        await self._pushes.room()
        self._paused += trio.current_time() - self._paused_since
        self._paused_since = None
        self._alarm.deadline = self._next_look()

    def _confirms(self, push: Push) -> bool:
        """Whether a push is what the call at the head waits for."""
        return bool(self._calls) and bool(push) and push[0] == self._calls[0].confirmed_by

    def _answer(self, reply: Any) -> None:
        if not self._calls:
            self.lose("the server answered what nobody had asked")
            return
        call = self._calls[0]
        call.replies.append(reply)
        call.missing -= 1
        if call.confirmed_by is not None and isinstance(reply, ReplyError):
            call.missing = 0  # one error for all channels
        if call.missing == 0:
            self._calls.popleft()
            self._room.unpark()
            if call.task is not None:
                trio.lowlevel.reschedule(call.task)

    def _send(self, packed: bytes) -> None:
        """Hand a command to the operating system, and what it does not take at once to the writer."""
        sent = 0
        if self._fd is not None and not self._outgoing:
            try:
                sent = os.write(self._fd, packed)
            except BlockingIOError:
                pass
            except OSError as error:
                self.lose(f"writing failed: {error}")
                return
        if sent < len(packed):
            self._outgoing += memoryview(packed)[sent:]
            self._unsent.unpark()

    async def _write(self) -> None:
        try:
            while True:
                while not self._outgoing:
                    await self._unsent.park()
                data = bytes(self._outgoing)
                await self._stream.send_all(data)
                del self._outgoing[: len(data)]  # only now: until then nobody may write past it
                self._room.unpark_all()
        except (trio.BrokenResourceError, OSError) as error:
            self.lose(f"writing failed: {error.__cause__ or error}")

    async def _watch(self) -> None:
        while not self._is_overdue():
            with trio.CancelScope(deadline=self._next_look()) as self._alarm:
                await trio.sleep_forever()
        self.lose("no reply in time")

    def _is_overdue(self) -> bool:
        return bool(self._calls) and self._calls[0].deadline <= self._clock()

    def _next_look(self) -> float:
        if self._paused_since is not None:
            return trio.current_time() + self._timeout
        return trio.current_time() + self._calls[0].deadline - self._clock() if self._calls else inf

    def _clock(self) -> float:
        """Return the time that the server has had: trio's, without that in which we did not read."""
        now = trio.current_time() if self._paused_since is None else self._paused_since
        return now - self._paused
