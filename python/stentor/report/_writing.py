"""Writing a report: the page with its style, its programs and its data inside, so that it needs no network."""

from __future__ import annotations

import base64
import html
import zlib
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec

from stentor.recording import Recording, read
from stentor.report._columns import columns

if TYPE_CHECKING:
    from os import PathLike

PAGE: Final = files("stentor.report") / "page"
PROGRAMS: Final = ("model.js", "look.js", "overview.js", "talk.js", "time.js", "numbers.js", "details.js", "main.js")
"""In the order in which the page has them."""


def write_report(
    recording: str | PathLike[str] | Recording,
    out: str | PathLike[str] | None = None,
    *,
    title: str | None = None,
    overwrite: bool = True,
) -> Path:
    """Write a page of HTML that shows a recorded run, and return its path.

    It shows who talked to whom, as a graph and as a matrix; a timeline and a sequence diagram that can be zoomed and
    filtered by topic pattern and agent; latencies, mailbox depths, and failures with their causes. All that it needs is
    inside, so it works without a network; any browser of 2023 or later shows it.

    Args:
        recording: A recording, or the file of one.
        out: The page to be written; without it, the recording's name with ".html" for its ending.
        title: The title of the page; without it, the recording's name.
        overwrite: Whether a file that is there already is replaced.

    Raises:
        RecordingError: The file is no recording.
        ValueError: `out` is the recording itself.
        FileExistsError: `out` exists, and `overwrite` is not set.
        OSError: A file cannot be read or written.

    Example:
        >>> import pathlib, stentor.recording, tempfile
        >>> from stentor.report import write_report
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = pathlib.Path(folder, "run.stentor")
        ...     stentor.recording.record(path).close()
        ...     write_report(path).name
        'run.html'
    """
    source = recording if isinstance(recording, Recording) else read(recording)
    target = source.path.with_suffix(".html") if out is None else Path(out)
    if target.resolve() == source.path.resolve():
        msg = f"out must not be the recording itself, {target}"
        raise ValueError(msg)
    page = render(source, title or source.path.stem)
    with target.open("w" if overwrite else "x", encoding="utf-8") as file:
        file.write(page)
    return target


def render(recording: Recording, title: str) -> str:
    """Return the page."""
    packed = zlib.compress(msgspec.json.encode(columns(recording)), 6)
    parts = {
        "TITLE": html.escape(title),
        "STYLE": _text("style.css"),
        "ECHARTS": _text("vendor/echarts.min.js"),
        "PROGRAM": "\n".join(_text(name) for name in PROGRAMS),
        "DATA": base64.b64encode(packed).decode("ascii"),
    }
    before, *rest = _text("page.html").split("{{")
    pieces = [before]
    for piece in rest:
        name, text = piece.split("}}", 1)
        pieces += (parts[name], text)
    return "".join(pieces)


def _text(name: str) -> str:
    return PAGE.joinpath(name).read_text(encoding="utf-8")
