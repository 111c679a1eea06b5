"""Questions and answers: ask one, ask everybody, and what happens when nobody answers.

It prints:

    calculator: 6 x 7 = 42
    the panel says: 3 (ann), 4 (bob)
    eve failed: ValueError('I do not guess'), tom said nothing in time
    nobody: nobody can answer on 'ask.oracle'
    hermit: no reply on 'ask.hermit' in time from 'hermit'
    chain: 10 -> 20 -> 40
"""

from __future__ import annotations

import logging

import trio
from trio.testing import MockClock

import stentor


async def calculator(message: stentor.Message) -> object:
    """Multiply."""
    match message.payload:
        case int(left), int(right):
            return left * right
        case other:
            msg = f"two numbers, not {other!r}"
            raise ValueError(msg)


async def ann(message: stentor.Message) -> object:
    """Guess."""
    return len(str(message.payload)) // 4


async def bob(message: stentor.Message) -> object:
    """Think, and guess."""
    await trio.sleep(1)
    return len(str(message.payload)) // 3


async def eve(message: stentor.Message) -> object:
    """Refuse."""
    del message
    msg = "I do not guess"
    raise ValueError(msg)


async def tom(message: stentor.Message) -> object:
    """Take an hour."""
    del message
    await trio.sleep(3600)
    return "what was the question?"


async def panel(bus: stentor.Bus) -> None:
    """Ask everybody, for two seconds."""
    replies = await bus.gather("ask.panel", "how many?!?!", timeout=2)
    print("the panel says:", ", ".join(f"{reply.payload} ({reply.sender})" for reply in replies.messages))
    failed = ", ".join(f"{name} failed: {error!r}" for name, error in replies.errors)
    print(f"{failed}, {', '.join(replies.silent)} said nothing in time")


async def chain(bus: stentor.Bus) -> None:
    """Let one agent ask another before it answers."""

    async def double(message: stentor.Message) -> object:
        return message.payload * 2 if isinstance(message.payload, int) else None

    async def quadruple(message: stentor.Message) -> object:
        doubled = await bus.request("ask.double", message.payload, sender="quadruple")
        again = await bus.request("ask.double", doubled.payload, sender="quadruple")
        return f"{message.payload} -> {doubled.payload} -> {again.payload}"

    bus.register("double", double).subscribe("ask.double")
    bus.register("quadruple", quadruple).subscribe("ask.quadruple")
    print("chain:", (await bus.request("ask.quadruple", 10)).payload)


async def main() -> None:
    """Ask."""
    async with stentor.open_bus(drain_timeout=7200) as bus:
        bus.register("calculator", calculator).subscribe("ask.product")
        reply = await bus.request("ask.product", (6, 7))
        print(f"{reply.sender}: 6 x 7 = {reply.payload}")

        for name, handler in (("ann", ann), ("bob", bob), ("eve", eve), ("tom", tom)):
            bus.register(name, handler).subscribe("ask.panel")
        await panel(bus)

        try:
            await bus.request("ask.oracle", "will it rain?")
        except stentor.NoResponderError as error:
            print("nobody:", error)

        bus.register("hermit", tom).subscribe("ask.hermit")
        try:
            await bus.request("ask.hermit", "who are you?", timeout=5)
        except trio.TooSlowError as error:
            print("hermit:", error)

        await chain(bus)


logging.getLogger("stentor").setLevel(logging.CRITICAL)  # a failed handler is logged; this program prints it itself
trio.run(main, clock=MockClock(autojump_threshold=0))  # virtual time: nobody really waits
