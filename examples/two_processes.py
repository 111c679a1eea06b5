"""Two processes that share one simulation: a town here, a mill in another process, and a Redis server between them.

One command starts all three. Every day the baker in town asks the miller for flour by name, whichever process that is
in, and the miller's process hears of the town's harvest by topic.

It prints:

    [town] day 1: harvested 30, the miller sends 24 flour
    [town] day 2: harvested 42, the miller sends 33 flour
    [town] day 3: harvested 18, the miller sends 14 flour
    [mill] heard of 3 harvests, 90 in all
    [town] nothing was missing, nothing came twice
"""

from __future__ import annotations

import shutil
import socket
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from typing import TYPE_CHECKING

import trio

import stentor
from stentor.bridge import RedisBridge

if TYPE_CHECKING:
    from collections.abc import Iterator

HARVESTS = (30, 42, 18)


@contextmanager
def redis_server() -> Iterator[str]:
    """Run a server on a free port of this machine, and yield its URL."""
    program = shutil.which("redis-server")
    if program is None:
        sys.exit("redis-server is not installed; on Debian: apt-get install redis-server")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with tempfile.TemporaryDirectory() as folder:
        command = [program, "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", folder]
        server = subprocess.Popen(command, stdout=subprocess.DEVNULL)  # noqa: S603 - the program just found
        try:
            yield f"redis://127.0.0.1:{port}"  # a bridge waits for it by itself
        finally:
            server.terminate()
            server.wait()


async def town(url: str) -> None:
    """The process with the baker in it."""
    async with (
        stentor.open_bus() as bus,
        RedisBridge(bus, url, out=["harvest", "mill.*"], transport="streams", node="town") as bridge,
    ):
        await bridge.reachable("mill.gate")
        for day, amount in enumerate(HARVESTS, 1):
            await bus.publish("harvest", {"day": day, "amount": amount}, sender="town")
            flour = await bus.request("mill.miller", amount, addressing="direct", sender="baker", timeout=30)
            print(f"[town] day {day}: harvested {amount}, the miller sends {flour.payload} flour")
        told = await bus.request("mill.clerk", addressing="direct", timeout=30)
        print(told.payload)
        seen = bridge.statistics()
        if seen.missing == seen.repeats == 0:
            print("[town] nothing was missing, nothing came twice")
        await bus.send("mill.gate", "close")


async def mill(url: str) -> None:
    """The process with the miller in it."""
    heard: list[int] = []
    closed = trio.Event()

    async def miller(message: stentor.Message) -> int:
        return int(message.payload * 0.8)  # type: ignore[operator]  # the baker sends a number

    async def clerk(message: stentor.Message) -> str | None:
        if message.topic == "harvest":
            heard.append(message.payload["amount"])  # type: ignore[index]
            return None
        return f"[mill] heard of {len(heard)} harvests, {sum(heard)} in all"

    async def gate(_: stentor.Message) -> None:
        closed.set()

    async with (
        stentor.open_bus() as bus,
        RedisBridge(bus, url, in_=["harvest", "mill.*"], transport="streams", node="mill") as bridge,
    ):
        await bridge.subscribe(bus.register("mill.clerk", clerk), "harvest")
        bus.register("mill.miller", miller)
        bus.register("mill.gate", gate)
        await closed.wait()


def main() -> None:
    """Start the server, the other process and this one."""
    if len(sys.argv) > 1:
        trio.run(mill, sys.argv[1])
        return
    with redis_server() as url:
        other = subprocess.Popen([sys.executable, __file__, url])  # noqa: S603 - this very program
        try:
            trio.run(town, url)
        finally:
            other.wait(timeout=30)


if __name__ == "__main__":
    main()
