"""Registration: what agents are told alike is kept once, and every kind of handler is called as it wants to be."""

from __future__ import annotations

import functools
import gc
import weakref
from contextvars import ContextVar
from typing import Any

import pytest

import stentor
from stentor._mechanisms.handlers import _arity, _plain_arity, check_handler

colour: ContextVar[str] = ContextVar("colour")
thing: ContextVar[object] = ContextVar("thing")


async def one(message: stentor.Message) -> None: ...


async def two(message: stentor.Message, other: stentor.Delivery) -> None: ...


async def named(message: stentor.Message, delivery: stentor.Delivery | None = None) -> None: ...


async def optional(message: stentor.Message, other: int = 1) -> None: ...


async def all_optional(message: object = None, delivery: object = None) -> None: ...


async def positional(message: stentor.Message, delivery: object = None, /) -> None: ...


async def any_number(*messages: object) -> None: ...


async def keyword(message: stentor.Message, *, delivery: object = None) -> None: ...


async def unnamed_third(message: stentor.Message, other: object = 1, delivery: object = None) -> None: ...


async def any_keyword(message: stentor.Message, **options: object) -> None: ...


class _Methods:
    """An object with handlers."""

    async def one(self, message: stentor.Message) -> None: ...

    async def two(self, message: stentor.Message, other: stentor.Delivery) -> None: ...

    async def named(self, message: stentor.Message, delivery: object = None) -> None: ...

    @staticmethod
    async def static(message: stentor.Message, other: stentor.Delivery) -> None: ...

    @classmethod
    async def of_class(cls, message: stentor.Message, delivery: object = None) -> None: ...

    async def __call__(self, message: stentor.Message) -> None: ...


@functools.wraps(two)
async def wrapper(*args: object) -> None: ...


methods = _Methods()
HANDLERS: list[Any] = [
    *(one, two, named, optional, all_optional, positional, any_number, keyword, unnamed_third, any_keyword),
    *(methods.one, methods.two, methods.named, methods.static, methods.of_class, methods, wrapper),
    functools.partial(optional, other=2),
]


@pytest.mark.parametrize("handler", HANDLERS, ids=repr)
def test_registration_finds_out_quickly_what_it_would_find_out_slowly(handler: Any) -> None:
    assert check_handler(handler) == _arity(handler)
    assert _plain_arity(handler) in (0, _arity(handler))


async def none() -> None: ...


async def three(message: object, delivery: object, other: object) -> None: ...


async def needs_keyword(message: object, *, other: object) -> None: ...


def plain(message: object) -> None: ...


class _Wrong:
    """An object with methods that are no handlers."""

    async def none(self) -> None: ...

    def plain(self, message: object) -> None: ...


@pytest.mark.parametrize("handler", [none, three, needs_keyword, plain, _Wrong().none, _Wrong().plain, 5], ids=repr)
def test_registration_refuses_what_is_no_handler(handler: Any) -> None:
    assert _plain_arity(handler) == 0
    with pytest.raises(TypeError, match=r"handler must "):
        check_handler(handler)


async def test_registration_keeps_equal_options_once() -> None:
    async with stentor.open_bus() as bus:
        a, b = (bus.register(name, one, timeout=3.0, capacity=7) for name in ("a", "b"))
        for agent in (a, b):
            agent.subscribe("t", capacity=5, overflow="drop_oldest")
            agent.subscribe("u")
        assert a._recipient.policy is b._recipient.policy
        assert a._recipient.quota.options is b._recipient.quota.options
        for first, second in zip(a.subscriptions, b.subscriptions, strict=True):
            assert first.options is second.options
        assert a.subscriptions[0].options == stentor.SubscriptionOptions(
            capacity=5, overflow=stentor.Overflow.DROP_OLDEST
        )


@pytest.mark.parametrize("capacity", [True, 1.0, [1]])
async def test_registration_takes_no_value_for_one_that_equals_it(capacity: Any) -> None:
    async with stentor.open_bus() as bus:
        agent = bus.register("a", one)
        agent.subscribe("t", capacity=1)
        with pytest.raises(TypeError, match=r"^capacity must be an int, not "):
            agent.subscribe("t", capacity=capacity)
        with pytest.raises(TypeError, match=r"^capacity must be an int, not "):
            bus.register("b", one, capacity=capacity)
        assert len(agent.subscriptions) == 1


