"""Every public name as a user writes it, with the type that a checker must see."""

from __future__ import annotations

import functools
from concurrent.futures import Future
from typing import TYPE_CHECKING, assert_type

import stentor

if TYPE_CHECKING:
    from collections.abc import Sequence


def patterns() -> None:
    pattern = stentor.Pattern("ai.**", stentor.Dialect.MAILBOX)
    assert_type(pattern.text, str)
    assert_type(pattern.canonical, str)
    assert_type(pattern.is_exact, bool)
    assert_type(pattern.matches("ai"), bool)
    assert_type(pattern == stentor.Pattern("ai.**", "mailbox"), bool)
    assert_type(stentor.validate_topic("ai.models"), str)
    assert_type({pattern: 1}, dict[stentor.Pattern, int])


def errors() -> None:
    try:
        stentor.validate_topic("ai..models", dialect="mailbox")
    except (stentor.InvalidTopicError, stentor.InvalidPatternError) as error:
        assert_type(error.text, str)
        assert_type(error.offset, int)
        assert_type(error.reason, str)
    except stentor.LimitError as error:
        assert_type(str(error), str)


def matcher() -> None:
    index: stentor.Matcher[int] = stentor.Matcher("mailbox", cache_capacity=100)
    handle = index.add("ai.*", 1)
    assert_type(handle, int)
    assert_type(index.match("ai.models"), tuple[int, ...])
    assert_type(index.match_many(["ai.models", "ai"]), list[tuple[int, ...]])
    assert_type(len(index), int)
    assert_type(index.statistics(), stentor.MatchStatistics)
    assert_type(index.statistics().subscriptions, int)
    index.remove(handle)


async def listen(message: stentor.Message) -> None:
    assert_type(message.topic, str)
    assert_type(message.payload, object)
    assert_type(message.sender, str | None)
    assert_type(message.priority, stentor.Priority)
    assert_type(message.addressing, stentor.AddressingMode)


async def answer(message: stentor.Message, delivery: stentor.Delivery) -> int:
    assert_type(delivery.message, stentor.Message)
    assert_type(delivery.agent, str)
    assert_type(delivery.attempt, int)
    assert_type(delivery.subscriptions, tuple[stentor.Subscription, ...])
    return len(message.topic)


class Listener:
    """A handler may be an object, or one of its methods."""

    async def __call__(self, message: stentor.Message) -> None:
        """A handler of the message alone."""

    async def hear(self, message: stentor.Message, delivery: stentor.Delivery) -> None:
        """A handler that also wants to know how the message came."""


async def listen_twice(times: int, message: stentor.Message) -> None: ...


def handlers(bus: stentor.Bus) -> None:
    bus.register("a", listen)
    bus.register("b", answer, concurrency=2)
    bus.register("c", Listener())
    bus.register("d", Listener().hear)
    bus.register("e", functools.partial(listen_twice, 2))
    bus.register("f")
    bus.register("g", print)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


def subscriptions(agent: stentor.Agent) -> None:
    subscription = agent.subscribe("ai.*", mode=stentor.DeliveryMode.REALTIME, capacity=10, overflow="fail")
    assert_type(subscription, stentor.Subscription)
    assert_type(subscription.pattern, str)
    assert_type(subscription.options, stentor.SubscriptionOptions)
    assert_type(agent.subscriptions, tuple[stentor.Subscription, ...])
    assert_type(agent.statistics(), stentor.AgentStatistics)
    agent.subscribe("ai.*", capacity="ten")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    agent.subscribe("ai.*", depth=10)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    subscription.close()
    agent.close()


async def bus() -> None:
    async with stentor.open_bus(dialect="mailbox", drain_timeout=1.0) as opened:
        assert_type(opened, stentor.Bus)
        receipt = await opened.publish("ai.models", {"query": 1}, sender="moderator", headers={"a": "b"})
        assert_type(receipt, stentor.Receipt)
        assert_type(receipt.recipients, tuple[str, ...])
        assert_type(opened.publish_nowait("ai.models", priority=stentor.Priority.HIGH, ttl=1.0), stentor.Receipt)
        result = await opened.publish_and_wait("ai.models", timeout=5.0)
        assert_type(result, stentor.BroadcastResult)
        assert_type(result.errors, tuple[tuple[str, Exception], ...])
        await opened.settled(timeout=1.0)
        assert_type(opened.statistics(), stentor.BusStatistics)
    assert_type(opened.left, tuple[stentor.LeftDelivery, ...])


def threads(portal: stentor.Portal) -> None:
    with portal as same:
        assert_type(same, stentor.Portal)
        assert_type(portal.publish("ai.models", {"a": 1}, sender="me", retain=True, timeout=1.0), stentor.Receipt)
        assert_type(portal.publish_soon("ai.models", priority=2), Future[stentor.Receipt])
        assert_type(portal.send("gpt4", ttl=1.0), stentor.Receipt)
        assert_type(portal.request("ai.models", timeout=1.0), stentor.Message)
        assert_type(portal.publish_and_wait("ai.models"), stentor.BroadcastResult)
        assert_type(portal.route(stentor.Message("ai.models")), stentor.RouteResult)
    assert_type(portal.closed, bool)


async def under_asyncio(portal: stentor.Portal) -> None:
    assert_type(await portal.publish_async("ai.models", sender="me"), stentor.Receipt)
    assert_type(await portal.send_async("gpt4"), stentor.Receipt)
    assert_type(await portal.request_async("ai.models", timeout=1.0), stentor.Message)
    assert_type(await portal.publish_and_wait_async("ai.models", timeout=1.0), stentor.BroadcastResult)
    assert_type(await portal.route_async(stentor.Message("ai.models")), stentor.RouteResult)


async def feeds(opened: stentor.Bus) -> Sequence[stentor.Message]:
    with opened.subscribe("ai.**", capacity=10, overflow=stentor.Overflow.BLOCK) as feed:
        assert_type(feed, stentor.Feed[stentor.Message])
        assert_type(feed.receive_nowait(), stentor.Message)
        first = await feed.receive()
        return [first, *[message async for message in feed]]


class Watching(stentor.Observer):
    """An observer that tells all it is told."""

    def accepted(self, message: stentor.Message, recipients: tuple[str, ...], inside: stentor.Delivery | None) -> None:
        """Tell it."""
        assert all(name != sender for name in recipients for sender in [message.sender, inside and inside.agent])

    def retrying(self, delivery: stentor.Delivery, error: Exception) -> None:
        """Tell it."""
        assert delivery.attempt, error


def observers() -> None:
    observer: stentor.Observer = Watching()
    stentor.open_bus(observers=[observer])
