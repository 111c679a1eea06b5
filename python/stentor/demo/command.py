"""The demo as one command: choose the network, run the club, tell and draw what came of it."""

from __future__ import annotations

from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Final, final

import attrs
import trio
from rich.console import Console

import stentor
from stentor import simulation
from stentor.demo import _score
from stentor.demo._club import run_club
from stentor.demo._network import EdgeListError, Network, karate_club, read_edge_list, small_world
from stentor.demo._picture import Caption, draw
from stentor.demo._terminal import MOST_LISTED, Display, table_of_members, table_of_sides, table_of_statistics
from stentor.recording import record

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator, Mapping
    from pathlib import Path

    from stentor.demo._club import Run
    from stentor.simulation import RunResult

KARATE_LEADERS: Final = {"1": "Mr. Hi", "34": "the officer"}
"""Who parted in the karate club, and what their sides are called."""


@final
class RequestError(Exception):
    """What was asked for cannot be done; the text says why."""


@final
@attrs.frozen(kw_only=True)
class Request:
    """What the demo is asked for.

    Attributes:
        edges: The edge list to simulate, or None.
        agents: The size of the small world to simulate, or None; without either it is the karate club.
        leaders: Who parts, or None for those known or with most friends.
        seed: Of all chance.
        rounds: How many rounds.
        out: Where the picture goes.
        quiet: Whether to say nothing but the result.
        simulate: Whether it runs in virtual time, as a function of its seed, with a digest; a round a second then.
        record: Where a recording of the run goes, or None.
    """

    edges: Path | None = None
    agents: int | None = None
    leaders: tuple[str, str] | None = None
    seed: int = 0
    rounds: int = 30
    out: Path
    quiet: bool = False
    simulate: bool = False
    record: Path | None = None


@final
@attrs.frozen
class _Scene:
    """A network to run.

    Attributes:
        title: What it is called.
        network: Who is a friend of whom.
        sides: The leaders who part, and what their sides are called.
        scored: Whether it is known which side each member really took.
    """

    title: str
    network: Network
    sides: dict[str, str]
    scored: bool

    @property
    def leaders(self) -> tuple[str, str]:
        first, second = self.sides
        return first, second

    @property
    def names(self) -> tuple[str, str]:
        first, second = self.sides.values()
        return first, second


def run(request: Request) -> None:
    """Carry out what the demo is asked for: everything it says goes to standard output.

    Raises:
        RequestError: The network cannot be made as asked, or the picture not be written.
    """
    console = Console(quiet=request.quiet)
    scene = _choose(request)
    console.print(f"[bold]{scene.title}[/], {len(scene.network.friendships):,} friendships")
    with Display(console, members=len(scene.network.friends), rounds=request.rounds, sides=scene.names) as display:
        club = partial(
            run_club,
            scene.network,
            scene.leaders,
            seed=request.seed,
            rounds=request.rounds,
            pause=1.0 if request.simulate else 0.0,
            report=display.report,
        )
        with _recorded(request, scene.title):
            done, simulated = _simulate(club, request.seed) if request.simulate else (trio.run(club), None)
    real = _score.real_sides() if scene.scored else None
    _tell(console, done, scene, real)
    result = _result(done, scene, real)
    _draw(done, request, scene, result, real)
    plain = Console(soft_wrap=True, highlight=False, markup=False)
    plain.print(f"{result}; picture: {request.out}")
    if simulated is not None:
        plain.print(str(simulated))


@contextmanager
def _recorded(request: Request, title: str) -> Iterator[None]:
    """Record what happens in the block, if that is asked for."""
    if request.record is None:
        yield
        return
    try:
        recorder = record(request.record, about={"network": title, "seed": str(request.seed)}, overwrite=True)
    except OSError as error:
        msg = f"--record: {error}"
        raise RequestError(msg) from error
    with recorder, stentor.bus_defaults(observers=(recorder,)):
        yield


def _simulate(club: Callable[[], Awaitable[Run]], seed: int) -> tuple[Run, RunResult[Run]]:
    """Run the club in virtual time, and return what came of it and of the run."""
    try:
        result = simulation.run(club, seed=seed)
    except simulation.UnsupportedTrioError as error:
        raise RequestError(str(error)) from error
    if result.value is None:  # it has no end but its own
        msg = "the club did not come to its end"
        raise RuntimeError(msg)
    return result.value, result


def _choose(request: Request) -> _Scene:
    """Make the network that is asked for, with its leaders."""
    if request.edges is None and request.agents is None:
        network = karate_club()
        return _Scene("Zachary's karate club (1977)", network, KARATE_LEADERS, scored=True)
    if request.edges is not None:
        network = _read(request.edges)
        title = f"{request.edges.name}: {len(network.friends):,} members"
    else:
        network = small_world(request.agents or 0, seed=request.seed)
        title = f"A small world of {len(network.friends):,} agents"
    first, second = request.leaders or network.two_most_befriended()
    _check_leaders(network, first, second)
    return _Scene(title, network, {first: first, second: second}, scored=False)


def _read(path: Path) -> Network:
    try:
        return read_edge_list(path)
    except EdgeListError as error:
        raise RequestError(str(error)) from error


def _check_leaders(network: Network, first: str, second: str) -> None:
    for leader in (first, second):
        if leader not in network.friends:
            msg = f"--leaders: {leader!r} is not a member of the network"
            raise RequestError(msg)
    if first == second:
        msg = f"--leaders must be two different members, not {first!r} twice"
        raise RequestError(msg)


def _tell(console: Console, done: Run, scene: _Scene, real: Mapping[str, str] | None) -> None:
    if len(done.sides) <= MOST_LISTED:
        console.print(table_of_members(done, scene.sides, real))
    else:
        console.print(table_of_sides(done, scene.sides))
    console.print(table_of_statistics(done.statistics, done.seconds))


def _result(done: Run, scene: _Scene, real: Mapping[str, str] | None) -> str:
    """The result in one line."""
    if real is not None:
        return f"{len(_score.agreeing(done.sides, real))} of {len(real)} members are predicted on the side they took"
    sides = list(done.sides.values())
    with_each = (f"{sides.count(leader):,} with {name}" for leader, name in scene.sides.items())
    return f"of {len(sides):,} members {' and '.join(with_each)}"


def _draw(done: Run, request: Request, scene: _Scene, result: str, real: Mapping[str, str] | None) -> None:
    counted = f"{done.statistics.messages:,} messages, {done.statistics.handled:,} deliveries on the bus"
    rounds = f"{request.rounds} round{'s' if request.rounds > 1 else ''}"
    subtitle = f"{result} · seed {request.seed} · {rounds} · {counted}"
    try:
        draw(done, request.out, Caption(scene.title, subtitle, scene.names), real=real)
    except OSError as error:
        msg = f"the picture {request.out} cannot be written: {error.strerror}"
        raise RequestError(msg) from error
