"""`python -m stentor demo` as a user calls it, and the command line around it."""

from __future__ import annotations

import io
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from matplotlib.colors import to_rgb
from matplotlib.image import imread
from rich.console import Console

from stentor.__main__ import main
from stentor.demo import _score, command
from stentor.demo._club import Poll
from stentor.demo._picture import COLOURS
from stentor.demo._terminal import Display

if TYPE_CHECKING:
    from collections.abc import Sequence

ROW = r"^ +(\d+ +\d+ +[+-][01]\.\d\d) +(Mr\. Hi|the officer)"
"""Member, friends and opinion, and the predicted side."""

PNG = b"\x89PNG\r\n\x1a\n"


def stentor(arguments: Sequence[str], folder: Path) -> subprocess.CompletedProcess[str]:
    """Run the command line in a folder, in a process of its own that turns warnings into errors."""
    whole = [sys.executable, "-W", "error", "-m", "stentor", *arguments]
    return subprocess.run(whole, cwd=folder, capture_output=True, text=True, encoding="utf-8", timeout=120, check=False)


def said_here(arguments: Sequence[str], capsys: pytest.CaptureFixture[str]) -> str:
    """Run the demo in this process, which is quicker, and return what it said."""
    status = main(["demo", *arguments])
    said = capsys.readouterr()
    assert (status, said.err) == (0, "")
    return said.out


def shares_of(colours: Sequence[str], picture: Path) -> list[float]:
    """Which share of a picture's points have each colour."""
    points = imread(picture)[..., :3]
    return [float((np.abs(points - np.array(to_rgb(colour))).max(axis=-1) < 0.02).mean()) for colour in colours]


