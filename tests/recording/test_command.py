"""`stentor diff` tells by its exit status whether two recordings are the same."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from stentor.__main__ import main
from tests.recording.programs import on_virtual_clock
from tests.recording.test_difference import little

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def paths(tmp_path: Path) -> list[str]:
    """Three recordings, the last of which took longer."""
    for name, pause in (("a", 1.0), ("b", 1.0), ("c", 2.0)):
        on_virtual_clock(little, tmp_path / name, pause=pause)
    return [str(tmp_path / name) for name in "abc"]


def test_the_same_is_0_and_says_nothing(paths: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["diff", paths[0], paths[1]]) == 0
    assert main(["diff", "--no-times", paths[0], paths[2]]) == 0
    assert main(["diff", "--no-order", paths[0], paths[1]]) == 0
    assert capsys.readouterr() == ("", "")


def test_a_difference_is_1_and_is_told(paths: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["diff", paths[0], paths[2]]) == 1
    assert capsys.readouterr().out.splitlines()[-1] == "  time: 1.0 in the first, 2.0 in the second"
    assert main(["diff", "-q", paths[0], paths[2]]) == 1
    assert capsys.readouterr() == ("", "")


def test_trouble_is_2(paths: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["diff", paths[0], str(tmp_path / "none")]) == 2
    (tmp_path / "no").write_text("no recording")
    assert main(["diff", paths[0], str(tmp_path / "no")]) == 2
    assert capsys.readouterr().err.splitlines() == [
        f"stentor diff: error: [Errno 2] No such file or directory: '{tmp_path / 'none'}'",
        f"stentor diff: error: {tmp_path / 'no'} is not a recording: it does not begin with 'stentor recording'",
    ]


def test_a_cut_recording_is_compared_as_far_as_it_goes(
    paths: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    content = (tmp_path / "a").read_bytes()
    (tmp_path / "b").write_bytes(content[:-120])
    assert main(["diff", paths[0], paths[1]]) == 1
    told = capsys.readouterr()
    assert "second: nothing" in told.out
    assert told.err.startswith(f"stentor diff: warning: {tmp_path / 'b'} is read as far as it goes: it is cut at byte")
