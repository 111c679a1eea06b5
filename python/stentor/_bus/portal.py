"""The portal: the bus as other threads, and programs under asyncio, may use it."""

from __future__ import annotations

from concurrent.futures import CancelledError
from functools import partial
from time import monotonic
from typing import TYPE_CHECKING, TypeVar, Unpack, final

import trio

from stentor._bus.entries import Publication, Question
from stentor._values import checks
from stentor._values.messages import AddressingMode

if TYPE_CHECKING:
    import asyncio
    from concurrent.futures import Future
    from typing import Self

    from stentor._bus.bus import Bus
    from stentor._bus.entrance import Entrance
    from stentor._bus.entries import Entry
    from stentor._machine.stamping import MessageOptions
    from stentor._values.messages import Message
    from stentor._values.results import BroadcastResult, Receipt, RouteResult

R = TypeVar("R")


@final
class Portal:
    """A way into the bus from other threads and from asyncio; `Bus.portal` makes it.

    It publishes, sends, asks and routes, and offers nothing else of the bus: no `gather`, no `broadcast`, no way to
    receive. Its methods take and return what those of the bus do, but for `confirm`, and raise what they raise. A plain
    one blocks its thread, one that ends in `_async` is awaited under asyncio, and `publish_soon` returns a future. What
    one thread publishes and sends, or one task of asyncio, stays in its order. At most `capacity` calls are on their
    way at once; further ones wait, so that a thread that is faster than the agents is held up, as a publisher inside
    is. All that come from outside of handlers, so they have no `Message.cause`.

    When the block of the bus ends, or the portal is closed, what was handed in before is still accepted; from then on
    every call raises `trio.ClosedResourceError`. So does one that still waits when the bus is closed. If the whole trio
    run has broken down, `trio.RunFinishedError` is raised.

    As a context manager it closes itself at the end.

    Example:
        >>> import stentor, trio
        >>> async def listen(message):
        ...     print(message.sender, message.payload)
        >>> def sensor(portal):  # runs in a thread
        ...     for degrees in (19, 20):
        ...         portal.publish("room.temperature", degrees, sender="sensor")
        >>> async def main():
        ...     async with stentor.open_bus() as bus:
        ...         bus.register("heating", listen).subscribe("room.*")
        ...         await trio.to_thread.run_sync(sensor, bus.portal())
        >>> trio.run(main)
        sensor 19
        sensor 20
    """

    __slots__ = ("_bus", "_entrance")

    def __init__(self, bus: Bus, entrance: Entrance) -> None:
        """Lead into `bus` by `entrance`; users call `Bus.portal`."""
        self._bus = bus
        self._entrance = entrance

    @property
    def closed(self) -> bool:
        """Whether nothing is taken in any more."""
        return self._entrance.closed

    def close(self) -> None:
        """Refuse every call from now on, from whichever thread; what was handed in before is still accepted.

        A second close does nothing.
        """
        self._entrance.close()

    def __enter__(self) -> Self:
        """Return the portal."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the portal."""
        self.close()

    # -- from threads -----------------------------------------------------------------------------------------------

    def publish(
        self,
        topic: str,
        payload: object = None,
        *,
        retain: bool = False,
        timeout: float | None = None,
        **options: Unpack[MessageOptions],
    ) -> Receipt:
        """Publish, and block until every mailbox has accepted the message: see `Bus.publish`.

        Args:
            topic: A concrete name, without wildcards.
            payload: Anything; agents get the object itself, so leave it alone from now on.
            retain: As for `Bus.publish`.
            timeout: Seconds to wait for room at most; None waits for ever.
            **options: As for `Bus.publish`.

        Raises:
            trio.TooSlowError: There was no room in time; nobody gets the message.
            trio.ClosedResourceError: The portal or the bus is closed.
            RuntimeError: This is the thread in which the bus lives.
            Exception: What else `Bus.publish` raises.
        """
        return self._result(self._publication(topic, payload, options, retain=retain), timeout)

    def publish_soon(
        self, topic: str, payload: object = None, *, retain: bool = False, **options: Unpack[MessageOptions]
    ) -> Future[Receipt]:
        """Hand in a message, and return what will hold its receipt, or what `Bus.publish` raises.

        This is the fastest way for a thread that publishes much: it blocks only while `capacity` calls are on their
        way. A future that is cancelled before the message is taken in has it published to nobody.

        Args:
            topic: As for `publish`.
            payload: As for `publish`.
            retain: As for `publish`.
            **options: As for `publish`.

        Raises:
            trio.ClosedResourceError: The portal or the bus is closed.
            RuntimeError: This is the thread in which the bus lives, and it would have to be blocked.
        """
        entry = self._publication(topic, payload, options, retain=retain)
        self._entrance.put(entry)
        return entry.future

    def send(
        self, name: str, payload: object = None, *, timeout: float | None = None, **options: Unpack[MessageOptions]
    ) -> Receipt:
        """Send to one agent by its name, and block until its mailbox has accepted the message: see `Bus.send`.

        Args:
            name: The agent's.
            payload: As for `publish`.
            timeout: As for `publish`.
            **options: As for `publish`.
        """
        return self._result(self._sending(name, payload, options), timeout)

    def publish_and_wait(
        self, topic: str, payload: object = None, *, timeout: float | None = None, **options: Unpack[MessageOptions]
    ) -> BroadcastResult:
        """Publish, block until every handler has finished or failed, and return that: see `Bus.publish_and_wait`."""
        call = partial(self._bus.publish_and_wait, topic, payload, timeout=timeout, **options)
        return self._result(Question(call))

    def request(
        self,
        topic: str,
        payload: object = None,
        *,
        timeout: float = 5.0,
        addressing: AddressingMode | str = AddressingMode.TOPIC,
        **options: Unpack[MessageOptions],
    ) -> Message:
        """Publish a question, block until the first answer has come, and return it: see `Bus.request`."""
        return self._result(self._question(topic, payload, timeout, addressing, options))

    def route(self, message: Message, *, timeout: float | None = None) -> RouteResult:
        """Deliver `message` or have it stored, and block until it is known which: see `Bus.route`."""
        return self._result(Question(partial(self._bus.route, message, timeout=timeout)))

    # -- from asyncio -----------------------------------------------------------------------------------------------

    async def publish_async(
        self, topic: str, payload: object = None, *, retain: bool = False, **options: Unpack[MessageOptions]
    ) -> Receipt:
        """Publish as `publish` does, awaited under asyncio.

        To cancel it, or any other of these, cancels what happens on the other side: the message is accepted for
        everybody or for nobody.
        """
        return await self._awaited(self._publication(topic, payload, options, retain=retain))

    async def send_async(self, name: str, payload: object = None, **options: Unpack[MessageOptions]) -> Receipt:
        """Send as `send` does, awaited under asyncio."""
        return await self._awaited(self._sending(name, payload, options))

    async def publish_and_wait_async(
        self, topic: str, payload: object = None, *, timeout: float | None = None, **options: Unpack[MessageOptions]
    ) -> BroadcastResult:
        """Publish and wait as `publish_and_wait` does, awaited under asyncio."""
        call = partial(self._bus.publish_and_wait, topic, payload, timeout=timeout, **options)
        return await self._awaited(Question(call))

    async def request_async(
        self,
        topic: str,
        payload: object = None,
        *,
        timeout: float = 5.0,
        addressing: AddressingMode | str = AddressingMode.TOPIC,
        **options: Unpack[MessageOptions],
    ) -> Message:
        """Ask as `request` does, awaited under asyncio."""
        return await self._awaited(self._question(topic, payload, timeout, addressing, options))

    async def route_async(self, message: Message, *, timeout: float | None = None) -> RouteResult:
        """Route as `route` does, awaited under asyncio."""
        return await self._awaited(Question(partial(self._bus.route, message, timeout=timeout)))

    # -- how both wait ----------------------------------------------------------------------------------------------

    def _publication(self, topic: str, payload: object, options: MessageOptions, *, retain: bool) -> Publication:
        return Publication(self._bus._parts, partial(self._bus._stamp, topic, payload, options), retain=retain)

    def _question(
        self, topic: str, payload: object, timeout: float, addressing: AddressingMode | str, options: MessageOptions
    ) -> Question[Message]:
        ask = partial(self._bus.request, topic, payload, timeout=timeout, addressing=addressing, **options)
        return Question(ask)

    def _sending(self, name: str, payload: object, options: MessageOptions) -> Publication:
        stamp = partial(self._bus._stamp, name, payload, options, AddressingMode.DIRECT)
        return Publication(self._bus._parts, stamp, retain=False)

    def _result(self, entry: Entry[R], timeout: float | None = None) -> R:
        """Hand in an entry, and block until it is over or out of time."""
        limit = None if timeout is None else checks.seconds("timeout", timeout, zero=True, infinite=True)
        deadline = None if limit is None or limit == float("inf") else monotonic() + limit
        entrance = self._entrance
        entrance.check_thread()
        late = f"not accepted within {timeout} s"
        if not entrance.put(entry, deadline):
            raise trio.TooSlowError(late)
        try:
            entry.future.exception(None if deadline is None else max(0.0, deadline - monotonic()))
        except TimeoutError:
            entrance.call_off(entry)
        except BaseException:  # whoever is interrupted waits for nothing any more
            entrance.call_off(entry)
            raise
        try:
            return entry.future.result()
        except CancelledError:
            raise trio.TooSlowError(late) from None

    async def _awaited(self, entry: Entry[R]) -> R:
        """Hand in an entry, and wait under asyncio until it is over."""
        import asyncio  # noqa: PLC0415 - who does not use it does not load it

        loop = asyncio.get_running_loop()
        entry.source = asyncio.current_task() or entry.source
        while True:
            room: asyncio.Future[None] = loop.create_future()

            def wake(room: asyncio.Future[None] = room) -> bool:
                try:
                    loop.call_soon_threadsafe(_resolve, room)
                except RuntimeError:  # the loop is closed
                    return False
                return True

            if self._entrance.try_put(entry, wake):
                break
            try:
                await room
            except asyncio.CancelledError:
                self._entrance.forget(wake)
                raise
        try:
            return await asyncio.wrap_future(entry.future)
        except asyncio.CancelledError:
            self._entrance.call_off(entry)
            raise


def _resolve(room: asyncio.Future[None]) -> None:
    if not room.done():
        room.set_result(None)
