"""Stored mailboxes in memory: what `MemoryStore` decides, at once, told the time."""

from __future__ import annotations

from heapq import merge
from itertools import count, islice
from math import inf
from typing import TYPE_CHECKING, final

from stentor._mechanisms.store_box import Box, Row
from stentor._values.store_errors import StoreFullError
from stentor._values.stored import EntryKind, MailboxEntry, MailboxPage

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from stentor._values.stored import MailboxQuery, MailboxSummary, Retention, StoredMessage


@final
class StoredMailboxes:
    """All mailboxes of a `MemoryStore`; every method is one step, and takes the time where time matters."""

    __slots__ = ("_boxes", "_capacity", "_numbers", "_retention", "cursors")

    def __init__(self, *, capacity: int, retention: Retention) -> None:
        """Hold nothing yet, and in each mailbox at most `capacity` that wait."""
        self._boxes: dict[str, Box] = {}
        self._numbers = count(1)
        self._capacity = capacity
        self._retention = retention
        self.cursors: dict[str, str] = {}

    def records(self) -> tuple[StoredMessage, ...]:
        """Return every message as it is now, in order of acceptance; O(rows)."""
        return tuple(row.record() for row in merge(*(box.rows.values() for box in self._boxes.values()), key=_number))

    def adopt(self, records: Iterable[StoredMessage]) -> None:
        """Hold what `records` says, as it was, instead of nothing; O(n log n)."""
        last = 0
        for record in records:
            entry = MailboxEntry(
                record.agent, record.message, kind=record.kind, failure=record.failure, attempts=record.attempts
            )
            row = Row(record.id, entry, record.stored_at)
            row.handouts, row.acknowledged_at = record.handouts, record.acknowledged_at
            self._boxes.setdefault(row.agent, Box()).add_as(row, record.state)
            last = record.id
        self._numbers = count(last + 1)

    def append(self, entries: Sequence[MailboxEntry], cursors: Mapping[str, str], now: float) -> tuple[int, ...]:
        """Store all entries, or none."""
        self._check_room(entries, now)
        touched: set[str] = set()
        rows = [Row(next(self._numbers), entry, now) for entry in entries]
        for row in rows:
            self._boxes.setdefault(row.agent, Box()).add(row)
            touched.add(row.agent)
        self.cursors.update(cursors)
        for agent in touched:
            self._tidy(agent, now)
        return tuple(row.id for row in rows)

    def _check_room(self, entries: Sequence[MailboxEntry], now: float) -> None:
        more: dict[str, int] = {}
        for entry in entries:
            if entry.kind is not EntryKind.DEAD_LETTER:
                more[entry.agent] = more.get(entry.agent, 0) + 1
        full = tuple(name for name, n in more.items() if self._waiting(name, now) + n > self._capacity)
        if full:
            names = ", ".join(map(repr, full))
            msg = f"more than {self._capacity} messages would wait in the stored mailbox of {names}"
            raise StoreFullError(msg, full)

    def _waiting(self, agent: str, now: float) -> int:
        box = self._current(agent, now)
        return 0 if box is None else box.waiting

    def _current(self, agent: str, now: float) -> Box | None:
        """Return the mailbox as it is now: what has expired is set aside, and what need not be kept is gone."""
        self._tidy(agent, now)
        return self._boxes.get(agent)

    def _tidy(self, agent: str, now: float) -> None:
        box = self._boxes.get(agent)
        if box is not None:
            box.expire(now)
            box.tidy(self._retention, now)
            if not box.rows:
                del self._boxes[agent]

    def read(self, agent: str, *, limit: int, failed: bool, now: float) -> tuple[StoredMessage, ...]:
        """Hand out unread mail, the oldest first."""
        box = self._current(agent, now)
        return () if box is None else tuple(row.record() for row in box.hand_out(limit, failed=failed))

    def acknowledge(self, agent: str, ids: Iterable[int], now: float) -> int:
        """Mark messages as done with; return how many were not so before."""
        box = self._current(agent, now)
        if box is None:
            return 0
        changed = sum(box.acknowledge(box.rows[number], now) for number in ids if number in box.rows)
        self._tidy(agent, now)
        return changed

    def release(self, agent: str, ids: Iterable[int] | None) -> int:
        """Make unread again what was handed out: all of it, or these."""
        box = self._boxes.get(agent)
        return 0 if box is None else box.release(ids)

    def release_all(self) -> None:
        """Make unread again what was handed out to anybody."""
        for box in self._boxes.values():
            box.release(None)

    def fail(self, agent: str, number: int, *, failure: str, attempts: int, kind: EntryKind, now: float) -> bool:
        """Mark a message as failed for good; return whether it was there."""
        box = self._current(agent, now)
        row = None if box is None else box.rows.get(number)
        if box is None or row is None or not box.fail(row, failure, attempts, kind):
            return False
        self._tidy(agent, now)
        return True

    def page(self, query: MailboxQuery, *, after: int, limit: int, now: float) -> MailboxPage:
        """Return the part of what fulfils `query` behind the number `after`; O(rows of the mailboxes asked)."""
        rows = list(islice((row for row in self._found(query, now) if row.id > after), limit + 1))
        cursor = rows[limit - 1].id if len(rows) > limit else None
        return MailboxPage(messages=tuple(row.record() for row in rows[:limit]), cursor=cursor)

    def count(self, query: MailboxQuery, now: float) -> int:
        """Return how many rows fulfil `query`."""
        return sum(1 for _ in self._found(query, now))

    def purge(self, query: MailboxQuery, now: float) -> int:
        """Remove what fulfils `query`."""
        rows = list(self._found(query, now))
        for row in rows:
            self._boxes[row.agent].remove(row)
        for agent in {row.agent for row in rows}:
            self._tidy(agent, now)
        return len(rows)

    def mailboxes(self, now: float) -> tuple[MailboxSummary, ...]:
        """Return every mailbox that holds something, by name."""
        for agent in list(self._boxes):
            self._tidy(agent, now)
        return tuple(box.summary(agent) for agent, box in sorted(self._boxes.items()))

    def _found(self, query: MailboxQuery, now: float) -> Iterator[Row]:
        for agent in list(self._boxes) if query.agent is None else [query.agent]:
            self._tidy(agent, now)
        boxes = self._boxes.values() if query.agent is None else filter(None, [self._boxes.get(query.agent)])
        fulfils = _predicate(query)
        return filter(fulfils, merge(*(box.rows.values() for box in boxes), key=lambda row: row.id))


def _number(row: Row) -> int:
    return row.id


def _predicate(query: MailboxQuery) -> Callable[[Row], bool]:
    """Return what tells whether a row fulfils everything said in `query`."""
    since = -inf if query.since is None else query.since
    until = inf if query.until is None else query.until

    def fulfils(row: Row) -> bool:
        message = row.message
        return (
            since <= row.stored_at < until
            and (query.ids is None or row.id in query.ids)
            and (query.message_id is None or message.id == query.message_id)
            and (query.senders is None or message.sender in query.senders)
            and (query.min_priority is None or message.priority >= query.min_priority)
            and (query.states is None or row.state in query.states)
            and (query.kinds is None or row.kind in query.kinds)
        )

    return fulfils
