"""The fault matrix, each cell once and briefly: nothing lost in silence, nothing twice, nothing out of order."""

from __future__ import annotations

import pytest

from tests.bridge.matrix import CELLS, TRANSPORTS, run_all

pytestmark = [pytest.mark.live, pytest.mark.real_clock]


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_each_fault_once(transport: str) -> None:
    outcomes = await run_all(list(CELLS), [transport], rounds=1, scale=1.0, width=8)
    assert len(outcomes) == len(CELLS)
    assert [(o.cell, o.faults, o.notes) for o in outcomes if o.faults or "should be lossless" in o.notes] == []


@pytest.mark.long
@pytest.mark.parametrize("transport", TRANSPORTS)
@pytest.mark.parametrize("name", CELLS)
@pytest.mark.parametrize("seed", range(5))
async def test_each_fault_five_times(name: str, transport: str, seed: int) -> None:
    del seed
    (outcome,) = await run_all([name], [transport], rounds=1, scale=3.0, width=1)
    assert (outcome.faults, outcome.notes.get("should be lossless")) == ([], None), outcome
