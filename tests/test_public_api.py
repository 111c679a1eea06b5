"""What is public is named `stentor.X`, and is documented."""

from __future__ import annotations

import ast
import inspect
import re

import pytest

import stentor
from tests.package import MODULES, ROOT

NAMES = {name: value for name, value in vars(stentor).items() if not name.startswith("_")}
PUBLIC = {name: value for name, value in NAMES.items() if not inspect.ismodule(value)}
CALLABLE = sorted(name for name, value in PUBLIC.items() if inspect.isclass(value) or inspect.isroutine(value))


def test_something_is_public() -> None:
    assert {"Bus", "Matcher", "Pattern", "open_bus", "validate_topic"} <= PUBLIC.keys()


@pytest.mark.parametrize("name", CALLABLE)
def test_a_public_name_says_where_to_import_it_from(name: str) -> None:
    assert PUBLIC[name].__module__ == "stentor"
    assert PUBLIC[name].__qualname__ == name


@pytest.mark.parametrize("name", CALLABLE)
def test_a_public_name_is_documented(name: str) -> None:
    assert inspect.getdoc(PUBLIC[name])


@pytest.mark.parametrize("name", CALLABLE)
def test_a_public_method_is_documented(name: str) -> None:
    members = {
        member: value for member, value in getattr(PUBLIC[name], "__dict__", {}).items() if not member.startswith("_")
    }
    documented = [member for member, value in members.items() if inspect.isroutine(value) or is_property(value)]
    assert [member for member in documented if not inspect.getdoc(members[member])] == []


def test_the_page_of_the_api_shows_every_public_name() -> None:
    page = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")
    shown = re.findall(r"^\.\. auto(?:class|exception|function):: (\w+)$", page, re.MULTILINE)
    assert sorted(shown) == CALLABLE


@pytest.mark.parametrize("name", CALLABLE)
def test_the_page_of_the_api_shows_what_a_class_inherits_from_a_private_one(name: str) -> None:
    page = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")
    bases = inspect.getmro(PUBLIC[name])[1:] if inspect.isclass(PUBLIC[name]) else ()
    inherits = any(base.__module__.startswith("stentor.") for base in bases)
    assert inherits is bool(re.search(rf":: {name}\n +:inherited-members:", page))


def is_property(value: object) -> bool:
    return isinstance(value, property) or inspect.isgetsetdescriptor(value)


def undocumented_fields(source: str) -> list[str]:
    """The fields of public classes with no docstring right below them."""
    found: list[str] = []
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.ClassDef) or node.name not in PUBLIC:
            continue
        for statement, below in zip(node.body, [*node.body[1:], None], strict=True):
            if isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name):
                text = isinstance(below, ast.Expr) and isinstance(below.value, ast.Constant)
                if not text and not statement.target.id.startswith("_"):
                    found.append(f"{node.name}.{statement.target.id}")
    return found


def test_every_field_of_a_public_class_is_documented() -> None:
    sources = [path.read_text(encoding="utf-8") for path in MODULES.values()]
    assert [field for source in sources for field in undocumented_fields(source)] == []


def test_a_field_without_a_docstring_is_found() -> None:
    source = 'class Message:\n    topic: str\n    """Said."""\n    payload: object\n    _own: int\n'
    assert undocumented_fields(source) == ["Message.payload"]
