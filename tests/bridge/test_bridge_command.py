"""`python -m stentor bridge` as a person calls it."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
import trio

from stentor.__main__ import main
from tests.bridge.joined import Log, joined, until
from tests.bridge.servers import cluster, redis_server, wait_until
from tests.services import LOOPBACK

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.bridge.servers import RedisServer

pytestmark = pytest.mark.live
SECONDS = 30.0


@pytest.fixture(scope="module")
def server() -> Iterator[RedisServer]:
    """A server that the tests share."""
    with redis_server() as running:
        yield running


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("STENTOR_REDIS_URL", raising=False)
    monkeypatch.delenv("STENTOR_REDIS_PASSWORD", raising=False)


def run(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    """The exit status, and what was said on standard output and on standard error."""
    try:
        status = main(["bridge", *map(str, arguments)])
    except SystemExit as error:
        status = int(error.code or 0)
    said = capsys.readouterr()
    return status, said.out, said.err


@contextmanager
def start(*arguments: str, out: int = subprocess.PIPE) -> Iterator[subprocess.Popen[str]]:
    """Start the command in a process of its own, which ends at the latest when the test does."""
    command = [sys.executable, "-m", "stentor", "bridge", *arguments]
    with subprocess.Popen(command, stdout=out, stderr=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def listeners(server: RedisServer) -> int:
    return int(server.ask("PUBSUB", "NUMPAT"))


def test_what_one_sends_the_other_sees(server: RedisServer, capsys: pytest.CaptureFixture[str]) -> None:
    with start("tail", "--url", server.url, "--limit", "2", "--namespace", "seen", "a.**") as tail:
        wait_until(partial(_equals, server, 1), "somebody listens")
        place = ("--url", server.url, "--namespace", "seen")
        status, out, err = run(capsys, "send", *place, "a.b", "hello", "--sender", "me")
        assert (status, err) == (0, "")
        assert re.fullmatch(r"[0-9a-f]{16}: 1 listening\n", out)
        assert run(capsys, "send", *place, "other", "x")[1].endswith(": 0 listening\n")
        assert run(capsys, "send", "--url", server.url, "a.b", "in another namespace")[1].endswith(": 0 listening\n")
        run(capsys, "send", *place, "a.c", json.dumps({"n": ["x" * 200]}), "--json")
        out, err = tail.communicate(timeout=SECONDS)
    first, second = out.splitlines()
    assert re.fullmatch(r'\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3} a\.b from me: "hello"', first)
    assert re.fullmatch(r'\S+ \S+ a\.c: \{"n":\["x{93}\.\.\.', second)
    assert (tail.returncode, err) == (0, "")


def _equals(server: RedisServer, count: int) -> bool:
    return listeners(server) == count


def test_a_stream_is_shown_from_its_beginning_or_its_end(
    server: RedisServer, capsys: pytest.CaptureFixture[str]
) -> None:
    place = ("--url", server.url, "--namespace", "kept", "--transport", "streams", "--shards", "3")
    options = ("--json", "--priority", "urgent", "--ttl", "60", "--header", "k=v", "--content-type", "text")
    status, out, _err = run(capsys, "send", *place, "a.b", "[1, 2]", *options)
    assert status == 0
    assert re.fullmatch(r"[0-9a-f]{16}: entry \d+-0 of st1:\{kept\}:s:[012]\n", out)
    status, out, _err = run(capsys, "tail", *place, "--backlog", "--limit", "1", "--json")
    seen = json.loads(out)
    assert (seen["topic"], seen["payload"], seen["priority"], seen["ttl"]) == ("a.b", [1, 2], "urgent", 60.0)
    assert (seen["headers"], seen["content_type"], seen["seq"], status) == ({"k": "v"}, "text", 1, 0)
    with start("tail", *place, "--limit", "1") as tail:
        wait_until(lambda: b"cmd=xread" in server.ask("CLIENT", "LIST"), "somebody reads")
        run(capsys, "send", *place, "a.b", "later")
        out, _err = tail.communicate(timeout=SECONDS)
    assert out.endswith(' a.b: "later"\n')


@pytest.mark.real_clock
@pytest.mark.parametrize("transport", ["pubsub", "streams"])
async def test_a_bridge_hears_what_is_sent_and_is_seen(
    server: RedisServer, capsys: pytest.CaptureFixture[str], transport: str
) -> None:
    where = ("--url", server.url, "--namespace", transport)

    options: dict[str, Any] = {"transport": transport, "namespace": transport, "in_": ["**"]}
    async with joined(server, "here", **options) as (bus, bridge):
        log = Log()
        bus.register("gpt4", log).subscribe("ai.**")
        await bridge.synced()
        with trio.fail_after(SECONDS):
            send = ("send", *where, "--transport", transport, "ai.news", "hello")
            assert (await trio.to_thread.run_sync(run, capsys, *send))[0] == 0
            await until(lambda: log.payloads == ["hello"])
            assert await agents(capsys, *where) == "gpt4  here\n1 agents at 1 nodes\n"
            assert json.loads(await agents(capsys, *where, "--json")) == {"agent": "gpt4", "node": "here"}
            assert bridge.statistics().refused == {}


async def agents(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """What is told of the agents, once somebody answered within the little time that is given for it."""
    while True:
        _status, out, _err = await trio.to_thread.run_sync(run, capsys, "agents", *arguments, "--wait", 0.2)
        if "gpt4" in out:
            return out


def test_only_what_is_signed_with_a_known_key_is_shown(
    server: RedisServer, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (tmp_path / "new").write_text("a secret of this test\n", encoding="ascii")
    (tmp_path / "old").write_text("another one of this test", encoding="ascii")
    new, old = f"1={tmp_path / 'new'}", f"2={tmp_path / 'old'}"
    place = ("--url", server.url, "--namespace", "signed", "--transport", "streams")
    run(capsys, "send", *place, "a", "unsigned")
    run(capsys, "send", *place, "a", "by the old", "--key", old)
    run(capsys, "send", *place, "a", "by the new", "--key", old, "--key", new, "--sign-with", 1)
    status, out, err = run(capsys, "tail", *place, "--backlog", "--limit", 1, "--key", new)
    assert (status, err) == (
        0,
        "refused 90 bytes: signature\nrefused 108 bytes: key\n".replace("90", err.split()[1]).replace(
            "108", err.split()[5]
        ),
    )
    assert out.endswith(' a: "by the new"\n')


def test_no_message_can_do_anything_to_a_terminal(server: RedisServer, capsys: pytest.CaptureFixture[str]) -> None:
    place = ("--url", server.url, "--namespace", "terminal", "--transport", "streams")
    for payload in ("\x1b[2J\x9b2J\u202e", "two\nlines"):
        assert run(capsys, "send", *place, "a.\x1bc\x07", payload, "--sender", "\x1b[31m")[0] == 0
    status, out, err = run(capsys, "tail", *place, "--backlog", "--limit", 2)
    assert (status, err, len(out.splitlines())) == (0, "", 2)
    assert all(line.isprintable() for line in out.splitlines())
    assert "a.\\x1bc\\x07 from \\x1b[31m: " in out


def test_an_interruption_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    with redis_server() as server, start("tail", "--url", server.url, "--limit", "1") as tail:
        wait_until(partial(_equals, server, 1), "somebody listens")
        server.kill()
        server.start()
        wait_until(partial(_equals, server, 1), "somebody listens again")
        run(capsys, "send", "--url", server.url, "a", "x")
        out, err = tail.communicate(timeout=SECONDS)
    assert out.endswith(' a: "x"\n')
    assert re.fullmatch(r"there was no connection for \d+\.\d s \(.*\): messages may be missing\n", err)


def test_ctrl_c_ends_it(server: RedisServer) -> None:
    with start("tail", "--url", server.url, "--namespace", "end") as tail:
        wait_until(partial(_equals, server, 1), "somebody listens")
        tail.send_signal(signal.SIGINT)
        assert tail.communicate(timeout=SECONDS) == ("", "interrupted\n")
    assert tail.returncode == 130


def test_the_url_and_the_password_can_come_from_the_environment(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with redis_server("--requirepass", "pw-word") as server:
        monkeypatch.setenv("STENTOR_REDIS_URL", server.url)
        status, _out, err = run(capsys, "send", "a", "x")
        assert (status, err.split()[:4]) == (1, ["stentor", "bridge:", "error:", "NOAUTH"])
        monkeypatch.setenv("STENTOR_REDIS_PASSWORD", "pw-word")
        assert run(capsys, "send", "a", "x")[0] == 0
        monkeypatch.setenv("STENTOR_REDIS_PASSWORD", "another-word")
        status, _out, err = run(capsys, "send", "a", "x")
        assert (status, "WRONGPASS" in err, "another-word" in err) == (1, True, False)


def test_without_a_server_it_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    with redis_server() as server:
        url, port = server.url, server.port
    for action in (("tail",), ("send", "a", "x"), ("agents",)):
        status, out, err = run(capsys, action[0], "--url", url, *action[1:])
        assert (status, out) == (1, "")
        assert err.startswith(f"stentor bridge: error: no way to {LOOPBACK}:{port}: ")


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (("send", "a..b", "x"), "invalid topic 'a..b' at offset 2: empty segment"),
        (("tail", "a..b"), "invalid pattern 'a..b' at offset 2: empty segment"),
        (("tail", "--namespace", "a b"), "namespace must be 1 to 64 letters, digits and _ . : - only, not 'a b'"),
        (("tail", "--url", "http://pw-word@host"), "url must start with redis://, "),
        (("tail", "--key", "1=/no/such/file"), "[Errno 2] No such file or directory: '/no/such/file'"),
        (("send", "a", "{", "--json"), "Expecting property name enclosed in double quotes: line 1 column 2 (char 1)"),
        (("send", "--sign-with", "3", "a", "x"), "sign_with must be the id of one of the keys, not 3"),
    ],
)
def test_a_mistake_is_told_and_nothing_done(
    capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], text: str
) -> None:
    status, out, err = run(capsys, *arguments)
    assert (status, out) == (2, "")
    assert err.startswith(f"stentor bridge: error: {text}")
    assert "pw-word" not in err


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (("tail", "--limit", "0"), "argument --limit: must be >= 1, not 0"),
        (("agents", "--wait", "nan"), "argument --wait: must be > 0 and finite, not nan"),
        (("send", "a", "x", "--header", "k"), "argument --header: must be NAME=VALUE, not 'k'"),
        (("send", "a", "x", "--key", "secret"), "argument --key: must be ID=FILE, not 'secret'"),
    ],
)
def test_a_wrong_option_is_told(capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], text: str) -> None:
    status, _out, err = run(capsys, *arguments)
    assert status == 2
    assert err.endswith(f"error: {text}\n")


@pytest.mark.long
def test_it_finds_the_node_of_a_cluster(capsys: pytest.CaptureFixture[str]) -> None:
    with cluster() as nodes:
        url = f"redis+cluster://{LOOPBACK}:{nodes[0].port}"
        for namespace in ("a", "b", "c", "d"):
            with start("tail", "--url", url, "--namespace", namespace, "--limit", "1") as tail:
                wait_until(partial(_is_heard_at_one, nodes, namespace), "somebody listens")
                assert run(capsys, "send", "--url", url, "--namespace", namespace, "a", "x")[0] == 0
                assert tail.communicate(timeout=SECONDS)[0].endswith(' a: "x"\n')


def _is_heard_at_one(nodes: list[RedisServer], namespace: str) -> bool:
    channel = f"st1:{{{namespace}}}:all"
    return bool(sum(node.ask("PUBSUB", "SHARDNUMSUB", channel)[1] for node in nodes) == 1)


def test_who_reads_may_have_seen_enough(server: RedisServer, capsys: pytest.CaptureFixture[str]) -> None:
    place = ("--url", server.url, "--namespace", "pipe", "--transport", "streams")
    for number in range(3):
        run(capsys, "send", *place, "a", number)
    read, write = os.pipe()
    os.close(read)
    with start("tail", *place, "--backlog", out=write) as tail:
        os.close(write)
        assert tail.communicate(timeout=SECONDS)[1] == ""
    assert tail.returncode == 1
