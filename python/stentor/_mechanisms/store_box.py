"""The stored mailbox of one agent in memory: what waits, what was handed out, and what is kept for audit."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import OrderedDict
from heapq import heapify, heappop, heappush, merge
from itertools import islice
from math import inf
from typing import TYPE_CHECKING, Final, final

from stentor._values.stored import EntryKind, MailboxSummary, ReadState, StoredMessage

if TYPE_CHECKING:
    from collections.abc import Iterable

    from stentor._values.messages import Message
    from stentor._values.stored import MailboxEntry, Retention

SPARE: Final = 64
"""Stale expiries that a mailbox may hold before it is worth removing them."""

AFTER_READING: Final = frozenset({ReadState.ACKNOWLEDGED, ReadState.EXPIRED})
"""The states in which a message waits for nobody."""


@final
class Row:
    """One stored message, as it is now."""

    __slots__ = (
        "acknowledged_at",
        "agent",
        "attempts",
        "failure",
        "handouts",
        "id",
        "kind",
        "message",
        "size",
        "state",
        "stored_at",
    )

    def __init__(self, number: int, entry: MailboxEntry, now: float) -> None:
        """Accept an entry under its number."""
        self.id = number
        self.agent = entry.agent
        self.message = entry.message
        self.kind = entry.kind
        self.failure = entry.failure
        self.attempts = entry.attempts
        self.state = ReadState.UNREAD
        self.stored_at = now
        self.acknowledged_at: float | None = None
        self.handouts = 0
        self.size = _size(entry.message)

    def record(self) -> StoredMessage:
        """Return it as it is now."""
        return StoredMessage(
            id=self.id,
            agent=self.agent,
            message=self.message,
            kind=self.kind,
            state=self.state,
            stored_at=self.stored_at,
            acknowledged_at=self.acknowledged_at,
            handouts=self.handouts,
            failure=self.failure,
            attempts=self.attempts,
        )


def _size(message: Message) -> int:
    """Return about how many bytes a message takes: of a payload that is no text and no bytes, its `repr` does."""
    payload = message.payload
    body = len(payload) if isinstance(payload, (str, bytes)) else len(repr(payload))
    return body + len(message.topic) + len(message.id) + sum(len(k) + len(v) for k, v in message.headers.items())


@final
class Box:
    """The mailbox of one agent. Every row is in `rows`, and in one of `unread`, `handed_out` and `kept`."""

    __slots__ = ("_expiries", "bytes", "handed_out", "kept", "kept_bytes", "rows", "unread")

    def __init__(self) -> None:
        """Make an empty mailbox."""
        self.rows: dict[int, Row] = {}
        # An OrderedDict: a dict from whose front items are taken walks over the holes again and again.
        self.unread = {kind: OrderedDict[int, Row]() for kind in (EntryKind.MAIL, EntryKind.FAILED)}
        self.handed_out: dict[int, Row] = {}
        self.kept: list[int] = []
        self.bytes = 0
        self.kept_bytes = 0
        self._expiries: list[tuple[float, int]] = []

    @property
    def waiting(self) -> int:
        """How many are unread or handed out."""
        return sum(map(len, self.unread.values())) + len(self.handed_out)

    def add(self, row: Row) -> None:
        """Take in a new row."""
        self.rows[row.id] = row
        self.bytes += row.size
        if row.kind is EntryKind.DEAD_LETTER:
            self._keep(row)
        else:
            self._wait([row])

    def add_as(self, row: Row, state: ReadState) -> None:
        """Take in a row in the state in which it was in another mailbox."""
        self.add(row)
        if state is ReadState.HANDED_OUT:
            self._leave(row)
            self.handed_out[row.id] = row
            row.state = state
        elif state in AFTER_READING and row.kind is not EntryKind.DEAD_LETTER:
            self._done(row, state)

    def _wait(self, rows: Iterable[Row]) -> None:
        """Make rows unread, each in its place by number."""
        for row in rows:
            row.state = ReadState.UNREAD
            queue = self.unread[row.kind]
            late = queue and next(reversed(queue)) > row.id
            queue[row.id] = row
            if late:
                self.unread[row.kind] = OrderedDict(sorted(queue.items()))
            if row.message.expires_at < inf:
                heappush(self._expiries, (row.message.expires_at, row.id))

    def _keep(self, row: Row) -> None:
        insort(self.kept, row.id)
        self.kept_bytes += row.size

    def _unkeep(self, row: Row) -> None:
        del self.kept[bisect_left(self.kept, row.id)]
        self.kept_bytes -= row.size

    def _leave(self, row: Row) -> None:
        """Take a row out of the place that its state gives it."""
        if row.kind is EntryKind.DEAD_LETTER or row.state in AFTER_READING:
            self._unkeep(row)
        elif row.state is ReadState.HANDED_OUT:
            del self.handed_out[row.id]
        else:
            del self.unread[row.kind][row.id]

    def expire(self, now: float) -> None:
        """Set aside what is unread and past its time; amortised O(log n) for each message that can expire."""
        while self._expiries and self._expiries[0][0] <= now:
            row = self.rows.get(heappop(self._expiries)[1])
            if row is not None and row.state is ReadState.UNREAD and row.kind is not EntryKind.DEAD_LETTER:
                self._done(row, ReadState.EXPIRED)
        if len(self._expiries) > SPARE + 2 * sum(map(len, self.unread.values())):
            unread = (row for queue in self.unread.values() for row in queue.values())
            self._expiries = [(row.message.expires_at, row.id) for row in unread if row.message.expires_at < inf]
            heapify(self._expiries)

    def _done(self, row: Row, state: ReadState) -> None:
        self._leave(row)
        row.state = state
        self._keep(row)

    def hand_out(self, limit: int, *, failed: bool) -> list[Row]:
        """Hand out what is unread, the oldest first; O(limit)."""
        kinds = (EntryKind.MAIL, EntryKind.FAILED) if failed else (EntryKind.MAIL,)
        rows = list(islice(merge(*(self.unread[kind].values() for kind in kinds), key=lambda row: row.id), limit))
        for row in rows:
            self._leave(row)
            row.state = ReadState.HANDED_OUT
            row.handouts += 1
            self.handed_out[row.id] = row
        return rows

    def acknowledge(self, row: Row, now: float) -> bool:
        """Mark a row as done with; return whether it was not so before."""
        if row.state is ReadState.ACKNOWLEDGED:
            return False
        self._done(row, ReadState.ACKNOWLEDGED)
        row.acknowledged_at = now
        return True

    def release(self, ids: Iterable[int] | None) -> int:
        """Make unread again what was handed out, all of it or these; near O(n) in what is unread then."""
        out = self.handed_out
        rows = dict(out) if ids is None else {number: out[number] for number in ids if number in out}
        for number in rows:
            del out[number]
        for kind in {row.kind for row in rows.values()}:
            back = {number: row for number, row in rows.items() if row.kind is kind}
            queue = self.unread[kind]
            self.unread[kind] = OrderedDict()
            self._wait(back.values())
            self.unread[kind] = OrderedDict(sorted([*self.unread[kind].items(), *queue.items()]))
        return len(rows)

    def fail(self, row: Row, failure: str, attempts: int, kind: EntryKind) -> bool:
        """Mark a row that waits as failed; return whether it waited."""
        if row.kind is EntryKind.DEAD_LETTER or row.state not in {ReadState.UNREAD, ReadState.HANDED_OUT}:
            return False
        self._leave(row)
        row.kind, row.failure, row.attempts, row.state = kind, failure, attempts, ReadState.UNREAD
        if kind is EntryKind.DEAD_LETTER:
            self._keep(row)
        else:
            self._wait([row])
        return True

    def remove(self, row: Row) -> None:
        """Forget a row."""
        self._leave(row)
        del self.rows[row.id]
        self.bytes -= row.size

    def tidy(self, retention: Retention, now: float) -> None:
        """Remove what retention does not keep, the oldest first."""
        while self.kept and self._is_beyond(retention, now):
            self.remove(self.rows[self.kept[0]])

    def _is_beyond(self, retention: Retention, now: float) -> bool:
        return (
            (retention.count is not None and len(self.kept) > retention.count)
            or (retention.bytes is not None and self.kept_bytes > retention.bytes)
            or (retention.age is not None and self.rows[self.kept[0]].stored_at < now - retention.age)
        )

    def summary(self, agent: str) -> MailboxSummary:
        """Return the mailbox in numbers; O(rows)."""
        done = [row.state for row in self.rows.values() if row.kind is not EntryKind.DEAD_LETTER]
        return MailboxSummary(
            agent=agent,
            unread=sum(map(len, self.unread.values())),
            handed_out=len(self.handed_out),
            acknowledged=done.count(ReadState.ACKNOWLEDGED),
            expired=done.count(ReadState.EXPIRED),
            dead_letters=len(self.rows) - len(done),
            bytes=self.bytes,
        )
