"""Publisher, consumer and server are killed: what was confirmed arrives, once, in order, and all else is told."""

from __future__ import annotations

import pytest
import trio

from tests.bridge.exchange import exchange
from tests.bridge.killing import ROLES, Tally, run

pytestmark = [pytest.mark.live, pytest.mark.real_clock]


def check(tally: Tally) -> None:
    """Whatever was killed, nothing comes twice unmarked, nothing out of order, and no loss is silent."""
    assert (tally.duplicates, tally.disorder, tally.unreported) == (0, 0, 0), tally
    assert tally.published > 0
    if tally.transport == "streams":
        assert tally.lost_confirmed == 0, tally


async def test_one_publisher_dies_and_its_successor_tells() -> None:
    tally = await trio.to_thread.run_sync(run, "pubsub", 1.0, 1, ("publish",))
    check(tally)
    assert tally.succeeded >= tally.kills["publish"]


@pytest.mark.long
@pytest.mark.parametrize("roles", [ROLES, ("publish", "server")], ids="-".join)
@pytest.mark.parametrize("transport", ["pubsub", "streams"])
def test_all_are_killed_at_random_for_three_minutes(transport: str, roles: tuple[str, ...]) -> None:
    check(run(transport, 180.0, 0, roles))


@pytest.mark.long
def test_a_million_messages_are_exchanged_while_the_server_is_killed_ten_times() -> None:
    for side in exchange(1_000_000, 10):
        assert [side[what] for what in ("lost", "twice", "disorder", "missing")] == [0, 0, 0, 0], side
        assert side["peak MiB"] < 250, side