def test_the_karate_club_from_end_to_end(tmp_path: Path) -> None:
    done = stentor(["demo"], tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    rows = re.findall(rf"{ROW} +(Mr\. Hi|the officer) +(yes|no) *$", done.stdout, re.MULTILINE)
    assert len(rows) == 34
    assert all((predicted == real) == (agree == "yes") for _, predicted, real, agree in rows)
    agreeing = sum(agree == "yes" for *_, agree in rows)
    assert agreeing >= 32
    assert f"\n{agreeing} of 34 members are predicted on the side they took; picture: stentor-demo.png\n" in done.stdout
    # 30 rounds of 1 + 34 messages, to 34 members, 2 x 78 friends, 35 to the historian and 34 to the pollster.
    assert re.search(r"^ +messages +1,050 *$", done.stdout, re.MULTILINE)
    assert re.search(r"^ +deliveries +7,770 *$", done.stdout, re.MULTILINE)
    assert re.search(r"^ +deliveries/s +[\d,]+ *$", done.stdout, re.MULTILINE)
    assert len(re.findall(r"^ +latency, .+ +[\d.]+ ms *$", done.stdout, re.MULTILINE)) == 4
    picture = tmp_path / "stentor-demo.png"
    assert picture.read_bytes().startswith(PNG)
    assert all(0.005 < share < 0.2 for share in shares_of(COLOURS, picture))


def test_a_simulated_run_has_the_digest_that_the_readme_tells(tmp_path: Path) -> None:
    done = stentor(["demo", "--simulate"], tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    told = done.stdout.splitlines()[-2:]
    assert re.fullmatch(r"seed 0: 30 s, [\d]+ entries, digest [0-9a-f]{64}", told[1])
    readme = (Path(__file__).parent.parent / "README.md").read_text(encoding="utf-8")
    assert "\n".join(["```text", *told, "```"]) in readme
    assert re.search(r"^ +round +30/30 .*16 with Mr\. Hi · 18 with the officer", done.stdout, re.MULTILINE)


def test_another_seed_has_another_digest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    first, again, other = (
        said_here(["--simulate", "--quiet", "--rounds", "2", "--seed", seed], capsys).splitlines()[-1]
        for seed in ("7", "7", "8")
    )
    assert first == again
    assert first.rpartition(" ")[2] != other.rpartition(" ")[2]


def test_quiet_says_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    said = said_here(["--quiet", "--rounds", "2", "--seed", "7", "--out", "a.svg"], capsys)
    assert re.fullmatch(r"\d+ of 34 members are predicted on the side they took; picture: a\.svg\n", said)
    assert "<svg" in (tmp_path / "a.svg").read_text(encoding="utf-8")


def test_an_edge_list_of_ones_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "friends.txt").write_text(
        "# two circles\nann bob\nbob cid\nann cid\ndee eve\neve fay\nfay dee\ncid dee\n"
    )
    said = said_here(["--edges", "friends.txt", "--leaders", "ann", "fay"], capsys)
    assert "friends.txt: 6 members, 7 friendships" in said
    assert "real side" not in said
    assert "of 6 members 3 with ann and 3 with fay; picture: stentor-demo.png\n" in said
    assert (tmp_path / "stentor-demo.png").read_bytes().startswith(PNG)


def test_a_small_world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(tmp_path)
    said = said_here(["--agents", "1000", "--rounds", "3"], capsys)
    assert "A small world of 1,000 agents, 3,000 friendships" in said
    # 3 rounds of 1 + 1000 messages, to 1000 members, 2 x 3000 friends, 1001 to the historian, 1000 to the pollster.
    assert re.search(r"^ +messages +3,003 *$", said, re.MULTILINE)
    assert re.search(r"^ +deliveries +27,003 *$", said, re.MULTILINE)
    assert (tmp_path / "stentor-demo.png").read_bytes().startswith(PNG)


def refused(arguments: Sequence[str], capsys: pytest.CaptureFixture[str]) -> str:
    """The last line of what the command line says when it refuses; nothing else was done."""
    try:
        status = main(["demo", *arguments])
    except SystemExit as stop:
        status = stop.code if isinstance(stop.code, int) else -1
    said = capsys.readouterr()
    assert (status, said.out) == (2, "")
    return said.err.splitlines()[-1]


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (["--edges", "bad.txt"], "bad.txt, line 3: expected two names separated by white space, found 3"),
        (["--edges", "none.txt"], "none.txt cannot be read: No such file or directory"),
        (["--edges", "."], ". cannot be read: Is a directory"),
        (["--edges", "good.txt", "--leaders", "a", "x"], "--leaders: 'x' is not a member of the network"),
        (["--edges", "good.txt", "--leaders", "a", "a"], "--leaders must be two different members, not 'a' twice"),
        (["--leaders", "1", "2"], "--leaders needs --edges or --agents: those of the karate club are known"),
        (["--agents", "6"], "argument --agents: must be a whole number >= 7, not '6'"),
        (["--agents", "many"], "argument --agents: must be a whole number >= 7, not 'many'"),
        (["--agents", "10", "--edges", "good.txt"], "argument --edges: not allowed with argument --agents"),
        (["--seed", "-1"], "argument --seed: must be a whole number >= 0, not '-1'"),
        (["--rounds", "0"], "argument --rounds: must be a whole number >= 1, not '0'"),
        (["--out", "a.txt"], "argument --out: must end in one of .pdf, .png, .svg, not 'a.txt'"),
        (["--out", f"{'n' * 300}.png"], f"argument --out: must be a file in an existing folder, not '{'n' * 300}.png'"),
        (["--out", "no/a.png"], "argument --out: must be a file in an existing folder, not 'no/a.png'"),
    ],
)
def test_bad_input_is_refused_and_nothing_is_run(
    arguments: list[str],
    error: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("bad.txt").write_text("a b\nb c\na b c\n", encoding="utf-8")
    Path("good.txt").write_text("a b\nb c\n", encoding="utf-8")
    assert refused(arguments, capsys) == f"stentor demo: error: {error}"
    assert not Path("stentor-demo.png").exists()


def test_permuted_sides_change_the_score_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def rows_and_score() -> tuple[list[tuple[str, ...]], int]:
        command.run(command.Request(out=tmp_path / "a.svg"))
        out = capsys.readouterr().out
        score = re.search(r"^(\d+) of 34 members", out, re.MULTILINE)
        assert score is not None
        return re.findall(ROW, out, re.MULTILINE), int(score[1])

    rows, score = rows_and_score()
    swapped = {member: "34" if side == "1" else "1" for member, side in _score.real_sides().items()}
    monkeypatch.setattr(_score, "real_sides", lambda: swapped)
    assert rows_and_score() == (rows, 34 - score)
    assert len(rows) == 34


def test_the_picture_that_cannot_be_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "a.png"
    out.symlink_to(tmp_path / "no" / "a.png")
    assert main(["demo", "--rounds", "1", "--quiet", "--out", str(out)]) == 2
    error = f"stentor demo: error: the picture {out} cannot be written: No such file or directory\n"
    assert capsys.readouterr() == ("", error)


def without(modules: Sequence[str], calls: Sequence[Sequence[str]], folder: Path) -> list[tuple[int, str, str]]:
    """Call the command line in a process where some modules cannot be imported: each status, and what was said."""
    program = (
        "import io, json, sys\n"
        "from contextlib import redirect_stderr, redirect_stdout\n"
        f"sys.modules.update(dict.fromkeys({list(modules)!r}))\n"
        "from stentor.__main__ import main\n"
        "told = []\n"
        f"for arguments in {[list(arguments) for arguments in calls]!r}:\n"
        "    with redirect_stdout(io.StringIO()) as out, redirect_stderr(io.StringIO()) as err:\n"
        "        try:\n"
        "            status = main(arguments)\n"
        "        except SystemExit as stop:\n"
        "            status = stop.code\n"
        "    told.append((status, out.getvalue(), err.getvalue()))\n"
        "print(json.dumps(told))\n"
    )
    whole = [sys.executable, "-c", program]
    done = subprocess.run(whole, cwd=folder, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    return [(status or 0, out, err) for status, out, err in json.loads(done.stdout)]


@pytest.mark.parametrize("missing", ["rich", "matplotlib", "networkx", "numpy"])
def test_a_missing_extra_is_named(missing: str, tmp_path: Path) -> None:
    error = f"stentor demo: error: the demo needs {missing}: pip install 'stentor[demo]'\n"
    assert without([missing], [["demo"]], tmp_path) == [(2, "", error)]


def test_help_needs_no_extra(tmp_path: Path) -> None:
    extra = ["rich", "matplotlib", "networkx", "numpy", "shtab"]
    calls = [["--help"], ["demo", "--help"], ["--version"], ["--print-completion", "bash"]]
    *helped, completed = without(extra, calls, tmp_path)
    assert [(status, err) for status, _, err in helped] == [(0, "")] * 3
    assert all("stentor" in out for _, out, _ in helped)
    assert completed == (2, "", "stentor: error: this needs shtab: pip install 'stentor[demo]'\n")


def test_a_command_is_needed(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main([])
    assert stop.value.code == 2
    assert "the following arguments are required: COMMAND" in capsys.readouterr().err


@pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")
def test_bash_completes(tmp_path: Path) -> None:
    script = tmp_path / "completion"
    script.write_text(stentor(["--print-completion", "bash"], tmp_path).stdout, encoding="utf-8")

    def completed(*words: str) -> set[str]:
        line = (
            f"source {script}; COMP_WORDS=({' '.join(words)}); COMP_CWORD={len(words) - 1}; "
            f"_shtab_stentor stentor '{words[-1]}'; echo ${{COMPREPLY[@]}}"
        )
        done = subprocess.run(
            ["bash", "-c", line], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False
        )
        return set(done.stdout.split())

    assert "demo" in completed("stentor", "de")
    assert completed("stentor", "demo", "--r") == {"--record", "--rounds"}
    assert completed("stentor", "--print-completion", "z") == {"zsh"}
    assert completed("stentor", "demo", "--edges", "comp") == {"completion"}


def test_an_interrupted_command_says_so(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def interrupted(_: command.Request) -> None:
        msg = "in a nursery"
        raise BaseExceptionGroup(msg, [KeyboardInterrupt()])

    monkeypatch.setattr(command, "run", interrupted)
    assert main(["demo"]) == 130
    assert capsys.readouterr() == ("", "interrupted\n")


def test_the_progress_tells_how_it_stands() -> None:
    shown = io.StringIO()
    console = Console(file=shown, force_terminal=True, width=100, color_system=None)
    with Display(console, members=10, rounds=4, sides=("Mr. Hi", "the officer")) as display:
        display.report(Poll(round=2, heard=5, first=2, second=3))
    assert "round   2/4" in shown.getvalue()
    assert "2 with Mr. Hi · 3 with the officer" in shown.getvalue()
