"""How a bridge is: its state and what is wrong, told in `Bus.health`, on topics of its own, and in its statistics."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, final

from stentor import Problem, Trouble
from stentor.bridge._counting import AGES, BridgeStatistics
from stentor.bridge._gaps import Gap, GapKind
from stentor.bridge._shards import Streams

if TYPE_CHECKING:
    from collections.abc import Iterator

    from stentor.bridge._link import Interruption, LinkState
    from stentor.bridge._parts import Parts

CONNECTED: Final = "connected"
RECONNECTING: Final = "reconnecting"
DEGRADED: Final = "degraded"


@final
class Condition:
    """Is told by the parts of a bridge what happens to them, and tells others."""

    def __init__(self) -> None:
        """Tell nothing before there are parts."""
        self._parts: Parts | None = None

    def attach(self, parts: Parts) -> None:
        """Tell of these parts from now on."""
        self._parts = parts

    def state(self) -> tuple[str, str]:
        """Return the state, the worse of those of both links, and why it is so."""
        if self._parts is None:
            return RECONNECTING, "not connected yet"
        states = [link.state for link in (self._parts.send_link, self._parts.receive_link)]
        for name in (DEGRADED, RECONNECTING):
            for state in states:
                if state.name == name:
                    return name, state.reason
        trouble = self._parts.sender.trouble
        return (DEGRADED, trouble) if trouble else (CONNECTED, "")

    # -- what happens ---------------------------------------------------------------------------------------------

    def on_state(self, state: LinkState) -> None:
        """Announce the state, of which that of one link is a part."""
        del state
        name, reason = self.state()
        if self._parts is not None:
            self._announce("state", {"state": name, "reason": reason, "node": self._parts.node}, retain=True)

    def on_interruption(self, interruption: Interruption) -> None:
        """Report that there was no connection for a while."""
        if self._parts is not None:
            gap = Gap(kind=GapKind.DOWN, seconds=interruption.seconds, reason=interruption.reason)
            self._parts.counts.gap(gap)

    def report(self, gap: Gap) -> None:
        """Announce a gap."""
        self._announce("gap", gap)

    def dispute(self, name: str, node: str) -> None:
        """Announce that an agent here and one at another node have the same name."""
        self._announce("disputed", {"agent": name, "node": node})

    def _announce(self, topic: str, payload: object, *, retain: bool = False) -> None:
        if self._parts is not None and not self._parts.extension.closed:
            self._parts.extension.announce(topic, payload, retain=retain)

    # -- what is wrong --------------------------------------------------------------------------------------------

    def problems(self) -> Iterator[Problem]:
        """Return what is wrong now."""
        parts = self._parts
        if parts is None:
            return
        name = parts.extension.name
        state, reason = self.state()
        if state != CONNECTED:
            trouble = Trouble.RECONNECTING if state == RECONNECTING else Trouble.DEGRADED
            yield Problem(agent=name, trouble=trouble, detail=f"{parts.address}: {reason}")
        if parts.outbox.is_full:
            detail = f"{len(parts.outbox)} messages of {parts.outbox.bytes} bytes wait for the server"
            yield Problem(agent=name, trouble=Trouble.FULL, detail=detail)
        limit = parts.settings.max_length
        if parts.trimming is not None and parts.trimming.longest > limit / 2:
            detail = f"a stream is {parts.trimming.longest} long, and at {limit} it is cut back"
            yield Problem(agent=name, trouble=Trouble.FULL, detail=detail)
        if parts.directory is not None:
            if parts.directory.doubled:
                detail = f"another process calls itself node {parts.node!r}, too"
                yield Problem(agent=name, trouble=Trouble.DEGRADED, detail=detail)
            for agent, node in parts.directory.disputed.items():
                detail = f"the name {agent!r} is taken twice: here and at node {node!r}"
                yield Problem(agent=name, trouble=Trouble.DEGRADED, detail=detail)

    # -- figures --------------------------------------------------------------------------------------------------

    def statistics(self, parts: Parts) -> BridgeStatistics:
        """Return what the bridge has done so far, and how it is."""
        state, reason = self.state()
        outbox, counts, trimming, directory = parts.outbox, parts.counts, parts.trimming, parts.directory
        links = [parts.send_link.statistics(), parts.receive_link.statistics()]
        oldest = outbox.oldest()
        return BridgeStatistics(
            state=state,
            reason=reason,
            accepted=outbox.accepted,
            sent=outbox.confirmed,
            dropped=outbox.dropped,
            expired=outbox.expired,
            outbox=len(outbox),
            outbox_bytes=outbox.bytes,
            outbox_peak=outbox.peak,
            outbox_age=0.0 if oldest is None else parts.clock.steady() - oldest,
            sent_again=outbox.repeated,
            delivered=counts.delivered,
            unheard=counts.unheard,
            repeats=counts.repeats,
            redelivered=counts.redelivered,
            claimed=counts.claimed,
            missing=counts.missing,
            gaps={kind.value: number for kind, number in counts.gaps.items()},
            refused=dict(counts.refused),
            ages=dict(zip(AGES, counts.ages, strict=True)),
            oldest_age=counts.oldest_age,
            replies=counts.replies,
            late_replies=counts.late_replies,
            reconnects=sum(max(0, each.connects - 1) for each in links),
            last_error=next((each.last_error for each in links if each.last_error), ""),
            round_trip=max(each.round_trip or 0.0 for each in links),
            lag=0 if trimming is None else trimming.lag,
            unacknowledged=len(parts.transport.acknowledging) if isinstance(parts.transport, Streams) else 0,
            stream_length=0 if trimming is None else trimming.longest,
            trimmed=0 if trimming is None else trimming.trimmed,
            agents=0 if directory is None else len(directory),
            disputed={} if directory is None else dict(directory.disputed),
        )
