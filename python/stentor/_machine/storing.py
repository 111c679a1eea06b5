"""Storing: what is written to the mailbox store in the background, in the order in which it was asked for.

A task of its own for each call would do the same and be shorter, but trio shuffles tasks: a batch that has failed would
be stored in any order, and what was acknowledged before its agent left would come back with what was not. So one task
writes new entries down, as many as have gathered while it wrote the last ones, and the other calls concerning one
mailbox follow each other. What concerns messages that are stored already is asked for again and again while the store
fails, less and less often; meanwhile it keeps nobody from being settled.
"""

from __future__ import annotations

import logging
from collections import deque
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Final, final

import trio

from stentor._values.errors import AbandonedError
from stentor._values.store_errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence
    from typing import TypeVar

    from stentor._machine.ledger import Ledger
    from stentor._values.protocols import MailboxStore
    from stentor._values.stored import MailboxEntry

    T = TypeVar("T")

logger: Final = logging.getLogger("stentor")

TOGETHER: Final = 256
"""How many entries go to the store in one call at most."""
PAUSE: Final = 0.1
"""Seconds after which a store that has failed is asked again; doubled each time, up to `LONGEST_PAUSE`."""
LONGEST_PAUSE: Final = 5.0


@final
class Storing:
    """Calls of the store for which nobody waits; until they are done they keep the bus from being settled."""

    def __init__(self, store: MailboxStore, nursery: trio.Nursery, ledger: Ledger) -> None:
        """Write to `store`, which is open, by tasks that live in `nursery`."""
        self._store = store
        self._nursery = nursery
        self._ledger = ledger
        self._entries: deque[tuple[MailboxEntry, Callable[[Exception | None], None]]] = deque()
        """What is still to be stored, or is being stored, and who is told of it."""
        self._asked = 0
        """How many entries there ever were."""
        self._calls: dict[str, deque[Callable[[], Awaitable[object]]]] = {}
        """For each agent, the other calls that concern its mailbox; the first of them is under way."""
        self._failing: set[str] = set()
        """The agents of whom the call that is under way has failed, and will be made again."""
        self._lot = trio.lowlevel.ParkingLot()

    def append(self, entry: MailboxEntry, tell: Callable[[Exception | None], None]) -> None:
        """Store `entry` behind all earlier ones.

        Args:
            entry: What is to be stored.
            tell: Is called with None when it is; with the StoreError if the store refuses it; or with AbandonedError if
                the bus is closed before.
        """
        self._ledger.more_busy(1)
        self._asked += 1
        self._entries.append((entry, tell))
        if len(self._entries) == 1 and not self._start(self._write, name="stentor store"):
            self._over(AbandonedError("the bus was closed before it was stored"))

    def _start(self, work: Callable[..., Awaitable[None]], *of: object, name: str) -> bool:
        """Start a task, and return whether there is still a bus for it to live in."""
        try:
            self._nursery.start_soon(work, *of, name=name)
        except RuntimeError:
            return False
        return True

    async def _write(self) -> None:
        try:
            while self._entries:
                await self._store_together(list(islice(self._entries, TOGETHER)))
        except BaseException:
            while self._entries:
                self._over(AbandonedError("the bus was closed before it was stored"))
            raise

    async def _store_together(self, entries: Sequence[tuple[MailboxEntry, object]]) -> None:
        """Store the first entries in one call or, when the store refuses that, one by one."""
        try:
            await self._store.append([entry for entry, _ in entries])
        except (StoreError, trio.ClosedResourceError) as refusal:
            if len(entries) == 1:
                self._over(refusal)
                return
            for each in entries:
                await self._store_together([each])
        else:
            for _ in entries:
                self._over(None)

    def _over(self, error: Exception | None) -> None:
        _, tell = self._entries.popleft()
        tell(error)
        self._lot.unpark_all()
        self._ledger.less_busy(1)

    def call(self, agent: str, call: Callable[[], Awaitable[object]]) -> None:
        """Await `call()`, which concerns the mailbox of `agent`, when the earlier ones that do are done.

        When the bus has just ended nothing is done: what was handed out comes again when the store is opened.
        """
        if agent in self._calls:
            self._calls[agent].append(call)
        elif self._start(self._run, agent, name=f"stentor store for {agent}"):
            self._calls[agent] = deque([call])
            self._ledger.more_busy(1)

    async def _run(self, agent: str) -> None:
        calls = self._calls[agent]
        try:
            while calls:
                await self.insist(calls[0], partial(self._fails, agent))
                self._failing.discard(agent)
                calls.popleft()
        except (trio.Cancelled, trio.ClosedResourceError) as error:
            with trio.CancelScope(shield=True):
                for call in calls:
                    await self.once(call)
            if isinstance(error, trio.Cancelled):
                raise
        finally:
            self._failing.discard(agent)
            del self._calls[agent]
            self._lot.unpark_all()
            self._ledger.less_busy(1)

    def _fails(self, agent: str) -> None:
        """Let nobody wait for a call that has failed."""
        self._failing.add(agent)
        self._lot.unpark_all()

    async def insist(self, call: Callable[[], Awaitable[T]], failed: Callable[[], object]) -> T:
        """Call the store until it does what it is asked, and return that; `failed` is called each time it does not."""
        pause = PAUSE
        while True:
            try:
                return await call()
            except StoreError:
                logger.exception("the mailbox store failed; it is asked again in %g s", pause)
            failed()
            self._ledger.less_busy(1)
            try:
                await trio.sleep(pause)
            finally:
                self._ledger.more_busy(1)
            pause = min(2 * pause, LONGEST_PAUSE)

    async def once(self, call: Callable[[], Awaitable[object]]) -> None:
        """Call the store for the last time."""
        try:
            await call()
        except (StoreError, trio.ClosedResourceError):
            logger.exception("the mailbox store failed for the last time; what it has handed out will come again")

    async def caught_up(self, agent: str) -> None:
        """Wait until all that was asked for up to now, and concerns the mailbox of `agent`, is done."""
        asked = self._asked
        while self._asked - len(self._entries) < asked or (agent in self._calls and agent not in self._failing):
            await self._lot.park()
