"""Bad input: an error that names the argument and the rule, its whole text tested, and nothing has changed."""

from __future__ import annotations

# mypy: disable-error-code="misc, arg-type, list-item"
# pyright: reportArgumentType=false, reportUnknownArgumentType=false
# The tables hold lambdas with defaults, whose types no checker infers, and arguments that are wrong on purpose.
import functools
import inspect
from typing import TYPE_CHECKING, Any

import attrs
import pytest
import trio

import stentor

if TYPE_CHECKING:
    from collections.abc import Callable


async def handler(_: stentor.Message) -> None: ...


def plain(_: stentor.Message) -> None: ...


async def no_message() -> None: ...


async def three(_: stentor.Message, __: stentor.Delivery, ___: object) -> None: ...


async def keyword(_: stentor.Message, *, must: int) -> None: ...


async def generator(_: stentor.Message) -> Any:
    yield


class AsyncCallable:
    """Instances are handlers, the class is not."""

    async def __call__(self, _: stentor.Message) -> None:
        """Handle nothing."""


class Stage:
    """A bus with an agent that has a handler, one that has none, a feed, and some mail."""

    def __init__(self, bus: stentor.Bus) -> None:
        """Set it."""
        self.bus = bus
        self.agent = bus.register("gpt4", handler)
        self.agent.subscribe("ai.*", capacity=5)
        self.owner = bus.register("owner")
        self.owner.subscribe("ai.**")
        self.feed = bus.subscribe("ai.models")
        bus.publish_nowait("ai.models", "hello", sender="moderator")

    def state(self) -> tuple[object, ...]:
        """Everything that a user can see, but for how often routes were looked up."""
        members = (self.agent, self.owner, self.feed)
        total = attrs.asdict(self.bus.statistics(), recurse=False)
        del total["routes"]
        return (
            total,
            [member.statistics() for member in members],
            [[repr(subscription) for subscription in member.subscriptions] for member in members],
            self.bus.left,
        )


PRIORITIES = "Priority.LOW, Priority.NORMAL, Priority.HIGH, Priority.URGENT"
TAKES = "handler must take (message) or (message, delivery), not "
ASYNC = "handler must be an async function"

TOPICS: list[tuple[Any, type[Exception], str]] = [
    ("", stentor.InvalidTopicError, "invalid topic '' at offset 0: empty segment"),
    ("ai..x", stentor.InvalidTopicError, "invalid topic 'ai..x' at offset 3: empty segment"),
    (".ai", stentor.InvalidTopicError, "invalid topic '.ai' at offset 0: empty segment"),
    ("ai.", stentor.InvalidTopicError, "invalid topic 'ai.' at offset 3: empty segment"),
    ("ai.*", stentor.InvalidTopicError, "invalid topic 'ai.*' at offset 3: a topic cannot hold '*'"),
    ("a?", stentor.InvalidTopicError, "invalid topic 'a?' at offset 1: a topic cannot hold '?'"),
    ("a[b", stentor.InvalidTopicError, "invalid topic 'a[b' at offset 1: a topic cannot hold '['"),
    ("a]b", stentor.InvalidTopicError, "invalid topic 'a]b' at offset 1: a topic cannot hold ']'"),
    ("a\ud800", stentor.InvalidTopicError, r"invalid topic 'a\ud800' at offset 1: lone surrogate U+D800"),
]

NOT_TEXT: list[tuple[Any, str]] = [
    (None, "NoneType"),
    (5, "int"),
    (b"ai.x", "bytes"),
    (["ai.x"], "list"),
    ({}, "dict"),
    (handler, "function"),
]

LONG = "a" * 5000
MANY = ".".join("a" * 300)

