"""A run that went well becomes a test: it is recorded, and replayed to the next version of its handlers.

A thermostat hears a thermometer and tells a heater what to do. The second version waits until it is really cold: the
replay says when it does something else for the first time.

It prints:

recorded 11 deliveries, all handled: True
the same version: no difference
the next version: at 2 s, 'on' became 'off'
"""

from __future__ import annotations

import tempfile
from functools import partial
from pathlib import Path

import trio
from trio.testing import MockClock

import stentor
from stentor.recording import Outcome, read, record, replay

TEMPERATURES = (20.5, 19.5, 18.5, 17.5, 19.0, 21.5)


def house(cold: float, bus: stentor.Bus) -> None:
    """Register a thermostat that heats below `cold` degrees."""
    said = ""

    async def thermostat(message: stentor.Message) -> None:
        nonlocal said
        wanted = "on" if float(str(message.payload)) < cold else "off"
        if wanted != said or wanted == "off":
            said = wanted
            await bus.publish("heater.switch", wanted, sender="thermostat")

    async def heater(_: stentor.Message) -> None:
        await trio.sleep(0.1)

    bus.register("thermostat", thermostat).subscribe("room.*.temperature")
    bus.register("heater", heater).subscribe("heater.switch")


async def winter(path: Path) -> None:
    """Record a cold day."""
    with record(path, about={"version": "1"}) as recorder:
        async with stentor.open_bus(observers=[recorder]) as bus:
            house(19.0, bus)
            for degrees in TEMPERATURES:
                await bus.publish("room.1.temperature", degrees, sender="thermometer")
                await trio.sleep(1)


async def main() -> None:
    """Record, and replay to both versions."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "winter.stentor")
        await winter(path)
        deliveries = list(read(path).deliveries())
        handled = all(delivery.outcome is Outcome.HANDLED for delivery in deliveries)
        print(f"recorded {len(deliveries)} deliveries, all handled: {handled}")
        print("the same version:", await replay(path, partial(house, 19.0)) or "no difference")
        found = await replay(path, partial(house, 18.0))
        if found is not None and found.first is not None:
            ((_, was, is_now),) = found.fields
            print(f"the next version: at {found.first.time - deliveries[0].accepted:g} s, {was!r} became {is_now!r}")


trio.run(main, clock=MockClock(autojump_threshold=0))
