"""Numbers: given at acceptance, never twice, and on the other side every repeat and every hole is found."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from stentor.bridge._numbering import Numbering
from stentor.bridge._sequencing import REPEAT, Sequencing

ORIGIN = b"12345678"


@given(st.lists(st.sampled_from("abcdef"), max_size=60), st.integers(1, 4))
def test_no_number_of_a_scope_is_given_twice_however_few_are_remembered(scopes: list[str], capacity: int) -> None:
    numbering = Numbering(capacity=capacity)
    given_numbers: dict[str, list[int]] = {}
    for time, scope in enumerate(scopes):
        given_numbers.setdefault(scope, []).append(numbering.next(scope, float(time)))
        assert len(numbering.all()) <= capacity
    for numbers in given_numbers.values():
        assert numbers == sorted(set(numbers))
    if len(set(scopes)) <= capacity:
        assert all(numbers == list(range(1, len(numbers) + 1)) for numbers in given_numbers.values())
        assert numbering.forgotten == []
    else:
        assert set(numbering.forgotten) <= set(scopes)


@given(st.lists(st.tuples(st.sampled_from("abc"), st.floats(0, 100)), max_size=30), st.floats(0, 100))
def test_active_scopes_are_those_used_since(uses: list[tuple[str, float]], since: float) -> None:
    numbering = Numbering(capacity=10)
    last: dict[str, float] = {}
    for scope, time in sorted(uses, key=lambda use: use[1]):
        numbering.next(scope, time)
        last[scope] = time
    assert numbering.active(since=since).keys() == {scope for scope, time in last.items() if time > since}


@given(st.data())
def test_every_loss_is_told_and_no_repeat_passes(data: st.DataObject) -> None:
    """The sender numbers 1 to n; some are lost, some come again later; a beacon tells of the end."""
    count = data.draw(st.integers(0, 40))
    lost = data.draw(st.sets(st.integers(1, max(1, count))))
    arriving = [number for number in range(1, count + 1) if number not in lost]
    line: list[int] = []
    for number in arriving:
        line.append(number)
        line += data.draw(st.lists(st.sampled_from(line), max_size=2))  # late copies
    sequencing = Sequencing(capacity=4)
    sequencing.origin(ORIGIN, 0.0).answered = True
    taken: list[int] = []
    missing = 0
    for number in line:
        before = sequencing.take(ORIGIN, "t", number, 0.0)
        if before != REPEAT:
            taken.append(number)
            missing += before
    told = sequencing.reach(sequencing.origin(ORIGIN, 0.0), {"t": count}, answer=False)
    assert taken == arriving
    assert missing + told.get("t", 0) == count - len(arriving)


def test_what_was_before_the_first_message_is_unknown_until_the_origin_has_answered() -> None:
    sequencing = Sequencing(capacity=4)
    assert sequencing.take(ORIGIN, "heard", 7, 0.0) == 0
    known = sequencing.origin(ORIGIN, 0.0)
    assert sequencing.reach(known, {"heard": 9, "other": 5}, answer=False) == {"heard": 2}
    assert sequencing.reach(known, {"heard": 9, "other": 5}, answer=True) == {}
    known.answered = True
    assert sequencing.take(ORIGIN, "other", 7, 0.0) == 1
    assert sequencing.take(ORIGIN, "new", 3, 0.0) == 2
    assert sequencing.reach(known, {"newer": 2}, answer=False) == {"newer": 2}


def test_what_is_of_no_interest_any_more_is_forgotten() -> None:
    sequencing = Sequencing(capacity=4)
    known = sequencing.origin(ORIGIN, 0.0)
    known.answered = True
    sequencing.take(ORIGIN, "keep", 1, 0.0)
    sequencing.take(ORIGIN, "drop", 1, 0.0)
    sequencing.forget(lambda scope: scope == "keep")
    assert (known.last, known.answered) == ({"keep": 1}, False)
    assert sequencing.take(ORIGIN, "drop", 100, 0.0) == 0


def test_the_origins_heard_of_last_are_remembered() -> None:
    sequencing = Sequencing(capacity=2)
    for origin in (b"a", b"b", b"a", b"c"):
        sequencing.origin(origin, 0.0)
    assert [origin for origin, _ in sequencing.items()] == [b"a", b"c"]