PATTERNS = [
    ("", "'' at offset 0: empty segment"),
    ("a..b", "'a..b' at offset 2: empty segment"),
    ("a.x**", "'a.x**' at offset 3: '**' must be a whole segment"),
    ("a[", "'a[' at offset 1: unclosed '['"),
    ("a]", "'a]' at offset 1: stray ']'"),
    ("[]", "'[]' at offset 0: empty brackets"),
    ("[b-a]", "'[b-a]' at offset 1: reversed range 'b-a'"),
    ("[^a]", "'[^a]' at offset 1: '[^' does not negate, '[!' does"),
    ("a\udfff", r"'a\udfff' at offset 1: lone surrogate U+DFFF"),
    (".".join(["**"] * 9), "'**.**.**.**.**.**.**.**.**' at offset 24: more than 8 multi wildcards (max_multi)"),
    (MANY, f"{MANY[:200]!r}... at offset 512: more than 256 segments (max_segments)"),
    (LONG, f"{LONG[:200]!r}... at offset 4096: more than 4096 bytes (max_bytes)"),
]


def members(kind: Any) -> str:
    return ", ".join(f"{kind.__name__}.{member.name}" for member in kind)


UNKNOWN = "subscribe() or register() got an unexpected keyword argument"
OPTIONS: list[tuple[dict[str, Any], type[Exception], str]] = [
    ({"capacity": 0}, ValueError, "capacity must be >= 1, not 0"),
    ({"capacity": -3}, ValueError, "capacity must be >= 1, not -3"),
    ({"capacity": 2.0}, TypeError, "capacity must be an int, not float"),
    ({"capacity": float("inf")}, TypeError, "capacity must be an int, not float"),
    ({"capacity": True}, TypeError, "capacity must be an int, not bool"),
    ({"capacity": None}, TypeError, "capacity must be an int, not NoneType"),
    ({"overflow": "explode"}, ValueError, f"overflow must be one of {members(stentor.Overflow)}, not 'explode'"),
    ({"overflow": []}, ValueError, f"overflow must be one of {members(stentor.Overflow)}, not []"),
    ({"mode": None}, ValueError, f"mode must be one of {members(stentor.DeliveryMode)}, not None"),
    ({"quota": 3}, TypeError, f"{UNKNOWN} 'quota'"),
    ({"capcity": 3}, TypeError, f"{UNKNOWN} 'capcity'; did you mean 'capacity'?"),
    ({"timeout": 3}, TypeError, f"{UNKNOWN} 'timeout'; did you mean 'timeout' of register()?"),
]

MESSAGES: list[tuple[dict[str, Any], type[Exception], str]] = [
    ({"sender": 5}, TypeError, "sender must be of type str, not int"),
    ({"content_type": b"x"}, TypeError, "content_type must be of type str, not bytes"),
    ({"in_reply_to": 7}, TypeError, "in_reply_to must be of type str, not int"),
    ({"priority": 9}, ValueError, f"priority must be one of {PRIORITIES}, not 9"),
    ({"priority": "high"}, ValueError, f"priority must be one of {PRIORITIES}, not 'high'"),
    ({"priority": []}, ValueError, f"priority must be one of {PRIORITIES}, not []"),
    ({"ttl": 0}, ValueError, "ttl must be > 0 seconds, not 0"),
    ({"ttl": -1.5}, ValueError, "ttl must be > 0 seconds, not -1.5"),
    ({"ttl": float("nan")}, ValueError, "ttl must be > 0 seconds, not nan"),
    ({"ttl": float("inf")}, ValueError, "ttl must be a finite number of seconds, not inf"),
    ({"ttl": "5"}, TypeError, "ttl must be a number of seconds, not str"),
    ({"ttl": True}, TypeError, "ttl must be a number of seconds, not bool"),
    ({"ttl": 10**400}, ValueError, f"ttl must be a finite number of seconds, not {10**400}"),
    ({"deadline": -1}, ValueError, "deadline must be >= 0 seconds, not -1"),
    ({"deadline": float("inf")}, ValueError, "deadline must be a finite number of seconds, not inf"),
    ({"headers": 5}, TypeError, "headers must be of type Mapping, not int"),
    ({"headers": [("a", "b")]}, TypeError, "headers must be of type Mapping, not list"),
    ({"headers": {"a": 1}}, TypeError, "headers must map str to str, not 'a' to 1"),
    ({"headers": {1: "a"}}, TypeError, "headers must map str to str, not 1 to 'a'"),
]

