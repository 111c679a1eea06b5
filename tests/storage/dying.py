"""Processes that are killed with SIGKILL at a random instant, and what they had said until then."""

from __future__ import annotations

import multiprocessing
import signal
import time
from random import Random
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable
    from multiprocessing.connection import Connection

LONGEST_LIFE = 0.25
"""Seconds that a process may live after it has said its first word."""
FIRST_WORD = 60.0
"""Seconds within which it must have said it."""


def said_until_killed(work: Callable[..., None], *arguments: object, seed: int) -> list[Any]:
    """Start `work(pipe, *arguments)` in a process, kill it, and return all that it sent through the pipe.

    What it had sent counts, though it is dead; it may have died in the middle of a word.
    """
    process, pipe = _start(work, arguments)
    said: list[Any] = []
    try:
        assert pipe.poll(FIRST_WORD), "the process says nothing"
        end = time.monotonic() + Random(seed).random() * LONGEST_LIFE
        while (left := end - time.monotonic()) > 0:
            if pipe.poll(left):
                said.append(pipe.recv())
    finally:
        process.kill()
        said += _rest(pipe)
        process.join()
    assert process.exitcode == -signal.SIGKILL, f"the process ended by itself, with status {process.exitcode}"
    process.close()
    return said


def said_to_the_end(work: Callable[..., None], *arguments: object) -> list[Any]:
    """Start `work(pipe, *arguments)` in a process, let it end, and return all that it sent through the pipe."""
    process, pipe = _start(work, arguments)
    said = _rest(pipe)
    process.join()
    assert process.exitcode == 0
    process.close()
    return said


def _start(work: Callable[..., None], arguments: tuple[object, ...]) -> tuple[Any, Connection]:
    """Fork from a process that has everything imported and does nothing, which is quick and safe."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tests.storage.killing"])
    here, there = context.Pipe(duplex=False)
    process = context.Process(target=work, args=(there, *arguments))
    process.start()
    there.close()
    return process, here


def _rest(pipe: Connection) -> list[Any]:
    said: list[Any] = []
    while True:
        try:
            said.append(pipe.recv())
        except (EOFError, OSError):
            pipe.close()
            return said
