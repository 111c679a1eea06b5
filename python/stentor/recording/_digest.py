"""The digest: one number for a whole run."""

from __future__ import annotations

import hashlib
from typing import final

import trio.lowlevel

from stentor.recording._entries import encode, type_of
from stentor.recording._scribe import Scribe


@final
class Digest(Scribe):
    """An observer that hashes the causal record of a run: two runs have one digest when the same happened in both.

    Messages count with their ids, topics, senders, recipients and causes, deliveries with each attempt and outcome, all
    of it in its order and with its time; errors with their type. Payloads and the texts of errors do not count, for
    what they look like may differ from process to process.

    Example:
        >>> import stentor, trio
        >>> from stentor.recording import Digest
        >>> from trio.testing import MockClock
        >>> async def handler(message): ...
        >>> async def main():
        ...     digest = Digest()
        ...     async with stentor.open_bus(seed=1, observers=[digest]) as bus:
        ...         bus.register("gpt4", handler).subscribe("ai.*")
        ...         await bus.publish("ai.models")
        ...     return digest.hexdigest()
        >>> trio.run(main, clock=MockClock()) == trio.run(main, clock=MockClock())
        True
    """

    def __init__(self, start: str = "") -> None:
        """Begin a digest.

        Args:
            start: An earlier digest, which this one goes on from; nothing for one that begins by itself.
        """
        super().__init__(payload_limit=None)
        self._hash = hashlib.sha256(start.encode())

    def rebase(self) -> str:
        """Return the digest of all entries so far, and go on from it as `Digest(it)` does."""
        digest = self.hexdigest()
        self._hash = hashlib.sha256(digest.encode())
        return digest

    def hexdigest(self) -> str:
        """Return the digest of all entries so far, as 64 hexadecimal digits."""
        self._turn_page()
        return self._hash.hexdigest()

    @trio.lowlevel.enable_ki_protection
    def _write(self, data: bytes, count: int) -> None:
        del count
        self._hash.update(data)

    @trio.lowlevel.enable_ki_protection
    def _error(self, error: BaseException) -> bytes:
        return encode(type_of(error))
