"""Which server to connect to: asked anew before every connect, since the answer changes when a server fails."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, TypeAlias, final

from attrs import frozen

from stentor.bridge._address import Endpoint
from stentor.bridge._errors import ConnectionLost, ReplyError
from stentor.bridge._opening import open_connection

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from stentor.bridge._address import Address
    from stentor.bridge._connection import Connection

_MOVED_WORDS: Final = 3


@final
@frozen
class _Slots:
    """A run of hash slots, and who serves it."""

    first: int
    last: int
    nodes: tuple[Endpoint, ...]
    """The primary, then its replicas."""


_Question: TypeAlias = "Callable[[Connection, Endpoint], Awaitable[Address | None]]"


@final
class Locator:
    """Finds the primary behind an address: the server itself, what the Sentinels name, or the owner of a hash slot.

    Args:
        address: Where to begin.
        slot: The hash slot whose owner is wanted; needed in a cluster, and of no use elsewhere.
        timeout: Seconds that each of those who are asked has.
    """

    def __init__(self, address: Address, *, slot: int | None, timeout: float) -> None:
        if address.kind == "cluster" and slot is None:
            msg = "slot must be given for the address of a cluster"
            raise ValueError(msg)
        self._address = address
        self._slot = slot
        self._timeout = timeout
        self._nodes = address.endpoints
        self._moved: Endpoint | None = None

    async def locate(self) -> Address:
        """Return the address of the one server to connect to now.

        Raises:
            ConnectionLost: Nobody can tell.
            ReplyError: Whoever could tell does not let us in.
        """
        if self._address.kind == "sentinel":
            return await self._first(self._address.sentinels(), self._ask_sentinel)
        if self._address.kind == "cluster":
            if self._moved is not None:
                moved, self._moved = self._moved, None
                return self._address.at(moved)
            return await self._first([self._address.at(node) for node in self._nodes], self._ask_node)
        return self._address

    def follow(self, error: ReplyError) -> bool:
        """Take the owner that a `MOVED` error names for the next answer; return whether it names one."""
        words = error.text.split()
        if error.code != "MOVED" or self._address.kind != "cluster" or len(words) < _MOVED_WORDS:
            return False
        host, _colon, port = words[2].rpartition(":")
        if not (host and port.isascii() and port.isdigit()):
            return False
        self._moved = Endpoint(host, int(port))
        return True

    async def _first(self, asked: Sequence[Address], question: _Question) -> Address:
        """Return the first answer of those who are asked in turn."""
        refusal: ReplyError | None = None
        reason = ""
        for each in asked:
            try:
                async with open_connection(each, timeout=self._timeout, name="stentor-locator") as connection:
                    answer = await question(connection, each.endpoints[0])
                if answer is not None:
                    return answer
                reason = f"{each.endpoints[0]} does not know"
            except ConnectionLost as error:
                reason = error.reason
            except ReplyError as error:
                refusal = error
        if refusal is not None:
            raise refusal
        msg = f"none of {len(asked)} tells where the primary is: {reason}"
        raise ConnectionLost(msg)

    async def _ask_sentinel(self, connection: Connection, _endpoint: Endpoint) -> Address | None:
        found = await connection.execute("SENTINEL", "GET-MASTER-ADDR-BY-NAME", self._address.service)
        if found is None:
            return None
        host, port = found
        return self._address.at(Endpoint(host.decode(), int(port)))

    async def _ask_node(self, connection: Connection, endpoint: Endpoint) -> Address | None:
        runs = [_slots(entry, endpoint) for entry in await connection.execute("CLUSTER", "SLOTS")]
        # Whoever answered is asked first the next time, then those it knows, then those that were given.
        known = (node for run in runs for node in run.nodes)
        self._nodes = tuple(dict.fromkeys([endpoint, *known, *self._address.endpoints]))
        for run in runs:
            if self._slot is not None and run.first <= self._slot <= run.last:
                return self._address.at(run.nodes[0])
        return None


def _slots(entry: Any, asked: Endpoint) -> _Slots:
    """Return what an entry of the reply to `CLUSTER SLOTS` says; a node without a host is the one asked."""
    first, last, *nodes = entry
    places = (Endpoint(node[0].decode() if node[0] else asked.host, int(node[1])) for node in nodes)
    return _Slots(int(first), int(last), tuple(places))
