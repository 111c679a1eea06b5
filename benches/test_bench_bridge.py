"""The measuring of the bridge's goals runs, on a small scale; figures come from `python -m benches.goals_bridge`."""

from __future__ import annotations

import sys

import pytest

from benches import goals_bridge


@pytest.mark.live
def test_the_goals_are_measured(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["goals_bridge", "--rounds", "1"])
    for name, value in (("MESSAGES", 300), ("PACED", 5)):
        monkeypatch.setattr(goals_bridge, name, value)
    goals_bridge.main()
    ratios = [float(line.split()[0]) for line in capsys.readouterr().out.splitlines() if line.startswith(" ")]
    assert len(ratios) == 7
    assert all(ratio > 0 for ratio in ratios)
