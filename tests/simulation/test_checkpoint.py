"""Checkpoints: a run that goes on from one, in another process too, ends as the one that was never interrupted."""

from __future__ import annotations

import logging
import pickle
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import trio

import stentor
from stentor import simulation
from stentor.simulation import Checkpoint, SimulationError
from tests.package import ROOT

RETRY = stentor.RetryPolicy(attempts=2, first_delay=0.5, jitter=1.0)


class World:
    """Agents of every kind, and two halves of a life in which all that a checkpoint holds matters."""

    def __init__(self, bus: stentor.Bus) -> None:
        self.bus = bus
        self.heard: list[str] = []
        for number in range(4):
            agent = bus.register(f"worker-{number}", self.work, retry=RETRY)
            agent.subscribe("job.*", group="shift")
            agent.subscribe("news", capacity=3, overflow="drop_oldest")
        self.sleeper = bus.register("sleeper", self.work)
        self.sleeper.subscribe("job.*")
        self.poller = bus.register("poller")
        self.poller.subscribe("job.red", mode="polling", auto_ack=False)
        self.feed = bus.subscribe("news", capacity=5, overflow="latest")
        self.random = simulation.current_run().random("world")

    async def work(self, message: stentor.Message, delivery: stentor.Delivery) -> None:
        """Take a while, and fail now and then."""
        self.heard.append(f"{trio.current_time():.3f} {delivery.agent} {message.topic} {delivery.attempt}")
        await trio.sleep(self.random.random())
        if self.random.random() < 0.3:
            raise ValueError(message.topic)

    async def first_half(self) -> None:
        """Leave mail everywhere."""
        self.sleeper.leave()
        for _ in range(20):
            await self.bus.publish(f"job.{self.random.choice(['red', 'blue'])}", priority=self.random.randrange(4))
            await self.bus.publish("news", retain=True, headers={"a": "b"})
            await trio.sleep(0.3)
        await self.bus.route(stentor.Message("sleeper", "in the store", addressing=stentor.AddressingMode.DIRECT))
        await self.poller.poll(max_messages=2)
        await self.bus.settled()

    async def second_half(self) -> list[str]:
        """Go on from there, and return what was heard."""
        self.sleeper.rejoin()
        await self.poller.poll(max_messages=2)
        late = self.bus.register("late", self.work)
        late.subscribe("news", retained=True)
        self.heard.append((await self.feed.receive()).id)
        for letter in list(self.bus.dead_letters)[:2]:
            await self.bus.resubmit(letter)
        for _ in range(10):
            await self.bus.publish("job.blue")
            await trio.sleep(0.3)
        await self.bus.settled()
        statistics = self.bus.statistics()
        self.heard.append(f"{statistics.addressed} {statistics.handled} {statistics.dead} {statistics.waiting}")
        return self.heard


async def whole(path: Path) -> list[str]:
    async with stentor.open_bus() as bus:
        world = World(bus)
        await world.first_half()
        (await simulation.checkpoint(bus)).save(path)
        world.heard.clear()
        return await world.second_half()


async def rest() -> list[str]:
    async with stentor.open_bus() as bus:
        world = World(bus)
        simulation.restore(bus)
        return await world.second_half()


@pytest.fixture(autouse=True)
def silence(monkeypatch: pytest.MonkeyPatch) -> None:
    """Handlers fail on purpose."""
    monkeypatch.setattr(logging.getLogger("stentor"), "disabled", True)


@pytest.mark.parametrize("shuffle", [False, True])
def test_a_restored_run_goes_on_to_the_same_digest(shuffle: bool, tmp_path: Path) -> None:
    path = tmp_path / "checkpoint"
    first = simulation.run(partial(whole, path), seed=3, shuffle=shuffle)
    second = simulation.run(rest, resume=Checkpoint.load(path))
    assert second.value == first.value
    assert (second.digest, second.entries, second.seconds) == (first.digest, first.entries, first.seconds)
    assert (second.seed, second.shuffle) == (3, shuffle)


def test_it_does_so_in_another_process(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint"
    first = simulation.run(partial(whole, path), seed=4)
    command = [sys.executable, "-m", "tests.simulation.test_checkpoint", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.split() == [first.digest]


def test_another_state_gives_another_digest(tmp_path: Path) -> None:
    simulation.run(partial(whole, tmp_path / "one"), seed=3)
    simulation.run(partial(whole, tmp_path / "two"), seed=5)
    one, two = (simulation.run(rest, resume=Checkpoint.load(tmp_path / name)) for name in ("one", "two"))
    assert one.digest != two.digest


def test_a_checkpoint_needs_a_run_and_a_restored_run_a_checkpoint() -> None:
    async def outside() -> None:
        async with stentor.open_bus() as bus:
            await simulation.checkpoint(bus)

    async def not_resumed() -> None:
        async with stentor.open_bus() as bus:
            simulation.restore(bus)

    with pytest.raises(SimulationError, match=r"^current_run\(\) must be called in a simulation run$"):
        trio.run(outside)
    with pytest.raises(SimulationError, match=r"^restore\(\) needs a run that was begun with resume="):
        simulation.run(not_resumed)


def test_all_buses_of_a_checkpoint_are_restored() -> None:
    async def two() -> Checkpoint:
        async with stentor.open_bus() as one, stentor.open_bus() as other:
            return await simulation.checkpoint(one, other)

    async def one() -> None:
        async with stentor.open_bus() as bus:
            simulation.restore(bus)

    taken = simulation.run(two).value
    with pytest.raises(ValueError, match=r"^buses must be as many as the checkpoint has \(2\), not 1$"):
        simulation.run(one, resume=taken)


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (pickle.dumps([1]), "holds no checkpoint$"),
        (b"garbage", "holds no checkpoint that can be read$"),
        (b"", "holds no checkpoint that can be read$"),
        (b"cstentor\nNoSuch\n.", "holds no checkpoint that can be read$"),
    ],
)
def test_a_file_that_is_no_checkpoint_is_refused(tmp_path: Path, data: bytes, told: str) -> None:
    (tmp_path / "x").write_bytes(data)
    with pytest.raises(ValueError, match=told):
        Checkpoint.load(tmp_path / "x")


@pytest.mark.parametrize("options", [{"seed": 1}, {"shuffle": True}])
def test_a_resumed_run_has_the_seed_and_the_order_of_its_checkpoint(options: dict[str, Any]) -> None:
    async def main() -> Checkpoint:
        async with stentor.open_bus() as bus:
            return await simulation.checkpoint(bus)

    taken = simulation.run(main).value
    (name,) = options
    with pytest.raises(ValueError, match=rf"^{name} must not be given with resume, which has its own$"):
        simulation.run(rest, resume=taken, **options)


if __name__ == "__main__":
    logging.getLogger("stentor").disabled = True
    print(simulation.run(rest, resume=Checkpoint.load(Path(sys.argv[1]))).digest)  # noqa: T201 - for who compares
