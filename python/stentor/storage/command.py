"""What `stentor mailbox` does with the file of a store: list, show, export and purge, on standard output."""

from __future__ import annotations

import base64
import json
import sys
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, TypeVar, cast

import attrs
import trio

from stentor import Retention
from stentor.storage._store import SQLiteStore

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path
    from typing import TextIO

    from stentor import MailboxQuery, StoredMessage

T = TypeVar("T")

SHORT: Final = 100
"""Code points of a payload that are shown unless it is wanted whole."""
PAGE: Final = 1000
"""Messages that are exported in one go."""
COLUMNS: Final = ("agent", "unread", "handed_out", "acknowledged", "expired", "dead_letters", "bytes")


def list_mailboxes(path: Path, *, as_json: bool) -> None:
    """Print the mailboxes with their numbers."""
    rows = [attrs.asdict(summary) for summary in _with_store(path, lambda store: store.mailboxes())]
    if as_json:
        for row in rows:
            _say(json.dumps(row))
        return
    table = [[name.replace("_", " ") for name in COLUMNS]]
    table += [[row["agent"], *(f"{row[name]:,}" for name in COLUMNS[1:])] for row in rows]
    table.append(["all", *(f"{sum(row[name] for row in rows):,}" for name in COLUMNS[1:])])
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    for agent, *numbers in table:
        cells = (number.rjust(width) for number, width in zip(numbers, widths[1:], strict=True))
        _say("  ".join((agent.ljust(widths[0]), *cells)))


def show(path: Path, query: MailboxQuery, *, after: int, limit: int, full: bool) -> None:
    """Print some messages, and how to go on."""

    async def work(store: SQLiteStore) -> None:
        page = await store.page(query, after=after, limit=limit)
        for stored in page.messages:
            _say(json.dumps(_as_json(stored), indent=2, ensure_ascii=False) if full else _line(stored))
        if page.cursor is not None:
            _say(f"there are more: --after {page.cursor}")

    _with_store(path, work)


def export(path: Path, query: MailboxQuery, *, out: Path | None) -> None:
    """Write messages as JSON, one a line."""
    if out is None:
        _with_store(path, lambda store: _write(store, query, sys.stdout))
        return
    with out.open("x", encoding="utf-8") as file:
        _with_store(path, lambda store: _write(store, query, file))


async def _write(store: SQLiteStore, query: MailboxQuery, file: TextIO) -> None:
    cursor: int | None = 0
    while cursor is not None:
        page = await store.page(query, after=cursor, limit=PAGE)
        file.writelines(f"{json.dumps(_as_json(stored))}\n" for stored in page.messages)
        cursor = page.cursor


def purge(path: Path, query: MailboxQuery, *, dry_run: bool) -> None:
    """Remove messages, or say how many it would be."""
    if dry_run:
        _say(f"{_with_store(path, lambda store: store.count(query)):,} messages would be removed")
    else:
        _say(f"{_with_store(path, lambda store: store.purge(query)):,} messages removed")


def _with_store(path: Path, work: Callable[[SQLiteStore], Awaitable[T]]) -> T:
    """Do something with the open store, which keeps all that it finds."""

    async def main() -> T:
        async with SQLiteStore(path, retention=Retention(count=None)) as store:
            return await work(store)

    return trio.run(main)


def _line(stored: StoredMessage) -> str:
    """A message in one line."""
    message = stored.message
    text = json.dumps(_plain(message.payload), ensure_ascii=False)
    payload = text if len(text) <= SHORT else f"{text[:SHORT]}..."
    kind = "" if stored.kind.value == "mail" else f"{stored.kind.value.replace('_', ' ')}, "
    failure = "" if stored.failure is None else f" ({stored.failure})"
    stored_at = datetime.fromtimestamp(stored.stored_at, UTC).isoformat(sep=" ", timespec="seconds")
    sender = "" if message.sender is None else f" from {message.sender}"
    state = stored.state.value.replace("_", " ")
    return f"#{stored.id} {stored_at} {stored.agent}: {kind}{state}{failure}; {message.topic}{sender}: {payload}"


def _as_json(stored: StoredMessage) -> dict[str, Any]:
    """All that is known of a message; its times, too, as seconds since 1970."""
    message, offset = stored.message, time.time() - trio.current_time()
    return {
        "id": stored.id,
        "agent": stored.agent,
        "kind": stored.kind.value,
        "state": stored.state.value,
        "stored_at": stored.stored_at,
        "acknowledged_at": stored.acknowledged_at,
        "handouts": stored.handouts,
        "failure": stored.failure,
        "attempts": stored.attempts,
        "message": {
            "id": message.id,
            "topic": message.topic,
            "sender": message.sender,
            "timestamp": round(message.timestamp + offset, 6),
            "priority": message.priority.name.lower(),
            "ttl": message.ttl,
            "deadline": None if message.deadline is None else round(message.deadline + offset, 6),
            "content_type": message.content_type,
            "headers": dict(message.headers),
            "in_reply_to": message.in_reply_to,
            "cause": message.cause,
            "addressing": message.addressing.value,
            "payload": _plain(message.payload),
        },
    }


def _plain(payload: object) -> object:
    """Return a payload as JSON can say it: bytes in base64, under that name, and keys as text."""
    if isinstance(payload, bytes):
        return {"base64": base64.b64encode(payload).decode("ascii")}
    if isinstance(payload, dict):
        given = cast("dict[object, object]", payload)
        return {key if isinstance(key, str) else repr(key): _plain(value) for key, value in given.items()}
    if isinstance(payload, list):
        return [_plain(each) for each in cast("list[object]", payload)]
    return payload


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
