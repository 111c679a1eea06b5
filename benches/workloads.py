"""The matching workloads M1 to M6: subscriptions and topics from a seed, the same for stentor and for its peers.

Patterns are in the ``mailbox`` dialect without globs, so that other grammars can say the same: ``*`` is one segment,
``**`` zero or more.
"""

from __future__ import annotations

import dataclasses
import itertools
import random

SEED = 1977
HOT_TOPICS = 100
COLD_TOPICS = 200_000
ZIPF_EXPONENT = 1.1

_WORLDS, _ROOMS, _KINDS, _NUMBERS = 8, 20, 50, 40
_AGENTS_PER_SUBSCRIPTION = 10


@dataclasses.dataclass(frozen=True)
class Workload:
    """Subscriptions, and topics that are looked up."""

    name: str
    patterns: list[str]
    topics: list[str]

    def zipf_topics(self, count: int, *, distinct: int = COLD_TOPICS) -> list[str]:
        """Return lookups of which few topics have most: the n-th topic comes 1 / n ** 1.1 as often as the first."""
        topics = self.topics[:distinct]
        weights = [1 / place**ZIPF_EXPONENT for place in range(1, len(topics) + 1)]
        return random.Random(SEED).choices(topics, weights, k=count)

    def hot_topics(self, count: int) -> list[str]:
        """Return lookups of 100 topics in random order."""
        return random.Random(SEED).choices(self.topics[:HOT_TOPICS], k=count)


def mixed(size: int, *, topics: int = COLD_TOPICS, tails_only: bool = False) -> Workload:
    """M1: 70 % exact, 20 % with one ``*``, 10 % with one ``**``; half of the topics are subscribed exactly.

    Args:
        size: How many subscriptions.
        topics: How many topics, distinct as far as the exact subscriptions go.
        tails_only: Whether ``**`` stands last only, as grammars with a final multi wildcard need it.
    """
    rng = random.Random(SEED)
    exact = _distinct(rng, size, size * 7 // 10)
    single = [_with_single(rng, _path(rng, size)) for _ in range(size // 5)]
    multi = [_with_multi(rng, _path(rng, size), tails_only=tails_only) for _ in range(size - len(exact) - len(single))]
    patterns = [".".join(path) for path in exact + single + multi]
    rng.shuffle(patterns)
    subscribed = [".".join(exact[place % len(exact)]) for place in range(topics // 2)]
    lookups = subscribed + [".".join(path) for path in _distinct(rng, size, topics - len(subscribed))]
    rng.shuffle(lookups)
    return Workload("mixed", patterns, lookups)


def all_wildcards(size: int, *, topics: int = COLD_TOPICS, tails_only: bool = False) -> Workload:
    """M2: no exact pattern; 50 % with one ``*``, 30 % with two, 20 % with one ``**``.

    Args:
        size: How many subscriptions.
        topics: How many distinct topics.
        tails_only: Whether ``**`` stands last only.
    """
    rng = random.Random(SEED)
    patterns = [".".join(_with_single(rng, _path(rng, size))) for _ in range(size // 2)]
    patterns += [".".join(_with_single(rng, _with_single(rng, _path(rng, size)))) for _ in range(size * 3 // 10)]
    rest = size - len(patterns)
    patterns += [".".join(_with_multi(rng, _path(rng, size), tails_only=tails_only)) for _ in range(rest)]
    rng.shuffle(patterns)
    return Workload("all wildcards", patterns, [".".join(path) for path in _distinct(rng, size, topics)])


def wide() -> Workload:
    """M3: 8 words, every path of one to five of them, and wildcards above; some topics miss at the last segment."""
    words = [f"word{number}" for number in range(8)]
    paths = [path for depth in range(1, 6) for path in itertools.product(words, repeat=depth)]
    patterns = [".".join(path) for path in paths]
    patterns += [f"{first}.**" for first in words]
    patterns += [".".join([*path, "**"]) for path in itertools.product(words, repeat=3)]
    patterns += [f"{first}.*.*.{fourth}.*" for first, fourth in itertools.product(words, repeat=2)]
    rng = random.Random(SEED)
    topics = [".".join(path) for path in rng.sample(paths, 10_000)]
    topics += [".".join([*path[:4], "nobody"]) for path in rng.sample(paths[-(8**5) :], 2_000)]
    rng.shuffle(topics)
    return Workload("wide", patterns, topics)


def devices(*, agents: int = 80, patterns_each: int = 1000, topics: int = 20_000) -> Workload:
    """M4: each agent subscribes to ``device.<id>.*.<n>.**``; topics of ten levels, exactly one hit each.

    Args:
        agents: How many ids.
        patterns_each: How many patterns each has.
        topics: How many distinct topics.
    """
    rng = random.Random(SEED)
    patterns = [f"device.{agent}.*.{number}.**" for agent in range(agents) for number in range(patterns_each)]
    lookups = [
        f"device.{rng.randrange(agents)}.part{place}.{rng.randrange(patterns_each)}.a.b.c.d.e.f"
        for place in range(topics)
    ]
    return Workload("devices", patterns, lookups)


def changes(count: int) -> list[str]:
    """M5: patterns that are added and removed between lookups: fresh replies, and three kinds of wildcard.

    Args:
        count: How many.
    """
    rng = random.Random(SEED)
    kinds = [(f"reply.r{place}", f"agent.{rng.randrange(1000)}.*", "room.*.msg.3", "*") for place in range(count)]
    return [texts[place % len(texts)] for place, texts in enumerate(kinds)]


def one_shot_topics(count: int) -> list[str]:
    """M6: topics that come once and never again.

    Args:
        count: How many.
    """
    return [f"once.t{place}.done" for place in range(count)]


def _path(rng: random.Random, size: int) -> list[str]:
    agents = max(1, size // _AGENTS_PER_SUBSCRIPTION)
    return [
        f"world{rng.randrange(_WORLDS)}",
        f"room{rng.randrange(_ROOMS)}",
        f"agent{rng.randrange(agents)}",
        f"kind{rng.randrange(_KINDS)}",
        f"n{rng.randrange(_NUMBERS)}",
    ]


def _distinct(rng: random.Random, size: int, count: int) -> list[list[str]]:
    found: dict[tuple[str, ...], None] = {}
    while len(found) < count:
        found[tuple(_path(rng, size))] = None
    return [list(path) for path in found]


def _with_single(rng: random.Random, path: list[str]) -> list[str]:
    place = rng.randrange(len(path))
    return [*path[:place], "*", *path[place + 1 :]]


def _with_multi(rng: random.Random, path: list[str], *, tails_only: bool) -> list[str]:
    """Return ``a.b.c.**``, ``a.**.d.c`` or ``**.c.d.e``."""
    kind = 0 if tails_only else rng.randrange(3)
    if kind == 0:
        return [*path[:3], "**"]
    return [path[0], "**", *path[3:]] if kind == 1 else ["**", *path[2:]]
