"""Bodies: a message comes out as it went in, and whatever strangers send ends in one error or in a sound message."""

from __future__ import annotations

import math
import pickle
import time
from collections import Counter
from random import Random
from typing import TYPE_CHECKING, Any

import hypothesis.strategies as st
import msgspec
import pytest
from hypothesis import given

from stentor import Message, Priority
from stentor.bridge._body import (
    CONTROL,
    Beacon,
    Control,
    Goodbye,
    MessageBody,
    Presence,
    RollCall,
    decode_body,
    decode_control,
    encode_body,
    encode_control,
)
from stentor.bridge._clock import AnchoredClock
from stentor.bridge._errors import BadEnvelope, UnsendableError

if TYPE_CHECKING:
    from collections.abc import Callable

CLOCK = AnchoredClock(wall=lambda: 1024.0, steady=lambda: 0.0)
FINITE = st.floats(-(2.0**31), 2.0**31)
TEXTS = st.text(max_size=12)
SCALARS = (
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False) | st.text() | st.binary()
)
PAYLOADS = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text() | st.integers(0, 9), inner, max_size=4),
    max_leaves=12,
)
MESSAGES = st.builds(
    Message,
    st.just("a.topic"),
    PAYLOADS,
    id=st.text(min_size=1, max_size=12),
    sender=st.none() | TEXTS,
    timestamp=st.integers(-(2**20), 2**20).map(float),
    priority=st.sampled_from(Priority),
    ttl=st.none() | st.floats(0, 2.0**31, exclude_min=True),
    deadline=st.none() | st.integers(-(2**20), 2**20).map(float),
    content_type=st.none() | TEXTS,
    headers=st.dictionaries(TEXTS, TEXTS, max_size=3),
    in_reply_to=st.none() | TEXTS,
    cause=st.none() | TEXTS,
)
COUNTS = st.dictionaries(TEXTS, st.integers(0, 2**63 - 1), max_size=3)
NAMES = st.lists(TEXTS, max_size=3)
CONTROLS: st.SearchStrategy[Control] = st.one_of(
    st.builds(Beacon, TEXTS, COUNTS, NAMES, COUNTS, st.booleans()),
    st.builds(RollCall, TEXTS, st.integers(0, 2**63 - 1), st.booleans(), st.booleans()),
    st.builds(Presence, TEXTS, st.integers(0, 2**63 - 1), st.booleans(), NAMES, NAMES),
    st.builds(Goodbye, TEXTS, COUNTS),
)
PLAIN = MessageBody("m-1", None, 0.0, 1, None, None, None, {}, None, None, "", "", again=False, payload=None)
FIELDS = (
    *("id", "sender", "timestamp", "priority", "ttl", "deadline", "content_type"),
    *("headers", "in_reply_to", "cause", "payload"),
)


def is_sound(message: Message) -> bool:
    """Whether a bus can take a message: what it does with times must not depend on NaN or infinity."""
    times = [time for time in (message.timestamp, message.ttl, message.deadline) if time is not None]
    return bool(message.id) and all(map(math.isfinite, times)) and (message.ttl is None or message.ttl > 0)


def outcome(decode: Callable[[], object]) -> str:
    """What becomes of bytes; any other error than the one that may be is raised."""
    try:
        found = decode()
    except BadEnvelope as error:
        return f"refused as {error.reason}"
    assert not isinstance(found, Message) or is_sound(found), found
    return "accepted"


@given(message=MESSAGES)
def test_a_message_comes_out_as_it_went_in(message: Message) -> None:
    found = decode_body("a.topic", encode_body(message, CLOCK), CLOCK)
    for name in FIELDS:
        assert getattr(found, name) == getattr(message, name)
    assert type(found.payload) is type(message.payload)
    assert is_sound(found)


@given(control=CONTROLS)
def test_a_word_between_bridges_comes_out_as_it_went_in(control: Control) -> None:
    assert decode_control(*encode_control(control)) == control


@given(data=st.binary(max_size=100), kind=st.integers(0, 15))
def test_bytes_of_anything_are_refused_or_sound(data: bytes, kind: int) -> None:
    outcome(lambda: decode_body("a.topic", data, CLOCK))
    outcome(lambda: decode_control(kind, data))


@given(message=MESSAGES, seed=st.integers())
def test_a_damaged_body_is_refused_or_sound(message: Message, seed: int) -> None:
    data = mutated(encode_body(message, CLOCK), Random(seed))
    outcome(lambda: decode_body("a.topic", data, CLOCK))


@given(control=CONTROLS, seed=st.integers())
def test_a_damaged_word_is_refused_or_one(control: Control, seed: int) -> None:
    kind, data = encode_control(control)
    outcome(lambda: decode_control(kind, mutated(data, Random(seed))))


NO_TIMES: list[object] = [math.nan, math.inf, -math.inf, "1"]
WRONG: dict[str, list[object]] = {
    "accepted": NO_TIMES,
    "ttl": [*NO_TIMES, 0.0, -1.0],
    "deadline": NO_TIMES,
    "priority": [-1, 4, 1.0, None, "high"],
    "id": ["", None, 1, b"m-1"],
    "headers": [None, [], {"a": 1}, {1: "a"}],
    "sender": [1],
    "content_type": [1],
    "in_reply_to": [1],
    "cause": [1],
    "asked_by": [None],
    "to": [None],
    "payload": [msgspec.msgpack.Ext(5, b"x"), [msgspec.msgpack.Ext(1, b"")]],
}


@pytest.mark.parametrize(("field", "value"), [(field, value) for field, values in WRONG.items() for value in values])
def test_each_field_is_checked(field: str, value: object) -> None:
    fields = msgspec.structs.asdict(PLAIN) | {field: value}
    data = msgspec.msgpack.encode(list(fields.values()))
    assert outcome(lambda: decode_body("a.topic", data, CLOCK)) == "refused as body"


