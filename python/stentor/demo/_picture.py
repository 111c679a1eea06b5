"""The picture of a run: the network with both sides, and the opinions over time."""

# pyright: reportUnknownMemberType=false
# (matplotlib leaves its keyword arguments without types)

from __future__ import annotations

from typing import TYPE_CHECKING, final

import attrs
import numpy as np
from matplotlib.collections import LineCollection
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patheffects import withStroke
from matplotlib.ticker import MaxNLocator

from stentor.demo._layout import nearest_to, places_of

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from matplotlib.axes import Axes

    from stentor.demo._club import Run

COLOURS = ("#d9722e", "#2f6fb0")
UNDECIDED = "#9b9b9b"
INK = "#2b2b2b"
PAPER = "#fcfbf8"
SHAPES = ("o", "s")

MOST_SHOWN = 120
"""How many members of a larger network are drawn, those nearest to the leaders."""

MOST_LABELLED = 60
"""Up to how many members all names are written; beyond, the leaders' alone."""

LONGEST_INSIDE = 3
"""Up to how many characters a name is written into its member; a longer one beside it."""

LONGEST_NAME = 16
"""After how many characters a name is cut."""

BINS = 80
"""Into how many steps the density divides the opinions from -1 to 1; even, so that none is on both sides."""

MOST_LINES = 200
"""Up to how many members the opinions are drawn as one line each; beyond, as a density."""


@final
@attrs.frozen
class Caption:
    """What the picture says in words.

    Attributes:
        title: The first line.
        subtitle: The second.
        sides: What the two sides are called.
    """

    title: str
    subtitle: str
    sides: tuple[str, str]


def draw(run: Run, path: Path, caption: Caption, *, real: Mapping[str, str] | None) -> None:
    """Draw a run into a file, whose suffix says the format.

    Args:
        run: What to draw.
        path: The file; it is overwritten.
        caption: The words.
        real: Which side each member really took, if that is known: it is shown as the shape of the member.

    Raises:
        OSError: The file cannot be written.
    """
    figure = Figure(figsize=(14.0, 7.2), facecolor=PAPER)
    left, right = figure.subplots(1, 2, width_ratios=(1.15, 1.0))
    figure.subplots_adjust(left=0.02, right=0.965, top=0.83, bottom=0.11, wspace=0.09)
    figure.text(0.03, 0.94, caption.title, fontsize=18, weight="bold", color=INK)
    figure.text(0.03, 0.895, caption.subtitle, fontsize=11.5, color="#666666")
    _draw_network(left, run, real)
    _write_legend(left, run, caption.sides, with_real=real is not None)
    _draw_opinions(right, run, caption.sides, real)
    figure.savefig(path, dpi=150, facecolor=PAPER)


def _colour(side: str | None, leaders: tuple[str, str]) -> str:
    return UNDECIDED if side is None else COLOURS[leaders.index(side)]


def _draw_network(axes: Axes, run: Run, real: Mapping[str, str] | None) -> None:
    members = nearest_to(run.leaders, run.network, most=MOST_SHOWN)
    labelled = len(members) <= MOST_LABELLED
    places = places_of(members, run.network, run.leaders, apart=0.145 if labelled else 0.07)
    _draw_friendships(axes, run, places)
    for member, place in places.items():
        leads = member in run.leaders
        missed = _is_missed(member, run, real)
        axes.scatter(
            *place,
            s=(760.0 if leads else 400.0) if labelled else (320.0 if leads else 70.0),
            marker=SHAPES[0] if real is None else SHAPES[run.leaders.index(real[member])],
            color=_colour(run.sides[member], run.leaders),
            edgecolors=INK if missed else PAPER,
            linewidths=2.8 if missed else 1.6,
            zorder=3,
        )
        if labelled or leads:
            _write_name(
                axes, member, place, size=11.0 if leads else 8.5, inside=labelled and len(member) <= LONGEST_INSIDE
            )
    axes.margins(0.07)
    axes.set_axis_off()


def _write_name(axes: Axes, member: str, place: tuple[float, float], *, size: float, inside: bool) -> None:
    axes.annotate(
        member if len(member) <= LONGEST_NAME else f"{member[: LONGEST_NAME - 1]}…",
        place,
        (0.0, 0.0) if inside else (0.0, -size * 1.9),
        textcoords="offset points",
        ha="center",
        va="center",
        fontsize=size,
        weight="bold",
        color="white" if inside else INK,
        path_effects=[] if inside else [withStroke(linewidth=2.5, foreground=PAPER)],
        zorder=4,
    )


def _is_missed(member: str, run: Run, real: Mapping[str, str] | None) -> bool:
    return real is not None and real[member] != run.sides[member]


