"""Mailboxes that outlive the process: `SQLiteStore` keeps them in one file, without a server."""

from __future__ import annotations

from stentor.storage._commits import StoreStatistics as StoreStatistics
from stentor.storage._errors import StoreCorruptError as StoreCorruptError
from stentor.storage._errors import StoreLockedError as StoreLockedError
from stentor.storage._errors import StoreReadOnlyError as StoreReadOnlyError
from stentor.storage._errors import StoreVersionError as StoreVersionError
from stentor.storage._store import SQLiteStore as SQLiteStore

for _value in (
    StoreCorruptError,
    StoreLockedError,
    StoreReadOnlyError,
    StoreStatistics,
    StoreVersionError,
    SQLiteStore,
):
    _value.__module__ = "stentor.storage"
del _value
