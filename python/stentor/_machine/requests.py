"""Requests and replies: who asked waits for one answer, or for everybody's, and never gets anybody else's."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, final

import trio

from stentor._machine.waits import AnyOf
from stentor._mechanisms.deliveries import recipient_of
from stentor._values.errors import NoResponderError, RequestFailedError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from stentor._machine.timers import Timers
    from stentor._machine.waits import Awaited
    from stentor._mechanisms.deliveries import Delivery
    from stentor._mechanisms.recipients import Recipient
    from stentor._mechanisms.routes import Selection
    from stentor._values.messages import Message


@final
class Request:
    """One request on its way: the watcher of its deliveries, and the place to which the replies come."""

    def __init__(self, message: Message, wanted: int | None, check: Callable[[], None]) -> None:
        """Wait for `wanted` replies to `message`; None for one from everybody whom it reached.

        `check` raises DeadlockError when who is `awaited` can never go on.
        """
        self._check = check
        self._expected: tuple[Recipient, ...] = ()
        self._pending: dict[Delivery, None] = {}
        self.message = message
        self.replies: list[Message] = []
        self.errors: list[tuple[str, Exception]] = []
        """Who failed, and why."""
        self._wanted = wanted
        self._asked: tuple[str, ...] = ()
        """The agents that have it or, until it is accepted, would have it."""
        self._asker: trio.lowlevel.Task | None = None
        """Whoever asked, while it waits."""

    @property
    def silent(self) -> tuple[str, ...]:
        """Who has it and neither answered nor failed."""
        done = {reply.sender for reply in self.replies} | {agent for agent, _ in self.errors}
        return tuple(agent for agent in self._asked if agent not in done)

    def select(self, selection: Selection) -> Selection:
        """Take note of who may answer.

        Raises:
            DeadlockError: Waiting for them would never end.
        """
        self._expected = tuple(target.recipient for target in selection.targets if target.is_called)
        self._asked = tuple(target.recipient.name for target in selection.all_targets if not target.recipient.is_feed)
        self._check()
        return selection

    def awaited(self) -> Iterator[Awaited]:
        """Name whom this waits for: all who have it or will, or any of them when one answer is enough."""
        pending = [*self._expected, *(d if d in recipient_of(d).running else recipient_of(d) for d in self._pending)]
        if pending:
            yield from pending if self._wanted is None else (AnyOf(pending),)

    def accepted(self, delivery: Delivery) -> None:
        """Expect an answer from its agent."""
        self._expected = ()
        if delivery._target.is_called:
            self._pending[delivery] = None

    def keeps(self, delivery: Delivery, error: Exception) -> bool:  # noqa: ARG002 - the protocol
        """Keep nothing: what has failed for good is a dead letter."""
        return False

    def over(self, delivery: Delivery, error: Exception | None) -> None:
        """Expect none any more if it failed."""
        self._expected = ()
        self._pending.pop(delivery, None)
        if error is not None and not delivery._target.recipient.is_feed:
            self.errors.append((delivery.agent, error))
            self._look()

    def reply(self, message: Message) -> bool:
        """Take one reply, if it is waited for: the first of its sender, and no more than are wanted."""
        again = message.sender is not None and any(reply.sender == message.sender for reply in self.replies)
        if again or self._is_complete:
            return False
        self.replies.append(message)
        self._look()
        return True

    def _look(self) -> None:
        """Let the asker go on if it need not wait any more."""
        if self._is_complete:
            self.give_up()

    @property
    def _is_complete(self) -> bool:
        if self._wanted is not None and len(self.replies) >= self._wanted:
            return True
        return not (self.silent if self.replies or self.errors else self._asked)

    def give_up(self) -> None:
        """Let whoever asked wait no longer: the time is up, or the bus is closed."""
        if self._asker is not None:
            trio.lowlevel.reschedule(self._asker)
            self._asker = None

    async def wait(self, deadline: float, timers: Timers) -> None:
        """Wait until there are enough replies, or no more can come, or until `deadline`.

        Raises:
            NoResponderError: It reached nobody.
        """
        if self._is_complete:
            await trio.lowlevel.checkpoint()  # so that who asks in vain lets others have a turn
            if not self._asked and not self.errors:
                raise NoResponderError(self.message.topic)
            return
        self._asker = trio.lowlevel.current_task()

        def abort(_: object) -> trio.lowlevel.Abort:
            self._asker = None
            return trio.lowlevel.Abort.SUCCEEDED

        timer = timers.at(deadline, self.give_up)
        try:
            await trio.lowlevel.wait_task_rescheduled(abort)
        finally:
            timers.cancel(timer)

    def first(self) -> Message:
        """Return the first reply.

        Raises:
            RequestFailedError: There is none, because every handler failed.
            trio.TooSlowError: There is none in time.
        """
        if self.replies:
            return self.replies[0]
        if self.errors and not self.silent:
            raise RequestFailedError(self.message.topic, tuple(self.errors))
        silent = f" from {', '.join(map(repr, self.silent))}" if self.silent else ""
        msg = f"no reply on {self.message.topic!r} in time{silent}"
        raise trio.TooSlowError(msg)


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

    def __init__(self) -> None:
        """Begin with none."""
        self._open: dict[str, Answerable] = {}
        self.late: int = 0
        """Replies for which nobody waited, or not any more."""

    def __len__(self) -> int:
        """Return how many wait."""
        return len(self._open)

    def open(self, request: Answerable) -> None:
        """Let replies to `request` find it from now on."""
        self._open[request.message.id] = request

    def close(self, request: Answerable) -> None:
        """Let none find it any more."""
        if self._open.get(request.message.id) is request:
            del self._open[request.message.id]

    def give_up(self) -> None:
        """Let nobody wait any longer: the bus is closed."""
        for request in self._open.values():
            if isinstance(request, Request):
                request.give_up()

    def expects(self, message: Message) -> bool:
        """Say whether somebody waits for a reply to `message`."""
        return message.id in self._open

    def reply(self, message: Message) -> bool:
        """Give a reply to whom it is for, and return whether they still waited."""
        request = self._open.get(message.in_reply_to or "")
        waited_for = request is not None and request.reply(message)
        self.late += not waited_for
        return waited_for
