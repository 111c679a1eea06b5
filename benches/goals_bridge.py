"""The bridge beside what it stands on: ``python -m benches.goals_bridge``.

All goals are ratios within one run. In every round each side has its turn, between two processes and by one server; a
figure is the median of the rounds' ratios. The floor is the bridge's own connection with nothing above it: one process
fills a channel or a stream by pipelines of 256 commands, another takes message after message from its subscription, or
batches of 256 from the stream. Beside the rates stands the processor time that a message takes in the two processes and
in the server: on a machine that others use too, rates say as much of them, and the ratio of these times is told too.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import signal
import statistics
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, final

import trio
from attrs import frozen

import stentor
from stentor.bridge import LinkTiming, RedisBridge
from stentor.bridge._address import Address
from stentor.bridge._opening import open_connection
from tests.services import LOOPBACK, redis

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from multiprocessing.connection import Connection as Pipe

    from stentor.bridge._settings import Transport

ROUNDS: Final = 11
MESSAGES: Final = 20_000
BATCH: Final = 256
PACED: Final = 300
"""Messages one after another, for the time that one takes."""
PACE: Final = 0.003
"""Seconds between two of them."""
PAYLOAD: Final = b"x" * 100
FREEZE: Final = LinkTiming(interval=0.5, grace=0.5)
TRANSPORTS: Final[tuple[Transport, ...]] = ("pubsub", "streams")


def main() -> None:
    """Measure the goals."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="(default: %(default)s)")
    arguments = parser.parse_args()
    with redis() as server:
        _say(f"{server.version.split(' sha')[0]}, Python {sys.version.split()[0]}, {os.cpu_count()} cores")
        measure(f"redis://{LOOPBACK}:{server.port}", server.process.pid, arguments.rounds)


def measure(url: str, server: int, rounds: int) -> None:
    """Tell all ratios."""
    found: dict[str, list[float]] = {
        name: []
        for name in ("pubsub", "streams", "pubsub time", "streams time", "latency", "streams latency", "freeze")
    }
    for number in range(rounds):
        for transport in TRANSPORTS:
            name = f"{transport}-{number}"
            floor, over = _rate(url, name, FLOORS[transport], server), _rate(url, name, BRIDGES[transport], server)
            found[transport].append(over.per_second / floor.per_second)
            found[f"{transport} time"].append(floor.together / over.together)
            ping, handled = _latency(url, f"{name}-paced", transport)
            found["latency" if transport == "pubsub" else "streams latency"].append(handled / ping)
            _say(
                f"round {number + 1}: {transport} {over}, raw {floor}; "
                f"to the handler {handled * 1e6:.0f} us, PING {ping * 1e6:.0f} us"
            )
        noticed = trio.run(_freeze, url, server)
        found["freeze"].append(noticed / (FREEZE.interval + FREEZE.grace))
    goals = {
        "pubsub": "pubsub, 100 B, rate / raw pipelined PUBLISH and a subscriber: >= 0.7, worst 0.4",
        "streams": "streams, 100 B, rate / raw pipelined XADD, XREADGROUP and XACK: >= 0.7, worst 0.4",
        "pubsub time": "pubsub, the processor time of all three processes: raw / by the bridge",
        "streams time": "the same by streams",
        "latency": "publish to handler by pubsub, p50 / a PING by the same connection, p50: <= 3, worst 6",
        "streams latency": "the same by streams",
        "freeze": "a frozen server is noticed after / interval + grace: <= 1.2, worst 2",
    }
    for name, goal in goals.items():
        ratios = found[name]
        _say(f"{statistics.median(ratios):9.3g}  ({min(ratios):.2f} to {max(ratios):.2f})  {goal}")


# -- two processes ----------------------------------------------------------------------------------------------------


@contextmanager
def _beside(work: Callable[..., Any], *arguments: object) -> Iterator[tuple[Pipe, float]]:
    """Run `work` in a process of its own, and begin when it tells its processor time, which means that it is ready."""
    context = multiprocessing.get_context("forkserver")  # which has most imported already
    context.set_forkserver_preload(["stentor.bridge"])
    here, there = context.Pipe()
    process = context.Process(target=_run, args=(work, there, *arguments))
    process.start()
    there.close()
    try:
        yield here, here.recv()
    finally:
        process.join(10)
        process.kill()


