"""Checkpoints: what a settled bus holds, taken out of it and put into another that was set up by the same code.

Code is not in it: handlers, filters, middleware and stores other than the one in memory come from the program that sets
the bus up again. What waits is found by the name of its recipient and the number of the subscription that let it in.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, final

import trio
from attrs import field, frozen

from stentor._machine.store import MemoryStore
from stentor._mechanisms.deliveries import Delivery
from stentor._mechanisms.registry import COUNTS
from stentor._mechanisms.routes import Target
from stentor._mechanisms.statistics import Histogram
from stentor._values.errors import NotSettledError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from stentor._bus.parts import Parts
    from stentor._mechanisms.mailbox import Quota
    from stentor._mechanisms.recipients import Recipient
    from stentor._values.messages import Message

_IDS: Final = ("number", "prefix")
_RETAINED: Final = ("_cleared", "_dropped", "_expired", "_messages", "_peak", "_replaced", "_stored")
_LETTERS: Final = ("_added", "_dropped", "_letters", "_peak", "_taken")
_RECIPIENT: Final = (*COUNTS, "failures_in_a_row", "quarantined", "retries", "blocked", "longest_block")
_DOOR: Final = ("ordinary", "published", "wildcards")


@final
@frozen(kw_only=True)
class _Waiting:
    """A delivery that waits, without the objects that only one bus knows."""

    message: Message
    attempt: int
    redelivered: bool
    arrived: float
    quota: int
    """The number of the quota that let it in: 0 for that of the registration, then by subscription."""
    subscriptions: tuple[int, ...]
    wildcard: bool


@final
@frozen(kw_only=True)
class _Mailbox:
    """One recipient."""

    name: str
    patterns: tuple[str, ...]
    counts: dict[str, Any]
    quotas: tuple[tuple[int, int], ...]
    latency: Histogram | None
    peak: int
    away: bool
    waiting: tuple[_Waiting, ...]
    unacknowledged: tuple[_Waiting, ...]


@final
@frozen(kw_only=True)
class BusCheckpoint:
    """What a settled bus held: mailboxes, retained messages, dead letters, counts, and the state of its chance.

    `Bus.checkpoint` takes it, and `Bus.restore` puts it into a bus that the same code has set up. It can be pickled if
    the payloads can.

    Example:
        >>> import stentor, trio
        >>> async def main():
        ...     async with stentor.open_bus() as bus:
        ...         bus.register("archive").subscribe("papers")
        ...         await bus.publish("papers", "on heralds")
        ...         checkpoint = await bus.checkpoint()
        ...     async with stentor.open_bus() as bus:
        ...         archive = bus.register("archive")
        ...         archive.subscribe("papers")
        ...         bus.restore(checkpoint)
        ...         print((await archive.receive()).payload)
        >>> trio.run(main)
        on heralds
    """

    time: float
    """When it was taken: seconds on trio's clock."""
    waiting: int
    """How many deliveries wait in it."""
    _mailboxes: tuple[_Mailbox, ...] = field(repr=False, alias="mailboxes")
    _state: dict[str, Any] = field(repr=False, alias="state")


