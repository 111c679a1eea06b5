"""Health: who is slow, stuck, full, failing or away, and why."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, final

from attrs import frozen

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from stentor._mechanisms.recipients import Recipient


class Trouble(Enum):
    """What can be wrong with an agent, or with an extension of the bus.

    Example:
        >>> import stentor
        >>> stentor.Trouble.STUCK.value
        'stuck'
    """

    BLOCKING = "blocking"
    """Its handler kept all others from running for too long: it computes, or waits in a way that trio cannot see."""
    STUCK = "stuck"
    """Its handler has been waiting for something for too long; nobody else is held up by it."""
    FULL = "full"
    """A subscription's capacity is used up."""
    FAILING = "failing"
    """Its handler failed the last time it was called."""
    QUARANTINED = "quarantined"
    """Its handler failed too often in a row and is not called any more."""
    RECONNECTING = "reconnecting"
    """An extension has lost what it stands on, such as a server, and tries to reach it again."""
    DEGRADED = "degraded"
    """An extension cannot do all that it is for, and that will not pass by itself."""


@final
@frozen(kw_only=True)
class Problem:
    """One thing that is wrong."""

    agent: str
    """With whom: the name of an agent, a feed or an extension."""
    trouble: Trouble
    """What."""
    detail: str
    """Why, in words, with the figures."""


@final
@frozen(kw_only=True)
class Health:
    """All that is wrong with a bus.

    Example:
        >>> import stentor
        >>> stentor.Health(problems=()).ok
        True
    """

    problems: tuple[Problem, ...]
    """Agent by agent, in order of registration, and after them extension by extension."""

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong."""
        return not self.problems

    def __str__(self) -> str:
        """Tell one problem a line."""
        if self.ok:
            return "healthy"
        return "\n".join(f"{each.agent} is {each.trouble.value}: {each.detail}" for each in self.problems)


def examine(recipients: Iterable[Recipient], now: float, slow: float) -> list[Problem]:
    """Return what is wrong at the time `now`; `slow` is the number of seconds from which a handler is too slow."""
    return [problem for recipient in recipients for problem in _problems(recipient, now, slow)]


def _problems(recipient: Recipient, now: float, slow: float) -> Iterator[Problem]:
    name = recipient.name
    if recipient.longest_block >= slow:
        detail = f"its handler ran for {recipient.longest_block:.3g} s without waiting for anything"
        yield Problem(agent=name, trouble=Trouble.BLOCKING, detail=detail)
    if recipient.handler is not None and recipient.running_count:
        for delivery in recipient.running:
            if now - delivery._started >= slow:
                message = delivery.message
                waited = f"{now - delivery._started:.3g} s"
                detail = f"its handler has waited for {waited} on message {message.id} ({message.topic!r})"
                yield Problem(agent=name, trouble=Trouble.STUCK, detail=detail)
    for subscription in recipient.subscriptions:
        if subscription.waiting >= subscription.options.capacity:
            detail = f"{subscription.waiting} messages wait for {subscription.pattern!r}, which is its capacity"
            yield Problem(agent=name, trouble=Trouble.FULL, detail=detail)
    direct = recipient.direct
    if direct is not None and direct.waiting >= direct.capacity:
        detail = f"{direct.waiting} messages sent by name or broadcast wait, which is its capacity"
        yield Problem(agent=name, trouble=Trouble.FULL, detail=detail)
    if recipient.quarantined:
        detail = f"its handler failed {recipient.failures_in_a_row} times in a row"
        yield Problem(agent=name, trouble=Trouble.QUARANTINED, detail=detail)
    elif recipient.failures_in_a_row:
        detail = f"its handler failed the last {recipient.failures_in_a_row} times"
        yield Problem(agent=name, trouble=Trouble.FAILING, detail=detail)
