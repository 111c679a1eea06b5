"""What can be done with the mailboxes of the file: the statements, inside a transaction that somebody else ends."""

# ruff: noqa: S608 - statements are put together from constants of this package; values are always bound

from __future__ import annotations

import json
from math import inf
from typing import TYPE_CHECKING, Any, Final, final

from attrs import frozen

from stentor import EntryKind, MailboxPage, MailboxQuery, ReadState, StoreFullError
from stentor.storage._query import condition, within
from stentor.storage._rows import COLUMNS, HANDED_OUT, KEPT, KINDS, PLACES, STATES, Row, decode_row
from stentor.storage._sums import Sums

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Mapping, Sequence

    from stentor import MailboxSummary, Retention, StoredMessage
    from stentor.storage._rows import Moment

_UNREAD, _HANDED_OUT, _ACKNOWLEDGED, _EXPIRED = (STATES.index(state) for state in ReadState)
_LARGEST: Final = 2**63 - 1
"""The largest number that a file can hold."""
_INSERT: Final = f"INSERT INTO entries ({COLUMNS}) VALUES ({', '.join('?' * len(Row._fields))})"


@final
@frozen(kw_only=True)
class Limits:
    """How much there may be."""

    capacity: int
    """Messages that wait in one mailbox."""
    quota: int | None
    """Bytes of the file that are in use."""
    retention: Retention
    """What is kept of what waits for nobody."""


