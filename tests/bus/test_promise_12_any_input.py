"""Bad input of any kind, at random: the errors are those documented, and a refused call has changed nothing."""

from __future__ import annotations

# pyright: reportArgumentType=false, reportUnknownArgumentType=false
# Arguments are wrong on purpose.
import os
import random
from typing import TYPE_CHECKING, Any

import attrs
import pytest
import trio
from trio.testing import MockClock

import stentor
from stentor import AddressingMode, Message

if TYPE_CHECKING:
    from collections.abc import Callable

LONG = int(os.environ.get("STENTOR_ARGUMENTS", "1000000"))
"""How many calls the long search makes."""
REFUSALS = (
    TypeError,
    ValueError,  # with InvalidTopicError, InvalidPatternError and AlreadyRegisteredError
    LookupError,
    stentor.UnknownAgentError,
    stentor.MailboxFullError,
    stentor.NoResponderError,
    trio.WouldBlock,
    trio.TooSlowError,
)
"""The only exceptions that these calls may raise."""


async def handler(_: object) -> None: ...


def plain(_: object) -> bool:
    return True


WRONG: tuple[Any, ...] = (
    None,
    True,
    0,
    -1,
    3,
    2**70,
    10**400,
    0.0,
    -0.5,
    1.5,
    float("nan"),
    float("inf"),
    -float("inf"),
    1j,
    "",
    "a",
    "a.b",
    "a..b",
    "*",
    "**",
    "a.**.b",
    "[b-a]",
    "[",
    "a\x00b",
    "\ud800",
    "ü.ß",
    "_stentor.x",
    "a" * 5000,
    ".".join("a" * 300),
    b"a",
    b"\xff",
    [],
    ["a"],
    ("a", "b"),
    {},
    {"a": 1},
    {"a": "b"},
    {1: 2},
    {"a"},
    object(),
    object,
    int,
    handler,
    plain,
    print,
    ValueError("v"),
    AddressingMode.DIRECT,
    stentor.Priority.HIGH,
    stentor.Overflow.FAIL,
    stentor.DeliveryMode.BATCH,
    stentor.OnError.RAISE,
    stentor.RetryPolicy(),
    stentor.MessageFilter(senders={"x"}),
    Message("a"),
    Message("a..b"),
    Message("a", addressing=AddressingMode.DIRECT),
    Message("nobody", addressing=AddressingMode.DIRECT),
)
OPTIONS = {
    "message": "sender priority ttl deadline content_type headers in_reply_to retain confirm nonsense",
    "subscription": "mode capacity overflow filter batch_size batch_timeout auto_ack group retained nonsense",
    "registration": "concurrency durable timeout retry on_error quarantine_after capacity overflow filter mode",
    "request": "timeout addressing sender priority ttl content_type headers",
    "timeout": "timeout",
    "": "",
}


class Stage:
    """A bus with some members, and the dice."""

    def __init__(self, bus: stentor.Bus, dice: random.Random) -> None:
        """Set it."""
        self.bus = bus
        self.dice = dice
        self.agent = bus.register("gpt4", handler)
        self.agent.subscribe("ai.*", capacity=5)
        self.owner = bus.register("owner", auto_ack=False)
        self.owner.subscribe("ai.**", capacity=3, overflow="fail", mode="polling", auto_ack=False)
        self.feed = bus.subscribe("ai.models", capacity=4)
        self.calls: tuple[tuple[Callable[..., Any], int, str], ...] = (
            (bus.publish, 2, "message"),
            (bus.publish_nowait, 2, "message"),
            (bus.publish_and_wait, 2, "message"),
            (bus.send, 2, "message"),
            (bus.broadcast, 1, "message"),
            (bus.route, 1, "timeout"),
            (bus.request, 2, "request"),
            (bus.gather, 2, "request"),
            (bus.reply, 2, "message"),
            (bus.resubmit, 1, ""),
            (bus.settled, 0, "timeout"),
            (bus.subscribe, 1, "subscription"),
            (bus.register, 2, "registration"),
            (self.agent.subscribe, 1, "subscription"),
            (self.owner.subscribe, 1, "subscription"),
            (self.owner.poll, 1, ""),
            (self.owner.acknowledge, 1, ""),
            (bus.permissions.may_publish, 2, ""),
            (bus.dead_letters.select, 0, ""),
        )

    def state(self) -> tuple[object, ...]:
        """Everything that a user can see, but for the time and how often routes were looked up."""
        total = attrs.asdict(self.bus.statistics(), recurse=False)
        del total["routes"], total["uptime"]
        members = (self.agent, self.owner, self.feed)
        return (
            total,
            [member.statistics() for member in members],
            [[repr(subscription) for subscription in member.subscriptions] for member in members],
            len(self.bus.dead_letters),
            len(self.bus.retained),
            self.bus.left,
        )

    def arguments(self, positional: int, options: str) -> tuple[list[Any], dict[str, Any]]:
        """Some that are wrong, some that are missing, and some that are right by chance."""
        dice = self.dice
        places = max(0, positional - (dice.random() < 0.1))
        given = [dice.choice(("ai.models", "gpt4", *WRONG)) for _ in range(places)]
        names = OPTIONS[options].split()
        chosen = dice.sample(names, min(len(names), dice.choice((0, 1, 1, 2))))
        return given, {name: dice.choice(WRONG) for name in chosen}

    async def try_one(self) -> bool:
        """Make one call; return whether it was refused."""
        method, positional, options = self.dice.choice(self.calls)
        args, kwargs = self.arguments(positional, options)
        before = self.state()
        refusal: Exception | None = None
        try:
            with trio.move_on_after(1):
                done = method(*args, **kwargs)
                if hasattr(done, "__await__"):
                    await done
        except REFUSALS as error:
            refusal = error
        except BaseException as error:
            error.add_note(f"{method.__qualname__}(*{args!r}, **{kwargs!r})")
            raise
        refused = refusal is not None and not isinstance(refusal, (stentor.NoResponderError, trio.TooSlowError))
        if refused:
            assert str(refusal) or isinstance(refusal, trio.WouldBlock)
            assert self.state() == before, f"{method.__qualname__}(*{args!r}, **{kwargs!r}) changed something"
        return refused


async def fuzz(seed: int, calls: int) -> int:
    """Make so many calls on one bus; return how many were refused."""
    refused = 0
    async with stentor.open_bus(drain_timeout=1.0) as bus:
        stage = Stage(bus, random.Random(seed))
        for _ in range(calls):
            refused += await stage.try_one()
        assert (await bus.publish("other.topic")).message.topic == "other.topic"
    return refused


def run(seed: int, calls: int) -> int:
    try:
        return trio.run(fuzz, seed, calls, clock=MockClock(autojump_threshold=0))
    except BaseException as error:
        error.add_note(f"seed {seed}, {calls} calls")
        raise


@pytest.mark.parametrize("seed", range(5))
def test_promise_12_any_input_is_accepted_or_refused_whole(seed: int) -> None:
    assert run(seed, 400) > 150


@pytest.mark.long
def test_promise_12_any_input_is_accepted_or_refused_whole_long() -> None:
    for seed in range(1000, 1000 + LONG // 500):
        run(seed, 500)
