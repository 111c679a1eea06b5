"""What can go wrong between this process and Redis, and with what comes from there."""

from __future__ import annotations

from typing import Final, final

FATAL_CODES: Final = frozenset({"WRONGPASS", "NOAUTH", "NOPERM", "WRONGTYPE", "DENIED"})
"""Code words of errors that trying again at once cannot mend: somebody must change a right, a password or a key."""

LEAVE: Final = FATAL_CODES | {"READONLY", "MOVED", "CLUSTERDOWN", "MASTERDOWN"}
"""Code words of errors after which a better connection is to be looked for; after all others one waits a little."""

NONSENSE: Final = (AttributeError, IndexError, KeyError, TypeError, ValueError)
"""What comes of a reply that is well formed and makes no sense, as bytes that were changed on the way may be."""


@final
class ReplyError(Exception):
    """Redis answered a command with an error.

    Only the code word is fit to decide by: Redis and Valkey agree on it, and on hardly any text.

    Attributes:
        text: What Redis said, whole.
        code: Its first word, such as `NOPERM`.
    """

    def __init__(self, text: str) -> None:
        """Keep what Redis said."""
        super().__init__(text)
        self.text = text
        self.code = text.partition(" ")[0]

    @property
    def is_fatal(self) -> bool:
        """Whether trying again at once cannot help."""
        return self.code in FATAL_CODES


@final
class ConnectionLost(Exception):  # noqa: N818 - it tells what happened, as trio's `Cancelled` does
    """The connection is gone. A command that was under way was done or was not: nobody can know.

    Nothing is sent a second time by itself.

    Attributes:
        reason: Why, in words, without secrets.
    """

    def __init__(self, reason: str) -> None:
        """Say why."""
        super().__init__(reason)
        self.reason = reason


@final
class BadEnvelope(ValueError):  # noqa: N818 - the word that counts it
    """Bytes from outside are no envelope of this version, or not one that may come in.

    Attributes:
        reason: Which rule they break, in one word; the set of words is closed, so that it can be counted by them.
    """

    def __init__(self, reason: str) -> None:
        """Say which rule is broken."""
        super().__init__(reason)
        self.reason = reason


@final
class UnsendableError(ValueError):
    """A message has a part that does not go into an envelope so that it comes out equal; nothing was sent.

    Attributes:
        reason: Which part, and why, in words.
    """

    def __init__(self, reason: str) -> None:
        """Say which part, and why."""
        super().__init__(reason)
        self.reason = reason
