"""The subcommands of `stentor`, one module each, found by their names.

A module offers `add_parser(subparsers)`, which adds its parser and sets as defaults what the command line calls:
`run`, which takes the parsed arguments and returns the exit status. What a command needs beyond the core it
imports in `run`, so that `stentor --help` needs nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    import argparse

    Subparsers: TypeAlias = argparse._SubParsersAction[argparse.ArgumentParser]  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]

_FILES = {"bash": "_shtab_compgen_files", "zsh": "_files", "tcsh": "f"}
"""How shtab is told that an argument is completed with the names of files."""


def complete_with_files(action: argparse.Action) -> None:
    """Have the shell complete the argument of `action` with the names of files."""
    setattr(action, "complete", _FILES)  # noqa: B010 - shtab's own name; argparse does not know it
