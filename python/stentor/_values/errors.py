"""Errors that are stentor's own; beside them trio's are used (`WouldBlock`, `ClosedResourceError`, `EndOfChannel`)."""

from __future__ import annotations

from typing import ClassVar, Literal, final

SHOWN = 200
"""Code points of a refused text that an error's message shows; `.text` holds all of it."""


class _InvalidTextError(ValueError):
    """A text that breaks a rule at one place."""

    _noun: ClassVar[str]

    text: str
    """The whole text that was refused."""
    offset: int
    """Where the flaw shows, in code points from the start of the text."""
    reason: str
    """The rule that was broken, in words."""

    def __init__(self, text: str, offset: int, reason: str) -> None:
        super().__init__(text, offset, reason)
        self.text = text
        self.offset = offset
        self.reason = reason

    def __str__(self) -> str:
        shown = repr(self.text) if len(self.text) <= SHOWN else f"{self.text[:SHOWN]!r}..."
        return f"invalid {self._noun} {shown} at offset {self.offset}: {self.reason}"


@final
class InvalidPatternError(_InvalidTextError):
    """A text is no pattern of its dialect. Nothing has changed when it is raised.

    Example:
        >>> import stentor
        >>> try:
        ...     stentor.Pattern("a..b")
        ... except stentor.InvalidPatternError as error:
        ...     print(error)
        ...     print(error.offset, error.reason)
        invalid pattern 'a..b' at offset 2: empty segment
        2 empty segment
    """

    _noun = "pattern"


@final
class InvalidTopicError(_InvalidTextError):
    """A text is no topic of its dialect. Nothing has changed when it is raised.

    Example:
        >>> import stentor
        >>> stentor.validate_topic("ai.*")
        Traceback (most recent call last):
        ...
        stentor.InvalidTopicError: invalid topic 'ai.*' at offset 3: a topic cannot hold '*'
    """

    _noun = "topic"


@final
class LimitError(ValueError):
    """An exact answer would take more work than is allowed, so there is none.

    Raised by `Pattern.includes` and `Pattern.overlaps`, after 4,000,000 steps: a step looks at one place of a pattern
    or keeps one word of memory.
    """


@final
class MailboxFullError(Exception):
    """A publish was refused, for everybody, because a mailbox that refuses is full.

    Attributes:
        agents: Whose mailboxes are full.
    """

    def __init__(self, agents: tuple[str, ...]) -> None:
        """Name the agents."""
        super().__init__(agents)
        self.agents = agents

    def __str__(self) -> str:
        """Name the agents."""
        return f"nothing was accepted: the mailbox is full at {', '.join(map(repr, self.agents))}"


@final
class DeadlockError(RuntimeError):
    """A wait was refused because it would close a cycle of agents that wait for each other.

    Attributes:
        agents: Each waits for the next: from the agent that asked to the one that comes up again.
    """

    def __init__(self, agents: tuple[str, ...]) -> None:
        """Name the agents, each waiting for the next."""
        super().__init__(agents)
        self.agents = agents

    def __str__(self) -> str:
        """Name the cycle."""
        return f"waiting here would never end: {' waits for '.join(map(repr, self.agents))}"


@final
class NotSettledError(Exception):
    """Time was up before the bus was settled.

    Attributes:
        timeout: How long it was waited, in seconds.
        busy: For each agent that is, its name, how many messages wait for it, and how many of its handlers run.
    """

    def __init__(self, timeout: float, busy: tuple[tuple[str, int, int], ...]) -> None:
        """Name the agents that are busy."""
        super().__init__(timeout, busy)
        self.timeout = timeout
        self.busy = busy

    def __str__(self) -> str:
        """Say who is busy, the first ten by name."""
        shown = [f"{name!r} ({waiting} waiting, {running} running)" for name, waiting, running in self.busy[:10]]
        more = [f"and {len(self.busy) - 10} more"] if len(self.busy) > 10 else []  # noqa: PLR2004
        return f"not settled within {self.timeout:g} s, busy: {', '.join(shown + more)}"


@final
class AlreadyRegisteredError(ValueError):
    """The name belongs to another agent of this bus.

    Attributes:
        name: The name.
    """

    def __init__(self, name: str) -> None:
        """Name the agent."""
        super().__init__(name)
        self.name = name

    def __str__(self) -> str:
        """Name the agent."""
        return f"name must be unused, but {self.name!r} is registered already"


@final
class UnknownAgentError(LookupError):
    """A message is addressed to an agent that does not exist.

    Attributes:
        name: The name.
    """

    def __init__(self, name: str) -> None:
        """Name the agent."""
        super().__init__(name)
        self.name = name

    def __str__(self) -> str:
        """Name the agent."""
        return f"there is no agent {self.name!r}"


@final
class NoResponderError(Exception):
    """A request reached no agent; a feed may hear it, but is not asked.

    Attributes:
        topic: What was asked.
    """

    def __init__(self, topic: str) -> None:
        """Name the topic."""
        super().__init__(topic)
        self.topic = topic

    def __str__(self) -> str:
        """Name the topic."""
        return f"nobody can answer on {self.topic!r}"


@final
class RequestFailedError(Exception):
    """Every handler of a request failed.

    Attributes:
        topic: What was asked.
        errors: Each agent that failed, with its exception.
    """

    def __init__(self, topic: str, errors: tuple[tuple[str, Exception], ...]) -> None:
        """Name the topic, the agents and their exceptions."""
        super().__init__(topic, errors)
        self.topic = topic
        self.errors = errors

    def __str__(self) -> str:
        """Name the topic and who failed how."""
        causes = ", ".join(f"{agent!r} with {error!r}" for agent, error in self.errors)
        return f"the request on {self.topic!r} failed: {causes}"


@final
class AbandonedError(Exception):
    """The agent or the bus was closed before a message was handled."""


@final
class ExpiredError(TimeoutError):
    """The time of a message was up before its handler was called."""


class PermissionDeniedError(Exception):
    """The policy does not allow it; nothing was published, and nobody subscribed.

    Attributes:
        agent: Who asked, or None for a publisher without a name or a feed without an agent.
        action: What was asked: `"publish"` (also to send and to broadcast) or `"subscribe"`.
        text: The topic, the name of the agent sent to, or the pattern.
        reason: Why not, in words.
    """

    def __init__(self, agent: str | None, action: Literal["publish", "subscribe"], text: str, reason: str) -> None:
        """Name who, what and why."""
        super().__init__(agent, action, text, reason)
        self.agent = agent
        self.action = action
        self.text = text
        self.reason = reason

    def __str__(self) -> str:
        """Name who, what and why."""
        who = "someone without a name" if self.agent is None else f"agent {self.agent!r}"
        return f"{who} may not {self.action} to {self.text!r}: {self.reason}"
