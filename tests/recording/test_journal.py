"""A journal writes natively what an observer in Python would be told: the same entries, byte for byte."""

from __future__ import annotations

import hashlib
import signal
from collections import Counter
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

import attrs
import pytest
import trio
from hypothesis import given, settings
from hypothesis import strategies as st
from trio.testing import MockClock

import stentor
from stentor import simulation
from stentor.recording import Digest, read, record
from stentor.recording._entries import content, encode
from stentor.recording._file import Writer
from tests.oracles.entries import Entries
from tests.recording.programs import Step, Village, on_virtual_clock, unrecorded_town, village

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence
    from pathlib import Path

    Name = Literal["native", "python"]
    Program = Callable[[Sequence[stentor.Observer]], Awaitable[object]]

BOTH: tuple[Name, Name] = ("native", "python")
LONG_ARRAY = 0xDC
"""What an entry begins with that has more than fifteen fields; two bytes of their number follow."""


class Pages(stentor.Journal):
    """Keeps what is handed over."""

    def __init__(self, *, whole: bool) -> None:
        self._payload_limit = 1_000_000 if whole else None
        self.whole = whole
        self.pages: list[tuple[bytes, int]] = []

    def finish(self) -> bytes:
        """All entries, one behind the other."""
        self._turn_page()
        return b"".join(data for data, _ in self.pages)

    def _write(self, data: bytes, count: int) -> None:
        self.pages.append((data, count))

    def _encode(self, value: Any) -> bytes:
        return encode(value)

    def _content(self, payload: object, limit: int) -> bytes:
        return content(payload, limit)

    def _error(self, error: BaseException) -> bytes:
        assert isinstance(error, Exception)
        return encode(Entries(whole=self.whole).error(error))


def same(program: Program) -> Counter[int]:
    """Compare journals, with both dispatchers, with the oracle; return how many entries of each kind there were."""
    kinds: Counter[int] = Counter()
    for whole in (True, False):
        expected = Entries(whole=whole)
        simulation.run(program, [expected], digest=False)
        for name in BOTH:
            journals = [Pages(whole=whole), Pages(whole=whole)]
            with stentor.bus_defaults(dispatcher=name):
                simulation.run(program, journals, digest=False)
            assert journals[0].finish() == journals[1].finish() == b"".join(expected.all)
            assert journals[0].entries == sum(count for _, count in journals[0].pages) == len(expected.all)
            assert [count for _, count in journals[0].pages[:-1] if not 1024 <= count < 1100] == []
        kinds.update(entry[3 if entry[0] == LONG_ARRAY else 1] for entry in expected.all)
    return kinds


@settings(max_examples=12)
@given(st.integers(0, 2**32), st.integers(1, 60))
def test_entries_of_a_town_are_those_of_an_observer(seed: int, steps: int) -> None:
    same(lambda observers: unrecorded_town(seed=seed, steps=steps, observers=observers))


def test_a_town_has_every_outcome_and_more_than_a_page() -> None:
    kinds = same(lambda observers: unrecorded_town(seed=1, steps=300, observers=observers))
    assert kinds.keys() == set(range(1, 11))
    assert kinds.total() > 4 * 1024


ODD_TEXTS = st.text(max_size=40) | st.just("\udc80")
NUMBERS = st.integers(-(2**65), 2**65)
PAYLOADS = st.recursive(
    st.none() | st.booleans() | NUMBERS | st.floats() | ODD_TEXTS | st.binary(max_size=40) | st.just(object()),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(max_size=5), inner) | st.frozensets(st.integers()),
    max_leaves=5,
)
STEPS = st.builds(
    Step,
    st.sampled_from(
        [Village.tell, Village.ask, Village.gather, Village.tell_and_wait, Village.tell_nobody, Village.poll],
    ),
    PAYLOADS,
    st.fixed_dictionaries(
        {},
        optional={
            "sender": st.none() | st.text(max_size=5) | st.just("\udc80"),
            "headers": st.dictionaries(ODD_TEXTS, ODD_TEXTS, max_size=20),
            "priority": st.sampled_from(stentor.Priority),
            "ttl": st.just(0.5),
            "retain": st.booleans(),
            "content_type": st.just("application/x-odd"),
        },
    ),
    st.sampled_from([0.0, 0.0, 0.5, 2.0]),
)


