"""Extensions: they take messages by recipients of their own, relay those of other buses, and have reserved topics."""

from __future__ import annotations

import re
from typing import Any

import pytest
import trio
import trio.testing

import stentor
from stentor import AddressingMode, AlreadyRegisteredError, Problem, Trouble
from tests.delivery.recording import Diary, Gate, counts


def foreign(topic: str, payload: object = None, **options: object) -> stentor.Message:
    """A message that another bus has stamped."""
    return stentor.Message(topic, payload, id="other-1", timestamp=trio.current_time(), cause="other-0", **options)  # type: ignore[arg-type]


async def test_a_relayed_message_keeps_its_stamp() -> None:
    async with stentor.open_bus() as bus:
        with bus.extend("x") as extension, bus.subscribe("**") as feed:
            await trio.sleep(5)
            message = foreign("a.b", 1, sender="them", ttl=10.0, headers={"k": "v"})
            receipt = await extension.relay(message)
            received = await feed.receive()
            assert receipt.accepted == 1
            assert received is message
            assert (received.id, received.cause, received.timestamp) == ("other-1", "other-0", 5.0)


async def test_what_is_relayed_does_not_come_back_to_who_relayed_it() -> None:
    diary = Diary()
    async with stentor.open_bus() as bus:
        with bus.extend("x") as extension, bus.extend("y") as other:
            extension.register(diary.handler("x")).subscribe("**")
            other.register(diary.handler("y")).subscribe("**")
            bus.register("a", diary.handler("a")).subscribe("t")
            extension.relay_nowait(foreign("t", "relayed"))
            await bus.publish("t", "published")
            await bus.settled()
            assert diary.calls == {"x": ["published"], "y": ["relayed", "published"], "a": ["relayed", "published"]}


async def test_an_extensions_recipient_is_no_agent() -> None:
    diary = Diary()
    async with stentor.open_bus() as bus:
        with bus.extend("x") as extension:
            own = extension.register(diary.handler("x"))
            bus.register("a", diary.handler("a"))
            await bus.broadcast("all")
            await bus.settled()
            assert diary.calls == {"a": ["all"]}
            assert bus.statistics().agents == 1
            assert extension.agents() == ["a"]
            assert own.name == "_stentor.x"


async def test_done_is_told_once_all_handlers_are() -> None:
    told: list[bool] = []
    gate = Gate()
    async with stentor.open_bus() as bus:
        with bus.extend("x") as extension:
            extension.relay_nowait(foreign("nobody"), done=told.append)
            assert told == [True]
            bus.register("a", Diary().handler("a")).subscribe("t")
            bus.register("b", Diary().handler("b", gate)).subscribe("t")
            bus.register("polls").subscribe("t", mode="polling")
            extension.relay_nowait(foreign("t"), done=told.append)
            await trio.testing.wait_all_tasks_blocked()
            assert told == [True]
            gate.open()
            await bus.settled()
            assert told == [True, True]


async def test_done_is_told_that_an_agent_was_closed_before() -> None:
    told: list[bool] = []
    async with stentor.open_bus() as bus:
        with bus.extend("x") as extension:
            agent = bus.register("a", Diary().handler("a", Gate()))
            agent.subscribe("t")
            await extension.relay(foreign("t"), done=told.append)
            await extension.relay(foreign("t"), done=told.append)
            await trio.testing.wait_all_tasks_blocked()
            agent.close()
            assert told == [False]
        bus._parts.nursery.cancel_scope.cancel()
    assert told == [False, False]


async def test_a_handler_is_told_that_a_message_may_have_been_handled_before() -> None:
    seen: list[bool] = []

    async def handler(_: stentor.Message, delivery: stentor.Delivery) -> None:
        seen.append(delivery.redelivered)

    async with stentor.open_bus() as bus:
        with bus.extend("x") as extension:
            bus.register("a", handler).subscribe("t")
            await extension.relay(foreign("t"), redelivered=True)
            await extension.relay(foreign("t"))
            await bus.settled()
    assert seen == [True, False]


async def test_replies_to_a_relayed_question_go_back() -> None:
    replies: list[object] = []

    async def answer(message: stentor.Message) -> str:
        return f"{message.payload}!"

    def take(message: stentor.Message) -> bool:
        replies.append((message.payload, message.in_reply_to, message.sender))
        return True

    async with stentor.open_bus() as bus:
        with bus.extend("x") as extension:
            bus.register("a", answer).subscribe("t")
            question = foreign("t", "why", deadline=trio.current_time() + 5)
            await extension.relay(question, answer=take)
            await bus.settled()
            assert replies == [("why!", "other-1", "a")]
            assert bus.reply(question, "and more")
            await trio.sleep(6)
            later = stentor.Message("t", "later", id="other-2", deadline=trio.current_time() + 1)
            await extension.relay(later, answer=take)
            assert not bus.reply(question, "too late")


async def test_a_reply_from_elsewhere_is_given_to_who_asked() -> None:
    async with stentor.open_bus() as bus:
        with bus.extend("x") as extension:

            async def carry(message: stentor.Message) -> None:
                assert extension.expects_reply(message)
                assert extension.reply(foreign("r", "because", in_reply_to=message.id, sender="far"))

            extension.register(carry).subscribe("t")
            reply = await bus.request("t", "why")
            assert (reply.payload, reply.sender) == ("because", "far")
            assert not extension.reply(foreign("r", in_reply_to="nobody"))


