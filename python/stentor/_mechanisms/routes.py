"""Routes: from the subscriptions that match a topic to the recipients of one message."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, final

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from stentor._mechanisms.mailbox import Quota
    from stentor._mechanisms.recipients import Recipient
    from stentor._mechanisms.subscriptions import Subscription
    from stentor._values.messages import Message


@final
class Target:
    """One recipient of a message: its subscriptions that match, and the quota that governs the delivery."""

    __slots__ = ("quota", "recipient", "subscriptions", "wildcard")

    def __init__(
        self,
        recipient: Recipient,
        quota: Quota,
        subscriptions: tuple[Subscription, ...] = (),
        *,
        wildcard: bool = False,
    ) -> None:
        """Make the target; `wildcard` says whether the governing subscription is a wildcard pattern."""
        self.recipient = recipient
        self.quota = quota
        self.subscriptions = subscriptions
        self.wildcard = wildcard

    @property
    def is_called(self) -> bool:
        """Whether a handler will be called with the message, message by message."""
        return self.quota.lane.realtime and self.recipient.handler is not None and not self.recipient.durable

    @property
    def is_there(self) -> bool:
        """Whether somebody takes the message now: a handler, a mailbox that is polled, or an owner who receives."""
        recipient = self.recipient
        if recipient.away:
            return False
        lane = self.quota.lane
        return recipient.handler is not None or recipient.is_feed or lane.counted or not lane.realtime


@final
class Selection:
    """Whom one message is for, in subscription order, and whose filter failed on it."""

    __slots__ = ("broken", "durable", "names", "targets", "wildcards")

    def __init__(self, targets: Sequence[Target], broken: Sequence[tuple[Target, Exception]] = ()) -> None:
        """Select `targets`; `broken` are recipients whose filter raised, with what it raised."""
        self.targets: Sequence[Target] = tuple(target for target in targets if not target.recipient.durable)
        """Those into whose mailboxes it is put in one step."""
        self.durable: Sequence[Target] = tuple(target for target in targets if target.recipient.durable)
        """Those in whose stored mailboxes it must be before."""
        self.broken: Sequence[tuple[Target, Exception]] = broken
        self.names: tuple[str, ...] = tuple(target.recipient.name for target in targets)
        self.wildcards: int = sum(target.wildcard for target in targets)
        """How many of them are reached through a wildcard."""

    @property
    def all_targets(self) -> Sequence[Target]:
        """All recipients: first those that get it in one step, then the durable ones."""
        return (*self.targets, *self.durable)

    def only(self, targets: Sequence[Target]) -> Selection:
        """Return the selection of `targets` instead of all; whose filter failed stays so."""
        return Selection(targets, self.broken)


NOBODY: Final = Selection(())


@final
class Route:
    """Who may receive what is published to one topic: immutable, shared by all publishes until a subscription changes.

    Without filters and queue groups this is the same for every message, and made once.
    """

    __slots__ = ("_subscriptions", "selection")

    def __init__(self, subscriptions: tuple[Subscription, ...]) -> None:
        """Make the route from the subscriptions that match, in order of subscription."""
        self._subscriptions = subscriptions
        self.selection: Selection | None = None
        """Whom every message is for, or None where that depends on the message."""
        if all(sub.options.filter is None and sub.options.group is None for sub in subscriptions):
            self.selection = Selection(_targets(subscriptions))

    def select(self, message: Message, choose: Callable[[Sequence[Subscription]], Subscription]) -> Selection:
        """Return whom `message` is for; `choose` picks the member of a queue group that it goes to.

        A filter that raises lets nothing pass; where no other subscription of the recipient does, it is broken.
        """
        if self.selection is not None:
            return self.selection
        passing: list[Subscription] = []
        groups: dict[tuple[str, str], list[Subscription]] = {}
        failed: dict[Subscription, Exception] = {}
        for subscription in self._subscriptions:
            options = subscription.options
            try:
                if options.filter is not None and not options.filter.passes(message):
                    continue
            except Exception as error:  # noqa: BLE001 - a failed delivery, not a failed publish
                failed[subscription] = error
                continue
            if options.group is None:
                passing.append(subscription)
            else:
                groups.setdefault((options.group, subscription.pattern), []).append(subscription)
        passing += map(choose, groups.values())
        passing.sort(key=_id)
        reached = {subscription._recipient for subscription in passing}
        broken = {s._recipient: (s, error) for s, error in failed.items() if s._recipient not in reached}
        return Selection(_targets(passing), [(_targets((s,))[0], error) for s, error in broken.values()])


def _targets(subscriptions: Sequence[Subscription]) -> tuple[Target, ...]:
    matched: dict[Recipient, list[Subscription]] = {}
    for subscription in subscriptions:
        matched.setdefault(subscription._recipient, []).append(subscription)
    return tuple(
        Target(recipient, subs[0]._quota, tuple(subs), wildcard=subs[0].is_wildcard)
        for recipient, subs in matched.items()
    )


def _id(subscription: Subscription) -> int:
    return subscription._id
