"""Several processes, one bus: messages cross by way of a Redis server. Needs `stentor[redis]`."""

from __future__ import annotations

from stentor.bridge._bridge import RedisBridge as RedisBridge
from stentor.bridge._counting import BridgeStatistics as BridgeStatistics
from stentor.bridge._errors import UnsendableError as UnsendableError
from stentor.bridge._gaps import Gap as Gap
from stentor.bridge._gaps import GapKind as GapKind
from stentor.bridge._link import LinkTiming as LinkTiming

for _value in (BridgeStatistics, Gap, GapKind, LinkTiming, RedisBridge, UnsendableError):
    _value.__module__ = "stentor.bridge"
del _value