HANDLERS: list[tuple[Any, str]] = [
    (5, f"{ASYNC}, not int"),
    ("handler", f"{ASYNC}, not str"),
    (plain, f"{ASYNC} (`async def`), not the plain callable plain"),
    (print, f"{ASYNC} (`async def`), not the plain callable print"),
    (functools.partial(plain), f"{ASYNC} (`async def`), not the plain callable partial"),
    (generator, f"{ASYNC} (`async def`), not the plain callable generator"),
    (AsyncCallable, f"{ASYNC} (`async def`), not the plain callable AsyncCallable"),
    (object(), f"{ASYNC}, not object"),
    (no_message, f"{TAKES}no_message() -> 'None'"),
    (three, f"{TAKES}three(_: 'stentor.Message', __: 'stentor.Delivery', ___: 'object') -> 'None'"),
    (keyword, f"{TAKES}keyword(_: 'stentor.Message', *, must: 'int') -> 'None'"),
]

Cases = list[tuple[str, "Callable[[Stage], Any]", type[Exception], str]]


def cases() -> Cases:
    found: Cases = []
    publishing: dict[str, Callable[[Stage], Callable[..., Any]]] = {
        "publish": lambda stage: stage.bus.publish,
        "publish_nowait": lambda stage: stage.bus.publish_nowait,
        "publish_and_wait": lambda stage: stage.bus.publish_and_wait,
    }
    subscribing: dict[str, Callable[[Stage], Callable[..., Any]]] = {
        "bus.subscribe": lambda stage: stage.bus.subscribe,
        "agent.subscribe": lambda stage: stage.agent.subscribe,
        "feed.subscribe": lambda stage: stage.feed.subscribe,
    }
    for name, method in publishing.items():
        found += [(name, lambda s, m=method, t=t: m(s)(t), e, text) for t, e, text in TOPICS]
        found += [(name, lambda s, m=method, t=t: m(s)(t), TypeError, _type("topic", k)) for t, k in NOT_TEXT]
        found += [(name, lambda s, m=method, o=o: m(s)("ai.models", **o), e, text) for o, e, text in MESSAGES]
    for name, method in subscribing.items():
        for pattern, text in PATTERNS:
            text = f"invalid pattern {text}"  # noqa: PLW2901 - the common beginning
            found.append((name, lambda s, m=method, p=pattern: m(s)(p), stentor.InvalidPatternError, text))
        for pattern, kind in NOT_TEXT:
            text = f"pattern must be str, not {kind}"
            found.append((name, lambda s, m=method, p=pattern: m(s)(p), TypeError, text))
        found += [(name, lambda s, m=method, o=o: m(s)("ai.*", **o), e, text) for o, e, text in OPTIONS]
    return found + registering() + waiting() + others()


def _type(argument: str, kind: str) -> str:
    return f"{argument} must be of type str, not {kind}"


def registering() -> Cases:
    found: Cases = [("register", lambda s, n=n: s.bus.register(n), error, text) for n, error, text in TOPICS]
    found += [("register", lambda s, n=n: s.bus.register(n), TypeError, _type("name", kind)) for n, kind in NOT_TEXT]
    found += [("register", lambda s, h=h: s.bus.register("x", h), TypeError, text) for h, text in HANDLERS]
    found += [
        ("register", lambda s, n=n, h=h: s.bus.register("x", h, concurrency=n), error, text)
        for h in (handler, None)
        for n, error, text in (
            (0, ValueError, "concurrency must be >= 1, not 0"),
            (1.0, TypeError, "concurrency must be an int, not float"),
            (True, TypeError, "concurrency must be an int, not bool"),
        )
    ]
    for name in ("gpt4", "owner"):
        text = f"name must be unused, but {name!r} is registered already"
        found.append(("register", lambda s, n=name: s.bus.register(n), stentor.AlreadyRegisteredError, text))
    for name, near in (("timout", "timeout"), ("concurency", "concurrency")):
        text = f"{UNKNOWN} {name!r}; did you mean {near!r} of register()?"
        found.append(("register", lambda s, n=name: s.bus.register("x", handler, **{n: 1}), TypeError, text))
    for name in ("_stentor", "_stentor.feed.1"):
        text = f"name must not begin with '_stentor', which is reserved, but is {name!r}"
        found.append(("register", lambda s, n=name: s.bus.register(n), ValueError, text))
    return found


