"""Gaps: what a bridge knows that it has missed. A loss that nobody is told of is what a bridge must not have."""

from __future__ import annotations

from enum import Enum
from typing import final

from attrs import frozen


class GapKind(Enum):
    """How a bridge knows that something is missing.

    Example:
        >>> import stentor.bridge
        >>> stentor.bridge.GapKind("hole").name
        'HOLE'
    """

    HOLE = "hole"
    """Numbers are missing in what came from an origin: so many messages are lost to this process."""
    DOWN = "down"
    """The connection was interrupted; if anything was lost meanwhile, holes tell how much."""
    SUCCEEDED = "succeeded"
    """A node has come back as another incarnation: what the one before had accepted and not sent is lost, and nobody
    can say how much that is."""
    RESET = "reset"
    """The server has lost its data: what was not read yet is lost, and holes tell how much."""
    TRIMMED = "trimmed"
    """A stream outgrew its limit, and entries were removed that somebody had not acknowledged."""


@final
@frozen(kw_only=True)
class Gap:
    """Something is missing, or may be.

    Example:
        >>> import stentor.bridge
        >>> print(stentor.bridge.Gap(kind=stentor.bridge.GapKind.HOLE, node="rome", scope="ai.models", missing=3))
        hole: 3 messages from node 'rome' on 'ai.models' are missing
    """

    kind: GapKind
    """How it was found."""
    node: str = ""
    """The node whose messages are missing, as far as it is known."""
    scope: str = ""
    """Where: a topic, the inbox of a node, or a shard."""
    missing: int | None = None
    """How many messages are missing for sure, or None where nobody can say."""
    seconds: float = 0.0
    """DOWN: for how long."""
    reason: str = ""
    """In words, what led to it."""

    def __str__(self) -> str:
        """Say it in words."""
        if self.kind is GapKind.DOWN:
            return f"down: the connection was interrupted for {self.seconds:.3g} s: {self.reason}"
        many = "an unknown number of" if self.missing is None else f"{self.missing}"
        where = f" on {self.scope!r}" if self.scope else ""
        whose = f" from node {self.node!r}" if self.node else ""
        why = f": {self.reason}" if self.reason else ""
        return f"{self.kind.value}: {many} messages{whose}{where} are missing{why}"