@settings(max_examples=30)
@given(st.lists(STEPS, min_size=1, max_size=12))
def test_entries_of_any_messages_are_those_of_an_observer(steps: list[Step]) -> None:
    same(lambda observers: village(steps, observers=observers))


@attrs.define
class Point:
    """A payload that is an object."""

    x: int


class Text(str):
    """A payload that is almost a text."""

    __slots__ = ()


SIZES = [0, 1, 31, 32, 255, 256, 65_535, 65_536, 999_994, 999_995, 999_996, 1_000_000]
ENDS = sorted(
    {
        sign * 2**power + more
        for sign in (1, -1)
        for power in (0, 5, 7, 8, 15, 16, 31, 32, 63, 64)
        for more in (-1, 0, 1)
    }
)


@pytest.mark.parametrize(
    "payloads",
    [
        ENDS,
        [("x" if size % 2 else "é") * size for size in SIZES],
        [
            None,
            True,
            False,
            0.0,
            -0.0,
            1.5,
            float("inf"),
            float("nan"),
            "\ud800",
            "\x00",
            b"",
            Text("a"),
            Point(1),
            object(),
        ],
    ],
    ids=["integers", "texts", "others"],
)
def test_a_payload_is_written_as_msgspec_does(payloads: list[Any]) -> None:
    async def main(*observers: stentor.Observer) -> None:
        async with stentor.open_bus(seed=1, observers=observers) as bus:
            for payload in payloads:
                await bus.publish("t", payload)

    expected, journal = Entries(whole=True), Pages(whole=True)
    for observer in (expected, journal):
        simulation.run(main, observer, digest=False)
    assert journal.finish() == b"".join(expected.all)


@pytest.mark.parametrize("within", [False, True])
def test_what_is_relayed_is_written_as_to_an_observer(within: bool) -> None:
    messages: list[stentor.Message | None] = [
        stentor.Message(f"told.{number % 3}", number, id=f"there-{number}", sender="x", headers={"a": "b"})
        for number in range(6)
    ]

    async def relay(observers: Sequence[stentor.Observer]) -> None:
        async with stentor.open_bus(seed=1, observers=observers) as bus:
            extension = bus.extend("link")
            extension.register(ignore).subscribe("told.1")
            bus.register("a", ignore).subscribe("told.1")
            bus.register("b", ignore).subscribe("told.*")
            bus.register("full", ignore).subscribe("told.2", capacity=1, overflow="drop_newest")

            async def take_in(_: stentor.Message) -> None:
                at = 0
                while at < len(messages):
                    at = extension.relay_many(messages, at, tokens=messages, done=lambda *_: None)[0]
                    if at < len(messages) and (message := messages[at]) is not None:
                        extension.relay_nowait(message)
                        at += 1

            bus.register("taking in", take_in).subscribe("take")
            for _ in range(3):
                if within:
                    await bus.publish("take")
                else:
                    await take_in(stentor.Message("take"))
                await bus.settled()

    assert same(relay).keys() == {1, 3, 5, 7}


def test_most_of_a_village_is_ordinary() -> None:
    steps = [Step(do, "text", {}, 2.0) for do in (Village.tell, Village.ask, Village.gather) for _ in range(5)]
    for observers in ([], [Digest(), Pages(whole=True)]):
        with stentor.bus_defaults(dispatcher="native"):
            assert simulation.run(partial(village, steps, observers=observers), digest=False).value == len(steps)


@pytest.mark.parametrize("many", [15, 16, 65_535, 65_536])
def test_a_message_may_have_many_recipients(many: int) -> None:
    told, expected = Pages(whole=False), Entries(whole=False)
    names = tuple(f"agent-{number}" for number in range(many))

    async def main() -> None:
        for observer in (told, expected):
            observer.accepted(stentor.Message("t", id="m"), names, None)

    on_virtual_clock(main)
    assert told.finish() == expected.all[0]


async def test_what_is_ordinary_takes_the_short_way_where_all_observers_are_journals(tmp_path: Path) -> None:
    with record(tmp_path / "r") as recorder:
        async with stentor.open_bus(dispatcher="native", observers=[Digest(), recorder]) as bus:
            bus.register("a", ignore).subscribe("t")
            await bus.publish("t")
            await bus.publish("t")
            await bus.settled()
            assert bus._parts.door.ordinary == 1


async def ignore(_: stentor.Message) -> None:
    """Take it."""


