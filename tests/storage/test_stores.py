"""Both stores keep what every mailbox store promises: the suite that is published for those who write their own."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

import pytest
import trio

import stentor
from stentor.storage import SQLiteStore
from stentor.testing.stores import StoreTests

if TYPE_CHECKING:
    from pathlib import Path

    from stentor import MailboxStore, Retention


def wall_clock() -> float:
    """A wall clock that moves with trio's."""
    return 1.8e9 + trio.current_time()


class TestMemoryStore(StoreTests):
    """In memory."""

    def make(self, *, capacity: int, retention: Retention) -> MailboxStore:
        """Make a store."""
        return stentor.MemoryStore(capacity=capacity, retention=retention)


class TestSQLiteStore(StoreTests):
    """In a file, payloads as JSON."""

    codec: ClassVar[Literal["json", "msgpack"]] = "json"
    folder: Path

    @pytest.fixture(autouse=True)
    def _own_folder(self, tmp_path: Path) -> None:
        self.folder = tmp_path

    def make(self, *, capacity: int, retention: Retention) -> MailboxStore:
        """Make a store whose wall clock is trio's."""
        return SQLiteStore(
            self.folder / "mail.db",
            capacity=capacity,
            retention=retention,
            codec=self.codec,
            clock=wall_clock,
            sync="normal",
        )


class TestSQLiteStoreWithMessagePack(TestSQLiteStore):
    """In a file, payloads as MessagePack."""

    codec = "msgpack"
