"""Expectations: what a test says about messages that are to come, and about handlers that are not to fail."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, final

import trio

import stentor

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from types import TracebackType
    from typing import Self

SHOWN = 5
"""How many messages, or failures, an error names."""


def expect(
    bus: stentor.Bus, pattern: str, predicate: Callable[[stentor.Message], object] | None = None, *, within: float = 5.0
) -> Expectation:
    """Expect a message that is published from now on: awaiting the result returns it, or fails.

    Expect first, then do what shall cause the message, then await; or use it as `async with`, where the end of the
    block awaits and `.message` has the message. It listens as a feed does, so it is one more recipient.

    Args:
        bus: The bus.
        pattern: Which topics it may be on.
        predicate: Says whether a message is the one; without it, the first is. It runs in the publisher's step.
        within: Seconds on trio's clock, from the time it is awaited, in which it must have come.

    Raises:
        InvalidPatternError: `pattern` is not one.
        TypeError: An argument is of the wrong type.
        ValueError: `within` is not >= 0.

    Returns:
        What is to be awaited. That raises an AssertionError, naming what came instead, if the message does not come;
        and what the predicate raises.

    Example:
        >>> import stentor, trio
        >>> from stentor.testing import expect
        >>> async def echo(message):
        ...     await trio.sleep(1)
        ...     await bus.publish("echo", message.payload)
        >>> async def main():
        ...     global bus
        ...     async with stentor.open_bus() as bus:
        ...         bus.register("echo", echo).subscribe("say")
        ...         async with expect(bus, "echo", lambda message: message.payload == "hi", within=2.0) as expected:
        ...             await bus.publish("say", "hi")
        ...         print(expected.message.payload)
        >>> from trio.testing import MockClock
        >>> trio.run(main, clock=MockClock(autojump_threshold=0))
        hi
    """
    _check(bus, predicate, within)
    return Expectation(bus, pattern, predicate, within)


def _check(bus: object, predicate: object, within: object) -> None:
    if not isinstance(bus, stentor.Bus):
        msg = f"bus must be of type Bus, not {type(bus).__name__}"
        raise TypeError(msg)
    if predicate is not None and not callable(predicate):
        msg = f"predicate must be callable, not {type(predicate).__name__}"
        raise TypeError(msg)
    if not isinstance(within, (int, float)) or isinstance(within, bool):
        msg = f"within must be a number of seconds, not {type(within).__name__}"
        raise TypeError(msg)
    if not within >= 0:
        msg = f"within must be >= 0 seconds, not {within!r}"
        raise ValueError(msg)


@final
class Expectation:
    """A message that is expected; `expect` makes one, and awaiting it returns the message or fails.

    Example:
        >>> import stentor, trio
        >>> from stentor.testing import expect
        >>> async def main():
        ...     async with stentor.open_bus() as bus:
        ...         expectation = expect(bus, "news.*")
        ...         await bus.publish("news.now", "it is spring")
        ...         print((await expectation).payload)
        >>> trio.run(main)
        it is spring
    """

    def __init__(
        self,
        bus: stentor.Bus,
        pattern: str,
        predicate: Callable[[stentor.Message], object] | None,
        within: float,
    ) -> None:
        """Begin to listen; users call `expect`."""
        self._pattern = pattern
        self._predicate = predicate
        self._within = within
        self._others: list[stentor.Message] = []
        self._error: Exception | None = None
        self._feed = bus.subscribe(pattern, filter=self._is_it, capacity=1, overflow="drop_newest")
        self._message: stentor.Message | None = None

    @property
    def message(self) -> stentor.Message:
        """The message, once it has come.

        Raises:
            RuntimeError: It has not come yet.
        """
        if self._message is None:
            msg = "the message has not come yet: await the expectation first"
            raise RuntimeError(msg)
        return self._message

    def _is_it(self, message: stentor.Message) -> bool:
        try:
            if self._predicate is None or self._predicate(message):
                return True
        except Exception as error:  # noqa: BLE001 - raised where it is awaited
            self._error = error
            return True
        self._others.append(message)
        return False

    def __await__(self) -> Generator[Any, Any, stentor.Message]:
        """Wait for the message and return it; whoever awaits again has it again."""
        return self._wait().__await__()

    async def _wait(self) -> stentor.Message:
        if self._message is None:
            with self._feed:
                await self._receive()
            if self._error is not None:
                raise self._error
            if self._message is None:
                raise AssertionError(self._complaint())
        return self._message

    async def _receive(self) -> None:
        try:
            self._message = self._feed.receive_nowait()
            await trio.lowlevel.checkpoint()
        except trio.WouldBlock:
            with trio.move_on_after(self._within):
                self._message = await self._feed.receive()

    def _complaint(self) -> str:
        text = f"no message that was expected came on {self._pattern!r} within {self._within:g} s"
        if not self._others:
            return f"{text}, and no other either"
        shown = "".join(f"\n  {each.topic} {each.payload!r} from {each.sender!r}" for each in self._others[-SHOWN:])
        return f"{text}, but {len(self._others)} others, the last of which:{shown}"

    async def __aenter__(self) -> Self:
        """Return the expectation."""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Wait for the message, unless the block has failed."""
        if error is None:
            await self
        else:
            self._feed.close()


def assert_no_failures(bus: stentor.Bus) -> None:
    """Fail if a handler has failed for good and what it failed on is a dead letter of `bus` that nobody has taken.

    Args:
        bus: The bus, open or closed.

    Raises:
        AssertionError: A handler has failed; the text names the agents, the messages and the errors, and the errors
            themselves are its cause.

    Example:
        >>> import stentor, trio
        >>> from stentor.testing import assert_no_failures
        >>> async def broken(message):
        ...     raise OSError("out of ink")
        >>> async def main():
        ...     async with stentor.open_bus() as bus:
        ...         bus.register("scribe", broken).subscribe("news.*")
        ...         await bus.publish("news.now", 1)
        ...         await bus.settled()
        ...         assert_no_failures(bus)
        >>> try:
        ...     trio.run(main)
        ... except AssertionError as error:
        ...     print(error)
        1 delivery has failed:
          agent 'scribe' on news.now 1: OSError('out of ink')
    """
    letters = list(bus.dead_letters)
    if not letters:
        return
    lines = [
        f"agent {each.agent!r} on {each.message.topic} {each.message.payload!r}: {each.cause!r}" for each in letters
    ]
    rest = f"\n  and {len(lines) - SHOWN} more" if len(lines) > SHOWN else ""
    failed = "1 delivery has" if len(lines) == 1 else f"{len(lines)} deliveries have"
    msg = f"{failed} failed:" + "".join(f"\n  {line}" for line in lines[:SHOWN]) + rest
    raise AssertionError(msg) from ExceptionGroup("failures of handlers", [each.cause for each in letters])
