"""Who may publish and subscribe to what: deny by default, changed at run time, refused attempts counted and logged."""

from __future__ import annotations

import logging
import pickle
from typing import Any

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

import stentor
from stentor._mechanisms import permissions as module
from stentor._mechanisms.permissions import Permissions


def policy(dialect: str = "mailbox") -> Permissions:
    return Permissions(dialect, reserved="_stentor")


def refusal(permissions: Permissions, action: str, agent: str | None, text: str) -> str:
    with pytest.raises(stentor.PermissionDeniedError) as caught:
        getattr(permissions, f"check_{action}")(agent, text)
    assert (caught.value.agent, caught.value.action, caught.value.text) == (agent, action, text)
    return str(caught.value)


def test_without_a_policy_everybody_may_do_everything() -> None:
    permissions = policy()
    assert not permissions.active
    permissions.check_publish("a", "x")
    permissions.check_publish(None, "x")
    permissions.check_subscribe("a", "**")
    permissions.check_broadcast(None, ["a", "b"])
    assert permissions.denied == {}


def test_once_something_is_allowed_all_else_is_refused_to_everybody() -> None:
    permissions = policy()
    permissions.allow("a", publish=["x.*"])
    permissions.check_publish("a", "x.y")
    assert refusal(permissions, "publish", "a", "x") == (
        "agent 'a' may not publish to 'x': no pattern that it may publish to matches"
    )
    assert refusal(permissions, "publish", "b", "x.y") == (
        "agent 'b' may not publish to 'x.y': no pattern that it may publish to matches"
    )
    assert refusal(permissions, "subscribe", "a", "x.y") == (
        "agent 'a' may not subscribe to 'x.y': no pattern that it may subscribe to includes it"
    )


def test_a_right_to_subscribe_covers_what_it_includes() -> None:
    permissions = policy()
    permissions.allow("a", subscribe=["x.**", "news"])
    wanted = ("x", "x.*", "x.**", "x.y.*.z", "news", "*", "**", "x*", "*.y", "news.*")
    assert [permissions.may_subscribe("a", pattern) for pattern in wanted] == [True] * 5 + [False] * 5


def test_several_rights_that_include_a_pattern_only_together_are_not_enough() -> None:
    permissions = policy()
    permissions.allow("a", subscribe=["[a-m]*", "[!a-m]*"])
    assert stentor.Pattern("[a-m]*").includes(stentor.Pattern("b*"))
    assert not permissions.may_subscribe("a", "?*.x")
    assert not permissions.may_subscribe("a", "[a-z]*")


def test_what_takes_too_much_work_to_say_is_refused_with_that_reason() -> None:
    permissions = policy("redis")
    right, wanted = f"*[ab]{'?[^a]' * 2_000}a", f"*[bc]{'?[^b]' * 2_000}b"
    permissions.allow("a", subscribe=[right])
    with pytest.raises(stentor.LimitError):
        stentor.Pattern(right, "redis").includes(stentor.Pattern(wanted, "redis"))
    assert refusal(permissions, "subscribe", "a", wanted) == (
        f"agent 'a' may not subscribe to {wanted!r}: "
        "whether a pattern that it may subscribe to includes it takes too much work to say"
    )
    permissions.allow("a", subscribe=["*"])
    assert permissions.may_subscribe("a", wanted)


def test_what_everyone_may_do_everyone_may_named_or_not() -> None:
    permissions = policy()
    permissions.allow(None, publish=["public.**"], subscribe=["public.**"])
    permissions.allow("a", publish=["private"], subscribe=["private"])
    for agent in ("a", "b", None):
        permissions.check_publish(agent, "public.x")
        permissions.check_subscribe(agent, "public.*")
    permissions.check_publish("a", "private")
    assert refusal(permissions, "publish", None, "private") == (
        "someone without a name may not publish to 'private': no pattern that it may publish to matches"
    )
    assert refusal(permissions, "subscribe", None, "private") == (
        "someone without a name may not subscribe to 'private': no pattern that it may subscribe to includes it"
    )


def test_a_broadcast_needs_the_right_to_send_to_every_recipient() -> None:
    permissions = policy()
    permissions.allow("a", publish=["workers.*"])
    permissions.check_broadcast("a", ["workers.x", "workers.y"])
    permissions.check_broadcast("b", [])
    with pytest.raises(stentor.PermissionDeniedError) as caught:
        permissions.check_broadcast("a", ["workers.x", "boss", "auditor"])
    assert str(caught.value) == "agent 'a' may not publish to 'boss': no pattern that it may publish to matches"
    assert permissions.denied == {"a": 1}


