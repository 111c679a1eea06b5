"""What `stentor bridge` does with a namespace: listen in, say something into it, and ask who is there."""

from __future__ import annotations

import secrets
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final, final
from zlib import crc32

import msgspec
import trio

import stentor
from stentor.bridge._body import (
    MESSAGE,
    Goodbye,
    Presence,
    RollCall,
    decode_control,
    encode_body,
    encode_control,
    open_body,
)
from stentor.bridge._clock import AnchoredClock
from stentor.bridge._errors import BadEnvelope, ConnectionLost, ReplyError
from stentor.bridge._interest import glob_of
from stentor.bridge._link import Link
from stentor.bridge._onlooking import TIMEOUT, ChannelListener, Listener, Place, StreamListener
from stentor.bridge._opening import open_connection

if TYPE_CHECKING:
    from collections.abc import Sequence

    from stentor.bridge._body import MessageBody
    from stentor.bridge._envelope import Envelope, EnvelopeCodec
    from stentor.bridge._link import Interruption, LinkState

FAILURES: Final = (ConnectionLost, ReplyError)
"""What is raised where a server cannot be reached, or refuses something."""
SHORT: Final = 100
"""Code points of a payload that are shown unless it is wanted whole."""


# -- listening in -----------------------------------------------------------------------------------------------------


def tail(
    place: Place, patterns: Sequence[str], *, dialect: str, backlog: bool, limit: int | None, full: bool, as_json: bool
) -> None:
    """Print the messages that cross, as they come, until so many have come or for ever.

    Raises:
        ConnectionLost: There is no way to the server at the beginning, or it does not let us in or listen.
        ValueError: A pattern is none.
    """
    wanted = [stentor.Pattern(pattern, dialect) for pattern in patterns]
    globs = [place.keys.topics + glob_of(pattern, stentor.Grammar.of(dialect)) for pattern in patterns]
    printer = _Printer(place.codec, wanted, limit=limit, full=full, as_json=as_json)
    listener = StreamListener(place, backlog=backlog) if place.streams else ChannelListener(place, globs)
    trio.run(_tail, place, listener, printer)
    if printer.is_unread:
        raise BrokenPipeError


async def _tail(place: Place, listener: Listener, printer: _Printer) -> None:
    async with trio.open_nursery() as nursery:

        def give_up(state: LinkState) -> None:
            """End it where it cannot even begin; once it has, the link tries again and again."""
            if link.statistics().failures and not link.statistics().connects:
                failed.append(state.reason)
                nursery.cancel_scope.cancel()

        failed: list[str] = []
        link = Link(
            place.address,
            slot=place.slot,
            name="stentor-tail",
            setup=listener.set_up,
            on_state=give_up,
            on_interruption=_tell_interruption,
        )
        nursery.start_soon(link.run)
        await _print_all(link, listener, printer)
        nursery.cancel_scope.cancel()
    if failed:
        raise ConnectionLost(failed[0])


async def _print_all(link: Link, listener: Listener, printer: _Printer) -> None:
    while not printer.is_done:
        connection = await link.connected()
        try:
            while not printer.is_done:
                for frame in await listener.receive(connection):
                    printer.show(frame)
        except ConnectionLost:
            continue
        except ReplyError as error:
            link.fail(connection, error)


@final
class _Printer:
    """Prints what is in envelopes, and on standard error which are refused."""

    def __init__(
        self, codec: EnvelopeCodec, wanted: Sequence[stentor.Pattern], *, limit: int | None, full: bool, as_json: bool
    ) -> None:
        self._codec = codec
        self._wanted = wanted
        self._left = limit
        self._full = full
        self._as_json = as_json
        self.is_unread = False
        """Whether whoever reads the output has seen enough."""

    @property
    def is_done(self) -> bool:
        return self.is_unread or self._left == 0

    def show(self, frame: bytes) -> None:
        try:
            envelope = self._codec.decode(frame)
            if self.is_done or envelope.kind != MESSAGE or not self._is_wanted(envelope.topic):
                return
            body = open_body(envelope.body)
        except (BadEnvelope, stentor.InvalidTopicError) as error:
            sys.stderr.write(f"refused {len(frame)} bytes: {_seen(str(error))}\n")
            return
        try:
            _say(self._object(envelope, body) if self._as_json else self._line(envelope, body))
        except BrokenPipeError:
            self.is_unread = True
        if self._left is not None:
            self._left -= 1

    def _is_wanted(self, topic: str) -> bool:
        return not self._wanted or any(pattern.matches(topic) for pattern in self._wanted)

    def _object(self, envelope: Envelope, body: MessageBody) -> str:
        wire = {"topic": envelope.topic, "origin": envelope.origin.hex(), "seq": envelope.seq, "hop": envelope.hop}
        priority = stentor.Priority(body.priority).name.lower()
        return _json(wire | msgspec.structs.asdict(body) | {"priority": priority})

    def _line(self, envelope: Envelope, body: MessageBody) -> str:
        payload = _json(body.payload)
        shown = payload if self._full or len(payload) <= SHORT else f"{payload[:SHORT]}..."
        sender = "" if body.sender is None else f" from {body.sender}"
        return _seen(f"{_time(body.accepted)} {envelope.topic}{sender}: {shown}")


