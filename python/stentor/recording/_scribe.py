"""The scribe: an observer that makes an entry of everything it is told."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import trio

from stentor import Observer
from stentor.recording._entries import (
    ABANDONED,
    BEGUN,
    DROPPED,
    EXPIRED,
    FAILED,
    HANDLED,
    RECALLED,
    RETRYING,
    STORED,
    causal_part,
    encode_entries,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from stentor import Delivery, Message
    from stentor.recording._entries import RawEntry

FULL: Final = 1024
"""Entries that are gathered before they are written."""


class Scribe(Observer):
    """Gathers entries and hands them to `_write`, many at a time; what an entry says of contents is up to a subclass.

    Gathering costs one tuple for each entry. The time is that of the clock under which the first entry was made.
    """

    def __init__(self) -> None:
        """Begin with an empty page."""
        self._page: list[RawEntry] = []
        self._now: Callable[[], float] = self._find_clock
        self._turned = 0

    @property
    def entries(self) -> int:
        """How many entries there are so far."""
        return self._turned + len(self._page)

    def _write(self, data: bytes | memoryview, count: int) -> None:
        """Take so many encoded entries."""
        raise NotImplementedError

    def _content(self, message: Message) -> RawEntry:
        """Return what is said of a message beside its part in the causal record."""
        raise NotImplementedError

    def _error(self, error: BaseException) -> object:
        """Return what is said of an error."""
        raise NotImplementedError

    def _turn_page(self) -> None:
        page = self._page
        if page:
            self._turned += len(page)
            self._page = []
            self._write(encode_entries(page), len(page))

    def _find_clock(self) -> float:
        self._now = trio.lowlevel.current_clock().current_time
        return self._now()

    def accepted(self, message: Message, recipients: tuple[str, ...], inside: Delivery | None) -> None:
        """Make an entry of it, and so below."""
        page = self._page
        page.append(causal_part(self._now(), message, recipients, inside) + self._content(message))
        if len(page) >= FULL:
            self._turn_page()

    def recalled(self, delivery: Delivery) -> None:
        message = delivery.message
        page = self._page
        page.append(
            (RECALLED, *causal_part(self._now(), message, (delivery.agent,), None)[1:], *self._content(message))
        )
        if len(page) >= FULL:
            self._turn_page()

    def begun(self, delivery: Delivery) -> None:
        page = self._page
        page.append((BEGUN, self._now(), delivery.agent, delivery.message.id, delivery.attempt))
        if len(page) >= FULL:
            self._turn_page()

    def retrying(self, delivery: Delivery, error: Exception) -> None:
        self._page.append(
            (RETRYING, self._now(), delivery.agent, delivery.message.id, delivery.attempt, self._error(error))
        )

    def handled(self, delivery: Delivery, latency: float) -> None:  # noqa: ARG002 - the times tell
        self._page.append((HANDLED, self._now(), delivery.agent, delivery.message.id, delivery.attempt))

    def failed(self, delivery: Delivery, error: Exception) -> None:
        self._page.append(
            (FAILED, self._now(), delivery.agent, delivery.message.id, delivery.attempt, self._error(error))
        )

    def dropped(self, delivery: Delivery) -> None:
        self._page.append((DROPPED, self._now(), delivery.agent, delivery.message.id, delivery.attempt))

    def expired(self, delivery: Delivery) -> None:
        self._page.append((EXPIRED, self._now(), delivery.agent, delivery.message.id, delivery.attempt))

    def stored(self, delivery: Delivery) -> None:
        self._page.append((STORED, self._now(), delivery.agent, delivery.message.id, delivery.attempt))

    def abandoned(self, delivery: Delivery) -> None:
        self._page.append((ABANDONED, self._now(), delivery.agent, delivery.message.id, delivery.attempt))
