"""Envelopes: what goes in comes out, and nothing that is not one gets in, however it is damaged."""

from __future__ import annotations

import time
from collections import Counter
from random import Random
from zlib import crc32

import hypothesis.strategies as st
import pytest
from hypothesis import given

from stentor.bridge._envelope import HEADER_BYTES, REASONS, SIGNATURE_BYTES, Envelope, EnvelopeCodec
from stentor.bridge._errors import BadEnvelope, UnsendableError

SECRET, OTHER_SECRET = b"a secret of this test", b"another one of this test"
PLAIN = EnvelopeCodec()
SIGNED = EnvelopeCodec(namespace="sim", keys={7: SECRET})
GIVEN = Envelope(
    kind=0,
    origin=b"\x00\x01\x02\x03\x04\x05\x06\x07",
    seq=5,
    hop=1,
    again=False,
    sent_at=1_700_000_000_000,
    topic="ai.models.gpt4",
    body=b"body",
)

ENVELOPES = st.builds(
    Envelope,
    kind=st.integers(0, 15),
    origin=st.binary(min_size=8, max_size=8),
    seq=st.integers(1, 2**64 - 1),
    hop=st.integers(0, 255),
    again=st.booleans(),
    sent_at=st.integers(0, 2**64 - 1),
    topic=st.text(max_size=40),
    body=st.binary(max_size=200),
)
CODECS = st.sampled_from([PLAIN, SIGNED])


def reason_of(codec: EnvelopeCodec, data: bytes) -> str:
    with pytest.raises(BadEnvelope) as caught:
        codec.decode(data)
    assert caught.value.reason in REASONS
    return caught.value.reason


def mended(data: bytes) -> bytes:
    """The same with the checksum that it should have."""
    return data[:36] + crc32(data[:36] + data[40:]).to_bytes(4, "big") + data[40:]


def changed(data: bytes, place: int, value: int) -> bytes:
    return mended(data[:place] + bytes([value]) + data[place + 1 :])


@given(envelope=ENVELOPES, codec=CODECS)
def test_what_goes_in_comes_out(envelope: Envelope, codec: EnvelopeCodec) -> None:
    assert codec.decode(codec.encode(envelope)) == envelope


@given(envelope=ENVELOPES, codec=CODECS, data=st.data())
def test_a_changed_byte_is_found(envelope: Envelope, codec: EnvelopeCodec, data: st.DataObject) -> None:
    encoded = codec.encode(envelope)
    place = data.draw(st.integers(0, len(encoded) - 1))
    damaged = bytearray(encoded)
    damaged[place] ^= data.draw(st.integers(1, 255))
    reason_of(codec, bytes(damaged))


@given(envelope=ENVELOPES, codec=CODECS, data=st.data())
def test_a_cut_or_a_longer_one_is_found(envelope: Envelope, codec: EnvelopeCodec, data: st.DataObject) -> None:
    encoded = codec.encode(envelope)
    reason_of(codec, encoded[: data.draw(st.integers(0, len(encoded) - 1))])
    reason_of(codec, encoded + data.draw(st.binary(min_size=1, max_size=20)))


@given(data=st.binary(max_size=300), codec=CODECS)
def test_what_is_none_is_refused_in_one_way_only(data: bytes, codec: EnvelopeCodec) -> None:
    reason_of(codec, data)


def test_the_layout_is_the_one_that_is_written_down() -> None:
    encoded = PLAIN.encode(GIVEN._replace(kind=3, again=True))
    head = b"ST\x01\x23" + GIVEN.origin + (5).to_bytes(8, "big") + GIVEN.sent_at.to_bytes(8, "big")
    head += b"\x01\x01" + bytes(4) + len(GIVEN.topic).to_bytes(2, "big")
    rest = b"ai.models.gpt4" + b"body"
    assert encoded == head + crc32(head + rest).to_bytes(4, "big") + rest
    assert len(head) + 4 == HEADER_BYTES == 40


