"""A run is a function of code, seed and inputs: its order, its time, its end."""

from __future__ import annotations

import logging
import os
import random
import subprocess
import sys
import threading
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import trio
import trio.testing

import stentor
from stentor import simulation
from stentor.simulation import OutsideWorldError, SimulationError, StuckError
from stentor.simulation._clock import VirtualClock
from stentor.simulation._inside import NEEDED
from tests.package import ROOT
from tests.simulation import program

if TYPE_CHECKING:
    from collections.abc import Callable

AGENTS, ROUNDS = 30, 2
PROGRAM = Path(program.__file__)


@pytest.fixture(autouse=True)
def silence(monkeypatch: pytest.MonkeyPatch) -> None:
    """Handlers of the program fail by the hundred, and nobody needs to read of it."""
    monkeypatch.setattr(logging.getLogger("stentor"), "disabled", True)


def digests(python: str, hash_seed: str, agents: int, rounds: int, runs: int) -> set[str]:
    """What the program prints as a process of its own."""
    command = [python, str(PROGRAM), str(agents), str(rounds), str(runs)]
    environment = {**os.environ, "PYTHONHASHSEED": hash_seed}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=3600, check=True)
    printed = done.stdout.split()
    assert len(printed) == runs
    return set(printed)


def test_equal_seeds_give_equal_runs_in_every_process() -> None:
    here = {program.digest(AGENTS, ROUNDS) for _ in range(2)}
    there = digests(sys.executable, "1", AGENTS, ROUNDS, 1) | digests(sys.executable, "2", AGENTS, ROUNDS, 1)
    assert len(here | there) == 1


def test_another_seed_and_another_order_give_other_runs() -> None:
    assert len({program.digest(20, 2, seed=seed, shuffle=shuffle) for seed in (0, 1) for shuffle in (False, True)}) == 4


def test_a_shuffled_run_is_a_function_of_its_seed() -> None:
    assert program.digest(20, 2, seed=5, shuffle=True) == program.digest(20, 2, seed=5, shuffle=True)


@pytest.mark.long
@pytest.mark.parametrize("version", ["3.11", "3.12", "3.13"])
def test_a_thousand_agents_give_one_digest_on_every_python(version: str, tmp_path: Path) -> None:
    python = f"python{version}"
    if subprocess.run([python, "--version"], capture_output=True, check=False).returncode:
        pytest.skip(f"there is no {python}")
    subprocess.run([python, "-m", "venv", tmp_path], check=True)
    own = str(tmp_path / "bin" / "python")
    subprocess.run([own, "-m", "pip", "install", "-q", f"trio=={trio.__version__}", f"{ROOT}[recording]"], check=True)
    here = {program.digest(1000, 2)}
    assert digests(own, "1", 1000, 2, 20) | digests(own, "2", 1000, 2, 20) == here


# -- time -------------------------------------------------------------------------------------------------------------


def test_time_jumps_and_begins_at_nothing() -> None:
    async def main() -> list[float]:
        times = [trio.current_time()]
        await trio.sleep(0.1)
        times.append(trio.current_time())
        with trio.move_on_after(0.2):
            await trio.sleep_forever()
        times.append(trio.current_time())
        await trio.sleep_until(1e9)
        return times

    result = simulation.run(main)
    assert result.value == [0.0, 0.1, 0.1 + 0.2]
    assert (result.seconds, result.jumps, result.completed) == (1e9, 3, True)


def test_who_sleeps_to_one_instant_wakes_in_the_order_of_the_tasks() -> None:
    async def main() -> list[int]:
        woken: list[int] = []

        async def sleeper(number: int) -> None:
            await trio.sleep((number * 7) % 5)
            await trio.sleep_until(10.0)
            woken.append(number)

        async with trio.open_nursery() as nursery:
            for number in range(50):
                nursery.start_soon(sleeper, number)
        return woken

    assert simulation.run(main).value == list(range(50))


def test_a_timeout_goes_before_a_sleep_that_ends_with_it() -> None:
    async def main() -> bool:
        with trio.move_on_after(1.0) as scope:
            await trio.sleep(1.0)
        return scope.cancelled_caught

    assert simulation.run(main).value is True


def test_a_sleep_can_be_cancelled_and_is_forgotten() -> None:
    async def main() -> float:
        for _ in range(5_000):
            with trio.move_on_after(0.001):
                await trio.sleep(1_000.0)
        clock = trio.lowlevel.current_clock()
        assert isinstance(clock, VirtualClock)
        assert len(clock._calendar) < 2_000
        return round(trio.current_time(), 6)

    assert simulation.run(main).value == 5.0