def test_a_wildcard_covers_what_is_reserved_only_where_it_spells_that() -> None:
    permissions = policy()
    permissions.allow("a", publish=["**"], subscribe=["**"])
    permissions.allow("b", publish=["_stentor.**"], subscribe=["_stentor.**"])
    assert [permissions.may_publish(agent, "_stentor.x") for agent in "ab"] == [False, True]
    assert [permissions.may_subscribe(agent, "_stentor.*") for agent in "ab"] == [False, True]
    assert permissions.may_subscribe("a", "**")
    assert permissions.may_subscribe("a", "_stento?.x"), "which matches nothing that is reserved"


@pytest.mark.parametrize(
    ("dialect", "right", "topic", "other"),
    [
        ("mqtt", "ai/#", "ai/models", "news"),
        ("nats", "ai.>", "ai.models", "ai"),
        ("amqp", "ai.#", "ai", "news"),
        ("redis", "ai*", "ai/models", "news"),
    ],
)
def test_rights_are_read_in_the_dialect_of_the_bus(dialect: str, right: str, topic: str, other: str) -> None:
    permissions = policy(dialect)
    permissions.allow("a", publish=[right], subscribe=[right])
    assert [permissions.may_publish("a", topic), permissions.may_publish("a", other)] == [True, False]
    assert [permissions.may_subscribe("a", text) for text in (right, topic, other)] == [True, True, False]


def test_the_empty_pattern_of_redis_is_refused_like_any_other() -> None:
    permissions = policy("redis")
    permissions.allow("a", subscribe=["a*"])
    assert not permissions.may_subscribe("a", "")


def test_a_change_holds_from_the_next_attempt_on() -> None:
    permissions = policy()
    permissions.allow("a", publish=["x"])
    assert not permissions.may_publish("b", "x")
    permissions.allow("b", publish=["x"], subscribe=["x"])
    assert permissions.may_publish("b", "x")
    assert permissions.may_publish("a", "x")
    permissions.revoke("b", publish=["x"])
    assert not permissions.may_publish("b", "x")
    assert permissions.may_subscribe("b", "x")
    permissions.revoke("b")
    assert not permissions.may_subscribe("b", "x")
    permissions.revoke("a")
    assert permissions.statistics().active
    assert not permissions.may_publish("a", "x")
    permissions.lift()
    assert not permissions.statistics().active
    assert permissions.may_publish("a", "x")


def test_a_policy_may_allow_nothing() -> None:
    permissions = policy()
    permissions.enforce()
    assert not permissions.may_publish("a", "x")
    assert not permissions.may_subscribe(None, "x")


def test_a_lifted_policy_leaves_no_right_behind() -> None:
    permissions = policy()
    permissions.allow("a", publish=["x"], subscribe=["y"])
    permissions.lift()
    permissions.enforce()
    assert not permissions.may_publish("a", "x")
    assert not permissions.may_subscribe("a", "y")
    assert permissions.statistics().rights == 0


def test_what_is_allowed_twice_is_revoked_once() -> None:
    permissions = policy()
    permissions.allow("a", publish=["x"], subscribe=["y"])
    permissions.allow("a", publish=["x"], subscribe=["y"])
    assert permissions.statistics().rights == 2
    permissions.revoke("a", publish=["x"], subscribe=["y"])
    assert not permissions.may_publish("a", "x")
    assert not permissions.may_subscribe("a", "y")


def test_one_may_look_up_what_was_allowed() -> None:
    permissions = policy()
    permissions.allow("a", publish=["y", "x"])
    permissions.allow("a", publish=["w"], subscribe=["z"])
    assert permissions.of("a") == stentor.AgentPermissions(publish=("w", "x", "y"), subscribe=("z",))
    assert permissions.of("b") == permissions.of(None) == stentor.AgentPermissions(publish=(), subscribe=())


def test_the_bus_is_told_when_a_right_to_subscribe_is_revoked() -> None:
    permissions = policy()
    told: list[tuple[str | None, bool]] = []
    permissions.on_revoke = lambda agent: told.append((agent, permissions.may_subscribe(agent, "x")))
    permissions.allow("a", publish=["x"], subscribe=["x"])
    permissions.allow(None, subscribe=["y"])
    permissions.revoke("a", publish=["x"])
    assert told == []
    permissions.revoke("a")
    permissions.revoke("a")
    permissions.revoke(None, subscribe=["y"])
    assert told == [("a", False), (None, False)]


