"""Who may do what at the server: the rights that the guide names are enough, and what is missing is told."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest

import stentor
from stentor import Trouble
from stentor.bridge import LinkTiming, RedisBridge, _bridge
from tests.bridge.joined import OPTIONS, Log, trim, until
from tests.bridge.servers import RedisServer, redis_server, tls_server
from tests.package import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = [pytest.mark.live, pytest.mark.real_clock]
both = pytest.mark.parametrize("transport", ["pubsub", "streams"])
GUIDE = ROOT / "docs" / "guide" / "bridge.md"


@pytest.fixture(scope="module")
def server() -> Iterator[RedisServer]:
    """A server with one user, who may do what the guide says."""
    found = re.search(r"ACL SETUSER sim on >secret (.*?)\n```", GUIDE.read_text(encoding="utf-8"), re.DOTALL)
    assert found is not None
    rules = found[1].replace("\\\n", " ").split()
    with redis_server() as running:
        running.ask("ACL", "SETUSER", "sim", "on", ">secret", *rules)
        yield running


@both
async def test_the_rights_of_the_guide_are_enough(server: RedisServer, transport: str) -> None:
    options: dict[str, Any] = OPTIONS | {
        "namespace": "sim",
        "user": "sim",
        "password": "secret",
        "transport": transport,
    }
    log = Log()
    async with stentor.open_bus() as here, stentor.open_bus() as there:
        names: dict[str, Any] = {"out": ["**"], "in_": ["**"]}
        async with (
            RedisBridge(there, server.url, **names, **options) as into,
            RedisBridge(here, server.url, **names, **options) as out_of,
        ):
            reader = there.register("reader", log)
            await into.subscribe(reader, "ai.models.*")
            await here.publish("ai.models.x", "by topic")
            await out_of.reachable("reader")
            await here.send("reader", "by name")
            await until(lambda: len(log.payloads) == 2)
            await until(lambda: not into.statistics().unacknowledged)
            assert here.health().ok
            assert there.health().ok
            if transport == "streams":
                await trim(into)
        assert server.ask("KEYS", "*n:*") == []  # nodes without a name of their own leave nothing behind


@both
async def test_a_wrong_password_is_told_and_is_in_no_text(
    server: RedisServer, transport: str, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_bridge, "DRAIN", 0.1)  # nothing that waits for the server can be sent at the end
    async with stentor.open_bus() as bus:
        options: dict[str, Any] = OPTIONS | {"user": "sim", "password": "hush-hush", "transport": transport}
        async with RedisBridge(bus, server.url, out=["t"], **options) as bridge:
            await until(lambda: bridge.state == "degraded")
            await bus.publish("t", "the bus goes on")
            (problem,) = bus.health().problems
            assert problem.trouble is Trouble.DEGRADED
            assert "WRONGPASS" in problem.detail
            text = f"{bridge!r} {bridge.statistics()} {problem} {caplog.text}"
            assert "hush-hush" not in text


async def test_messages_cross_by_tls() -> None:
    log = Log()
    with tls_server() as (secure, context):
        url = f"rediss://localhost:{secure.port}"
        async with stentor.open_bus() as here, stentor.open_bus() as there:
            options: dict[str, Any] = OPTIONS | {"tls": context, "timing": LinkTiming()}
            async with (
                RedisBridge(there, url, in_=["t"], **options) as into,
                RedisBridge(here, url, out=["t"], **options),
            ):
                await into.subscribe(there.register("reader", log), "t")
                await here.publish("t", "in secret")
                await until(lambda: log.payloads == ["in secret"])
