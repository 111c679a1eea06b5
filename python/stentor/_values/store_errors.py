"""Errors of mailbox stores. Whichever is raised by an `append`, nothing of it was accepted."""

from __future__ import annotations

from typing import final


class StoreError(Exception):
    """A mailbox store could not do what it was asked; the text says why. What it accepted before, it still has."""


@final
class StoreFullError(StoreError):
    """There is no room for what should be stored.

    Attributes:
        agents: Whose mailboxes are full, or nobody where the whole store or its disk is.
        reason: Which bound was met, in words.
    """

    def __init__(self, reason: str, agents: tuple[str, ...] = ()) -> None:
        """Say which bound was met, and by whom."""
        super().__init__(reason, agents)
        self.reason = reason
        self.agents = agents

    def __str__(self) -> str:
        """Say that nothing was accepted, and why."""
        return f"nothing was accepted: {self.reason}"


@final
class UnstorableError(StoreError, ValueError):
    """A message has a part that the store cannot keep so that it comes back equal.

    Attributes:
        message_id: The `id` of the message.
        reason: Which part, and why, in words.
    """

    def __init__(self, message_id: str, reason: str) -> None:
        """Say which message, and why."""
        super().__init__(message_id, reason)
        self.message_id = message_id
        self.reason = reason

    def __str__(self) -> str:
        """Say that nothing was accepted, and why."""
        return f"nothing was accepted: message {self.message_id!r} cannot be stored: {self.reason}"
