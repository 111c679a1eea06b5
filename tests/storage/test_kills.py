"""What a store accepted survives SIGKILL at any instant, and what was acknowledged never comes back."""

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest

from tests.storage.dying import said_until_killed
from tests.storage.inspection import look
from tests.storage.killing import work

if TYPE_CHECKING:
    from pathlib import Path

ACKNOWLEDGED = 2


@dataclass
class Told:
    """What the processes that were killed had told."""

    accepted: dict[int, str] = field(default_factory=dict)
    """The append by which each number was accepted."""
    acknowledged: set[int] = field(default_factory=set)
    handed_out: set[int] = field(default_factory=set)
    """In an earlier life."""
    wrong: list[str] = field(default_factory=list)

    def hear(self, said: tuple[str, list[Any], Any], new: set[int]) -> None:
        """Take note; `new` is what was handed out in this life."""
        word, what, source = said
        if word == "accepted":
            self.accepted |= {number: json.dumps(source) for number in what}
        elif word == "acknowledged":
            self.acknowledged.update(what)
        else:
            for number, redelivered in what:
                if number in self.acknowledged:
                    self.wrong.append(f"{number} was acknowledged and came back")
                if number in self.handed_out and not redelivered:
                    self.wrong.append(f"{number} came back and was not marked as redelivered")
                new.add(number)


def live_and_die(path: Path, life: int, sync: str, told: Told) -> None:
    """Let a process work on the file, kill it at a random instant, and take note of all that it told."""
    new: set[int] = set()
    for said in said_until_killed(work, str(path), life, sync, seed=life):
        told.hear(said, new)
    told.handed_out |= new


def check(path: Path, told: Told) -> None:
    """The file is whole; nothing that was accepted is missing; appends are there as a whole and in their order."""
    faults, rows = look(path)
    assert faults == []
    assert told.wrong == []
    states = {number: state for number, _, state, _, _ in rows}
    assert [number for number in told.accepted if number not in states] == []
    assert [number for number in told.acknowledged if states[number] != ACKNOWLEDGED] == []
    assert [number for number, _, _, handouts, _ in rows if number in told.handed_out and not handouts] == []
    appends: dict[str, list[list[int]]] = defaultdict(list)
    for *_, payload in rows:
        writer, number, place, size, _ = json.loads(payload)
        appends[writer].append([number, place, size])
    for writer, parts in appends.items():
        assert parts == sorted(parts), f"{writer} is out of order"
        assert all(b[0] - a[0] <= 1 for a, b in pairwise(parts)), f"{writer} has a hole"
        whole = [[number, place, size] for number, _, size in parts for place in range(size)]
        assert len(parts) == len({(n, p, s) for n, p, s in whole}), f"{writer} has a torn append"


def kill(path: Path, times: int, sync: str) -> Told:
    """Kill as many processes, checking after each."""
    told = Told()
    for life in range(times):
        live_and_die(path, life, sync, told)
        check(path, told)
    return told


@pytest.mark.real_clock
@pytest.mark.parametrize("sync", ["full", "normal"])
def test_what_was_accepted_survives_being_killed(tmp_path: Path, sync: str) -> None:
    told = kill(tmp_path / "mail.db", 10, sync)
    assert told.accepted
    assert told.acknowledged
    assert told.handed_out


@pytest.mark.long
@pytest.mark.parametrize("sync", ["full", "normal"])
def test_what_was_accepted_survives_500_kills(tmp_path: Path, sync: str) -> None:
    accepted = acknowledged = 0
    for series in range(25):
        told = kill(tmp_path / f"mail-{series}.db", 20, sync)
        accepted += len(told.accepted)
        acknowledged += len(told.acknowledged)
        kills = 20 * (series + 1)
        print(f"{sync}: {kills} kills, {accepted} accepted, {acknowledged} acknowledged, nothing wrong")  # noqa: T201 - a record