def _run(work: Callable[..., Any], pipe: Pipe, *arguments: object) -> None:
    trio.run(work, pipe, *arguments)


@final
@frozen
class Rate:
    """How fast messages went from one process to the other."""

    per_second: float
    sending: float
    """Seconds of processor time for each message where it is sent."""
    receiving: float
    """The same where it is received."""
    serving: float
    """The same in the server."""

    @property
    def together(self) -> float:
        """The same in all three."""
        return self.sending + self.receiving + self.serving

    def __str__(self) -> str:
        times = " + ".join(f"{each * 1e6:.1f}" for each in (self.sending, self.receiving, self.serving))
        return f"{self.per_second:,.0f}/s ({times} us of processor time)"


def _rate(url: str, name: str, sides: tuple[Callable[..., Any], Callable[..., Any]], server: int) -> Rate:
    """From the first message that is sent to the last that is handled."""
    send, receive = sides
    served = _processor_time(server)
    with _beside(receive, url, name, MESSAGES) as (pipe, ready):
        began = time.process_time()
        start: float = trio.run(send, url, name, MESSAGES)
        sending = time.process_time() - began
        end, spent = pipe.recv()
    served = _processor_time(server) - served
    return Rate(MESSAGES / (end - start), sending / MESSAGES, (spent - ready) / MESSAGES, served / MESSAGES)


