"""Redis pattern subscriptions, asked through redis-py, which sends a name as it is given."""

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any

import redis
from redis.client import PubSub

from tests.services import LOOPBACK, Service


class RedisBroker:
    """What a running Redis server accepts and matches."""

    def __init__(self, service: Service) -> None:
        self._service = service

    @property
    def version(self) -> str:
        """The program and its version."""
        return self._service.version

    def accept_patterns(self, texts: Sequence[str]) -> list[bool]:
        """Whether the server accepts each text as a pattern: it confirms every one, or the client raises."""
        with self._session() as (_client, listener):
            answers = []
            for text in texts:
                listener.psubscribe(text.encode())
                answers.append(_next(listener)["type"] == "psubscribe")
            return answers

    def accept_topics(self, texts: Sequence[str]) -> list[bool]:
        """Whether the server accepts each text as a channel: it counts the receivers, or the client raises."""
        with self._session() as (client, _listener):
            return [client.publish(text.encode(), b"") == 0 for text in texts]

    def matches(self, patterns: Sequence[str], topics: Sequence[str]) -> list[list[int]]:
        """For each topic, the ascending places of the patterns through which the server delivered it."""
        places = {pattern.encode(): place for place, pattern in enumerate(patterns)}
        matched: list[list[int]] = [[] for _ in topics]
        with self._session() as (client, listener):
            listener.psubscribe(*places)
            for _pattern in patterns:
                _next(listener)
            for place, topic in enumerate(topics):
                for _ in range(client.publish(topic.encode(), str(place).encode())):
                    message = _next(listener)
                    matched[int(message["data"])].append(places[message["pattern"]])
        return [sorted(found) for found in matched]

    @contextlib.contextmanager
    def _session(self) -> Iterator[tuple[redis.Redis, PubSub]]:
        with redis.Redis(host=LOOPBACK, port=self._service.port, protocol=2) as client, client.pubsub() as listener:
            yield client, listener


def _next(listener: PubSub) -> dict[str, Any]:
    message: dict[str, Any] | None = listener.get_message(timeout=30.0)
    if message is None:
        raise RuntimeError("the server said nothing for 30 s")
    return message
