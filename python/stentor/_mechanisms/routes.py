"""Routes: from the subscriptions that match a topic to the recipients of one message."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, final

from stentor._native import RouteState
from stentor._native import Selection as Selection
from stentor._native import Target as Target

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from stentor._mechanisms.recipients import Recipient
    from stentor._mechanisms.subscriptions import Subscription
    from stentor._values.messages import Message


NOBODY: Final = Selection(())


@final
class Route(RouteState):
    """Who may receive what is published to one topic: immutable, shared by all publishes until a subscription changes.

    Without filters and queue groups this is the same for every message, and made once.
    """

    __slots__ = ("_subscriptions",)

    def __init__(  # pyright: ignore[reportInconsistentConstructor] - the native part takes whatever comes
        self, subscriptions: tuple[Subscription, ...]
    ) -> None:
        """Make the route from the subscriptions that match, in order of subscription."""
        self._subscriptions = subscriptions
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
