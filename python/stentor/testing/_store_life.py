"""Store tests: opening and closing, tasks at once, cancellation, bad arguments, and any sequence of operations."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING, Any

import trio
from trio.testing import assert_checkpoints

from stentor import EntryKind, MailboxQuery, ReadState, Retention, StoreFullError
from stentor.testing._store_cases import StoreMaker, case, mail, payloads, same
from stentor.testing._store_model import StoreModel

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from stentor import MailboxStore

STEPS = 150
"""Operations of one random sequence."""
SEEDS = 2
"""Random sequences of one test."""


class LifeTests(StoreMaker):
    """What holds whatever is asked."""

    @case(opened=False)
    async def test_a_store_keeps_what_it_has_when_it_is_closed(self, store: MailboxStore) -> None:
        """What was handed out and not acknowledged comes back, in its place, as redelivered."""
        async with store:
            numbers = await store.append([mail("a", n) for n in range(4)], cursors={"c": "1"})
            await store.read("a", limit=2)
            await store.acknowledge("a", numbers[:1])
            await store.fail("a", numbers[3], failure="x")
        async with store:
            same("cursors", dict(await store.cursors()), {"c": "1"})
            found = await store.read("a", failed=True)
            same("read", payloads(found), [1, 2, 3])
            same("redelivered", [stored.redelivered for stored in found], [True, False, False])
            same("acknowledged", await store.count(MailboxQuery(states=["acknowledged"])), 1)

    @case(opened=False)
    async def test_a_number_is_never_used_again(self, store: MailboxStore) -> None:
        """Not after purging, not after closing."""
        async with store:
            numbers = await store.append([mail("a", 1), mail("a", 2)])
            await store.purge(MailboxQuery())
            numbers += await store.append([mail("a", 3)])
            await store.purge(MailboxQuery())
        async with store:
            numbers += await store.append([mail("a", 4)])
        same("numbers", list(numbers), sorted(set(numbers)))

    @case(opened=False)
    async def test_blocks_may_be_nested(self, store: MailboxStore) -> None:
        """The outermost closes, and entering again in between releases nothing."""
        async with store as outer:
            same("itself", outer is store, expected=True)
            await store.append([mail("a", 1)])
            await store.read("a")
            async with store:
                same("read", await store.read("a"), ())
            same("count", await store.count(MailboxQuery()), 1)
        same("closed", await _is_closed(store), expected=True)

    @case()
    async def test_a_closed_store_says_so(self, store: MailboxStore) -> None:
        """Every method does; closing again does nothing."""
        await store.append([mail("a", 1)])
        await store.aclose()
        await store.aclose()
        for method in _methods(store):
            try:
                await method()
            except trio.ClosedResourceError:
                continue
            same("closed", found=False, expected=True)
        async with store:
            same("read", payloads(await store.read("a")), [1])

    @case()
    async def test_every_method_is_a_checkpoint(self, store: MailboxStore) -> None:
        """Whether it has to wait or not."""
        for method in _methods(store):
            with assert_checkpoints():
                await method()

    @case()
    async def test_a_cancelled_call_does_nothing(self, store: MailboxStore) -> None:
        """It raises before it has begun."""
        numbers = await store.append([mail("a", 0), mail("a", 1)], cursors={"x": "0"})
        await store.read("a", limit=1)
        before = (await store.page(MailboxQuery()), await store.mailboxes(), await store.cursors())
        for method in _methods(store, *numbers):
            with trio.CancelScope() as scope:
                scope.cancel()
                await method()
            same("cancelled", scope.cancelled_caught, expected=True)
        after = (await store.page(MailboxQuery()), await store.mailboxes(), await store.cursors())
        same("payloads", payloads(after[0].messages), payloads(before[0].messages))
        same("the rest", after[1:], before[1:])

    @case(capacity=10_000)
    async def test_what_returned_is_stored_and_what_was_cancelled_is_not(self, store: MailboxStore) -> None:
        """However many tasks call at once, and whenever they are cancelled."""
        done: list[tuple[int, int]] = []

        async def publish(task: int, random: Random) -> None:
            for n in range(20):
                with trio.CancelScope() as scope:
                    if random.random() < 0.3:
                        nursery.start_soon(_cancel_after, scope, random.randrange(6))
                    await store.append([mail(f"agent-{task % 3}", f"{task}.{n}")])
                    done.append((task, n))

        async with trio.open_nursery() as nursery:
            for task in range(20):
                nursery.start_soon(publish, task, Random(task))
        found: list[tuple[int, int]] = []
        for agent in ("agent-0", "agent-1", "agent-2"):
            batch = [(int(task), int(n)) for task, _, n in (str(p).partition(".") for p in await _drain(store, agent))]
            for task in range(20):
                own = [pair for pair in batch if pair[0] == task]
                same("order of one publisher", own, sorted(own))
            found += batch
        same("stored", sorted(found), sorted(done))

    @case()
    async def test_readers_at_once_share_what_there_is(self, store: MailboxStore) -> None:
        """Nothing is handed out twice, or to nobody."""
        await store.append([mail("a", n) for n in range(100)])
        found: list[object] = []

        async def read() -> None:
            while batch := await store.read("a", limit=7):
                found.extend(payloads(batch))
                await store.acknowledge("a", [stored.id for stored in batch])

        async with trio.open_nursery() as nursery:
            for _ in range(5):
                nursery.start_soon(read)
        same("found", sorted(map(str, found)), sorted(map(str, range(100))))
        same("left", await store.release("a"), 0)

    @case()
    async def test_bad_arguments_are_refused_and_nothing_has_changed(self, store: MailboxStore) -> None:
        """With a TypeError or a ValueError."""
        wrong: Any = object()
        (number,) = await store.append([mail("a", 1)])
        calls: list[Callable[[], Awaitable[object]]] = [
            lambda: store.append([mail("a", 2), wrong]),
            lambda: store.read(wrong),
            lambda: store.read("a", limit=0),
            lambda: store.acknowledge("a", [wrong]),
            lambda: store.release(wrong),
            lambda: store.release("a", [wrong]),
            lambda: store.fail("a", number, failure="x", kind="mail"),
            lambda: store.fail("a", number, failure="x", attempts=-1),
            lambda: store.page(wrong),
            lambda: store.page(MailboxQuery(), limit=0),
            lambda: store.page(MailboxQuery(), after=-1),
            lambda: store.count(wrong),
            lambda: store.purge(wrong),
        ]
        for index, call in enumerate(calls):
            try:
                await call()
            except (TypeError, ValueError):
                continue
            same(f"refused, call {index}", found=False, expected=True)
        same("unread", payloads(await store.read("a")), [1])

    @case(capacity=6, retention=Retention(count=4, age=40.0))
    async def test_any_sequence_of_operations_agrees_with_the_model(self, store: MailboxStore) -> None:
        """The model is a list and plain loops."""
        for seed in range(SEEDS):
            await store.purge(MailboxQuery())
            model = StoreModel(6, Retention(count=4, age=40.0))
            (model.last,) = await store.append([mail("a")])
            await store.purge(MailboxQuery())
            await self.compare(store, model, Random(seed), STEPS)

    async def compare(self, store: MailboxStore, model: StoreModel, random: Random, steps: int) -> None:
        """Do the same at random with a store and its model, and fail where they differ."""
        for step in range(steps):
            now = trio.current_time()
            model.bring_up_to_date(now)
            name = random.choice(["append", "append", "read", "acknowledge", "release", "fail", "time", "look", "rare"])
            found, expected = await getattr(self, f"_{name}")(store, model, random, now)
            same(f"step {step}, {name}", found, expected)
            model.bring_up_to_date(trio.current_time())
            page = await store.page(MailboxQuery(), limit=1000)
            seen = [(s.id, s.agent, s.message.payload, s.kind, s.state, s.handouts) for s in page.messages]
            same(f"step {step}, after {name}", seen, [entry.seen for entry in model.entries])

    async def _append(
        self, store: MailboxStore, model: StoreModel, random: Random, now: float
    ) -> tuple[object, object]:
        entries = [_random_entry(random) for _ in range(random.randrange(4))]
        found: object
        expected: object
        try:
            expected = model.append(entries, now)
        except StoreFullError:
            expected = "full"
        try:
            found = list(await store.append(entries))
        except StoreFullError:
            found = "full"
        return found, expected

    async def _read(self, store: MailboxStore, model: StoreModel, random: Random, now: float) -> tuple[object, object]:
        del now
        agent, limit, failed = random.choice("ab"), random.randrange(1, 4), random.random() < 0.3
        found = await store.read(agent, limit=limit, failed=failed)
        return [s.id for s in found], [entry.id for entry in model.read(agent, limit, failed=failed)]

    async def _acknowledge(
        self, store: MailboxStore, model: StoreModel, random: Random, now: float
    ) -> tuple[object, object]:
        agent, ids = random.choice("ab"), _some_ids(model, random)
        return await store.acknowledge(agent, ids), model.acknowledge(agent, ids, now)

    async def _release(
        self, store: MailboxStore, model: StoreModel, random: Random, now: float
    ) -> tuple[object, object]:
        del now
        agent, ids = random.choice("ab"), random.choice([None, _some_ids(model, random)])
        return await store.release(agent, ids), model.release(agent, ids)

    async def _fail(self, store: MailboxStore, model: StoreModel, random: Random, now: float) -> tuple[object, object]:
        agent, kind = random.choice("ab"), random.choice([EntryKind.FAILED, EntryKind.DEAD_LETTER])
        number = max(_some_ids(model, random), default=1)
        return await store.fail(agent, number, failure="x", kind=kind), model.fail(agent, number, kind, now)

    async def _time(self, store: MailboxStore, model: StoreModel, random: Random, now: float) -> tuple[object, object]:
        del store, model, now
        await self.pass_time(random.choice([0.5, 3.0, 12.0]))
        return None, None

    async def _look(self, store: MailboxStore, model: StoreModel, random: Random, now: float) -> tuple[object, object]:
        del now
        query = _random_query(model, random)
        return await store.count(query), len(model.find(query))

    async def _rare(self, store: MailboxStore, model: StoreModel, random: Random, now: float) -> tuple[object, object]:
        del now
        if random.random() < 0.5:
            await store.aclose()
            await store.__aenter__()
            model.reopen()
            return None, None
        query = _random_query(model, random)
        return await store.purge(query), model.purge(query)


def _methods(store: MailboxStore, *numbers: int) -> list[Callable[[], Awaitable[object]]]:
    """Every method of an open store, called with something harmless or, cancelled, something that would show."""
    number = numbers[0] if numbers else 10**9
    return [
        lambda: store.append([mail("a", "new")] if numbers else [], cursors={"x": "new"}),
        store.cursors,
        lambda: store.read("a" if numbers else "nobody"),
        lambda: store.acknowledge("a", [number]),
        lambda: store.release("a"),
        lambda: store.fail("a", number, failure="new"),
        lambda: store.page(MailboxQuery()),
        lambda: store.count(MailboxQuery()),
        store.mailboxes,
        lambda: store.purge(MailboxQuery() if numbers else MailboxQuery(ids=[])),
    ]


async def _is_closed(store: MailboxStore) -> bool:
    try:
        await store.cursors()
    except trio.ClosedResourceError:
        return True
    return False


async def _drain(store: MailboxStore, agent: str) -> list[object]:
    return payloads(await store.read(agent, limit=1000))


async def _cancel_after(scope: trio.CancelScope, passes: int) -> None:
    for _ in range(passes):
        await trio.lowlevel.checkpoint()
    scope.cancel()


def _random_entry(random: Random) -> Any:
    kind = random.choice(["mail", "mail", "mail", "failed", "dead_letter"])
    return mail(
        random.choice("ab"),
        random.randrange(1000),
        sender=random.choice([None, "s", "t"]),
        priority=random.randrange(4),
        ttl=random.choice([None, None, 4.0, 20.0]),
        kind=kind,
        failure=None if kind == "mail" else "x",
    )


def _some_ids(model: StoreModel, random: Random) -> list[int]:
    numbers = [entry.id for entry in model.entries]
    return random.sample(numbers, min(len(numbers), random.randrange(4)))


def _random_query(model: StoreModel, random: Random) -> MailboxQuery:
    words: dict[str, Any] = {
        "agent": random.choice("abc"),
        "ids": _some_ids(model, random),
        "message_id": next((entry.message.id for entry in model.entries), "none"),
        "senders": random.choice([["s"], ["s", "t"]]),
        "min_priority": random.randrange(4),
        "states": random.sample(list(ReadState), 2),
        "kinds": random.sample(list(EntryKind), 2),
    }
    return MailboxQuery(**{name: words[name] for name in random.sample(sorted(words), random.randrange(1, 4))})
