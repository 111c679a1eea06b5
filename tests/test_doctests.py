"""Every example in a docstring runs: of the Python modules, of the native classes, and of the native stub."""

from __future__ import annotations

import ast
import doctest
import importlib
import io

import pytest

import stentor
from tests.package import MODULES, PACKAGE

OPTIONS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
DOCUMENTED = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef
STUB = PACKAGE / "_native.pyi"


def module_examples(name: str) -> list[doctest.DocTest]:
    """The examples of a module; what `stentor` re-exports is found there, under its public name."""
    found = doctest.DocTestFinder().find(importlib.import_module(name), name, extraglobs={"stentor": stentor})
    return [test for test in found if test.examples]


def stub_examples() -> list[doctest.DocTest]:
    """The examples of the docstrings in the stub of the native module."""
    found: list[doctest.DocTest] = []
    for node in ast.walk(ast.parse(STUB.read_text(encoding="utf-8"))):
        text = ast.get_docstring(node) if isinstance(node, DOCUMENTED) else None
        if text is not None and ">>>" in text:
            line = getattr(node, "lineno", 1)
            name = getattr(node, "name", "_native")
            found.append(doctest.DocTestParser().get_doctest(text, {"stentor": stentor}, name, str(STUB), line))
    return found


def failures(examples: list[doctest.DocTest]) -> str:
    """What the examples that fail have to say; nothing if all is well."""
    said = io.StringIO()
    for example in examples:
        doctest.DocTestRunner(verbose=False, optionflags=OPTIONS).run(example, out=said.write)
    return said.getvalue()


@pytest.mark.parametrize("name", MODULES)
def test_the_examples_of_the_module_run(name: str) -> None:
    assert failures(module_examples(name)) == ""


def test_the_examples_of_the_stub_run() -> None:
    examples = stub_examples()
    assert examples
    assert failures(examples) == ""


def test_the_examples_of_the_public_names_are_found() -> None:
    names = {example.name for example in module_examples("stentor")}
    assert {"stentor.Matcher", "stentor.Pattern", "stentor.open_bus", "stentor.validate_topic"} <= names


def test_an_example_that_is_wrong_fails() -> None:
    wrong = doctest.DocTestParser().get_doctest(">>> 1 + 1\n3\n", {}, "wrong", None, None)
    assert "Expected:\n    3\nGot:\n    2" in failures([wrong])
