"""The hash slots of a Redis Cluster.

Algorithm: https://redis.io/docs/latest/operate/oss_and_stack/reference/cluster-spec/, "Key distribution model".
"""

from __future__ import annotations

from binascii import crc_hqx
from typing import Final

SLOTS: Final = 16_384


def slot_of(key: str | bytes) -> int:
    """Return the slot of a key, or of its hash tag where it has one: what stands between `{` and the next `}`.

    Example:
        >>> slot_of("user:1"), slot_of("{sim}:a") == slot_of("{sim}:b") == slot_of("sim")
        (10778, True)
    """
    name = key.encode() if isinstance(key, str) else key
    start = name.find(b"{")
    if start >= 0:
        end = name.find(b"}", start + 1)
        if end > start + 1:
            name = name[start + 1 : end]
    return crc_hqx(name, 0) % SLOTS  # the CRC-16 of XMODEM, which is the one that the cluster uses
