"""A process with a bus and a bridge, for tests that kill processes: it publishes, or it consumes, and writes down what.

    python -m tests.bridge.worker publish|consume OPTIONS-AS-JSON

What a publisher has published and the server has confirmed, and what a consumer has handled, goes line by line to its
log, which is written through to the operating system, so that it survives the process.
"""

from __future__ import annotations

import json
import os
import sys
from typing import Any, Final

import trio

import stentor
from stentor.bridge import Gap, LinkTiming, RedisBridge

TIMING: Final = LinkTiming(interval=0.5, grace=0.5, timeout=1.0, first_delay=0.02, max_delay=0.2, healthy_after=0.5)


class Lines:
    """A file that every line is in as soon as it is written."""

    def __init__(self, path: str) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    def write(self, *fields: object) -> None:
        """Write one line."""
        os.write(self._file, (" ".join(map(str, fields)) + "\n").encode())


async def publish(options: dict[str, Any]) -> None:
    """Publish numbered messages for ever, or so many, each incarnation under a name of its own."""
    lines = Lines(options["log"])
    life = options["life"]
    async with stentor.open_bus(drain_timeout=30) as bus:
        async with bridge_of(bus, options, out=["work.*"]) as bridge:
            lines.write("life", life)
            n = 0
            while n < options.get("count", 10**9):
                await bus.publish(f"work.{n % 3}", {"life": life, "n": n}, sender="publisher")
                lines.write("published", life, n, bridge.statistics().sent)
                n += 1
                await trio.sleep(options.get("pause", 0.005))
            await bridge.flushed()


async def consume(options: dict[str, Any]) -> None:
    """Handle messages until told to end."""
    lines = Lines(options["log"])

    async def handle(message: stentor.Message, delivery: stentor.Delivery) -> None:
        payload: Any = message.payload
        lines.write("handled", payload["life"], payload["n"], int(delivery.redelivered))

    async def note(message: stentor.Message) -> None:
        gap = message.payload
        assert isinstance(gap, Gap)
        lines.write("gap", gap.kind.value, -1 if gap.missing is None else gap.missing, gap.node or "-")

    async with stentor.open_bus(drain_timeout=5) as bus:
        bus.register("watcher", note).subscribe("_stentor.bridge.*.gap")
        async with bridge_of(bus, options, in_=["work.*"]) as bridge:
            await bridge.subscribe(bus.register("consumer", handle), "work.*")
            lines.write("ready", options["life"])
            while not os.path.exists(options["stop"]):  # noqa: ASYNC110, ASYNC240, PTH110 - another process makes it
                await trio.sleep(0.1)
            lines.write("missing", bridge.statistics().missing)


def bridge_of(bus: stentor.Bus, options: dict[str, Any], **patterns: Any) -> RedisBridge:
    """The bridge that the options describe."""
    return RedisBridge(
        bus,
        options["url"],
        transport=options["transport"],
        namespace="workers",
        node=options["node"],
        timing=TIMING,
        beacon_interval=0.3,
        start="all",
        **patterns,
    )


if __name__ == "__main__":
    trio.run({"publish": publish, "consume": consume}[sys.argv[1]], json.loads(sys.argv[2]))
