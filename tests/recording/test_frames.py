"""Deliveries as frames of pandas and polars."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from stentor.recording import read
from tests.recording.programs import on_virtual_clock, town

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A recording in which everything happens."""
    path = tmp_path_factory.mktemp("frames") / "r"
    on_virtual_clock(town, path, seed=1, steps=40)
    return path


def test_pandas(recorded: Path) -> None:
    pandas = pytest.importorskip("pandas")
    frame = read(recorded).to_pandas()
    deliveries = list(read(recorded).deliveries())
    assert len(frame) == len(deliveries) > 100
    assert list(frame["agent"]) == [delivery.agent for delivery in deliveries]
    handled = frame[frame["outcome"] == "handled"]
    assert handled["latency"].max() == max(
        d.latency or 0 for d in deliveries if d.outcome and d.outcome.value == "handled"
    )
    assert frame["latency"].dtype == frame["begun"].dtype == "float64"
    assert pandas.isna(frame["error"]).sum() == sum(not delivery.errors for delivery in deliveries)
    assert '{"of":"' in frame[frame["topic"] == "story"]["payload"].iloc[0]


def test_polars(recorded: Path) -> None:
    polars = pytest.importorskip("polars")
    frame = read(recorded).to_polars()
    deliveries = list(read(recorded).deliveries())
    assert frame["agent"].to_list() == [delivery.agent for delivery in deliveries]
    assert frame["waited"].to_list() == [delivery.waited for delivery in deliveries]
    assert frame.schema["attempts"] == polars.Int64
    assert frame.filter(polars.col("outcome") == "failed")["error"].null_count() == 0
    assert frame.columns == list(read(recorded).to_pandas().columns)


def test_an_empty_recording_has_an_empty_frame(tmp_path: Path) -> None:
    on_virtual_clock(town, tmp_path / "r", steps=0)
    assert len(read(tmp_path / "r").to_pandas()) == len(read(tmp_path / "r").to_polars()) == 0
