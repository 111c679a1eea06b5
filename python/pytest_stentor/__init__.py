"""A plugin for pytest: the fixture `bus`, an open bus on a virtual clock.

It is a package of its own so that it costs nothing where it is not used: pytest imports every plugin that is installed,
and this one imports neither stentor nor trio until a test asks for the fixture. With pytest-trio installed the tests
that ask are run by it, and other async fixtures may use the bus; without it they are run here.
"""

from __future__ import annotations

import inspect
from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    import stentor

MARKER = (
    "stentor(failures=False, **settings): open the `bus` of this test with the settings of `stentor.open_bus`;"
    " `failures=True` lets handlers fail"
)


def pytest_configure(config: pytest.Config) -> None:
    """Register the marker, and the fixture in the form that suits the plugins that there are."""
    config.addinivalue_line("markers", MARKER)
    if config.pluginmanager.hasplugin("trio"):
        config.pluginmanager.register(_WithPytestTrio(), "stentor_bus")
    else:
        config.pluginmanager.register(_Alone(), "stentor_bus")


def _wants_bus(item: pytest.Item) -> bool:
    return isinstance(item, pytest.Function) and "bus" in item.fixturenames and inspect.iscoroutinefunction(item.obj)


@asynccontextmanager
async def _opened(item: Any) -> AsyncIterator[stentor.Bus]:
    """Open the bus of a test, and demand at the end that no handler failed, unless its marker says otherwise."""
    import stentor  # noqa: PLC0415 - see above
    from stentor.testing import assert_no_failures  # noqa: PLC0415

    marker = item.get_closest_marker("stentor")
    settings: dict[str, Any] = {"seed": 0} | (marker.kwargs if marker is not None else {})
    failures = settings.pop("failures", False)
    async with stentor.open_bus(**settings) as bus:
        yield bus
    if not failures:
        assert_no_failures(bus)


def _run_in_virtual_time(main: Callable[[], Awaitable[Any]], clock: Any = None, instruments: Any = ()) -> Any:
    import trio  # noqa: PLC0415 - see above
    from trio.testing import MockClock  # noqa: PLC0415

    return trio.run(main, clock=clock or MockClock(autojump_threshold=0), instruments=instruments)


class _WithPytestTrio:
    """The fixture as pytest-trio wants it; the tests that ask for it run on a virtual clock."""

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Have pytest-trio run the tests that ask for the bus."""
        for item in items:
            if _wants_bus(item):
                item.add_marker(pytest.mark.trio(run=_run_in_virtual_time), append=False)

    @pytest.fixture
    async def bus(self, request: pytest.FixtureRequest) -> AsyncIterator[stentor.Bus]:
        """An open bus on a virtual clock; no handler may fail, unless `@pytest.mark.stentor(failures=True)`."""
        async with _opened(request.node) as bus:
            yield bus


class _Alone:
    """The fixture where no plugin runs async tests: those that ask for it are run here."""

    @pytest.fixture
    def bus(self, request: pytest.FixtureRequest) -> None:
        """An open bus on a virtual clock; no handler may fail, unless `@pytest.mark.stentor(failures=True)`."""
        if not _wants_bus(request.node) or "bus" not in inspect.signature(request.node.obj).parameters:
            msg = "the fixture `bus` is for async tests; for other fixtures that use it, install pytest-trio"
            raise pytest.UsageError(msg)

    @pytest.hookimpl(tryfirst=True)
    def pytest_pyfunc_call(self, pyfuncitem: pytest.Function) -> bool | None:
        """Run a test that asks for the bus."""
        if not _wants_bus(pyfuncitem):
            return None
        names = inspect.signature(pyfuncitem.obj).parameters
        arguments = {name: pyfuncitem.funcargs[name] for name in names if name in pyfuncitem.funcargs}
        _run_in_virtual_time(partial(_with_bus, pyfuncitem, arguments))
        return True


async def _with_bus(item: pytest.Function, arguments: dict[str, Any]) -> None:
    async with _opened(item) as bus:
        await item.obj(**(arguments | {"bus": bus}))
