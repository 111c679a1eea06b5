"""Requests and replies: who asked waits for one answer, or for everybody's, and never gets anybody else's.

The question itself, with whoever waits for its answers, is a native `Request`; here is how one waits there, and what is
said where there is no answer.
"""

from __future__ import annotations

import types
from typing import TYPE_CHECKING, Any, Protocol, final

import trio

from stentor._machine.waits import AnyOf
from stentor._machine.waking import WOKEN, waiting
from stentor._mechanisms.subscriptions import reserved_topic
from stentor._native import Desk
from stentor._native import Request as Request
from stentor._values.errors import NoResponderError, RequestFailedError

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping

    from stentor._machine.timers import Timers
    from stentor._machine.waits import Waits
    from stentor._mechanisms.subscriptions import SubscriptionTable
    from stentor._native import Door
    from stentor._values.messages import Message


@types.coroutine
@trio.lowlevel.enable_ki_protection
def ask_at_once(
    desk: Desk, topic: str, payload: object, timeout: float, *, options: Mapping[str, object], wanted: int | None
) -> Generator[Any, Any, Request | None]:
    """Ask, wait for the answers, and return the request; None where nothing was done, for it is not ordinary."""
    request = desk.ask(topic, payload, timeout, options, wanted)
    if request is not None:
        try:
            yield from _until_over(request)
        finally:
            request.leave()
    return request


async def wait(request: Request, deadline: float) -> None:
    """Wait until there are enough replies, or no more can come, or until `deadline`.

    Raises:
        NoResponderError: It reached nobody.
    """
    if request.complete:
        await trio.lowlevel.checkpoint()  # so that who asks in vain lets others have a turn
        if not (request.replies or request.errors):
            raise NoResponderError(request.message.topic)
    else:
        await _wait(request, trio.lowlevel.current_task(), deadline)


@types.coroutine
@trio.lowlevel.enable_ki_protection
def _wait(request: Request, task: trio.lowlevel.Task, deadline: float) -> Generator[Any, Any, None]:
    request.sit(task, deadline)
    yield from _until_over(request)


@trio.lowlevel.enable_ki_protection
def _until_over(request: Request) -> Generator[Any, Any, None]:
    """Wait where one sits, unless nobody need any more once a worker has had its turn."""
    if not request.is_over_at_once():
        sent = yield request.trap
        if sent is not WOKEN:
            sent.unwrap()


def no_reply(request: Request) -> Exception:
    """Return why there is no reply: all handlers failed, or the time is up."""
    topic, silent = request.message.topic, request.silent
    if request.errors and not silent:
        return RequestFailedError(topic, request.errors)
    return trio.TooSlowError(f"no reply on {topic!r} in time{' from ' * bool(silent)}{', '.join(map(repr, silent))}")


class Answerable(Protocol):
    """Something that a reply is for."""

    @property
    def message(self) -> Message:
        """The question."""
        ...

    def reply(self, message: Message) -> bool:
        """Take a reply, and say whether it was still waited for."""
        ...


@final
class Requests:
    """The requests that wait for their replies, by the id of the message."""

    def __init__(self, door: Door, timers: Timers, table: SubscriptionTable, waits: Waits) -> None:
        """Begin with none; questions leave by `door`, as far as they are ordinary."""
        self._waiting: dict[str, Answerable] = {}
        self.reply_to: str = reserved_topic(table.dialect, "reply", "")
        """What the topic of a reply begins with, before the id of the question."""
        self.desk: Desk = Desk(
            door,
            timers.alarms,
            waiting=self._waiting,
            table=table,
            reply_to=self.reply_to,
            trap=waiting,
            aborted=trio.lowlevel.Abort.SUCCEEDED,
            reschedule=trio.lowlevel.reschedule,
            woken=WOKEN,
            no_reply=no_reply,
            arm=timers.arm,
            waits=waits,
            any_of=AnyOf,
        )
        self.late: int = 0
        """Replies for which nobody waited, or not any more."""

    def __len__(self) -> int:
        """Return how many wait."""
        return len(self._waiting)

    def open(self, request: Answerable) -> None:
        """Let replies to `request` find it from now on."""
        self._waiting[request.message.id] = request

    def close(self, request: Answerable) -> None:
        """Let none find it any more."""
        if self._waiting.get(request.message.id) is request:
            del self._waiting[request.message.id]

    def give_up(self) -> None:
        """Let nobody wait any longer: the bus is closed."""
        for request in self._waiting.values():
            if isinstance(request, Request):
                request.give_up()

    def expects(self, message: Message) -> bool:
        """Say whether somebody waits for a reply to `message`."""
        return bool(self._waiting) and message.id in self._waiting

    def reply(self, message: Message) -> bool:
        """Give a reply to whom it is for, and return whether they still waited."""
        request = self._waiting.get(message.in_reply_to or "")
        waited_for = request is not None and request.reply(message)
        self.late += not waited_for
        return waited_for
