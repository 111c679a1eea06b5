"""Stand-in until recording lands."""

from __future__ import annotations

import hashlib

import trio

import stentor


class Digest(stentor.Observer):
    def __init__(self, start: str = "") -> None:
        self._h = hashlib.sha256(start.encode())
        self.entries = 0

    def _add(self, *e: object) -> None:
        self._h.update(repr(e).encode())
        self.entries += 1

    def accepted(self, message, recipients, inside=None):
        self._add(1, message.timestamp, message.id, message.topic, message.sender, recipients, message.cause)

    def begun(self, d):
        self._add(3, trio.current_time(), d.agent, d.message.id, d.attempt)

    def handled(self, d, latency):
        self._add(5, trio.current_time(), d.agent, d.message.id, d.attempt)

    def failed(self, d, error):
        self._add(6, trio.current_time(), d.agent, d.message.id, d.attempt, type(error).__name__)

    def dropped(self, d):
        self._add(7, trio.current_time(), d.agent, d.message.id, d.attempt)

    def expired(self, d):
        self._add(8, trio.current_time(), d.agent, d.message.id, d.attempt)

    def hexdigest(self) -> str:
        return self._h.hexdigest()
