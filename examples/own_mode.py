"""A ring of cells that all change at once, on a delivery mode of its own: call when the tick changes.

Each cell hears what its two neighbours said in the last tick and says whether they differ (Wolfram's rule 90). What is
said while a tick goes on belongs to the next, so the order in which the cells are called makes no difference.

It prints:

    ...............#...............
    ..............#.#..............
    .............#...#.............
    ............#.#.#.#............
    ...........#.......#...........
    ..........#.#.....#.#..........
    .........#...#...#...#.........
    ........#.#.#.#.#.#.#.#........
    .......#...............#.......
    ......#.#.............#.#......
    .....#...#...........#...#.....
    ....#.#.#.#.........#.#.#.#....
    ...#.......#.......#.......#...
    ..#.#.....#.#.....#.#.....#.#..
    .#...#...#...#...#...#...#...#.
    #.#.#.#.#.#.#.#.#.#.#.#.#.#.#.#
"""

from __future__ import annotations

import logging
from math import inf
from typing import TYPE_CHECKING, final

import trio

import stentor

if TYPE_CHECKING:
    from collections.abc import Callable

CELLS = 31
TICKS = 15


@final
class OnTick:
    """A mode: calls one agent with what had gathered when the tick changed."""

    counts = False  # what waits for the next tick does not keep the bus from being settled

    def __init__(self) -> None:
        self._wakes: list[Callable[[], None]] = []
        self._changing = False
        self._gathered = 0

    def attach(self, wake: Callable[[], None]) -> None:
        """Remember how to have `due` asked again."""
        self._wakes.append(wake)

    def due(self, waiting: int, since: float, now: float) -> float:
        """Return `now` from the tick until the call, else infinity."""
        del since
        if self._changing:
            self._gathered = waiting
        return now if self._gathered else inf

    def size(self, waiting: int) -> int | None:
        """Return how many had gathered."""
        size, self._gathered = min(self._gathered, waiting), 0
        return size

    def tick(self) -> None:
        """Change the tick."""
        self._changing = True
        for wake in self._wakes:
            wake()
        self._changing = False


@final
class Cell:
    """One cell of the ring, an agent."""

    def __init__(self, bus: stentor.Bus, number: int) -> None:
        self._bus = bus
        self._topic = f"ring.{number}"
        self.mode = OnTick()
        agent = bus.register(f"cell{number}", self)
        for neighbour in (number - 1, number + 1):
            agent.subscribe(f"ring.{neighbour % CELLS}", mode=self.mode)

    async def __call__(self, messages: list[stentor.Message]) -> None:
        """Hear both neighbours, and say whether they differ."""
        left, right = messages
        await self.say(left.payload != right.payload)

    async def say(self, state: object) -> None:
        """Tell the neighbours, and whoever watches."""
        await self._bus.publish(self._topic, state)


def drawn(row: list[stentor.Message]) -> str:
    """Draw what all cells said in one tick."""
    by_cell = {int(message.topic.removeprefix("ring.")): message.payload for message in row}
    return "".join("#" if by_cell[number] else "." for number in range(CELLS))


async def main() -> None:
    """Let the ring run for some ticks."""
    async with stentor.open_bus() as bus:
        cells = [Cell(bus, number) for number in range(CELLS)]
        with bus.subscribe("ring.*", mode="batch", batch_size=CELLS) as screen:
            for number, cell in enumerate(cells):
                await cell.say(number == CELLS // 2)
            print(drawn(await screen.receive()))
            for _ in range(TICKS):
                for cell in cells:
                    cell.mode.tick()
                print(drawn(await screen.receive()))


logging.getLogger("stentor").setLevel(logging.ERROR)  # nobody will hear what is said in the last tick: no warning
trio.run(main)
