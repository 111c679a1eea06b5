"""What is recorded is what happened: all of it, once, in its order."""

from __future__ import annotations

import hashlib
import logging
import resource
import signal
import subprocess
import sys
from collections import Counter
from typing import TYPE_CHECKING, Any

import attrs
import msgspec
import pytest
import trio
from trio.testing import MockClock

import stentor
from stentor.recording import Digest, ErrorText, Inside, Kind, Outcome, RecordingWarning, read, record
from tests.recording.programs import on_virtual_clock, town

if TYPE_CHECKING:
    from pathlib import Path

COUNTS = {
    Outcome.HANDLED: "handled",
    Outcome.DROPPED: "dropped",
    Outcome.EXPIRED: "expired",
    Outcome.ABANDONED: "abandoned",
}


async def listen(_: stentor.Message) -> None:
    """Take it."""


@pytest.mark.parametrize("seed", range(3))
def test_outcomes_are_those_that_the_bus_counted(tmp_path: Path, seed: int) -> None:
    digest = Digest()
    members = on_virtual_clock(town, tmp_path / "r", seed=seed, steps=60, observers=[digest])
    recording = read(tmp_path / "r")
    found = Counter((delivery.agent, delivery.outcome) for delivery in recording.deliveries())
    for name, counted in members.items():
        for outcome, field in COUNTS.items():
            assert found[name, outcome] == getattr(counted, field), (name, outcome)
        failed_or_stored = found[name, Outcome.FAILED] + found[name, Outcome.STORED]
        assert failed_or_stored == counted.dead + counted.stored, "what failed on its route is counted as stored"
    retries = Counter(entry.agent for entry in recording if entry.kind is Kind.RETRYING)
    assert {name: counted.retries for name, counted in members.items() if counted.retries} == retries
    assert recording.digest() == digest.hexdigest()
    assert recording.digest("and on") == digest_of(recording, "and on")
    assert sum(1 for _ in recording) == digest.entries > 500


def digest_of(recording: Any, start: str) -> str:
    """The digest of a recording by another way: an entry at a time."""
    found = hashlib.sha256(start.encode())
    for raw in recording.raw_entries():
        cut = raw[:15] if raw[0] in {1, 2} else (*raw[:5], raw[5][0]) if raw[0] in {4, 6} else raw
        found.update(msgspec.msgpack.encode(cut))
    return found.hexdigest()


def test_a_message_is_recorded_with_all_that_is_known_of_it(tmp_path: Path) -> None:
    async def main() -> None:
        with record(tmp_path / "r") as recorder:
            async with stentor.open_bus(seed=3, observers=[recorder]) as bus:

                async def ask(message: stentor.Message) -> str:
                    await trio.sleep(1)
                    await bus.publish("log", b"\x00\xff", sender="a", priority=stentor.Priority.HIGH)
                    return f"{message.payload}!"

                bus.register("a", ask).subscribe("ask")
                bus.register("b", listen).subscribe("log")
                await bus.request("ask", "why", timeout=9.0, sender="me", content_type="text/plain", headers={"k": "v"})

    on_virtual_clock(main)
    recording = read(tmp_path / "r")
    question, log, answer = recording.messages()
    assert (question.topic, question.payload, question.sender) == ("ask", "why", "me")
    assert (question.recipients, question.inside, question.cause) == (("a",), None, None)
    assert (question.content_type, question.headers, question.ttl) == ("text/plain", {"k": "v"}, None)
    assert question.deadline == question.time + 9.0
    assert (log.payload, log.payload_is_repr, log.priority) == (b"\x00\xff", False, stentor.Priority.HIGH)
    assert log.inside == answer.inside == Inside("a", question.id, 1)
    assert (log.cause, answer.in_reply_to, answer.payload) == (question.id, question.id, "why!")
    first = next(recording.deliveries())
    assert (first.agent, first.outcome, first.attempts) == ("a", Outcome.HANDLED, 1)
    assert (first.waited, first.latency) == (0.0, 1.0)
    assert recording.version == stentor.__version__


def test_attempts_are_recorded_with_their_times_and_errors(tmp_path: Path) -> None:
    async def fail(_: stentor.Message, delivery: stentor.Delivery) -> None:
        raise trio.BusyResourceError(f"attempt {delivery.attempt}")

    async def main() -> None:
        with record(tmp_path / "r") as recorder:
            async with stentor.open_bus(observers=[recorder]) as bus:
                retry = stentor.RetryPolicy(attempts=3, first_delay=1.0, factor=2.0, jitter=0.0)
                bus.register("a", fail, retry=retry).subscribe("t")
                await bus.publish("t")

    on_virtual_clock(main)
    (delivery,) = read(tmp_path / "r").deliveries()
    assert [time - delivery.accepted for time in delivery.begun] == [0.0, 1.0, 3.0]
    assert delivery.errors == tuple(ErrorText("trio.BusyResourceError", f"attempt {n}") for n in (1, 2, 3))
    assert (delivery.outcome, delivery.attempts, delivery.latency) == (Outcome.FAILED, 3, 3.0)
    assert str(delivery.errors[0]) == "trio.BusyResourceError: attempt 1"


@attrs.define
class Point:
    """A payload that is an object."""

    x: int
    tags: set[str]


class Shy:
    """A payload that does not want to be seen."""

    def __repr__(self) -> str:
        raise RuntimeError("no")


