"""`MemoryStore`: stored mailboxes that live as long as their object, behind the protocol of all mailbox stores."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, final

import trio

from stentor._mechanisms.store import StoredMailboxes
from stentor._values import checks
from stentor._values.stored import EntryKind, MailboxEntry, MailboxQuery, Retention

if TYPE_CHECKING:
    from collections.abc import Iterable
    from types import TracebackType
    from typing import Self

    from stentor._values.stored import MailboxPage, MailboxSummary, StoredMessage

DEFAULT_CAPACITY = 100_000
"""How many messages may wait in one stored mailbox, if nothing else is said."""


@final
class MemoryStore:
    """A `MailboxStore` in memory: what it holds is gone when the process ends.

    Payloads are kept as they are, so anything can be stored. Its clock is trio's. Calls never really wait.

    Args:
        capacity: How many messages may wait, unread or handed out, in one mailbox; one more is refused.
        retention: What a mailbox keeps of what waits for nobody.

    Raises:
        TypeError: An argument is of the wrong type.
        ValueError: `capacity` is smaller than 1.

    Example:
        >>> import stentor, trio
        >>> async def main():
        ...     async with stentor.MemoryStore() as store:
        ...         await store.append([stentor.MailboxEntry("gpt4", stentor.Message("gpt4", "hello"))])
        ...         (stored,) = await store.read("gpt4")
        ...         print(stored.id, stored.message.payload)
        ...         print(await store.acknowledge("gpt4", [stored.id]))
        >>> trio.run(main)
        1 hello
        1
    """

    def __init__(self, *, capacity: int = DEFAULT_CAPACITY, retention: Retention | None = None) -> None:
        checks.whole("capacity", capacity, least=1)
        kept = Retention() if retention is None else checks.instance("retention", retention, Retention)
        self._mailboxes = StoredMailboxes(capacity=capacity, retention=kept)
        self._depth = 0

    async def __aenter__(self) -> Self:
        """Open the store, or enter it once more."""
        await trio.lowlevel.checkpoint()
        if self._depth == 0:
            self._mailboxes.release_all()
        self._depth += 1
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Leave the block; the outermost closes the store."""
        self._depth = max(0, self._depth - 1)
        await trio.lowlevel.checkpoint()

    async def aclose(self) -> None:
        """Close the store now, whoever is inside; entering it again finds everything as it was."""
        self._depth = 0
        await trio.lowlevel.checkpoint()

    async def _turn(self) -> float:
        """Let others run, and return the time; nothing has been done if this is cancelled."""
        await trio.lowlevel.checkpoint()
        if self._depth == 0:
            msg = "the store is closed"
            raise trio.ClosedResourceError(msg)
        return trio.current_time()

    async def append(
        self, entries: Iterable[MailboxEntry], *, cursors: Mapping[str, str] | None = None
    ) -> tuple[int, ...]:
        """Store all entries, or none, and return their numbers; O(entries).

        Args:
            entries: They may be for several agents.
            cursors: Named positions to be remembered in the same step.

        Raises:
            StoreFullError: More messages than `capacity` would wait in a mailbox.
            trio.ClosedResourceError: The store is closed.
        """
        several = checks.collection("entries", entries, "MailboxEntry objects")
        given = [checks.instance("entries", entry, MailboxEntry) for entry in several]
        if cursors is not None:
            checks.instance("cursors", cursors, Mapping)  # type: ignore[type-abstract]  # it is asked about, not made
        named = dict(cursors or {})
        for text in (*named, *named.values()):
            checks.instance("cursors", text, str)
        return self._mailboxes.append(given, named, await self._turn())

    async def cursors(self) -> Mapping[str, str]:
        """Return every named position that `append` was given, the latest of each name."""
        await self._turn()
        return dict(self._mailboxes.cursors)

    async def read(self, agent: str, *, limit: int = 100, failed: bool = False) -> tuple[StoredMessage, ...]:
        """Hand out unread mail, the oldest first; O(limit).

        Args:
            agent: Whose mailbox.
            limit: How many at most.
            failed: Whether the messages whose handler failed are handed out too.
        """
        checks.instance("agent", agent, str)
        checks.whole("limit", limit, least=1)
        checks.instance("failed", failed, bool)
        return self._mailboxes.read(agent, limit=limit, failed=failed, now=await self._turn())

    async def acknowledge(self, agent: str, ids: Iterable[int]) -> int:
        """Mark messages as done with, and return how many were not so before."""
        checks.instance("agent", agent, str)
        numbers = checks.numbers("ids", ids)
        return self._mailboxes.acknowledge(agent, numbers, await self._turn())

    async def release(self, agent: str, ids: Iterable[int] | None = None) -> int:
        """Make unread again what was handed out and not acknowledged, all or these; return how many those are."""
        checks.instance("agent", agent, str)
        numbers = None if ids is None else checks.numbers("ids", ids)
        await self._turn()
        return self._mailboxes.release(agent, numbers)

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
            ValueError: `kind` is `MAIL`, or `attempts` is negative.
        """
        checks.instance("agent", agent, str)
        checks.whole("id", id, least=0)
        checks.instance("failure", failure, str)
        checks.whole("attempts", attempts, least=0)
        member = checks.member("kind", kind, EntryKind)
        if member is EntryKind.MAIL:
            msg = "kind must be EntryKind.FAILED or EntryKind.DEAD_LETTER, not EntryKind.MAIL"
            raise ValueError(msg)
        now = await self._turn()
        return self._mailboxes.fail(agent, id, failure=failure, attempts=attempts, kind=member, now=now)

    async def page(self, query: MailboxQuery, *, after: int = 0, limit: int = 100) -> MailboxPage:
        """Return what fulfils `query`, in order of acceptance, behind the number `after`; O(rows asked)."""
        checks.instance("query", query, MailboxQuery)
        checks.whole("after", after, least=0)
        checks.whole("limit", limit, least=1)
        return self._mailboxes.page(query, after=after, limit=limit, now=await self._turn())

    async def count(self, query: MailboxQuery) -> int:
        """Return how many fulfil `query`; O(rows asked)."""
        checks.instance("query", query, MailboxQuery)
        return self._mailboxes.count(query, await self._turn())

    async def mailboxes(self) -> tuple[MailboxSummary, ...]:
        """Return every mailbox that holds something, by name; O(rows)."""
        return self._mailboxes.mailboxes(await self._turn())

    async def purge(self, query: MailboxQuery) -> int:
        """Remove what fulfils `query` for ever, whatever its state, and return how many those were."""
        checks.instance("query", query, MailboxQuery)
        return self._mailboxes.purge(query, await self._turn())
