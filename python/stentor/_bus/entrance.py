"""The entrance: where entries from other threads wait for trio's thread, which takes in many at a time.

A thread adds its entry under a lock, and calls trio only when the entrance may be asleep: while it is awake, it finds
by itself whatever has come. Messages of one thread stay in their order. The first of them that has to wait, because a
mailbox is full, gets a task, behind which the later ones of the same thread line up; other threads go on.
"""

from __future__ import annotations

from collections import deque
from contextlib import suppress
from threading import Condition, get_ident
from time import monotonic
from typing import TYPE_CHECKING, Any, final

import trio

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

    from stentor._bus.entries import Entry


@final
class Entrance:
    """The entries of one portal that are on their way, from when they are handed in until they are over."""

    def __init__(self, nursery: trio.Nursery, capacity: int, on_end: Callable[[Entrance], None]) -> None:
        """Take entries into the trio run of the current task; `on_end` is called there when none can come any more."""
        self._nursery = nursery
        self._token = trio.lowlevel.current_trio_token()
        self._thread = get_ident()
        self._on_end = on_end
        self._room = Condition()
        """Guards what other threads touch: from here down to `_callers`."""
        self._free = capacity
        self._waiting: deque[Entry[Any]] = deque()
        self._awake = True
        """Whether trio's thread will look here again without being called."""
        self.closed: bool = False
        self._callers: deque[Callable[[], bool]] = deque()
        """How to wake who waits for room without a thread to block."""
        self._task: trio.lowlevel.Task | None = None
        self._lines: dict[Hashable, deque[Entry[Any]]] = {}
        """For each thread one of whose messages has to wait, that message and all later ones."""
        nursery.start_soon(self._serve, name="stentor portal")

    # -- in other threads -------------------------------------------------------------------------------------------

    def put(self, entry: Entry[Any], deadline: float | None = None) -> bool:
        """Hand in an entry; wait while too many are on their way, and return False if that is so until `deadline`.

        Raises:
            RuntimeError: This is trio's own thread, which must not be blocked.
            trio.ClosedResourceError: Nothing is taken in any more.
            trio.RunFinishedError: The trio run has ended without closing the bus.
        """
        with self._room:
            while not self._add(entry):
                self.check_thread()
                if not self._room.wait(None if deadline is None else max(0.0, deadline - monotonic())):
                    return False
            asleep, self._awake = not self._awake, True
        if asleep:
            self._call_trio()
        return True

    def try_put(self, entry: Entry[Any], wake: Callable[[], bool]) -> bool:
        """Hand in an entry and return True; or return False, and have `wake` called when there may be room.

        It returns whether anybody is woken by it; if not, somebody else is.
        """
        with self._room:
            if not self._add(entry):
                self._callers.append(wake)
                return False
            asleep, self._awake = not self._awake, True
        if asleep:
            self._call_trio()
        return True

    def forget(self, wake: Callable[[], bool]) -> None:
        """Let nobody be woken by `wake`, or somebody else instead if it has been called already."""
        with self._room:
            if wake in self._callers:
                self._callers.remove(wake)
            elif self._free:
                self._let_in(1)

    def check_thread(self) -> None:
        """Raise RuntimeError in trio's own thread, which must not be blocked."""
        if get_ident() == self._thread and not self.closed:
            msg = "the thread in which the bus lives must not be blocked: await the method of the bus itself"
            raise RuntimeError(msg)

    def call_off(self, entry: Entry[Any]) -> None:
        """Let an entry have no effect any more, if it has had none yet; its future will tell which it is."""
        if not entry.future.cancel() and not entry.future.done():
            with suppress(trio.RunFinishedError):
                self._token.run_sync_soon(entry.call_off)

    def close(self) -> None:
        """Let nothing in any more, from now on; what is here already goes its way."""
        with self._room:
            self.closed = True
            self._room.notify_all()
            self._let_in(len(self._callers))
            asleep, self._awake = not self._awake, True
        if asleep:
            with suppress(trio.RunFinishedError):
                self._call_trio()

    def _add(self, entry: Entry[Any]) -> bool:
        if self.closed:
            msg = "the portal is closed"
            raise trio.ClosedResourceError(msg)
        if not self._free:
            return False
        self._free -= 1
        self._waiting.append(entry)
        return True

    def _call_trio(self) -> None:
        try:
            self._token.run_sync_soon(self._wake)
        except trio.RunFinishedError:
            self._end()
            raise

    def _let_in(self, number: int) -> None:
        """Let so many that wait for room look again."""
        self._room.notify(number)
        while number > 0 and self._callers:
            number -= self._callers.popleft()()

    # -- in trio's thread -------------------------------------------------------------------------------------------

    @trio.lowlevel.enable_ki_protection
    async def _serve(self) -> None:
        try:
            while await self._has_come():
                self.take_in()
                await trio.lowlevel.checkpoint()
        finally:
            self._end()
            self._on_end(self)

    async def _has_come(self) -> bool:
        """Sleep until an entry has come, and return True; or False once none can come any more."""
        with self._room:
            if self._waiting or self.closed:
                return bool(self._waiting)
            self._awake = False
        self._task = trio.lowlevel.current_task()

        def abort(_: object) -> trio.lowlevel.Abort:
            self._task = None
            return trio.lowlevel.Abort.SUCCEEDED

        await trio.lowlevel.wait_task_rescheduled(abort)
        return bool(self._waiting)

    def _wake(self) -> None:
        if self._task is not None:
            trio.lowlevel.reschedule(self._task)
            self._task = None

    def take_in(self) -> None:
        """Take in all that has come up to now, in the order in which it has come."""
        with self._room:
            entries, self._waiting = self._waiting, deque()
        self._leave(sum(self._take(entry) for entry in entries))

    def _take(self, entry: Entry[Any]) -> bool:
        """Take in one entry, and return whether it is over already."""
        if not entry.take():
            return True
        line = self._lines.get(entry.source)
        if line is not None:
            line.append(entry)
        elif entry.try_now():
            return True
        elif entry.holds_up:
            self._lines[entry.source] = line = deque((entry,))
            self._nursery.start_soon(self._serve_line, entry.source, line, name="stentor portal line")
        else:
            self._nursery.start_soon(self._do, entry, name="stentor portal call")
        return False

    @trio.lowlevel.enable_ki_protection
    async def _serve_line(self, source: Hashable, line: deque[Entry[Any]]) -> None:
        """Do one after another what a thread has handed in, until none of it is left."""
        try:
            while line:
                entry = line[0]
                if not entry.holds_up:
                    self._nursery.start_soon(self._do, entry, name="stentor portal call")
                elif entry.try_now():
                    self._leave(1)
                else:
                    await entry.do()
                    self._leave(1)
                line.popleft()
        finally:
            del self._lines[source]
            for entry in line:
                entry.refuse()

    @trio.lowlevel.enable_ki_protection
    async def _do(self, entry: Entry[Any]) -> None:
        try:
            await entry.do()
        finally:
            entry.refuse()
            self._leave(1)

    def _leave(self, number: int) -> None:
        """Give room back: so many entries are over."""
        with self._room:
            self._free += number
            self._let_in(number)

    def _end(self) -> None:
        """Let nothing in any more, and refuse what has not been taken in."""
        with self._room:
            self.closed = True
            entries, self._waiting = self._waiting, deque()
            self._room.notify_all()
            self._let_in(len(self._callers))
        for entry in entries:
            if entry.take():
                entry.refuse()