PAYLOADS: list[tuple[Any, Any, bool]] = [
    (None, None, False),
    ("text", "text", False),
    ({"b": [1, 2.5, True], "a": b"x"}, {"a": b"x", "b": [1, 2.5, True]}, False),
    ((1, (2,)), [1, [2]], False),
    (Point(1, {"z", "a"}), {"x": 1, "tags": ["a", "z"]}, False),
    (2**63, 2**63, False),
    (2**64, "18446744073709551616", True),
    ("\ud800", "'\\ud800'", True),
    (object(), "<object object at 0x...>", True),
    ([print], "[<built-in function print>]", True),
    (Shy(), "<Shy that has no repr>", True),
    ("x" * 2_000_000, "'" + "x" * 9_999, True),
]


@pytest.mark.parametrize(("payload", "recorded", "is_repr"), PAYLOADS, ids=lambda value: str(type(value).__name__))
async def test_a_payload_is_recorded_as_data_or_as_its_repr(
    tmp_path: Path, payload: object, recorded: object, is_repr: bool
) -> None:
    with record(tmp_path / "r") as recorder:
        async with stentor.open_bus(observers=[recorder]) as bus:
            await bus.publish("t", payload)
    (message,) = read(tmp_path / "r").messages()
    assert (message.payload, message.payload_is_repr) == (recorded, is_repr)


async def test_a_payload_is_recorded_as_it_was_then(tmp_path: Path) -> None:
    with record(tmp_path / "r") as recorder:
        async with stentor.open_bus(observers=[recorder]) as bus:
            payload = [1]
            await bus.publish("t", payload)
            payload.append(2)
    assert [message.payload for message in read(tmp_path / "r").messages()] == [[1]]


async def test_a_text_that_is_no_utf_8_costs_nothing_else(tmp_path: Path) -> None:
    with record(tmp_path / "r") as recorder:
        async with stentor.open_bus(observers=[recorder]) as bus:
            await bus.publish("t", 1)
            await bus.publish("t", 2, sender="\udc80", headers={"a": "\udc80"})
    first, second = read(tmp_path / "r").messages()
    assert (first.payload, first.sender) == (1, None)
    assert (second.payload, second.sender, second.headers) == (2, "\\udc80", {"a": "\\udc80"})


async def test_nothing_is_recorded_after_the_end(tmp_path: Path) -> None:
    recorder = record(tmp_path / "r")
    async with stentor.open_bus(observers=[recorder]) as bus:
        await bus.publish("t", 1)
        recorder.close()
        recorder.close()
        await bus.publish("t", 2)
    assert [message.payload for message in read(tmp_path / "r").messages()] == [1]


async def test_when_the_disk_is_full_the_bus_goes_on(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    recorder = record(tmp_path / "r")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handled = []

    async def handle(message: stentor.Message) -> None:
        handled.append(message.payload)

    async with stentor.open_bus(observers=[recorder]) as bus:
        bus.register("a", handle).subscribe("t")
        await bus.publish("t", 1)
        await bus.settled()
        recorder.flush()
        resource.setrlimit(resource.RLIMIT_FSIZE, ((tmp_path / "r").stat().st_size + 10, before[1]))
        try:
            with caplog.at_level(logging.CRITICAL + 1, "stentor"):  # the log of the tests must not need the disk
                await bus.publish("t", 2)
                await bus.settled()
                recorder.flush()
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
        await bus.publish("t", 3)
        await bus.settled()
    assert handled == [1, 2, 3]
    with pytest.raises(OSError, match="File too large"):
        recorder.close()
    with pytest.warns(RecordingWarning, match="is cut at byte"):
        assert [message.payload for message in read(tmp_path / "r").messages()] == [1]


def test_what_is_flushed_survives_a_kill(tmp_path: Path) -> None:
    source = """if True:
        import os, signal, stentor, trio
        from stentor.recording import record
        async def main():
            recorder = record("r")
            async with stentor.open_bus(observers=[recorder]) as bus:
                await bus.publish("t", "kept")
                recorder.flush()
                await bus.publish("t", "lost")
                os.kill(os.getpid(), signal.SIGKILL)
        trio.run(main)
    """
    done = subprocess.run([sys.executable, "-c", source], cwd=tmp_path, check=False)
    assert done.returncode == -signal.SIGKILL
    with pytest.warns(RecordingWarning, match="it was not ended: its process was killed, or still writes it"):
        assert [message.payload for message in read(tmp_path / "r").messages()] == ["kept"]


def test_the_same_run_makes_the_same_file(tmp_path: Path) -> None:
    async def main(name: str) -> None:
        with record(tmp_path / name) as recorder:
            async with stentor.open_bus(seed=1, observers=[recorder]) as bus:
                bus.register("a", listen).subscribe("*")
                for number in range(900):
                    await bus.publish("t", {"number": number, "set": {str(n) for n in range(number % 5)}})

    for name in "ab":
        trio.run(main, name, clock=MockClock())
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    assert len(list(read(tmp_path / "a"))) == 2700


def test_bad_arguments_are_refused_and_make_no_file(tmp_path: Path) -> None:
    (tmp_path / "there").write_text("mine")
    with pytest.raises(FileExistsError):
        record(tmp_path / "there")
    assert (tmp_path / "there").read_text() == "mine"
    with pytest.raises(TypeError, match=r"^about must map str to str, not \{'seed': 1\}$"):
        record(tmp_path / "new", about={"seed": 1})  # type: ignore[dict-item]
    with pytest.raises(ValueError, match=r"^payload_limit must be >= 0 bytes, not -1$"):
        record(tmp_path / "new", payload_limit=-1)
    assert not (tmp_path / "new").exists()
    record(tmp_path / "there", overwrite=True).close()
    assert list(read(tmp_path / "there")) == []
