"""`SQLiteStore`: stored mailboxes in one file, behind the protocol of all mailbox stores."""

from __future__ import annotations

import time
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any, final

import trio

from stentor import EntryKind, MailboxEntry, MailboxPage, Retention, StoreError
from stentor.storage import _checks as checks
from stentor.storage._codec import CODECS, encoder
from stentor.storage._commits import Commits
from stentor.storage._connection import SYNCS, connect
from stentor.storage._database import Database
from stentor.storage._mailboxes import Limits, Mailboxes
from stentor.storage._rows import Moment, Row, encode_entry, printable

if TYPE_CHECKING:
    import os
    from collections.abc import Awaitable, Callable, Iterable, Mapping
    from pathlib import Path
    from types import TracebackType
    from typing import Self

    from stentor import MailboxQuery, MailboxSummary, StoredMessage
    from stentor.storage._codec import Codec
    from stentor.storage._commits import StoreStatistics
    from stentor.storage._connection import Sync


@final
class SQLiteStore:
    """A `MailboxStore` in one SQLite file: what it accepted survives the process, killed at any instant.

    One store has the file for itself; a second opener is refused. Everything that blocks happens in a worker thread,
    and calls that come together share one commit. Beside the file lies its log, `PATH-wal`, while the store is open or
    after its process was killed: the two belong together.

    Times are those of the wall clock, in seconds since 1970, for `stored_at` as for the time to live, which goes on
    while no process runs; a clock that is set back gives a message more time. The times of a message itself are always
    on trio's clock of the process that reads it.

    Args:
        path: The file; it is made where there is none.
        sync: With `"full"` a call returns when the disk has what it did, which survives a power loss too. With
            `"normal"` it returns when the operating system has: that survives the end of the process, but the last
            transactions before a power loss are gone, acknowledged to the caller or not. Neither can damage the file.
        capacity: How many messages may wait, unread or handed out, in one mailbox; one more is refused.
        retention: What a mailbox keeps of what waits for nobody.
        quota: How many bytes of the file may be in use before `append` refuses; acknowledging and the like go on. Set
            it some 100 MB below what the disk has, since on a full disk nothing can be written, acknowledgements
            included. None for no such bound.
        codec: What payloads become that are neither text nor bytes: `"json"`, or `"msgpack"`, which needs msgspec
            (`pip install 'stentor[storage]'`). A payload must come back equal, or it is refused. Either reads both.
        clock: What tells the wall clock's time; for tests and simulations.

    Raises:
        TypeError: An argument is of the wrong type.
        ValueError: An argument is out of its range.
        ModuleNotFoundError: `codec` is msgpack, and msgspec is not installed.

    Example:
        >>> import stentor, stentor.storage, tempfile, trio
        >>> from pathlib import Path
        >>> async def main(path):
        ...     async with stentor.storage.SQLiteStore(path) as store:
        ...         await store.append([stentor.MailboxEntry("gpt4", stentor.Message("gpt4", {"n": 1}))])
        ...     async with stentor.storage.SQLiteStore(path) as store:
        ...         (stored,) = await store.read("gpt4")
        ...         print(stored.message.payload, await store.acknowledge("gpt4", [stored.id]))
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     trio.run(main, Path(folder) / "mail.db")
        {'n': 1} 1
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        sync: Sync = "full",
        capacity: int = 100_000,
        retention: Retention | None = None,
        quota: int | None = None,
        codec: Codec = "json",
        clock: Callable[[], float] = time.time,
    ) -> None:
        checks.one_of("sync", sync, SYNCS)
        checks.one_of("codec", codec, CODECS)
        limits = Limits(
            capacity=checks.whole("capacity", capacity, least=1),
            quota=None if quota is None else checks.whole("quota", quota, least=1),
            retention=Retention() if retention is None else checks.instance("retention", retention, Retention),
        )
        self._path = checks.path("path", path)
        self._encode = encoder(codec)
        self._clock = clock
        self._database = Database(self._path, limits, partial(connect, self._path, sync))
        self._commits = Commits(self._database.run)
        self._turn = trio.Lock()
        self._depth = 0
        self._open = False

    @property
    def path(self) -> Path:
        """The file."""
        return self._path

    def statistics(self) -> StoreStatistics:
        """Return how calls have shared transactions since the store was made."""
        return self._commits.statistics()

    def __repr__(self) -> str:
        return f"<SQLiteStore {str(self._path)!r}, {'open' if self._open else 'closed'}>"

    # -- opening and closing ------------------------------------------------------------------------------------------

    async def __aenter__(self) -> Self:
        """Open the file, or enter the store once more.

        Raises:
            StoreLockedError: Somebody else has the file open.
            StoreCorruptError: The file is damaged, or is no mailbox store.
            StoreVersionError: A newer version of stentor wrote it.
            StoreReadOnlyError: The file or its folder cannot be written to.
            StoreError: It cannot be opened for another reason, which the text says.
        """
        self._depth += 1
        try:
            async with self._turn:
                await self._commits.alone(self._database.open)
                self._open = True
        except BaseException:
            await self._leave()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Leave the block; the outermost closes the file."""
        await self._leave()

    async def _leave(self) -> None:
        self._depth = max(0, self._depth - 1)
        if self._depth == 0:
            await self._close(whoever_enters=False)

    async def aclose(self) -> None:
        """Close the file now, whoever is inside; calls that have begun finish first. Closing again does nothing."""
        self._depth = 0
        self._open = False
        await self._close(whoever_enters=True)

    async def _close(self, *, whoever_enters: bool) -> None:
        with trio.CancelScope(shield=True):
            async with self._turn:
                if not self._database.is_open or (self._depth and not whoever_enters):
                    return
                self._open = False
                try:
                    with suppress(StoreError):
                        await self._commits.call(_nothing)  # what comes before it is done when it is
                finally:
                    await self._commits.alone(self._database.close)

    def _call(self, method: Callable[..., Any], *args: Any, **options: Any) -> Awaitable[Any]:
        """Have a method of `Mailboxes` called in a transaction."""
        if not self._open:
            msg = "the store is closed"
            raise trio.ClosedResourceError(msg)
        return self._commits.call(lambda mailboxes: method(mailboxes, *args, **options))

    def _now(self) -> Moment:
        wall = self._clock()
        return Moment(wall, wall - trio.current_time())

    # -- the mailboxes ------------------------------------------------------------------------------------------------

    async def append(
        self, entries: Iterable[MailboxEntry], *, cursors: Mapping[str, str] | None = None
    ) -> tuple[int, ...]:
        """Store all entries, or none, and return their numbers when the commit is done; O(entries).

        Args:
            entries: They may be for several agents.
            cursors: Named positions to be remembered in the same step.

        Raises:
            UnstorableError: A message has a part that would not come back equal.
            StoreFullError: The capacity of a mailbox, the quota or the disk is used up.
            StoreError: The file failed; the text says how.
            trio.ClosedResourceError: The store is closed.
        """
        moment = self._now()
        rows = [self._encoded(entry, moment) for entry in checks.collection("entries", entries, "MailboxEntry objects")]
        named = {} if cursors is None else checks.texts("cursors", cursors)
        numbers: tuple[int, ...] = await self._call(Mailboxes.append, rows, named, moment.wall)
        return numbers

    def _encoded(self, entry: object, moment: Moment) -> Row:
        return encode_entry(checks.instance("entries", entry, MailboxEntry), self._encode, moment)

    async def cursors(self) -> Mapping[str, str]:
        """Return every named position that `append` was given, the latest of each name."""
        found: dict[str, str] = await self._call(Mailboxes.cursors)
        return found

    async def read(self, agent: str, *, limit: int = 100, failed: bool = False) -> tuple[StoredMessage, ...]:
        """Hand out unread mail, the oldest first, and return it when that is committed; O(limit).

        Args:
            agent: Whose mailbox.
            limit: How many at most.
            failed: Whether the messages whose handler failed are handed out too.
        """
        checks.text("agent", agent)
        checks.whole("limit", limit, least=1)
        checks.instance("failed", failed, bool)
        found: tuple[StoredMessage, ...] = await self._call(
            Mailboxes.read, agent, limit=limit, failed=failed, moment=self._now()
        )
        return found

    async def acknowledge(self, agent: str, ids: Iterable[int]) -> int:
        """Mark messages as done with, and return how many were not so before, when that is committed; O(ids)."""
        checks.text("agent", agent)
        numbers = checks.numbers("ids", ids)
        changed: int = await self._call(Mailboxes.acknowledge, agent, numbers, self._now().wall)
        return changed

    async def release(self, agent: str, ids: Iterable[int] | None = None) -> int:
        """Make unread again what was handed out and not acknowledged, all or these; return how many those are."""
        checks.text("agent", agent)
        numbers = None if ids is None else checks.numbers("ids", ids)
        released: int = await self._call(Mailboxes.release, agent, numbers)
        return released

    async def fail(
        self,
        agent: str,
        id: int,
        *,
        failure: str,
        attempts: int = 1,
        kind: EntryKind | str = EntryKind.FAILED,
    ) -> bool:
        """Mark a message as failed for good: unread and `FAILED`, or a `DEAD_LETTER`; return whether it was there.

        Raises:
            ValueError: `kind` is `MAIL` or unknown, or `attempts` is negative.
        """
        checks.text("agent", agent)
        checks.whole("id", id, least=0)
        text = printable(checks.instance("failure", failure, str))
        checks.whole("attempts", attempts, least=0)
        options = {"failure": text, "attempts": attempts, "kind": checks.failed_kind(kind), "now": self._now().wall}
        there: bool = await self._call(Mailboxes.fail, agent, id, **options)
        return there

    async def page(self, query: MailboxQuery, *, after: int = 0, limit: int = 100) -> MailboxPage:
        """Return what fulfils `query`, in order of acceptance, behind the number `after`.

        O(limit) where everything on the way fulfils it; what does not is passed over row by row.
        """
        checks.query(query)
        checks.whole("after", after, least=0)
        checks.whole("limit", limit, least=1)
        page: MailboxPage = await self._call(Mailboxes.page, query, after=after, limit=limit, moment=self._now())
        return page

    async def count(self, query: MailboxQuery) -> int:
        """Return how many fulfil `query`; O(1) for a mailbox where it says agent, kinds and states only."""
        count: int = await self._call(Mailboxes.count, checks.query(query), self._now().wall)
        return count

    async def mailboxes(self) -> tuple[MailboxSummary, ...]:
        """Return every mailbox that holds something, by name; O(mailboxes)."""
        summaries: tuple[MailboxSummary, ...] = await self._call(Mailboxes.summaries, self._now().wall)
        return summaries

    async def purge(self, query: MailboxQuery) -> int:
        """Remove what fulfils `query` for ever, whatever its state, and return how many those were.

        The file does not shrink; what is freed is used again.
        """
        removed: int = await self._call(Mailboxes.purge, checks.query(query), self._now().wall)
        return removed


def _nothing(_: Mailboxes) -> None:
    """Do nothing, in its turn."""
