"""Mail that waits: an agent goes away, and finds what was routed to it when it comes back.

It prints:

    ann reads 'welcome'
    to ann: DELIVERED, to bob: DELIVERED
    to ann: QUEUED, to bob: DELIVERED
    to ann: QUEUED, to bob: FAILED
    ann has 2 unread
    ann is back
    ann reads 'the meeting is at noon'
    ann reads 'a riddle'
    ann reads 'where have you been?'
    bob looks at what he could not handle: 'a riddle'
"""

from __future__ import annotations

import logging

import trio

import stentor


async def ann(message: stentor.Message) -> None:
    """Read a message."""
    print(f"ann reads {message.payload!r}")


async def bob(message: stentor.Message) -> None:
    """Read a message, unless it is too hard."""
    if message.payload == "a riddle":
        msg = "no idea"
        raise ValueError(msg)


async def post(bus: stentor.Bus, payload: str) -> None:
    """Route a message to the whole office, and tell what became of it."""
    result = await bus.route(stentor.Message("office.all", payload, sender="boss"))
    print(", ".join(f"to {name}: {outcome.name}" for name, outcome in sorted(result.outcomes.items())))


async def main() -> None:
    """Spend a day at the office."""
    async with stentor.open_bus() as bus:
        ann_there = bus.register("ann", ann)
        bob_there = bus.register("bob", bob)
        for agent in (ann_there, bob_there):
            agent.subscribe("office.*")
        await post(bus, "welcome")

        ann_there.leave()
        await post(bus, "the meeting is at noon")
        await post(bus, "a riddle")
        await bus.publish("office.ann", "where have you been?", sender="boss")  # waits in the mailbox of the bus
        unread = await bus.store.count(stentor.MailboxQuery(agent="ann", states=["unread"]))
        print(f"ann has {unread} unread")

        print("ann is back")
        ann_there.rejoin()
        await bus.settled()
        for message in await bob_there.poll():
            print(f"bob looks at what he could not handle: {message.payload!r}")


logging.getLogger("stentor").setLevel(logging.CRITICAL)  # a failed handler is logged; this program prints it itself
trio.run(main)