def _processor_time(process: int) -> float:
    """The seconds that another process has computed, in steps of 10 ms."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


# The clock of perf_counter is the same for all processes of a machine.


async def _publish_raw(url: str, name: str, count: int) -> float:
    async with open_connection(Address.parse(url)) as connection:
        start = time.perf_counter()
        for first in range(0, count, BATCH):
            await connection.pipeline([("PUBLISH", name, PAYLOAD)] * min(BATCH, count - first))
    return start


async def _subscribe_raw(pipe: Pipe, url: str, name: str, count: int) -> None:
    async with open_connection(Address.parse(url)) as connection:
        await connection.execute("SUBSCRIBE", name)
        pipe.send(time.process_time())
        for _ in range(count):
            assert (await connection.receive_push())[2] == PAYLOAD
        pipe.send((time.perf_counter(), time.process_time()))


async def _append_raw(url: str, name: str, count: int) -> float:
    async with open_connection(Address.parse(url)) as connection:
        start = time.perf_counter()
        for first in range(0, count, BATCH):
            await connection.pipeline([("XADD", name, "*", "e", PAYLOAD)] * min(BATCH, count - first))
    return start


async def _read_raw(pipe: Pipe, url: str, name: str, count: int) -> None:
    async with open_connection(Address.parse(url)) as connection:
        await connection.execute("XGROUP", "CREATE", name, "group", "$", "MKSTREAM")
        read = ("XREADGROUP", "GROUP", "group", "me", "COUNT", BATCH, "BLOCK", 1000, "STREAMS", name, ">")
        pipe.send(time.process_time())
        found = await connection.execute(*read)
        while True:
            (entries,) = found.values()
            count -= len(entries)
            done: tuple[str | bytes, ...] = ("XACK", name, "group", *(entry for entry, _fields in entries))
            if count <= 0:
                await connection.execute(*done)
                break
            _done, found = await connection.pipeline([done, read])
        pipe.send((time.perf_counter(), time.process_time()))
        await connection.execute("DEL", name)


async def _publish(url: str, name: str, count: int, transport: Transport) -> float:
    async with (
        stentor.open_bus() as bus,
        RedisBridge(bus, url, out=["**"], namespace=name, transport=transport) as bridge,
    ):
        await bridge.flushed()
        await _connected(bridge)
        start = time.perf_counter()
        for _ in range(count):
            await bus.publish("bench.topic", PAYLOAD)
        await bridge.flushed()
    return start


async def _handle(pipe: Pipe, url: str, name: str, count: int, transport: Transport) -> None:
    done = trio.Event()
    left = count

    async def handle(_message: stentor.Message) -> None:
        nonlocal left
        left -= 1
        if left == 0:
            pipe.send((time.perf_counter(), time.process_time()))
            done.set()

    async with (
        stentor.open_bus() as bus,
        RedisBridge(bus, url, in_=["**"], namespace=name, transport=transport) as bridge,
    ):
        bus.register("handler", handle).subscribe("bench.topic")
        await bridge.synced()
        pipe.send(time.process_time())
        await done.wait()


async def _connected(bridge: RedisBridge) -> None:
    while bridge.state != "connected":  # noqa: ASYNC110 - the bridge tells it on the bus, of which it is the only part
        await trio.sleep(0.01)


async def _publish_by_pubsub(url: str, name: str, count: int) -> float:
    return await _publish(url, name, count, "pubsub")


async def _publish_by_streams(url: str, name: str, count: int) -> float:
    return await _publish(url, name, count, "streams")


async def _handle_by_pubsub(pipe: Pipe, url: str, name: str, count: int) -> None:
    await _handle(pipe, url, name, count, "pubsub")


async def _handle_by_streams(pipe: Pipe, url: str, name: str, count: int) -> None:
    await _handle(pipe, url, name, count, "streams")


FLOORS: Final = {"pubsub": (_publish_raw, _subscribe_raw), "streams": (_append_raw, _read_raw)}
BRIDGES: Final = {
    "pubsub": (_publish_by_pubsub, _handle_by_pubsub),
    "streams": (_publish_by_streams, _handle_by_streams),
}


# -- the time that one message takes ----------------------------------------------------------------------------------


def _latency(url: str, name: str, transport: Transport) -> tuple[float, float]:
    """The medians of the seconds that a PING takes, and a message from being published to its handler."""
    with _beside(_time_handling, url, name, PACED, transport) as (pipe, _ready):
        pings = trio.run(_pace, url, name, PACED, transport)
        return statistics.median(pings), statistics.median(pipe.recv())


async def _pace(url: str, name: str, count: int, transport: Transport) -> list[float]:
    pings: list[float] = []
    async with (
        open_connection(Address.parse(url)) as connection,
        stentor.open_bus() as bus,
        RedisBridge(bus, url, out=["**"], namespace=name, transport=transport) as bridge,
    ):
        await _connected(bridge)
        for _ in range(count):
            await bus.publish("bench.topic", time.perf_counter())
            await trio.sleep(PACE / 2)
            start = time.perf_counter()
            await connection.execute("PING")
            pings.append(time.perf_counter() - start)
            await trio.sleep(PACE / 2)
        await bridge.flushed()
    return pings


async def _time_handling(pipe: Pipe, url: str, name: str, count: int, transport: Transport) -> None:
    times: list[float] = []
    done = trio.Event()

    async def handle(message: stentor.Message) -> None:
        times.append(time.perf_counter() - float(str(message.payload)))
        if len(times) == count:
            done.set()

    async with (
        stentor.open_bus() as bus,
        RedisBridge(bus, url, in_=["**"], namespace=name, transport=transport) as bridge,
    ):
        bus.register("handler", handle).subscribe("bench.topic")
        await bridge.synced()
        pipe.send(time.process_time())
        await done.wait()
    pipe.send(times)


# -- a frozen server --------------------------------------------------------------------------------------------------


async def _freeze(url: str, server: int) -> float:
    """The seconds from the moment that the server does nothing more to the moment that the bridge says so."""
    async with stentor.open_bus() as bus, RedisBridge(bus, url, namespace="freeze", timing=FREEZE) as bridge:
        await _connected(bridge)
        await trio.sleep(FREEZE.interval * 1.5)
        os.kill(server, signal.SIGSTOP)
        try:
            start = time.perf_counter()
            while bridge.state == "connected":  # noqa: ASYNC110 - as above
                await trio.sleep(0.005)
            return time.perf_counter() - start
        finally:
            os.kill(server, signal.SIGCONT)


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
