"""A recording that is cut at any byte, or damaged at any byte, is read as far as it goes, with a warning."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

import stentor
from stentor.recording import RecordingError, RecordingWarning, read, record
from stentor.recording._file import FIRST_LINE, Writer
from stentor.recording._gathering import gathered
from stentor.recording._reading import entry_of
from stentor.recording._skipping import whole_items
from tests.recording.programs import on_virtual_clock, town

if TYPE_CHECKING:
    from pathlib import Path


def entries(path: Path) -> tuple[list[Any], list[str]]:
    """The entries of a recording, and the warnings that were given."""
    with warnings.catch_warnings(record=True) as given_warnings:
        warnings.simplefilter("always")
        raw = list(read(path).raw_entries())
    list(gathered(map(entry_of, raw)))
    assert {warning.category for warning in given_warnings} <= {RecordingWarning}
    return raw, [str(warning.message) for warning in given_warnings]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A recording of several blocks, in which everything happens."""
    path = tmp_path_factory.mktemp("whole") / "r"
    on_virtual_clock(town, path, seed=5, steps=100)
    return path


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A recording of a few hundred bytes."""
    path = tmp_path_factory.mktemp("small") / "r"
    on_virtual_clock(town, path, seed=5, steps=4)
    return path


def check_cut(data: bytes, every: list[Any], cut: Path, size: int) -> int:
    """Cut a recording, which has `every` entry, to so many bytes, and return how many of them are still read."""
    assert size < len(data)
    cut.write_bytes(data[:size])
    raw, told = entries(cut)
    assert raw == every[: len(raw)]
    assert told
    assert all(text.startswith(f"{cut} is read as far as it goes: it ") for text in told)
    return len(raw)


def test_a_whole_recording_is_read_without_a_warning(whole: Path) -> None:
    raw, told = entries(whole)
    assert len(raw) > 1000
    assert told == []


def test_cut_at_every_byte(small: Path, tmp_path: Path) -> None:
    data = small.read_bytes()
    every, _ = entries(small)
    kept = [check_cut(data, every, tmp_path / "cut", size) for size in range(len(data))]
    assert kept == sorted(kept), "a longer beginning has no fewer entries"
    assert kept[0] == 0
    assert len(set(kept)) > 20, "within a block, too, it is read up to the cut"
    assert kept[-1] == len(every)


@pytest.fixture(scope="module")
def every(whole: Path) -> list[Any]:
    """All of its entries."""
    return entries(whole)[0]


@settings(max_examples=40)
@given(st.data())
def test_cut_at_any_byte(whole: Path, every: list[Any], data: st.DataObject) -> None:
    content = whole.read_bytes()
    size = data.draw(st.integers(0, len(content) - 1))
    kept = check_cut(content, every, whole.with_name("cut"), size)
    share = size / len(content)
    assert kept >= (share - 0.2) * 1000, "little is lost before the cut"


@settings(max_examples=40)
@given(st.data())
def test_damaged_at_any_byte(whole: Path, every: list[Any], data: st.DataObject) -> None:
    content = bytearray(whole.read_bytes())
    place = data.draw(st.integers(0, len(content) - 1))
    content[place] ^= data.draw(st.integers(1, 255))
    damaged = whole.with_name("damaged")
    damaged.write_bytes(content)
    if place < len(FIRST_LINE):
        with pytest.raises(RecordingError):
            read(damaged)
        return
    raw, told = entries(damaged)
    assert raw == every[: len(raw)]
    assert told


def items(value: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Lists and maps of such values."""
    return st.lists(value, max_size=20) | st.dictionaries(st.text(max_size=3), value, max_size=20)


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats()
    | st.text()
    | st.binary()
    | st.sampled_from([b"x" * 300, "y" * 40, [0] * 300])
    | st.builds(msgspec.msgpack.Ext, st.integers(-128, 127), st.binary(max_size=300)),
    items,
    max_leaves=20,
)


@example([b"x" * 66_000, "y" * 66_000, [0] * 66_000, dict.fromkeys(range(66000), 0)], None)
@settings(max_examples=50)
@given(st.lists(VALUES, max_size=8), st.data())
def test_whole_items_are_found_wherever_the_rest_is_cut(values: list[Any], data: st.DataObject | None) -> None:
    encoded = [msgspec.msgpack.encode(value) for value in values]
    text = b"".join(encoded)
    size = len(text) - 1 if data is None else data.draw(st.integers(0, len(text)))
    ends = [sum(map(len, encoded[: count + 1])) for count in range(len(encoded))]
    count = sum(end <= size for end in ends)
    assert whole_items(text[:size]) == (count, ends[count - 1] if count else 0)


def test_a_byte_that_begins_no_item_ends_the_walk() -> None:
    assert whole_items(b"\x01\xc1\x01") == (1, 1)


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (b"stentor recording 2\n...", " is a recording of version 2, and this stentor reads version 1"),
        (b"stentor recording 10\n...", " is a recording of version 10, and this stentor reads version 1"),
        (b"hello", " is not a recording: it does not begin with 'stentor recording'"),
    ],
)
def test_what_is_no_recording_is_refused(tmp_path: Path, content: bytes, text: str) -> None:
    path = tmp_path / "r"
    path.write_bytes(content)
    with pytest.raises(RecordingError) as caught:
        read(path)
    assert str(caught.value) == f"{path}{text}"


def test_a_file_that_is_not_there_is_not_found(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        read(tmp_path / "nothing")


async def test_a_recording_is_read_while_it_is_written(tmp_path: Path) -> None:
    with record(tmp_path / "r") as recorder:
        async with stentor.open_bus(observers=[recorder]) as bus:
            await bus.publish("t", 1)
            recorder.flush()
            with pytest.warns(RecordingWarning, match="still writes it"):
                assert [message.payload for message in read(tmp_path / "r").messages()] == [1]


def test_a_block_of_no_entries_is_read(tmp_path: Path) -> None:
    writer = Writer(tmp_path / "r", overwrite=False)
    writer.append(b"", 0)
    writer.close()
    assert entries(tmp_path / "r")[0] == []
