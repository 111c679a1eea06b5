"""Addressing: whom a message is for, by topic, by the name of one agent, or everybody."""

from __future__ import annotations

from typing import TYPE_CHECKING, final

from stentor._mechanisms.routes import Selection, Target
from stentor._values.errors import UnknownAgentError
from stentor._values.messages import AddressingMode

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from random import Random

    from stentor._mechanisms.recipients import Recipient
    from stentor._mechanisms.registry import Registry
    from stentor._mechanisms.subscriptions import Subscription, SubscriptionTable
    from stentor._values.messages import Message


@final
class Addressing:
    """Finds the recipients of each message, in subscription order; whoever is addressed by name comes first."""

    def __init__(self, table: SubscriptionTable, registry: Registry, random: Random) -> None:
        """Look recipients up in `table` and `registry`; `random` decides between equals in a queue group."""
        self._table = table
        self._cached_route = table.cached.get
        self._registry = registry
        self._random = random
        self.lookups: int = 0
        """How many routes were looked up."""

    def select(self, message: Message) -> Selection:
        """Return whom `message` is for, now.

        Raises:
            UnknownAgentError: It is DIRECT, and there is no agent of that name.
        """
        self.lookups += 1
        route = self._cached_route(message.topic)
        if route is None:
            route = self._table.route(message.topic)
        selection = route.select(message, self._choose)
        if message.addressing is AddressingMode.TOPIC:
            return selection
        if message.addressing is AddressingMode.DIRECT:
            addressee = self._registry.addressee(message.topic)
            if addressee is None:
                raise UnknownAgentError(message.topic)
            return _addressed(message, [addressee], selection)
        return _addressed(message, [r for r in self._registry.agents() if r.name != message.sender], selection)

    def _choose(self, candidates: Sequence[Subscription]) -> Subscription:
        """Return the member of a queue group whose agent is readiest; chance decides between equals."""
        ranks = [candidate.readiness for candidate in candidates]
        best = min(ranks)
        return self._random.choice([c for c, rank in zip(candidates, ranks, strict=True) if rank == best])


def _addressed(message: Message, recipients: Iterable[Recipient], observers: Selection) -> Selection:
    """Return `recipients` with the options of their registration, and after them everyone who observes."""
    observing = {target.recipient: target for target in observers.all_targets}
    targets: list[Target] = []
    broken = {target.recipient: (target, error) for target, error in observers.broken}
    for recipient in recipients:
        broken.pop(recipient, None)
        subscriptions = observing.pop(recipient).subscriptions if recipient in observing else ()
        target = Target(recipient, recipient.quota, subscriptions)
        passes = recipient.options.filter
        try:
            if passes is None or passes.passes(message):
                targets.append(target)
        except Exception as error:  # noqa: BLE001 - a failed delivery, not a failed publish
            broken[recipient] = target, error
    return Selection([*targets, *observing.values()], tuple(broken.values()))
