"""Store tests: time to live, retention, queries, pages, counts, purging."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from stentor import EntryKind, MailboxQuery, Priority, ReadState, Retention
from stentor.testing._store_cases import StoreMaker, case, mail, payloads, same

if TYPE_CHECKING:
    from stentor import MailboxStore


class KeptTests(StoreMaker):
    """What becomes of messages that nobody reads, and how what is kept is found."""

    @case()
    async def test_what_is_past_its_time_is_never_handed_out(self, store: MailboxStore) -> None:
        """It is kept as expired, from the very instant on."""
        await store.append([mail("a", 1, ttl=10.0), mail("a", 2), mail("a", 3, ttl=20.0)])
        await self.pass_time(10.5)
        same("read", payloads(await store.read("a")), [2, 3])
        same("expired", await store.count(MailboxQuery(states=["expired"])), 1)
        (summary,) = await store.mailboxes()
        same("summary", (summary.unread, summary.handed_out, summary.expired), (0, 2, 1))

    @case()
    async def test_time_runs_out_for_what_is_released(self, store: MailboxStore) -> None:
        """What is handed out may be acknowledged late, but does not come back late."""
        numbers = await store.append([mail("a", 1, ttl=10.0), mail("a", 2, ttl=10.0)])
        await store.read("a")
        await self.pass_time(11.0)
        same("acknowledged", await store.acknowledge("a", numbers[:1]), 1)
        same("released", await store.release("a"), 1)
        same("read", await store.read("a"), ())
        page = await store.page(MailboxQuery())
        same("states", [s.state for s in page.messages], [ReadState.ACKNOWLEDGED, ReadState.EXPIRED])

    @case(capacity=1)
    async def test_what_has_expired_makes_room(self, store: MailboxStore) -> None:
        """Nobody need read first."""
        await store.append([mail("a", 1, ttl=10.0)])
        await self.pass_time(11.0)
        await store.append([mail("a", 2)])
        same("read", payloads(await store.read("a")), [2])

    @case()
    async def test_failed_ones_run_out_of_time_too(self, store: MailboxStore) -> None:
        """And dead letters do not."""
        dead = mail("a", 2, ttl=10.0, kind="dead_letter", failure="x")
        await store.append([mail("a", 1, ttl=10.0, kind="failed", failure="x"), dead])
        await self.pass_time(11.0)
        same("read", await store.read("a", failed=True), ())
        page = await store.page(MailboxQuery())
        same("states", [s.state for s in page.messages], [ReadState.EXPIRED, ReadState.UNREAD])

    @case()
    async def test_time_to_live_goes_on_while_the_store_is_closed(self, store: MailboxStore) -> None:
        """And what is left of it is what is left."""
        await store.append([mail("a", 1, ttl=10.0), mail("a", 2, ttl=30.0)])
        await store.aclose()
        await self.pass_time(20.0)
        async with store:
            (stored,) = await store.read("a")
            same("payload", stored.message.payload, 2)
            await store.release("a")
            await self.pass_time(11.0)
            same("read", await store.read("a"), ())

    @case(retention=Retention(count=2))
    async def test_retention_by_count_takes_the_oldest(self, store: MailboxStore) -> None:
        """Of each mailbox, and never what waits."""
        numbers = await store.append([mail("a", n) for n in range(5)] + [mail("b", "b")])
        await store.acknowledge("b", numbers[-1:])
        await store.read("a", limit=4)
        await store.acknowledge("a", numbers[1:4])
        page = await store.page(MailboxQuery(agent="a"))
        same("kept", payloads(page.messages), [0, 2, 3, 4])
        same("b", await store.count(MailboxQuery(agent="b")), 1)
        await store.append([mail("a", "dead", kind="dead_letter", failure="x")])
        page = await store.page(MailboxQuery(agent="a"))
        same("kept", payloads(page.messages), [0, 3, 4, "dead"])

    @case(retention=Retention(count=0))
    async def test_retention_of_nothing_forgets_at_once(self, store: MailboxStore) -> None:
        """What is acknowledged is gone, and so is the empty mailbox."""
        numbers = await store.append([mail("a", 1)])
        await store.acknowledge("a", numbers)
        same("count", await store.count(MailboxQuery()), 0)
        same("mailboxes", list(await store.mailboxes()), [])

    @case(retention=Retention(age=10.0, count=None))
    async def test_retention_by_age_counts_from_acceptance(self, store: MailboxStore) -> None:
        """And never takes what waits."""
        numbers = await store.append([mail("a", n) for n in range(3)])
        await store.acknowledge("a", numbers[:1])
        await self.pass_time(6.0)
        numbers += await store.append([mail("a", 3)])
        await store.acknowledge("a", numbers[3:])
        same("before", payloads((await store.page(MailboxQuery(agent="a"))).messages), [0, 1, 2, 3])
        await self.pass_time(5.0)
        same("after", payloads((await store.page(MailboxQuery(agent="a"))).messages), [1, 2, 3])
        same("all", payloads((await store.page(MailboxQuery())).messages), [1, 2, 3])
        same("summary", [(s.unread, s.acknowledged) for s in await store.mailboxes()], [(2, 1)])

    @case(retention=Retention(bytes=5000, count=None))
    async def test_retention_by_bytes_bounds_what_is_kept(self, store: MailboxStore) -> None:
        """A message of 2000 bytes takes at least these and at most twice as many."""
        numbers = await store.append([mail("a", f"{n}" + 1999 * "x") for n in range(6)])
        await store.acknowledge("a", numbers[:5])
        page = await store.page(MailboxQuery(states=["acknowledged"]))
        same("some are kept", 1 <= len(page.messages) <= 2, expected=True)
        same("the newest", page.messages[-1].id, numbers[4])
        same("unread", await store.count(MailboxQuery(states=["unread"])), 1)

    @case()
    async def test_every_word_of_a_query_counts(self, store: MailboxStore) -> None:
        """Each alone, and all together."""
        numbers = await _fill(self, store)
        queries = {
            MailboxQuery(): [0, 1, 2, 3, 4],
            MailboxQuery(agent="a"): [0, 1, 3, 4],
            MailboxQuery(agent="nobody"): [],
            MailboxQuery(ids=[numbers[1], numbers[2], 10**9]): [1, 2],
            MailboxQuery(ids=[]): [],
            MailboxQuery(message_id="a-3"): [3],
            MailboxQuery(senders=["s", "t"]): [0, 1, 2],
            MailboxQuery(senders=[]): [],
            MailboxQuery(min_priority=Priority.HIGH): [1, 4],
            MailboxQuery(states=["handed_out", ReadState.ACKNOWLEDGED]): [0, 1],
            MailboxQuery(kinds=["failed", EntryKind.DEAD_LETTER]): [3, 4],
            MailboxQuery(agent="a", senders=["s"], states=["acknowledged"], kinds=["mail"]): [0],
            MailboxQuery(agent="a", states=["unread"], kinds=["mail", "failed"]): [3],
        }
        for query, expected in queries.items():
            same(f"page of {query}", payloads((await store.page(query)).messages), expected)
            same(f"count of {query}", await store.count(query), len(expected))

    @case()
    async def test_a_query_by_time_takes_the_first_instant_and_leaves_the_last(self, store: MailboxStore) -> None:
        """Times are those that the store tells."""
        for n in range(3):
            await store.append([mail("a", n)])
            await self.pass_time(10.0)
        times = [stored.stored_at for stored in (await store.page(MailboxQuery())).messages]
        same("gaps", [round(later - sooner, 3) for sooner, later in pairwise(times)], [10.0, 10.0])
        since = await store.page(MailboxQuery(agent="a", since=times[1]))
        same("since", payloads(since.messages), [1, 2])
        until = await store.page(MailboxQuery(since=times[0], until=times[2]))
        same("until", payloads(until.messages), [0, 1])
        same("count", await store.count(MailboxQuery(until=times[1])), 1)

    @case()
    async def test_pages_are_cut_from_one_order(self, store: MailboxStore) -> None:
        """Nothing is shown twice or left out, though more comes in between."""
        for query, agents in ((MailboxQuery(), "ab"), (MailboxQuery(agent="a"), "a")):
            await store.purge(MailboxQuery())
            numbers = await store.append([mail(agents[n % len(agents)], n) for n in range(7)])
            await store.acknowledge("a", numbers[::2])
            page = await store.page(query, limit=3)
            same("first", payloads(page.messages), [0, 1, 2])
            await store.append([mail("a", 7)])
            page = await store.page(query, after=page.cursor or 0, limit=3)
            same("second", payloads(page.messages), [3, 4, 5])
            page = await store.page(query, after=page.cursor or 0, limit=3)
            same("third", (payloads(page.messages), page.cursor), ([6, 7], None))
            page = await store.page(query, limit=8)
            same("exactly all", (len(page.messages), page.cursor), (8, None))

    @case()
    async def test_looking_changes_nothing(self, store: MailboxStore) -> None:
        """Neither by page, count nor summary."""
        await store.append([mail("a", 1)])
        await store.page(MailboxQuery())
        await store.count(MailboxQuery())
        await store.mailboxes()
        (stored,) = await store.read("a")
        same("handouts", stored.handouts, 1)

    @case()
    async def test_mailboxes_are_summed_up(self, store: MailboxStore) -> None:
        """By name, every entry in one of the numbers."""
        await _fill(self, store)
        summaries = await store.mailboxes()
        found = [(s.agent, s.unread, s.handed_out, s.acknowledged, s.expired, s.dead_letters) for s in summaries]
        same("numbers", found, [("a", 1, 1, 1, 0, 1), ("b", 1, 0, 0, 0, 0)])
        same("bytes", all(s.bytes > 0 for s in summaries), expected=True)

    @case()
    async def test_purging_removes_what_fulfils_the_query(self, store: MailboxStore) -> None:
        """Whatever its state; the rest stays."""
        await _fill(self, store)
        same("purged", await store.purge(MailboxQuery(agent="a", senders=["s"])), 1)
        same("handed out", await store.purge(MailboxQuery(states=["handed_out"])), 1)
        same("left", payloads((await store.page(MailboxQuery())).messages), [2, 3, 4])
        same("released", await store.release("a"), 0)
        same("all", await store.purge(MailboxQuery()), 3)
        same("mailboxes", list(await store.mailboxes()), [])
        same("nothing", await store.purge(MailboxQuery()), 0)


async def _fill(tests: StoreMaker, store: MailboxStore) -> tuple[int, ...]:
    """Five messages: acknowledged, handed out, unread for b, failed, dead."""
    del tests
    numbers = await store.append(
        [
            mail("a", 0, sender="s"),
            mail("a", 1, sender="t", priority=Priority.HIGH),
            mail("b", 2, sender="s"),
            mail("a", 3, kind="failed", failure="x"),
            mail("a", 4, priority=Priority.URGENT, kind="dead_letter", failure="y"),
        ]
    )
    await store.read("a")
    await store.acknowledge("a", numbers[:1])
    return numbers