def _tell_interruption(interruption: Interruption) -> None:
    sys.stderr.write(
        f"there was no connection for {interruption.seconds:.1f} s ({interruption.reason}): messages may be missing\n"
    )


# -- saying something -------------------------------------------------------------------------------------------------


def send(place: Place, message: stentor.Message) -> None:
    """Publish one message to everybody in the namespace who listens to its topic, and say how far it came.

    Raises:
        ConnectionLost: There is no way to the server, or it is not known whether the message was published.
        ReplyError: The server refuses it.
        UnsendableError: It does not go into an envelope.
    """
    trio.run(_send, place, message)


async def _send(place: Place, given: stentor.Message) -> None:
    clock = AnchoredClock()
    message = stentor.Message(
        given.topic,
        given.payload,
        id=secrets.token_hex(8),
        timestamp=clock.steady(),
        sender=given.sender,
        priority=given.priority,
        ttl=given.ttl,
        content_type=given.content_type,
        headers=given.headers,
    )
    frame = place.wrap(MESSAGE, message.topic, encode_body(message, clock))
    async with open_connection(await place.locate(), timeout=TIMEOUT, name="stentor-send") as connection:
        if place.streams:
            stream = place.keys.stream(crc32(message.topic.encode()) % place.streams)
            entry: bytes = await connection.execute("XADD", stream, "*", "e", frame)
            _say(f"{message.id}: entry {entry.decode()} of {stream}")
        elif place.address.kind == "cluster":
            _say(f"{message.id}: {await connection.execute('SPUBLISH', place.keys.everything, frame)} listening")
        else:
            channel = place.keys.channel(message.topic)
            _say(f"{message.id}: {await connection.execute('PUBLISH', channel, frame)} listening")


# -- asking who is there ----------------------------------------------------------------------------------------------


def agents(place: Place, *, wait: float, as_json: bool) -> None:
    """Print the agents that can be addressed across the processes of the namespace, and the node that has each.

    Raises:
        ConnectionLost: There is no way to the server.
        ReplyError: It does not let us in or ask.
    """
    nodes = trio.run(_agents, place, wait)
    found = sorted((name, node) for node, names in nodes.items() for name in names)
    if as_json:
        for name, node in found:
            _say(_json({"agent": name, "node": node}))
        return
    width = max((len(name) for name, _node in found), default=0)
    for name, node in found:
        _say(_seen(f"{name.ljust(width)}  {node}"))
    _say(f"{len(found)} agents at {len(nodes)} nodes")


async def _agents(place: Place, wait: float) -> dict[str, set[str]]:
    """Call the roll, and return the names that each node has answered with in that time."""
    prefix = "S" if place.address.kind == "cluster" else ""
    node = f"onlooker-{place.origin.hex()}"
    nodes: dict[str, set[str]] = {}
    async with open_connection(await place.locate(), timeout=TIMEOUT, name="stentor-agents") as connection:
        await connection.execute(f"{prefix}SUBSCRIBE", place.keys.control)
        for control in (RollCall(node, 0, names=True, fresh=False), Goodbye(node, {})):
            frame = place.wrap(*_with_topic(encode_control(control)))
            await connection.execute(f"{prefix}PUBLISH", place.keys.control, frame)
        with trio.move_on_after(wait):
            while True:
                _note(place, nodes, await connection.receive_push())
    return nodes


def _with_topic(control: tuple[int, bytes]) -> tuple[int, str, bytes]:
    kind, body = control
    return kind, "", body


def _note(place: Place, nodes: dict[str, set[str]], push: list[bytes]) -> None:
    """Take what a push tells of the agents of a node."""
    try:
        envelope = place.codec.decode(push[-1])
        if envelope.origin == place.origin or envelope.kind == MESSAGE:
            return
        control = decode_control(envelope.kind, envelope.body)
    except BadEnvelope as error:
        sys.stderr.write(f"refused {len(push[-1])} bytes: {error}\n")
        return
    names = nodes.setdefault(control.node, set())
    if isinstance(control, Presence):
        names.difference_update(control.gone)
        names.update(control.there)


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(sep=" ", timespec="milliseconds").removesuffix("+00:00")


def _json(value: object) -> str:
    """Return a value as JSON says it, bytes in base64, or as Python does where JSON cannot."""
    try:
        return msgspec.json.encode(value).decode()
    except (TypeError, ValueError):
        return repr(value)


def _seen(text: str) -> str:
    """Return a line in which all that cannot be seen is escaped, so that it can do nothing to a terminal."""
    return text if text.isprintable() else "".join(each if each.isprintable() else ascii(each)[1:-1] for each in text)


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()
