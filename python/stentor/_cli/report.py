"""`stentor report`: a recorded run as one page of HTML."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from stentor._cli import complete_with_files

if TYPE_CHECKING:
    import argparse

    from stentor._cli import Subparsers

DESCRIPTION = """\
Write one page of HTML that shows a recorded run: who talked to whom, when, how long it took, and what went wrong. All
that it needs is inside; any browser shows it, without a network.
"""


def add_parser(subparsers: Subparsers) -> None:
    """Add the command."""
    parser = subparsers.add_parser("report", help="show a recorded run as a page of HTML", description=DESCRIPTION)
    complete_with_files(parser.add_argument("run_path", type=Path, metavar="RUN", help="a recording"))
    out = parser.add_argument("--out", type=Path, metavar="FILE", help="the page (default: RUN, ending in .html)")
    complete_with_files(out)
    parser.add_argument("--title", help="the title of the page (default: the name of RUN)")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Write the page and tell where it is; 2 where that cannot be done."""
    try:
        from stentor.recording import RecordingError  # noqa: PLC0415 - `stentor --help` needs nothing
        from stentor.report import write_report  # noqa: PLC0415
    except ModuleNotFoundError as error:
        sys.stderr.write(f"stentor report: error: {error}\n")
        return 2
    try:
        page = write_report(arguments.run_path, arguments.out, title=arguments.title)
    except (OSError, ValueError, RecordingError) as error:
        sys.stderr.write(f"stentor report: error: {error}\n")
        return 2
    sys.stdout.write(f"{page}\n")
    return 0
