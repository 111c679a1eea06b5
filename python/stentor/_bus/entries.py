"""Entries: what comes through a portal, a call of the bus that another thread made, and the future of its result."""

from __future__ import annotations

from concurrent.futures import CancelledError, Future
from functools import partial
from threading import get_ident
from typing import TYPE_CHECKING, Generic, TypeVar, final

import trio

from stentor._bus.sending import receipt_of
from stentor._values.results import Receipt

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Hashable

    from stentor._bus.parts import Parts
    from stentor._mechanisms.routes import Selection
    from stentor._values.messages import Message

R = TypeVar("R")


class Entry(Generic[R]):
    """One call on its way; trio's thread alone touches it from when it is taken in."""

    holds_up = False
    """Whether what the same thread hands in later waits until it is over."""

    def __init__(self) -> None:
        """Begin in the thread that calls."""
        self.future: Future[R] = Future()
        self.source: Hashable = get_ident()
        """The thread that calls, or the task of asyncio."""
        self._scope: trio.CancelScope | None = None
        self._called_off = False

    def take(self) -> bool:
        """Return whether it is still wanted; from here on the future cannot be cancelled."""
        return self.future.set_running_or_notify_cancel()

    def try_now(self) -> bool:
        """Do it if nothing has to be waited for, and return whether it is done, one way or the other."""
        return False

    async def _call(self) -> R:
        raise NotImplementedError

    async def do(self) -> None:
        """Do it, however long that takes, and let the future know; ends early when it is called off."""
        with trio.CancelScope() as self._scope:
            if self._called_off:
                self._scope.cancel()
            try:
                self.future.set_result(await self._call())
            except Exception as error:  # noqa: BLE001 - it is the caller's
                self.future.set_exception(error)
        if not self.future.done():
            self.future.set_exception(CancelledError())

    def call_off(self) -> None:
        """Let it have no effect any more, if it has had none yet: whoever called does not wait for it any more."""
        self._called_off = True
        if self._scope is not None:
            self._scope.cancel()

    def refuse(self) -> None:
        """Let it fail, unless it is over, because the portal leads nowhere any more."""
        if not self.future.done():
            self.future.set_exception(trio.ClosedResourceError("the bus is closed"))


@final
class Publication(Entry[Receipt]):
    """A message to be published or sent."""

    holds_up = True

    def __init__(self, parts: Parts, stamp: Callable[[], Message], *, retain: bool) -> None:
        """Publish what `stamp` returns, once it is its turn."""
        super().__init__()
        self._parts = parts
        self._stamp = stamp
        self._retain = retain
        self._message: Message | None = None

    def try_now(self) -> bool:
        """Publish it, unless a mailbox is full; what is wrong with it is the caller's to know."""
        if self._called_off:
            return False
        try:
            message = self._stamped()
            selection = self._parts.publishing.publish_nowait(message)
        except trio.WouldBlock:
            return False
        except Exception as error:  # noqa: BLE001 - it is the caller's
            self.future.set_exception(error)
        else:
            self.future.set_result(self._published(message, selection))
        return True

    async def _call(self) -> Receipt:
        message = self._stamped()
        keep = partial(self._keep, message)
        return receipt_of(message, await self._parts.publishing.publish(message, accepted=keep))

    def _stamped(self) -> Message:
        """Return the message, which is stamped once, however often it is tried."""
        if self._message is None:
            self._message = self._stamp()
        return self._message

    def _published(self, message: Message, selection: Selection) -> Receipt:
        self._keep(message)
        return receipt_of(message, selection)

    def _keep(self, message: Message) -> None:
        if self._retain:
            self._parts.retained.put(message, message.timestamp)


@final
class Question(Entry[R]):
    """A call whose answer may take long, and for which nothing waits that comes later."""

    def __init__(self, call: Callable[[], Awaitable[R]]) -> None:
        """Make `call` in a task of its own, once it is its turn."""
        super().__init__()
        self._ask = call

    async def _call(self) -> R:
        return await self._ask()
