"""`stentor match`: which topics a pattern matches, and why."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import stentor

if TYPE_CHECKING:
    import argparse

    from stentor._cli import Subparsers

MATCHED, NOT_MATCHED, MISTAKE = 0, 1, 2
"""Exit statuses, as grep has them."""

DESCRIPTION = """\
Say of each topic whether the pattern matches it, and through which structure of the index it is found. Exits with 0 if
it matches at least one, with 1 if it matches none, and with 2 if the pattern or a topic is not one of the dialect.
"""


def add_parser(subparsers: Subparsers) -> None:
    """Add the command with its options."""
    parser = subparsers.add_parser("match", help="say which topics a pattern matches", description=DESCRIPTION)
    parser.add_argument("pattern", metavar="PATTERN", help="what a subscription would match")
    parser.add_argument("topics", metavar="TOPIC", nargs="+", help="what would be published to")
    parser.add_argument(
        "--dialect",
        choices=[dialect.value for dialect in stentor.Dialect],
        default=stentor.Dialect.MAILBOX.value,
        help="whose wildcards they are (default: %(default)s)",
    )
    parser.add_argument("--quiet", action="store_true", help="print nothing; only exit with the status")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Answer for each topic, and return the exit status."""
    try:
        pattern = stentor.Pattern(arguments.pattern, arguments.dialect)
        answers = [(topic, _answer(pattern, topic)) for topic in arguments.topics]
    except ValueError as error:
        sys.stderr.write(f"stentor match: error: {error}\n")
        return MISTAKE
    if not arguments.quiet:
        _print(pattern, answers)
    return MATCHED if any(structure for _, structure in answers) else NOT_MATCHED


def _answer(pattern: stentor.Pattern, topic: str) -> str | None:
    """Return the structure through which the pattern is found for a topic, or None if it does not match it."""
    matcher: stentor.Matcher[None] = stentor.Matcher(pattern.dialect, cache_capacity=0)
    matcher.add(pattern.text, None)
    found = matcher.explain(topic)
    return found[0].structure if found else None


def _print(pattern: stentor.Pattern, answers: list[tuple[str, str | None]]) -> None:
    if pattern.canonical != pattern.text:
        sys.stdout.write(f"{pattern.text!r} is {pattern.canonical!r}\n")
    width = max(len(repr(topic)) for topic, _ in answers)
    for topic, structure in answers:
        told = f"matches, found by {structure}" if structure else "does not match"
        sys.stdout.write(f"{topic!r:<{width}}  {told}\n")
