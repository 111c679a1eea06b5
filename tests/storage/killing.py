"""A process that writes and reads a store until it is killed, and tells over a pipe what it was promised."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING, Any

import trio

import stentor
from stentor.storage import SQLiteStore

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

AGENTS = ("a", "b", "c")
WRITERS = 8
KEEP_ALL = stentor.Retention(count=None)


def work(pipe: Connection, path: str, life: int, sync: Any) -> None:
    """Write and read until killed; `life` tells the processes apart that worked on the file."""
    trio.run(_work, pipe, path, life, sync)


async def _work(pipe: Connection, path: str, life: int, sync: Any) -> None:
    store = SQLiteStore(path, sync=sync, retention=KEEP_ALL, capacity=10**9)
    async with store, trio.open_nursery() as nursery:
        for writer in range(WRITERS):
            nursery.start_soon(_write, store, pipe, f"{life}-{writer}", Random(f"{life}-{writer}"))
        for agent in AGENTS:
            nursery.start_soon(_read, store, pipe, agent, Random(f"{life}-{agent}"))


async def _write(store: SQLiteStore, pipe: Connection, writer: str, random: Random) -> None:
    number = 0
    while True:
        size = random.choice([1, 1, 1, 5])
        filler = "x" * random.choice([10, 100, 5000])
        payloads = [[writer, number, n, size, filler] for n in range(size)]
        entries = [
            stentor.MailboxEntry(agent, stentor.Message(agent, payload, id=f"{writer}-{number}-{payload[2]}"))
            for agent, payload in zip(random.choices(AGENTS, k=size), payloads, strict=True)
        ]
        numbers = await store.append(entries)
        pipe.send(("accepted", list(numbers), [writer, number]))
        number += 1


async def _read(store: SQLiteStore, pipe: Connection, agent: str, random: Random) -> None:
    while True:
        found = await store.read(agent, limit=random.randrange(1, 20))
        pipe.send(("handed out", [(stored.id, stored.redelivered) for stored in found], None))
        done = [stored.id for stored in found if random.random() < 0.9]
        await store.acknowledge(agent, done)
        pipe.send(("acknowledged", done, None))
        if random.random() < 0.1:
            await store.release(agent)