def test_refused_attempts_are_counted_by_agent_and_by_action() -> None:
    permissions = policy()
    permissions.enforce()
    for agent, action in [("a", "publish"), ("a", "subscribe"), (None, "publish"), ("a", "publish")]:
        refusal(permissions, action, agent, "x")
    permissions.may_publish("a", "x")
    assert permissions.denied == {"a": 3, None: 1}
    assert permissions.statistics() == stentor.PermissionStatistics(
        active=True, rights=0, refused_publish=3, refused_subscribe=1
    )


def test_the_counts_by_name_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "COUNTED_NAMES", 2)
    permissions = policy()
    permissions.enforce()
    for agent in ("a", "b", "c", "a"):
        refusal(permissions, "publish", agent, "x")
    assert permissions.denied == {"a": 2, "b": 1}
    assert permissions.statistics().refused_publish == 4


def test_topics_that_the_same_agents_may_publish_to_share_one_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_CACHED_TOPICS", 2)
    permissions = policy()
    permissions.allow("a", publish=["**"])
    permissions.allow("b", publish=["x", "y"])
    permissions.allow("c", publish=["z"])
    allowed = {topic: permissions._table.lookup(topic) for topic in ("x", "y", "other")}
    assert allowed["x"] is allowed["y"]
    assert len(permissions._sets) == 2
    assert permissions._table.lookup("z") == {"a", "c"}
    assert len(permissions._sets) == 1, "full, so it began anew"


@pytest.mark.parametrize(("action", "extra"), [("publish", "stentor_topic"), ("subscribe", "stentor_pattern")])
def test_a_refused_attempt_is_logged(action: str, extra: str, caplog: pytest.LogCaptureFixture) -> None:
    permissions = policy()
    permissions.enforce()
    with caplog.at_level(logging.WARNING, logger="stentor"):
        text = refusal(permissions, action, "a", "x.y")
    (record,) = caplog.records
    assert (record.name, record.levelname, record.getMessage()) == ("stentor", "WARNING", text)
    told = vars(record)
    assert (told["stentor_agent"], told["stentor_action"], told[extra]) == ("a", action, "x.y")


def test_the_error_pickles() -> None:
    permissions = policy()
    permissions.enforce()
    with pytest.raises(stentor.PermissionDeniedError) as caught:
        permissions.check_publish(None, "x")
    again = pickle.loads(pickle.dumps(caught.value))  # noqa: S301 - our own bytes
    assert (str(again), again.reason) == (str(caught.value), "no pattern that it may publish to matches")


@pytest.mark.parametrize(
    ("agent", "options", "kind", "text"),
    [
        (
            "a",
            {},
            ValueError,
            "publish or subscribe must hold a pattern; enforce() sets a policy that allows nothing",
        ),
        ("a", {"publish": "x"}, TypeError, "publish must be a collection of strings, not a single str"),
        ("a", {"subscribe": [3]}, TypeError, "subscribe must hold strings only, not int"),
        (3, {"publish": ["x"]}, TypeError, "agent must be of type str, not int"),
        (
            "a*",
            {"publish": ["x"]},
            stentor.InvalidTopicError,
            "invalid topic 'a*' at offset 1: a topic cannot hold '*'",
        ),
        (
            "a",
            {"publish": ["x", "y..z"]},
            stentor.InvalidPatternError,
            "invalid pattern 'y..z' at offset 2: empty segment",
        ),
        (
            "a",
            {"publish": ["x"], "subscribe": ["y", ""]},
            stentor.InvalidPatternError,
            "invalid pattern '' at offset 0: empty segment",
        ),
    ],
)
def test_a_wrong_right_is_refused_and_nothing_has_changed(
    agent: Any, options: dict[str, Any], kind: type[Exception], text: str
) -> None:
    permissions = policy()
    with pytest.raises(kind) as caught:
        permissions.allow(agent, **options)
    assert str(caught.value) == text
    assert permissions.statistics() == policy().statistics()


@pytest.mark.parametrize(
    ("agent", "options", "text"),
    [
        ("a", {"publish": ["x", "y"]}, "publish must hold patterns that were allowed to 'a', not 'y'"),
        ("a", {"publish": ["x"], "subscribe": ["x"]}, "subscribe must hold patterns that were allowed to 'a', not 'x'"),
        (None, {"publish": ["x"]}, "publish must hold patterns that were allowed to everyone, not 'x'"),
    ],
)
def test_what_was_not_allowed_cannot_be_revoked(agent: str | None, options: dict[str, Any], text: str) -> None:
    permissions = policy()
    permissions.allow("a", publish=["x"])
    with pytest.raises(ValueError, match="must hold patterns") as caught:
        permissions.revoke(agent, **options)
    assert str(caught.value) == text
    assert permissions.may_publish("a", "x")