def test_who_waits_for_all_others_to_be_blocked_goes_before_time() -> None:
    async def main() -> float:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(trio.sleep, 10.0)
            await trio.testing.wait_all_tasks_blocked()
            return trio.current_time()

    assert simulation.run(main).value == 0.0


def test_no_number_is_no_instant() -> None:
    with pytest.raises(ValueError, match=r"^deadline must not be NaN$"):
        simulation.run(trio.sleep_until, float("nan"))


def test_until_ends_a_run() -> None:
    result = simulation.run(trio.sleep_forever, until=7.5)
    assert (result.value, result.completed, result.seconds) == (None, False, 7.5)
    assert simulation.run(trio.sleep, 7.0, until=7.5).completed


# -- chance -----------------------------------------------------------------------------------------------------------


def test_generators_depend_on_the_seed_and_their_name_only() -> None:
    async def main(*, first: bool) -> float:
        run = simulation.current_run()
        if first:
            run.random("b").random()
        return run.random("a").random()

    drawn = [simulation.run(partial(main, first=first), seed=4).value for first in (False, True)]
    assert drawn[0] == drawn[1] != simulation.run(partial(main, first=True), seed=5).value


def test_the_module_random_is_seeded_and_put_back() -> None:
    async def main() -> float:
        return random.random()

    random.seed(1)
    expected = random.random()
    random.seed(1)
    assert simulation.run(main).value == simulation.run(main).value
    assert random.random() == expected


def test_a_run_inside_of_a_run_is_refused_and_the_outer_one_goes_on() -> None:
    async def plain() -> None:
        pass

    async def main() -> str:
        with pytest.raises(RuntimeError, match=r"^a simulation run is called inside of another$"):
            simulation.run(plain)
        await trio.sleep(1)
        return "went on"

    result = simulation.run(main)
    assert (result.value, result.seconds) == ("went on", 1)


def test_there_is_no_run_outside_of_one() -> None:
    with pytest.raises(SimulationError, match=r"^current_run\(\) must be called in a simulation run$"):
        simulation.current_run()


def test_every_bus_of_a_run_has_a_seed_of_its_own() -> None:
    async def main() -> list[str]:
        async with stentor.open_bus() as one, stentor.open_bus() as two, stentor.open_bus(seed=1) as three:
            return [(await bus.publish("a")).message.id for bus in (one, two, three)]

    first = simulation.run(main).value
    assert first is not None
    assert first == simulation.run(main).value
    assert len(set(first)) == 3
    other = simulation.run(main, seed=1).value
    assert other is not None
    assert [a == b for a, b in zip(first, other, strict=True)] == [False, False, True]


def test_shuffling_finds_a_planted_order_bug() -> None:
    """Two tasks set up and use a thing at the same instant: right in the order in which they were started, only."""

    async def main() -> str:
        settings: dict[str, str] = {}
        answers: list[str] = []

        async def configure() -> None:
            await trio.sleep(1.0)
            settings["model"] = "gpt4"

        async def ask(_: stentor.Message) -> None:
            await trio.sleep(1.0)
            answers.append(settings["model"])

        async with stentor.open_bus(on_error="raise") as bus, trio.open_nursery() as nursery:
            nursery.start_soon(configure)
            bus.register("gpt4", ask).subscribe("ai.*")
            await bus.publish("ai.models")
            await bus.settled()
        return answers[0]

    def breaks(seed: int, *, shuffle: bool) -> bool:
        try:
            simulation.run(main, seed=seed, shuffle=shuffle)
        except KeyError:
            return True
        return False

    assert not any(breaks(seed, shuffle=False) for seed in range(10))
    assert 1 <= sum(breaks(seed, shuffle=True) for seed in range(10)) <= 9


# -- what ends badly --------------------------------------------------------------------------------------------------


def test_a_run_in_which_nothing_can_happen_is_ended_and_says_who_waits() -> None:
    async def main() -> None:
        await trio.sleep(2.0)
        async with trio.open_nursery() as nursery:
            for _ in range(12):
                nursery.start_soon(trio.Event().wait, name="waiter")
            await trio.Event().wait()

    with pytest.raises(
        StuckError, match=r"^stuck at 2 s: no task can go on and no timer is set: .*main.*test_run\.py:\d+"
    ) as e:
        simulation.run(main)
    assert str(e.value).count("waiter") == 9
    assert str(e.value).endswith(" and 3 more")


@pytest.mark.parametrize("catches", [False, True])
def test_a_run_that_is_stuck_under_a_shield_is_ended(catches: bool) -> None:
    async def main() -> None:
        with trio.CancelScope(shield=True):
            try:
                await trio.sleep_forever()
            except StuckError:
                if not catches:
                    raise

    with pytest.raises(StuckError, match=r"^stuck at 0 s: "):
        simulation.run(main)


