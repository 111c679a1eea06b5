"""An ascending auction: the price rises, one by one, until nobody bids any more.

The auctioneer calls prices on `auction.<lot>.price`; whoever still wants the lot bids on `auction.<lot>.bid`. A clerk
notes everything below `auction`. Nobody sees what a lot is worth to another.

It prints:

    painting: bidder14 for 97
    vase: bidder6 for 98
    the clerk noted 2,263 messages
"""

from __future__ import annotations

import random
from contextlib import suppress
from typing import final

import trio

import stentor

LOTS = ("painting", "vase")
BIDDERS = 20


@final
class Bidder:
    """Bids as long as the price is not above what the lot is worth to it."""

    def __init__(self, bus: stentor.Bus, name: str, worth: dict[str, int]) -> None:
        self._bus = bus
        self._name = name
        self._worth = worth

    async def __call__(self, message: stentor.Message) -> None:
        """Hear a price."""
        lot = message.topic.split(".")[1]
        if isinstance(message.payload, int) and message.payload <= self._worth[lot]:
            await self._bus.publish(f"auction.{lot}.bid", message.payload, sender=self._name)


@final
class Clerk:
    """Counts what is said at the auction."""

    def __init__(self) -> None:
        self.noted = 0

    async def __call__(self, message: stentor.Message) -> None:
        """Note one message."""
        del message
        self.noted += 1


def bidders_in(feed: stentor.Feed[stentor.Message]) -> list[str]:
    """Who has bid since the feed was last read, without waiting for more."""
    found: list[str] = []
    with suppress(trio.WouldBlock):
        while True:
            message = feed.receive_nowait()
            found.append(message.sender or "somebody")
    return found


async def sell(bus: stentor.Bus, lot: str) -> tuple[str, int]:
    """Raise the price of a lot, one by one, until nobody bids; who bid last has it, the first of several."""
    with bus.subscribe(f"auction.{lot}.bid") as bids:
        winner, price = "nobody", 0
        while True:
            await bus.publish(f"auction.{lot}.price", price + 1, sender="auctioneer")
            await bus.settled()
            bidding = bidders_in(bids)
            if not bidding:
                return winner, price
            winner, price = bidding[0], price + 1


async def main() -> None:
    """Hold the auction."""
    chance = random.Random(1977)
    clerk = Clerk()
    async with stentor.open_bus() as bus:
        bus.register("clerk", clerk).subscribe("auction.**")
        for number in range(1, BIDDERS + 1):
            name = f"bidder{number}"
            worth = {lot: chance.randint(1, 100) for lot in LOTS}
            bus.register(name, Bidder(bus, name, worth)).subscribe("auction.*.price")
        for lot in LOTS:
            winner, price = await sell(bus, lot)
            print(f"{lot}: {winner} for {price}")
    print(f"the clerk noted {clerk.noted:,} messages")


trio.run(main)
