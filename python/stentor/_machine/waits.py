"""Who waits for whom: a wait that would close a cycle is refused, because nobody in the cycle could go on.

A handler may wait for room in a mailbox, or for the handlers of what it published. An agent can go on when it has a
free slot, or when one of its running handlers can; a handler can go on when it waits for nothing, or when everyone it
waits for can. Whoever cannot, by the greatest fixed point of these two rules, is stuck for ever (the AND-OR model of
deadlocks: Knapp, "Deadlock detection in distributed databases", 1987). The rules are looked at before a wait begins;
waits outside of handlers hold nobody up, so they are neither checked nor entered.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, final

from stentor._mechanisms.deliveries import current_delivery, recipient_of
from stentor._values.errors import DeadlockError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from stentor._mechanisms.deliveries import Delivery
    from stentor._mechanisms.recipients import Recipient


@final
class Waits:
    """The waits of all running handlers."""

    __slots__ = ("_waits",)

    def __init__(self) -> None:
        """Begin with nobody waiting."""
        self._waits: dict[Delivery, list[Sequence[Recipient]]] = {}

    @contextmanager
    def waiting_for(self, targets: Sequence[Recipient]) -> Iterator[None]:
        """Enter that the current handler waits for all of `targets`, for as long as the block lasts.

        Raises:
            DeadlockError: One of them can only go on when the current handler does.
        """
        waiter = current_delivery.get()
        if waiter is None:
            yield
            return
        waits = self._waits.setdefault(waiter, [])
        waits.append(targets)
        try:
            self._refuse_cycle(recipient_of(waiter), targets)
            yield
        finally:
            waits.remove(targets)
            if not waits:
                self._waits.pop(waiter, None)

    def _refuse_cycle(self, waiter: Recipient, targets: Sequence[Recipient]) -> None:
        stuck = self._stuck_among(targets)
        target = next((target for target in targets if target in stuck), None)
        if target is None:
            return
        names = [waiter.name, *(recipient.name for recipient in self._path(target, stuck))]
        raise DeadlockError(tuple(names))

    def _stuck_among(self, targets: Sequence[Recipient]) -> set[Recipient]:
        """Return, of everyone whom `targets` wait for (themselves included), those who can never go on."""
        stuck = set(targets)
        pending = list(targets)
        while pending:
            for blocker in self._blockers(pending.pop()):
                if blocker not in stuck:
                    stuck.add(blocker)
                    pending.append(blocker)
        while going := [recipient for recipient in stuck if self._goes_on(recipient, stuck)]:
            stuck.difference_update(going)
        return stuck

    def _goes_on(self, recipient: Recipient, stuck: set[Recipient]) -> bool:
        if recipient.slots or not recipient.running or recipient.handler is None:
            return True
        return any(
            all(stuck.isdisjoint(targets) for targets in self._waits.get(delivery, ()))
            for delivery in recipient.running
        )

    def _blockers(self, recipient: Recipient) -> Iterator[Recipient]:
        for delivery in recipient.running:
            for targets in self._waits.get(delivery, ()):
                yield from targets

    def _path(self, target: Recipient, stuck: set[Recipient]) -> list[Recipient]:
        """Follow the waits from `target` through those who are stuck until one comes up again."""
        path = [target]
        while (follower := next(b for b in self._blockers(path[-1]) if b in stuck)) not in path:
            path.append(follower)
        return [*path, follower]
