"""A `MailboxQuery` as a condition of SQL."""

# ruff: noqa: S608 - statements are put together from constants of this package; values are always bound

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, TypeAlias

from stentor.storage._rows import KINDS, STATES

if TYPE_CHECKING:
    from stentor import MailboxQuery

Condition: TypeAlias = "tuple[str, list[Any]]"
"""A condition with question marks, and what they stand for."""


def condition(query: MailboxQuery) -> Condition:
    """Return what a row must fulfil."""
    parts: list[tuple[str, list[Any]]] = []
    if query.agent is not None:
        parts.append(("agent = ?", [query.agent]))
    if query.since is not None:
        parts.append(("stored_at >= ?", [query.since]))
    if query.until is not None:
        parts.append(("stored_at < ?", [query.until]))
    if query.ids is not None:
        parts.append(within("id", sorted(query.ids)))
    if query.message_id is not None:
        parts.append(("message_id = ?", [query.message_id]))
    if query.senders is not None:
        parts.append(within("sender", sorted(query.senders)))
    if query.min_priority is not None:
        parts.append(("priority >= ?", [int(query.min_priority)]))
    if query.states is not None:
        parts.append(within("state", sorted(STATES.index(state) for state in query.states)))
    if query.kinds is not None:
        parts.append(within("kind", sorted(KINDS.index(kind) for kind in query.kinds)))
    return (
        " AND ".join(text for text, _ in parts) or "true",
        [value for _, values in parts for value in values],
    )


def within(column: str, values: list[int] | list[str]) -> Condition:
    """Return the condition that a column has one of any number of values."""
    return f"{column} IN (SELECT value FROM json_each(?))", [json.dumps(values)]
