"""What bridges tell each other, and what is done about it: beacons, roll calls, who has which agents, goodbyes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, final

from stentor.bridge._body import CONTROL, Beacon, Goodbye, Presence, RollCall, decode_control
from stentor.bridge._errors import BadEnvelope
from stentor.bridge._gaps import Gap, GapKind

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from stentor.bridge._clock import AnchoredClock
    from stentor.bridge._counting import Counts
    from stentor.bridge._directory import Directory
    from stentor.bridge._envelope import Envelope
    from stentor.bridge._incoming import Incoming
    from stentor.bridge._sender import Sender
    from stentor.bridge._sequencing import Origin, Sequencing


PATIENCE: Final = 1.0
"""Seconds to wait for an answer to a roll call before it is made again."""


@final
class Roll:
    """The roll calls of one bridge: the last one counts."""

    def __init__(self, node: str, fresh: Callable[[], bool], now: Callable[[], float]) -> None:
        """Have called nothing; `fresh` says whether nothing has been numbered here yet."""
        self._node = node
        self._fresh = fresh
        self._now = now
        self._called = 0.0
        self.number = 0
        """The number of the last one, 0 before the first."""
        self.say: Callable[[RollCall], object] = _nothing

    def call(self, *, names: bool) -> None:
        """Ask all origins how far they are."""
        self.number += 1
        self._call(names=names)

    def again(self) -> None:
        """Ask once more who has not answered, unless it was a moment ago."""
        if self.number and self._now() - self._called >= PATIENCE:
            self._call(names=False)

    def _call(self, *, names: bool) -> None:
        self._called = self._now()
        self.say(RollCall(self._node, self.number, names, self._fresh()))


def _nothing(_: object) -> None:
    pass


@final
class Controls:
    """Takes what other bridges tell."""

    def __init__(
        self,
        *,
        sequencing: Sequencing,
        incoming: Incoming,
        directory: Directory | None,
        sender: Sender,
        clock: AnchoredClock,
        counts: Counts,
        follows: Callable[[str], bool],
        roll: Roll,
        node: str,
    ) -> None:
        """Take it for these parts of the bridge; `follows` says whether the numbers of a scope are of interest."""
        self._roll = roll
        self._node = node
        self._sequencing = sequencing
        self._incoming = incoming
        self._directory = directory
        self._sender = sender
        self._clock = clock
        self._counts = counts
        self._follows = follows

    def join(self) -> None:
        """Ask all others how far they are and whom they have, and tell them whom this node has.

        To be called when what they say comes here: of two that join at once, one is then heard by the other.
        """
        self._roll.call(names=True)
        if self._directory is not None:
            self._directory.introduce()

    def take(self, envelope: Envelope) -> None:
        """Do what an envelope that holds no message asks for, or tells."""
        if envelope.kind not in CONTROL:
            self._counts.refuse("kind", envelope.kind)
            return
        try:
            control = decode_control(envelope.kind, envelope.body)
        except BadEnvelope as error:
            self._counts.refuse(error.reason)
            return
        now = self._clock.steady()
        known = self._sequencing.origin(envelope.origin, now)
        self._meet(known, envelope.origin, control.node, now)
        if isinstance(control, Beacon):
            self._beacon(known, envelope.origin, control)
        elif isinstance(control, RollCall):
            self._roll_call(known, control)
        elif isinstance(control, Presence):
            if self._directory is not None:
                self._directory.take(control, envelope.origin, now)
        else:
            self._goodbye(known, envelope.origin, control)

    def _meet(self, known: Origin, origin: bytes, node: str, now: float) -> None:
        """Learn which node an origin is; if that was another origin before, this one is its successor."""
        if self._directory is not None:
            self._directory.heard(node, origin, now)
        if known.node == node:
            return
        known.node = node
        for earlier, other in self._sequencing.items():
            if other.node == node and earlier != origin and not other.gone:
                other.gone = True
                self._counts.gap(
                    Gap(
                        kind=GapKind.SUCCEEDED,
                        node=node,
                        reason="it was restarted, and what it had not sent before is lost",
                    )
                )

    def _beacon(self, known: Origin, origin: bytes, beacon: Beacon) -> None:
        self._sequencing.begin_anew(known, beacon.forgotten)
        answer = self._roll.number != 0 and beacon.answers.get(self._node) == self._roll.number
        self._reach(known, origin, beacon.scopes, answer=answer)
        if answer and beacon.last:
            known.answered = True
        elif not known.answered and not beacon.answers:
            self._roll.again()

    def _roll_call(self, known: Origin, call: RollCall) -> None:
        """Answer it; who has numbered nothing yet has also answered ours."""
        known.answered = known.answered or call.fresh
        self._sender.answer(call.node, call.number)
        if call.names and self._directory is not None:
            self._directory.introduce()

    def _goodbye(self, known: Origin, origin: bytes, goodbye: Goodbye) -> None:
        self._reach(known, origin, goodbye.scopes, answer=False)
        known.gone = True
        if self._directory is not None:
            self._directory.leave(goodbye.node)

    def _reach(self, known: Origin, origin: bytes, scopes: Mapping[str, int], *, answer: bool) -> None:
        followed = {scope: number for scope, number in scopes.items() if self._follows(scope)}
        for scope, missing in self._sequencing.reach(known, followed, answer=answer).items():
            self._incoming.hole(origin, scope, missing, "nothing came after them")
