"""MQTT 5 packets over a plain socket, so that every answer is the broker's own and never a client library's."""

import contextlib
import socket
from collections.abc import Callable, Iterator, Sequence

from tests.services import Service

CONNECT, PUBLISH, SUBSCRIBE, SUBACK, PINGREQ, PINGRESP, DISCONNECT = 0x10, 0x30, 0x82, 0x90, 0xC0, 0xD0, 0xE0
CONNACK = 0x20
FIRST_REFUSAL = 0x80
SUBSCRIPTION_IDENTIFIER = 0x0B


class MqttBroker:
    """What a running MQTT broker accepts and matches."""

    def __init__(self, service: Service) -> None:
        self._service = service

    @property
    def version(self) -> str:
        """The program and its version."""
        return self._service.version

    def accept_patterns(self, texts: Sequence[str]) -> list[bool]:
        """Whether the broker accepts each subscription; it ends the connection of one that it refuses."""
        return [self._accepts_pattern(text) for text in texts]

    def accept_topics(self, texts: Sequence[str]) -> list[bool]:
        """Whether the broker accepts each publication; it ends the connection of one that it refuses."""
        return [self._accepts_topic(text) for text in texts]

    def matches(self, patterns: Sequence[str], topics: Sequence[str]) -> list[list[int]]:
        """For each topic, the ascending places of the patterns through which the broker delivered it."""
        matched: list[list[int]] = [[] for _ in topics]
        with self._session() as session:
            for place, pattern in enumerate(patterns):
                session.send(SUBSCRIBE, _subscription(place + 1, pattern))
                session.expect(SUBACK)
            for place, topic in enumerate(topics):
                session.send(PUBLISH, _publication(topic, str(place).encode()))
            session.send(PINGREQ, b"")
            while (packet := session.expect(PUBLISH, PINGRESP))[0] == PUBLISH:
                identifiers, payload = _delivery(packet[1])
                matched[int(payload)].extend(identifier - 1 for identifier in identifiers)
        return [sorted(places) for places in matched]

    def _accepts_pattern(self, text: str) -> bool:
        with self._session() as session:
            session.send(SUBSCRIBE, _subscription(1, text))
            answer = session.receive()
            return answer is not None and answer[0] == SUBACK and answer[1][-1] < FIRST_REFUSAL

    def _accepts_topic(self, text: str) -> bool:
        with self._session() as session:
            session.send(PUBLISH, _publication(text, b""))
            session.send(PINGREQ, b"")
            answer = session.receive()
            return answer is not None and answer[0] == PINGRESP

    @contextlib.contextmanager
    def _session(self) -> "Iterator[_Session]":
        with self._service.connect() as connection:
            session = _Session(connection)
            session.send(CONNECT, _text("MQTT") + b"\x05\x02\x00\x00\x00" + _text(""))
            session.expect(CONNACK)
            yield session


class _Session:
    """One connection, packet by packet."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._reader = connection.makefile("rb")

    def send(self, kind: int, body: bytes) -> None:
        with contextlib.suppress(ConnectionError):  # the broker hung up: receive() tells
            self._connection.sendall(bytes([kind]) + _varint(len(body)) + body)

    def receive(self) -> tuple[int, bytes] | None:
        """Return the next packet, None where the broker has ended the connection."""
        try:
            head = self._reader.read(1)
            if not head or head[0] == DISCONNECT:
                return None
            length = _read_varint(self._reader.read)
            return head[0], self._reader.read(length)
        except ConnectionError:
            return None

    def expect(self, *kinds: int) -> tuple[int, bytes]:
        packet = self.receive()
        if packet is None or packet[0] not in kinds:
            msg = f"expected a packet of kind {kinds}, not {packet}"
            raise RuntimeError(msg)
        return packet


def _subscription(identifier: int, pattern: str) -> bytes:
    properties = bytes([SUBSCRIPTION_IDENTIFIER]) + _varint(identifier)
    return identifier.to_bytes(2) + _varint(len(properties)) + properties + _text(pattern) + b"\x00"


def _publication(topic: str, payload: bytes) -> bytes:
    return _text(topic) + b"\x00" + payload


def _delivery(body: bytes) -> tuple[list[int], bytes]:
    """Return the subscription identifiers and the payload of a delivered message."""
    rest = memoryview(body)[2 + int.from_bytes(body[:2]) :]
    length, rest = _split_varint(rest)
    properties, payload = rest[:length], bytes(rest[length:])
    identifiers: list[int] = []
    while properties:
        if properties[0] != SUBSCRIPTION_IDENTIFIER:
            msg = f"unexpected property {properties[0]:#x}"
            raise RuntimeError(msg)
        identifier, properties = _split_varint(properties[1:])
        identifiers.append(identifier)
    return identifiers, payload


def _text(text: str) -> bytes:
    data = text.encode("utf-8", "surrogatepass")
    return len(data).to_bytes(2) + data


def _varint(number: int) -> bytes:
    digits = bytearray()
    while number > 0x7F:
        digits.append(number & 0x7F | 0x80)
        number >>= 7
    digits.append(number)
    return bytes(digits)


def _split_varint(data: memoryview) -> tuple[int, memoryview]:
    number = 0
    for place, byte in enumerate(data):
        number |= (byte & 0x7F) << 7 * place
        if byte < 0x80:
            return number, data[place + 1 :]
    msg = "a length without an end"
    raise RuntimeError(msg)


def _read_varint(read: Callable[[int], bytes]) -> int:
    data = bytearray(read(1))
    while data[-1] & 0x80:
        data += read(1)
    return _split_varint(memoryview(data))[0]
