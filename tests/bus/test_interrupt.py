"""Ctrl-C at any line: it comes out of the bus as it is, and what was accepted is in the books."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import trio

import stentor

EVERY = 29
"""One line of so many is tried; being a prime, it meets all of them in the end."""


def test_promise_7_ctrl_c_at_any_line_leaves_the_books_right() -> None:
    command = [sys.executable, "-W", "ignore", "-m", "tests.bus.interrupting", str(EVERY)]
    done = subprocess.run(command, cwd=Path(__file__).parents[2], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 30


async def test_promise_7_ctrl_c_reaches_a_handler_that_computes_for_ever() -> None:
    async def spin(message: stentor.Message) -> None:
        if message.payload:
            await trio.lowlevel.checkpoint()
        while True:
            signal.raise_signal(signal.SIGINT)

    for suspends in (False, True):
        bus = None
        try:
            async with stentor.open_bus() as bus:
                bus.register("a", spin).subscribe("t")
                await bus.publish("t", suspends)
                await trio.sleep_forever()
        except KeyboardInterrupt:
            pass
        assert bus is not None
        assert [left.state for left in bus.left] == ["running"]
