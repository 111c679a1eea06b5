"""The measuring of the store's goals runs, on a small scale; figures come from `python -m benches.goals_storage`."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from benches import goals_storage

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def test_the_goals_are_measured(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", ["goals_storage", "--folder", str(tmp_path), "--rounds", "1"])
    for name, value in (("EACH", 1), ("SINGLES", 5), ("READ", 250)):
        monkeypatch.setattr(goals_storage, name, value)
    goals_storage.main()
    ratios = [float(line.split()[0]) for line in capsys.readouterr().out.splitlines() if line.startswith(" ")]
    assert len(ratios) == 4
    assert all(ratio > 0 for ratio in ratios)


def test_a_filled_store_is_measured(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", ["goals_storage", "--folder", str(tmp_path), "--million"])
    monkeypatch.setattr(goals_storage, "MILLION", 2_000)
    goals_storage.main()
    assert "unread count of a mailbox: first " in capsys.readouterr().out
