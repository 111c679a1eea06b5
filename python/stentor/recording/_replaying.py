"""Replay: what came from outside of handlers is published again, at its time, to handlers that may have changed."""

from __future__ import annotations

import inspect
from collections import Counter
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final, final

import msgspec
import trio

import stentor
from stentor.recording._difference import by_cause
from stentor.recording._entries import ACCEPTED, ENDING, REPR
from stentor.recording._reading import Recording, message_of, read
from stentor.recording._scribe import PAYLOAD_LIMIT, Scribe

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence
    from os import PathLike

    from stentor.recording._difference import Difference
    from stentor.recording._entries import RawEntry
    from stentor.recording._records import RecordedMessage

PATIENCE: Final = 20
"""Turns of everybody else in which nothing happens, after which a replay does not wait for what the recording has."""

_REFUSALS: Final = (
    stentor.MailboxFullError,
    stentor.NoResponderError,
    stentor.RequestFailedError,
    stentor.UnknownAgentError,
    trio.TooSlowError,
)
"""What a publish may end with; that it did is seen in what is recorded."""


async def replay(
    recording: str | PathLike[str] | Recording,
    setup: Callable[[stentor.Bus], Awaitable[None] | None],
    *,
    times: bool = True,
    payloads: Callable[[RecordedMessage], object] | None = None,
    **settings: Any,
) -> Difference | None:
    """Publish what a recording has from outside of handlers to the handlers of a new bus, and return where it parts.

    Each such message is published at its time, and when all has happened that happened before it, so on a virtual clock
    a replay takes no time and is exact. In which order independent things happen does not count. A question that was
    answered is asked again. What was routed or retained is published, no more.

    Args:
        recording: A recording, or the file of one.
        setup: Registers the agents on the bus that it is given; may be async.
        times: Whether times count; False for a recording that was made on a real clock.
        payloads: Makes the payload to be published of a recorded message, which has plain data for an object; without
            it, that data is published.
        **settings: Those of `open_bus`.

    Returns:
        The first difference, or None if the same happened again.

    Raises:
        RecordingError: The file is no recording.
        ValueError: A payload was recorded as its repr, and there is no `payloads` to make one.

    Example:
        >>> import pathlib, stentor, tempfile, trio
        >>> from stentor.recording import record, replay
        >>> from trio.testing import MockClock
        >>> async def asks_once(bus):
        ...     async def handler(message):
        ...         await trio.sleep(message.payload)
        ...         await bus.publish("done", message.payload)
        ...
        ...     bus.register("a", handler).subscribe("ask")
        >>> async def main(path):
        ...     with record(path) as recorder:
        ...         async with stentor.open_bus(observers=[recorder]) as bus:
        ...             await asks_once(bus)
        ...             await bus.publish("ask", 1)
        >>> async def asks_twice(bus):
        ...     async def handler(message):
        ...         await trio.sleep(message.payload * 2)
        ...         await bus.publish("done", message.payload)
        ...
        ...     bus.register("a", handler).subscribe("ask")
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = pathlib.Path(folder, "run.stentor")
        ...     trio.run(main, path, clock=MockClock(autojump_threshold=0))
        ...     for handlers in (asks_once, asks_twice):
        ...         difference = trio.run(replay, path, handlers, clock=MockClock(autojump_threshold=0))
        ...         print(difference and difference.fields)
        None
        (('time', 1.0, 2.0),)
    """
    source = recording if isinstance(recording, Recording) else read(recording)
    messages = [raw for raw in source.raw_entries() if raw[0] == ACCEPTED]
    if payloads is None:
        _check_payloads(messages)
    answers = Counter(raw[7] for raw in messages if raw[7] is not None)
    transcript = Transcript()
    settings["observers"] = [*settings.get("observers", ()), transcript]
    async with stentor.open_bus(**settings) as bus:
        registering = setup(bus)
        if inspect.isawaitable(registering):
            await registering
        async with trio.open_nursery() as nursery:
            await _Feeder(bus, transcript, answers, payloads, nursery).feed(source)
    return by_cause(source.raw_entries(), transcript.finish(), times=times)


def _check_payloads(messages: Sequence[RawEntry]) -> None:
    for raw in messages:
        if raw[6] is None and raw[15] == REPR:
            msg = f"payloads must be given, for that of message {raw[2]} was recorded as {raw[16]}"
            raise ValueError(msg)


