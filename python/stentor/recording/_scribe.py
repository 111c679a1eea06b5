"""The scribe: the journal of a bus, with payloads and errors as a recording has them."""

from __future__ import annotations

from typing import Final

import trio.lowlevel

from stentor import Journal
from stentor.recording._entries import content, encode, text_of, type_of

PAYLOAD_LIMIT: Final = 1_000_000
"""Bytes of an encoded payload, beyond which only the beginning of its repr is recorded."""


class Scribe(Journal):
    """Says what is recorded of payloads, unless `payload_limit` is None, and of errors."""

    def __init__(self, payload_limit: int | None) -> None:
        """Begin with an empty page."""
        self._payload_limit = payload_limit

    @trio.lowlevel.enable_ki_protection
    def _encode(self, value: object) -> bytes:
        return encode(value)

    @trio.lowlevel.enable_ki_protection
    def _content(self, payload: object, limit: int) -> bytes:
        return content(payload, limit)

    @trio.lowlevel.enable_ki_protection
    def _error(self, error: BaseException) -> bytes:
        return encode((type_of(error), text_of(error, str)))
