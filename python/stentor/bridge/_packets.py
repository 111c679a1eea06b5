"""Packets: of what goes to a stream at once, several messages are one entry, which is read and acknowledged as one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, cast

from stentor.bridge._errors import ReplyError
from stentor.bridge._transport import Verdict

if TYPE_CHECKING:
    from collections.abc import Sequence

    from stentor.bridge._frames import Entry
    from stentor.bridge._transport import Command

FIELD: Final = b"e"
"""The name of every field of an entry; each holds an envelope."""
PACKET: Final = 16
"""Envelopes in one entry at most."""
PACKET_BYTES: Final = 2**16
"""Bytes from which on an entry takes no further envelope, about."""


def packets_of(entries: Sequence[Entry]) -> list[tuple[str, list[int]]]:
    """Return which messages go into one entry: for each its stream, and the places of the messages."""
    packets: list[tuple[str, list[int]]] = []
    last: dict[str, tuple[list[int], int]] = {}
    none: list[int] = []
    for place, entry in enumerate(entries):
        scope = entry.scope
        places, size = last.get(scope, (none, 0))
        if not places or len(places) == PACKET or size >= PACKET_BYTES:
            places, size = list[int](), 0
            packets.append((scope, places))
        places.append(place)
        last[scope] = places, size + entry.size
    return packets


def commands_of(entries: Sequence[Entry], frames: Sequence[bytes]) -> list[Command]:
    """Return what appends messages, as these envelopes: a transaction, unless it is one packet."""
    adds: list[Command] = [
        ("XADD", scope, "*", *(word for place in places for word in (FIELD, frames[place])))
        for scope, places in packets_of(entries)
    ]
    return adds if len(adds) == 1 else [("MULTI",), *adds, ("EXEC",)]


def verdict_on(entries: Sequence[Entry], replies: Sequence[object]) -> Verdict:
    """Return what became of messages, by the replies to what `commands_of` returned."""
    packets = packets_of(entries)
    results = replies if len(packets) == 1 else replies[-1]
    if isinstance(results, (list, tuple)):
        results = cast("Sequence[object]", results)
        error = next((each for each in results if isinstance(each, ReplyError)), None)
        if error is None and len(results) == len(packets):
            return Verdict(list(entries), [], None)
        confirmed = [
            entries[place]
            for (_scope, places), reply in zip(packets, results, strict=True)
            if not isinstance(reply, ReplyError)
            for place in places
        ]
        return Verdict(confirmed, [], error)
    first = next((each for each in replies if isinstance(each, ReplyError)), None)
    return Verdict([], [], first or ReplyError("ERR the transaction was not done"))
