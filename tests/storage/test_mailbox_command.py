"""`python -m stentor mailbox` as a person calls it."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
import trio
from trio.testing import MockClock

from stentor import MailboxEntry, Message, Priority
from stentor.__main__ import main
from stentor.storage import SQLiteStore

if TYPE_CHECKING:
    from pathlib import Path

NOON = 1767268800.0
"""2026-01-01 12:00 UTC."""
DAY = 86_400.0

TABLE = """\
agent   unread  handed out  acknowledged  expired  dead letters  bytes
claude       0           0             0        1             1    373
gpt4         2           0             1        0             0    760
all          2           0             1        1             1  1,133
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A store with five messages, one stored on each day from the first of January."""

    async def fill() -> None:
        async with SQLiteStore(file, clock=lambda: NOON + trio.current_time()) as store:
            await store.append([_mail("gpt4", {"query": "why?"}, sender="moderator", priority=Priority.HIGH)])
            trio.lowlevel.current_clock().jump(DAY)  # type: ignore[attr-defined]
            await store.append([_mail("gpt4", "x" * 200, kind="failed", failure="ValueError: no", attempts=2)])
            trio.lowlevel.current_clock().jump(DAY)  # type: ignore[attr-defined]
            await store.append([_mail("claude", b"\x00\xff", kind="dead_letter", failure="TimeoutError: 5 s")])
            trio.lowlevel.current_clock().jump(DAY)  # type: ignore[attr-defined]
            await store.append([_mail("claude", [1, 2], ttl=1.0)])
            trio.lowlevel.current_clock().jump(DAY)  # type: ignore[attr-defined]
            await store.append([_mail("gpt4", None)])
            await store.acknowledge("gpt4", [5])
            await store.read("gpt4")

    file = tmp_path / "mail.db"
    trio.run(fill, clock=MockClock())
    return file


def _mail(agent: str, payload: object, **options: Any) -> MailboxEntry:
    of_entry = {name: options.pop(name) for name in ("kind", "failure", "attempts") if name in options}
    message = Message(f"ai.{agent}", payload, id=f"{agent}-1", timestamp=trio.current_time(), **options)
    return MailboxEntry(agent, message, **of_entry)


def run(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    """The exit status, and what was said on standard output and on standard error."""
    try:
        status = main(["mailbox", *map(str, arguments)])
    except SystemExit as error:
        status = int(error.code or 0)
    said = capsys.readouterr()
    return status, said.out, said.err


def test_list_shows_every_mailbox_in_numbers(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(capsys, path, "list") == (0, TABLE, "")


def test_list_can_be_read_by_programs(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status, out, _ = run(capsys, path, "list", "--json")
    rows = [json.loads(line) for line in out.splitlines()]
    assert status == 0
    assert [(row["agent"], row["unread"], row["dead_letters"]) for row in rows] == [("claude", 0, 1), ("gpt4", 2, 0)]


def test_show_shows_messages_a_line_each(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status, out, _ = run(capsys, path, "show")
    assert status == 0
    assert out.splitlines() == [
        '#1 2026-01-01 12:00:00+00:00 gpt4: unread; ai.gpt4 from moderator: {"query": "why?"}',
        '#2 2026-01-02 12:00:00+00:00 gpt4: failed, unread (ValueError: no); ai.gpt4: "' + "x" * 99 + "...",
        '#3 2026-01-03 12:00:00+00:00 claude: dead letter, unread (TimeoutError: 5 s); ai.claude: {"base64": "AP8="}',
        "#4 2026-01-04 12:00:00+00:00 claude: expired; ai.claude: [1, 2]",
        "#5 2026-01-05 12:00:00+00:00 gpt4: acknowledged; ai.gpt4: null",
    ]


def test_show_goes_on_from_a_number(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    seen: list[str] = []
    for after, hint in ((0, "there are more: --after 2\n"), (2, "there are more: --after 4\n"), (4, "")):
        status, out, err = run(capsys, path, "show", "--limit", 2, "--after", after)
        seen += [line.split()[0] for line in out.splitlines()]
        assert (status, err) == (0, hint)
    assert seen == ["#1", "#2", "#3", "#4", "#5"]
    assert run(capsys, path, "show", "--after", 5) == (0, "", "no messages\n")


EVIL = "a\nb\x1b[2J\x9b1m\u202e"
SEEN = r"a\nb\u001b[2J\u009b1m\u202e"


def test_nothing_in_a_message_reaches_the_terminal_as_it_is(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    async def fill() -> None:
        async with SQLiteStore(tmp_path / "mail.db") as store:
            message = Message(f"t.{EVIL}", {"k": EVIL}, id="m-1", sender=EVIL)
            await store.append([MailboxEntry(EVIL, message, kind="failed", failure=EVIL)])

    trio.run(fill)
    _, out, _ = run(capsys, tmp_path / "mail.db", "show")
    (line,) = out.splitlines()
    assert line.isprintable()
    assert line.count(SEEN) == 5
    _, out, _ = run(capsys, tmp_path / "mail.db", "show", "--full")
    assert all(line.isprintable() for line in out.splitlines())
    assert json.loads(out)["agent"] == EVIL
    _, out, _ = run(capsys, tmp_path / "mail.db", "list")
    assert [line.split("  ")[0].strip() for line in out.splitlines()] == ["agent", SEEN, "all"]


def test_what_json_does_not_know_is_written_as_text(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    payloads = [datetime(2026, 1, 1, tzinfo=UTC), [float("inf")], {1: b"\x00"}]

    async def fill() -> None:
        async with SQLiteStore(tmp_path / "mail.db", codec="msgpack") as store:
            await store.append([_mail("a", payload) for payload in payloads])

    trio.run(fill)
    status, out, _ = run(capsys, tmp_path / "mail.db", "export")
    assert status == 0
    found = [json.loads(line, parse_constant=pytest.fail)["message"]["payload"] for line in out.splitlines()]
    assert found == ["2026-01-01T00:00:00+00:00", ["inf"], {"1": {"base64": "AA=="}}]


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        (["--agent", "gpt4"], [1, 2, 5]),
        (["--id", 1, "--id", 4], [1, 4]),
        (["--message-id", "claude-1"], [3, 4]),
        (["--sender", "moderator"], [1]),
        (["--since", "2026-01-03T12:00:00Z"], [3, 4, 5]),
        (["--until", "2026-01-03T12:00:00Z", "--agent", "gpt4"], [1, 2]),
        (["--priority", "high"], [1]),
        (["--state", "expired", "--state", "acknowledged"], [4, 5]),
        (["--kind", "failed", "--kind", "dead_letter"], [2, 3]),
    ],
)
def test_filters_choose_messages(
    path: Path, capsys: pytest.CaptureFixture[str], filters: list[object], expected: list[int]
) -> None:
    status, out, _ = run(capsys, path, "show", *filters)
    assert status == 0
    assert [int(line.split()[0][1:]) for line in out.splitlines()] == expected


def test_show_in_full_says_all_there_is(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _, out, _ = run(capsys, path, "show", "--full", "--id", 1)
    found = json.loads(out)
    assert found["message"].pop("timestamp") == pytest.approx(NOON)
    assert found == {
        "id": 1,
        "agent": "gpt4",
        "kind": "mail",
        "state": "unread",
        "stored_at": NOON,
        "acknowledged_at": None,
        "handouts": 1,
        "failure": None,
        "attempts": 0,
        "message": {
            "id": "gpt4-1",
            "topic": "ai.gpt4",
            "sender": "moderator",
            "priority": "high",
            "ttl": None,
            "deadline": None,
            "content_type": None,
            "headers": {},
            "in_reply_to": None,
            "cause": None,
            "addressing": "topic",
            "payload": {"query": "why?"},
        },
    }


def test_export_writes_a_line_for_each_message(path: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    status, out, _ = run(capsys, path, "export")
    lines = [json.loads(line) for line in out.splitlines()]
    assert status == 0
    assert [line["message"]["payload"] for line in lines] == [
        {"query": "why?"},
        "x" * 200,
        {"base64": "AP8="},
        [1, 2],
        None,
    ]
    assert lines[2]["failure"] == "TimeoutError: 5 s"
    file = tmp_path / "out.jsonl"
    assert run(capsys, path, "export", "--agent", "gpt4", "--out", file) == (0, "", "")
    assert [json.loads(line)["id"] for line in file.read_text(encoding="utf-8").splitlines()] == [1, 2, 5]
    status, _, err = run(capsys, path, "export", "--out", file)
    text = f"stentor mailbox: error: --out must be a file that does not exist yet, not {str(file)!r}\n"
    assert (status, err) == (2, text)


def test_an_export_that_cannot_be_written_leaves_no_file(
    path: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    nowhere = tmp_path / "none" / "out.jsonl"
    text = f"stentor mailbox: error: --out must be in an existing folder, not in {str(nowhere.parent)!r}\n"
    assert run(capsys, path, "export", "--out", nowhere) == (2, "", text)
    status, out, err = run(capsys, path, "export", "--out", "/proc/out.jsonl")
    assert (status, out) == (1, "")
    assert err.startswith("stentor mailbox: error: [Errno ")
    assert err.endswith("'/proc/out.jsonl'\n")

    async def damage() -> None:
        async with SQLiteStore(path) as store:
            await store._commits.call(
                lambda mailboxes: mailboxes._connection.execute("UPDATE entries SET payload = '{' WHERE id = 4")
            )

    trio.run(damage)
    file = tmp_path / "out.jsonl"
    status, _, err = run(capsys, path, "export", "--out", file)
    assert status == 1
    assert err.startswith("stentor mailbox: error: stored message 4: its payload is not in json: ")
    assert not file.exists()


def test_purge_removes_what_is_chosen(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(capsys, path, "purge", "--agent", "gpt4", "--dry-run") == (0, "3 messages would be removed\n", "")
    assert run(capsys, path, "purge", "--agent", "gpt4") == (0, "3 messages removed\n", "")
    _, out, _ = run(capsys, path, "show")
    assert [line.split()[0] for line in out.splitlines()] == ["#3", "#4"]
    assert run(capsys, path, "purge", "--id", 3) == (0, "1 message removed\n", "")
    assert run(capsys, path, "purge", "--all", "--dry-run") == (0, "1 message would be removed\n", "")


def test_purge_of_everything_must_be_said(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(capsys, path, "purge") == (2, "", "stentor mailbox: error: purge needs a filter, or --all\n")
    assert run(capsys, path, "list") == (0, TABLE, "")


@pytest.mark.parametrize("action", ["list", "show", "export", "purge"])
def test_a_file_that_is_not_there_is_not_made(tmp_path: Path, capsys: pytest.CaptureFixture[str], action: str) -> None:
    path = tmp_path / "none.db"
    text = f"stentor mailbox: error: PATH must be an existing file, not {str(path)!r}\n"
    assert run(capsys, path, action) == (2, "", text)
    assert not path.exists()


def test_an_empty_file_is_not_made_a_store(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "empty"
    path.touch()
    text = f"stentor mailbox: error: PATH must be the file of a store, and {str(path)!r} is empty\n"
    assert run(capsys, path, "list") == (2, "", text)
    assert not path.read_bytes()


def test_a_file_that_fails_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("no store")
    text = f"stentor mailbox: error: {str(path)!r} is not a mailbox store: file is not a database\n"
    assert run(capsys, path, "list") == (1, "", text)


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["--limit", "0"], "argument --limit: must be a whole number >= 1, not '0'"),
        (["--limit", "x"], "argument --limit: must be a whole number >= 0, not 'x'"),
        (["--after", "-1"], "argument --after: must be a whole number >= 0, not '-1'"),
        (
            ["--since", "noon"],
            "argument --since: must be a time such as 2026-01-31 or 2026-01-31T12:00:00+01:00, not 'noon'",
        ),
    ],
)
def test_what_is_wrong_with_an_option_is_said(
    path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], text: str
) -> None:
    status, _, err = run(capsys, path, "show", *arguments)
    assert status == 2
    assert err.splitlines()[-1] == f"stentor mailbox PATH show: error: {text}"


def test_a_time_that_ends_before_it_begins_is_refused(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = "stentor mailbox: error: --until must not be before --since\n"
    assert run(capsys, path, "show", "--since", "2026-01-03", "--until", "2026-01-02") == (2, "", text)


def test_it_runs_as_a_program_of_its_own(path: Path) -> None:
    command = [sys.executable, "-W", "error", "-m", "stentor", "mailbox", str(path), "list"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert (done.returncode, done.stdout, done.stderr) == (0, TABLE, "")


def test_a_reader_that_has_seen_enough_is_no_error(tmp_path: Path) -> None:
    async def fill() -> None:
        async with SQLiteStore(tmp_path / "mail.db", sync="normal") as store:
            await store.append([_mail("a", "x" * 1000) for _ in range(2000)])

    trio.run(fill)
    command = [sys.executable, "-m", "stentor", "mailbox", str(tmp_path / "mail.db"), "export"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert json.loads(process.stdout.readline())["id"] == 1
        process.stdout.close()
        assert process.stderr.read() == ""
        assert process.wait() == 1