def _draw_friendships(axes: Axes, run: Run, places: Mapping[str, tuple[float, float]]) -> None:
    lines: list[list[tuple[float, float]]] = []
    colours: list[str] = []
    for one, other in run.network.friendships:
        if one in places and other in places:
            lines.append([places[one], places[other]])
            same = run.sides[one] == run.sides[other]
            colours.append(_colour(run.sides[one], run.leaders) if same else UNDECIDED)
    axes.add_collection(LineCollection(lines, colors=colours, linewidths=1.1, alpha=0.4, zorder=1))


def _write_legend(axes: Axes, run: Run, sides: tuple[str, str], *, with_real: bool) -> None:
    entries = [
        Line2D([], [], marker="H", ls="", ms=11, color=colour, label=f"predicted with {side}")
        for side, colour in zip(sides, COLOURS, strict=True)
    ]
    if with_real:
        entries += [
            Line2D([], [], marker=shape, ls="", ms=10, mfc="none", mec=INK, label=f"really with {side}")
            for side, shape in zip(sides, SHAPES, strict=True)
        ]
        entries.append(
            Line2D([], [], marker="o", ls="", ms=10, mfc="none", mec=INK, mew=2.8, label="predicted wrongly")
        )
    members = len(run.network.friends)
    note = f"the {MOST_SHOWN} of {members:,} members who are nearest to the leaders" if members > MOST_SHOWN else None
    axes.legend(
        handles=entries,
        title=note,
        loc="upper center",
        bbox_to_anchor=(0.5, 0.0),
        ncols=3,
        frameon=False,
        fontsize=9.5,
        labelcolor=INK,
    )


def _draw_opinions(axes: Axes, run: Run, sides: tuple[str, str], real: Mapping[str, str] | None) -> None:
    rounds = len(next(iter(run.opinions.values())))
    if len(run.opinions) <= MOST_LINES:
        _draw_lines(axes, run, rounds, real)
    else:
        _draw_density(axes, run, rounds)
    axes.axhline(0.0, color=INK, lw=0.8, ls=(0, (4, 4)), alpha=0.5, zorder=2)
    axes.set_facecolor(PAPER)
    axes.set_title("Opinions, round by round", fontsize=12, color=INK, loc="left", weight="bold")
    axes.set_xlabel("round", color=INK)
    axes.set_yticks([-1.0, -0.5, 0.0, 0.5, 1.0], [f"{sides[0]}\n-1", "-0.5", "0", "0.5", f"{sides[1]}\n+1"])
    axes.set_ylim(-1.08, 1.08)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.tick_params(colors=INK, length=0)
    for name, spine in axes.spines.items():
        spine.set_visible(name == "bottom")


def _draw_lines(axes: Axes, run: Run, rounds: int, real: Mapping[str, str] | None) -> None:
    numbers = range(1, rounds + 1)
    for member, said in run.opinions.items():
        missed = _is_missed(member, run, real)
        width = 3.0 if member in run.leaders else 2.4 if missed else 1.2
        colour = _colour(run.sides[member], run.leaders)
        axes.plot(numbers, said, color=colour, lw=width, alpha=1.0 if missed else 0.65, zorder=3 + missed)
        if missed:
            axes.plot(numbers, said, color=INK, lw=1.0, ls=(0, (2, 3)), zorder=5)
            name = axes.annotate(member, (rounds, said[-1]), (5, 0), textcoords="offset points")
            name.set(va="center", weight="bold", color=INK)
    axes.set_xlim(1, max(rounds, 2) * 1.02)


def _draw_density(axes: Axes, run: Run, rounds: int) -> None:
    """Draw how many are of each opinion, in the colour of its side; darker is more, each round by itself."""
    said = np.array(list(run.opinions.values()))
    edges = np.linspace(-1.0, 1.0, BINS + 1)
    counts = np.array([np.histogram(said[:, number], bins=edges)[0] for number in range(rounds)]).T
    picture = np.zeros((BINS, rounds, 4))
    picture[: BINS // 2], picture[BINS // 2 :] = (to_rgba(colour) for colour in COLOURS)
    picture[..., 3] = np.sqrt(counts / counts.max(axis=0))
    axes.imshow(picture, origin="lower", aspect="auto", extent=(0.5, rounds + 0.5, -1.0, 1.0), interpolation="nearest")
    axes.plot(range(1, rounds + 1), said.mean(axis=0), color=INK, lw=1.6, label="average")
    axes.legend(frameon=False, loc="upper left", bbox_to_anchor=(0.0, 0.99), labelcolor=INK)
