"""`stentor top`: a running bus, live in the terminal."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from stentor._cli import complete_with_files

if TYPE_CHECKING:
    import argparse

    from stentor._cli import Subparsers

DESCRIPTION = """\
Show a bus that runs in another process: rates, the slowest handlers, the fullest mailboxes, dead topics, and what is
wrong. That process must serve it: await nursery.start(stentor.watching.serve, bus, PATH). Ctrl-C ends the view.
"""


def add_parser(subparsers: Subparsers) -> None:
    """Add the command."""
    parser = subparsers.add_parser("top", help="show a running bus", description=DESCRIPTION)
    complete_with_files(parser.add_argument("path", type=Path, metavar="PATH", help="the socket where it is served"))
    parser.add_argument("--once", action="store_true", help="print it once instead")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Show the bus; 2 where there is none."""
    try:
        from stentor.watching import command  # noqa: PLC0415 - `stentor --help` needs nothing
    except ModuleNotFoundError as error:
        sys.stderr.write(f"stentor top: error: this needs {error.name}: pip install 'stentor[top]'\n")
        return 2
    try:
        (command.show_once if arguments.once else command.show)(arguments.path)
    except (OSError, ValueError) as error:
        sys.stderr.write(f"stentor top: error: {arguments.path}: {error}\n")
        return 2
    return 0
