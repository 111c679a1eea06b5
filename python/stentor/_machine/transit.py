"""Transit: between publisher and mailbox a message may take its time, come twice, or be lost.

A delivery on its way has been accepted and has its room in the mailbox, like one that waits for another attempt: it
counts as waiting, keeps the bus from being settled, and is withdrawn, abandoned or pushed out in the same way. Its
attempt is number 0 until it arrives.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, final

from stentor._mechanisms.deliveries import BACKING_OFF, Delivery, recipient_of
from stentor._mechanisms.routes import Selection
from stentor._values import checks

if TYPE_CHECKING:
    from collections.abc import Callable

    from stentor._machine.calls import Calls
    from stentor._machine.dispatcher import Dispatcher
    from stentor._machine.ledger import Ledger
    from stentor._machine.timers import Timers
    from stentor._mechanisms.deliveries import Watcher
    from stentor._mechanisms.observing import Transit
    from stentor._mechanisms.routes import Target
    from stentor._values.messages import Message


@final
class Carriage:
    """Accepts messages in the place of the dispatcher, as a `Transit` says that they arrive."""

    def __init__(
        self,
        transit: Transit,
        clock: Callable[[], float],
        *,
        dispatcher: Dispatcher,
        calls: Calls,
        ledger: Ledger,
        timers: Timers,
    ) -> None:
        """Carry to the mailboxes of `dispatcher`."""
        self._transit = transit
        self._clock = clock
        self._dispatcher = dispatcher
        self._calls = calls
        self._ledger = ledger
        self._timers = timers

    def accept(self, message: Message, selection: Selection, watcher: Watcher | None = None) -> None:
        """Put `message` into the mailbox of every target, now, later, more than once or never."""
        at_once: list[Target] = []
        later: list[tuple[Target, float]] = []
        broken = list(selection.broken)
        for target in selection.targets:
            try:
                given = self._transit.arrivals(message, target.recipient.name)
                arrivals = [checks.seconds("arrivals()", delay, zero=True) for delay in given]
            except Exception as error:  # noqa: BLE001 - a failed delivery, not a failed publish
                broken.append((target, error))
                continue
            if not arrivals:
                self._dispatcher.drop(message, target)
            at_once += [target for delay in arrivals if not delay]
            later += [(target, delay) for delay in arrivals if delay]
        for target, delay in later:
            self._send(Delivery(message, target, watcher), delay)
        self._dispatcher.accept(message, Selection(at_once, broken), watcher)

    def _send(self, delivery: Delivery, delay: float) -> None:
        """Let `delivery` come into its mailbox after so many seconds."""
        quota = delivery._target.quota
        recipient = recipient_of(delivery)
        recipient.addressed += 1
        if (quota.waiting >= quota.capacity or quota.tracks) and not self._dispatcher._make_room(quota, delivery):
            return
        quota.waiting += 1
        quota.total += 1
        delivery.attempt = 0
        delivery._state = BACKING_OFF
        if delivery._watcher is not None:
            delivery._watcher.accepted(delivery)
        self._ledger.more_busy(1)
        arrive = partial(self._calls._rejoin, delivery, recipient)
        recipient.backing_off[delivery] = self._timers.at(self._clock() + delay, arrive)
