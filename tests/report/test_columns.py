"""A report holds all of the run, and nothing that it would have to fetch."""

from __future__ import annotations

import base64
import json
import re
import zlib
from typing import TYPE_CHECKING, Any

import pytest

from stentor.__main__ import main
from stentor.recording import read
from stentor.report import write_report
from tests.recording.programs import on_virtual_clock, town

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A recording in which everything happens."""
    path = tmp_path_factory.mktemp("report") / "town.stentor"
    on_virtual_clock(town, path, seed=1, steps=60)
    return path


def data_of(page: Path) -> Any:
    """The columns in a page."""
    found = re.search(r'<script id="data"[^>]*>([^<]*)</script>', page.read_text(encoding="utf-8"))
    assert found is not None
    return json.loads(zlib.decompress(base64.b64decode(found[1])))


def test_the_page_holds_every_delivery(recorded: Path) -> None:
    data = data_of(write_report(recorded))
    recording = read(recorded)
    deliveries = list(recording.deliveries())
    start = deliveries[0].accepted
    columns = data["deliveries"]
    assert [data["agents"][agent] for agent in columns["agent"]] == [delivery.agent for delivery in deliveries]
    assert [data["messages"]["id"][m] for m in columns["message"]] == [d.message.id for d in deliveries]
    assert columns["accepted"] == [round(delivery.accepted - start, 6) for delivery in deliveries]
    assert [data["outcomes"][outcome] for outcome in columns["outcome"]] == [
        d.outcome.value for d in deliveries if d.outcome
    ]
    assert [data["errors"][error] for error in columns["error"] if error >= 0] == [
        str(d.errors[-1]) for d in deliveries if d.errors
    ]
    messages = {message.id: message for message in recording.messages()}
    causes = [data["messages"]["id"][cause] if cause >= 0 else None for cause in data["messages"]["cause"]]
    assert causes == [messages[each].cause for each in data["messages"]["id"]]
    assert (data["about"], data["digest"], data["warning"]) == ({"seed": "1"}, recording.digest(), None)


def test_the_page_fetches_nothing(recorded: Path) -> None:
    page = write_report(recorded).read_text(encoding="utf-8")
    own = page.replace(page[page.index("<script>") : page.index("</script>")], "")
    assert re.findall(r"""(?:src|href)=["'](?!#)[^"']*|url\([^)]*\)|@import""", own) == []
    assert "{{" not in re.sub(r"<script.*?</script>", "", page, flags=re.DOTALL)


def test_a_cut_recording_has_a_page_that_says_so(recorded: Path, tmp_path: Path) -> None:
    (tmp_path / "cut.stentor").write_bytes(recorded.read_bytes()[:-100])
    assert "is cut at byte" in data_of(write_report(tmp_path / "cut.stentor"))["warning"]


def test_the_command_writes_a_page(recorded: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report", str(recorded), "--out", str(tmp_path / "page.html"), "--title", "A <b>town</b>"]) == 0
    assert capsys.readouterr().out == f"{tmp_path / 'page.html'}\n"
    assert "<title>A &lt;b&gt;town&lt;/b&gt; · stentor</title>" in (tmp_path / "page.html").read_text(encoding="utf-8")


def test_what_cannot_be_shown_is_an_error(recorded: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "no").write_text("no recording")
    before = recorded.read_bytes()
    assert main(["report", str(tmp_path / "no")]) == 2
    assert main(["report", str(tmp_path / "none")]) == 2
    assert main(["report", str(recorded), "--out", str(recorded)]) == 2
    assert capsys.readouterr().err.splitlines() == [
        f"stentor report: error: {tmp_path / 'no'} is not a recording: it does not begin with 'stentor recording'",
        f"stentor report: error: [Errno 2] No such file or directory: '{tmp_path / 'none'}'",
        f"stentor report: error: out must not be the recording itself, {recorded}",
    ]
    assert recorded.read_bytes() == before
    assert not (tmp_path / "no.html").exists()
    page = write_report(recorded, tmp_path / "there.html")
    with pytest.raises(FileExistsError):
        write_report(recorded, page, overwrite=False)
