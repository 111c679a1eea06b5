"""Filters: which of the messages that match its pattern a subscription takes."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final, TypeAlias, cast, final

from attrs import field, frozen

from stentor._values import checks
from stentor._values.callables import is_async, name_of
from stentor._values.content import media_type
from stentor._values.messages import Priority

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

    from attrs import Attribute

    from stentor._values.messages import Message

Predicate: TypeAlias = "Callable[[Message], object]"
"""Says whether a message passes, by the truth of what it returns. It is synchronous, and may not publish."""

_BYTES: Final = (bytes, bytearray, memoryview)
_CONTAINERS: Final = (Mapping, list, tuple, set, frozenset)


def _names(name: str, values: Iterable[str] | None) -> frozenset[str] | None:
    if values is None:
        return None
    found = checks.names(name, values)
    if not found:
        msg = f"{name} must name at least one, or be None for any"
        raise ValueError(msg)
    return found


def _senders(values: Iterable[str] | None) -> frozenset[str] | None:
    return _names("senders", values)


def _content_types(values: Iterable[str] | None) -> frozenset[str] | None:
    found = _names("content_types", values)
    return None if found is None else frozenset(media_type("content_types", text) for text in found)


def _keywords(values: Iterable[str] | None) -> frozenset[str] | None:
    found = _names("keywords", values)
    if found is None:
        return None
    if "" in found:
        msg = "keywords must not hold the empty text, which occurs everywhere"
        raise ValueError(msg)
    return frozenset(word.casefold() for word in found)


def _min_priority(value: Priority | int) -> Priority:
    return checks.member("min_priority", value, Priority)


def _check_predicate(name: str, value: object, *, wanted: str) -> None:
    if not callable(value):
        msg = f"{name} must be {wanted}, not {type(value).__name__}"
        raise TypeError(msg)
    if is_async(value):
        msg = f"{name} must be {wanted}, not the async function {name_of(value)}"
        raise TypeError(msg)


def _predicate(_: object, attribute: Attribute[Any], value: object) -> None:
    if value is not None:
        _check_predicate(attribute.name, value, wanted="a plain function of the message")


@final
@frozen(kw_only=True)
class MessageFilter:
    """Which messages a subscription takes: those that meet every condition given. Without one, all do.

    Filters combine: `a & b` passes what both pass, `a | b` what one of them does, `~a` what `a` does not.

    Raises:
        TypeError: A condition is of the wrong type, or the predicate is an async function.
        ValueError: A condition is empty or out of its range; the text names it and the rule.

    Example:
        >>> import stentor
        >>> urgent = stentor.MessageFilter(min_priority=stentor.Priority.HIGH, keywords=["budget"])
        >>> urgent.passes(stentor.Message("plans", "The BUDGET is spent", priority=stentor.Priority.URGENT))
        True
        >>> urgent.passes(stentor.Message("plans", "The BUDGET is spent"))
        False
        >>> (~urgent).passes(stentor.Message("plans", "The BUDGET is spent"))
        True
    """

    senders: frozenset[str] | None = field(default=None, converter=_senders)
    """The publishers whose messages pass; a message without a sender then does not. None: any."""
    content_types: frozenset[str] | None = field(default=None, converter=_content_types)
    """The content types that pass, compared without case and parameters; one that is not declared then does not pass.
    None: any."""
    min_priority: Priority = field(default=Priority.LOW, converter=_min_priority)
    """The lowest priority that passes."""
    keywords: frozenset[str] | None = field(default=None, converter=_keywords)
    """Words of which at least one must occur, whatever its case and also inside a longer word, in the payload.

    A `str` is searched as it is, `bytes`, `bytearray` and `memoryview` as UTF-8. Of a mapping every key and value is
    searched, of a list, tuple or set every item, each for itself and at any depth. Of a number, and of an object that
    says how it is written, what `str()` makes of it is searched. None, and an object without a text of its own, hold
    no word. Kept case-folded. None: no such condition.
    """
    predicate: Predicate | None = field(default=None, validator=_predicate)
    """A plain function of the message, asked last, that says by the truth of its result whether it passes."""

    def passes(self, message: Message) -> bool:
        """Return whether `message` meets every condition. Keywords cost O(payload), all else but the predicate O(1).

        Raises:
            TypeError: The predicate returned something that has to be awaited.
            Exception: Whatever the predicate raises.
        """
        if self.senders is not None and message.sender not in self.senders:
            return False
        if message.priority < self.min_priority:
            return False
        if self.content_types is not None and not self._takes(message.content_type, self.content_types):
            return False
        if self.keywords is not None and not _occurs(self.keywords, message.payload):
            return False
        return self.predicate is None or _truth(self.predicate, message)

    @staticmethod
    def _takes(content_type: str | None, taken: frozenset[str]) -> bool:
        return content_type is not None and media_type("content_type", content_type) in taken

    def __and__(self, other: object) -> MessageFilter:
        """Return a filter that passes what both pass; `other` is asked only about what `self` passes."""
        return MessageFilter(predicate=_Both(self, other)) if isinstance(other, MessageFilter) else NotImplemented

    def __or__(self, other: object) -> MessageFilter:
        """Return a filter that passes what one of both passes; `other` is asked only about what `self` does not."""
        return MessageFilter(predicate=_Either(self, other)) if isinstance(other, MessageFilter) else NotImplemented

    def __invert__(self) -> MessageFilter:
        """Return a filter that passes what this one does not."""
        return MessageFilter(predicate=_Not(self))


@frozen
class _Both:
    first: MessageFilter
    second: MessageFilter

    def __call__(self, message: Message) -> bool:
        return self.first.passes(message) and self.second.passes(message)


@frozen
class _Either:
    first: MessageFilter
    second: MessageFilter

    def __call__(self, message: Message) -> bool:
        return self.first.passes(message) or self.second.passes(message)


@frozen
class _Not:
    filter: MessageFilter

    def __call__(self, message: Message) -> bool:
        return not self.filter.passes(message)


def as_filter(value: object) -> MessageFilter | None:
    """Return what is given for an option `filter`: a filter itself, a predicate as a filter, None as None.

    Raises:
        TypeError: It is none of these, or an async function.

    Example:
        >>> import stentor
        >>> as_filter(lambda message: message.payload > 3).passes(stentor.Message("numbers", 4))
        True
        >>> as_filter("urgent")
        Traceback (most recent call last):
        TypeError: filter must be a MessageFilter or a plain function of the message, not str
    """
    if value is None or isinstance(value, MessageFilter):
        return value
    _check_predicate("filter", value, wanted="a MessageFilter or a plain function of the message")
    return MessageFilter(predicate=cast("Predicate", value))


def _truth(predicate: Predicate, message: Message) -> bool:
    answer = predicate(message)
    if inspect.isawaitable(answer) or inspect.isasyncgen(answer):
        if inspect.iscoroutine(answer):
            answer.close()
        msg = f"predicate {name_of(predicate)} must return a truth value, not {type(answer).__name__}"
        raise TypeError(msg)
    return bool(answer)


def _occurs(keywords: frozenset[str], payload: object) -> bool:
    for text in _texts(payload):
        folded = text.casefold()
        if any(word in folded for word in keywords):
            return True
    return False


def _texts(payload: object) -> Iterator[str]:
    """Yield every text in `payload`, without recursion; what contains itself is entered once."""
    pending: list[object] = [payload]
    entered: dict[int, object] = {}
    while pending:
        item = pending.pop()
        if isinstance(item, str):
            yield item
        elif isinstance(item, _BYTES):
            yield bytes(cast("bytes", item)).decode("utf-8", "replace")
        elif isinstance(item, _CONTAINERS):
            container = cast("Collection[object]", item)
            if id(container) not in entered:
                entered[id(container)] = container
                pending.extend(_members(container))
        elif item is not None and _is_written(item):
            yield str(item)


def _members(container: Collection[object]) -> Iterator[object]:
    yield from container
    if isinstance(container, Mapping):
        yield from cast("Mapping[object, object]", container).values()


def _is_written(item: object) -> bool:
    """Return whether its type says how it is written, so that its text is more than a name and an address."""
    kind = type(item)
    return kind.__str__ is not object.__str__ or kind.__repr__ is not object.__repr__
