"""Looking into the file of a store without the store: is it whole, and what is in it?"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

COUNTED = "SELECT agent, kind, state, count(*), sum(size) FROM entries GROUP BY agent, kind, state"
SUMS = "SELECT agent, kind, state, entries, bytes FROM sums ORDER BY agent, kind, state"
# 0 unread mail, 1 unread failed, 2 handed out, 3 waiting for nobody
MISPLACED = """
    SELECT id FROM entries WHERE place <> CASE
        WHEN kind = 2 OR state >= 2 THEN 3 WHEN state = 1 THEN 2 ELSE kind
    END
"""


def faults(connection: sqlite3.Connection) -> list[object]:
    """What is wrong with a file: SQLite's own check, the sums against a count, and the places of entries."""
    (verdict,) = connection.execute("PRAGMA integrity_check").fetchone()
    found: list[object] = [] if verdict == "ok" else [verdict]
    if connection.execute(COUNTED).fetchall() != connection.execute(SUMS).fetchall():
        found.append("the sums are not those of the entries")
    return found + connection.execute(MISPLACED).fetchall()


def look(path: Path) -> tuple[list[object], list[tuple[Any, ...]]]:
    """The faults of a file that nobody has open, and its rows: id, agent, state, handouts, payload."""
    with closing(sqlite3.connect(path)) as connection:
        rows = connection.execute("SELECT id, agent, state, handouts, payload FROM entries ORDER BY id").fetchall()
        return faults(connection), rows