def waiting() -> Cases:
    found: Cases = []
    for value, error, rule in (
        (-1, ValueError, "{} seconds, not -1"),
        (float("nan"), ValueError, "{} seconds, not nan"),
        ("5", TypeError, "a number of seconds, not str"),
        (False, TypeError, "a number of seconds, not bool"),
    ):
        wait = f"timeout must be {rule.format('> 0')}"
        found.append(("publish_and_wait", lambda s, v=value: s.bus.publish_and_wait("ai.x", timeout=v), error, wait))
        settle = f"timeout must be {rule.format('>= 0')}"
        found.append(("settled", lambda s, v=value: s.bus.settled(timeout=v), error, settle))
    refused = "agent 'gpt4' has a handler, which gets the messages"
    calls: tuple[Callable[[Stage], Any], ...] = (
        lambda s: s.agent.receive(),
        lambda s: s.agent.receive_nowait(),
        lambda s: aiter(s.agent),
    )
    found += [("receiving", call, RuntimeError, refused) for call in calls]
    zero = "timeout must be > 0 seconds, not 0"
    found.append(("publish_and_wait", lambda s: s.bus.publish_and_wait("ai.x", timeout=0), ValueError, zero))
    return found


def others() -> Cases:
    """What the tables above leave out: sending by name, asking, polling, and looking at the bus."""
    found: Cases = [("send", lambda s, t=t: s.bus.send(t), error, text) for t, error, text in TOPICS]
    found += [("send", lambda s, t=t: s.bus.send(t), TypeError, _type("topic", kind)) for t, kind in NOT_TEXT]
    for options, error, text in MESSAGES:
        found.append(("send", lambda s, o=options: s.bus.send("gpt4", **o), error, text))
        found.append(("broadcast", lambda s, o=options: s.bus.broadcast(**o), error, text))
        if options.keys() != {"deadline"}:
            found.append(("request", lambda s, o=options: s.bus.request("ai.models", **o), error, text))
            found.append(("gather", lambda s, o=options: s.bus.gather("ai.models", **o), error, text))
    modes = members(stentor.AddressingMode)
    late = 10**400
    calls: tuple[tuple[Callable[[Stage], Any], type[Exception], str], ...] = (
        (lambda s: s.bus.send("nobody"), stentor.UnknownAgentError, "there is no agent 'nobody'"),
        (lambda s: s.bus.request("t", timeout=0), ValueError, "timeout must be > 0 seconds, not 0"),
        (lambda s: s.bus.gather("t", timeout=None), TypeError, "timeout must be a number of seconds, not NoneType"),
        (lambda s: s.bus.request("t", addressing="x"), ValueError, f"addressing must be one of {modes}, not 'x'"),
        (lambda s: s.bus.route("t"), TypeError, "message must be of type Message, not str"),
        (
            lambda s: s.bus.route(stentor.Message("t"), timeout=-late),
            ValueError,
            f"timeout must be > 0 seconds, not {-late}",
        ),
        (lambda s: s.bus.reply("t"), TypeError, "message must be of type Message, not str"),
        (
            lambda s: s.bus.reply(stentor.Message("t")),
            ValueError,
            "message must be one that a bus has stamped, but has no id",
        ),
        (lambda s: s.bus.resubmit(None), LookupError, "letter must be one that is in dead_letters"),
        (lambda s: s.owner.poll(0), ValueError, "max_messages must be >= 1, not 0"),
        (lambda s: s.owner.poll("1"), TypeError, "max_messages must be an int, not str"),
        (lambda s: s.owner.acknowledge("m"), TypeError, "messages must be of type Message, not str"),
        (lambda s: s.owner.acknowledge(["m"]), TypeError, "messages must be of type Message, not str"),
        (lambda s: s.owner.acknowledge(None), TypeError, "messages must be of type Message, not NoneType"),
        (lambda s: s.agent.leave(interrupt="no"), TypeError, "interrupt must be of type bool, not str"),
        (lambda s: s.bus.health(slow=0), ValueError, "slow must be > 0 seconds, not 0"),
        (lambda s: s.bus.health(slow="x"), TypeError, "slow must be a number of seconds, not str"),
    )
    return found + [("other", call, error, text) for call, error, text in calls]


