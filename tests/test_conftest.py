"""The runner of the async tests does what its page says."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st

if TYPE_CHECKING:
    from trio.testing import MockClock

pytest_plugins = ["pytester"]

HANGS = """
    import trio

    async def test_hangs():
        assert trio.current_effective_deadline() == float("inf")
        await trio.sleep_forever()
"""


async def test_time_is_virtual_without_asking() -> None:
    start = trio.current_time()
    await trio.sleep(3600.0)
    assert trio.current_time() - start == 3600.0


async def test_the_fixture_is_the_clock_of_the_run(autojump_clock: MockClock) -> None:
    autojump_clock.jump(60.0)
    assert trio.current_time() == autojump_clock.current_time()
    assert autojump_clock.current_time() == 60.0


@given(seconds=st.floats(min_value=1.0, max_value=1e6))
async def test_each_example_has_a_run_of_its_own(seconds: float) -> None:
    assert trio.current_time() == 0.0
    await trio.sleep(seconds)
    assert trio.current_time() == seconds


@pytest.mark.real_clock
async def test_a_thread_can_be_waited_for_on_the_real_clock() -> None:
    assert await trio.to_thread.run_sync(lambda: 42) == 42


def test_a_test_that_hangs_fails_and_says_so(pytester: pytest.Pytester, request: pytest.FixtureRequest) -> None:
    conftest = request.path.with_name("conftest.py").read_text(encoding="utf-8")
    pytester.makeconftest(conftest)
    pytester.makepyfile(HANGS)
    result = pytester.runpytest_inprocess("-p", "no:cacheprovider")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*the test hangs: every task still waited after 1e+09 seconds of its clock*"])
