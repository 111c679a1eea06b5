"""`bus_defaults`: what is said once for every bus that is opened further down."""

from __future__ import annotations

from itertools import count
from pathlib import Path
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


class Half:
    """Is told of one thing only."""

    def accepted(self, message: Message, recipients: tuple[str, ...], inside: Delivery | None) -> None:
        """Forget it."""


PATH = "store must be an object of MailboxStore; a path goes into stentor.storage.SQLiteStore(path)"
WRONG_FOR_ALL: list[tuple[dict[str, Any], str]] = [
    ({"observers": [3]}, "observers must hold objects of Observer, not int, which has no method accepted"),
    ({"observers": [Half()]}, "observers must hold objects of Observer, not Half, which has no method recalled"),
    ({"observers": [stentor.Observer]}, "observers must hold objects of Observer, not the class Observer"),
    ({"observers": None}, "observers must be a collection of objects of Observer, not NoneType"),
    ({"middleware": "abc"}, "middleware must be a collection of objects of Middleware, not a single str"),
    ({"middleware": Noting("", [])}, "middleware must be a collection of objects of Middleware, not Noting"),
    ({"middleware": [3]}, "middleware must hold objects of Middleware, not int, which has no method publishing"),
]
WRONG: list[tuple[dict[str, Any], str]] = [
    *WRONG_FOR_ALL,
    ({"transit": 3}, "transit must be an object of Transit, not int, which has no method arrivals"),
    ({"transit": stentor.Transit}, "transit must be an object of Transit, not the class Transit"),
    ({"store": 3}, "store must be an object of MailboxStore, not int, which has no method __aenter__"),
    ({"store": "mail.db"}, PATH),
    ({"store": Path("mail.db")}, PATH),
    ({"bogus": 1}, "open_bus() got an unexpected keyword argument 'bogus'"),
    ({"observer": []}, "open_bus() got an unexpected keyword argument 'observer'; did you mean 'observers'?"),
]


@pytest.mark.parametrize(("settings", "text"), WRONG)
async def test_a_setting_that_would_fail_later_opens_no_bus(settings: dict[str, Any], text: str) -> None:
    with pytest.raises(TypeError) as caught:
        await prefix(**settings)
    assert str(caught.value) == text


@pytest.mark.parametrize(("defaults", "text"), WRONG_FOR_ALL)
async def test_a_default_that_would_fail_later_is_none(defaults: dict[str, Any], text: str) -> None:
    with pytest.raises(TypeError) as caught, stentor.bus_defaults(**defaults):
        pass
    assert str(caught.value) == text


async def test_observers_and_middleware_may_come_from_a_generator() -> None:
    notes: list[str] = []
    both = [Noting("own", notes)]
    async with stentor.open_bus(observers=iter(both), middleware=iter(both)) as bus:  # type: ignore[arg-type]
        await bus.publish("a")
    assert notes == ["own publishing", "own accepted"]
