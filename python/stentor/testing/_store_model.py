"""A mailbox store written to be obviously right: one list, every operation a plain loop, no thought of speed."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from stentor import EntryKind, ReadState, StoreFullError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from stentor import MailboxEntry, MailboxQuery, Message, Retention


@dataclass
class Entry:
    """One message."""

    id: int
    agent: str
    message: Message
    kind: EntryKind
    stored_at: float
    state: ReadState = ReadState.UNREAD
    handouts: int = 0

    @property
    def waits(self) -> bool:
        """Whether it is unread mail, or handed out."""
        return self.kind is not EntryKind.DEAD_LETTER and self.state in {ReadState.UNREAD, ReadState.HANDED_OUT}

    @property
    def seen(self) -> tuple[object, ...]:
        """What a caller can see of it, times aside."""
        return self.id, self.agent, self.message.payload, self.kind, self.state, self.handouts


@dataclass
class StoreModel:
    """All mailboxes; times are those of trio's clock."""

    capacity: int
    retention: Retention
    entries: list[Entry] = field(default_factory=list[Entry])
    last: int = 0

    def bring_up_to_date(self, now: float) -> None:
        """Expire what is past its time, then drop what need not be kept."""
        for entry in self.entries:
            if entry.waits and entry.state is ReadState.UNREAD and entry.message.expires_at <= now:
                entry.state = ReadState.EXPIRED
        for agent in {entry.agent for entry in self.entries}:
            kept = [entry for entry in self.entries if entry.agent == agent and not entry.waits]
            while kept and self._is_beyond(kept, now):
                self.entries.remove(kept.pop(0))

    def _is_beyond(self, kept: list[Entry], now: float) -> bool:
        count, age = self.retention.count, self.retention.age
        return (count is not None and len(kept) > count) or (age is not None and kept[0].stored_at < now - age)

    def append(self, entries: Iterable[MailboxEntry], now: float) -> list[int]:
        """Store all entries, or none."""
        more = [
            Entry(self.last + number, given.agent, given.message, given.kind, now)
            for number, given in enumerate(entries, 1)
        ]
        for agent in {entry.agent for entry in more}:
            if sum(entry.agent == agent and entry.waits for entry in self.entries + more) > self.capacity and any(
                entry.agent == agent and entry.waits for entry in more
            ):
                raise StoreFullError(agent)
        self.entries += more
        self.last += len(more)
        self.bring_up_to_date(now)
        return [entry.id for entry in more]

    def read(self, agent: str, limit: int, *, failed: bool) -> list[Entry]:
        """Hand out unread mail."""
        kinds = {EntryKind.MAIL, EntryKind.FAILED} if failed else {EntryKind.MAIL}
        unread = [e for e in self.entries if e.agent == agent and e.kind in kinds and e.state is ReadState.UNREAD]
        for entry in unread[:limit]:
            entry.state = ReadState.HANDED_OUT
            entry.handouts += 1
        return unread[:limit]

    def acknowledge(self, agent: str, ids: Iterable[int], now: float) -> int:
        """Mark as done with."""
        found = [e for e in self.entries if e.agent == agent and e.id in ids and e.state is not ReadState.ACKNOWLEDGED]
        for entry in found:
            entry.state = ReadState.ACKNOWLEDGED
        self.bring_up_to_date(now)
        return len(found)

    def release(self, agent: str, ids: Iterable[int] | None = None) -> int:
        """Make unread again what was handed out."""
        out = [e for e in self.entries if e.agent == agent and e.state is ReadState.HANDED_OUT]
        found = out if ids is None else [e for e in out if e.id in ids]
        for entry in found:
            entry.state = ReadState.UNREAD
        return len(found)

    def fail(self, agent: str, number: int, kind: EntryKind, now: float) -> bool:
        """Mark as failed for good."""
        found = [e for e in self.entries if e.agent == agent and e.id == number and e.waits]
        for entry in found:
            entry.kind, entry.state = kind, ReadState.UNREAD
        self.bring_up_to_date(now)
        return bool(found)

    def find(self, query: MailboxQuery) -> list[Entry]:
        """Return what fulfils `query`."""
        return [entry for entry in self.entries if _fulfils(entry, query)]

    def purge(self, query: MailboxQuery) -> int:
        """Remove what fulfils `query`."""
        found = self.find(query)
        self.entries = [entry for entry in self.entries if entry not in found]
        return len(found)

    def reopen(self) -> None:
        """Close and open."""
        for agent in {entry.agent for entry in self.entries}:
            self.release(agent)


def _fulfils(entry: Entry, query: MailboxQuery) -> bool:
    return all(
        wanted is None or has
        for wanted, has in (
            (query.agent, entry.agent == query.agent),
            (query.ids, entry.id in (query.ids or ())),
            (query.message_id, entry.message.id == query.message_id),
            (query.senders, entry.message.sender in (query.senders or ())),
            (query.min_priority, entry.message.priority >= (query.min_priority or 0)),
            (query.states, entry.state in (query.states or ())),
            (query.kinds, entry.kind in (query.kinds or ())),
        )
    )