@pytest.mark.parametrize("values", [[], [1], list(msgspec.structs.asdict(PLAIN).values())[:-1]])
def test_a_field_that_is_missing_is_missed(values: list[object]) -> None:
    assert outcome(lambda: decode_body("a.topic", msgspec.msgpack.encode(values), CLOCK)) == "refused as body"


@pytest.mark.parametrize(
    "payload",
    [
        b"\xdd\xff\xff\xff\xff\x01",
        b"\xdf\xff\xff\xff\xff\x01\x01",
        b"\xc6\xff\xff\xff\xff",
        b"\x91" * 100_000,
        b"\xc1",
        b"",
    ],
)
def test_a_payload_that_promises_too_much_is_refused_at_once(payload: bytes) -> None:
    data = msgspec.msgpack.encode(list(msgspec.structs.asdict(PLAIN).values()))[:-1] + payload
    assert outcome(lambda: decode_body("a.topic", data, CLOCK)) == "refused as body"


class Trap:
    """Something that tells when it is brought back to life."""

    sprung = 0

    def __reduce__(self) -> tuple[Any, ...]:
        return Trap.spring, ()

    @staticmethod
    def spring() -> None:
        """Tell."""
        Trap.sprung += 1


def test_a_payload_stays_data() -> None:
    pickled = pickle.dumps(Trap())
    assert decode_body("t", encode_body(Message("t", pickled, id="m-1"), CLOCK), CLOCK).payload == pickled
    assert Trap.sprung == 0


def nested(depth: int) -> list[Any]:
    value: list[Any] = []
    for _ in range(depth):
        value = [value]
    return value


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        ((1, 2), "the payload would not come back from MessagePack equal to what it is"),
        ({1, 2}, "the payload would not come back from MessagePack equal to what it is"),
        ([(1,)], "the payload would not come back from MessagePack equal to what it is"),
        (math.nan, "the payload would not come back from MessagePack equal to what it is"),
        (Trap(), "the message does not go into MessagePack: "),
        (2**64, "the message does not go into MessagePack: "),
        ("\ud800", "the message does not go into MessagePack: "),
        (nested(100_000), "the message does not go into MessagePack: "),
    ],
)
def test_what_would_not_come_out_equal_is_not_sent(payload: object, reason: str) -> None:
    with pytest.raises(UnsendableError) as caught:
        encode_body(Message("t", payload, id="m-1"), CLOCK)
    assert caught.value.reason.startswith(reason)


def mutated(data: bytes, rng: Random) -> bytes:
    """Bytes with a few changes of the kinds that matter to MessagePack."""
    changed = bytearray(data)
    for _ in range(rng.randrange(1, 5)):
        place, kind = rng.randrange(len(changed) + 1), rng.randrange(4)
        if kind == 0:
            changed[place : place + 1] = bytes(
                [rng.choice((0xC0, 0xC1, 0xC7, 0xCB, 0xDB, 0xDD, 0xDF, 0x90, 0x80, 0xFF))]
            )
        elif kind == 1:
            del changed[place : place + rng.randrange(1, 5)]
        elif kind == 2:
            changed[place:place] = rng.randbytes(rng.randrange(1, 5))
        else:
            changed[place : place + 9] = b"\xcb" + rng.choice((b"\x7f\xf8", b"\x7f\xf0", b"\xff\xf0")) + bytes(6)
    return bytes(changed)


@pytest.mark.long
def test_ten_minutes_of_damaged_bodies() -> None:
    """Mutations of good bodies never raise anything but `BadEnvelope`, and what is accepted is sound."""
    seed = Random().randrange(2**32)
    rng = Random(seed)
    outcomes: Counter[str] = Counter()
    end = time.monotonic() + 600
    try:
        while time.monotonic() < end:
            message = Message(
                "t", random_payload(rng), id="m", ttl=rng.random() + 0.1, headers={"k": "v"}, deadline=5.0
            )
            body = encode_body(message, CLOCK)
            kind, word = encode_control(rng.choice(WORDS))
            for _ in range(200):
                damaged, damaged_word = mutated(body, rng), mutated(word, rng)
                outcomes[f"messages {outcome(lambda: decode_body('t', damaged, CLOCK))}"] += 1  # noqa: B023 - called here
                outcomes[f"words {outcome(lambda: decode_control(kind, damaged_word))}"] += 1  # noqa: B023 - called here
    except BaseException as error:
        error.add_note(f"seed {seed}")
        raise
    assert {outcome.partition(" ")[2] for outcome in outcomes} == {"accepted", "refused as body"}
    print(f"seed {seed}: {dict(outcomes)}")  # noqa: T201


WORDS = (
    Beacon("node", {"a": 1}, ["b"], {"c": 3}, last=True),
    RollCall("node", 1, names=True, fresh=False),
    Presence("node", 2, whole=True, there=["a"], gone=["b"]),
    Goodbye("node", {"a": 1}),
)


def random_payload(rng: Random, depth: int = 3) -> Any:
    kind = rng.randrange(8 if depth else 6)
    if kind == 7:
        return {str(rng.random()): random_payload(rng, depth - 1) for _ in range(rng.randrange(4))}
    if kind == 6:
        return [random_payload(rng, depth - 1) for _ in range(rng.randrange(5))]
    return (None, True, rng.randrange(2**63), rng.random(), rng.randbytes(rng.randrange(40)), "é" * rng.randrange(40))[
        kind
    ]


def test_every_kind_of_word_is_tried() -> None:
    assert {encode_control(word)[0] for word in WORDS} == set(CONTROL)
