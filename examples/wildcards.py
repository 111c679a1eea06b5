"""Which pattern hears which topic.

It prints:

    sensors.kitchen.temperature       -> one room, each room, all below, kitchens, everything
    sensors.kitchen2.temperature      -> each room, all below, kitchens, everything
    sensors.cellar.north.temperature  -> all below, temperatures, everything
    sensors                           -> all below, everything
    alarms.fire                       -> everything
"""

from __future__ import annotations

import trio

import stentor

PATTERNS = {
    "one room": "sensors.kitchen.temperature",
    "each room": "sensors.*.temperature",
    "all below": "sensors.**",
    "kitchens": "sensors.kitchen*.**",
    "temperatures": "sensors.*.*.**.temperature",
    "everything": "*",
}

TOPICS = (
    "sensors.kitchen.temperature",
    "sensors.kitchen2.temperature",
    "sensors.cellar.north.temperature",
    "sensors",
    "alarms.fire",
)


async def main() -> None:
    """Publish to each topic and tell who heard it."""
    heard: dict[str, list[str]] = {topic: [] for topic in TOPICS}
    async with stentor.open_bus() as bus:
        for name, pattern in PATTERNS.items():

            async def listen(message: stentor.Message, name: str = name) -> None:
                heard[message.topic].append(name)

            bus.register(name.replace(" ", "_"), listen).subscribe(pattern)
        for topic in TOPICS:
            await bus.publish_and_wait(topic)
    for topic, names in heard.items():
        print(f"{topic:<33} -> {', '.join(names)}")


trio.run(main)
