"""The plugin for pytest, in a pytest of its own: with pytest-trio and without, and where nobody asks for it."""

from __future__ import annotations

import re
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

TESTS = """
import pytest, stentor, trio
from stentor.testing import expect

async def test_an_hour_takes_no_time(bus):
    async def slow(message):
        await trio.sleep(3600)
        await bus.publish("done", message.payload)
    bus.register("slow", slow).subscribe("do")
    async with expect(bus, "done", within=3601.0) as expected:
        await bus.publish("do", 7)
    assert expected.message.payload == 7

async def broken(message):
    raise OSError("out of ink")

async def test_a_handler_that_fails_fails_the_test(bus):
    bus.register("scribe", broken).subscribe("do")
    await bus.publish("do", 7)

@pytest.mark.stentor(failures=True, dialect="mqtt", seed=3)
async def test_failures_may_be_allowed_and_settings_given(bus):
    bus.register("scribe", broken).subscribe("do/+")
    receipt = await bus.publish("do/it", 7)
    assert receipt.recipients == ("scribe",)

@pytest.mark.parametrize("number", [1, 2])
async def test_other_fixtures_and_parameters_come_too(bus, number, tmp_path):
    assert tmp_path.is_dir()
    await bus.publish("t", number)

class TestInAClass:
    async def test_a_method(self, bus):
        assert isinstance(bus, stentor.Bus)

def test_one_that_does_not_ask():
    assert True
"""

OTHER_FIXTURES = """
import pytest, stentor

@pytest.fixture
async def agent(bus):
    async def listen(message): ...
    agent = bus.register("a", listen)
    agent.subscribe("t")
    return agent

@pytest.mark.trio
async def test_an_async_fixture_uses_the_bus(bus, agent):
    await bus.publish("t")
    await bus.settled()
    assert agent.statistics().handled == 1
"""


NOT_ASYNC = "def test_plain(bus): ..."


def outcome(folder: Path, sources: list[str], *options: str) -> tuple[dict[str, int], str]:
    """Run tests in a pytest of their own; return how many passed, failed and so on, and what it said."""
    for number, source in enumerate(sources):
        (folder / f"test_{number}.py").write_text(source, encoding="utf-8")
    (folder / "pytest.ini").write_text("[pytest]\n", encoding="utf-8")
    command = [
        sys.executable,
        "-W",
        "error",
        "-m",
        "pytest",
        "-q",
        "--strict-markers",
        *(
            f"-pno:{name}" for name in ("cacheprovider", "hypothesispytest", "benchmark")
        ),  # which take a second to import
        *options,
    ]
    done = subprocess.run(
        command, cwd=folder, capture_output=True, text=True, encoding="utf-8", timeout=120, check=False
    )
    counts = re.findall(r"(\d+) (passed|failed|errors?|skipped|warnings?)", done.stdout.splitlines()[-1])
    return {name.removesuffix("s"): int(number) for number, name in counts}, done.stdout + done.stderr


def test_with_pytest_trio_the_bus_is_open_on_a_virtual_clock_and_in_async_fixtures(tmp_path: Path) -> None:
    pytest.importorskip("pytest_trio", reason="pytest-trio is not installed: pip install pytest-trio")
    counts, said = outcome(tmp_path, [TESTS, OTHER_FIXTURES])
    assert counts == {"passed": 7, "failed": 1}, said
    assert_the_failure_is_told(said)


def test_alone_the_bus_is_open_on_a_virtual_clock_and_for_async_tests_only(tmp_path: Path) -> None:
    counts, said = outcome(tmp_path, [TESTS, NOT_ASYNC], "-p", "no:trio")
    assert counts == {"passed": 6, "failed": 1, "error": 1}, said
    assert_the_failure_is_told(said)
    assert "the fixture `bus` is for async tests" in said


def assert_the_failure_is_told(said: str) -> None:
    assert "1 delivery has failed:" in said
    assert "agent 'scribe' on do 7: OSError('out of ink')" in said


def test_who_does_not_ask_imports_nothing(tmp_path: Path) -> None:
    source = """
import sys
def test_nothing_is_imported():
    assert "pytest_stentor" in sys.modules
    assert not {"stentor", "trio", "attrs"} & set(sys.modules)
"""
    counts, said = outcome(tmp_path, [source], "-p", "no:trio", "-p", "no:anyio")
    assert counts == {"passed": 1}, said
