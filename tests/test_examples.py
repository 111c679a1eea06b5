"""Every program in `examples/` runs and prints what its docstring says it prints."""

from __future__ import annotations

import ast
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

EXAMPLES = sorted((Path(__file__).parent.parent / "examples").glob("*.py"))


def told(path: Path) -> str:
    """What the docstring says behind `It prints:`."""
    docstring = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    _, mark, output = docstring.partition("It prints:\n\n")
    assert mark, f"{path.name} does not say what it prints"
    return textwrap.dedent(output) + "\n"


def test_there_are_examples() -> None:
    assert {"auction.py", "hello.py", "wildcards.py"} <= {path.name for path in EXAMPLES}


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_the_example_prints_what_it_says(path: Path) -> None:
    command = [sys.executable, "-W", "error", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, encoding="utf-8", timeout=60, check=False)
    assert (done.returncode, done.stderr, done.stdout) == (0, "", told(path))
