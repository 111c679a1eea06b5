"""The outbox: bounded, in order, never dropping what is on the wire, and adding up at every step."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
import trio
import trio.testing
from hypothesis import given
from hypothesis import strategies as st

from stentor import Overflow
from stentor.bridge._frames import Entry
from stentor.bridge._outbox import Outbox


def entry(topic: str, *, size: int = 0, expires_at: float = float("inf")) -> Entry:
    """A message of so many bytes on a topic, which is its scope too."""
    return Entry(0, topic, topic, b"x" * size, 1, 0, 0.0, expires_at)


OVERHEAD = entry("").size
"""Bytes that an entry takes beside its body and its topic."""


def made(capacity: int = 3, overflow: Overflow = Overflow.BLOCK, capacity_bytes: int = 10**9) -> Outbox:
    """An outbox that numbers each topic from 1."""
    numbers: Counter[str] = Counter()

    def number(scope: str, _now: float) -> int:
        numbers[scope] += 1
        return numbers[scope]

    return Outbox(number, capacity=capacity, capacity_bytes=capacity_bytes, overflow=overflow)


def taken(outbox: Outbox, most: int = 10) -> list[int]:
    """The numbers of what goes on the wire."""
    return [each.number for each in outbox.take(0.0, most=most, most_bytes=10**9)]


@pytest.mark.parametrize(
    ("overflow", "accepted", "sent", "dropped"),
    [
        (Overflow.BLOCK, [True, True, True, False, False], [1, 2, 3], 0),
        (Overflow.FAIL, [True, True, True, False, False], [1, 2, 3], 0),
        (Overflow.DROP_OLDEST, [True] * 5, [3, 4, 5], 2),
        (Overflow.DROP_NEWEST, [True] * 5, [1, 2, 3], 2),
        (Overflow.LATEST, [True] * 5, [5], 4),
    ],
)
def test_what_each_policy_does_when_it_is_full(
    overflow: Overflow, accepted: list[bool], sent: list[int], dropped: int
) -> None:
    outbox = made(3, overflow)
    topics = ["t", "t", "t", "t", "t"]
    assert [outbox.offer(entry(topic)) for topic in topics] == accepted
    assert taken(outbox) == sent
    assert outbox.dropped == dropped
    assert outbox.offer(entry("t")) is (overflow not in {Overflow.BLOCK, Overflow.FAIL})


def test_what_is_dropped_has_a_number_so_that_it_is_missed() -> None:
    outbox = made(1, Overflow.DROP_NEWEST)
    outbox.offer(entry("t"))
    outbox.offer(entry("t"))
    outbox.confirm(outbox.take(0.0, most=9, most_bytes=10**9))
    outbox.offer(entry("t"))
    assert taken(outbox) == [3]


def test_the_latest_of_a_topic_replaces_the_one_before_it() -> None:
    outbox = made(2, Overflow.LATEST)
    for topic in ("a", "b", "a"):
        outbox.offer(entry(topic))
    assert [(each.topic, each.number) for each in outbox.take(0.0, most=9, most_bytes=10**9)] == [("b", 1), ("a", 2)]


@pytest.mark.parametrize("overflow", [Overflow.DROP_OLDEST, Overflow.LATEST])
def test_what_is_on_the_wire_is_never_dropped(overflow: Overflow) -> None:
    outbox = made(2, overflow)
    outbox.offer(entry("a"))
    outbox.offer(entry("b"))
    on_the_wire = outbox.take(0.0, most=10, most_bytes=10**9)
    for _ in range(5):
        assert outbox.offer(entry("a"))
    assert outbox.take(0.0, most=10, most_bytes=10**9) == on_the_wire
    assert (outbox.repeated, outbox.dropped, len(outbox)) == (2, 5, 2)


def test_what_is_in_doubt_goes_again_before_all_else_and_alone() -> None:
    outbox = made(10)
    for _ in range(3):
        outbox.offer(entry("t"))
    first = outbox.take(0.0, most=2, most_bytes=10**9)
    outbox.confirm(first[:1])
    assert taken(outbox) == [2]
    outbox.confirm(first[1:])
    assert taken(outbox) == [3]


def test_what_has_expired_is_not_sent() -> None:
    outbox = made(10)
    outbox.offer(entry("t", expires_at=1.0))
    outbox.offer(entry("t"))
    assert [each.number for each in outbox.take(2.0, most=9, most_bytes=10**9)] == [2]
    assert outbox.expired == 1


def test_bytes_are_bounded_too() -> None:
    outbox = made(100, capacity_bytes=2 * (100 + OVERHEAD + 1))
    assert outbox.offer(entry("t", size=100))
    assert outbox.offer(entry("t", size=100))
    assert not outbox.offer(entry("t", size=100))
    outbox.confirm(outbox.take(0.0, most=1, most_bytes=10**9))
    assert outbox.offer(entry("t", size=100))


def test_what_is_unsent_tells_up_to_where_a_beacon_may_tell() -> None:
    outbox = made(10)
    for topic in ("a", "a", "b", "a"):
        outbox.offer(entry(topic))
    outbox.take(0.0, most=1, most_bytes=10**9)
    assert outbox.unsent() == {"a": 1, "b": 0}


async def test_who_waits_for_room_is_told_of_it() -> None:
    outbox = made(1)
    outbox.offer(entry("t"))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(outbox.room)
        await trio.testing.wait_all_tasks_blocked()
        outbox.confirm(outbox.take(0.0, most=1, most_bytes=10**9))


STEPS: Any = st.lists(st.sampled_from(["offer", "offer", "take", "confirm", "confirm some", "lose"]), max_size=60)


@given(STEPS, st.integers(1, 5), st.sampled_from(Overflow), st.lists(st.sampled_from("abc"), min_size=60, max_size=60))
def test_it_adds_up_whatever_is_done(steps: list[str], capacity: int, overflow: Overflow, topics: list[str]) -> None:
    outbox = made(capacity, overflow)
    wire: list[Entry] = []
    sent: dict[str, list[int]] = {}
    for step, topic in zip(steps, topics, strict=False):
        if step == "offer":
            outbox.offer(entry(topic))
        elif step == "take":
            wire = outbox.take(0.0, most=2, most_bytes=10**9)
        elif step.startswith("confirm"):
            done, wire = (wire[:1], wire[1:]) if step.endswith("some") else (wire, [])
            outbox.confirm(done)
            for each in done:
                sent.setdefault(each.topic, []).append(each.number)
        assert outbox.accepted == outbox.confirmed + outbox.dropped + outbox.expired + len(outbox)
        assert len(outbox) <= capacity
        assert outbox.bytes == len(outbox) * (OVERHEAD + 1)
    assert all(numbers == sorted(set(numbers)) for numbers in sent.values())