async def take(parts: Parts) -> BusCheckpoint:
    """Return what the bus of `parts` holds, when the tasks that served it up to now have ended.

    Raises:
        NotSettledError: Something runs, or is to be run.
        RuntimeError: Somebody waits for an answer, or for room in a mailbox.
    """
    _check_settled(parts)
    if parts.workers.coming:  # who was called has a turn to come, which a bus that begins here has not
        await trio.lowlevel.checkpoint()
        _check_settled(parts)
    _forget_how_it_ran(parts)
    await trio.lowlevel.checkpoint()
    await trio.lowlevel.cancel_shielded_checkpoint()
    _check_settled(parts)
    mailboxes = tuple(_mailbox(recipient) for recipient in parts.registry)
    state = {
        "ids": _read(parts.ids, _IDS),
        "random": parts.random.getstate(),
        "retained": _read(parts.retained, _RETAINED),
        "letters": _read(parts.ledger.dead_letters, _LETTERS),
        "left": tuple(parts.ledger.left),
        "door": _read(parts.door, _DOOR) | {"budget": parts.door.budget_outside},
        "lookups": parts.addressing.lookups,
        "late": parts.requests.late,
        "mail_for": tuple(sorted(parts.backlog.names)),
        "polled": dict(parts.backlog._polled),
        "stored": parts.store._mailboxes.records() if isinstance(parts.store, MemoryStore) else (),
    }
    waiting = sum(len(mailbox.waiting) for mailbox in mailboxes)
    return BusCheckpoint(time=parts.clock(), waiting=waiting, mailboxes=mailboxes, state=state)


def put(parts: Parts, checkpoint: BusCheckpoint) -> None:
    """Put what another bus held into that of `parts`, which has published nothing yet.

    Raises:
        RuntimeError: It has published something.
        ValueError: Its agents or subscriptions are not those of the checkpoint, or its clock stands before it.
    """
    _check_fits(parts, checkpoint)
    state = checkpoint._state
    _write(parts.ids, state["ids"])
    parts.random.setstate(state["random"])
    _write(parts.retained, state["retained"])
    _write(parts.ledger.dead_letters, state["letters"])
    parts.ledger.left.extend(state["left"])
    _write(parts.door, state["door"])
    parts.addressing.lookups = state["lookups"]
    parts.requests.late = state["late"]
    parts.backlog.names.update(state["mail_for"])
    parts.backlog._polled.update(state["polled"])
    if isinstance(parts.store, MemoryStore):
        parts.store._mailboxes.adopt(state["stored"])
    for recipient, mailbox in zip(list(parts.registry), checkpoint._mailboxes, strict=True):
        _fill(parts, recipient, mailbox)


def _forget_how_it_ran(parts: Parts) -> None:
    """Let the bus be served as one that has done nothing yet, so that both go on in the same order."""
    parts.workers.retire()
    parts.timers.retire()
    for recipient in parts.registry:
        for lane in recipient.lanes:
            lane.apart = 0


def _check_settled(parts: Parts) -> None:
    begun = any(r.handler is None and r.running_count for r in parts.registry)
    if parts.ledger.busy or parts.readiness.queue or parts.backlog._serving or begun:
        raise NotSettledError(0.0, parts.registry.busy())
    if len(parts.requests) or parts.publishing._lines:
        whom = "an answer" if len(parts.requests) else "room in a mailbox"
        msg = f"a checkpoint needs a settled bus, but somebody waits for {whom}"
        raise RuntimeError(msg)


def _check_fits(parts: Parts, checkpoint: BusCheckpoint) -> None:
    if parts.door.published:
        msg = "restore() must come before anything is published"
        raise RuntimeError(msg)
    if parts.clock() < checkpoint.time:
        msg = f"the clock must not stand before the checkpoint ({checkpoint.time:g} s), but is at {parts.clock():g} s"
        raise ValueError(msg)
    here = {recipient.name: _patterns(recipient) for recipient in parts.registry}
    there = {mailbox.name: mailbox.patterns for mailbox in checkpoint._mailboxes}
    for name in (*there, *here):
        if here.get(name) != there.get(name):
            told = (f"{_told(each.get(name))}" for each in (there, here))
            msg = "checkpoint must be of a bus with the same agents: {!r} had {}, and has {}".format(name, *told)
            raise ValueError(msg)
    if list(here) != list(there):
        msg = "checkpoint must be of a bus with the same agents, in the same order"
        raise ValueError(msg)


def _told(patterns: tuple[str, ...] | None) -> str:
    return "no registration" if patterns is None else f"the subscriptions {list(patterns)}"


def _patterns(recipient: Recipient) -> tuple[str, ...]:
    return tuple(subscription.pattern for subscription in recipient.subscriptions)


