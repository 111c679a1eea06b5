"""Payloads in the file: what comes back equals what went in, or nothing is accepted."""

from __future__ import annotations

import contextlib
import datetime as dt
import sqlite3
import sys
from enum import IntEnum
from typing import TYPE_CHECKING, Any, Literal

import hypothesis.strategies as st
import pytest
from hypothesis import given

from stentor import MailboxEntry, MailboxQuery, Message, StoreError, UnstorableError
from stentor.storage import SQLiteStore
from stentor.storage._codec import decode, encoder

if TYPE_CHECKING:
    from pathlib import Path

Codec = Literal["json", "msgpack"]

FINITE = st.floats(allow_nan=False, allow_infinity=False)
SCALARS = st.none() | st.booleans() | st.integers(-(2**63), 2**63) | FINITE | st.text()
PAYLOADS = st.recursive(SCALARS, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=20)


class Colour(IntEnum):
    """Numbers with names."""

    RED = 1


@given(payload=PAYLOADS | st.binary(), codec=st.sampled_from(["json", "msgpack"]))
def test_what_is_encoded_comes_back_equal_and_of_its_type(payload: Any, codec: Codec) -> None:
    found = decode(*encoder(codec)(payload))
    assert found == payload
    assert type(found) is type(payload)


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        ({1: "one"}, "its payload would not come back from json equal to what it is"),
        ((1, 2), "its payload would not come back from json equal to what it is"),
        ([(1,)], "its payload would not come back from json equal to what it is"),
        (float("nan"), "its payload does not go into json: Out of range float values are not JSON compliant"),
        ([float("inf")], "its payload does not go into json: Out of range float values are not JSON compliant"),
        ({1, 2}, "its payload does not go into json: Object of type set is not JSON serializable"),
        (b"x".join, "its payload does not go into json: Object of type builtin_function_or_method is not JSON "),
        ({"raw": b"x"}, "its payload does not go into json: Object of type bytes is not JSON serializable"),
        (dt.date(2026, 1, 1), "its payload does not go into json: Object of type date is not JSON serializable"),
    ],
)
def test_json_refuses_what_it_would_change(payload: object, reason: str) -> None:
    with pytest.raises(ValueError, match="its payload") as caught:
        encoder("json")(payload)
    assert str(caught.value).startswith(reason)


@pytest.mark.parametrize("payload", [(1, 2), {1, 2}, float("nan"), object(), dt.date(2026, 1, 1), 2**70])
def test_msgpack_refuses_what_it_would_change(payload: object) -> None:
    with pytest.raises(ValueError, match="its payload"):
        encoder("msgpack")(payload)


def test_msgpack_takes_what_json_does_not() -> None:
    payload = {1: b"\x00", "deep": [b"x", {2.5: None}]}
    form, encoded = encoder("msgpack")(payload)
    assert decode(form, encoded) == payload


def test_a_number_of_an_enumeration_comes_back_as_a_number() -> None:
    assert decode(*encoder("json")(Colour.RED)) == 1


def test_a_payload_too_deep_is_refused() -> None:
    payload: list[Any] = []
    for _ in range(100_000):
        payload = [payload]
    with pytest.raises(ValueError, match="its payload does not go into json: maximum recursion depth exceeded"):
        encoder("json")(payload)


@pytest.mark.real_clock
@pytest.mark.parametrize(
    ("message", "reason"),
    [
        (Message("t", object(), id="m-2"), "its payload does not go into json: Object of type object is not JSON "),
        (Message("t", "\ud800", id="m-2"), "'\\ud800' is a lone surrogate, which UTF-8 does not have"),
        (Message("\ud800", 1, id="m-2"), "'\\ud800' is a lone surrogate, which UTF-8 does not have"),
        (
            Message("t", sender="\ud800", id="m-2"),
            "'\\ud800' is a lone surrogate, which UTF-8 does not have",
        ),
    ],
)
async def test_nothing_is_accepted_with_a_message_that_cannot_be_stored(
    tmp_path: Path, message: Message, reason: str
) -> None:
    async with SQLiteStore(tmp_path / "mail.db") as store:
        with pytest.raises(UnstorableError) as caught:
            await store.append([MailboxEntry("a", Message("t", 1)), MailboxEntry("a", message)], cursors={"c": "1"})
        assert str(caught.value).startswith(f"nothing was accepted: message 'm-2' cannot be stored: {reason}")
        assert (caught.value.message_id, isinstance(caught.value, ValueError)) == ("m-2", True)
        assert await store.count(MailboxQuery()) == 0
        assert dict(await store.cursors()) == {}


@pytest.mark.real_clock
async def test_either_codec_reads_what_the_other_wrote(tmp_path: Path) -> None:
    path = tmp_path / "mail.db"
    codecs: tuple[Codec, ...] = ("json", "msgpack")
    for codec in codecs:
        async with SQLiteStore(path, codec=codec) as store:
            await store.append([MailboxEntry("a", Message("t", {"by": codec}))])
    for codec in codecs:
        async with SQLiteStore(path, codec=codec) as store:
            found = await store.read("a")
            assert [stored.message.payload for stored in found] == [{"by": "json"}, {"by": "msgpack"}]


@pytest.mark.real_clock
async def test_without_msgspec_it_is_said_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "mail.db"
    async with SQLiteStore(path, codec="msgpack") as store:
        await store.append([MailboxEntry("a", Message("t", {"n": 1}))])
    monkeypatch.setitem(sys.modules, "msgspec", None)
    monkeypatch.setattr("stentor.storage._codec._LOADS", {})
    with pytest.raises(ModuleNotFoundError) as missing:
        SQLiteStore(path, codec="msgpack")
    assert str(missing.value) == "msgspec is not installed: pip install 'stentor[storage]'"
    async with SQLiteStore(path) as store:
        with pytest.raises(StoreError) as caught:
            await store.read("a")
        assert str(caught.value) == (
            "stored message 1: its payload is in msgpack, and msgspec is not installed: pip install 'stentor[storage]'"
        )


@pytest.mark.real_clock
async def test_the_file_is_readable_by_people(tmp_path: Path) -> None:
    path = tmp_path / "mail.db"
    async with SQLiteStore(path) as store:
        await store.append([MailboxEntry("a", Message("ai.models", {"query": "why?"}, sender="s", headers={"k": "v"}))])
    with contextlib.closing(sqlite3.connect(path)) as other:
        row = other.execute("SELECT agent, topic, sender, headers, form, payload FROM entries").fetchone()
    assert row == ("a", "ai.models", "s", '{"k": "v"}', "json", '{"query":"why?"}')
