"""Where a simulation reaches into trio beyond its public names, and the check that what it reaches for is there.

trio shuffles on purpose: the tasks that can run are put into an order that a generator of its own decides, and nothing
public says otherwise. Hypothesis has had a way in for years, which is used here too: with
`_ALLOW_DETERMINISTIC_SCHEDULING` set, trio sorts the tasks of each pass by their age and gives them to `_r.shuffle`.
For as long as a run lasts, that `_r` is an object of ours, which asks the run for the order. Because of the sorting it
does not matter in which order they were woken: trio breaks ties of deadlines by `id()`, and cancels tasks in the order
of a set.

Four more things are replaced. `sleep_until`, on which `trio.sleep` stands, becomes an entry in the calendar of the
virtual clock. The cache from which `trio.to_thread` takes threads, and the part of the run that waits for sockets and
processes, refuse. That part is then not asked for news at all, which saves a system call in every pass. Whether a task
waits for all others to be blocked, or another thread or Ctrl-C has handed something in, is read before time moves on.

All of it holds for the thread in which the run is, and only there; any other `trio.run` goes on as ever. `docs/guide/
simulation.md` tells what was measured, and against what.
"""

from __future__ import annotations

import importlib
from contextlib import contextmanager
from threading import Lock, get_ident
from typing import TYPE_CHECKING, Any, Final, final

import outcome
import trio
from attrs import frozen

from stentor.simulation._clock import VirtualClock
from stentor.simulation._errors import OutsideWorldError, UnsupportedTrioError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

NEEDED: Final = (
    ("trio._core._run", "_ALLOW_DETERMINISTIC_SCHEDULING"),
    ("trio._core._run", "_r"),
    ("trio._core._run", "GLOBAL_RUN_CONTEXT"),
    ("trio._core._thread_cache", "THREAD_CACHE"),
    ("trio._timeouts", "sleep_until"),
)
"""What must be there, by module and name."""
NEEDED_OF_RUNNER: Final = ("entry_queue", "io_manager", "waiting_for_idle")
"""What a running `trio.run` must have."""

NO_THREADS: Final = (
    "a simulation run starts no threads, and trio.to_thread, files, names of hosts and processes need them; "
    "run(..., threads='inline') calls the function at once instead, in no time"
)
NO_SOCKETS: Final = "a simulation run waits for no socket, pipe or process, for nothing says when they are ready"


@final
@frozen
class Rules:
    """What a run wants of trio."""

    clock: VirtualClock
    order: Callable[[list[Any]], None]
    """Puts the tasks of one pass, which come sorted by age, into the order in which they run."""
    inline: bool
    """Whether a function that is meant for a thread is called at once, instead of being refused."""


_rules: Final[dict[int, Rules]] = {}
"""The rules of the run in each thread."""
_lock: Final = Lock()
_kept: Final[dict[tuple[str, str], Any]] = {}
"""What was in trio before the first run began."""


@contextmanager
def under(rules: Rules) -> Iterator[None]:
    """Let `trio.run` in this thread, and in the block, go by `rules`.

    Raises:
        UnsupportedTrioError: trio does not have what this needs.
        RuntimeError: A run goes by other rules in this thread already.
    """
    with _lock:
        if get_ident() in _rules:
            msg = "a simulation run is called inside of another"
            raise RuntimeError(msg)
        if not _rules:
            _install()
        _rules[get_ident()] = rules
    try:
        yield
    finally:
        with _lock:
            del _rules[get_ident()]
            if not _rules:
                _put_back()


def enter() -> None:
    """Take hold of the run that has just begun; its first task calls this first.

    Raises:
        UnsupportedTrioError: It does not have what this needs.
    """
    clock = _rules[get_ident()].clock
    runner: Any = _module("trio._core._run").GLOBAL_RUN_CONTEXT.runner
    missing = [name for name in NEEDED_OF_RUNNER if not hasattr(runner, name)]
    if missing:
        raise _unsupported(", ".join(f"a runner with {name}" for name in missing))
    entries = runner.entry_queue
    runner.io_manager = _NoWaiting(runner.io_manager, entries)

    def is_held() -> float | None:
        if runner.waiting_for_idle:
            return clock.hold()
        return 0.0 if entries.size() else None

    clock.is_held = is_held


