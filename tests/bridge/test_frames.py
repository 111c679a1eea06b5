"""The compiled half of the bridge: what it makes and opens, the other half makes and opens to the same."""

from __future__ import annotations

import time
from collections import Counter
from random import Random
from typing import TYPE_CHECKING, Any
from zlib import crc32

import hypothesis.strategies as st
import pytest
from hypothesis import given

import stentor
from stentor import AddressingMode, Message, Priority
from stentor.bridge import RedisBridge
from stentor.bridge._body import DIRECT, MESSAGE, decode_body, encode_body
from stentor.bridge._clock import AnchoredClock
from stentor.bridge._counting import AGES
from stentor.bridge._envelope import Envelope, EnvelopeCodec
from stentor.bridge._errors import BadEnvelope, UnsendableError
from stentor.bridge._frames import Entry, Frames, Opened
from stentor.bridge._hops import MOST_HOPS
from stentor.bridge._sequencing import REPEAT, Sequencing
from tests.bridge.test_bodies import FIELDS, MESSAGES, mutated, nested, random_payload

if TYPE_CHECKING:
    from collections.abc import Sequence

CLOCK = AnchoredClock(wall=lambda: 1024.0, steady=lambda: 0.0)
HERE = b"the-here"
THERE = b"th-there"
CODEC = EnvelopeCodec()
TOPIC = "a.topic"


def frames(origin: bytes = HERE, max_size: int = 2**20, streams: Sequence[str] = ()) -> Frames:
    """Those of one bridge."""
    return Frames(origin, streams=streams, max_size=max_size, most_hops=MOST_HOPS, anchor=CLOCK.anchor, ages=AGES)


class Receiver:
    """Opens what comes from `THERE`, of which it has heard before."""

    def __init__(self, last: int = 0, *, scope: str | None = None) -> None:
        self.sequencing = Sequencing(capacity=10)
        self.scope = scope
        self.known = self.sequencing.origin(THERE, 0.0)
        self.known.last[scope or TOPIC] = last
        self.wanted = {TOPIC: True, "unwanted": False}
        self.ages = [0] * len(AGES)

    def open(self, *items: object, now: float = 0.0) -> Opened:
        """Open pushes, or entries."""
        return frames().open(
            list(items),
            0,
            len(items),
            scope=self.scope,
            origins=self.sequencing.origins,
            wanted=self.wanted,
            ages=self.ages,
            now=now,
        )


def push(frame: bytes) -> list[bytes]:
    """What a server sends to a subscriber."""
    return [b"message", b"channel", frame]


def entry(*frames: object, number: int = 1) -> list[Any]:
    """What a server has in a stream."""
    return [b"%d-0" % number, [word for frame in frames for word in (b"e", frame)]]


def framed(number: int, message: Message | None = None, **changes: Any) -> bytes:
    """An envelope from `THERE`."""
    message = Message(TOPIC, number, id=f"m-{number}") if message is None else message
    body = encode_body(message, CLOCK)
    envelope = Envelope(MESSAGE, THERE, number, 1, again=False, sent_at=1_024_000, topic=message.topic, body=body)
    return CODEC.encode(envelope._replace(**changes))


def ids(opened: Opened) -> list[str | None]:
    """The ids of what was opened."""
    return [None if message is None else message.id for message in opened.messages]


def fields(message: Message) -> list[object]:
    """All that is said of a message, with the types, and so that NaN is NaN."""
    return [
        (repr(value), type(value)) for value in (getattr(message, name) for name in (*FIELDS, "topic", "expires_at"))
    ]


# -- the way out ------------------------------------------------------------------------------------------------------


@given(MESSAGES, st.booleans())
def test_what_is_made_is_the_same(message: Message, again: bool) -> None:
    made = frames().entry(message, 2, 3.5, again)
    try:
        body = encode_body(message, CLOCK, again=again)
    except UnsendableError:
        assert made is None
        return
    if made is None:  # a key that is no string, which only the other half sends
        return
    assert (made.kind, made.scope, made.topic, made.hop) == (MESSAGE, TOPIC, TOPIC, 2)
    assert (made.sent_at, made.accepted_at, made.expires_at) == (1_027_500, 3.5, message.expires_at)
    assert made.body == body


@given(MESSAGES, st.integers(1, 2**64 - 1), st.integers(1, MOST_HOPS), st.booleans())
def test_what_is_sealed_is_the_same(message: Message, number: int, hop: int, again: bool) -> None:
    body = encode_body(message, CLOCK)
    one = Entry(MESSAGE, TOPIC, TOPIC, body, hop, 77, 0.0)
    one.number = number
    expected = Envelope(MESSAGE, HERE, number, hop, again=again, sent_at=77, topic=TOPIC, body=body)
    assert frames().seal([one, one], again) == [CODEC.encode(expected)] * 2


async def test_the_id_that_a_bus_gives_is_the_same() -> None:
    async with stentor.open_bus() as bus:
        bus._parts.ids.number = 998
        for _ in range(3):
            message = (await bus.publish(TOPIC)).message
            made = frames().entry(message, 1, 0.0, False)  # noqa: FBT003
            assert made is not None
            assert made.body == encode_body(message, CLOCK)
            assert decode_body(TOPIC, made.body, CLOCK).id == message.id


