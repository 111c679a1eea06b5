"""Every example in a docstring runs: of the Python modules, of the native classes, and of the native stub."""

from __future__ import annotations

import ast
import doctest
import importlib
import io
import pkgutil
from pathlib import Path

import pytest

import stentor

OPTIONS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
DOCUMENTED = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef


def module_examples() -> list[doctest.DocTest]:
    """The examples of every module; what `stentor` re-exports is found there, under its public name."""
    names = ["stentor", *(module.name for module in pkgutil.walk_packages(stentor.__path__, "stentor."))]
    finder = doctest.DocTestFinder()
    found = [finder.find(importlib.import_module(name), name, extraglobs={"stentor": stentor}) for name in names]
    return [test for tests in found for test in tests if test.examples]


def stub_examples() -> list[doctest.DocTest]:
    """The examples of the docstrings in the stub of the native module."""
    path = Path(stentor.__path__[0]) / "_native.pyi"
    parser = doctest.DocTestParser()
    found: list[doctest.DocTest] = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        text = ast.get_docstring(node) if isinstance(node, DOCUMENTED) else None
        if text is not None and ">>>" in text:
            line = getattr(node, "lineno", 1)
            name = f"_native.pyi:{line} {getattr(node, 'name', '')}"
            found.append(parser.get_doctest(text, {"stentor": stentor}, name, str(path), line))
    return found


EXAMPLES = [*module_examples(), *stub_examples()]


@pytest.mark.parametrize("test", EXAMPLES, ids=lambda test: test.name)
def test_the_example_runs(test: doctest.DocTest) -> None:
    said = io.StringIO()
    results = doctest.DocTestRunner(optionflags=OPTIONS).run(test, out=said.write)
    assert results.failed == 0, said.getvalue()


def test_an_example_that_is_wrong_fails() -> None:
    wrong = doctest.DocTestParser().get_doctest(">>> 1 + 1\n3\n", {}, "wrong", None, None)
    assert doctest.DocTestRunner(verbose=False).run(wrong, out=io.StringIO().write).failed == 1