def _install() -> None:
    missing = [f"{module}.{name}" for module, name in NEEDED if not hasattr(_module(module), name)]
    if missing:
        raise _unsupported(", ".join(missing))
    for module, name in NEEDED:
        _kept[module, name] = getattr(_module(module), name)
    random, cache = _kept["trio._core._run", "_r"], _kept["trio._core._thread_cache", "THREAD_CACHE"]
    _kept["trio", "sleep_until"] = trio.sleep_until
    sleep_until = _sleep_until(_kept["trio._timeouts", "sleep_until"])
    for module, name, replacement in (
        ("trio._core._run", "_ALLOW_DETERMINISTIC_SCHEDULING", True),
        ("trio._core._run", "_r", _Order(random)),
        ("trio._core._thread_cache", "THREAD_CACHE", _NoThreads(cache)),
        ("trio._timeouts", "sleep_until", sleep_until),
        ("trio", "sleep_until", sleep_until),
    ):
        setattr(_module(module), name, replacement)


def _put_back() -> None:
    for (module, name), value in _kept.items():
        setattr(_module(module), name, value)
    _kept.clear()


def _module(name: str) -> Any:
    return importlib.import_module(name)


def _unsupported(what: str) -> UnsupportedTrioError:
    return UnsupportedTrioError(f"trio {trio.__version__} has no {what}, which a simulation run needs")


@final
class _Order:
    """Stands where trio keeps its generator of random numbers."""

    def __init__(self, random: Any) -> None:
        self._random = random

    def shuffle(self, batch: list[Any]) -> None:
        rules = _rules.get(get_ident())
        if rules is None:
            self._random.shuffle(batch)
        else:
            rules.order(batch)
            batch.reverse()  # trio takes the last first

    def __getattr__(self, name: str) -> Any:
        return getattr(self._random, name)


@final
class _NoThreads:
    """Stands where trio keeps its threads."""

    def __init__(self, cache: Any) -> None:
        self._cache = cache

    def start_thread_soon(
        self, fn: Callable[[], Any], deliver: Callable[[outcome.Outcome[Any]], object], name: str | None = None
    ) -> None:
        rules = _rules.get(get_ident())
        if rules is None:
            self._cache.start_thread_soon(fn, deliver, name)
        elif rules.inline:
            deliver(outcome.capture(fn))
        else:
            raise OutsideWorldError(NO_THREADS)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._cache, name)


@final
class _NoWaiting:
    """Stands where a run keeps what tells it of sockets; only the run's own door is still looked after."""

    def __init__(self, manager: Any, entries: Any) -> None:
        self._manager = manager
        self._entries = entries

    def get_events(self, timeout: float) -> Any:
        del timeout
        return self._manager.get_events(0) if self._entries.size() else ()

    def process_events(self, news: Any) -> None:
        if news:
            self._manager.process_events(news)

    async def wait_readable(self, fd: Any) -> None:
        if fd is not self._entries.wakeup.wakeup_sock:
            raise OutsideWorldError(NO_SOCKETS)
        await self._manager.wait_readable(fd)

    async def wait_writable(self, fd: Any) -> None:
        del fd
        raise OutsideWorldError(NO_SOCKETS)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._manager, name)


def _sleep_until(original: Callable[[float], Any]) -> Callable[[float], Any]:
    async def sleep_until(deadline: float) -> None:
        clock = trio.lowlevel.current_clock()
        if isinstance(clock, VirtualClock):
            await clock.sleep_until(deadline)
        else:
            await original(deadline)

    sleep_until.__doc__ = original.__doc__
    return sleep_until
