"""What is public is named `stentor.X`, and is documented."""

from __future__ import annotations

import enum
import inspect

import pytest

import stentor

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
    public = PUBLIC[name]
    if not inspect.isclass(public) or issubclass(public, enum.Enum):
        return
    members = {member: value for member, value in vars(public).items() if not member.startswith("_")}
    documented = [member for member, value in members.items() if callable(value) or inspect.isdatadescriptor(value)]
    assert [member for member in documented if not inspect.getdoc(getattr(public, member))] == []
