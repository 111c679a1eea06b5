"""What the tests of delivery share: handlers that write down their calls, and counts as they are compared."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any

import trio

from tests.bus.accounts import STATES, all_parked

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable

    import stentor


def counts(member: stentor.Agent | stentor.Feed[Any] | stentor.Bus) -> dict[str, int]:
    """What was addressed and became of it, without the zeros; fail unless it adds up."""
    record = member.statistics()
    found = {state: getattr(record, state) for state in STATES}
    assert record.addressed == sum(found.values()), (record.addressed, found)
    assert all(count >= 0 for count in found.values()), found
    return {state: count for state, count in found.items() if count}


def payloads(messages: Iterable[stentor.Message]) -> list[Any]:
    """The payloads of several messages."""
    return [message.payload for message in messages]


class Diary:
    """Handlers that write down, agent by agent, what they were called with and when."""

    def __init__(self) -> None:
        """Begin with an empty diary."""
        self.calls: defaultdict[str, list[Any]] = defaultdict(list)
        """The payload of each call, or the list of payloads."""
        self.times: defaultdict[str, list[float]] = defaultdict(list)
        """When the call began, in seconds since the diary was begun."""
        self._begun = trio.current_time()

    def handler(
        self, name: str, body: Callable[[Any], Awaitable[object]] | None = None
    ) -> Callable[[Any], Awaitable[object]]:
        """A handler that writes itself down and then does `body` with the payload, or the list of payloads."""

        async def handle(mail: stentor.Message | list[stentor.Message]) -> object:
            content = payloads(mail) if isinstance(mail, list) else mail.payload
            self.calls[name].append(content)
            self.times[name].append(trio.current_time() - self._begun)
            return None if body is None else await body(content)

        return handle


class Gate:
    """A handler's body that waits until the gate is opened."""

    def __init__(self) -> None:
        """Begin closed."""
        self._event = trio.Event()

    async def __call__(self, _: object) -> None:
        """Wait until it is open."""
        await self._event.wait()

    def open(self) -> None:
        """Let everybody pass."""
        self._event.set()


async def fill(bus: stentor.Bus, topic: str, *contents: object, **options: Any) -> None:
    """Publish to a stalled agent: the first is being handled before the second comes."""
    for content in contents:
        await bus.publish(topic, content, **options)
        await all_parked()


async def fail(_: object) -> None:
    """A handler's body that always fails."""
    raise ValueError("no")
