"""Permissions on the bus: asked at every door, changed at run time, refusals counted and without effect."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

import stentor
from tests.delivery.recording import Diary, counts, payloads

if TYPE_CHECKING:
    from collections.abc import Callable


async def test_without_a_policy_everything_is_allowed_and_with_one_only_what_it_says() -> None:
    async with stentor.open_bus() as bus:
        agent = bus.register("a", Diary().handler("a"))
        agent.subscribe("**")
        await bus.publish("t", sender="b")
        bus.permissions.allow("b", publish=["t"])
        await bus.publish("t", sender="b")
        with pytest.raises(stentor.PermissionDeniedError) as caught:
            await bus.publish("u", sender="b")
        assert (caught.value.agent, caught.value.action, caught.value.text) == ("b", "publish", "u")
        assert str(caught.value).startswith("agent 'b' may not publish to 'u': ")
        with pytest.raises(stentor.PermissionDeniedError, match=r"^someone without a name may not publish to 't': "):
            await bus.publish("t")
        with pytest.raises(stentor.PermissionDeniedError, match=r"^agent 'a' may not subscribe to 'x.\*': "):
            agent.subscribe("x.*")
        assert bus.permissions.denied == {"b": 1, None: 1, "a": 1}
        await bus.settled()
        assert counts(agent) == {"handled": 2}


@pytest.mark.parametrize(
    "call",
    [
        lambda bus: bus.publish("t", sender="b"),
        lambda bus: bus.publish_and_wait("t", sender="b"),
        lambda bus: bus.request("t", sender="b"),
        lambda bus: bus.gather("t", sender="b"),
        lambda bus: bus.send("a", sender="b"),
        lambda bus: bus.broadcast(sender="b"),
        lambda bus: bus.route(stentor.Message("t", sender="b")),
    ],
)
async def test_every_way_to_publish_is_asked(call: Callable[[stentor.Bus], Any]) -> None:
    async with stentor.open_bus() as bus:
        agent = bus.register("a", Diary().handler("a"))
        agent.subscribe("t")
        bus.permissions.enforce()
        with pytest.raises(stentor.PermissionDeniedError):
            await call(bus)
        with pytest.raises(stentor.PermissionDeniedError):
            bus.publish_nowait("t", sender="b")
        assert counts(agent) == {}
        assert bus.statistics().messages == 0


async def test_a_right_that_is_revoked_ends_the_subscription_and_what_was_accepted_stays() -> None:
    async with stentor.open_bus() as bus:
        bus.permissions.allow(None, publish=["**"])
        bus.permissions.allow("a", subscribe=["t.*", "u"])
        agent = bus.register("a")
        first, second = agent.subscribe("t.x"), agent.subscribe("u")
        await bus.publish("t.x", 1)
        bus.permissions.revoke("a", subscribe=["t.*"])
        assert (first.closed, second.closed) == (True, False)
        assert (await bus.publish("t.x", 2)).recipients == ()
        assert payloads([agent.receive_nowait()]) == [1]
        bus.permissions.lift()
        agent.subscribe("t.x")
        assert (await bus.publish("t.x", 3)).recipients == ("a",)


async def test_answers_need_no_permission() -> None:
    async with stentor.open_bus() as bus:

        async def answer(_: object) -> str:
            return "yes"

        agent = bus.register("a", answer)
        bus.permissions.allow("a", subscribe=["ask"])
        bus.permissions.allow("b", publish=["ask"])
        agent.subscribe("ask")
        assert (await bus.request("ask", sender="b")).payload == "yes"
