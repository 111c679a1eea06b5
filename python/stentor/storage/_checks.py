"""Checks of arguments, made at the door: the error names the argument, the rule and what was given."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar, cast

from stentor import EntryKind, MailboxQuery
from stentor.storage._codec import storable_text

if TYPE_CHECKING:
    from collections.abc import Sequence

_C = TypeVar("_C")


def whole(name: str, value: object, *, least: int) -> int:
    """Return `value` when it is an integer of at least `least`, or raise TypeError or ValueError."""
    if not isinstance(value, int) or isinstance(value, bool):
        msg = f"{name} must be an int, not {type(value).__name__}"
        raise TypeError(msg)
    if value < least:
        msg = f"{name} must be >= {least}, not {value}"
        raise ValueError(msg)
    return value


def instance(name: str, value: object, kind: type[_C]) -> _C:
    """Return `value` when it is an instance of `kind`, or raise TypeError."""
    if not isinstance(value, kind):
        msg = f"{name} must be of type {kind.__name__}, not {type(value).__name__}"
        raise TypeError(msg)
    return value


def text(name: str, value: object) -> str:
    """Return `value` when it is a text that a file can hold, or raise TypeError or ValueError."""
    try:
        return storable_text(instance(name, value, str))
    except ValueError as error:
        msg = f"{name} must be a text without lone surrogates, not {value!r}"
        raise ValueError(msg) from error


def texts(name: str, value: object) -> dict[str, str]:
    """Return a mapping of texts that a file can hold to such, or raise TypeError or ValueError."""
    instance(name, value, Mapping)  # type: ignore[type-abstract]  # it is asked about, not made
    told = cast("Mapping[object, object]", value)
    return {text(name, key): text(name, told[key]) for key in told}


def collection(name: str, values: object, what: str) -> Iterable[object]:
    """Return `values` when they can be iterated over, and are no single string, or raise TypeError."""
    if isinstance(values, str) or not isinstance(values, Iterable):
        single = "a single str" if isinstance(values, str) else type(values).__name__
        msg = f"{name} must be a collection of {what}, not {single}"
        raise TypeError(msg)
    return cast("Iterable[object]", values)


def numbers(name: str, values: object) -> list[int]:
    """Return a list of integers of at least 0, or raise TypeError or ValueError."""
    return [whole(name, value, least=0) for value in collection(name, values, "numbers")]


def path(name: str, value: object) -> Path:
    """Return the path that `value` is or spells, or raise TypeError or ValueError."""
    if not isinstance(value, (str, os.PathLike)):
        msg = f"{name} must be of type str or PathLike, not {type(value).__name__}"
        raise TypeError(msg)
    told = Path(cast("str | os.PathLike[str]", value))
    if "\0" in str(told):
        msg = f"{name} must be a path without NUL characters, not {str(told)!r}"
        raise ValueError(msg)
    if str(told) == ":memory:":
        msg = f"{name} must be a file, not ':memory:'; in memory there is stentor.MemoryStore"
        raise ValueError(msg)
    return told


def query(value: object) -> MailboxQuery:
    """Return `value` when it is a query that a file can answer, or raise TypeError or ValueError."""
    asked = instance("query", value, MailboxQuery)
    for name, told in (("agent", asked.agent), ("message_id", asked.message_id)):
        if told is not None:
            text(name, told)
    return asked


def one_of(name: str, value: object, known: Sequence[str]) -> None:
    """Raise ValueError unless `value` is one of the texts."""
    if value not in known:
        msg = f"{name} must be one of {', '.join(map(repr, known))}, not {value!r}"
        raise ValueError(msg)


def failed_kind(kind: object) -> EntryKind:
    """Return the kind, or its value's, that a message can be marked with, or raise ValueError."""
    if kind in {EntryKind.MAIL, EntryKind.MAIL.value}:
        msg = "kind must be EntryKind.FAILED or EntryKind.DEAD_LETTER, not EntryKind.MAIL"
        raise ValueError(msg)
    try:
        return EntryKind(kind)
    except ValueError:
        known = ", ".join(f"EntryKind.{each.name}" for each in EntryKind)
        msg = f"kind must be one of {known}, not {kind!r}"
        raise ValueError(msg) from None
