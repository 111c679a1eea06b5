"""What processes of the tests do with a store, mostly until they are killed, and what they tell of it over a pipe."""

from __future__ import annotations

import os
from itertools import count
from random import Random
from typing import TYPE_CHECKING, Any, cast

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


def run_a_bus(pipe: Connection, path: str, life: int, publishers: int) -> None:
    """Publish to durable agents and handle what they get, until killed; or only handle what is left, and end."""
    trio.run(_run_a_bus, pipe, path, life, publishers)


async def _run_a_bus(pipe: Connection, path: str, life: int, publishers: int) -> None:
    async def handle(message: stentor.Message, delivery: stentor.Delivery) -> None:
        if cast("list[int]", message.payload)[1] % 3 == 0:
            await trio.sleep(0.001)
        pipe.send(("handled", delivery.agent, message.payload, delivery.redelivered))

    async with (
        stentor.open_bus(store=SQLiteStore(path, retention=KEEP_ALL, capacity=10**9)) as bus,
        trio.open_nursery() as nursery,
    ):
        for agent in AGENTS:
            bus.register(agent, handle, durable=True).subscribe(f"news.{agent}")
            bus.register(f"{agent}-of-the-day", _forget).subscribe("news.*")
        for publisher in range(publishers):
            nursery.start_soon(_publish, bus, pipe, f"{life}-{publisher}")


async def _forget(_: stentor.Message) -> None:
    """What an agent does that is not durable."""


async def _publish(bus: stentor.Bus, pipe: Connection, publisher: str) -> None:
    for number in count():
        agent = AGENTS[number % len(AGENTS)]
        await bus.publish(f"news.{agent}", [publisher, number])
        pipe.send(("accepted", agent, [publisher, number], None))


NOBODY = 65534


def open_as_nobody(pipe: Connection, path: str) -> None:
    """Try to open a store as a user without rights, who only root can become, and tell why that fails."""
    if os.geteuid() == 0:
        os.setgroups([])
        os.setgid(NOBODY)
        os.setuid(NOBODY)
    trio.run(_open, pipe, path)


async def _open(pipe: Connection, path: str) -> None:
    try:
        async with SQLiteStore(path):
            pipe.send("opened")
    except stentor.StoreError as error:
        pipe.send((type(error).__name__, str(error)))