@final
class Mailboxes:
    """All mailboxes of one file. After an error the object is of no use any more, unless it was a refusal."""

    def __init__(self, connection: sqlite3.Connection, limits: Limits) -> None:
        """Read the sums; O(mailboxes)."""
        self._connection = connection
        self._limits = limits
        self._sums = Sums(connection)
        self._new: list[tuple[Any, ...]] = []
        self._next_expiry = -inf
        row = connection.execute("SELECT seq FROM sqlite_sequence WHERE name = 'entries'").fetchone()
        self._last = 0 if row is None else int(row[0])

    def run(self, operation: Callable[[Mailboxes], Any]) -> tuple[Any, StoreFullError | None]:
        """Run an operation and return its outcome; a refusal is one, any other failure is raised."""
        try:
            return operation(self), None
        except StoreFullError as error:
            return None, error

    def write(self) -> None:
        """Write what was put off to the end of the transaction."""
        self._insert()
        self._sums.write()

    # -- putting in ---------------------------------------------------------------------------------------------------

    def append(self, rows: Sequence[Row], cursors: Mapping[str, str], now: float) -> tuple[int, ...]:
        """Take in rows; they are inserted with those of the appends that follow, in one go."""
        self.expire(now)
        self._check_room(rows)
        first = self._last + 1
        self._last += len(rows)
        by_age = self._limits.retention.age is not None
        untidy: set[str] = set()
        for number, row in enumerate(rows, first):
            self._new.append((number, *row[1:]))
            self._sums.add(row.agent, (row.kind, 0), 1, row.size)
            if row.expires_at is not None and row.expires_at < self._next_expiry:
                self._next_expiry = row.expires_at
            if by_age or row.place == KEPT:
                untidy.add(row.agent)
        if cursors:
            self._connection.executemany("REPLACE INTO cursors VALUES (?, ?)", list(cursors.items()))
        for agent in untidy:
            self._tidy(agent, now)
        return tuple(range(first, self._last + 1))

    def _check_room(self, rows: Sequence[Row]) -> None:
        capacity, quota = self._limits.capacity, self._limits.quota
        more: dict[str, int] = {}
        for row in rows:
            if row.place != KEPT:
                more[row.agent] = more.get(row.agent, 0) + 1
        full = tuple(agent for agent, n in more.items() if self._sums.waiting(agent) + n > capacity)
        if full:
            names = ", ".join(map(repr, full))
            msg = f"more than {capacity} messages would wait in the stored mailbox of {names}"
            raise StoreFullError(msg, full)
        if quota is not None:
            self._insert()
            if self.used() + sum(row.size for row in rows) > quota:
                msg = f"the store would use more than its quota of {quota} bytes"
                raise StoreFullError(msg)

    def used(self) -> int:
        """Return how many bytes of the file hold something."""
        (pages,), (free,), (size,) = (
            self._connection.execute(f"PRAGMA {what}").fetchone()
            for what in ("page_count", "freelist_count", "page_size")
        )
        return int((pages - free) * size)

    def _insert(self) -> None:
        if self._new:
            rows, self._new = self._new, []
            self._connection.executemany(_INSERT, rows)

    # -- taking out ---------------------------------------------------------------------------------------------------

    def read(self, agent: str, *, limit: int, failed: bool, moment: Moment) -> tuple[StoredMessage, ...]:
        """Hand out what is unread, the oldest first; O(limit)."""
        self.expire(moment.wall)
        self._insert()
        rows = self._in_order(agent, (0, 1) if failed else (0,), "true", [], after=0, limit=min(limit, _LARGEST))
        for place in {row.place for row in rows}:
            self._connection.execute(
                f"UPDATE entries SET place = {HANDED_OUT}, state = {_HANDED_OUT}, handouts = handouts + 1 "
                "WHERE agent = ? AND place = ? AND id <= ?",
                (agent, place, max(row.id for row in rows if row.place == place)),
            )
        for kind in {row.kind for row in rows}:
            sizes = [row.size for row in rows if row.kind == kind]
            self._sums.move(agent, (kind, _UNREAD), (kind, _HANDED_OUT), len(sizes), sum(sizes))
        return tuple(decode_row(row, moment, handed_out=True) for row in rows)

    def acknowledge(self, agent: str, ids: Sequence[int], now: float) -> int:
        """Mark entries as done with; O(ids)."""
        self.expire(now)
        self._insert()
        text, values = within("id", list(ids))
        found = self._connection.execute(
            f"SELECT id, kind, state, size FROM entries WHERE {text} AND agent = ? AND state <> {_ACKNOWLEDGED}",
            (*values, agent),
        ).fetchall()
        self._connection.execute(
            f"UPDATE entries SET place = {KEPT}, state = {_ACKNOWLEDGED}, acknowledged_at = ? WHERE {text}",
            (now, json.dumps([number for number, *_ in found])),
        )
        for kind, state in {row[1:3] for row in found}:
            sizes = [row[3] for row in found if row[1:3] == (kind, state)]
            self._sums.move(agent, (kind, state), (kind, _ACKNOWLEDGED), len(sizes), sum(sizes))
        self._tidy(agent, now)
        return len(found)

    def release(self, agent: str, ids: Sequence[int] | None = None) -> int:
        """Make unread again what was handed out, all of it or these; O(what was)."""
        self._insert()
        which, values = ("true", []) if ids is None else within("id", list(ids))
        which = f"agent = ? AND place = {HANDED_OUT} AND {which}"
        found = self._connection.execute(
            f"SELECT kind, count(*), sum(size) FROM entries WHERE {which} GROUP BY kind", (agent, *values)
        ).fetchall()
        self._connection.execute(f"UPDATE entries SET place = kind, state = {_UNREAD} WHERE {which}", (agent, *values))
        for kind, entries, size in found:
            self._sums.move(agent, (kind, _HANDED_OUT), (kind, _UNREAD), entries, size)
        self._next_expiry = -inf
        return sum(entries for _, entries, _ in found)

    def release_all(self) -> None:
        """Make unread again what was handed out to anybody; O(what was)."""
        for agent in self._sums.handed_out():
            self.release(agent)

    def fail(self, agent: str, number: int, *, failure: str, attempts: int, kind: EntryKind, now: float) -> bool:
        """Give an entry that waits another kind, unread."""
        self.expire(now)
        self._insert()
        row = self._connection.execute(
            f"SELECT kind, state, size FROM entries WHERE id = ? AND agent = ? AND place < {KEPT}",
            (min(number, _LARGEST), agent),
        ).fetchone()
        if row is None:
            return False
        to = KINDS.index(kind)
        place = KEPT if kind is EntryKind.DEAD_LETTER else to
        self._connection.execute(
            f"UPDATE entries SET place = ?, kind = ?, state = {_UNREAD}, failure = ?, attempts = ? WHERE id = ?",
            (place, to, failure, attempts, number),
        )
        self._sums.move(agent, (row[0], row[1]), (to, _UNREAD), 1, row[2])
        self._next_expiry = -inf
        self._tidy(agent, now)
        return True

    # -- looking at ---------------------------------------------------------------------------------------------------

    def page(self, query: MailboxQuery, *, after: int, limit: int, moment: Moment) -> MailboxPage:
        """Return a part of what fulfils `query`; O(limit), and what is passed over on the way."""
        after, limit = min(after, _LARGEST), min(limit, _LARGEST - 1)
        self._look(query, moment.wall)
        text, values = condition(query)
        if query.agent is None:
            statement = f"SELECT {COLUMNS} FROM entries WHERE {text} AND id > ? ORDER BY id LIMIT ?"
            rows = list(map(Row._make, self._connection.execute(statement, (*values, after, limit + 1))))
        else:
            rows = self._in_order(query.agent, PLACES, text, values, after=after, limit=limit + 1)
        cursor = rows[limit - 1].id if len(rows) > limit else None
        return MailboxPage(messages=tuple(decode_row(row, moment) for row in rows[:limit]), cursor=cursor)

    def count(self, query: MailboxQuery, now: float) -> int:
        """Return how many fulfil `query`; O(mailboxes) when it asks for agent, kind and state only."""
        self._look(query, now)
        if query == MailboxQuery(agent=query.agent, kinds=query.kinds, states=query.states):
            return self._sums.count(query)
        text, values = condition(query)
        (count,) = self._connection.execute(f"SELECT count(*) FROM entries WHERE {text}", values).fetchone()
        return int(count)

    def summaries(self, now: float) -> tuple[MailboxSummary, ...]:
        """Return all mailboxes in numbers."""
        self._look(None, now)
        return tuple(self._sums.summary(agent) for agent in self._sums.agents)

    def cursors(self) -> dict[str, str]:
        """Return all named positions."""
        return dict(self._connection.execute("SELECT name, value FROM cursors"))

    def purge(self, query: MailboxQuery, now: float) -> int:
        """Remove what fulfils `query`; O(what does), and what is passed over on the way."""
        self._look(query, now)
        text, values = condition(query)
        found = self._connection.execute(
            f"SELECT agent, kind, state, count(*), sum(size) FROM entries WHERE {text} GROUP BY agent, kind, state",
            values,
        ).fetchall()
        self._connection.execute(f"DELETE FROM entries WHERE {text}", values)
        for agent, kind, state, entries, size in found:
            self._sums.add(agent, (kind, state), -entries, -size)
        return sum(row[3] for row in found)

    def _look(self, query: MailboxQuery | None, now: float) -> None:
        """Bring what is asked for up to date."""
        self.expire(now)
        self._insert()
        if self._limits.retention.age is not None:
            for agent in self._sums.agents if query is None or query.agent is None else [query.agent]:
                self._tidy(agent, now)

    def _in_order(
        self, agent: str, places: Sequence[int], text: str, values: Sequence[Any], *, after: int, limit: int
    ) -> list[Row]:
        """Return the first rows of some places of a mailbox by number, each place read in order and no further."""
        part = (
            f"SELECT * FROM (SELECT {COLUMNS} FROM entries INDEXED BY entries_by_place "
            f"WHERE agent = ? AND place = ? AND id > ? AND {text} ORDER BY id LIMIT ?)"
        )
        bound = [each for place in places for each in (agent, place, after, *values, limit)]
        statement = f"{' UNION ALL '.join([part] * len(places))} ORDER BY id LIMIT ?"
        return list(map(Row._make, self._connection.execute(statement, [*bound, limit])))

    # -- time and room ------------------------------------------------------------------------------------------------

    def expire(self, now: float) -> None:
        """Set aside what is unread and past its time; O(what is), and nothing at all before the first is due."""
        if now < self._next_expiry:
            return
        self._insert()
        due = f"place < {HANDED_OUT} AND expires_at <= ?"
        found = self._connection.execute(
            f"SELECT agent, kind, count(*), sum(size) FROM entries WHERE {due} GROUP BY agent, kind", (now,)
        ).fetchall()
        if found:
            self._connection.execute(f"UPDATE entries SET place = {KEPT}, state = {_EXPIRED} WHERE {due}", (now,))
        for agent, kind, entries, size in found:
            self._sums.move(agent, (kind, _UNREAD), (kind, _EXPIRED), entries, size)
            self._tidy(agent, now)
        (first,) = self._connection.execute(
            f"SELECT min(expires_at) FROM entries WHERE place < {HANDED_OUT} AND expires_at IS NOT NULL"
        ).fetchone()
        self._next_expiry = inf if first is None else first

    def _tidy(self, agent: str, now: float) -> None:
        """Remove what retention does not keep, the oldest first."""
        retention = self._limits.retention
        entries, size = self._sums.kept(agent)
        most = inf if retention.count is None else retention.count
        most_bytes = inf if retention.bytes is None else retention.bytes
        oldest = -inf if retention.age is None else now - retention.age
        if not entries or (entries <= most and size <= most_bytes and oldest == -inf):
            return
        self._insert()
        gone: list[tuple[int]] = []
        kept = self._connection.execute(
            "SELECT id, kind, state, size, stored_at FROM entries INDEXED BY entries_by_place "
            f"WHERE agent = ? AND place = {KEPT} ORDER BY id",
            (agent,),
        )
        for number, kind, state, taken, stored_at in kept:
            if entries <= most and size <= most_bytes and stored_at >= oldest:
                break
            gone.append((number,))
            entries, size = entries - 1, size - taken
            self._sums.add(agent, (kind, state), -1, -taken)
        kept.close()
        self._connection.executemany("DELETE FROM entries WHERE id = ?", gone)
