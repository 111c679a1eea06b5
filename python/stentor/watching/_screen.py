"""The screen: what `stentor top` shows of one snapshot, and of how it differs from the one before."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any, Final, final

from rich import box
from rich.columns import Columns
from rich.console import Group
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from rich.console import RenderableType

    Snapshot = dict[str, Any]

ROWS: Final = 12
BLOCKS: Final = "▁▂▃▄▅▆▇█"
HISTORY: Final = 40


@final
class Screen:
    """Turns snapshots into what is shown; it remembers the last for rates, and some rates for a curve."""

    def __init__(self, title: str) -> None:
        """Begin with an empty screen."""
        self._title = title
        self._before: Snapshot | None = None
        self._rates: deque[float] = deque(maxlen=HISTORY)

    def draw(self, now: Snapshot) -> RenderableType:
        """Return what is shown of a snapshot."""
        before = self._before or now
        seconds = now["uptime"] - before["uptime"]
        self._before = now
        rate = _rate(now["handled"] - before["handled"], seconds)
        self._rates.append(rate)
        earlier = {each["name"]: each for each in before["members"]}
        members: list[Snapshot] = []
        for each in now["members"]:
            old = earlier.get(each["name"], each)
            busy = _rate(each["blocked"] - old["blocked"], seconds)
            members.append(each | {"rate": _rate(each["handled"] - old["handled"], seconds), "busy": busy})
        return Group(
            self._head(now, _rate(now["messages"] - before["messages"], seconds), rate),
            Columns([_busiest(members), _slowest(members), _fullest(members)], padding=(0, 1)),
            Columns([_problems(now), _dead(now)], padding=(0, 1)),
        )

    def _head(self, now: Snapshot, published: float, handled: float) -> RenderableType:
        half, most, longest = now["latency"]
        line = Text.assemble(
            *_pair("up", span(now["uptime"])),
            *_pair("agents", f"{now['agents']:,}"),
            *_pair("subscriptions", f"{now['subscriptions']:,}"),
            *_pair("waiting", f"{now['waiting']:,}"),
            *_pair("running", f"{now['running']:,}"),
            *_pair("dead", f"{now['dead']:,}", "bold red" if now["dead"] else "bold"),
            *_pair("dropped", f"{now['dropped']:,}", "bold yellow" if now["dropped"] else "bold"),
        )
        rates = Text.assemble(
            *_pair("published", f"{published:,.0f}/s"),
            *_pair("handled", f"{handled:,.0f}/s"),
            (_curve(self._rates), "cyan"),
            "   ",
            *_pair("half within", span(half)),
            *_pair("99 % within", span(most)),
            *_pair("longest", span(longest)),
        )
        return Panel(Group(line, rates), title=Text(self._title, "bold"), title_align="left", border_style="cyan")


def _pair(name: str, value: str, style: str = "bold") -> tuple[tuple[str, str], ...]:
    return (f"{name} ", "dim"), (value, style), ("   ", "")


def _rate(count: float, seconds: float) -> float:
    return count / seconds if seconds > 0 else 0.0


def _curve(rates: Iterable[float]) -> str:
    heights = list(rates)
    most = max(heights, default=0.0) or 1.0
    return "".join(BLOCKS[min(7, int(height / most * 7.999))] for height in heights)


def span(seconds: float) -> str:
    """Return a span of time as people read it."""
    for limit, unit, factor in ((1e-3, "µs", 1e6), (1.0, "ms", 1e3), (120.0, "s", 1.0), (7200.0, "min", 1 / 60)):
        if seconds < limit:
            return f"{seconds * factor:.3g} {unit}"
    return f"{seconds / 3600:.3g} h"


def clean(text: str) -> Text:
    """Return a text of a program's, without what a terminal would take for an order."""
    return Text("".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text), no_wrap=True)


def _table(title: str, *heads: str) -> Table:
    table = Table(title=title, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column(heads[0], min_width=16, max_width=24, no_wrap=True)
    for head in heads[1:]:
        table.add_column(head, justify="right", no_wrap=True)
    return table


def _top(members: list[Snapshot], rank: Callable[[Snapshot], float]) -> list[Snapshot]:
    return [each for each in sorted(members, key=rank, reverse=True)[:ROWS] if rank(each) > 0]


def _busiest(members: list[Snapshot]) -> Table:
    table = _table("busiest", "agent", "handled/s", "handled", "dead")
    for each in _top(members, lambda each: each["rate"] + each["handled"] * 1e-12):
        dead = Text(f"{each['dead']:,}" if each["dead"] else "", "red")
        table.add_row(clean(each["name"]), f"{each['rate']:,.0f}", f"{each['handled']:,}", dead)
    return table


def _slowest(members: list[Snapshot]) -> Table:
    table = _table("slowest handlers", "agent", "half", "99 %", "blocks", "at most")
    for each in _top(members, lambda each: each["p99"]):
        busy = Text(f"{each['busy']:.0%}", "red" if each["busy"] > 0.5 else "")  # noqa: PLR2004 - half of all time
        table.add_row(clean(each["name"]), span(each["p50"]), span(each["p99"]), busy, span(each["longest_block"]))
    return table


def _fullest(members: list[Snapshot]) -> Table:
    table = _table("fullest mailboxes", "agent", "waiting", "peak", "dropped")
    for each in _top(members, lambda each: each["waiting"] + each["peak"] * 1e-12):
        dropped = f"{each['dropped']:,}" if each["dropped"] else ""
        table.add_row(clean(each["name"]), f"{each['waiting']:,}", f"{each['peak']:,}", dropped)
    return table


def _problems(now: Snapshot) -> Table:
    table = _table("what is wrong now", "agent")
    table.columns[0].min_width, table.columns[0].max_width = 30, 70
    for agent, trouble, detail in now["problems"][:ROWS]:
        table.add_row(Text.assemble((f"{trouble.lower()} ", "red"), clean(f"{agent}: {detail}")))
    if not now["problems"]:
        table.add_row(Text("nothing", "green"))
    return table


def _dead(now: Snapshot) -> Table:
    table = _table("dead topics", "topic", "dead letters")
    for topic, count in now["dead_topics"][:ROWS]:
        table.add_row(clean(topic), Text(f"{count:,}", "red"))
    for pattern in now["silent"][: ROWS - len(now["dead_topics"][:ROWS])]:
        table.add_row(clean(pattern), Text("nothing has come", "dim"))
    return table
