"""`stentor top` in a pseudo terminal: it shows a bus that runs, follows it, and ends with it or with Ctrl-C."""

from __future__ import annotations

import fcntl
import os
import pty
import signal
import struct
import subprocess
import sys
import termios
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest
import trio

import stentor
from stentor.__main__ import main
from stentor.watching import serve

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

pytestmark = pytest.mark.real_clock

ROWS, COLUMNS = 45, 150


class Terminal:
    """A terminal in which a program runs, and what stands on its screen."""

    def __init__(self) -> None:
        """Open it."""
        pyte = pytest.importorskip("pyte", reason="pyte is not installed: pip install pyte")
        self._screen = pyte.Screen(COLUMNS, ROWS)
        self._stream = pyte.ByteStream(self._screen)
        self._own, self._other = pty.openpty()
        self.process: subprocess.Popen[bytes] | None = None

    def run(self, *command: str) -> None:
        """Start a program in it."""
        other = self._other
        fcntl.ioctl(other, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
        environment = {**os.environ, "TERM": "xterm-256color"}
        environment.pop("COLUMNS", None)
        self.process = subprocess.Popen(
            command, stdin=other, stdout=other, stderr=other, env=environment, start_new_session=True
        )
        os.close(other)

    async def until(self, holds: Callable[[str], bool]) -> str:
        """Read until the screen is as it should be."""
        while not holds(text := "\n".join(self._screen.display)):
            await trio.lowlevel.wait_readable(self._own)
            try:
                self._stream.feed(os.read(self._own, 65536))
            except OSError as error:
                raise AssertionError(text) from error
        return text

    async def ended(self) -> int:
        """Read what is left, and return the exit status."""
        assert self.process is not None
        while True:
            await trio.lowlevel.wait_readable(self._own)
            try:
                if not os.read(self._own, 65536):
                    break
            except OSError:
                break
        return await trio.to_thread.run_sync(self.process.wait)

    def close(self) -> None:
        """End the program if it still runs."""
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        os.close(self._own)


@asynccontextmanager
async def terminal() -> AsyncIterator[Terminal]:
    """A terminal in which nothing runs yet."""
    opened = Terminal()
    try:
        yield opened
    finally:
        opened.close()


async def work(_: stentor.Message) -> None:
    """Do it."""


async def fail(_: stentor.Message) -> None:
    """Fail."""
    raise OSError("no")


@asynccontextmanager
async def served(path: Path, shown: Terminal | None = None) -> AsyncIterator[stentor.Bus]:
    """A bus that is served, and shown in a terminal, with two agents, one of whom has an odd name and fails."""
    async with stentor.open_bus() as bus, trio.open_nursery() as nursery:
        await nursery.start(lambda task_status: serve(bus, path, interval=0.05, task_status=task_status))
        bus.register("worker", work).subscribe("work.*")
        bus.register("odd\x1bname", fail).subscribe("work.odd")
        if shown is not None:
            shown.run(sys.executable, "-m", "stentor", "top", str(path))
        yield bus
        nursery.cancel_scope.cancel()


async def test_it_shows_the_bus_and_ends_with_it(tmp_path: Path) -> None:
    async with terminal() as shown:
        async with served(tmp_path / "s", shown) as bus:
            for _ in range(1234):
                await bus.publish("work.plain")
            await bus.publish("work.odd")
            await bus.settled()
            text = await shown.until(lambda text: "1,235" in text and "dead letters" in text and "failing" in text)
            assert "worker" in text
            assert "odd\ufffdname" in text, "a name is a name, whatever it holds"
            assert "slowest handlers" in text
            for _ in range(1000):
                await bus.publish("work.plain")
            await shown.until(lambda text: "2,235" in text)
        assert await shown.ended() == 0


async def test_ctrl_c_ends_it_quietly(tmp_path: Path) -> None:
    async with terminal() as shown, served(tmp_path / "s", shown):
        await shown.until(lambda text: "what is wrong now" in text)
        assert shown.process is not None
        shown.process.send_signal(signal.SIGINT)
        assert await shown.ended() == 0


async def test_once_prints_and_is_done(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    async with served(tmp_path / "s") as bus:
        await bus.publish("work.plain")
        await bus.settled()
        assert await trio.to_thread.run_sync(main, ["top", "--once", str(tmp_path / "s")]) == 0
    assert "worker" in capsys.readouterr().out


def test_where_there_is_no_bus_it_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[Any]) -> None:
    assert main(["top", str(tmp_path / "none")]) == 2
    text = capsys.readouterr().err
    assert text == f"stentor top: error: {tmp_path / 'none'}: [Errno 2] No such file or directory\n"
