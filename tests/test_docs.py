"""Every program of the README and the docs runs, and prints what the page says it prints.

A block fenced as ``python`` is a whole program. A block fenced as ``text`` right behind it is its output.
"""

from __future__ import annotations

import logging
import re
from typing import TYPE_CHECKING, NamedTuple

import pytest

from tests.package import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
FENCE = re.compile(
    r"^(?P<fence>`{3,})(?P<language>\S*)[^\n]*\n(?P<body>.*?)^(?P=fence)\s*?\n", re.MULTILINE | re.DOTALL
)


class Program(NamedTuple):
    """A program of a page, where its first line stands, and what it prints if the page tells."""

    page: Path
    line: int
    source: str
    output: str | None

    def __str__(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}"


def programs(page: Path) -> list[Program]:
    text = page.read_text(encoding="utf-8")
    blocks = list(FENCE.finditer(text))
    found: list[Program] = []
    for number, block in enumerate(blocks):
        if block["language"] != "python":
            continue
        following = blocks[number + 1] if number + 1 < len(blocks) else None
        adjacent = following is not None and not text[block.end() : following.start()].strip()
        told = following["body"] if following is not None and adjacent and following["language"] == "text" else None
        found.append(Program(page, text.count("\n", 0, block.start("body")) + 1, block["body"], told))
    return found


PROGRAMS = [program for page in PAGES for program in programs(page)]


@pytest.fixture
def _level() -> Iterator[None]:
    """A program may silence the log for itself, and not for the next."""
    logger = logging.getLogger("stentor")
    level = logger.level
    yield
    logger.setLevel(level)


@pytest.mark.usefixtures("_level")
@pytest.mark.parametrize("program", PROGRAMS, ids=str)
def test_the_program_runs(
    program: Program, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    source = "\n" * (program.line - 1) + program.source
    exec(compile(source, program.page, "exec", dont_inherit=True), {"__name__": "__main__"})  # noqa: S102 - our own pages
    if program.output is not None:
        assert capsys.readouterr().out == program.output


def test_the_readme_has_a_program_and_its_output() -> None:
    assert any(program.page.name == "README.md" and program.output for program in PROGRAMS)


NAMED = re.compile(r"`(tests/[\w/]+\.py)::(\w+)`")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_a_test_that_a_page_names_is_there(page: Path) -> None:
    named = NAMED.findall(page.read_text(encoding="utf-8"))
    defined = {path: (ROOT / path).read_text(encoding="utf-8") for path, _ in named if (ROOT / path).is_file()}
    assert [f"{path}::{name}" for path, name in named if f"def {name}(" not in defined.get(path, "")] == []


def test_the_guarantees_name_tests() -> None:
    assert len(NAMED.findall((ROOT / "docs" / "guide" / "guarantees.md").read_text(encoding="utf-8"))) >= 12


def test_a_module_that_the_layout_names_is_there() -> None:
    layout = (ROOT / "docs" / "layout.md").read_text(encoding="utf-8")
    named = re.findall(r"`(_\w+/\w+\.py)`", layout)
    assert [path for path in named if not (ROOT / "python" / "stentor" / path).is_file()] == []
    assert len(named) >= 12


def test_a_page_is_read_as_it_says(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(
        "Hi\n\n```python\nprint(1)\n```\n\n```text\n1\n```\n\n```python\nx\n```\nso\n```text\n2\n```\n",
        encoding="utf-8",
    )
    assert programs(page) == [Program(page, 4, "print(1)\n", "1\n"), Program(page, 12, "x\n", None)]
