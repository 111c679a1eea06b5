"""`stentor diff`: where two recordings part."""

from __future__ import annotations

import sys
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

from stentor._cli import complete_with_files

if TYPE_CHECKING:
    import argparse

    from stentor._cli import Subparsers

DESCRIPTION = """\
Compare two recordings, and tell the first thing that went another way. The exit status is 0 when the same happened in
both, 1 when not, and 2 when that cannot be told.
"""


def add_parser(subparsers: Subparsers) -> None:
    """Add the command."""
    parser = subparsers.add_parser("diff", help="tell where two recordings part", description=DESCRIPTION)
    for name in ("first", "second"):
        complete_with_files(parser.add_argument(name, type=Path, metavar=name.upper(), help="a recording"))
    parser.add_argument("--no-times", action="store_true", help="let times not count, as for runs on a real clock")
    parser.add_argument("--no-order", action="store_true", help="let the order of independent things not count")
    parser.add_argument("-q", "--quiet", action="store_true", help="tell by the exit status alone")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Compare, and return 0, 1 or 2 as `diff` does."""
    try:
        from stentor import recording  # noqa: PLC0415 - `stentor --help` needs nothing
    except ModuleNotFoundError as error:
        sys.stderr.write(f"stentor diff: error: {error}\n")
        return 2
    try:
        with warnings.catch_warnings(record=True) as given:
            warnings.simplefilter("always", recording.RecordingWarning)
            found = recording.diff(
                arguments.first, arguments.second, times=not arguments.no_times, order=not arguments.no_order
            )
    except (OSError, recording.RecordingError) as error:
        sys.stderr.write(f"stentor diff: error: {error}\n")
        return 2
    for warning in given:
        sys.stderr.write(f"stentor diff: warning: {warning.message}\n")
    if found is None:
        return 0
    if not arguments.quiet:
        sys.stdout.write(f"{found}\n")
    return 1
