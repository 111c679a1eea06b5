"""`stentor mailbox`: what is in the file of a `SQLiteStore`, for people."""

from __future__ import annotations

import argparse
import os
import sys
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from stentor._cli import complete_with_files

if TYPE_CHECKING:
    from types import ModuleType

    from stentor import MailboxQuery
    from stentor._cli import Subparsers

STATES = ("unread", "handed_out", "acknowledged", "expired")
KINDS = ("mail", "failed", "dead_letter")
PRIORITIES = ("low", "normal", "high", "urgent")

DESCRIPTION = """\
Look into the file of a mailbox store, or take something out of it. The bus that uses the file must have ended, for a
store has its file for itself; what was handed out and never acknowledged is unread again from then on.
"""


def add_parser(subparsers: Subparsers) -> None:
    """Add the command with its four actions."""
    parser = subparsers.add_parser("mailbox", help="look into a mailbox store", description=DESCRIPTION)
    complete_with_files(parser.add_argument("path", type=Path, metavar="PATH", help="the file of the store"))
    actions = parser.add_subparsers(title="actions", dest="action", metavar="ACTION", required=True)
    listing = actions.add_parser("list", help="list the mailboxes with their numbers")
    listing.add_argument("--json", action="store_true", help="one JSON object a line instead of a table")
    show = actions.add_parser("show", help="show messages, the oldest first")
    _add_filters(show, "without any, all")
    show.add_argument("--after", type=_number, default=0, metavar="N", help="go on behind the message with this number")
    show.add_argument("--limit", type=_positive, default=20, metavar="N", help="(default: %(default)s)")
    show.add_argument("--full", action="store_true", help="show payloads whole and every field")
    export = actions.add_parser("export", help="write messages as JSON, one a line")
    _add_filters(export, "without any, all")
    out = export.add_argument("--out", type=Path, metavar="FILE", help="write to a new file instead of the terminal")
    complete_with_files(out)
    purge = actions.add_parser("purge", help="remove messages for ever")
    _add_filters(purge, "at least one, or --all")
    purge.add_argument("--all", action="store_true", help="everything; needed where no filter is given")
    purge.add_argument("--dry-run", action="store_true", help="only say how many it would be")
    parser.set_defaults(run=run)


def _add_filters(parser: argparse.ArgumentParser, without: str) -> None:
    """Add what chooses messages; a message must fulfil all that is given."""
    filters = parser.add_argument_group(f"which messages (all that is given must hold; {without})")
    filters.add_argument("--agent", metavar="NAME", help="in the mailbox of this agent")
    filters.add_argument("--id", type=_number, action="append", metavar="N", help="with this number; may be repeated")
    filters.add_argument("--message-id", metavar="ID", help="whose message has this id")
    filters.add_argument("--sender", action="append", metavar="NAME", help="from this sender; may be repeated")
    filters.add_argument("--since", type=_time, metavar="TIME", help="stored then or later, such as 2026-01-31T12:00")
    filters.add_argument("--until", type=_time, metavar="TIME", help="stored before; without a zone, local time")
    filters.add_argument("--priority", choices=PRIORITIES, help="of this priority or a higher one")
    filters.add_argument("--state", action="append", choices=STATES, help="in this state; may be repeated")
    filters.add_argument("--kind", action="append", choices=KINDS, help="of this kind; may be repeated")


def run(arguments: argparse.Namespace) -> int:
    """Do what is asked; 1 where the file fails, 2 for a mistake in what was asked."""
    fault = _fault(arguments)
    if fault is not None:
        sys.stderr.write(f"stentor mailbox: error: {fault}\n")
        return 2
    from stentor import MailboxQuery, Priority, StoreError  # noqa: PLC0415 - `stentor --help` needs nothing
    from stentor.storage import command  # noqa: PLC0415

    query = MailboxQuery()
    if arguments.action != "list":
        query = MailboxQuery(
            agent=arguments.agent,
            ids=arguments.id,
            message_id=arguments.message_id,
            senders=arguments.sender,
            since=arguments.since,
            until=arguments.until,
            min_priority=arguments.priority and Priority[arguments.priority.upper()],
            states=arguments.state,
            kinds=arguments.kind,
        )
    try:
        _act(command, arguments, query)
    except StoreError as error:
        sys.stderr.write(f"stentor mailbox: error: {error}\n")
        return 1
    except BrokenPipeError:  # whoever reads the output has seen enough; nothing is to be said at exit either
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except OSError as error:
        sys.stderr.write(f"stentor mailbox: error: {error}\n")
        return 1
    return 0


def _act(command: ModuleType, arguments: argparse.Namespace, query: MailboxQuery) -> None:
    if arguments.action == "list":
        command.list_mailboxes(arguments.path, as_json=arguments.json)
    elif arguments.action == "show":
        command.show(arguments.path, query, after=arguments.after, limit=arguments.limit, full=arguments.full)
    elif arguments.action == "export":
        command.export(arguments.path, query, out=arguments.out)
    else:
        command.purge(arguments.path, query, dry_run=arguments.dry_run)


def _fault(arguments: argparse.Namespace) -> str | None:
    """What is wrong with what was asked, or None."""
    if not arguments.path.is_file():
        return f"PATH must be an existing file, not {str(arguments.path)!r}"
    if not arguments.path.stat().st_size:
        return f"PATH must be the file of a store, and {str(arguments.path)!r} is empty"
    if arguments.action == "export" and arguments.out is not None:
        if arguments.out.exists():
            return f"--out must be a file that does not exist yet, not {str(arguments.out)!r}"
        if not arguments.out.parent.is_dir():
            return f"--out must be in an existing folder, not in {str(arguments.out.parent)!r}"
    if arguments.action == "purge" and not arguments.all and not _is_filtered(arguments):
        return "purge needs a filter, or --all"
    return None if arguments.action == "list" else _fault_of_times(arguments.since, arguments.until)


def _fault_of_times(since: float | None, until: float | None) -> str | None:
    ordered = since is None or until is None or since <= until
    return None if ordered else "--until must not be before --since"


def _is_filtered(arguments: argparse.Namespace) -> bool:
    names = ("agent", "id", "message_id", "sender", "since", "until", "priority", "state", "kind")
    return any(getattr(arguments, name) is not None for name in names)


def _number(text: str) -> int:
    if not text.isdecimal():
        msg = f"must be a whole number >= 0, not {text!r}"
        raise argparse.ArgumentTypeError(msg)
    return int(text)


def _positive(text: str) -> int:
    number = _number(text)
    if number == 0:
        msg = f"must be a whole number >= 1, not {text!r}"
        raise argparse.ArgumentTypeError(msg)
    return number


def _time(text: str) -> float:
    try:
        return datetime.fromisoformat(text).timestamp()
    except (ValueError, OverflowError):
        msg = f"must be a time such as 2026-01-31 or 2026-01-31T12:00:00+01:00, not {text!r}"
        raise argparse.ArgumentTypeError(msg) from None