def _quotas(recipient: Recipient) -> list[Quota | None]:
    """Return the quotas of a recipient, by their numbers; None is for one that nothing has come by."""
    return [recipient.direct, *(subscription._made_quota for subscription in recipient.subscriptions)]


def _quota(recipient: Recipient, number: int) -> Quota:
    return recipient.subscriptions[number - 1]._quota if number else recipient.quota


def _mailbox(recipient: Recipient) -> _Mailbox:
    quotas = _quotas(recipient)
    numbers = {quota: number for number, quota in enumerate(quotas) if quota is not None}
    subscriptions = {s: number for number, s in enumerate(recipient.subscriptions)}

    def waiting(deliveries: Iterator[Delivery]) -> tuple[_Waiting, ...]:
        return tuple(
            _Waiting(
                message=delivery.message,
                attempt=delivery.attempt,
                redelivered=delivery.redelivered,
                arrived=delivery._arrived,
                quota=numbers.get(delivery._target.quota, 0),
                subscriptions=tuple(subscriptions[s] for s in delivery.subscriptions if s in subscriptions),
                wildcard=delivery._target.wildcard,
            )
            for delivery in deliveries
        )

    return _Mailbox(
        name=recipient.name,
        patterns=_patterns(recipient),
        counts=_read(recipient, _RECIPIENT),
        quotas=tuple((0, 0) if quota is None else (quota.total, quota.dropped) for quota in quotas),
        latency=_copy(recipient.latency),
        peak=max((lane.peak for lane in recipient.lanes), default=0),
        away=recipient.away,
        waiting=waiting(delivery for lane in recipient.lanes for delivery in lane),
        unacknowledged=waiting(iter(recipient.unacknowledged.values())),
    )


def _fill(parts: Parts, recipient: Recipient, mailbox: _Mailbox) -> None:
    if mailbox.away:
        parts.attendance.leave(recipient)
    _write(recipient, mailbox.counts)
    recipient.latency = _copy(mailbox.latency)
    for number, (total, dropped) in enumerate(mailbox.quotas):
        if total or dropped:
            quota = _quota(recipient, number)
            quota.total, quota.dropped = total, dropped
    for each in mailbox.waiting:
        delivery = _delivery(recipient, each)
        quota = delivery._target.quota
        quota.waiting += 1
        quota.enter(delivery)
        quota.lane.put(delivery)
        parts.ledger.more_busy(int(quota.lane.counted))
    for each in mailbox.unacknowledged:
        delivery = _delivery(recipient, each)
        recipient.unacknowledged[each.message.id] = delivery
    if mailbox.peak:
        recipient.first_lane.peak = max(mailbox.peak, recipient.first_lane.peak)
    parts.readiness.arrange_all(recipient)


def _delivery(recipient: Recipient, waiting: _Waiting) -> Delivery:
    all_ = recipient.subscriptions
    matched = tuple(all_[number] for number in waiting.subscriptions)
    target = Target(recipient, _quota(recipient, waiting.quota), matched, wildcard=waiting.wildcard)
    delivery = Delivery(waiting.message, target, None)
    delivery.attempt, delivery.redelivered = waiting.attempt, waiting.redelivered
    delivery._arrived = waiting.arrived
    return delivery


def _copy(latency: Histogram | None) -> Histogram | None:
    if latency is None:
        return None
    copy = Histogram()
    copy.merge(latency)
    return copy


def _read(owner: object, names: tuple[str, ...]) -> dict[str, Any]:
    """Return what `owner` keeps under `names`; containers are copied."""
    values = {name: getattr(owner, name) for name in names}
    return {name: value.copy() if hasattr(value, "copy") else value for name, value in values.items()}


def _write(owner: object, values: dict[str, Any]) -> None:
    for name, value in values.items():
        setattr(owner, name, value.copy() if hasattr(value, "copy") else value)