@final
class Transcript(Scribe):
    """Keeps all entries in memory, as they would be read from a file."""

    def __init__(self) -> None:
        """Begin with no entries."""
        super().__init__(PAYLOAD_LIMIT)
        self._entries: list[RawEntry] = []
        self.messages: list[stentor.Message] = []
        """The messages that were accepted, in order."""

    def accepted(self, message: stentor.Message, recipients: tuple[str, ...], inside: stentor.Delivery | None) -> None:
        """Keep the message itself, too: it may have to be answered."""
        self.messages.append(message)
        super().accepted(message, recipients, inside)

    def finish(self) -> list[RawEntry]:
        """Return all entries."""
        self._turn_page()
        return self._entries

    @trio.lowlevel.enable_ki_protection
    def _write(self, data: bytes, count: int) -> None:
        array = b"\xdd" + count.to_bytes(4, "big")
        self._entries += msgspec.msgpack.decode(array + data, type=list[tuple[Any, ...]])


@final
class _Feeder:
    """Publishes what a recording has from outside of handlers."""

    def __init__(
        self,
        bus: stentor.Bus,
        transcript: Transcript,
        answers: Counter[str],
        payloads: Callable[[RecordedMessage], object] | None,
        nursery: trio.Nursery,
    ) -> None:
        self._bus = bus
        self._transcript = transcript
        self._answers = answers
        self._payloads = payloads
        self._nursery = nursery
        self._start = trio.current_time()
        self._first: float | None = None
        self._numbers: dict[str, int] = {}
        """Of each recorded message, how many were accepted before it."""

    async def feed(self, recording: Recording) -> None:
        """Publish all of them, each at its time, and stay until the bus was left."""
        count = 0
        for raw in recording.raw_entries(endings=True):
            if self._first is None:
                self._first = raw[1]
            if raw[0] == ENDING:
                await self._come_to(raw[1], count)
            elif raw[0] == ACCEPTED:
                self._numbers.setdefault(raw[2], len(self._numbers))
                if raw[6] is None:
                    await self._come_to(raw[1], count)
                    with suppress(*_REFUSALS):
                        await self._publish(message_of(raw), count)
            count += raw[0] != ENDING

    async def _come_to(self, time: float, count: int) -> None:
        """Wait until it is that time, and so many entries are there or nothing happens any more."""
        if (instant := self._now(time)) > trio.current_time():
            await trio.sleep_until(instant)
        await self._catch_up(count)

    def _now(self, time: float) -> float:
        """Return when in the replay something is that was at `time` in the recording."""
        return self._start + time - (self._first or 0.0)

    async def _catch_up(self, count: int) -> None:
        idle = 0
        while (before := self._transcript.entries) < count and idle < PATIENCE:
            await trio.lowlevel.checkpoint()
            idle = 0 if self._transcript.entries > before else idle + 1

    async def _publish(self, message: RecordedMessage, count: int) -> None:
        bus = self._bus
        payload = message.payload if self._payloads is None else self._payloads(message)
        options: dict[str, Any] = {
            "sender": message.sender,
            "priority": message.priority,
            "ttl": message.ttl,
            "content_type": message.content_type,
            "headers": message.headers,
        }
        answered = self._numbers.get(message.in_reply_to or "")
        if answered is not None and answered < len(self._transcript.messages):
            bus.reply(self._transcript.messages[answered], payload, **options)
            return
        if self._answers[message.id]:
            self._nursery.start_soon(self._ask, message, payload, options)
            await self._catch_up(count + 1)
            return
        options["deadline"] = None if message.deadline is None else self._now(message.deadline)
        options["in_reply_to"] = message.in_reply_to
        if message.addressing is stentor.AddressingMode.DIRECT:
            await bus.send(message.topic, payload, **options)
        elif message.addressing is stentor.AddressingMode.BROADCAST:
            await bus.broadcast(payload, **options)
        else:
            await bus.publish(message.topic, payload, **options)

    async def _ask(self, message: RecordedMessage, payload: object, options: dict[str, Any]) -> None:
        ask = self._bus.request if self._answers[message.id] == 1 else self._bus.gather
        timeout = (message.deadline or message.time + 5.0) - message.time
        with suppress(*_REFUSALS):
            await ask(message.topic, payload, timeout=timeout, addressing=message.addressing, **options)
