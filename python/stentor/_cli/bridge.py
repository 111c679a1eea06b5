"""`stentor bridge`: what crosses a Redis server between processes, for people."""

from __future__ import annotations

import argparse
import json
import math
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from stentor._cli import complete_with_files

if TYPE_CHECKING:
    from types import ModuleType

    from stentor import Message
    from stentor._cli import Subparsers

DIALECTS = ("mailbox", "mqtt", "nats", "amqp", "redis")
PRIORITIES = ("low", "normal", "high", "urgent")

DESCRIPTION = """\
Listen in on what crosses between processes by a Redis server, say something, or ask which agents there are. Nobody
notices who listens in. The environment may hold what others should not see on the command line: STENTOR_REDIS_URL for
--url, and STENTOR_REDIS_PASSWORD for the password in it.
"""


def add_parser(subparsers: Subparsers) -> None:
    """Add the command with its three actions."""
    parser = subparsers.add_parser("bridge", help="look at what crosses between processes", description=DESCRIPTION)
    actions = parser.add_subparsers(title="actions", dest="action", metavar="ACTION", required=True)
    tail = actions.add_parser("tail", help="print messages as they come, until Ctrl-C")
    _add_place(tail)
    tail.add_argument("patterns", nargs="*", metavar="PATTERN", help="(default: everything)")
    tail.add_argument("--dialect", choices=DIALECTS, default="mailbox", help="of the patterns (default: %(default)s)")
    tail.add_argument("--backlog", action="store_true", help="with --transport streams, also what is there already")
    tail.add_argument("--limit", type=_positive, metavar="N", help="end after N messages")
    tail.add_argument("--full", action="store_true", help="show payloads whole")
    tail.add_argument("--json", action="store_true", help="one JSON object a line, with every field")
    send = actions.add_parser("send", help="publish one message")
    _add_place(send)
    send.add_argument("topic", metavar="TOPIC")
    send.add_argument("payload", metavar="PAYLOAD", help="a text, or with --json a JSON value")
    send.add_argument("--json", action="store_true", help="the payload is JSON")
    send.add_argument("--dialect", choices=DIALECTS, default="mailbox", help="of the topic (default: %(default)s)")
    send.add_argument("--sender", metavar="NAME")
    send.add_argument("--priority", choices=PRIORITIES, default="normal", help="(default: %(default)s)")
    send.add_argument("--ttl", type=_seconds, metavar="SECONDS", help="after which nobody handles it any more")
    send.add_argument("--content-type", metavar="TYPE")
    send.add_argument("--header", type=_header, action="append", metavar="NAME=VALUE", help="may be repeated")
    agents = actions.add_parser("agents", help="list the agents of all processes, and which process has each")
    _add_place(agents)
    agents.add_argument("--wait", type=_seconds, default=1.0, metavar="SECONDS", help="for answers (default: 1)")
    agents.add_argument("--json", action="store_true", help="one JSON object a line")
    parser.set_defaults(run=run)


def _add_place(parser: argparse.ArgumentParser) -> None:
    place = parser.add_argument_group("where")
    default = os.environ.get("STENTOR_REDIS_URL", "redis://localhost")
    place.add_argument(
        "--url", default=default, help="of the server, as a bridge takes it (default: redis://localhost)"
    )
    place.add_argument("--namespace", default="default", metavar="NAME", help="(default: %(default)s)")
    place.add_argument("--transport", choices=("pubsub", "streams"), default="pubsub", help="(default: %(default)s)")
    place.add_argument("--shards", type=_positive, default=1, metavar="N", help="of streams (default: %(default)s)")
    key = place.add_argument("--key", type=_key, action="append", metavar="ID=FILE", help="a secret; may be repeated")
    complete_with_files(key)
    place.add_argument(
        "--sign-with", type=_positive, metavar="ID", help="the key to sign with, where there are several"
    )


def run(arguments: argparse.Namespace) -> int:
    """Do what is asked; 1 where the server fails, 2 for a mistake in what was asked."""
    try:
        from stentor.bridge import command  # noqa: PLC0415 - `stentor --help` needs nothing
    except ModuleNotFoundError as error:
        sys.stderr.write(f"stentor bridge: error: this needs {error.name}: pip install 'stentor[redis]'\n")
        return 2
    try:
        _act(command, arguments)
    except command.FAILURES as error:
        sys.stderr.write(f"stentor bridge: error: {error}\n")
        return 1
    except BrokenPipeError:  # whoever reads the output has seen enough; nothing is to be said at exit either
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except (ValueError, OSError) as error:
        sys.stderr.write(f"stentor bridge: error: {error}\n")
        return 2
    return 0


def _act(command: ModuleType, arguments: argparse.Namespace) -> None:
    place = command.Place.of(
        arguments.url,
        namespace=arguments.namespace,
        password=os.environ.get("STENTOR_REDIS_PASSWORD"),
        secrets_by_id={number: path.read_bytes().strip() for number, path in arguments.key or ()},
        sign_with=arguments.sign_with,
        streams=arguments.shards if arguments.transport == "streams" else 0,
    )
    if arguments.action == "tail":
        command.tail(
            place,
            arguments.patterns,
            dialect=arguments.dialect,
            backlog=arguments.backlog,
            limit=arguments.limit,
            full=arguments.full,
            as_json=arguments.json,
        )
    elif arguments.action == "send":
        command.send(place, _message(arguments))
    else:
        command.agents(place, wait=arguments.wait, as_json=arguments.json)


def _message(arguments: argparse.Namespace) -> Message:
    """Return the message that is to be sent; ValueError where there is something wrong with it."""
    from stentor import Message, Priority, validate_topic  # noqa: PLC0415 - as above

    return Message(
        validate_topic(arguments.topic, arguments.dialect),
        json.loads(arguments.payload) if arguments.json else arguments.payload,
        sender=arguments.sender,
        priority=Priority[arguments.priority.upper()],
        ttl=arguments.ttl,
        content_type=arguments.content_type,
        headers=dict(arguments.header or ()),
    )


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        msg = f"must be >= 1, not {number}"
        raise argparse.ArgumentTypeError(msg)
    return number


def _seconds(text: str) -> float:
    number = float(text)
    if not 0 < number < math.inf:
        msg = f"must be > 0 and finite, not {text}"
        raise argparse.ArgumentTypeError(msg)
    return number


def _header(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not name or not equals:
        msg = f"must be NAME=VALUE, not {text!r}"
        raise argparse.ArgumentTypeError(msg)
    return name, value


def _key(text: str) -> tuple[int, Path]:
    number, equals, path = text.partition("=")
    if not (number.isascii() and number.isdigit() and equals and path):
        msg = f"must be ID=FILE, not {text!r}"
        raise argparse.ArgumentTypeError(msg)
    return int(number), Path(path)
