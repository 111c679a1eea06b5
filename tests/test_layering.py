"""The floors of the package: an import goes downwards only. Read from the source of the installed package."""

from __future__ import annotations

import ast
import inspect
import sys
from typing import TYPE_CHECKING

import pytest
import trio

from tests.package import MODULES

if TYPE_CHECKING:
    from collections.abc import Iterator

FLOORS = {"_values": 1, "_mechanisms": 2, "_machine": 3, "_bus": 4}
EXTENSION = 5
CORE_LIBRARIES = {1: {"attrs"}, 2: {"attrs", "trio"}, 3: {"attrs", "trio"}, 4: {"attrs", "trio"}}
CLOCKS = {"datetime", "sched", "time"}
"""A value has no clock, and a mechanism is told the time."""
INPUT_OUTPUT = {"asyncio", "io", "os", "pathlib", "select", "socket", "sqlite3", "subprocess", "threading"}

UNWAITING = {"CancelScope"} | {
    name for name, value in vars(trio).items() if inspect.isclass(value) and issubclass(value, BaseException)
}
"""What a mechanism may take from trio: nothing that waits. It may pass on an await that a caller handed to it."""
COMPILED = {"stentor.bridge._frames"}
"""The modules of extensions by which they have their own part of the one compiled module."""
COMMAND_LINE = {"stentor.__main__": "stentor._cli"}
"""Python wants `__main__` to be a module of its own; it is the door of the command line's folder."""


def floor_of(module: str) -> int:
    """The floor of `stentor` (4: it re-exports the bus), of a part of the core, or of an extension."""
    parts = module.split(".")
    if len(parts) == 1:
        return 4
    return FLOORS.get(parts[1], EXTENSION)


def imports_of(tree: ast.AST) -> Iterator[tuple[int, str, str | None]]:
    """Line, module and name of every import, those for type checkers too."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name, None) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"line {node.lineno}: a relative import"
            assert node.module is not None
            yield from ((node.lineno, node.module, alias.name) for alias in node.names)


def fault_of_own(importer: str, imported: str) -> str | None:
    """What is wrong with `importer` importing a module of stentor, or None."""
    here = floor_of(importer)
    if here < EXTENSION:
        if imported == "stentor":
            return "the core imports its parts, not the package"
        if imported != "stentor._native" and floor_of(imported) > here:
            return f"floor {here} imports floor {floor_of(imported)}"
        return None
    own = COMMAND_LINE.get(importer, ".".join(importer.split(".")[:2]))
    inside = imported == own or imported.startswith(f"{own}.")
    compiled = imported == "stentor._native" and importer in COMPILED
    if not (inside or compiled) and any(part.startswith("_") for part in imported.split(".")):
        return "an extension imports only the public API"
    return None


def fault_of_library(importer: str, imported: str, name: str | None) -> str | None:
    """What is wrong with `importer` importing a module that is not of stentor, or a name from it, or None."""
    here, top = floor_of(importer), imported.partition(".")[0]
    if here == EXTENSION:
        return None
    if here == 2 and top == "trio" and name not in UNWAITING:
        return f"floor {here} waits"
    if top not in sys.stdlib_module_names:
        return None if top in CORE_LIBRARIES[here] else f"floor {here} imports {top}"
    if here <= 2 and top in CLOCKS:
        return f"floor {here} reads a clock"
    if here == 1 and top in INPUT_OUTPUT:
        return f"floor {here} does input or output"
    return None


def faults(module: str, source: str) -> list[str]:
    """Everything that breaks the rule of the floors in the source of `module`."""
    found: list[str] = []
    for line, imported, name in imports_of(ast.parse(source)):
        inside = imported == "stentor" or imported.startswith("stentor.")
        target = "stentor._native" if (imported, name) == ("stentor", "_native") else imported
        fault = fault_of_own(module, target) if inside else fault_of_library(module, target, name)
        if fault is not None:
            found.append(f"{module}, line {line}: {fault} ({imported})")
    return found


def test_every_import_goes_downwards() -> None:
    sources = {module: path.read_text(encoding="utf-8") for module, path in MODULES.items()}
    assert [fault for module, source in sources.items() for fault in faults(module, source)] == []


def test_every_floor_is_read() -> None:
    assert {floor_of(module) for module in MODULES} == {1, 2, 3, 4, EXTENSION}


@pytest.mark.parametrize(
    ("module", "source", "fault"),
    [
        ("stentor._values.a", "import trio", "floor 1 imports trio"),
        ("stentor._values.a", "def f():\n    from time import monotonic", "floor 1 reads a clock"),
        ("stentor._values.a", "import pathlib", "floor 1 does input or output"),
        ("stentor._values.a", "from stentor._mechanisms.b import c", "floor 1 imports floor 2"),
        ("stentor._mechanisms.a", "import time", "floor 2 reads a clock"),
        ("stentor._mechanisms.a", "import trio", "floor 2 waits"),
        ("stentor._mechanisms.a", "from trio import Event", "floor 2 waits"),
        ("stentor._mechanisms.a", "import numpy.linalg", "floor 2 imports numpy"),
        ("stentor._machine.a", "if TYPE_CHECKING:\n    from stentor._bus.bus import Bus", "floor 3 imports floor 4"),
        ("stentor._bus.a", "import stentor", "the core imports its parts, not the package"),
        ("stentor._bus.a", "from stentor.testing import x", "floor 4 imports floor 5"),
        ("stentor.__main__", "from stentor._bus.bus import Bus", "an extension imports only the public API"),
        ("stentor.demo.a", "from stentor._bus.bus import Bus", "an extension imports only the public API"),
        ("stentor.demo", "from stentor.testing._x import y", "an extension imports only the public API"),
        ("stentor.bridge._x", "from stentor._native import Frames", "an extension imports only the public API"),
    ],
)
def test_a_wrong_import_is_found(module: str, source: str, fault: str) -> None:
    (found,) = faults(module, source)
    assert fault in found


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("stentor", "from stentor._bus.bus import Bus as Bus"),
        ("stentor._values.a", "import attrs\nimport enum\nfrom stentor._values.b import c"),
        ("stentor._values.a", "from stentor._native import Grammar"),
        ("stentor._mechanisms.a", "from stentor import _native\nfrom trio import WouldBlock"),
        ("stentor._bus.a", "import time, trio\nfrom stentor._machine.b import c"),
        ("stentor.__main__", "from stentor._cli import main"),
        ("stentor.bridge._frames", "from stentor._native import Frames"),
        ("stentor.demo._a", "import rich, stentor\nfrom stentor.demo._b import c\nfrom stentor.testing import d"),
    ],
)
def test_a_right_import_is_let_be(module: str, source: str) -> None:
    assert faults(module, source) == []
