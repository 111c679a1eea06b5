"""The file from inside the worker thread: transactions that many calls share."""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING, Any, TypeAlias, final

import trio

from stentor.storage._errors import translate
from stentor.storage._mailboxes import Mailboxes

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from stentor.storage._mailboxes import Limits

Operation: TypeAlias = "Callable[[Mailboxes], Any]"
"""What a call wants done, inside a transaction."""

Outcome: TypeAlias = "tuple[Any, BaseException | None]"
"""What an operation returned, or what it raised."""


@final
class Database:
    """One file, open or closed. Not for two threads at once."""

    def __init__(self, path: Path, limits: Limits, connect: Callable[[], sqlite3.Connection]) -> None:
        """Know a file; nothing is opened yet."""
        self._path = path
        self._limits = limits
        self._connect = connect
        self._connection: sqlite3.Connection | None = None
        self._mailboxes: Mailboxes | None = None

    @property
    def is_open(self) -> bool:
        """Whether the file is open."""
        return self._connection is not None

    def open(self) -> None:
        """Open the file, and put back what was handed out when it was last closed, or its process ended.

        Raises:
            StoreError: It cannot be opened; the text says why.
        """
        if self._connection is not None:
            return
        try:
            self._connection = self._connect()
            ((_, error),) = self.run([Mailboxes.release_all])
        except sqlite3.Error as failure:
            error = translate(failure, self._path)
        if error is not None:
            self.close()
            raise error

    def close(self) -> None:
        """Close the file; it is one file then, without a log beside it. Closing again does nothing."""
        connection, self._connection, self._mailboxes = self._connection, None, None
        if connection is not None:
            connection.close()

    def run(self, operations: Sequence[Operation]) -> list[Outcome]:
        """Run operations in their order, in one transaction; one that fails does not take the others with it.

        What fails undoes the transaction, and then each operation is run again in a transaction of its own. Only a
        refusal, which comes before anything is written, needs no undoing: operations return that as their outcome.
        """
        try:
            return self._transact(operations)
        except Exception as error:  # noqa: BLE001 - told to whoever asked for the operation
            if len(operations) == 1:
                told = translate(error, self._path) if isinstance(error, sqlite3.Error) else error
                return [(None, told)]
        return [outcome for operation in operations for outcome in self.run([operation])]

    def _transact(self, operations: Sequence[Operation]) -> list[Outcome]:
        connection = self._connection
        if connection is None:
            msg = "the store is closed"
            raise trio.ClosedResourceError(msg)
        try:
            connection.execute("BEGIN")
            if self._mailboxes is None:
                self._mailboxes = Mailboxes(connection, self._limits)
            outcomes: list[Outcome] = [self._mailboxes.run(operation) for operation in operations]
            self._mailboxes.write()
            connection.execute("COMMIT")
        except BaseException:
            # What is known of the file is read anew. On a full disk SQLite has rolled back by itself, and a second
            # ROLLBACK would hide why.
            self._mailboxes = None
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise
        return outcomes
