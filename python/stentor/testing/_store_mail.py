"""Store tests: what goes in comes out, in order, once, until it is acknowledged."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stentor import AddressingMode, EntryKind, MailboxQuery, Message, Priority, ReadState, StoreFullError
from stentor.testing._store_cases import StoreMaker, case, mail, payloads, same

if TYPE_CHECKING:
    from stentor import MailboxStore

SOON = 1e-3
"""Seconds within which a time counts as kept: it may have been on another clock in between."""


class MailTests(StoreMaker):
    """Appending, reading, acknowledging, releasing, failing."""

    @case()
    async def test_mail_is_read_in_the_order_of_acceptance(self, store: MailboxStore) -> None:
        """Order holds within an append and between appends."""
        first = await store.append([mail("a", 1), mail("b", 2), mail("a", 3)])
        second = await store.append([mail("a", 4, priority=Priority.URGENT)])
        same("read", payloads(await store.read("a")), [1, 3, 4])
        same("read", payloads(await store.read("b")), [2])
        numbers = [*first, *second]
        same("numbers", numbers, sorted(set(numbers)))

    @case()
    async def test_a_message_comes_back_whole(self, store: MailboxStore) -> None:
        """Every field is as it was."""
        await self.pass_time(100.0)
        entry = mail(
            "a",
            {"n": 1, "deep": [None, True, 1.5, "ü\x00\U0001f600"]},
            id="m-1",
            sender="s",
            priority=Priority.HIGH,
            ttl=60.0,
            deadline=1000.0,
            content_type="text/x",
            headers={"k": "ü"},
            in_reply_to="m-0",
            cause="m-c",
            addressing=AddressingMode.DIRECT,
        )
        (number,) = await store.append([entry])
        await self.pass_time(1.0)
        (stored,) = await store.read("a")
        found, given = stored.message, entry.message
        for name in ("topic", "payload", "sender", "id", "priority", "ttl", "content_type", "in_reply_to", "cause"):
            same(name, getattr(found, name), getattr(given, name))
        same("headers", dict(found.headers), dict(given.headers))
        same("addressing", found.addressing, given.addressing)
        for name in ("timestamp", "deadline", "expires_at"):
            same(f"{name} kept", abs(getattr(found, name) - getattr(given, name)) < SOON, expected=True)
        same("number", stored.id, number)
        same(
            "agent, kind, state", (stored.agent, stored.kind, stored.state), ("a", EntryKind.MAIL, ReadState.HANDED_OUT)
        )
        same("handouts, redelivered", (stored.handouts, stored.redelivered), (1, False))
        same("failure, attempts", (stored.failure, stored.attempts, stored.acknowledged_at), (None, 0, None))

    @case()
    async def test_payloads_come_back_equal(self, store: MailboxStore) -> None:
        """Text, bytes and what JSON knows, of their own types."""
        given: list[object] = [
            None,
            True,
            0,
            -(2**63),
            1.0,
            1e300,
            "",
            "\x00é漢\U0001f600",
            b"",
            b"\x00\xff",
            [],
            {},
            {"": [[{}]]},
        ]
        await store.append([mail("a", payload) for payload in given])
        found = payloads(await store.read("a"))
        same("payloads", found, given)
        same("types", [type(each) for each in found], [type(each) for each in given])

    @case()
    async def test_what_is_handed_out_is_not_handed_out_again(self, store: MailboxStore) -> None:
        """Reading goes on where it stopped, and a limit holds."""
        await store.append([mail("a", n) for n in range(5)])
        same("first", payloads(await store.read("a", limit=2)), [0, 1])
        same("second", payloads(await store.read("a", limit=2)), [2, 3])
        same("third", payloads(await store.read("a", limit=2)), [4])
        same("fourth", await store.read("a", limit=2), ())
        same("nobody", await store.read("nobody"), ())

    @case()
    async def test_acknowledged_means_never_again(self, store: MailboxStore) -> None:
        """Not by reading, not after a release; and it is said how many were new."""
        numbers = await store.append([mail("a", n) for n in range(4)])
        await store.read("a", limit=3)
        same("acknowledged", await store.acknowledge("a", numbers[:2]), 2)
        same("again", await store.acknowledge("a", numbers[:3]), 1)
        same("unread", await store.acknowledge("a", [numbers[3]]), 1)
        same("released", await store.release("a"), 0)
        same("read", await store.read("a"), ())
        page = await store.page(MailboxQuery(agent="a"))
        same("states", {stored.state for stored in page.messages}, {ReadState.ACKNOWLEDGED})

    @case()
    async def test_acknowledging_what_is_not_there_does_nothing(self, store: MailboxStore) -> None:
        """An unknown number, or one of another mailbox."""
        (number,) = await store.append([mail("a")])
        same("other mailbox", await store.acknowledge("b", [number]), 0)
        same("unknown", await store.acknowledge("a", [number + 100]), 0)
        same("none", await store.acknowledge("a", []), 0)
        same("read", len(await store.read("a")), 1)

    @case()
    async def test_what_is_released_comes_back_in_its_place(self, store: MailboxStore) -> None:
        """Before what was never handed out, and marked as redelivered."""
        numbers = await store.append([mail("a", n) for n in range(5)])
        await store.append([mail("b", "b")])
        await store.read("a", limit=3)
        await store.read("b")
        await store.acknowledge("a", [numbers[1]])
        same("released", await store.release("a"), 2)
        found = await store.read("a")
        same("order", payloads(found), [0, 2, 3, 4])
        same("redelivered", [stored.redelivered for stored in found], [True, True, False, False])
        same("other mailbox", await store.read("b"), ())

    @case()
    async def test_some_of_what_was_handed_out_can_be_released(self, store: MailboxStore) -> None:
        """The rest stays handed out; numbers that are not handed out are ignored."""
        numbers = await store.append([mail("a", n) for n in range(6)])
        (other,) = await store.append([mail("b", "b")])
        await store.read("a", limit=4)
        await store.read("b")
        await store.acknowledge("a", [numbers[0]])
        chosen = [numbers[0], numbers[3], numbers[1], numbers[5], other, other + 100]
        same("released", await store.release("a", chosen), 2)
        same("none", await store.release("a", []), 0)
        found = await store.read("a")
        same("order", payloads(found), [1, 3, 4, 5])
        same("redelivered", [stored.redelivered for stored in found], [True, True, False, False])
        same("the rest", await store.release("a", [numbers[2]]), 1)
        same("other mailbox", await store.release("b"), 1)

    @case()
    async def test_failed_ones_are_for_those_who_ask(self, store: MailboxStore) -> None:
        """They keep their place among the others."""
        failed = mail("a", 1, kind="failed", failure="ValueError: \ud800", attempts=3)
        await store.append([mail("a", 0), failed, mail("a", 2)])
        same("without", payloads(await store.read("a", limit=1)), [0])
        found = await store.read("a", failed=True)
        same("with", payloads(found), [1, 2])
        same("attempts", found[0].attempts, 3)
        same("failure", (found[0].failure or "").startswith("ValueError: "), expected=True)

    @case()
    async def test_failing_marks_what_waits(self, store: MailboxStore) -> None:
        """Unread or handed out; it is unread afterwards, in its place."""
        numbers = await store.append([mail("a", n) for n in range(4)])
        await store.read("a", limit=2)
        same("unread", await store.fail("a", numbers[2], failure="y"), expected=True)
        same("handed out", await store.fail("a", numbers[0], failure="x", attempts=2), expected=True)
        same("other mailbox", await store.fail("b", numbers[3], failure="z"), expected=False)
        same("mail", payloads(await store.read("a")), [3])
        found = await store.read("a", failed=True)
        same("failed", [(s.message.payload, s.failure, s.attempts) for s in found], [(0, "x", 2), (2, "y", 1)])
        same("redelivered", [stored.redelivered for stored in found], [True, False])

    @case()
    async def test_failing_what_is_done_with_does_nothing(self, store: MailboxStore) -> None:
        """Acknowledged, a dead letter, or not there."""
        dead = mail("a", 2, kind="dead_letter", failure="x")
        numbers = await store.append([mail("a", 1), dead])
        await store.acknowledge("a", [numbers[0]])
        for number in (*numbers, numbers[1] + 1):
            same("failed", await store.fail("a", number, failure="y"), expected=False)
        same("read", await store.read("a", failed=True), ())

    @case()
    async def test_dead_letters_are_kept_for_people(self, store: MailboxStore) -> None:
        """They are never handed out, do not wait, and are found."""
        numbers = await store.append([mail("a", 1), mail("a", 2, kind="dead_letter", failure="x", attempts=3)])
        same("fail", await store.fail("a", numbers[0], failure="y", kind="dead_letter"), expected=True)
        same("read", await store.read("a", failed=True), ())
        page = await store.page(MailboxQuery(kinds=["dead_letter"]))
        same("dead", [(s.id, s.failure) for s in page.messages], [(numbers[0], "y"), (numbers[1], "x")])
        same("acknowledged", await store.acknowledge("a", numbers[:1]), 1)
        (summary,) = await store.mailboxes()
        same("summary", (summary.unread, summary.acknowledged, summary.dead_letters), (0, 0, 2))

    @case(capacity=3)
    async def test_a_full_mailbox_refuses_for_everybody(self, store: MailboxStore) -> None:
        """All or none, and it says who is full."""
        await store.append([mail("a", n) for n in range(2)], cursors={"c": "1"})
        try:
            await store.append([mail("b"), mail("a", 3), mail("a", 4)], cursors={"c": "2"})
        except StoreFullError as error:
            same("agents", error.agents, ("a",))
        else:
            same("refused", found=False, expected=True)
        same("b", await store.read("b"), ())
        same("cursors", dict(await store.cursors()), {"c": "1"})
        same("room", len(await store.append([mail("a", 3)])), 1)

    @case(capacity=2)
    async def test_what_is_handed_out_takes_room_until_acknowledged(self, store: MailboxStore) -> None:
        """Dead letters and what is acknowledged take none."""
        dead = mail("a", "dead", kind="dead_letter", failure="x")
        numbers = await store.append([mail("a", 0), mail("a", 1), dead])
        await store.read("a")
        same("refused", await _is_refused(store, "a"), expected=True)
        await store.acknowledge("a", numbers[:1])
        same("refused", await _is_refused(store, "a"), expected=False)
        await store.append([dead])

    @case()
    async def test_cursors_are_remembered_with_what_was_read_by_them(self, store: MailboxStore) -> None:
        """The latest of each name; an append of nothing may carry one."""
        same("none", dict(await store.cursors()), {})
        await store.append([mail("a")], cursors={"x": "1", "y": "1"})
        same("nothing", await store.append([], cursors={"x": "2"}), ())
        same("cursors", dict(await store.cursors()), {"x": "2", "y": "1"})

    @case()
    async def test_an_unstamped_message_can_be_stored(self, store: MailboxStore) -> None:
        """Its id is empty, and that is kept too."""
        entry = mail("a")
        await store.append([type(entry)("a", Message("t"))])
        same("id", [stored.message.id for stored in await store.read("a")], [""])


async def _is_refused(store: MailboxStore, agent: str) -> bool:
    try:
        await store.append([mail(agent)])
    except StoreFullError:
        return True
    return False
