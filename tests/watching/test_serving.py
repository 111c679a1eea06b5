"""A bus is told of on a socket: to its owner alone, whole lines, and at no cost to the bus."""

from __future__ import annotations

import json
import socket
import stat
from typing import TYPE_CHECKING, Any

import pytest
import trio

import stentor
from stentor.watching import serve
from stentor.watching._serving import WATCHERS
from stentor.watching._snapshot import snapshot

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.real_clock


async def lines(path: Path, count: int) -> list[Any]:
    """Read so many snapshots."""
    found = b""
    async with await trio.open_unix_socket(path) as watcher:
        while found.count(b"\n") < count:
            found += await watcher.receive_some()
    return [json.loads(line) for line in found.splitlines()[:count]]


async def fail(_: stentor.Message) -> None:
    """Fail."""
    raise OSError("no")


async def test_snapshots_tell_how_the_bus_is(tmp_path: Path) -> None:
    async with stentor.open_bus() as bus, trio.open_nursery() as nursery:
        await nursery.start(lambda task_status: serve(bus, tmp_path / "s", interval=0.01, task_status=task_status))
        bus.register("a", fail).subscribe("t.*")
        bus.register("b", None).subscribe("never")
        await bus.publish("t.x")
        await bus.settled()
        before, after = await lines(tmp_path / "s", 2)
        assert (after["messages"], after["dead"], after["agents"], after["version"]) == (1, 1, 2, 1)
        assert after["uptime"] > before["uptime"]
        assert [each["name"] for each in after["members"]] == ["a", "b"]
        assert after["dead_topics"] == [["t.x", 1]]
        assert after["silent"] == ["never"]
        assert [problem[:2] for problem in after["problems"]] == [["a", "FAILING"]]
        nursery.cancel_scope.cancel()
    assert not (tmp_path / "s").exists()


async def test_the_socket_is_its_owners_alone_and_reads_nothing(tmp_path: Path) -> None:
    async with stentor.open_bus() as bus, trio.open_nursery() as nursery:
        await nursery.start(serve, bus, tmp_path / "s")
        assert stat.S_IMODE((tmp_path / "s").stat().st_mode) == 0o600
        async with await trio.open_unix_socket(tmp_path / "s") as watcher:
            await watcher.send_all(b"x" * 10_000)
            assert await watcher.receive_some()
        with pytest.raises(FileExistsError):
            await serve(bus, tmp_path / "s")
        assert len(await lines(tmp_path / "s", 1)) == 1
        nursery.cancel_scope.cancel()


async def test_what_is_there_already_is_not_replaced_unless_it_is_a_dead_socket(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(tmp_path / "dead"))
    async with stentor.open_bus() as bus, trio.open_nursery() as nursery:
        with pytest.raises(FileExistsError):
            await serve(bus, tmp_path / "file")
        await nursery.start(serve, bus, tmp_path / "dead")
        assert len(await lines(tmp_path / "dead", 1)) == 1
        nursery.cancel_scope.cancel()
    assert (tmp_path / "file").read_text() == "mine"


@pytest.mark.parametrize(
    ("wrong", "error", "text"),
    [
        ({"interval": 0}, ValueError, "interval must be > 0 seconds, not 0"),
        ({"interval": "x"}, TypeError, "interval must be a number of seconds, not str"),
        ({"path": 3}, TypeError, "path must be of type str or PathLike, not int"),
        ({"bus": 3}, TypeError, "bus must be of type Bus, not int"),
    ],
)
async def test_bad_arguments_are_refused(
    tmp_path: Path, wrong: dict[str, Any], error: type[Exception], text: str
) -> None:
    async with stentor.open_bus() as bus:
        arguments: dict[str, Any] = {"bus": bus, "path": tmp_path / "new", **wrong}
        with pytest.raises(error) as caught:
            await serve(**arguments)
        assert str(caught.value) == text


async def test_more_than_enough_watchers_are_turned_away(tmp_path: Path) -> None:
    async with stentor.open_bus() as bus, trio.open_nursery() as nursery:
        await nursery.start(serve, bus, tmp_path / "s")
        watchers = [await trio.open_unix_socket(tmp_path / "s") for _ in range(WATCHERS)]
        for watcher in watchers:
            assert await watcher.receive_some()
        async with await trio.open_unix_socket(tmp_path / "s") as one_more:
            assert await one_more.receive_some() == b""
        for watcher in watchers:
            await watcher.aclose()
        nursery.cancel_scope.cancel()


async def test_of_many_agents_those_that_matter_are_told() -> None:
    async def work(_: stentor.Message) -> None: ...

    async with stentor.open_bus() as bus:
        for number in range(300):
            bus.register(f"agent-{number}", work).subscribe(f"t.{number}")
        for _ in range(3):
            await bus.publish("t.257")
        bus.register("full", None).subscribe("f", capacity=1)
        await bus.publish("f")
        await bus.settled()
        told = snapshot(bus, 40)
        assert len(told["members"]) <= 40
        assert {"agent-257", "full"} <= {each["name"] for each in told["members"]}
        assert len(bus.agent_statistics()) == 301
