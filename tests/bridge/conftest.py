"""A server for the tests of a file that do it no lasting harm."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.bridge.servers import RedisServer, redis_server

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="module")
def shared() -> Iterator[RedisServer]:
    """One server for all tests of this file."""
    with redis_server() as running:
        yield running


@pytest.fixture
def server(shared: RedisServer) -> RedisServer:
    """A server with nothing in it."""
    shared.ask("FLUSHALL")
    return shared
