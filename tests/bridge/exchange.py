"""Two processes with a thousand agents each exchange a million messages over streams, while the server is killed.

    python -m tests.bridge.exchange --messages 1000000 --kills 10

Every agent checks that its messages come in order, none missing and none twice; each process tells its memory.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import trio

import stentor
from stentor.bridge import RedisBridge
from tests.bridge.servers import redis_server
from tests.bridge.worker import TIMING

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

AGENTS: Final = 1000
SIDES: Final = ("left", "right")
STUCK: Final = 120.0
"""Seconds without a message after which a process gives up, and tells what it has."""


class Side:
    """One of the two processes."""

    def __init__(self, options: dict[str, Any]) -> None:
        self.options = options
        self.name: str = options["side"]
        self.other = SIDES[1 - SIDES.index(self.name)]
        self.count: int = options["messages"]
        self.next = [0] * AGENTS
        self.received = self.twice = self.disorder = self.flagged = 0
        self.heard_at = 0.0
        self.memory: list[int] = []

    def handler(self, number: int) -> Callable[[stentor.Message, stentor.Delivery], Awaitable[None]]:
        """What one agent does with a message: look whether it is the next."""

        async def handle(message: stentor.Message, delivery: stentor.Delivery) -> None:
            n: Any = message.payload
            expected = self.next[number]
            self.heard_at = trio.current_time()
            self.received += 1
            if n == expected:
                self.next[number] = n + 1
            elif n < expected:
                self.flagged += delivery.redelivered
                self.twice += not delivery.redelivered
                self.received -= 1
            else:
                self.disorder += 1
                self.next[number] = n + 1

        return handle

    async def run(self) -> None:
        """Exchange all messages, and print what came."""
        options = self.options
        async with stentor.open_bus(drain_timeout=60) as bus:
            async with RedisBridge(
                bus,
                options["url"],
                out=[f"{self.name}.*"],
                in_=[f"{self.other}.*"],
                transport="streams",
                namespace="exchange",
                node=self.name,
                timing=TIMING,
                directory=False,
                start="all",
            ) as bridge:
                for number in range(AGENTS):
                    agent = bus.register(f"agent.{number}", self.handler(number))
                    agent.subscribe(f"{self.other}.{number}")
                await bridge.synced()
                self.heard_at = trio.current_time()
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(self.publish, bus)
                    await self.watch(bridge)
                await bridge.flushed()
                await trio.Path(options["done"]).touch()
                for path in options["all_done"]:
                    while not await trio.Path(path).exists():  # noqa: ASYNC110 - another process makes it
                        await trio.sleep(0.2)
                print(json.dumps(self.result(bridge)), flush=True)  # noqa: T201 - a program

    async def publish(self, bus: stentor.Bus) -> None:
        """Publish to every agent of the other side, in turn."""
        for n in range(self.count):
            await bus.publish(f"{self.name}.{n % AGENTS}", n // AGENTS, sender=self.name)

    async def watch(self, bridge: RedisBridge) -> None:
        """Tell how far it is, until all has come, or nothing comes any more."""
        while self.received < self.count and trio.current_time() - self.heard_at < STUCK:
            await trio.sleep(0.5)
            self.memory.append(_resident())
            await trio.Path(self.options["progress"]).write_text(f"{self.received}", encoding="ascii")
            if bridge.statistics().missing:
                break

    def result(self, bridge: RedisBridge) -> dict[str, Any]:
        """What came, and what it took."""
        seen = bridge.statistics()
        settled = self.memory[len(self.memory) // 10 :] or [0]
        return {
            "side": self.name,
            "received": self.received,
            "lost": self.count - self.received,
            "twice": self.twice,
            "flagged": self.flagged,
            "disorder": self.disorder,
            "missing": seen.missing,
            "repeats removed": seen.repeats,
            "sent again": seen.sent_again,
            "reconnects": seen.reconnects,
            "outbox peak": seen.outbox_peak,
            "memory MiB at a tenth, at the end, at most": [settled[0], settled[-1], max(settled)],
            "peak MiB": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
        }


def _resident() -> int:
    """Memory of this process in MiB."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * resource.getpagesize() // 2**20


def exchange(messages: int, kills: int) -> list[dict[str, Any]]:
    """Run both processes, kill the server so many times while they are at it, and return what each tells."""
    with tempfile.TemporaryDirectory(prefix="stentor-exchange-") as name, redis_server(appendonly="always") as server:
        folder = Path(name)
        common: dict[str, Any] = {"url": server.url, "messages": messages // 2}
        common["all_done"] = [str(folder / f"{side}.done") for side in SIDES]
        processes = []
        for side in SIDES:
            options = {
                "side": side,
                "done": str(folder / f"{side}.done"),
                "progress": str(folder / f"{side}.progress"),
            }
            command = [sys.executable, "-m", "tests.bridge.exchange", "--side", json.dumps(common | options)]
            processes.append(subprocess.Popen(command, stdout=subprocess.PIPE))
        for kill in range(1, kills + 1):
            while _progress(folder) < messages * kill / (kills + 1) and all(p.poll() is None for p in processes):
                time.sleep(0.05)
            server.kill()
            time.sleep(0.3)
            server.start()
        return [json.loads(process.communicate()[0]) for process in processes]


def _progress(folder: Path) -> int:
    found = 0
    for side in SIDES:
        path = folder / f"{side}.progress"
        text = path.read_text(encoding="ascii") if path.exists() else ""
        found += int(text or 0)
    return found


def main() -> None:
    """Exchange, and print what each side tells."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--messages", type=int, default=1_000_000)
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--side", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.side:
        trio.run(Side(json.loads(options.side)).run)
        return
    begun = time.monotonic()
    for result in exchange(options.messages, options.kills):
        print(json.dumps(result))  # noqa: T201
    print(f"{time.monotonic() - begun:.0f} s")  # noqa: T201


if __name__ == "__main__":
    main()