def test_topics_are_spread_over_streams() -> None:
    made = frames(streams=("zero", "one", "two"))
    for topic in map("a.{}".format, range(20)):
        one = made.entry(Message(topic, id="m"), 1, 0.0, False)  # noqa: FBT003
        assert one is not None
        assert one.scope == ("zero", "one", "two")[crc32(topic.encode()) % 3]


@pytest.mark.parametrize(
    "message",
    [
        Message(TOPIC, {1, 2}, id="m"),
        Message(TOPIC, (1, 2), id="m"),
        Message(TOPIC, float("nan"), id="m"),
        Message(TOPIC, 2**64, id="m"),
        Message(TOPIC, -(2**63) - 1, id="m"),
        Message(TOPIC, Priority.HIGH, id="m"),
        Message(TOPIC, "\ud800", id="m"),
        Message(TOPIC, {1: "a"}, id="m"),
        Message(TOPIC, nested(40), id="m"),
        Message(TOPIC, "x" * 1000, id="m"),
        Message(TOPIC, id="m", headers={"a": 1}),  # type: ignore[dict-item]
        Message(TOPIC, id="m", sender=5),  # type: ignore[arg-type]
        Message("agent", id="m", addressing=AddressingMode.DIRECT),
        Message("all", id="m", addressing=AddressingMode.BROADCAST),
        Message("\ud800", id="m"),
    ],
    ids=repr,
)
def test_what_is_out_of_the_ordinary_is_left_to_the_other_half(message: Message) -> None:
    assert frames(max_size=900).entry(message, 1, 0.0, False) is None  # noqa: FBT003


# -- the way in -------------------------------------------------------------------------------------------------------


@given(MESSAGES)
def test_what_is_opened_is_the_same(message: Message) -> None:
    receiver = Receiver(41)
    found = receiver.open(push(framed(42, message)))
    if found.stop == 0:
        assert receiver.known.last == {TOPIC: 41}
        assert found.messages == []
        return
    (opened,) = found.messages
    assert opened is not None
    assert fields(opened) == fields(decode_body(TOPIC, encode_body(message, CLOCK), CLOCK))
    assert receiver.known.last == {TOPIC: 42}


def test_an_ordinary_message_is_opened_here() -> None:
    payload = {
        "a": [1, -1, 2**40, 0.5, None, True, "x" * 300, b"y" * 70_000, list(range(20))],
        **dict.fromkeys("bcdefghijklmnopqrs"),
    }
    message = Message(
        TOPIC, payload, id="m", sender="s", priority=Priority.URGENT, ttl=5.0, headers={"k": "v"}, cause="c"
    )
    one = frames(THERE).entry(message, 1, 0.0, False)  # noqa: FBT003
    assert one is not None
    one.number = 1
    receiver = Receiver()
    found = receiver.open(push(*frames(THERE).seal([one], again=False)))
    assert found.stop == 1
    (opened,) = found.messages
    assert opened is not None
    assert fields(opened) == fields(message)
    assert opened.priority is Priority.URGENT
    with pytest.raises(TypeError):
        opened.headers["k"] = "other"  # type: ignore[index]


def test_what_comes_is_put_in_sequence_up_to_what_is_out_of_the_ordinary() -> None:
    receiver = Receiver(3)
    wrong = bytearray(framed(6))
    wrong[-1] ^= 1
    items = [push(framed(4)), push(framed(5)), push(bytes(wrong)), push(framed(6))]
    found = receiver.open(*items, now=9.0)
    assert (ids(found), found.stop, found.origins) == (["m-4", "m-5"], 2, [THERE])
    assert found.oldest == 9.0
    assert receiver.known.last == {TOPIC: 5}
    assert receiver.known.heard == 9.0
    assert Counter(dict(zip(AGES, receiver.ages, strict=True))) == Counter({10.0: 2})


@pytest.mark.parametrize(
    "item",
    [
        push(framed(9)),  # a repeat
        push(framed(12)),  # some are missing
        push(framed(11, kind=DIRECT)),
        push(framed(11, hop=MOST_HOPS + 1)),
        push(framed(11, origin=b"a-third.")),
        push(framed(11, topic="unheard.of")),
        push(framed(11, body=encode_body(Message(TOPIC, id="m"), CLOCK, asked_by="node"))),
        push(framed(11, body=encode_body(Message(TOPIC, id="m"), CLOCK, to="node"))),
        push(framed(11, body=encode_body(Message(TOPIC, id="m"), CLOCK, again=True))),
        push(framed(11, body=encode_body(Message(TOPIC, id="m"), CLOCK) + b"\0")),
        push(EnvelopeCodec(keys={1: b"k" * 16}).encode(CODEC.decode(framed(11)))),
        [b"subscribe", b"channel", 1],
        [b"pong", b"channel", framed(11)],
        [b"message", b"channel", None],
        [],
        b"no push",
    ],
)
def test_what_is_out_of_the_ordinary_is_not_opened(item: object) -> None:
    receiver = Receiver(10)
    found = receiver.open(item)
    assert (found.messages, found.stop, found.echoes, found.unheard, found.oldest) == ([], 0, 0, 0, 0.0)
    assert receiver.known.last == {TOPIC: 10}


