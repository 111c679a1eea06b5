"""What a run looks like in a terminal: its progress, and tables of what came of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self, final

from rich import box
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import TracebackType

    from rich.console import Console

    import stentor
    from stentor.demo._club import Poll, Run

MOST_LISTED = 60
"""Up to how many members are listed one by one; of more, only each side."""

_STANDING = (
    "[dark_orange]{task.fields[first]:,} with {task.fields[sides][0]}[/] · "
    "[blue]{task.fields[second]:,} with {task.fields[sides][1]}[/]"
)


@final
class Display:
    """The live progress of a run, as the pollster reports it; a context manager."""

    def __init__(self, console: Console, *, members: int, rounds: int, sides: tuple[str, str]) -> None:
        self._members = members
        self._progress = Progress(
            SpinnerColumn(),
            TextColumn("round {task.fields[round]:>3}/{task.fields[rounds]}"),
            BarColumn(bar_width=18),
            TextColumn(_STANDING),
            TimeElapsedColumn(),
            console=console,
        )
        self._task = self._progress.add_task(
            "", total=members * rounds, round=1, rounds=rounds, first=0, second=0, sides=sides
        )

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._progress.stop()

    def report(self, poll: Poll) -> None:
        """Show how it stands."""
        spoken = (poll.round - 1) * self._members + poll.heard
        self._progress.update(self._task, completed=spoken, round=poll.round, first=poll.first, second=poll.second)


def table_of_members(run: Run, names: Mapping[str, str], real: Mapping[str, str] | None) -> Table:
    """One row a member: its opinion and side, and whether that is the one it really took.

    Args:
        run: What to tell of.
        names: What the side of each leader is called.
        real: Which side each member really took, if that is known.
    """
    table = Table(box=box.SIMPLE_HEAD)
    for heading in ("member", "friends", "opinion"):
        table.add_column(heading, justify="right")
    table.add_column("predicted side")
    if real is not None:
        table.add_column("real side")
        table.add_column("agree", justify="center")
    for member, side in sorted(run.sides.items(), key=lambda item: _by_number(item[0])):
        row = [
            member,
            f"{len(run.network.friends[member])}",
            f"{run.opinions[member][-1]:+.2f}",
            _name(side, run, names),
        ]
        if real is not None:
            row += [_name(real[member], run, names), "[green]yes[/]" if side == real[member] else "[bold red]no[/]"]
        table.add_row(*row)
    return table


def table_of_sides(run: Run, names: Mapping[str, str]) -> Table:
    """One row a side: how many members it has, and their average opinion."""
    table = Table(box=box.SIMPLE_HEAD)
    table.add_column("predicted side")
    table.add_column("members", justify="right")
    table.add_column("average opinion", justify="right")
    for leader in (*run.leaders, None):
        last = [run.opinions[member][-1] for member, side in run.sides.items() if side == leader]
        if last:
            table.add_row(_name(leader, run, names), f"{len(last):,}", f"{sum(last) / len(last):+.2f}")
    return table


def table_of_statistics(statistics: stentor.BusStatistics, seconds: float) -> Table:
    """What the bus counted, and how fast it was."""
    latency = statistics.latency
    table = Table(box=box.SIMPLE_HEAD, title="the bus", title_justify="left", show_header=False)
    table.add_column()
    table.add_column(justify="right")
    table.add_row("messages", f"{statistics.messages:,}")
    table.add_row("deliveries", f"{statistics.handled:,}")
    table.add_row("deliveries/s", f"{statistics.handled / seconds:,.0f}")
    for name, value in (
        ("median", latency.p50),
        ("90 %", latency.p90),
        ("99 %", latency.p99),
        ("longest", latency.maximum),
    ):
        table.add_row(f"latency, {name}", f"{value * 1000.0:,.3f} ms")
    return table


def _name(side: str | None, run: Run, names: Mapping[str, str]) -> str:
    if side is None:
        return "undecided"
    colour = "dark_orange" if side == run.leaders[0] else "blue"
    return f"[{colour}]{names[side]}[/]"


def _by_number(name: str) -> tuple[bool, int, str]:
    """The key that puts numbers first, in their order, and names after them, in theirs."""
    return not name.isdecimal(), int(name) if name.isdecimal() else 0, name
