"""Two recordings are the same, or the first difference is told in words."""

from __future__ import annotations

import math
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest
import trio

import stentor
from stentor.recording import diff, read, record
from tests.recording.programs import on_virtual_clock

if TYPE_CHECKING:
    from pathlib import Path


async def little(path: Path, **changes: Any) -> None:
    """Record two messages, the first of which causes another; `changes` say what is different."""
    with record(path) as recorder:
        async with stentor.open_bus(observers=[recorder], seed=changes.get("seed")) as bus:

            async def think(message: stentor.Message) -> object:
                await trio.sleep(changes.get("pause", 1.0))
                if "error" in changes:
                    raise ValueError(changes["error"])
                await bus.publish("said", message.payload, sender="a")
                return changes.get("answer", "yes")

            async def listen(_: stentor.Message) -> None: ...

            bus.register("a", think).subscribe("ask")
            if changes.get("listens", True):
                bus.register("b", listen).subscribe("said")
            await trio.sleep(changes.get("late", 0.0))
            with suppress(stentor.RequestFailedError):
                await bus.request("ask", changes.get("payload", "why?"))
            await trio.sleep(0.5)
            if changes.get("more", False):
                await bus.publish("more")


def compared(tmp_path: Path, *, times: bool = True, order: bool = True, **changes: Any) -> str:
    """Say in words where a changed run parts from one that is not."""
    on_virtual_clock(little, tmp_path / "a")
    on_virtual_clock(little, tmp_path / "b", **changes)
    there = diff(tmp_path / "a", tmp_path / "b", times=times, order=order)
    back = diff(tmp_path / "b", tmp_path / "a", times=times, order=order)
    assert (there is None) == (back is None)
    text = str(there)
    for name in "ab":
        for message in read(tmp_path / name).messages():
            text = text.replace(message.id, f"<{message.payload}>")
    return text


@pytest.mark.parametrize("changes", [{}, {"seed": 1}, {"late": 7.5}, {"payload": "why?"}])
def test_the_same_at_another_time_and_with_other_ids_is_the_same(tmp_path: Path, changes: dict[str, Any]) -> None:
    assert compared(tmp_path, **changes) == "None"


DIFFERENCES: list[tuple[dict[str, Any], str]] = [
    (
        {"payload": "who?"},
        """the recordings differ at entry 0
  first:  at 0 s message <why?> was accepted on 'ask'
  second: at 0 s message <who?> was accepted on 'ask'
  payload: 'why?' in the first, 'who?' in the second""",
    ),
    (
        {"pause": 1.5},
        """the recordings differ at entry 2
  first:  at 1 s message <why?> was accepted on 'said' from 'a'
  second: at 1.5 s message <why?> was accepted on 'said' from 'a'
  time: 1.0 in the first, 1.5 in the second""",
    ),
    (
        {"listens": False},
        """the recordings differ at entry 2
  first:  at 1 s message <why?> was accepted on 'said' from 'a'
  second: at 1 s message <why?> was accepted on 'said' from 'a'
  recipients: ['b'] in the first, [] in the second""",
    ),
    (
        {"error": "no"},
        """the recordings differ at entry 2
  first:  at 1 s message <why?> was accepted on 'said' from 'a'
  second: at 1 s 'a' failed for good on message <why?>, attempt 1: ValueError: no""",
    ),
    (
        {"more": True},
        """the recordings differ at entry 7
  first:  nothing
  second: at 1.5 s message <None> was accepted on 'more'""",
    ),
]


@pytest.mark.parametrize(("changes", "text"), DIFFERENCES, ids=lambda value: str(value)[:20])
def test_a_difference_is_told(tmp_path: Path, changes: dict[str, Any], text: str) -> None:
    assert compared(tmp_path, **changes) == text


def test_times_need_not_count(tmp_path: Path) -> None:
    assert compared(tmp_path, times=False, pause=3.0) == "None"


def test_nan_is_the_same_as_nan(tmp_path: Path) -> None:
    for name in "ab":
        on_virtual_clock(little, tmp_path / name, payload=[math.nan])
    assert diff(tmp_path / "a", tmp_path / "b") is None


def test_a_long_value_is_told_in_short(tmp_path: Path) -> None:
    on_virtual_clock(little, tmp_path / "a", payload="x" * 1000)
    on_virtual_clock(little, tmp_path / "b", payload="y" * 1000)
    assert max(map(len, str(diff(tmp_path / "a", tmp_path / "b")).splitlines())) < 500


@pytest.mark.parametrize(("changes", "text"), DIFFERENCES, ids=lambda value: str(value)[:20])
def test_a_difference_is_told_where_order_does_not_count(tmp_path: Path, changes: dict[str, Any], text: str) -> None:
    told = compared(tmp_path, order=False, **changes)
    if changes == {"error": "no"}:
        text = text.replace("entry 2", "entry 3").replace(
            "at 1 s message <why?> was accepted on 'said' from 'a'", "at 1 s 'a' handled message <why?>, attempt 1"
        )
        assert told.splitlines()[1:] == text.splitlines()[1:]
    else:
        assert told == text


def test_order_need_not_count(tmp_path: Path) -> None:
    async def main(name: str, *, swapped: bool) -> None:
        with record(tmp_path / name) as recorder:
            async with stentor.open_bus(observers=[recorder]) as bus:

                async def pass_on(message: stentor.Message, delivery: stentor.Delivery) -> None:
                    await trio.sleep(1.0 if swapped == (delivery.agent == "a") else 0.5)
                    await bus.publish("out", [delivery.agent, message.payload])

                async def listen(_: stentor.Message) -> None: ...

                for agent in "ab":
                    bus.register(agent, pass_on).subscribe("in")
                bus.register("c", listen).subscribe("out")
                await bus.publish("in", 1)

    on_virtual_clock(main, "a", swapped=False)
    on_virtual_clock(main, "b", swapped=True)
    assert diff(tmp_path / "a", tmp_path / "b", times=False) is not None
    assert diff(tmp_path / "a", tmp_path / "b", order=False) is not None
    assert diff(tmp_path / "a", tmp_path / "b", order=False, times=False) is None
