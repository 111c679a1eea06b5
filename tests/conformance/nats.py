"""The NATS text protocol over a plain socket, as a pedantic client speaks it."""

import contextlib
import json
import socket
from collections.abc import Iterator, Sequence

from tests.services import Service

REFUSALS = (b"-ERR 'Invalid Subject'", b"-ERR 'Invalid Publish Subject'")


class NatsBroker:
    """What a running NATS server accepts and matches.

    A space, a tab or a line break ends a word of the protocol, so a text that holds one cannot be asked about.
    """

    def __init__(self, service: Service) -> None:
        self._service = service

    @property
    def version(self) -> str:
        """The program and its version."""
        return self._service.version

    def accept_patterns(self, texts: Sequence[str]) -> list[bool]:
        """Whether the server accepts each subscription."""
        return self._accept([f"SUB {text} {place}\r\n".encode() for place, text in enumerate(texts)])

    def accept_topics(self, texts: Sequence[str]) -> list[bool]:
        """Whether the server accepts each publication."""
        return self._accept([f"PUB {text} 0\r\n\r\n".encode() for text in texts])

    def matches(self, patterns: Sequence[str], topics: Sequence[str]) -> list[list[int]]:
        """For each topic, the ascending places of the patterns through which the server delivered it."""
        matched: list[list[int]] = [[] for _ in topics]
        with self._session() as session:
            for place, pattern in enumerate(patterns):
                session.send(f"SUB {pattern} {place}\r\n".encode())
            for place, topic in enumerate(topics):
                payload = str(place).encode()
                session.send(f"PUB {topic} {len(payload)}\r\n".encode() + payload + b"\r\n")
            session.send(b"PING\r\n")
            while (line := session.line()).startswith(b"MSG "):
                matched[int(session.line())].append(int(line.split(b" ")[-2]))
            if line != b"PONG":
                raise RuntimeError(f"expected a message or PONG, not {line!r}")
        return [sorted(places) for places in matched]

    def _accept(self, commands: Sequence[bytes]) -> list[bool]:
        with self._session() as session:
            return [_is_accepted(session, command) for command in commands]

    @contextlib.contextmanager
    def _session(self) -> "Iterator[_Session]":
        with self._service.connect() as connection:
            session = _Session(connection)
            session.line()  # the server introduces itself
            options = {"verbose": False, "pedantic": True, "tls_required": False}
            session.send(b"CONNECT " + json.dumps(options).encode() + b"\r\nPING\r\n")
            session.expect(b"PONG")
            yield session


def _is_accepted(session: "_Session", command: bytes) -> bool:
    session.send(command + b"PING\r\n")
    answer = session.line()
    if answer.startswith(REFUSALS):
        session.expect(b"PONG")
    elif answer != b"PONG":
        raise RuntimeError(f"expected PONG or a refusal, not {answer!r}")
    return answer == b"PONG"


class _Session:
    """One connection, line by line."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._reader = connection.makefile("rb")

    def send(self, data: bytes) -> None:
        self._connection.sendall(data)

    def line(self) -> bytes:
        return self._reader.readline().removesuffix(b"\n").removesuffix(b"\r")

    def expect(self, line: bytes) -> None:
        if (answer := self.line()) != line:
            raise RuntimeError(f"expected {line!r}, not {answer!r}")