def test_by_streams_what_nobody_wants_keeps_its_place() -> None:
    receiver = Receiver(scope="stream")
    packet = entry(framed(2, Message("unwanted", id="m")), framed(9, origin=HERE), framed(3), number=2)
    found = receiver.open(entry(framed(1)), packet, entry(framed(4), number=3))
    assert ids(found) == ["m-1", None, None, "m-3", "m-4"]
    assert (found.stop, found.echoes, found.unheard) == (3, 1, 1)
    first, second, third = (("stream", b"%d-0" % number) for number in (1, 2, 3))
    assert found.tokens == [first, second, second, second, third]
    assert found.held == {first: 1, second: 3, third: 1}
    assert receiver.known.last == {"stream": 4}


def test_by_pubsub_what_nobody_wants_is_left_out_and_has_no_number() -> None:
    receiver = Receiver()
    frame = framed(2, Message("unwanted", id="m"))
    found = receiver.open(push(frame), push(framed(9, origin=HERE)), push(framed(1)))
    assert (ids(found), found.stop, found.echoes, found.unheard) == (["m-1"], 3, 1, 1)
    assert (found.tokens, found.held) == ([], {})
    assert receiver.known.last == {TOPIC: 1}


@pytest.mark.parametrize(
    "odd",
    [framed(2), framed(5), framed(4, hop=9), framed(4, origin=b"a-third."), framed(4, body=b"?"), b"garbage", None, 5],
)
def test_an_entry_is_opened_as_a_whole_or_not_at_all(odd: object) -> None:
    receiver = Receiver(scope="stream")
    receiver.sequencing.origin(b"a-third.", 0.0).last["stream"] = 3
    echo = framed(9, origin=HERE)
    found = receiver.open(
        entry(framed(1), framed(2)), entry(framed(3), echo, odd, number=2), entry(framed(4), number=3)
    )
    assert (ids(found), found.stop, found.echoes) == (["m-1", "m-2"], 1, 0)
    assert found.held == {("stream", b"1-0"): 2}
    assert receiver.known.last == {"stream": 2}


@pytest.mark.parametrize(
    "item",
    [
        [5, [b"e", framed(1)]],
        [b"1-0", None],
        [b"1-0", []],
        [b"1-0", [b"e"]],
        [b"1-0", [b"e", framed(1), b"e"]],
        [b"1-0", [b"e", 5]],
        [b"1-0"],
        [],
        None,
    ],
)
def test_entries_that_make_no_sense_are_not_opened(item: object) -> None:
    receiver = Receiver(scope="stream")
    found = receiver.open(item)
    assert (found.messages, found.stop) == ([], 0)
    assert receiver.known.last == {"stream": 0}


def check_damaged(rng: Random, message: Message) -> bool:
    """Open a damaged envelope whose checksum is right, and return whether it was opened here: then as the others do."""
    body = mutated(encode_body(message, CLOCK), rng) if rng.random() < 0.8 else encode_body(message, CLOCK)
    frame = framed(1, body=body)
    if rng.random() < 0.2:
        frame = mutated(frame, rng)
    receiver = Receiver()
    found = receiver.open(push(frame))
    if found.stop:
        envelope = CODEC.decode(frame)
        expected = decode_body(envelope.topic, envelope.body, CLOCK)
        assert receiver.sequencing.take(THERE, TOPIC, envelope.seq, 0.0) == REPEAT
        assert [fields(each) for each in found.messages if each is not None] == [fields(expected)]
    return bool(found.stop)


@given(MESSAGES, st.integers(0, 2**32))
def test_a_damaged_one_is_opened_as_the_other_half_does_or_not_at_all(message: Message, seed: int) -> None:
    check_damaged(Random(seed), message)


async def test_what_comes_when_the_bus_takes_nothing_more_is_refused_one_by_one() -> None:
    async with stentor.open_bus() as bus, RedisBridge(bus, "redis://127.0.0.1:1", in_=[TOPIC]) as bridge:
        parts = bridge._parts
        assert parts is not None
        parts.interest.wanted[TOPIC] = True
        parts.sequencing.origin(THERE, 0.0).last[TOPIC] = 0
        opened = parts.incoming.open_many([push(framed(1)), push(framed(2))], 0, 2)
        assert opened is not None
        assert ids(opened) == ["m-1", "m-2"]
        parts.extension.close()
        await parts.incoming.relay_many(opened)
        assert bridge.statistics().refused == {"message": 2}


@pytest.mark.long
def test_ten_minutes_of_damaged_frames() -> None:
    rng = Random(time.time_ns())
    end = time.monotonic() + 600
    opened = 0
    while time.monotonic() < end:
        message = Message(TOPIC, random_payload(rng), id="m-1", sender=rng.choice((None, "them")))
        try:
            opened += check_damaged(rng, message)
        except (BadEnvelope, UnsendableError):
            continue
    assert opened
