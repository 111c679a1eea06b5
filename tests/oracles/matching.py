"""Whether a valid pattern matches a valid topic."""

from __future__ import annotations

import functools

from tests.oracles.redis import redis_matches
from tests.oracles.rules import Rules, parts_of, rules_of


def matches(pattern: str, topic: str, dialect: str | Rules) -> bool:
    """Whether a valid pattern matches a valid topic."""
    if dialect == "redis":
        return redis_matches(pattern.encode(), topic.encode())
    rules = rules_of(dialect)
    if pattern == rules.everything:
        return True
    wanted, given = parts_of(pattern, rules), parts_of(topic, rules)
    if rules.hidden_prefix and topic.startswith(rules.hidden_prefix) and wanted[0] in {rules.single, rules.multi}:
        return False
    return _walk(wanted, given, rules)


def _walk(wanted: list[str], given: list[str], rules: Rules) -> bool:
    @functools.cache
    def walk(i: int, j: int) -> bool:
        if i == len(wanted):
            return j == len(given)
        if wanted[i] == rules.multi:
            return any(walk(i + 1, after) for after in range(j + rules.multi_at_least, len(given) + 1))
        return j < len(given) and _segment_matches(wanted[i], given[j], rules) and walk(i + 1, j + 1)

    return walk(0, 0)


def _segment_matches(wanted: str, given: str, rules: Rules) -> bool:
    if wanted == rules.single:
        return True
    return _glob_matches(wanted, given) if rules.globs else wanted == given


@functools.lru_cache(maxsize=50_000)
def _glob_matches(glob: str, text: str) -> bool:
    if not glob:
        return not text
    if glob[0] == "*":
        return _glob_matches(glob[1:], text) or (text != "" and _glob_matches(glob, text[1:]))
    if not text:
        return False
    if glob[0] == "[":
        body, _, rest = glob[1:].partition("]")
        return _bracket_holds(body, text[0]) and _glob_matches(rest, text[1:])
    return glob[0] in {"?", text[0]} and _glob_matches(glob[1:], text[1:])


def _bracket_holds(body: str, char: str) -> bool:
    if body.startswith("!"):
        return not _members_hold(body[1:], char)
    return _members_hold(body, char)


def _members_hold(members: str, char: str) -> bool:
    if not members:
        return False
    if members[1:2] == "-":
        return members[0] <= char <= members[2] or _members_hold(members[3:], char)
    return members[0] == char or _members_hold(members[1:], char)
