"""What others may put in the place of a part of stentor's own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from types import TracebackType
    from typing import Self

    from stentor._values.stored import (
        EntryKind,
        MailboxEntry,
        MailboxPage,
        MailboxQuery,
        MailboxSummary,
        StoredMessage,
    )


class MailboxStore(Protocol):
    """Where messages wait for agents that are away: one ordered mailbox for each agent's name.

    A store is open inside an `async with` block. Blocks may be nested, so that a bus can enter a store that its user
    holds open; the end of the outermost closes it, and a later block opens it again. Opening puts back what was handed
    out and never acknowledged, as `release` does. Outside of a block every method raises `trio.ClosedResourceError`.

    Every method is all or nothing, cancelled or not: when it returns, what it did is as lasting as the store promises;
    when it raises, it did nothing. Cancelled while it waits for its turn it does nothing, and once it has begun it
    finishes. Every method is a checkpoint, and any number of tasks may call at once. `StoreError` is what it raises
    when the medium fails.

    `stentor.testing.stores` tests whether an implementation keeps all this.
    """

    async def __aenter__(self) -> Self:
        """Open the store, or enter it once more."""
        ...

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Leave the block; the outermost closes the store."""
        ...

    async def aclose(self) -> None:
        """Close the store now, whoever is inside; calls that have begun finish first. Closing again does nothing."""
        ...

    async def append(
        self, entries: Iterable[MailboxEntry], *, cursors: Mapping[str, str] | None = None
    ) -> tuple[int, ...]:
        """Store all entries, or none, and return their numbers, ascending in the order given.

        Args:
            entries: They may be for several agents.
            cursors: Named positions to be remembered in the same step: how far its source has been read.

        Raises:
            StoreFullError: A mailbox, or the store, has no room.
            UnstorableError: A message has a part that the store cannot keep.
        """
        ...

    async def cursors(self) -> Mapping[str, str]:
        """Return every named position that `append` was given, the latest of each name."""
        ...

    async def read(self, agent: str, *, limit: int = 100, failed: bool = False) -> tuple[StoredMessage, ...]:
        """Hand out unread mail, the oldest first; what has expired is never among it.

        What is handed out is not handed out again until it is released.

        Args:
            agent: Whose mailbox.
            limit: How many at most.
            failed: Whether the messages whose handler failed are handed out too, in their order among the others.
        """
        ...

    async def acknowledge(self, agent: str, ids: Iterable[int]) -> int:
        """Mark messages as done with, so that they never come back, and return how many were not so before.

        Numbers that are not in the mailbox, or no longer, are ignored; dead letters may be acknowledged too.
        """
        ...

    async def release(self, agent: str, ids: Iterable[int] | None = None) -> int:
        """Make unread again what was handed out and not acknowledged, and return how many those are.

        Args:
            agent: Whose mailbox.
            ids: Which numbers; those that are not handed out are ignored. None for all.
        """
        ...

    async def fail(
        self,
        agent: str,
        id: int,
        *,
        failure: str,
        attempts: int = 1,
        kind: EntryKind | str = "failed",
    ) -> bool:
        """Mark a message as failed for good: unread and `FAILED`, or a `DEAD_LETTER`; return whether it was there.

        It must be unread or handed out; if it is neither nothing happens.
        """
        ...

    async def page(self, query: MailboxQuery, *, after: int = 0, limit: int = 100) -> MailboxPage:
        """Return what fulfils `query`, in order of acceptance, behind the number `after`. It changes nothing."""
        ...

    async def count(self, query: MailboxQuery) -> int:
        """Return how many fulfil `query`."""
        ...

    async def mailboxes(self) -> Sequence[MailboxSummary]:
        """Return every mailbox that holds something, by name."""
        ...

    async def purge(self, query: MailboxQuery) -> int:
        """Remove what fulfils `query` for ever, whatever its state, and return how many those were."""
        ...
