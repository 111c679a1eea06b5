"""Bad input to what stores take: the error names the argument and the rule, and nothing has changed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

import stentor
from stentor import EntryKind, MailboxEntry, MailboxQuery, MemoryStore, Message, Retention
from stentor.storage import SQLiteStore

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from stentor import MailboxStore

pytestmark = pytest.mark.real_clock

ANY: Any = object()
MESSAGE = Message("t", 1)
KINDS = "EntryKind.MAIL, EntryKind.FAILED, EntryKind.DEAD_LETTER"
STATES = "ReadState.UNREAD, ReadState.HANDED_OUT, ReadState.ACKNOWLEDGED, ReadState.EXPIRED"


@pytest.mark.parametrize(
    ("make", "kind", "text"),
    [
        (lambda: MailboxEntry(ANY, MESSAGE), TypeError, "agent must be of type str, not object"),
        (lambda: MailboxEntry("a", ANY), TypeError, "message must be of type Message, not object"),
        (lambda: MailboxEntry("a", MESSAGE, kind="x"), ValueError, f"kind must be one of {KINDS}, not 'x'"),
        (lambda: MailboxEntry("a", MESSAGE, failure="x"), ValueError, "failure must be None for mail, not 'x'"),
        (
            lambda: MailboxEntry("a", MESSAGE, kind="failed"),
            ValueError,
            "failure must be given for kind FAILED, not None",
        ),
        (
            lambda: MailboxEntry("a", MESSAGE, kind="failed", failure=ANY),
            TypeError,
            "failure must be of type str, not object",
        ),
        (lambda: MailboxEntry("a", MESSAGE, attempts=-1), ValueError, "attempts must be >= 0, not -1"),
        (lambda: MailboxQuery(agent=ANY), TypeError, "agent must be of type str, not object"),
        (lambda: MailboxQuery(message_id=ANY), TypeError, "message_id must be of type str, not object"),
        (
            lambda: MailboxQuery(since=float("nan")),
            TypeError,
            "since must be a time of the store's clock, in seconds, not nan",
        ),
        (
            lambda: MailboxQuery(until="noon"),  # type: ignore[arg-type]
            TypeError,
            "until must be a time of the store's clock, in seconds, not 'noon'",
        ),
        (lambda: MailboxQuery(ids=[ANY]), TypeError, "ids must be an int, not object"),
        (lambda: MailboxQuery(senders="ab"), TypeError, "senders must be a collection of strings, not a single str"),
        (lambda: MailboxQuery(senders=[ANY]), TypeError, "senders must hold strings only, not object"),
        (
            lambda: MailboxQuery(min_priority=9),
            ValueError,
            "min_priority must be one of Priority.LOW, Priority.NORMAL, Priority.HIGH, Priority.URGENT, not 9",
        ),
        (lambda: MailboxQuery(states=["read"]), ValueError, f"states must be one of {STATES}, not 'read'"),
        (
            lambda: MailboxQuery(states="unread"),
            TypeError,
            "states must be a collection of ReadState members, not a single str",
        ),
        (
            lambda: MailboxQuery(kinds=3),  # type: ignore[arg-type]
            TypeError,
            "kinds must be a collection of EntryKind members, not int",
        ),
        (lambda: MailboxQuery(ids=3), TypeError, "ids must be a collection of numbers, not int"),  # type: ignore[arg-type]
        (lambda: MailboxQuery(since=5, until=3), ValueError, "until must be >= since, which is 5, not 3"),
        (lambda: MailboxQuery(kinds=["x"]), ValueError, f"kinds must be one of {KINDS}, not 'x'"),
        (lambda: Retention(age=-1.0), ValueError, "age must be >= 0 seconds, not -1.0"),
        (lambda: Retention(count=-1), ValueError, "count must be >= 0, not -1"),
        (lambda: Retention(bytes=True), TypeError, "bytes must be an int, not bool"),
        (lambda: MemoryStore(capacity=0), ValueError, "capacity must be >= 1, not 0"),
        (lambda: MemoryStore(retention=ANY), TypeError, "retention must be of type Retention, not object"),
        (lambda: SQLiteStore("x", capacity=0), ValueError, "capacity must be >= 1, not 0"),
        (lambda: SQLiteStore("x", quota=0), ValueError, "quota must be >= 1, not 0"),
        (lambda: SQLiteStore("x", retention=ANY), TypeError, "retention must be of type Retention, not object"),
        (lambda: SQLiteStore("x", sync=ANY), ValueError, f"sync must be one of 'full', 'normal', not {ANY!r}"),
        (lambda: SQLiteStore("x", codec=ANY), ValueError, f"codec must be one of 'json', 'msgpack', not {ANY!r}"),
        (lambda: SQLiteStore(ANY), TypeError, "path must be of type str or PathLike, not object"),
        (lambda: SQLiteStore("a\0b"), ValueError, r"path must be a path without NUL characters, not 'a\x00b'"),
        (
            lambda: SQLiteStore(":memory:"),
            ValueError,
            "path must be a file, not ':memory:'; in memory there is stentor.MemoryStore",
        ),
    ],
)
def test_what_is_wrong_with_a_value_is_said(make: Callable[[], object], kind: type[Exception], text: str) -> None:
    with pytest.raises(kind) as caught:
        make()
    assert str(caught.value) == text


CALLS: list[tuple[Callable[[MailboxStore], Awaitable[object]], type[Exception], str]] = [
    (lambda s: s.append([ANY]), TypeError, "entries must be of type MailboxEntry, not object"),
    (lambda s: s.append(3), TypeError, "entries must be a collection of MailboxEntry objects, not int"),  # type: ignore[arg-type]
    (lambda s: s.append([], cursors=ANY), TypeError, "cursors must be of type Mapping, not object"),
    (lambda s: s.append([], cursors={"a": ANY}), TypeError, "cursors must be of type str, not object"),
    (lambda s: s.read(ANY), TypeError, "agent must be of type str, not object"),
    (lambda s: s.read("a", limit=0), ValueError, "limit must be >= 1, not 0"),
    (lambda s: s.read("a", failed=ANY), TypeError, "failed must be of type bool, not object"),
    (lambda s: s.acknowledge("a", 3), TypeError, "ids must be a collection of numbers, not int"),  # type: ignore[arg-type]
    (lambda s: s.release("a", "12"), TypeError, "ids must be a collection of numbers, not a single str"),  # type: ignore[arg-type]
    (lambda s: s.acknowledge(ANY, []), TypeError, "agent must be of type str, not object"),
    (lambda s: s.acknowledge("a", ["1"]), TypeError, "ids must be an int, not str"),  # type: ignore[list-item]
    (lambda s: s.release(ANY), TypeError, "agent must be of type str, not object"),
    (lambda s: s.release("a", [-1]), ValueError, "ids must be >= 0, not -1"),
    (lambda s: s.fail(ANY, 1, failure="x"), TypeError, "agent must be of type str, not object"),
    (lambda s: s.fail("a", ANY, failure="x"), TypeError, "id must be an int, not object"),
    (lambda s: s.fail("a", 1, failure=ANY), TypeError, "failure must be of type str, not object"),
    (lambda s: s.fail("a", 1, failure="x", attempts=-1), ValueError, "attempts must be >= 0, not -1"),
    (lambda s: s.fail("a", 1, failure="x", kind="x"), ValueError, f"kind must be one of {KINDS}, not 'x'"),
    (
        lambda s: s.fail("a", 1, failure="x", kind=EntryKind.MAIL),
        ValueError,
        "kind must be EntryKind.FAILED or EntryKind.DEAD_LETTER, not EntryKind.MAIL",
    ),
    (lambda s: s.page(ANY), TypeError, "query must be of type MailboxQuery, not object"),
    (lambda s: s.page(MailboxQuery(), limit=0), ValueError, "limit must be >= 1, not 0"),
    (lambda s: s.page(MailboxQuery(), after=-1), ValueError, "after must be >= 0, not -1"),
    (lambda s: s.count(ANY), TypeError, "query must be of type MailboxQuery, not object"),
    (lambda s: s.purge(ANY), TypeError, "query must be of type MailboxQuery, not object"),
]


@pytest.mark.parametrize("number", range(len(CALLS)))
@pytest.mark.parametrize("kind", ["memory", "sqlite"])
async def test_what_is_wrong_with_a_call_is_said(tmp_path: Path, kind: str, number: int) -> None:
    call, expected, text = CALLS[number]
    store: MailboxStore = MemoryStore() if kind == "memory" else SQLiteStore(tmp_path / "mail.db", sync="normal")
    async with store:
        await store.append([MailboxEntry("a", MESSAGE)])
        with pytest.raises(expected) as caught:
            await call(store)
        assert str(caught.value) == text
        (found,) = (await store.page(MailboxQuery())).messages
        assert (found.id, found.state, found.handouts) == (1, stentor.ReadState.UNREAD, 0)
        assert dict(await store.cursors()) == {}


UNSTORABLE: list[Callable[[MailboxStore], Awaitable[object]]] = [
    lambda s: s.read("\ud800"),
    lambda s: s.acknowledge("\ud800", []),
    lambda s: s.release("\ud800"),
    lambda s: s.fail("\ud800", 1, failure="x"),
    lambda s: s.page(MailboxQuery(agent="\ud800")),
    lambda s: s.count(MailboxQuery(agent="\ud800")),
    lambda s: s.purge(MailboxQuery(agent="\ud800")),
]


@pytest.mark.parametrize("call", UNSTORABLE)
async def test_a_name_that_a_file_cannot_hold_is_refused(
    tmp_path: Path, call: Callable[[MailboxStore], Awaitable[object]]
) -> None:
    async with SQLiteStore(tmp_path / "mail.db", sync="normal") as store:
        with pytest.raises(ValueError, match="agent must be") as caught:
            await call(store)
        assert str(caught.value) == r"agent must be a text without lone surrogates, not '\ud800'"


async def test_numbers_that_a_file_cannot_hold_are_of_nothing(tmp_path: Path) -> None:
    async with SQLiteStore(tmp_path / "mail.db", sync="normal") as store:
        await store.append([MailboxEntry("a", MESSAGE)])
        for query in (MailboxQuery(ids=[2**70]), MailboxQuery(since=float("inf")), MailboxQuery(senders=["\ud800"])):
            assert (await store.page(query)).messages == ()
            assert await store.count(query) == 0
        assert (await store.page(MailboxQuery(agent="a"), after=2**70, limit=2**70)).messages == ()
        assert await store.acknowledge("a", [2**70]) == 0
        assert await store.fail("a", 2**70, failure="x") is False
        assert len(await store.read("a", limit=2**70)) == 1
