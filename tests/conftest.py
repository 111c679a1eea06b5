"""How the tests run: async ones under trio on a virtual clock, generated ones from a fixed seed.

An ``async def`` test needs no marker and no plugin. It runs on a `MockClock` that jumps to the next deadline
whenever every task waits, so a sleep of an hour takes no time and no test depends on the speed of the machine.
Ask for the fixture ``autojump_clock`` to hold that clock; mark a test ``real_clock`` where threads, processes or
sockets must have real time to work in. A test that hangs fails with a text that says so.
"""

from __future__ import annotations

import functools
import inspect
import signal
from typing import TYPE_CHECKING, Any

import hypothesis
import pytest
import trio
from trio.testing import MockClock

import stentor

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

VIRTUAL_LIMIT = 1e9
"""Seconds of virtual time after which a test hangs: nothing else was left to wait for."""
REAL_LIMIT = 120.0
"""Seconds of real time after which a `real_clock` test hangs."""

# Every example comes from a fixed seed, so a failure is the same on every machine and in every run.
hypothesis.settings.register_profile("fixed", derandomize=True, deadline=None, database=None, print_blob=True)
# A search with a seed of its own: `pytest --hypothesis-profile=long`.
hypothesis.settings.register_profile("long", deadline=None, max_examples=10_000, print_blob=True)
hypothesis.settings.load_profile("fixed")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Lets the tests run once more with the dispatcher that the native one is compared with."""
    parser.addoption("--dispatcher", choices=["native", "python"], help="moves the messages of every bus")


def pytest_configure() -> None:
    """Undoes what a shell does to a command in the background: it and all it starts would ignore Ctrl+C."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def chosen_dispatcher(request: pytest.FixtureRequest) -> Iterator[None]:
    """Gives every bus of the test the dispatcher that was asked for on the command line."""
    with stentor.bus_defaults(dispatcher=request.config.getoption("--dispatcher")):
        yield


@pytest.fixture
def autojump_clock() -> MockClock:
    """The virtual clock of the test that asks for it; `jump(seconds)` moves it by hand."""
    return MockClock(autojump_threshold=0)


async def _end_after(limit: float, scope: trio.CancelScope) -> None:
    await trio.sleep(limit)
    scope.cancel()


async def _within(limit: float, test: Callable[[], Awaitable[None]]) -> None:
    """Runs `test` with a limit that no deadline inside it can see."""
    with trio.CancelScope() as scope:
        trio.lowlevel.spawn_system_task(_end_after, limit, scope)
        await test()
    if scope.cancelled_caught:
        pytest.fail(f"the test hangs: every task still waited after {limit:g} seconds of its clock", pytrace=False)


def _on_trio(test: Callable[..., Awaitable[None]], *, real: bool) -> Callable[..., None]:
    """The synchronous twin of an async test, each call of which is a trio run of its own."""

    @functools.wraps(test)
    def run(*args: Any, **kwargs: Any) -> None:
        clock = kwargs.get("autojump_clock")
        if clock is None and not real:
            clock = MockClock(autojump_threshold=0)
        body = functools.partial(test, *args, **kwargs)
        trio.run(_within, REAL_LIMIT if real else VIRTUAL_LIMIT, body, clock=clock)

    return run


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_call(item: pytest.Item) -> None:
    """Puts the trio run around an async test, inside Hypothesis where that calls the test many times."""
    if not isinstance(item, pytest.Function):
        return
    real = item.get_closest_marker("real_clock") is not None
    given = getattr(item.obj, "hypothesis", None)
    if given is not None and inspect.iscoroutinefunction(given.inner_test):
        given.inner_test = _on_trio(given.inner_test, real=real)
    elif inspect.iscoroutinefunction(item.obj):
        item.obj = _on_trio(item.obj, real=real)
