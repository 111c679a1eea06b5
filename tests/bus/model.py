"""A plain model of the bus: it is told everything that happens, one thing after another, and says what is illegal.

It foretells nothing that the bus is free to choose, such as which of two publishers is let in first; but whatever
happens must be allowed by what has happened before, and when all tasks wait, nothing that could happen may be left.
Slow and obvious: matching is the oracle's, every mailbox is a list.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tests.oracles import matches

if TYPE_CHECKING:
    import stentor

    Token = int
    """One call of publish."""


@dataclass(eq=False)
class ModelSubscription:
    """A subscription, and how many messages wait because of it."""

    owner: ModelRecipient
    pattern: str
    capacity: int
    fails: bool
    waiting: int = 0

    def is_full(self, now: float | None = None) -> bool:
        """Whether there is no room; at the instant `now`, what has expired may have been let go of already."""
        if now is None:
            return self.waiting >= self.capacity
        alive = sum(each.subscription is self and now < each.message.expires_at for each in self.owner.mailbox)
        return alive >= self.capacity


@dataclass(eq=False)
class Waiting:
    """A message in a mailbox."""

    message: stentor.Message
    subscription: ModelSubscription


@dataclass(eq=False)
class ModelRecipient:
    """An agent with so many slots, or a feed with none."""

    name: str
    slots: int
    subscriptions: list[ModelSubscription] = field(default_factory=list)
    mailbox: list[Waiting] = field(default_factory=list)
    running: list[str] = field(default_factory=list)
    closed: bool = False
    addressed: int = 0
    handled: int = 0
    dead: int = 0
    expired: int = 0
    abandoned: int = 0

    def alive(self, now: float) -> int:
        """How many wait that have not expired."""
        return sum(now < each.message.expires_at for each in self.mailbox)

    def put(self, message: stentor.Message, subscription: ModelSubscription) -> None:
        """Add behind all that is at least as urgent."""
        at = sum(each.message.priority >= message.priority for each in self.mailbox)
        self.mailbox.insert(at, Waiting(message, subscription))
        subscription.waiting += 1
        self.addressed += 1

    def take(self, message: stentor.Message, now: float) -> None:
        """Take `message` out; all before it must have expired."""
        while self.mailbox:
            first = self.mailbox.pop(0)
            first.subscription.waiting -= 1
            if first.message is message:
                assert now < message.expires_at, "an expired message was handled"
                return
            assert now >= first.message.expires_at, f"{message.id} overtook {first.message.id} at {self.name}"
            self.expired += 1
        msg = f"{self.name} got {message.id}, which was not in its mailbox"
        raise AssertionError(msg)

    def hand_out(self, message: stentor.Message) -> None:
        """Take `message` out for an owner who may have been handed it before more urgent ones came."""
        at = next(i for i, each in enumerate(self.mailbox) if each.message is message)
        assert all(each.message.priority != message.priority for each in self.mailbox[:at]), "overtaken"
        self.mailbox.pop(at).subscription.waiting -= 1


class ModelBus:
    """The whole bus."""

    def __init__(self) -> None:
        """Begin empty."""
        self.recipients: dict[str, ModelRecipient] = {}
        self.gone: list[ModelRecipient] = []
        self.order: list[ModelSubscription] = []
        self.lines: dict[str, list[Token]] = {}
        self.blocked: dict[Token, tuple[str, str | None]] = {}
        """Calls of publish that have not come back, with topic and sender."""
        self.overtaken: set[Token] = set()
        """Calls before which a later one of the same sender was let in: they must be about to be cancelled."""
        self.left: list[tuple[str, str, str]] = []
        self.messages = 0

    # -- who is there ----------------------------------------------------------------------------------------------

    def register(self, name: str, slots: int) -> None:
        """There is a new agent, or a feed."""
        assert name not in self.recipients
        self.recipients[name] = ModelRecipient(name, slots)

    def subscribe(self, name: str, pattern: str, capacity: int, *, fails: bool) -> ModelSubscription:
        """It subscribes."""
        subscription = ModelSubscription(self.recipients[name], pattern, capacity, fails)
        self.recipients[name].subscriptions.append(subscription)
        self.order.append(subscription)
        return subscription

    def unsubscribe(self, subscription: ModelSubscription) -> None:
        """A subscription is closed."""
        if subscription in self.order:
            self.order.remove(subscription)
            subscription.owner.subscriptions.remove(subscription)

    def close(self, name: str) -> None:
        """It is closed: what waits is abandoned, what runs goes on."""
        recipient = self.recipients.pop(name)
        recipient.closed = True
        for subscription in list(recipient.subscriptions):
            self.unsubscribe(subscription)
        for each in recipient.mailbox:
            each.subscription.waiting -= 1
            self.left.append((name, each.message.id, "waiting"))
        recipient.abandoned += len(recipient.mailbox)
        recipient.mailbox.clear()
        self.gone.append(recipient)

    # -- publishing ------------------------------------------------------------------------------------------------

    def route(self, topic: str) -> dict[str, ModelSubscription]:
        """Who gets what is published to `topic`, and by which subscription, in order."""
        found: dict[str, ModelSubscription] = {}
        for subscription in self.order:
            if matches(subscription.pattern, topic, "mailbox"):
                found.setdefault(subscription.owner.name, subscription)
        return found

    def full(self, topic: str, *, fails: bool, now: float | None = None) -> list[str]:
        """Who has no room for a message on `topic`, of those that refuse, or of those that let publishers wait."""
        return [name for name, s in self.route(topic).items() if s.fails == fails and s.is_full(now)]

    def called(self, token: Token, topic: str, sender: str | None) -> None:
        """Publish is called."""
        self.blocked[token] = topic, sender
        if sender is not None:
            self.lines.setdefault(sender, []).append(token)

    def returned(self, token: Token) -> None:
        """The call has come back, however."""
        _, sender = self.blocked.pop(token)
        if sender is not None:
            self.lines[sender].remove(token)
            if not self.lines[sender]:
                del self.lines[sender]

    def accepted(self, token: Token, message: stentor.Message, now: float) -> None:
        """It was accepted: that must have been its turn, and there must have been room."""
        route = self.route(message.topic)
        assert not self.full(message.topic, fails=True, now=now)
        assert not self.full(message.topic, fails=False, now=now)
        assert token not in self.overtaken, "a sender overtook itself"
        if message.sender is not None:
            line = self.lines[message.sender]
            self.overtaken.update(line[: line.index(token)])
        for name, subscription in route.items():
            self.recipients[name].put(message, subscription)
        self.messages += 1
        self.returned(token)

    def refused(self, token: Token, names: tuple[str, ...]) -> None:
        """Somebody's mailbox refused it."""
        topic, _ = self.blocked[token]
        full = self.full(topic, fails=True)
        assert names
        assert set(names) <= set(full)
        self.returned(token)

    def would_block(self, token: Token) -> None:
        """It would have had to wait."""
        topic, sender = self.blocked[token]
        assert self.full(topic, fails=False) or (sender is not None and self.lines[sender][0] != token)
        self.returned(token)

    # -- handling --------------------------------------------------------------------------------------------------

    def begun(self, recipient: ModelRecipient, message: stentor.Message, now: float) -> None:
        """A handler is called."""
        assert not recipient.closed, "a closed agent was called"
        assert len(recipient.running) < recipient.slots, "too many at once"
        recipient.take(message, now)
        recipient.running.append(message.id)

    def ended(self, recipient: ModelRecipient, message: stentor.Message, *, failed: bool) -> None:
        """A handler has finished or failed."""
        recipient.running.remove(message.id)
        recipient.dead += failed
        recipient.handled += not failed

    def failed(self, recipient: ModelRecipient, message: stentor.Message) -> None:
        """A delivery has failed: its handler did, or was cancelled, or will not be called any more."""
        if message.id in recipient.running:
            self.ended(recipient, message, failed=True)
            return
        each = next(each for each in recipient.mailbox if each.message is message)
        recipient.mailbox.remove(each)
        each.subscription.waiting -= 1
        recipient.dead += 1

    def received(self, recipient: ModelRecipient, message: stentor.Message) -> None:
        """The owner of a feed has got a message."""
        recipient.hand_out(message)
        recipient.handled += 1

    # -- the whole -------------------------------------------------------------------------------------------------

    def check_nothing_is_left_to_do(self, now: float) -> None:
        """All tasks wait: whoever has mail and a slot must have begun, and whoever has room must have been let in."""
        for recipient in self.recipients.values():
            if len(recipient.running) < recipient.slots:
                assert not recipient.alive(now), f"{recipient.name} is free and has mail"
        for token, (topic, sender) in self.blocked.items():
            if sender is None or self.lines[sender][0] == token:
                assert self.full(topic, fails=False), f"publish {token} on {topic} waits though there is room"
