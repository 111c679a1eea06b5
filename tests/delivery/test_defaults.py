"""`bus_defaults`: what is said once for every bus that is opened further down."""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING, Any

import pytest
import trio

import stentor

if TYPE_CHECKING:
    from stentor import Delivery, Message


class Noting(stentor.Observer, stentor.Middleware):
    """Notes that it was asked."""

    def __init__(self, name: str, notes: list[str]) -> None:
        self._name = name
        self._notes = notes

    def publishing(self, message: Message) -> Message:
        """Note it."""
        self._notes.append(f"{self._name} publishing")
        return message

    def accepted(self, message: Message, recipients: tuple[str, ...], inside: Delivery | None) -> None:
        """Note it."""
        del message, recipients, inside
        self._notes.append(f"{self._name} accepted")


async def test_blocks_nest_and_settings_of_a_bus_come_last() -> None:
    notes: list[str] = []
    outer, inner, own = (Noting(name, notes) for name in ("outer", "inner", "own"))
    with (
        stentor.bus_defaults(middleware=[outer], observers=[outer]),
        stentor.bus_defaults(middleware=[inner], observers=[inner]),
    ):
        async with stentor.open_bus(middleware=[own], observers=[own]) as bus:
            await bus.publish("a")
    assert notes == [f"{name} {what}" for what in ("publishing", "accepted") for name in ("outer", "inner", "own")]
    async with stentor.open_bus() as bus:
        await bus.publish("a")
    assert len(notes) == 6


async def prefix(**settings: Any) -> str:
    async with stentor.open_bus(**settings) as bus:
        return (await bus.publish("a")).message.id


async def test_each_bus_gets_the_next_seed_and_one_of_its_own_counts_more() -> None:
    with stentor.bus_defaults(seed=count(5).__next__):
        given = [await prefix(), await prefix(seed=5), await prefix()]
        with stentor.bus_defaults():
            inner = await prefix()
    assert given == [await prefix(seed=5), await prefix(seed=5), await prefix(seed=6)]
    assert inner == await prefix(seed=7)


async def test_tasks_started_in_the_block_have_them_too() -> None:
    ids: list[str] = []

    async def child() -> None:
        ids.append(await prefix())

    async with trio.open_nursery() as nursery:
        with stentor.bus_defaults(seed=lambda: 9):
            nursery.start_soon(child)
    assert ids == [await prefix(seed=9)]


def test_a_seed_must_be_made_anew_for_each_bus() -> None:
    wrong: Any = 5
    with pytest.raises(TypeError, match=r"^seed must be a callable that returns one, not int$"):
        with stentor.bus_defaults(seed=wrong):
            pass
