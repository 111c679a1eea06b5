"""Permissions: who may publish to what, and subscribe to what.

Without a policy everybody may do everything. With one, nobody may do anything but what is allowed. A right is a
pattern: one to publish covers the topics that it matches, one to subscribe covers the patterns that it *includes*.

The rights to publish are kept the other way round, in the index that matches subscriptions too: for a topic it gives
the set of those who may, so that a check costs one lookup in a cache and one in a set, however many rights there are.
"""

from __future__ import annotations

import logging
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, Literal, NoReturn, final

from attrs import frozen

from stentor._mechanisms.matching import MatchTable
from stentor._values import checks
from stentor._values.errors import LimitError, PermissionDeniedError
from stentor._values.patterns import Grammar, Pattern, validate_topic

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from stentor._values.dialects import DialectLike

logger: Final = logging.getLogger("stentor")

COUNTED_NAMES: Final = 10_000
"""Names whose refused attempts are counted one by one; those of later names are in the sums alone."""
_CACHED_TOPICS: Final = 4096


@final
@frozen(kw_only=True)
class AgentPermissions:
    """What one agent has been allowed, beside what everyone is.

    Example:
        >>> import stentor
        >>> stentor.AgentPermissions(publish=("ai.**",), subscribe=()).publish
        ('ai.**',)
    """

    publish: tuple[str, ...]
    """Patterns of the topics that it may publish to, sorted."""
    subscribe: tuple[str, ...]
    """Patterns that it may subscribe to, with all that they include, sorted."""


@final
@frozen(kw_only=True)
class PermissionStatistics:
    """What is allowed, and how often something was refused.

    Example:
        >>> import stentor
        >>> stentor.PermissionStatistics(active=False, rights=0, refused_publish=0, refused_subscribe=0).active
        False
    """

    active: bool
    """Whether there is a policy."""
    rights: int
    """Patterns allowed, over all agents and both actions."""
    refused_publish: int
    """Refused attempts to publish, send or broadcast."""
    refused_subscribe: int
    """Refused attempts to subscribe."""


