"""The directory: which node has which agents, so that they can be addressed by name from every process.

Every node tells the others its names, all of them at first and on a roll call, and then what changes. It has its names
for as long as something comes from it; a node that has been silent for too long has none, and is asked for them when it
is heard of again. A name that two nodes have is disputed: each of the two sees it in what the other tells.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final, final

import trio

import stentor
from stentor.bridge._body import Presence

if TYPE_CHECKING:
    from collections.abc import Callable

logger: Final = logging.getLogger("stentor.bridge")


MOST_NODES: Final = 4096
"""Nodes that are known at once, and silent ones that are remembered."""


@final
class _Node:
    __slots__ = ("heard", "names", "origin", "version")

    def __init__(self, origin: bytes) -> None:
        self.origin = origin
        self.names: dict[str, None] = {}
        self.version = 0
        self.heard = 0.0


@final
class Directory:
    """Agents of other nodes by name; the bridge's recipient stands in for them on the bus."""

    def __init__(
        self,
        extension: stentor.Extension,
        *,
        node: str,
        origin: bytes,
        shared: Callable[[str], bool],
        reachable: Callable[[str], bool],
        expiry: float,
        say: Callable[[Presence], object],
        ask: Callable[[], object],
    ) -> None:
        """Know nobody.

        Args:
            extension: What the bridge is to the bus.
            node: The bridge's own node.
            origin: Its own origin.
            shared: Says whether others may address an agent of this bus by that name.
            reachable: Says whether this bus may address an agent elsewhere by that name.
            expiry: Seconds of silence after which a node has no agents.
            say: Tells the other nodes.
            ask: Has all nodes tell all their names.
        """
        self._extension = extension
        self._node = node
        self._origin = origin
        self._shared = shared
        self._reachable = reachable
        self._expiry = expiry
        self._say = say
        self._ask = ask
        self._agent: stentor.Agent | None = None
        self._nodes: dict[str, _Node] = {}
        self._silent: dict[str, None] = {}
        self._node_of: dict[str, str] = {}
        self._version = 0
        self._own = set(extension.agents())
        self._there: dict[str, None] = {}
        self._gone: dict[str, None] = {}
        self.disputed: dict[str, str] = {}
        """Names that an agent here and one at another node have; which node."""
        self.doubled = ""
        """The origin of another process that calls itself by the name of this node, if there is one."""
        self._arrivals = trio.lowlevel.ParkingLot()
        self.on_dispute: Callable[[str, str], object] = _nothing

    def __len__(self) -> int:
        """Return how many agents of other nodes there are."""
        return len(self._node_of)

    def start(self, agent: stentor.Agent) -> None:
        """Let `agent` stand in for agents of other nodes."""
        self._agent = agent

    def node_of(self, name: str) -> str | None:
        """Return the node that has an agent of that name, or None."""
        return self._node_of.get(name)

    async def has(self, name: str) -> None:
        """Wait until there is an agent of that name at another node."""
        while name not in self._node_of:
            await self._arrivals.park()

    # -- what this node tells -------------------------------------------------------------------------------------

    def changed(self, name: str, *, there: bool) -> None:
        """Take note that an agent of this bus has come or gone."""
        (self._own.add if there else self._own.discard)(name)
        if self._shared(name):
            (self._there if there else self._gone)[name] = None
            (self._gone if there else self._there).pop(name, None)
        if not there:
            self._settle(name)

    def flush(self) -> None:
        """Tell the others what has changed."""
        if self._there or self._gone:
            self._version += 1
            self._say(Presence(self._node, self._version, whole=False, there=list(self._there), gone=list(self._gone)))
            self._there.clear()
            self._gone.clear()

    def introduce(self) -> None:
        """Tell the others all names of this node."""
        self._there.clear()
        self._gone.clear()
        self._version += 1
        names = [name for name in self._extension.agents() if self._shared(name)]
        self._say(Presence(self._node, self._version, whole=True, there=names, gone=[]))

    # -- what others tell -----------------------------------------------------------------------------------------

    def heard(self, node: str, origin: bytes, now: float) -> None:
        """Take note that a node is there."""
        if node == self._node:
            if origin.hex() != self.doubled:
                self.doubled = origin.hex()
                logger.error("another process calls itself node %r too; names of nodes must differ", node)
            return
        known = self._nodes.get(node)
        if known is not None:
            known.heard = now
        elif node in self._silent:
            del self._silent[node]
            self._ask()

    def take(self, presence: Presence, origin: bytes, now: float) -> None:
        """Take note of the agents that a node has."""
        if presence.node == self._node:
            return
        known = self._nodes.get(presence.node)
        if known is None or known.origin != origin:
            if known is not None:
                self.leave(presence.node)
            elif len(self._nodes) >= MOST_NODES:
                return
            known = self._nodes[presence.node] = _Node(origin)
        known.heard = now
        if presence.version <= known.version:
            return
        if not presence.whole and presence.version != known.version + 1:
            self._ask()
        known.version = presence.version
        there = dict.fromkeys(name for name in presence.there if self._is_name(name))
        gone = presence.gone if not presence.whole else [name for name in known.names if name not in there]
        for name in gone:
            known.names.pop(name, None)
            self._settle(name)
        for name in there:
            known.names[name] = None
            self._settle(name)

    def _is_name(self, name: str) -> bool:
        try:
            self._reachable(name)
        except ValueError:
            logger.warning("a node has an agent whose name is none here: %r", name[:100])
            return False
        return not name.startswith("_stentor")

    def expire(self, now: float) -> None:
        """Forget the nodes that have been silent for too long."""
        for node, known in list(self._nodes.items()):
            if now - known.heard > self._expiry:
                logger.warning("node %r has been silent for %.3g s: its agents are gone", node, now - known.heard)
                self.leave(node)
                self._silent[node] = None
                if len(self._silent) > MOST_NODES:
                    del self._silent[next(iter(self._silent))]

    def leave(self, node: str) -> None:
        """Take note that a node is gone."""
        self._silent.pop(node, None)
        known = self._nodes.pop(node, None)
        for name in known.names if known is not None else ():
            self._settle(name)

    def _settle(self, name: str) -> None:
        """Decide who has a name now."""
        holders = [node for node, known in self._nodes.items() if name in known.names]
        had = self._node_of.get(name)
        if had is not None and had not in holders:
            del self._node_of[name]
            if self._agent is not None:
                self._extension.stand_down(name, self._agent)
        if not holders:
            self.disputed.pop(name, None)
            return
        if name in self._own:
            self._dispute(name, holders[0])
            return
        self.disputed.pop(name, None)
        if name not in self._node_of and self._agent is not None and self._reachable(name):
            try:
                self._extension.stand_in(name, self._agent)
            except stentor.AlreadyRegisteredError:
                self._dispute(name, holders[0])
            else:
                self._node_of[name] = holders[0]
                self._arrivals.unpark_all()
        if len(holders) > 1:
            logger.error("agent %r is at several nodes: %s", name, ", ".join(map(repr, holders)))

    def _dispute(self, name: str, node: str) -> None:
        if self.disputed.get(name) != node:
            self.disputed[name] = node
            logger.error("the name %r is taken twice: by an agent here, and by one at node %r", name, node)
            self.on_dispute(name, node)


def _nothing(*_: object) -> None:
    pass
