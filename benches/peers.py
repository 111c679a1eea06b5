"""Other ways to match topics in Python, each behind the same three calls; those that are not installed are left out.

Each says the ``mailbox`` patterns of the workloads in its own grammar. Where its grammar cannot say the same, `Peer`
says what it answers instead.
"""

from __future__ import annotations

import dataclasses
import fnmatch
import functools
import importlib
import importlib.util
import re
from typing import TYPE_CHECKING, Any, Literal

import stentor
from stentor import _native

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


@dataclasses.dataclass(frozen=True)
class Lookup:
    """Subscriptions that a peer holds."""

    match: Callable[[str], int]
    """How many match a topic; 1 for some, where the peer only knows whether any does."""
    add: Callable[[str], Any]
    """Adds a pattern and returns what removes it."""
    remove: Callable[[Any], object]
    """Takes back what was added."""


@dataclasses.dataclass(frozen=True)
class Peer:
    """A way to match topics."""

    name: str
    open: Callable[[Sequence[str]], Lookup]
    """Makes the subscriptions."""
    module: str | None = None
    """What must be installed."""
    most: int = 1_000_000
    """The most subscriptions with which it is worth waiting for."""
    answers: Literal["all", "any", "more"] = "all"
    """All matches, or whether any matches, or more than stentor's because its star crosses segments."""
    tails_only: bool = False
    """Whether its multi wildcard stands last only."""

    @property
    def is_installed(self) -> bool:
        """Whether what it needs can be imported."""
        if self.module is None:
            return True
        package, _, _ = self.module.partition(".")
        return importlib.util.find_spec(package) is not None


def _stentor_cold(patterns: Sequence[str]) -> Lookup:
    return _stentor(stentor.Matcher(cache_capacity=0), patterns)


def _stentor_cached(patterns: Sequence[str]) -> Lookup:
    return _stentor(stentor.Matcher(), patterns)


def _stentor(matcher: stentor.Matcher[int], patterns: Sequence[str]) -> Lookup:
    for place, pattern in enumerate(patterns):
        matcher.add(pattern, place)
    match = matcher.match

    def add(pattern: str) -> int:
        return matcher.add(pattern, -1)

    return Lookup(lambda topic: len(match(topic)), add, matcher.remove)


def _index(patterns: Sequence[str]) -> Lookup:
    """Open the native index, called from Python without matcher, cache or values."""
    index = _native.Index("mailbox")
    index.add_many(list(patterns))
    match = index.match
    return Lookup(lambda topic: len(match(topic)), index.add, index.remove)


def _paho(patterns: Sequence[str]) -> Lookup:
    """Open the trie of dicts of the MQTT client; several subscribers of one filter share a list."""
    matcher: Any = importlib.import_module("paho.mqtt.matcher").MQTTMatcher()

    def match(topic: str) -> int:
        return len([value for values in matcher.iter_match(topic.replace(".", "/")) for value in values])

    def add(pattern: str) -> str:
        text = "#" if pattern == "*" else pattern.replace(".", "/").replace("**", "#").replace("*", "+")
        try:
            matcher[text].append(text)
        except KeyError:
            matcher[text] = [text]
        return text

    def remove(text: str) -> None:
        values = matcher[text]
        values.pop()
        if not values:
            del matcher[text]

    for pattern in patterns:
        add(pattern)
    return Lookup(match, add, remove)


def _alternation(patterns: Sequence[str]) -> Lookup:
    """Compile one regular expression of all patterns."""
    fullmatch = re.compile("|".join(map(_expression, patterns))).fullmatch
    return Lookup(lambda topic: 0 if fullmatch(topic) is None else 1, _no_change, _no_change)


def _fnmatch(patterns: Sequence[str]) -> Lookup:
    """Compile globs, to scan them one by one."""
    globs = [re.compile(fnmatch.translate(pattern)).match for pattern in patterns]
    return Lookup(lambda topic: len([1 for glob in globs if glob(topic)]), _no_change, _no_change)


def _zenoh(patterns: Sequence[str]) -> Lookup:
    """Make key expressions, to scan them one by one: without a network session zenoh has no other use of them."""
    key: Any = importlib.import_module("zenoh").KeyExpr
    texts = ["**" if pattern == "*" else pattern.replace(".", "/") for pattern in patterns]
    wanted = [key.autocanonize(text).intersects for text in texts]

    def match(topic: str) -> int:
        given = key(topic.replace(".", "/"))
        return len([1 for intersects in wanted if intersects(given)])

    return Lookup(match, _no_change, _no_change)


def _nautilus(patterns: Sequence[str]) -> Lookup:
    """Open a bus that scans on a miss, caches by topic, and calls a handler for each match."""
    component: Any = importlib.import_module("nautilus_trader.common.component")
    identifiers: Any = importlib.import_module("nautilus_trader.model.identifiers")
    bus = component.MessageBus(trader_id=identifiers.TraderId("PEER-001"), clock=component.TestClock())
    delivered: list[object] = []

    def match(topic: str) -> int:
        delivered.clear()
        bus.publish(topic, topic)
        return len(delivered)

    def add(pattern: str) -> tuple[str, Callable[[object], None]]:
        handle = (pattern.replace("**", "*"), functools.partial(delivered.append))
        bus.subscribe(*handle)
        return handle

    for pattern in patterns:
        add(pattern)
    return Lookup(match, add, lambda handle: bus.unsubscribe(*handle))


def _no_change(_what: object) -> None:
    raise NotImplementedError


def _expression(pattern: str) -> str:
    """Say a pattern as a regular expression."""
    if pattern in {"*", "**"}:
        return ".+"
    first, *rest = pattern.split(".")
    if first == "**":
        return r"(?:[^.]+\.)*" + _expression(".".join(rest))
    return _segment(first) + "".join(r"(?:\.[^.]+)*" if part == "**" else rf"\.{_segment(part)}" for part in rest)


def _segment(text: str) -> str:
    return "[^.]+" if text == "*" else re.escape(text)


COLD = Peer("stentor, cache off", _stentor_cold)
CACHED = Peer("stentor, cached", _stentor_cached)
PAHO = Peer("paho MQTTMatcher", _paho, module="paho.mqtt", tails_only=True)
PEERS = (
    COLD,
    CACHED,
    Peer("stentor, native index", _index),
    PAHO,
    Peer("re alternation", _alternation, most=10_000, answers="any"),
    Peer("fnmatch scan", _fnmatch, most=100_000, answers="more"),
    Peer("zenoh KeyExpr scan", _zenoh, module="zenoh", most=100_000),
    Peer("nautilus MessageBus", _nautilus, module="nautilus_trader", most=10_000, answers="more"),
)
