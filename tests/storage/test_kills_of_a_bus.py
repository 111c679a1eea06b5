"""Durable agents of a bus that is killed: every accepted message is handled, in order, and twice only if it is told."""

from __future__ import annotations

import contextlib
import json
import sqlite3
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

from tests.storage.dying import said_to_the_end, said_until_killed
from tests.storage.inspection import faults
from tests.storage.killing import run_a_bus

if TYPE_CHECKING:
    from pathlib import Path

ACKNOWLEDGED = 2
PUBLISHERS = 8


@dataclass
class Heard:
    """What the lives of a bus have told, all together."""

    accepted: set[tuple[str, str, int]] = field(default_factory=set[tuple[str, str, int]])
    """Agent, publisher, number."""
    handled: dict[tuple[str, str, int], int] = field(default_factory=dict[tuple[str, str, int], int])
    """How many times, until now."""
    acknowledged: set[tuple[str, str, int]] = field(default_factory=set[tuple[str, str, int]])
    """What the file said between the lives."""
    latest: dict[tuple[str, str], int] = field(default_factory=dict[tuple[str, str], int])
    """The number handled last for the first time, of each agent and publisher."""

    def hear(self, said: list[Any]) -> None:
        """Take note of a life, and judge it."""
        for word, agent, (publisher, number), redelivered in said:
            key = (agent, publisher, number)
            if word == "accepted":
                self.accepted.add(key)
                continue
            assert key not in self.acknowledged, f"{key} was acknowledged and is handled again"
            if key in self.handled:
                assert redelivered, f"{key} is handled again and is not told so"
            else:
                assert self.latest.get(key[:2], -1) < number, f"{key} is handled out of order"
                self.latest[key[:2]] = number
            self.handled[key] = self.handled.get(key, 0) + 1

    def look(self, path: Path) -> None:
        """Read in the file what was acknowledged."""
        with contextlib.closing(sqlite3.connect(path)) as connection:
            assert faults(connection) == []
            rows = connection.execute("SELECT agent, payload FROM entries WHERE state = ?", (ACKNOWLEDGED,))
            self.acknowledged = {(agent, *json.loads(payload)) for agent, payload in rows}


def kill_and_drain(path: Path, times: int) -> Heard:
    """Kill a bus as many times, let one end in order, and judge what all of them told."""
    heard = Heard()
    for life in range(times):
        heard.hear(said_until_killed(run_a_bus, str(path), life, PUBLISHERS, seed=life))
        heard.look(path)
    heard.hear(said_to_the_end(run_a_bus, str(path), times, 0))
    heard.look(path)
    assert heard.accepted - heard.handled.keys() == set()
    assert heard.handled.keys() == heard.acknowledged
    return heard


@pytest.mark.real_clock
def test_durable_agents_of_a_killed_bus_get_everything(tmp_path: Path) -> None:
    heard = kill_and_drain(tmp_path / "mail.db", 6)
    assert heard.accepted


@pytest.mark.long
def test_durable_agents_of_200_killed_buses_get_everything(tmp_path: Path) -> None:
    for series in range(10):
        heard = kill_and_drain(tmp_path / f"mail-{series}.db", 20)
        twice = sum(times > 1 for times in heard.handled.values())
        print(f"{len(heard.accepted)} accepted, {len(heard.handled)} handled, {twice} twice")  # noqa: T201 - a record
