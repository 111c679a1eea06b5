"""How many entries each mailbox has of each kind and state, kept beside the entries so that nothing need be counted."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias, final

from stentor import EntryKind, MailboxSummary, ReadState
from stentor.storage._rows import KINDS, STATES

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable

    from stentor import MailboxQuery

Cell: TypeAlias = "tuple[int, int]"
"""A kind and a state, by their numbers."""

_DEAD = KINDS.index(EntryKind.DEAD_LETTER)
_UNREAD, _HANDED_OUT, _ACKNOWLEDGED, _EXPIRED = (STATES.index(state) for state in ReadState)


def waits(cell: Cell) -> bool:
    """Whether entries of a kind and state are unread mail, or handed out."""
    kind, state = cell
    return kind != _DEAD and state <= _HANDED_OUT


@final
class Sums:
    """The table `sums`, in memory; what a transaction changes is written at its end."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        """Read the table; O(mailboxes)."""
        self._connection = connection
        self._of: dict[str, dict[Cell, list[int]]] = {}
        self._waiting: dict[str, int] = {}
        self._changed: set[tuple[str, Cell]] = set()
        for agent, kind, state, entries, size in connection.execute("SELECT * FROM sums"):
            self._of.setdefault(agent, {})[kind, state] = [entries, size]
            if waits((kind, state)):
                self._waiting[agent] = self._waiting.get(agent, 0) + entries

    @property
    def agents(self) -> list[str]:
        """The names of all mailboxes that hold something."""
        return sorted(self._of)

    def add(self, agent: str, cell: Cell, entries: int, size: int) -> None:
        """Count that a mailbox has more, or fewer, of a kind and state."""
        cells = self._of.setdefault(agent, {})
        sums = cells.setdefault(cell, [0, 0])
        sums[0] += entries
        sums[1] += size
        self._changed.add((agent, cell))
        if waits(cell):
            self._waiting[agent] = self._waiting.get(agent, 0) + entries
        if not sums[0]:
            del cells[cell]
            if not cells:
                del self._of[agent]
                self._waiting.pop(agent, None)

    def move(self, agent: str, source: Cell, target: Cell, entries: int, size: int) -> None:
        """Count that entries have another kind or state now."""
        self.add(agent, target, entries, size)
        self.add(agent, source, -entries, -size)

    def waiting(self, agent: str) -> int:
        """How many entries of a mailbox are unread mail, or handed out."""
        return self._waiting.get(agent, 0)

    def kept(self, agent: str) -> tuple[int, int]:
        """How many entries of a mailbox wait for nobody, and their bytes."""
        sums = [sums for cell, sums in self._of.get(agent, {}).items() if not waits(cell)]
        return sum(entries for entries, _ in sums), sum(size for _, size in sums)

    def handed_out(self) -> list[str]:
        """The mailboxes of which something is handed out."""
        return [agent for agent, cells in self._of.items() if any(state == _HANDED_OUT for _, state in cells)]

    def count(self, query: MailboxQuery) -> int:
        """How many entries fulfil what `query` says of agent, kind and state."""
        agents: Iterable[str] = self._of if query.agent is None else [query.agent]
        return sum(
            entries
            for agent in agents
            for (kind, state), (entries, _) in self._of.get(agent, {}).items()
            if (query.kinds is None or KINDS[kind] in query.kinds)
            and (query.states is None or STATES[state] in query.states)
        )

    def summary(self, agent: str) -> MailboxSummary:
        """One mailbox in numbers."""
        cells = self._of[agent]

        def of(state: int) -> int:
            return sum(entries for (kind, each), (entries, _) in cells.items() if kind != _DEAD and each == state)

        return MailboxSummary(
            agent=agent,
            unread=of(_UNREAD),
            handed_out=of(_HANDED_OUT),
            acknowledged=of(_ACKNOWLEDGED),
            expired=of(_EXPIRED),
            dead_letters=sum(entries for (kind, _), (entries, _) in cells.items() if kind == _DEAD),
            bytes=sum(size for _, size in cells.values()),
        )

    def write(self) -> None:
        """Write what has changed since the last time, within the transaction that changed it."""
        if not self._changed:
            return
        rows = [(agent, *cell, *self._of.get(agent, {}).get(cell, (0, 0))) for agent, cell in self._changed]
        self._changed.clear()
        self._connection.executemany("REPLACE INTO sums VALUES (?, ?, ?, ?, ?)", [row for row in rows if row[3]])
        gone = [row[:3] for row in rows if not row[3]]
        if gone:
            self._connection.executemany("DELETE FROM sums WHERE agent = ? AND kind = ? AND state = ?", gone)
