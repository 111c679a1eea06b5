"""Two agents greet each other.

It prints:

    ann heard 'hello, everybody' from moderator
    bob heard 'hello, everybody' from moderator
    bob heard 'hello, bob' from ann
"""

from __future__ import annotations

import trio

import stentor


async def main() -> None:
    """Register two agents, say hello to both, and let one answer the other."""
    async with stentor.open_bus() as bus:

        async def ann(message: stentor.Message) -> None:
            print(f"ann heard {message.payload!r} from {message.sender}")
            await bus.publish("greetings.bob", "hello, bob", sender="ann")

        async def bob(message: stentor.Message) -> None:
            print(f"bob heard {message.payload!r} from {message.sender}")

        bus.register("ann", ann).subscribe("greetings.all")
        bus.register("bob", bob).subscribe("greetings.*")
        await bus.publish("greetings.all", "hello, everybody", sender="moderator")
        await bus.settled()  # nothing is queued or running any more, what handlers caused included


trio.run(main)
