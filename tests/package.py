"""The source of the installed package, which some tests read."""

from __future__ import annotations

from pathlib import Path

import stentor

ROOT = Path(__file__).parent.parent
"""The checkout that the tests come from."""
PACKAGE = Path(stentor.__path__[0])


def _name(path: Path) -> str:
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(("stentor", *(part for part in parts if part != "__init__")))


MODULES = {_name(path): path for path in sorted(PACKAGE.rglob("*.py"))}
"""Every Python module of the package and where its source is."""
