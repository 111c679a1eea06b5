"""AMQP 0-9-1 topic exchanges, asked through pika, which sends a key as it is given."""

import contextlib
from collections.abc import Callable, Iterator, Sequence

import pika
from pika.adapters.blocking_connection import BlockingChannel
from pika.exceptions import AMQPError, ShortStringTooLong

from tests.services import LOOPBACK, Service

KEYS = "stentor.keys"
END = b"end"


class AmqpBroker:
    """What a running AMQP broker accepts and matches."""

    def __init__(self, service: Service) -> None:
        self._service = service

    @property
    def version(self) -> str:
        """The program and its version."""
        return self._service.version

    def accept_patterns(self, texts: Sequence[str]) -> list[bool]:
        """Whether the broker accepts each binding key."""
        with self._channel() as channel:
            queue = channel.queue_declare("", exclusive=True).method.queue
            return [_is_accepted(channel.queue_bind, queue, KEYS, routing_key=text) for text in texts]

    def accept_topics(self, texts: Sequence[str]) -> list[bool]:
        """Whether the broker accepts each routing key."""
        with self._channel() as channel:
            channel.confirm_delivery()
            return [_is_accepted(channel.basic_publish, KEYS, routing_key=text, body=b"") for text in texts]

    def matches(self, patterns: Sequence[str], topics: Sequence[str]) -> list[list[int]]:
        """For each topic, the ascending places of the patterns through whose queue the broker delivered it."""
        matched: list[list[int]] = [[] for _ in topics]
        with self._channel() as channel:
            for place, pattern in enumerate(patterns):
                self._bind(channel, place, pattern)
            for place, topic in enumerate(topics):
                channel.basic_publish(KEYS, routing_key=topic, body=str(place).encode())
            for place in range(len(patterns)):
                channel.basic_publish("", routing_key=f"stentor.{place}", body=END)
            for place in range(len(patterns)):
                for topic_place in self._delivered(channel, f"stentor.{place}"):
                    matched[topic_place].append(place)
        return matched

    def _bind(self, channel: BlockingChannel, place: int, pattern: str) -> None:
        queue = channel.queue_declare(f"stentor.{place}", exclusive=True).method.queue
        channel.queue_bind(queue, KEYS, routing_key=pattern)

    def _delivered(self, channel: BlockingChannel, queue: str) -> Iterator[int]:
        """Yield the places of the topics that reached a queue, up to the message that ends the round.

        The broker has put that message there before it answers, for it came last through the same channel.
        """
        while (body := channel.basic_get(queue, auto_ack=True)[2]) != END:
            if body is None:
                raise RuntimeError(f"{queue} does not end")
            yield int(body)

    @contextlib.contextmanager
    def _channel(self) -> Iterator[BlockingChannel]:
        parameters = pika.ConnectionParameters(LOOPBACK, self._service.port, heartbeat=0)
        connection = pika.BlockingConnection(parameters)
        try:
            channel = connection.channel()
            channel.exchange_declare(KEYS, "topic")
            yield channel
        finally:
            with contextlib.suppress(AMQPError):
                connection.close()


def _is_accepted(ask: Callable[..., object], *arguments: str, **options: object) -> bool:
    """Ask; a key that does not fit the frame is refused by the protocol itself, anything else by the broker."""
    try:
        ask(*arguments, **options)
    except ShortStringTooLong:
        return False
    return True
