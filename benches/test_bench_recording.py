"""The measuring of what recording costs runs, on a small scale; `python -m benches.goals_recording` gives figures."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from benches import goals_recording

if TYPE_CHECKING:
    import pytest


def test_what_recording_costs_is_measured(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["goals_recording", "--rounds", "1"])
    monkeypatch.setattr(goals_recording, "AGENTS", 20)
    monkeypatch.setattr(goals_recording, "STEPS", 5)
    goals_recording.main()
    ratios = [float(line.split()[0]) for line in capsys.readouterr().out.splitlines() if line.startswith(" ")]
    assert len(ratios) == 9
