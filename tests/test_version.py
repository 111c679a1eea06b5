"""There is one version, in the workspace's Cargo.toml, and it is the same everywhere."""

from __future__ import annotations

import importlib.metadata
import tomllib
from typing import Any

import pytest

import stentor
from stentor import _native
from tests.package import ROOT


def toml(path: str) -> dict[str, Any]:
    return tomllib.loads((ROOT / path).read_text(encoding="utf-8"))


VERSION: str = toml("Cargo.toml")["workspace"]["package"]["version"]


def test_python_tells_the_version_of_cargo() -> None:
    assert importlib.metadata.version("stentor") == VERSION
    assert stentor.__version__ == VERSION
    assert _native.VERSION == VERSION


@pytest.mark.parametrize("crate", ["rust/core", "rust/python"])
def test_a_crate_states_no_version_of_its_own(crate: str) -> None:
    manifest = toml(f"{crate}/Cargo.toml")
    assert manifest["package"]["version"] == {"workspace": True}
    own = {name: value for name, value in manifest["dependencies"].items() if name.startswith("stentor-")}
    assert [value.get("version", VERSION) for value in own.values()] == [VERSION] * len(own)


def test_the_lock_file_holds_the_version() -> None:
    locked = {package["name"]: package["version"] for package in toml("Cargo.lock")["package"]}
    assert (locked["stentor-core"], locked["stentor-python"]) == (VERSION, VERSION)


def test_python_takes_its_version_from_cargo() -> None:
    project = toml("pyproject.toml")["project"]
    assert "version" not in project
    assert project["dynamic"] == ["version"]