@pytest.mark.parametrize("options", [{}, {"publish": ["x"]}])
def test_a_name_that_is_none_has_nothing_to_be_revoked(options: dict[str, Any]) -> None:
    permissions = policy()
    wrong: Any = 3
    with pytest.raises(TypeError, match=r"^agent must be of type str, not int$"):
        permissions.revoke(wrong, **options)


def test_a_wrong_topic_or_pattern_is_an_error_and_no_refusal() -> None:
    permissions = policy()
    permissions.enforce()
    with pytest.raises(stentor.InvalidTopicError):
        permissions.check_publish("a", "x.*")
    with pytest.raises(stentor.InvalidPatternError):
        permissions.check_subscribe("a", "x..y")
    assert permissions.denied == {}


AGENTS = ["a", "b", None]
PATTERNS = ["x", "x.*", "x.**", "*.y", "**", "z"]
TOPICS = ["x", "x.y", "x.y.z", "z.y", "z"]


class Policies(RuleBasedStateMachine):
    """The permissions beside plain sets of rights, asked one by one."""

    def __init__(self) -> None:
        super().__init__()
        self.permissions = policy()
        self.publish: set[tuple[str | None, str]] = set()
        self.subscribe: set[tuple[str | None, str]] = set()
        self.active = False

    @rule(
        agent=st.sampled_from(AGENTS), publish=st.sets(st.sampled_from(PATTERNS)), subscribe=st.sampled_from(PATTERNS)
    )
    def allow(self, agent: str | None, publish: set[str], subscribe: str) -> None:
        """Allow something."""
        self.permissions.allow(agent, publish=publish, subscribe=[subscribe])
        self.publish |= {(agent, pattern) for pattern in publish}
        self.subscribe.add((agent, subscribe))
        self.active = True

    @rule(agent=st.sampled_from(AGENTS), patterns=st.sets(st.sampled_from(PATTERNS)))
    def revoke(self, agent: str | None, patterns: set[str]) -> None:
        """Take back what was allowed of it."""
        publish = {pattern for pattern in patterns if (agent, pattern) in self.publish}
        subscribe = {pattern for pattern in patterns if (agent, pattern) in self.subscribe}
        self.permissions.revoke(agent, publish=publish, subscribe=subscribe)
        self.publish -= {(agent, pattern) for pattern in publish}
        self.subscribe -= {(agent, pattern) for pattern in subscribe}

    @rule(agent=st.sampled_from(AGENTS))
    def revoke_all(self, agent: str | None) -> None:
        """Take everything back."""
        self.permissions.revoke(agent)
        self.publish = {right for right in self.publish if right[0] != agent}
        self.subscribe = {right for right in self.subscribe if right[0] != agent}

    @rule()
    def lift(self) -> None:
        """Do without."""
        self.permissions.lift()
        self.publish, self.subscribe, self.active = set(), set(), False

    @invariant()
    def the_same_is_allowed(self) -> None:
        """Every question has the answer that the sets give."""
        for agent in ("a", "b", "c", None):
            publish = [stentor.Pattern(text) for owner, text in self.publish if owner in {agent, None}]
            for topic in TOPICS:
                expected = not self.active or any(pattern.matches(topic) for pattern in publish)
                assert self.permissions.may_publish(agent, topic) is expected
            subscribe = [stentor.Pattern(text) for owner, text in self.subscribe if owner in {agent, None}]
            for text in PATTERNS:
                wanted = stentor.Pattern(text)
                expected = not self.active or any(pattern.includes(wanted) for pattern in subscribe)
                assert self.permissions.may_subscribe(agent, text) is expected

    @invariant()
    def every_right_is_counted(self) -> None:
        """What is told is what there is."""
        assert self.permissions.statistics().rights == len(self.publish) + len(self.subscribe)
        for agent in AGENTS:
            told = self.permissions.of(agent)
            assert {(agent, text) for text in told.publish} == {right for right in self.publish if right[0] == agent}
            assert {(agent, text) for text in told.subscribe} == {r for r in self.subscribe if r[0] == agent}


TestPolicies = Policies.TestCase
