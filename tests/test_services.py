"""What a test that needs a real service does on a machine that lacks it, and that services end with their block."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests import services


def test_a_missing_program_skips_and_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CI", raising=False)
    text = "no-such-program is not installed: apt-get install some-package"
    with pytest.raises(pytest.skip.Exception, match=f"^{re.escape(text)}$"):
        services.required_program("no-such-program", "some-package")


def test_a_missing_program_fails_where_ci_is_true(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CI", "true")
    text = "no-such-program is not installed: apt-get install some-package"
    with pytest.raises(pytest.fail.Exception, match=f"^{re.escape(text)}$"):
        services.required_program("no-such-program", "some-package")


def test_a_port_is_given_to_one_alone() -> None:
    with ThreadPoolExecutor(8) as threads:
        ports = list(threads.map(lambda _: services.free_port(), range(200)))
    assert len(set(ports)) == 200
    assert set(ports) <= set(services.PORTS)


@pytest.mark.live
def test_a_service_ends_with_its_block() -> None:
    with services.redis() as running:
        running.connect().close()
        assert running.process.poll() is None
    assert running.process.returncode == 0
    assert not running.folder.exists()
    with pytest.raises(OSError, match="refused"):
        running.connect()