async def test_an_extension_stands_in_for_an_agent_elsewhere() -> None:
    diary = Diary()
    async with stentor.open_bus() as bus:
        with bus.extend("x") as extension:
            own = extension.register(diary.handler("x"))
            with pytest.raises(stentor.UnknownAgentError):
                await bus.send("far", 1)
            extension.stand_in("far", own)
            await bus.send("far", 2)
            await bus.settled()
            with pytest.raises(AlreadyRegisteredError):
                bus.register("far")
            bus.register("near")
            with pytest.raises(AlreadyRegisteredError):
                extension.stand_in("near", own)
            extension.stand_down("far", own)
            bus.register("far")
            extension.stand_in("gone", own)
        with pytest.raises(stentor.UnknownAgentError):
            await bus.send("gone", 3)
    assert diary.calls == {"x": [2]}


async def test_hooks_are_told_who_comes_and_goes() -> None:
    told: list[object] = []
    async with stentor.open_bus() as bus:
        extension = bus.extend(
            "x",
            on_subscription=lambda subscription, *, there: told.append((subscription.pattern, there)),
            on_agent=lambda name, *, there: told.append((name, there)),
        )
        agent = bus.register("a")
        subscription = agent.subscribe("t.*")
        feed = bus.subscribe("u")
        subscription.close()
        feed.close()
        agent.close()
        assert told == [("a", True), ("t.*", True), ("u", True), ("t.*", False), ("u", False), ("a", False)]
        extension.close()
        extension.close()
        bus.register("b").subscribe("v")
        assert len(told) == 6


async def test_health_tells_what_an_extension_finds() -> None:
    problem = Problem(agent="_stentor.x", trouble=Trouble.DEGRADED, detail="no server")
    async with stentor.open_bus() as bus:
        with bus.extend("x", health=lambda: [problem]):
            assert bus.health().problems == (problem,)
            assert str(bus.health()) == "_stentor.x is degraded: no server"
        assert bus.health().ok


@pytest.mark.parametrize(
    ("hooks", "text"),
    [
        ({"health": 3}, "health must be callable, not int"),
        ({"on_agent": "x"}, "on_agent must be callable, not str"),
        ({"health": list, "on_subscription": None}, "on_subscription must be callable, not NoneType"),
        ({"on_agents": 1}, "extend() got an unexpected keyword argument 'on_agents'; did you mean 'on_agent'?"),
        ({"bogus": 1}, "extend() got an unexpected keyword argument 'bogus'"),
    ],
)
async def test_a_wrong_hook_is_refused_and_nothing_is_extended(hooks: dict[str, Any], text: str) -> None:
    async with stentor.open_bus() as bus:
        with pytest.raises(TypeError) as caught:
            bus.extend("x", **hooks)
        assert str(caught.value) == text
        bus.register("a").subscribe("t")
        assert bus.health().ok
        bus.extend("x").close()


async def test_announcements_are_heard_by_who_spells_the_reserved_segment() -> None:
    async with stentor.open_bus() as bus:
        with bus.extend("x") as extension, bus.subscribe("**") as everything, bus.subscribe("_stentor.x.*") as feed:
            extension.announce("state", "fine", retain=True)
            message = await feed.receive()
            assert (message.topic, message.payload, message.sender) == ("_stentor.x.state", "fine", "_stentor.x")
            with pytest.raises(trio.WouldBlock):
                everything.receive_nowait()
            with bus.subscribe("_stentor.x.state", retained=True) as late:
                assert late.receive_nowait().payload == "fine"


async def test_a_full_mailbox_holds_a_relay_up_and_an_announcement_is_dropped_there() -> None:
    async with stentor.open_bus() as bus:
        with bus.extend("x") as extension, bus.subscribe("t", capacity=1) as feed:
            extension.relay_nowait(foreign("t", 1))
            with pytest.raises(trio.WouldBlock):
                extension.relay_nowait(foreign("t", 2))
            async with trio.open_nursery() as nursery:
                nursery.start_soon(extension.relay, foreign("t", 3))
                await trio.testing.wait_all_tasks_blocked()
                assert [feed.receive_nowait().payload, (await feed.receive()).payload] == [1, 3]
            with bus.subscribe("_stentor.x.*", capacity=1) as own:
                extension.announce("a")
                extension.announce("b")
                assert counts(own) == {"dropped": 1, "waiting": 1}


async def test_bad_input_is_refused() -> None:
    async with stentor.open_bus() as bus:
        extension = bus.extend("x")
        with pytest.raises(AlreadyRegisteredError):
            bus.extend("x")
        with pytest.raises(stentor.InvalidTopicError):
            bus.extend("x.*")
        with pytest.raises(ValueError, match=re.escape("message must be one that a bus has stamped, but has no id")):
            extension.relay_nowait(stentor.Message("t"))
        with pytest.raises(ValueError, match="topic must not begin with '_stentor'"):
            extension.relay_nowait(foreign("_stentor.x"))
        with pytest.raises(stentor.UnknownAgentError):
            extension.relay_nowait(foreign("nobody", addressing=AddressingMode.DIRECT))
        extension.close()
        with pytest.raises(trio.ClosedResourceError, match=re.escape("the extension '_stentor.x' is closed")):
            extension.relay_nowait(foreign("t"))
        assert repr(extension) == "<closed Extension '_stentor.x'>"
