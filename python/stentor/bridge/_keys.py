"""The names that a namespace uses in Redis. All hold `{namespace}`, so that they lie in one slot of a cluster."""

from __future__ import annotations

import re
from typing import Final, final

WIRE: Final = "st1"
"""The version of everything on the wire. One that others could not read would be another prefix, beside this one."""
_NAME: Final = re.compile(r"[A-Za-z0-9_.:-]{1,64}")


def check_name(argument: str, name: object) -> str:
    """Return `name`, which goes into keys, channels and access rules as it is.

    Raises:
        TypeError: It is no text.
        ValueError: It is empty or too long, or holds something else than letters, digits and `_.:-`.
    """
    if not isinstance(name, str):
        msg = f"{argument} must be of type str, not {type(name).__name__}"
        raise TypeError(msg)
    if _NAME.fullmatch(name) is None:
        msg = f"{argument} must be 1 to 64 letters, digits and _ . : - only, not {name!r}"
        raise ValueError(msg)
    return name


@final
class Keys:
    """Keys and channels of one namespace.

    Example:
        >>> keys = Keys("sim")
        >>> keys.channel("ai.models"), keys.stream(0)
        ('st1:{sim}:p:ai.models', 'st1:{sim}:s:0')
    """

    __slots__ = ("agents", "control", "dead", "everything", "prefix", "topics")

    def __init__(self, namespace: str) -> None:
        """Name everything after `namespace`."""
        self.prefix: Final = f"{WIRE}:{{{check_name('namespace', namespace)}}}"
        self.topics: Final = f"{self.prefix}:p:"
        """What the channel of a topic begins with."""
        self.everything: Final = f"{self.prefix}:all"
        """The one channel for all topics, where channels cannot be subscribed to by pattern."""
        self.control: Final = f"{self.prefix}:b"
        """The channel of beacons, roll calls and the directory."""
        self.agents: Final = f"{self.prefix}:agents"
        """A hash: the name of each agent, and the node that has it."""
        self.dead: Final = f"{self.prefix}:dead"
        """A stream of entries that could not be read."""

    def channel(self, topic: str) -> str:
        """Return the channel of a topic."""
        return self.topics + topic

    def inbox(self, node: str) -> str:
        """Return the channel of what is for one node alone: what is sent to its agents, and replies."""
        return f"{self.prefix}:n:{node}"

    def stream(self, shard: int) -> str:
        """Return the stream of a shard."""
        return f"{self.prefix}:s:{shard}"

    def node(self, node: str) -> str:
        """Return the key that is there for as long as the node is."""
        return f"{self.prefix}:node:{node}"

    def seen(self, group: str) -> str:
        """Return the hash of how far a consumer group has read of each origin."""
        return f"{self.prefix}:seen:{group}"