def test_a_signature_stands_behind_and_no_checksum_before() -> None:
    encoded = SIGNED.encode(GIVEN)
    assert len(encoded) == len(PLAIN.encode(GIVEN)) + SIGNATURE_BYTES
    assert encoded[30:34] == (7).to_bytes(4, "big")
    assert encoded[36:40] == bytes(4)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "short"),
        (PLAIN.encode(GIVEN)[: HEADER_BYTES - 1], "short"),
        (changed(PLAIN.encode(GIVEN), 0, ord("X")), "magic"),
        (changed(PLAIN.encode(GIVEN), 2, 2), "version"),
        (changed(PLAIN.encode(GIVEN), 3, 0x40), "flags"),
        (changed(PLAIN.encode(GIVEN), 3, 0x80), "flags"),
        (changed(PLAIN.encode(GIVEN), 19, 0), "sequence"),
        (changed(PLAIN.encode(GIVEN), 29, 2), "codec"),
        (changed(PLAIN.encode(GIVEN), 33, 1), "key"),
        (changed(PLAIN.encode(GIVEN), 34, 255), "length"),
        (changed(PLAIN.encode(GIVEN), HEADER_BYTES, 255), "topic"),
        (PLAIN.encode(GIVEN)[:-1] + b"X", "checksum"),
        (bytes(2**20 + 1), "size"),
    ],
)
def test_each_rule_has_its_word(data: bytes, reason: str) -> None:
    assert reason_of(PLAIN, data) == reason


def test_with_keys_only_what_they_signed_gets_in() -> None:
    assert reason_of(SIGNED, PLAIN.encode(GIVEN)) == "signature"
    assert reason_of(PLAIN, SIGNED.encode(GIVEN)) == "key"
    assert reason_of(EnvelopeCodec(namespace="sim", keys={8: SECRET}), SIGNED.encode(GIVEN)) == "key"
    assert reason_of(EnvelopeCodec(namespace="sim", keys={7: OTHER_SECRET}), SIGNED.encode(GIVEN)) == "signature"
    assert reason_of(SIGNED, SIGNED.encode(GIVEN)[:50]) == "short"


def test_what_was_signed_for_one_namespace_is_not_accepted_in_another() -> None:
    assert reason_of(EnvelopeCodec(namespace="other", keys={7: SECRET}), SIGNED.encode(GIVEN)) == "signature"


def test_keys_change_without_a_pause() -> None:
    old, new = {1: SECRET}, {2: OTHER_SECRET}
    before = EnvelopeCodec(keys=old)
    during = EnvelopeCodec(keys=old | new, sign_with=1)
    after = EnvelopeCodec(keys=old | new, sign_with=2)
    for sender in (before, during):
        for receiver in (before, during, after):
            assert receiver.decode(sender.encode(GIVEN)) == GIVEN
    assert during.decode(after.encode(GIVEN)) == GIVEN
    assert reason_of(EnvelopeCodec(keys=new), before.encode(GIVEN)) == "key"


@pytest.mark.parametrize(
    ("envelope", "reason"),
    [
        (GIVEN._replace(kind=16), "kind must be an int from 0 to 15, not 16"),
        (GIVEN._replace(kind=-1), "kind must be an int from 0 to 15, not -1"),
        (GIVEN._replace(seq=0), "seq must be an int from 1 to 18446744073709551615, not 0"),
        (GIVEN._replace(seq=2**64), f"seq must be an int from 1 to {2**64 - 1}, not {2**64}"),
        (GIVEN._replace(hop=256), "hop must be an int from 0 to 255, not 256"),
        (GIVEN._replace(sent_at=-1), "sent_at must be an int from 0 to 18446744073709551615, not -1"),
        (GIVEN._replace(origin=b"short"), "origin must be 8 bytes, not b'short'"),
        (GIVEN._replace(topic="a\ud800"), "topic must be without lone surrogates, and has one at offset 1"),
        (GIVEN._replace(topic="a" * 65_536), "topic must have at most 65535 bytes, not 65536"),
        (GIVEN._replace(body=bytes(2**20)), "its envelope has 1048630 bytes, and at most 1048576 may be sent"),
    ],
)
def test_what_does_not_fit_is_not_sent(envelope: Envelope, reason: str) -> None:
    with pytest.raises(UnsendableError) as caught:
        PLAIN.encode(envelope)
    assert caught.value.reason == reason


