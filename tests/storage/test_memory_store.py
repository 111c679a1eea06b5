"""What is particular to the store in memory, and long runs of both stores against the model."""

from __future__ import annotations

from itertools import count
from random import Random
from typing import TYPE_CHECKING, Literal

import pytest
import trio
from trio.testing import MockClock

from stentor import MailboxEntry, MailboxQuery, MemoryStore, Message, Retention
from stentor.storage import SQLiteStore
from stentor.testing._store_model import StoreModel
from stentor.testing.stores import StoreTests

if TYPE_CHECKING:
    from pathlib import Path

    from stentor import MailboxStore


async def test_any_payload_is_kept_as_it_is() -> None:
    payload = object()
    async with MemoryStore() as store:
        await store.append([MailboxEntry("a", Message("t", payload))])
        (stored,) = await store.read("a")
        assert stored.message.payload is payload


async def test_expiries_of_what_has_been_read_take_no_room() -> None:
    async with MemoryStore(retention=Retention(count=0)) as store:
        for number in range(2000):
            (stored,) = await store.append([MailboxEntry("a", Message("t", number, ttl=1e6))])
            await store.acknowledge("a", [stored])
            await store.append([MailboxEntry("b", Message("t", number, ttl=1e6))])
            await store.read("b")
            await store.release("b")
            await store.purge(MailboxQuery(agent="b"))
        assert store._mailboxes._boxes == {}
        await store.append([MailboxEntry("c", Message("t", ttl=1e6)) for _ in range(100)])
        for _ in range(100):
            await store.read("c")
            await store.release("c")
        assert len(store._mailboxes._boxes["c"]._expiries) <= 2 * 100 + 64 + 100


@pytest.mark.long
@pytest.mark.parametrize("kind", ["memory", "sqlite"])
@pytest.mark.parametrize("seed", range(20))
def test_a_long_sequence_of_operations_agrees_with_the_model(
    tmp_path: Path, kind: Literal["memory", "sqlite"], seed: int
) -> None:
    numbers = count()
    kept = Retention(count=6, age=60.0)

    async def main() -> None:
        store: MailboxStore = (
            MemoryStore(capacity=8, retention=kept)
            if kind == "memory"
            else SQLiteStore(
                tmp_path / f"{next(numbers)}.db",
                capacity=8,
                retention=kept,
                sync="normal",
                clock=lambda: 1.8e9 + trio.current_time(),
            )
        )
        async with store:
            await StoreTests().compare(store, StoreModel(8, kept), Random(seed), 2000)

    trio.run(main, clock=MockClock())
