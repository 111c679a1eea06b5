"""Two or more buses that a server joins, for tests of what crosses."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import trio

import stentor
from stentor.bridge import LinkTiming, RedisBridge

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from tests.bridge.servers import RedisServer

TIMING = LinkTiming(interval=1.0, grace=1.0, timeout=2.0, first_delay=0.02, max_delay=0.2, healthy_after=0.5)
OPTIONS: dict[str, Any] = {"namespace": "test", "timing": TIMING, "beacon_interval": 0.2}
LIMIT = 20.0


@asynccontextmanager
async def joined(server: RedisServer, node: str, **options: Any) -> AsyncIterator[tuple[stentor.Bus, RedisBridge]]:
    """A bus with a bridge to `server`."""
    async with stentor.open_bus(drain_timeout=5) as bus:
        async with RedisBridge(bus, server.url, node=node, **(OPTIONS | options)) as bridge:
            yield bus, bridge


async def until(condition: Callable[[], object]) -> None:
    """Wait until something that nobody tells is so."""
    with trio.fail_after(LIMIT):
        while not condition():  # noqa: ASYNC110 - nobody tells
            await trio.sleep(0.01)


async def trim(bridge: RedisBridge) -> None:
    """Let a bridge look at its streams now, and not some seconds later."""
    parts = bridge._running
    assert parts.trimming is not None
    await parts.trimming.look(await parts.send_link.connected())


class Log:
    """A handler that writes messages down."""

    def __init__(self) -> None:
        self.messages: list[stentor.Message] = []

    async def __call__(self, message: stentor.Message) -> None:
        """Write one down."""
        self.messages.append(message)

    def has(self, count: int) -> bool:
        """Whether so many were written down."""
        return len(self.messages) == count

    @property
    def payloads(self) -> list[object]:
        """What was in them."""
        return [message.payload for message in self.messages]