def test_an_error_of_main_comes_out() -> None:
    async def main() -> None:
        await trio.sleep(1.0)
        raise KeyError("own")

    with pytest.raises(KeyError, match="own"):
        simulation.run(main)


def test_threads_are_refused() -> None:
    with pytest.raises(OutsideWorldError, match=r"^a simulation run starts no threads, .*threads='inline'"):
        simulation.run(trio.to_thread.run_sync, time.time)
    with pytest.raises(OutsideWorldError, match="no threads"):
        simulation.run(trio.Path("x").exists)
    with pytest.raises(OutsideWorldError, match="no threads"):
        simulation.run(partial(trio.run_process, ["true"]))


def test_threads_are_inlined_where_that_is_asked_for() -> None:
    async def main() -> tuple[bool, float]:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(trio.sleep, 5.0)
            here = await trio.to_thread.run_sync(threading.get_ident) == threading.get_ident()
            return here, trio.current_time()

    assert simulation.run(main, threads="inline").value == (True, 0.0)


def test_sockets_are_refused() -> None:
    async def main() -> None:
        left, right = trio.socket.socketpair()
        with left, right:
            await left.recv(1)

    with pytest.raises(OutsideWorldError, match=r"^a simulation run waits for no socket, pipe or process"):
        simulation.run(main)


def test_a_run_leaves_trio_as_it_was_and_alone_in_other_threads() -> None:
    inside = [vars(sys.modules[module])[name] for module, name in NEEDED]
    seen: list[object] = []

    def elsewhere() -> None:
        async def real() -> None:
            await trio.sleep(0.001)
            seen.append(await trio.to_thread.run_sync(threading.get_ident) != threading.get_ident())

        trio.run(real)

    async def main() -> None:
        thread = threading.Thread(target=elsewhere)
        thread.start()
        thread.join()

    simulation.run(main)
    assert seen == [True]
    assert [vars(sys.modules[module])[name] for module, name in NEEDED] == inside


def test_a_trio_that_lacks_something_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr("trio._core._run._r")
    with pytest.raises(simulation.UnsupportedTrioError, match=r"has no trio\._core\._run\._r, which a simulation run"):
        simulation.run(trio.sleep, 1.0)


@pytest.mark.parametrize(
    ("arguments", "error", "text"),
    [
        ({"seed": 1.5}, TypeError, "seed must be an int, not float"),
        ({"seed": True}, TypeError, "seed must be an int, not bool"),
        ({"until": "1"}, TypeError, "until must be a number of seconds, not str"),
        ({"until": -1}, ValueError, "until must be >= 0 seconds, not -1"),
        ({"until": float("nan")}, ValueError, "until must be >= 0 seconds, not nan"),
        ({"shuffle": "yes"}, TypeError, "shuffle must be of type bool, not str"),
        ({"digest": "yes"}, TypeError, "digest must be of type bool, not str"),
        ({"show": 1}, TypeError, "show must be of type bool, not int"),
        ({"resume": 3}, TypeError, "resume must be of type Checkpoint, not int"),
        ({"threads": "some"}, ValueError, "threads must be 'refuse' or 'inline', not 'some'"),
    ],
)
def test_bad_arguments_are_refused(arguments: dict[str, object], error: type[Exception], text: str) -> None:
    with pytest.raises(error) as caught:
        simulation.run(trio.sleep_forever, **arguments)  # type: ignore[arg-type]
    assert str(caught.value) == text


async def nothing() -> None: ...


@pytest.mark.parametrize(
    ("main", "text"),
    [
        (nothing, "main must be an async function, not a coroutine: pass nothing itself, not nothing()"),
        (lambda: 3, "main must be an async function, not int"),
        (lambda: lambda: 1, "main must be an async function, but returned int"),
    ],
)
def test_what_is_no_async_function_is_refused(main: Callable[[], Any], text: str) -> None:
    with pytest.raises(TypeError) as caught:
        simulation.run(main())
    assert str(caught.value) == text


def test_the_result_is_shown_on_request(capsys: pytest.CaptureFixture[str]) -> None:
    result = simulation.run(trio.sleep, 90.0, seed=3, shuffle=True, show=True)
    assert capsys.readouterr().out == f"{result}\n"
    assert str(result) == f"seed 3, shuffled: 90 s, 0 entries, digest {result.digest}"
    assert str(simulation.run(trio.sleep, 90.0, digest=False)) == "seed 0: 90 s, 0 entries"