class Calls(stentor.Observer):
    """Notes what it is told of deliveries."""

    def __init__(self) -> None:
        self.told: list[tuple[str, str]] = []

    def begun(self, delivery: stentor.Delivery) -> None:
        """Note it."""
        self.told.append(("begun", delivery.agent))

    def handled(self, delivery: stentor.Delivery, latency: float) -> None:
        """Note it."""
        assert latency == 0.0
        self.told.append(("handled", delivery.agent))


class CallsOfAJournal(Pages):
    """A journal that wants to be told of deliveries, too."""

    def __init__(self) -> None:
        super().__init__(whole=False)
        self.calls = Calls()

    def begun(self, delivery: stentor.Delivery) -> None:
        """Note it."""
        self.calls.begun(delivery)
        super().begun(delivery)

    def handled(self, delivery: stentor.Delivery, latency: float) -> None:
        """Note it."""
        self.calls.handled(delivery, latency)
        super().handled(delivery, latency)


@pytest.mark.parametrize("name", BOTH)
def test_an_observer_beside_a_journal_is_called_in_order(name: Name) -> None:
    alone, beside, calls, own = Pages(whole=False), Pages(whole=False), Calls(), CallsOfAJournal()

    async def main(*observers: stentor.Observer) -> None:
        async with stentor.open_bus(dispatcher=name, seed=1, observers=observers) as bus:
            bus.register("a", ignore).subscribe("t")
            for _ in range(2):
                await bus.publish("t")
                await bus.settled()

    for observers in ([alone], [beside, calls], [own]):
        trio.run(main, *observers, clock=MockClock())
    assert alone.finish() == beside.finish() == own.finish()
    assert calls.told == own.calls.told == [("begun", "a"), ("handled", "a")] * 2


@pytest.mark.parametrize("name", BOTH)
def test_whole_seconds_are_as_the_clock_says_them(name: Name) -> None:
    expected, journal = Entries(whole=False), Pages(whole=False)

    async def main(*observers: stentor.Observer) -> None:
        async with stentor.open_bus(seed=1, observers=observers) as bus:
            bus.register("a", ignore).subscribe("t")
            for _ in range(2):
                await trio.sleep_until(2)
                await bus.publish("t")
                await bus.settled()
                await trio.sleep(0.5)
            await trio.sleep_until(300)
            await bus.publish("t")
            await bus.settled()
            await trio.sleep_until(10**6)
            await bus.publish("t")

    for observer in (expected, journal):
        with stentor.bus_defaults(dispatcher=name):
            simulation.run(main, observer, digest=False)
    assert journal.finish() == b"".join(expected.all)
    assert b"\x03\x02" in journal.finish(), "kind 3 at second 2, in a byte each"


def test_a_journal_can_be_told_without_a_bus() -> None:
    async def main() -> str:
        digest = Digest()
        await trio.sleep(1.5)
        digest.accepted(stentor.Message("t", id="m"), ("a",), None)
        return digest.hexdigest()

    entry = encode((1, 1.5, "m", "t", None, ["a"], None, None, None, 1, "topic", None, None, None, None))
    assert trio.run(main, clock=MockClock(autojump_threshold=0)) == hashlib.sha256(entry).hexdigest()


def test_a_journal_of_two_buses_has_one_time(tmp_path: Path) -> None:
    async def main() -> None:
        with record(tmp_path / "r") as recorder:
            async with stentor.open_bus(observers=[recorder]) as one, stentor.open_bus(observers=[recorder]) as two:
                for bus in (one, two):
                    bus.register("a", ignore).subscribe("t")
                for _ in range(20):
                    for bus in (one, two):
                        await bus.publish("t")
                        await bus.settled()

    trio.run(main)
    times = [entry.time for entry in read(tmp_path / "r")]
    assert len(times) == 120
    assert times == sorted(times)


def test_ctrl_c_does_not_cut_a_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    append = Writer.append

    def interrupted(self: Writer, data: bytes, count: int) -> None:
        if count >= 1024:
            signal.raise_signal(signal.SIGINT)
        append(self, data, count)

    async def main() -> None:
        with record(tmp_path / "r") as recorder:
            async with stentor.open_bus(observers=[recorder]) as bus:
                bus.register("a", ignore).subscribe("t")
                for _ in range(1100):
                    await bus.publish("t")

    monkeypatch.setattr(Writer, "append", interrupted)
    with pytest.raises(KeyboardInterrupt):
        trio.run(main)
    assert len(list(read(tmp_path / "r"))) >= 1024