async def test_registration_keeps_no_filter_of_a_closed_subscription_alive() -> None:
    class Picky:
        def __call__(self, _: object) -> bool:
            return True

    async with stentor.open_bus() as bus:
        picky = Picky()
        alive = weakref.ref(picky)
        agent = bus.register("a", one)
        agent.subscribe("t", filter=picky).close()
        del picky
        gc.collect()
        assert alive() is None


async def test_registration_makes_few_objects_for_an_idle_agent() -> None:
    """Every one is gone through by the garbage collector, over and over, for as long as the agent lives."""
    async with stentor.open_bus() as bus:
        bus.register("first", one).subscribe("first")
        gc.collect()
        before = len(gc.get_objects())
        for number in range(100):
            bus.register(f"a{number}", one).subscribe(f"t{number}")
        gc.collect()
        assert len(gc.get_objects()) - before <= 2 * 100


async def test_registration_shares_the_context_of_agents_for_which_it_is_the_same() -> None:
    async with stentor.open_bus() as bus:
        first, second = (bus.register(name, one)._recipient for name in ("first", "second"))
        token = colour.set("red")
        third = bus.register("third", one)._recipient
        colour.reset(token)
        fourth = bus.register("fourth", one)._recipient
        assert first.context is second.context
        assert third.context is not second.context
        assert third.context[colour] == "red"
        assert colour not in fourth.context


async def test_registration_keeps_no_context_of_a_closed_agent_alive() -> None:
    class Value:
        pass

    async with stentor.open_bus() as bus:
        value = Value()
        alive = weakref.ref(value)
        token = thing.set(value)
        agent = bus.register("a", one)
        thing.reset(token)
        agent.close()
        del value, token, agent
        gc.collect()
        assert alive() is None


async def test_an_agent_has_its_subscriptions_in_order_however_they_are_closed() -> None:
    async with stentor.open_bus() as bus:
        agent = bus.register("a", one)
        assert not agent.subscriptions
        subscriptions = [agent.subscribe(f"t{number}") for number in range(20)]
        for closed in (3, 0, 19, 10):
            subscriptions[closed].close()
        left = [each for each in subscriptions if not each.closed]
        assert list(agent.subscriptions) == left
        last = agent.subscribe("t")
        assert list(agent.subscriptions) == [*left, last]
        for each in agent.subscriptions:
            each.close()
        assert not agent.subscriptions
        assert agent.subscribe("u") in agent.subscriptions


async def test_the_lane_of_what_is_addressed_directly_is_the_first_whenever_it_is_made() -> None:
    async with stentor.open_bus() as bus:
        idle, direct, batched = (bus.register(name, one) for name in ("idle", "direct", "batched"))
        idle.subscribe("t", capacity=3)
        assert not idle._recipient.lanes
        assert (idle.statistics().peak_waiting, idle.subscriptions[0].waiting) == (0, 0)
        await bus.send("direct", "hello")
        direct.subscribe("u", mode="polling")
        batched.subscribe("u", mode="batch")
        batched.subscribe("u")
        for agent in (direct, batched):
            assert [lane.realtime for lane in agent._recipient.lanes] == [True, False]
        await bus.publish("t")
        assert [lane.realtime for lane in idle._recipient.lanes] == [True]
        assert idle.statistics().peak_waiting == 1


async def test_an_agent_that_has_left_before_its_first_message_is_called_when_it_is_back() -> None:
    called: list[object] = []

    async def note(message: stentor.Message) -> None:
        called.append(message.payload)

    async with stentor.open_bus() as bus:
        agent = bus.register("a", note)
        agent.subscribe("t")
        agent.leave()
        await bus.publish("t", 1)
        await bus.settled(timeout=1)
        assert called == []
        agent.rejoin()
        await bus.publish("t", 2)
        await bus.settled()
        assert called == [1, 2]
