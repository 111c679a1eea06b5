"""Trimming: streams are cut back to what somebody has yet to acknowledge, and beyond that only at a limit, and aloud.

Redis itself trims in silence: whoever had not read what is gone is told by nothing but the numbers. So a bridge asks
every group first, and what it removes beyond what all are done with is a gap that it reports.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, cast, final

import trio

from stentor.bridge._counting import logger
from stentor.bridge._errors import NONSENSE, ConnectionLost, ReplyError
from stentor.bridge._gaps import Gap, GapKind

if TYPE_CHECKING:
    from collections.abc import Mapping
    from random import Random

    from stentor.bridge._clock import AnchoredClock
    from stentor.bridge._connection import Connection
    from stentor.bridge._counting import Counts
    from stentor.bridge._link import Link

INTERVAL: Final = 5.0
"""Seconds between two looks at a stream, about."""


@final
class Trimming:
    """Cuts the streams of one bridge back, for ever; any number of bridges may do so at once."""

    def __init__(
        self,
        groups: Mapping[str, str],
        link: Link,
        counts: Counts,
        clock: AnchoredClock,
        *,
        rng: Random,
        max_length: int,
        max_age: float | None,
    ) -> None:
        """Cut back the streams that `groups` names, each with the group of this bridge.

        Args:
            groups: The group by which this bridge reads each stream.
            link: By which connection.
            counts: Is told of what was removed unacknowledged.
            clock: Tells the time.
            rng: Of when to look.
            max_length: Entries beyond which a stream is cut back whoever has not read it.
            max_age: Seconds after which an entry is removed whoever has not read it, or None.
        """
        self._groups = groups
        self._link = link
        self._counts = counts
        self._clock = clock
        self._rng = rng
        self._max_length = max_length
        self._max_age = max_age
        self.trimmed = 0
        self.longest = 0
        """Entries of the longest stream at the last look."""
        self.lag = 0
        """Entries that this bridge had not read at the last look."""

    async def run(self) -> None:
        """Look at the streams now and then, for ever."""
        while True:
            await trio.sleep(INTERVAL * self._rng.uniform(0.5, 1.0))
            connection = await self._link.connected()
            try:
                await self.look(connection)
            except ConnectionLost:
                continue
            except ReplyError as error:
                logger.warning("streams could not be trimmed: %s", error.text)
            except NONSENSE:
                logger.exception("what the server has sent makes no sense")

    async def look(self, connection: Connection) -> None:
        """Cut each stream back once.

        Raises:
            ReplyError: It is forbidden.
            ConnectionLost: It was done or not.
        """
        longest = lag = 0
        for key, own in self._groups.items():
            groups = await _groups(connection, key)
            lag += sum(int(each.get("lag") or 0) for each in groups if each["name"] == own.encode())
            least = await self._least_needed(connection, key, groups)
            if least is not None:
                self.trimmed += await connection.execute("XTRIM", key, "MINID", "~", least)
            length = await connection.execute("XLEN", key)
            if length > self._max_length or self._max_age is not None:
                length -= await self._cut(connection, key, length)
            longest = max(longest, length)
        self.longest, self.lag = longest, lag

    async def _least_needed(self, connection: Connection, key: str, groups: list[dict[str, Any]]) -> str | None:
        """Return the first id that some group has not acknowledged, or None if there are no groups."""
        needed: list[tuple[int, int]] = []
        for group in groups:
            if group["pending"]:
                summary = await connection.execute("XPENDING", key, group["name"])
                if summary[1] is not None:
                    needed.append(_number(summary[1]))
                    continue
            time, number = _number(group["last-delivered-id"])
            needed.append((time, number + 1))
        return "{}-{}".format(*min(needed)) if needed else None

    async def _cut(self, connection: Connection, key: str, length: int) -> int:
        """Remove what is beyond a limit, and say so."""
        removed = 0
        if length > self._max_length:
            removed += await connection.execute("XTRIM", key, "MAXLEN", "~", self._max_length)
        if self._max_age is not None:
            oldest = max(0, self._clock.milliseconds() - int(self._max_age * 1000))
            removed += await connection.execute("XTRIM", key, "MINID", "~", oldest)
        if removed:
            self.trimmed += removed
            reason = f"{removed} entries that not all groups had acknowledged were removed, at the limit of the stream"
            self._counts.gap(Gap(kind=GapKind.TRIMMED, scope=key, reason=reason))
        return removed


async def _groups(connection: Connection, key: str) -> list[dict[str, Any]]:
    try:
        found = await connection.execute("XINFO", "GROUPS", key)
    except ReplyError as error:
        if error.code == "ERR":
            return []  # there is no such stream
        raise
    return [{name.decode(): value for name, value in cast("dict[bytes, Any]", each).items()} for each in found]


def _number(entry_id: bytes) -> tuple[int, int]:
    time, _, number = entry_id.decode().partition("-")
    return int(time), int(number)
