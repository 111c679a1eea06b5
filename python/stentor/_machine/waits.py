"""Who waits for whom: a wait that would close a cycle is refused, because nobody in the cycle could go on.

A handler may wait for room in a mailbox, or for the handlers of what it published. A handler can go on when it waits
for nothing, or when everyone it waits for can; an agent can go on when it has a free slot, or when one of its running
handlers can. Whoever cannot, by the greatest fixed point of these two rules, is stuck for ever (the AND-OR model of
deadlocks: Knapp, "Deadlock detection in distributed databases", 1987).

The rules are looked at before a wait begins, and whom a wait is for is asked at that moment: a handler whose wait is
over can go on, whether or not its task has had its turn yet. Waits outside of handlers hold nobody up, so they are
neither checked nor entered.
"""

from __future__ import annotations

from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING, Final, TypeAlias, final

import trio

from stentor._mechanisms.deliveries import Delivery
from stentor._values.errors import DeadlockError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from contextlib import AbstractContextManager

    from stentor._mechanisms.recipients import Recipient
    from stentor._native import Current

    Awaited: TypeAlias = "Recipient | Delivery | AnyOf"
    """Whom somebody waits for: an agent, whichever slot of it comes free, one handler that runs, or any of several."""
    Graph: TypeAlias = dict[Awaited, tuple[Awaited, ...]]

_NO_HANDLER_WAITS: Final = nullcontext()


@final
class AnyOf:
    """Several of whom one is enough: those who may answer a question."""

    __slots__ = ("awaited",)

    def __init__(self, awaited: Iterable[Awaited]) -> None:
        """Wait for the first of `awaited`."""
        self.awaited = tuple(awaited)


@final
class Waits:
    """The waits of all running handlers."""

    __slots__ = ("_current", "_waits")

    def __init__(self, current: Current) -> None:
        """Begin with nobody waiting; `current` names the handler that runs."""
        self._current = current
        self._waits: dict[Delivery, list[Callable[[], Iterable[Awaited]]]] = {}

    @property
    def current_handler(self) -> Delivery | None:
        """The delivery whose handler, or a task that it started, runs now."""
        return self._current.get()

    def waiting_for(self, awaited: Callable[[], Iterable[Awaited]]) -> AbstractContextManager[None]:
        """Enter that the current handler waits for all whom `awaited` names, for as long as the block lasts.

        Raises:
            DeadlockError: One of them can only go on when the current handler does.
        """
        waiter = self._current.get()
        return _NO_HANDLER_WAITS if waiter is None else self._handler_waits(waiter, awaited)

    @contextmanager
    def _handler_waits(self, waiter: Delivery, awaited: Callable[[], Iterable[Awaited]]) -> Iterator[None]:
        self.enter(waiter, awaited)
        try:
            self.check()
            yield
        finally:
            self.leave(waiter, awaited)

    @trio.lowlevel.enable_ki_protection
    def enter(self, waiter: Delivery, awaited: Callable[[], Iterable[Awaited]]) -> None:
        """Enter, unchecked, that `waiter` waits for all whom `awaited` names."""
        self._waits.setdefault(waiter, []).append(awaited)

    @trio.lowlevel.enable_ki_protection
    def leave(self, waiter: Delivery, awaited: Callable[[], Iterable[Awaited]]) -> None:
        """Take out what was entered."""
        waits = self._waits[waiter]
        waits.remove(awaited)
        if not waits:
            del self._waits[waiter]

    def waits(self, waiter: Delivery) -> bool:
        """Say whether the handler of `waiter` waits for anybody."""
        return waiter in self._waits

    def check(self) -> None:
        """Look whether the current handler can go on; O(handlers and agents that it waits for, directly or not).

        Raises:
            DeadlockError: It waits for somebody who can only go on when it does.
        """
        waiter = self._current.get()
        if waiter is None or waiter not in self._waits:
            return
        graph = self._whom_it_needs(waiter)
        stuck = set(graph)
        while going := [node for node in stuck if _goes_on(node, graph[node], stuck)]:
            stuck.difference_update(going)
        if waiter in stuck:
            raise DeadlockError(_cycle(waiter, graph, stuck))

    def _whom_it_needs(self, waiter: Delivery) -> Graph:
        graph: Graph = {}
        pending: list[Awaited] = [waiter]
        while pending:
            node = pending.pop()
            if node not in graph:
                graph[node] = tuple(self._needs(node))
                pending.extend(graph[node])
        return graph

    def _needs(self, node: Awaited) -> Iterator[Awaited]:
        if isinstance(node, Delivery):
            for awaited in self._waits.get(node, ()):
                yield from awaited()
        elif isinstance(node, AnyOf):
            yield from node.awaited
        elif node.handler is not None and not node.slots and not node.away:
            yield from node.running


def _goes_on(node: Awaited, needs: tuple[Awaited, ...], stuck: set[Awaited]) -> bool:
    if isinstance(node, Delivery):
        return stuck.isdisjoint(needs)
    return not needs or any(handler not in stuck for handler in needs)


def _cycle(waiter: Delivery, graph: Graph, stuck: set[Awaited]) -> tuple[str, ...]:
    """Follow the waits from `waiter` through those who are stuck until an agent comes up again."""
    names = [waiter.agent]
    node: Awaited = waiter
    while True:
        follower = next(needed for needed in graph[node] if needed in stuck)
        if isinstance(node, Delivery):
            while isinstance(follower, AnyOf):
                follower = next(needed for needed in graph[follower] if needed in stuck)
            name = follower.agent if isinstance(follower, Delivery) else follower.name
            names.append(name)
            if name in names[:-1]:
                return tuple(names)
        node = follower
