"""`stentor demo`: how a club splits, simulated on the bus."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from stentor._cli import complete_with_files

if TYPE_CHECKING:
    from collections.abc import Callable

    from stentor._cli import Subparsers

EXTRA = frozenset({"matplotlib", "msgspec", "networkx", "numpy", "rich"})
"""What the demo needs beyond the core."""

FORMATS = (".pdf", ".png", ".svg")
"""Suffixes of pictures that can be drawn."""

FEWEST_AGENTS = 7
"""A small world begins with six friends each."""

DESCRIPTION = """\
Simulate how opinions form in a network in which two leaders part. Every member is an agent on the bus: it publishes
its opinion and hears its friends'; a historian and a pollster listen with wildcards. Without --edges or --agents the
network is Zachary's karate club (1977), which really did split: the run is scored against the sides that its members
took.
"""


def add_parser(subparsers: Subparsers) -> None:
    """Add the command with its options."""
    parser = subparsers.add_parser("demo", help="simulate how a club splits", description=DESCRIPTION)
    network = parser.add_mutually_exclusive_group()
    edges = network.add_argument(
        "--edges",
        type=Path,
        metavar="FILE",
        help="simulate the network of an edge list: two names a line, # for comments",
    )
    network.add_argument(
        "--agents", type=_at_least(FEWEST_AGENTS), metavar="N", help="simulate a synthetic small world of N agents"
    )
    parser.add_argument(
        "--leaders",
        nargs=2,
        metavar=("A", "B"),
        help="who parts, with --edges or --agents (default: the two with most friends)",
    )
    parser.add_argument(
        "--seed", type=_at_least(0), default=0, metavar="N", help="of all chance (default: %(default)s)"
    )
    parser.add_argument("--rounds", type=_at_least(1), default=30, metavar="N", help="(default: %(default)s)")
    out = parser.add_argument(
        "--out",
        type=_picture,
        default=Path("stentor-demo.png"),
        metavar="FILE",
        help="the picture (default: %(default)s)",
    )
    parser.add_argument(
        "--simulate", action="store_true", help="run in virtual time, and print the digest of all that happened"
    )
    record = parser.add_argument(
        "--record", type=Path, metavar="FILE", help="record the run there, for `stentor report` and `stentor diff`"
    )
    parser.add_argument("--quiet", action="store_true", help="say the result in one line and nothing else")
    complete_with_files(edges)
    complete_with_files(out)
    complete_with_files(record)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Run the demo; what it needs beyond the core is imported here."""
    if arguments.leaders is not None and arguments.edges is None and arguments.agents is None:
        return _refuse("--leaders needs --edges or --agents: those of the karate club are known")
    try:
        from stentor.demo import command  # noqa: PLC0415 - needs the extra
    except ModuleNotFoundError as error:
        missing = (error.name or "").partition(".")[0]
        if missing not in EXTRA:
            raise
        return _refuse(f"the demo needs {missing}: pip install 'stentor[demo]'")
    try:
        command.run(
            command.Request(
                edges=arguments.edges,
                agents=arguments.agents,
                leaders=arguments.leaders and tuple(arguments.leaders),
                seed=arguments.seed,
                rounds=arguments.rounds,
                out=arguments.out,
                quiet=arguments.quiet,
                simulate=arguments.simulate,
                record=arguments.record,
            )
        )
    except command.RequestError as error:
        return _refuse(str(error))
    return 0


def _refuse(message: str) -> int:
    sys.stderr.write(f"stentor demo: error: {message}\n")
    return 2


def _at_least(least: int) -> Callable[[str], int]:
    def whole(text: str) -> int:
        try:
            value = int(text)
        except ValueError:
            value = least - 1
        if value < least:
            msg = f"must be a whole number >= {least}, not {text!r}"
            raise argparse.ArgumentTypeError(msg)
        return value

    return whole


def _picture(text: str) -> Path:
    path = Path(text)
    if path.suffix.lower() not in FORMATS:
        msg = f"must end in one of {', '.join(FORMATS)}, not {text!r}"
        raise argparse.ArgumentTypeError(msg)
    if not _is_file_to_be(path):
        msg = f"must be a file in an existing folder, not {text!r}"
        raise argparse.ArgumentTypeError(msg)
    return path


def _is_file_to_be(path: Path) -> bool:
    try:
        return path.parent.is_dir() and not path.is_dir()
    except OSError:
        return False