CASES = cases()


@pytest.mark.parametrize("number", range(len(CASES)), ids=lambda number: f"{CASES[number][0]}-{number}")
async def test_promise_12_bad_input_is_told_and_changes_nothing(number: int) -> None:
    name, call, error, text = CASES[number]
    async with stentor.open_bus() as bus:
        stage = Stage(bus)
        await bus.settled()
        before = stage.state()
        with pytest.raises(error) as caught:
            done = call(stage)
            if inspect.isawaitable(done):
                await done
        assert type(caught.value) is error, name
        assert str(caught.value) == text
        await bus.settled()
        assert stage.state() == before
        assert (await bus.publish("ai.models")).recipients == ("gpt4", "owner", stage.feed.name)


async def test_promise_12_bad_mail_among_good_acknowledges_nothing() -> None:
    async with stentor.open_bus() as bus:
        agent = bus.register("a")
        agent.subscribe("t", mode="polling", auto_ack=False)
        await bus.publish("t")
        (polled,) = await agent.poll()
        with pytest.raises(TypeError, match=r"^messages must be of type Message, not int$"):
            agent.acknowledge([polled, 5])
        assert agent.statistics().unacknowledged == 1
        assert agent.acknowledge(message for message in [polled]) == 1


async def test_promise_12_a_timeout_too_large_for_a_float_is_for_ever() -> None:
    async with stentor.open_bus() as bus:
        bus.register("a", handler).subscribe("t")
        assert (await bus.publish_and_wait("t", timeout=10**400)).subscribers_reached == 1
        assert (await bus.route(stentor.Message("t"), timeout=10**400)).outcomes == {"a": stentor.Routed.DELIVERED}


async def test_promise_12_an_unknown_option_is_named() -> None:
    async with stentor.open_bus() as bus:
        publishers: list[Any] = [bus.publish, bus.publish_nowait, bus.publish_and_wait]
        for publish in publishers:
            with pytest.raises(TypeError, match=r"got an unexpected keyword argument 'urgency'$"):
                await publish("t", urgency=1)
        asking: list[Any] = [bus.publish_and_wait, bus.send, bus.request, bus.gather]
        for ask in asking:
            with pytest.raises(TypeError, match=r"keyword argument 'header'; did you mean 'headers'\?$"):
                await ask("t", header={})
        with pytest.raises(TypeError, match=r"^a publish got an unexpected keyword argument 'addressing'$"):
            await asking[0]("t", addressing="direct")
        assert bus.statistics().messages == 0


async def test_promise_12_messages_receipts_and_results_cannot_be_changed() -> None:
    async with stentor.open_bus() as bus:
        bus.register("a", handler).subscribe("t")
        headers = {"a": "b"}
        receipt = await bus.publish("t", headers=headers)
        result = await bus.publish_and_wait("t")
        headers["a"] = "changed"
        assert receipt.message.headers == {"a": "b"}
        for value, name in ((receipt, "recipients"), (result, "target"), (receipt.message, "topic")):
            with pytest.raises(AttributeError):  # of which the error of a frozen record is one
                setattr(value, name, "changed")
        with pytest.raises(TypeError):
            receipt.message.headers["a"] = "changed"  # type: ignore[index]


async def test_promise_12_a_name_is_free_again_when_its_agent_is_closed() -> None:
    async with stentor.open_bus() as bus:
        first = bus.register("a")
        with pytest.raises(stentor.AlreadyRegisteredError) as caught:
            bus.register("a", handler)
        assert caught.value.name == "a"
        first.close()
        second = bus.register("a")
        first.close()
        assert not second.closed
        with pytest.raises(trio.ClosedResourceError, match=r"^'a' is closed$"):
            first.subscribe("t")
        with pytest.raises(trio.ClosedResourceError, match=r"^'a' is closed$"):
            await first.receive()


@pytest.mark.parametrize(
    "kind", [stentor.Bus, stentor.Agent, stentor.Feed, stentor.Subscription], ids=lambda kind: kind.__name__
)
def test_promise_12_handles_are_made_by_the_bus_alone(kind: type) -> None:
    with pytest.raises(TypeError):
        kind()