@final
class Permissions:
    """What agents may publish and subscribe to; `Bus.permissions` is that of a bus.

    Until something is allowed there is no policy and nothing is refused. From then on, whatever is not allowed is
    refused, with `PermissionDeniedError`, a count and a warning in the log. Every change holds from the next attempt
    on. What everyone may do is allowed to None; a publisher without a name, and a feed without an agent, may do that
    and no more, since otherwise an agent would gain rights by keeping its name to itself.

    A message to one agent needs the right to publish to its name, and a broadcast the right to do so for every agent
    that it reaches. It is a guard against mistakes and not against malice: publishers say themselves who they are.

    Example:
        >>> import stentor
        >>> permissions = Permissions("mailbox")
        >>> permissions.allow("gpt4", publish=["answers.gpt4.**"], subscribe=["questions.*"])
        >>> permissions.check_publish("gpt4", "answers.gpt4.maths")
        >>> permissions.check_publish("claude", "answers.gpt4.maths")
        Traceback (most recent call last):
        stentor.PermissionDeniedError: agent 'claude' may not publish to 'answers.gpt4.maths': \
no pattern that it may publish to matches
        >>> permissions.may_subscribe("gpt4", "questions.maths"), permissions.may_subscribe("gpt4", "**")
        (True, False)
    """

    __slots__ = (
        "_denied",
        "_dialect",
        "_owners",
        "_publish",
        "_refused",
        "_reserved",
        "_separator",
        "_sets",
        "_subscribe",
        "_table",
        "active",
        "on_policy",
        "on_revoke",
    )

    active: bool
    """Whether there is a policy; while there is none, nothing else needs to be asked."""
    on_policy: Callable[[bool], None]
    """Is called with whether there is a policy, when one comes or goes."""
    on_revoke: Callable[[str | None], None]
    """Is called with the agent, or None for everyone, after a right to subscribe was revoked."""

    def __init__(self, dialect: DialectLike, *, reserved: str | None = None) -> None:
        """Make permissions without a policy; a wildcard covers what is under `reserved` only where it spells that."""
        self.active = False
        self.on_policy = self.on_revoke = _nothing
        self._dialect = dialect
        self._reserved = reserved
        self._separator = Grammar.of(dialect).separator
        self._table: MatchTable[frozenset[str | None]] = MatchTable(
            dialect, build=self._who, cache_capacity=_CACHED_TOPICS, reserved=reserved
        )
        self._owners: dict[int, str | None] = {}
        self._sets: dict[frozenset[str | None], frozenset[str | None]] = {}
        """One set for all topics that the same agents may publish to; bounded like the cache that holds them."""
        self._publish: dict[str | None, dict[str, int]] = {}
        self._subscribe: dict[str | None, dict[str, Pattern]] = {}
        self._refused: dict[str, int] = {"publish": 0, "subscribe": 0}
        self._denied: dict[str | None, int] = {}

    # -- the policy ---------------------------------------------------------------------------------------------------

    def allow(self, agent: str | None, *, publish: Iterable[str] = (), subscribe: Iterable[str] = ()) -> None:
        """Allow an agent something, beside what it is allowed already; it need not be registered yet.

        Args:
            agent: The name of the agent, or None for everyone, named or not.
            publish: Patterns of the topics that it may publish to.
            subscribe: Patterns that it may subscribe to; so it may to whatever they include.

        Raises:
            InvalidPatternError: One of the patterns is none of the dialect; nothing has changed then.
            InvalidTopicError: `agent` is no name of an agent.
            TypeError: `publish` or `subscribe` is no collection of strings.
            ValueError: Both are empty.
        """
        self._check_name(agent)
        topics, patterns = checks.names("publish", publish), checks.names("subscribe", subscribe)
        if not topics and not patterns:
            msg = "publish or subscribe must hold a pattern; enforce() sets a policy that allows nothing"
            raise ValueError(msg)
        rights = {text: Pattern(text, self._dialect) for text in sorted(patterns)}
        held = self._publish.get(agent, {})
        new = sorted(topics - held.keys())
        ids = self._table.add_many(new)
        self._owners.update(dict.fromkeys(ids, agent))
        self._publish[agent] = held | dict(zip(new, ids, strict=True))
        self._subscribe[agent] = self._subscribe.get(agent, {}) | rights
        self._turn(active=True)

    def revoke(
        self, agent: str | None, *, publish: Iterable[str] | None = None, subscribe: Iterable[str] | None = None
    ) -> None:
        """Take rights back from an agent: those named, or all where none is named. The policy stays, even if empty.

        Args:
            agent: The name of the agent, or None for what everyone is allowed.
            publish: Patterns that it may publish to no longer, as they were allowed.
            subscribe: Patterns that it may subscribe to no longer, as they were allowed.

        Raises:
            InvalidTopicError: `agent` is no name of an agent.
            TypeError: `agent` is no string, or `publish` or `subscribe` is no collection of strings.
            ValueError: One of the patterns was not allowed to it; nothing has changed then.
        """
        self._check_name(agent)
        topics, patterns = self._publish.get(agent, {}), self._subscribe.get(agent, {})
        everything = publish is None and subscribe is None
        gone = frozenset(topics) if everything else _held("publish", publish or (), topics, agent)
        unread = frozenset(patterns) if everything else _held("subscribe", subscribe or (), patterns, agent)
        for text in gone:
            id = topics.pop(text)
            self._table.remove(id)
            del self._owners[id]
        for text in unread:
            del patterns[text]
        for rights in (self._publish, self._subscribe):
            if not rights.get(agent, True):
                del rights[agent]
        if unread:
            self.on_revoke(agent)

    def enforce(self) -> None:
        """Set a policy: what is not allowed is refused from now on, even while nothing is allowed to anybody."""
        self._turn(active=True)

    def lift(self) -> None:
        """Take the policy away with every right, so that everybody may do everything; the counts stay."""
        for id in self._owners:
            self._table.remove(id)
        for rights in (self._owners, self._sets, self._publish, self._subscribe):
            rights.clear()
        self._turn(active=False)

    def _turn(self, *, active: bool) -> None:
        self.active = active
        self.on_policy(active)

    def of(self, agent: str | None) -> AgentPermissions:
        """Return what an agent has been allowed itself, or everyone where `agent` is None."""
        return AgentPermissions(
            publish=tuple(sorted(self._publish.get(agent, ()))), subscribe=tuple(sorted(self._subscribe.get(agent, ())))
        )

    # -- decisions ----------------------------------------------------------------------------------------------------

    def may_publish(self, agent: str | None, topic: str) -> bool:
        """Return whether an agent may publish to `topic`; nothing is counted.

        Raises:
            InvalidTopicError: `topic` is none of the dialect.
        """
        if not self.active:
            return True
        allowed = self._table.lookup(topic)
        return agent in allowed or None in allowed

    def may_subscribe(self, agent: str | None, pattern: str) -> bool:
        """Return whether an agent may subscribe to `pattern`: whether one pattern allowed to it includes that.

        Several patterns that include it only together are not enough. Nothing is counted.

        Raises:
            InvalidPatternError: `pattern` is none of the dialect.
        """
        return not self.active or self._why_not(agent, pattern) is None

    def check_publish(self, agent: str | None, topic: str) -> None:
        """Refuse an attempt to publish to `topic`, or to send to the agent of that name, that is not allowed.

        Raises:
            PermissionDeniedError: It is not allowed; that is counted and logged.
            InvalidTopicError: `topic` is none of the dialect.
        """
        if self.active:
            allowed = self._table.lookup(topic)
            if agent not in allowed and None not in allowed:
                self._refuse(agent, "publish", topic, "no pattern that it may publish to matches")

    def check_broadcast(self, agent: str | None, recipients: Iterable[str]) -> None:
        """Refuse a broadcast to agents of these names unless each of them may be sent to; O(recipients).

        Raises:
            PermissionDeniedError: One may not be sent to, and so nobody is; that is counted and logged once.
        """
        if self.active:
            for name in recipients:
                self.check_publish(agent, name)

    def check_subscribe(self, agent: str | None, pattern: str) -> None:
        """Refuse an attempt to subscribe to `pattern` that is not allowed; O(patterns allowed to the agent).

        Raises:
            PermissionDeniedError: It is not allowed; that is counted and logged.
            InvalidPatternError: `pattern` is none of the dialect.
        """
        if self.active:
            reason = self._why_not(agent, pattern)
            if reason is not None:
                self._refuse(agent, "subscribe", pattern, reason)

    # -- what was refused ---------------------------------------------------------------------------------------------

    @property
    def denied(self) -> Mapping[str | None, int]:
        """How many attempts of each agent were refused, under None those of nobody by name.

        The first 10,000 names have a count of their own; `statistics()` counts every attempt.
        """
        return MappingProxyType(dict(self._denied))

    def statistics(self) -> PermissionStatistics:
        """Return what is allowed, and how often something was refused."""
        return PermissionStatistics(
            active=self.active,
            rights=len(self._owners) + sum(map(len, self._subscribe.values())),
            refused_publish=self._refused["publish"],
            refused_subscribe=self._refused["subscribe"],
        )

    # -- inside -------------------------------------------------------------------------------------------------------

    def _check_name(self, agent: str | None) -> None:
        if agent is not None:
            validate_topic(checks.instance("agent", agent, str), self._dialect)

    def _who(self, ids: tuple[int, ...]) -> frozenset[str | None]:
        agents = frozenset(map(self._owners.__getitem__, ids))
        if len(self._sets) >= _CACHED_TOPICS:
            self._sets.clear()
        return self._sets.setdefault(agents, agents)

    def _why_not(self, agent: str | None, pattern: str) -> str | None:
        wanted = Pattern(pattern, self._dialect)
        hidden = self._is_reserved(pattern)
        reason = "no pattern that it may subscribe to includes it"
        for owner in dict.fromkeys((agent, None)):
            for text, right in self._subscribe.get(owner, {}).items():
                try:
                    if right.includes(wanted) and (not hidden or self._is_reserved(text)):
                        return None
                except LimitError:
                    reason = "whether a pattern that it may subscribe to includes it takes too much work to say"
        return reason

    def _is_reserved(self, pattern: str) -> bool:
        first = pattern if self._separator is None else pattern.split(self._separator, maxsplit=1)[0]
        return first == self._reserved

    def _refuse(self, agent: str | None, action: Literal["publish", "subscribe"], text: str, reason: str) -> NoReturn:
        self._refused[action] += 1
        if agent in self._denied or len(self._denied) < COUNTED_NAMES:
            self._denied[agent] = self._denied.get(agent, 0) + 1
        error = PermissionDeniedError(agent, action, text, reason)
        noun = "topic" if action == "publish" else "pattern"
        logger.warning("%s", error, extra={"stentor_agent": agent, "stentor_action": action, f"stentor_{noun}": text})
        raise error


def _held(name: str, wanted: Iterable[str], held: Mapping[str, object], agent: str | None) -> frozenset[str]:
    texts = checks.names(name, wanted)
    for text in sorted(texts - held.keys()):
        who = "everyone" if agent is None else repr(agent)
        msg = f"{name} must hold patterns that were allowed to {who}, not {text!r}"
        raise ValueError(msg)
    return texts


def _nothing(_: object) -> None:
    pass
