"""The time that the machine reads: the system's, told from ticks where that is cheaper."""

from __future__ import annotations

from time import perf_counter

from stentor._native import Meter

SECONDS = 0.1
"""Long enough for a tick to be measured several times."""


def test_it_is_never_ahead_never_goes_back_and_does_not_fall_behind() -> None:
    meter = Meter(perf_counter, monotonic=True)
    offset = min(_after(meter) for _ in range(1000))  # it begins a moment after it has asked the clock
    last = 0.0
    end = perf_counter() + SECONDS
    while (before := perf_counter()) < end:
        read = meter.read()
        after = perf_counter()
        assert last <= read <= after
        assert before - read < offset + 1e-6
        last = read


def _after(meter: Meter) -> float:
    read = meter.read()
    return perf_counter() - read


def test_any_other_clock_is_asked_each_time() -> None:
    said = iter((1.0, 2.0, 5.0))
    meter = Meter(lambda: next(said))
    assert [meter.now, meter.read(), meter.read()] == [1.0, 2.0, 5.0]
