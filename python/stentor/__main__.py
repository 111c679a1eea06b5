"""The command line: `python -m stentor`, or `stentor` where the package's scripts are on the path."""

from __future__ import annotations

import argparse
import importlib
import pkgutil
import sys
from typing import TYPE_CHECKING, Any, final

import stentor

if TYPE_CHECKING:
    from collections.abc import Sequence

INTERRUPTED = 130
"""The exit status of a command that was ended with Ctrl-C, as shells have it."""


@final
class PrintCompletion(argparse.Action):
    """Print the completion script of a shell and exit."""

    def __call__(
        self, parser: argparse.ArgumentParser, namespace: object, values: Any, option: str | None = None
    ) -> None:
        """Called by argparse when it meets the option."""
        del namespace, option
        try:
            import shtab  # noqa: PLC0415 - only who asks for a script needs it
        except ModuleNotFoundError:
            parser.exit(2, f"{parser.prog}: error: this needs shtab: pip install 'stentor[demo]'\n")
        sys.stdout.write(shtab.complete(parser, shell=values))
        parser.exit()


def build_parser() -> argparse.ArgumentParser:
    """The parser of the command line with all its subcommands: the modules of `stentor._cli`."""
    parser = argparse.ArgumentParser(
        prog="stentor", description="An in-process message bus for multi-agent simulations."
    )
    parser.add_argument("--version", action="version", version=f"stentor {stentor.__version__}")
    parser.add_argument(
        "--print-completion",
        action=PrintCompletion,
        choices=("bash", "zsh", "tcsh"),
        help="print the completion script of a shell and exit",
    )
    subparsers = parser.add_subparsers(title="commands", dest="command", metavar="COMMAND", required=True)
    commands = importlib.import_module("stentor._cli")
    for module in sorted(pkgutil.iter_modules(commands.__path__)):
        importlib.import_module(f"{commands.__name__}.{module.name}").add_parser(subparsers)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status: 0 for success, 2 for a mistake in what was asked."""
    arguments = build_parser().parse_args(argv)
    status = INTERRUPTED
    try:
        status = arguments.run(arguments)
    except* KeyboardInterrupt:
        sys.stderr.write("interrupted\n")
    return status


if __name__ == "__main__":
    sys.exit(main())
