"""Claiming: where several share a group, what one has read and never acknowledged is taken over by another.

Who is alive and busy says so: it renews its hold on what its handlers are at, several times in the span after which
others would take that over.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, final

import trio

from stentor.bridge._counting import logger
from stentor.bridge._errors import NONSENSE, ConnectionLost, ReplyError

if TYPE_CHECKING:
    from random import Random

    from stentor.bridge._connection import Connection
    from stentor.bridge._link import Link
    from stentor.bridge._shards import Streams

COUNT: Final = 100
RENEWALS: Final = 4
"""How often a hold is renewed in the time after which it would be over."""


@final
class Claiming:
    """Takes over what others have left, and renews what this node has."""

    def __init__(self, streams: Streams, link: Link, *, node: str, after: float, rng: Random) -> None:
        """Take over what has not been acknowledged `after` seconds."""
        self._streams = streams
        self._link = link
        self._node = node
        self._after = after
        self._rng = rng

    async def run(self) -> None:
        """Do so for ever."""
        while True:
            await trio.sleep(self._after / RENEWALS * self._rng.uniform(0.8, 1.0))
            connection = await self._link.connected()
            try:
                await self._renew(connection)
                for key, group in self._streams.groups.items():
                    if group.startswith("g:"):
                        await self._claim(connection, key, group)
            except ConnectionLost:
                continue
            except ReplyError as error:
                logger.warning("entries could not be claimed: %s", error.text)
            except NONSENSE:
                logger.exception("what the server has sent makes no sense")

    async def _renew(self, connection: Connection) -> None:
        by_key: dict[str, list[bytes]] = {}
        for key, entry_id in self._streams.acknowledging.running:
            by_key.setdefault(key, []).append(entry_id)
        for key, ids in by_key.items():
            group = self._streams.groups[key]
            if group.startswith("g:"):
                await connection.execute("XCLAIM", key, group, self._node, 0, *ids, "JUSTID")

    async def _claim(self, connection: Connection, key: str, group: str) -> None:
        cursor: bytes | str = "0-0"
        idle = int(self._after * 1000)
        while True:
            cursor, entries, *_ = await connection.execute(
                "XAUTOCLAIM", key, group, self._node, idle, cursor, "COUNT", COUNT
            )
            for entry_id, fields in entries:
                await self._streams.take_claimed(connection, key, entry_id, fields)
            if cursor in {b"0-0", "0-0"}:
                return