def test_the_largest_one_fits() -> None:
    codec = EnvelopeCodec(keys={1: SECRET}, max_size=100)
    fitting = GIVEN._replace(topic="t", body=bytes(100 - HEADER_BYTES - SIGNATURE_BYTES - 1))
    assert codec.decode(codec.encode(fitting)) == fitting
    with pytest.raises(UnsendableError):
        codec.encode(fitting._replace(topic="to"))


@pytest.mark.parametrize(
    ("arguments", "error", "text"),
    [
        ({"keys": {0: SECRET}}, ValueError, "keys must have ids from 1 to 4294967295, not 0"),
        ({"keys": {True: SECRET}}, ValueError, "keys must have ids from 1 to 4294967295, not True"),
        ({"keys": {1: "a secret of this test"}}, TypeError, "keys must be bytes, and key 1 is of type str"),
        ({"keys": {1: b"x"}}, ValueError, "keys must have at least 16 bytes, and key 1 has 1"),
        ({"keys": {1: SECRET}, "sign_with": 2}, ValueError, "sign_with must be the id of one of the keys, not 2"),
        ({"sign_with": 2}, ValueError, "sign_with must be the id of one of the keys, not 2"),
        ({"keys": {1: SECRET, 2: SECRET}}, ValueError, "sign_with must be given where there are several keys"),
        ({"max_size": 56}, ValueError, "max_size must be > 56, not 56"),
    ],
)
def test_a_codec_that_cannot_be_is_refused(arguments: dict[str, object], error: type[Exception], text: str) -> None:
    with pytest.raises(error) as caught:
        EnvelopeCodec(**arguments)  # type: ignore[arg-type]
    assert str(caught.value) == text


def test_a_codec_shows_no_secret() -> None:
    assert repr(SIGNED) == "<EnvelopeCodec, keys [7], up to 1048576 bytes>"


@pytest.mark.long
def test_ten_minutes_of_damaged_envelopes() -> None:
    """Mutations of good envelopes, and of ones with a right checksum, never raise anything but `BadEnvelope`."""
    rng = Random()
    seed = rng.randrange(2**32)
    rng.seed(seed)
    outcomes: Counter[str] = Counter()
    end = time.monotonic() + 600
    while time.monotonic() < end:
        for _ in range(1000):
            codec = rng.choice((PLAIN, SIGNED))
            good = codec.encode(_random_envelope(rng))
            data = _mutated(good, rng)
            if data != good:
                outcomes[_outcome(codec, data if rng.random() < 0.5 else mended(data))] += 1
    print(f"seed {seed}: {outcomes.total()} damaged envelopes: {outcomes}")  # noqa: T201
    assert outcomes.keys() <= REASONS | {"accepted"}, seed


def _outcome(codec: EnvelopeCodec, data: bytes) -> str:
    try:
        codec.decode(data)
    except BadEnvelope as error:
        return error.reason
    assert codec is PLAIN, "a forged signature"
    return "accepted"


def _random_envelope(rng: Random) -> Envelope:
    topic = "".join(rng.choice("ab.é😀") for _ in range(rng.randrange(20)))
    numbers = rng.randrange(1, 2**64), rng.randrange(256), rng.random() < 0.5, rng.randrange(2**64)
    return Envelope(rng.randrange(16), rng.randbytes(8), *numbers, topic, rng.randbytes(rng.choice((0, 10, 300))))


def _mutated(data: bytes, rng: Random) -> bytes:
    changed = bytearray(data)
    for _ in range(rng.randrange(1, 4)):
        kind, place = rng.randrange(4), rng.randrange(len(changed) + 1)
        if kind == 0:
            changed[place:place] = rng.randbytes(rng.randrange(1, 9))
        elif kind == 1:
            del changed[place : place + rng.randrange(1, 9)]
        elif kind == 2 and place < len(changed):
            changed[place] ^= 1 << rng.randrange(8)
        else:
            changed[place : place + 4] = rng.choice((b"\xff\xff\xff\xff", b"\x00\x00\x00\x00", b"ST\x01\x00"))
    return bytes(changed)
