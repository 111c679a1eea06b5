"""Entries as rows of the file and back, and their times as the wall clock has them."""

from __future__ import annotations

import json
from math import inf
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, NamedTuple, final

from stentor import (
    AddressingMode,
    EntryKind,
    Message,
    Priority,
    ReadState,
    StoredMessage,
    StoreError,
    UnstorableError,
)
from stentor.storage._codec import decode, storable_text
from stentor.storage._errors import StoreCorruptError

if TYPE_CHECKING:
    from collections.abc import Callable

    from stentor import MailboxEntry
    from stentor.storage._codec import Encoded

KINDS: Final = tuple(EntryKind)
STATES: Final = tuple(ReadState)
PRIORITIES: Final = {int(priority): priority for priority in Priority}
ADDRESSINGS: Final = {mode.value: mode for mode in AddressingMode}

HANDED_OUT: Final = 2
"""The place of what was read and not acknowledged."""
KEPT: Final = 3
"""The place of what waits for nobody."""
PLACES: Final = (0, 1, HANDED_OUT, KEPT)
"""All places: unread mail and unread failed ones come first."""

NO_HEADERS: Final = MappingProxyType[str, str]({})

OVERHEAD: Final = 160
"""About how many bytes a row takes beside its texts and its payload."""


@final
class Row(NamedTuple):
    """One row of the table `entries`, column by column."""

    id: int
    agent: str
    place: int
    kind: int
    state: int
    stored_at: float
    acknowledged_at: float | None
    expires_at: float | None
    handouts: int
    failure: str | None
    attempts: int
    size: int
    message_id: str
    topic: str
    sender: str | None
    priority: int
    timestamp: float
    ttl: float | None
    deadline: float | None
    content_type: str | None
    headers: str | None
    in_reply_to: str | None
    cause: str | None
    addressing: str
    form: str
    payload: str | bytes


COLUMNS: Final = ", ".join(Row._fields)
"""All columns, in the order of a `Row`."""


@final
class Moment(NamedTuple):
    """One instant on two clocks."""

    wall: float
    """Seconds on the store's clock, by default those since 1970."""
    offset: float
    """What the store's clock is ahead of trio's."""


def encode_entry(entry: MailboxEntry, encode: Callable[[object], Encoded], moment: Moment) -> Row:
    """Return the row of a new entry, whose number is not known yet: 0.

    Raises:
        UnstorableError: Something of it would not come back equal.
    """
    message, offset = entry.message, moment.offset
    texts = (message.sender, message.content_type, message.in_reply_to, message.cause)
    try:
        form, payload = encode(message.payload)
        headers = json.dumps(dict(message.headers)) if message.headers else None
        said = "".join((entry.agent, message.id, message.topic, *filter(None, texts)))
        size = OVERHEAD + len(payload) + len(headers or "") + len(storable_text(said))
    except ValueError as error:
        raise UnstorableError(message.id, str(error)) from error
    kind = 0 if entry.kind is EntryKind.MAIL else KINDS.index(entry.kind)  # hashing an enumeration is slow
    return Row(
        0,
        entry.agent,
        KEPT if entry.kind is EntryKind.DEAD_LETTER else kind,
        kind,
        0,
        moment.wall,
        None,
        None if message.expires_at == inf else message.expires_at + offset,
        0,
        entry.failure if entry.failure is None else printable(entry.failure),
        entry.attempts,
        size,
        message.id,
        message.topic,
        message.sender,
        int(message.priority),
        message.timestamp + offset,
        message.ttl,
        None if message.deadline is None or message.deadline == inf else message.deadline + offset,
        message.content_type,
        headers,
        message.in_reply_to,
        message.cause,
        "topic" if message.addressing is AddressingMode.TOPIC else message.addressing.value,
        form,
        payload,
    )


def printable(text: str) -> str:
    """Return a text for people, in which what UTF-8 does not have is escaped."""
    return text.encode(errors="backslashreplace").decode()


def decode_row(row: Row, moment: Moment, *, handed_out: bool = False) -> StoredMessage:
    """Return the entry of a row, with `handed_out` as it is after that.

    Raises:
        StoreError: Its payload cannot be decoded.
        StoreCorruptError: Another column holds what was never written there.
    """
    try:
        payload = decode(row.form, row.payload)
    except ValueError as error:
        msg = f"stored message {row.id}: {error}"
        raise StoreError(msg) from error
    try:
        return _stored(row, payload, moment.offset, handed_out=handed_out)
    except (LookupError, TypeError, ValueError) as error:
        msg = f"stored message {row.id} is damaged: {error!r}"
        raise StoreCorruptError(msg) from error


def _stored(row: Row, payload: Any, offset: float, *, handed_out: bool) -> StoredMessage:
    message = Message(
        row.topic,
        payload,
        sender=row.sender,
        id=row.message_id,
        timestamp=row.timestamp - offset,
        priority=PRIORITIES[row.priority],
        ttl=row.ttl,
        deadline=None if row.deadline is None else row.deadline - offset,
        content_type=row.content_type,
        headers=NO_HEADERS if row.headers is None else MappingProxyType(json.loads(row.headers)),
        in_reply_to=row.in_reply_to,
        cause=row.cause,
        addressing=ADDRESSINGS[row.addressing],
    )
    return StoredMessage(
        id=row.id,
        agent=row.agent,
        message=message,
        kind=KINDS[row.kind],
        state=ReadState.HANDED_OUT if handed_out else STATES[row.state],
        stored_at=row.stored_at,
        acknowledged_at=row.acknowledged_at,
        handouts=row.handouts + handed_out,
        failure=row.failure,
        attempts=row.attempts,
    )
