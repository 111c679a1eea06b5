"""What `stentor mailbox` does with the file of a store: list, show, export and purge, on standard output.

What is for people is printed so that nothing in a message can do anything to their terminal: every character that
cannot be seen is escaped, line ends included.
"""

from __future__ import annotations

import base64
import json
import sys
import time
from datetime import UTC, datetime
from math import isfinite
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
    table += [[_seen(row["agent"]), *(f"{row[name]:,}" for name in COLUMNS[1:])] for row in rows]
    table.append(["all", *(f"{sum(row[name] for row in rows):,}" for name in COLUMNS[1:])])
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    for agent, *numbers in table:
        cells = (number.rjust(width) for number, width in zip(numbers, widths[1:], strict=True))
        _say("  ".join((agent.ljust(widths[0]), *cells)))


def show(path: Path, query: MailboxQuery, *, after: int, limit: int, full: bool) -> None:
    """Print some messages and, on standard error, how to go on."""

    async def work(store: SQLiteStore) -> None:
        page = await store.page(query, after=after, limit=limit)
        for stored in page.messages:
            whole = json.dumps(_as_json(stored), indent=2, ensure_ascii=False)
            for line in whole.split("\n") if full else [_line(stored)]:
                _say(line)
        if page.cursor is not None:
            sys.stderr.write(f"there are more: --after {page.cursor}\n")
        elif not page.messages:
            sys.stderr.write("no messages\n")

    _with_store(path, work)


def export(path: Path, query: MailboxQuery, *, out: Path | None) -> None:
    """Write messages as JSON, one a line; a file that cannot be written to its end is removed again."""
    if out is None:
        _with_store(path, lambda store: _write(store, query, sys.stdout))
        return
    with out.open("x", encoding="utf-8") as file:
        try:
            _with_store(path, lambda store: _write(store, query, file))
            file.flush()
        except BaseException:
            out.unlink()
            raise


async def _write(store: SQLiteStore, query: MailboxQuery, file: TextIO) -> None:
    cursor: int | None = 0
    while cursor is not None:
        page = await store.page(query, after=cursor, limit=PAGE)
        file.writelines(f"{json.dumps(_as_json(stored))}\n" for stored in page.messages)
        cursor = page.cursor


def purge(path: Path, query: MailboxQuery, *, dry_run: bool) -> None:
    """Remove messages, or say how many it would be."""
    number = _with_store(path, lambda store: store.count(query) if dry_run else store.purge(query))
    messages = "1 message" if number == 1 else f"{number:,} messages"
    _say(f"{messages} would be removed" if dry_run else f"{messages} removed")


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
    """Return a payload as JSON can say it: bytes in base64, under that name, and what it does not know as text."""
    if payload is None or isinstance(payload, (str, int)) or (isinstance(payload, float) and isfinite(payload)):
        return payload
    if isinstance(payload, bytes):
        return {"base64": base64.b64encode(payload).decode("ascii")}
    if isinstance(payload, dict):
        given = cast("dict[object, object]", payload)
        return {key if isinstance(key, str) else repr(key): _plain(value) for key, value in given.items()}
    if isinstance(payload, list):
        return [_plain(each) for each in cast("list[object]", payload)]
    return payload.isoformat() if isinstance(payload, datetime) else repr(payload)


def _say(text: str) -> None:
    """Print a line."""
    encoding = sys.stdout.encoding or "utf-8"
    sys.stdout.write(f"{_seen(text).encode(encoding, 'backslashreplace').decode(encoding)}\n")


def _seen(text: str) -> str:
    """Return a text in which what cannot be seen is escaped as JSON does it."""
    return "".join(each if each.isprintable() else json.dumps(each)[1:-1] for each in text)
