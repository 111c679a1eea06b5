"""Publisher, consumer and server are killed at random, and what became of every message is worked out from their logs.

python -m tests.bridge.killing --seconds 180
"""

from __future__ import annotations

import argparse
import json
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

from tests.bridge.servers import RedisServer, redis_server

ROLES: Final = ("publish", "consume", "server")
LAST: Final = 30
"""How many messages the last publisher sends."""
QUIET: Final = 2.0
TOLD: Final = 0.7
"""Seconds within which a loss is told: some beacons come in that time."""


@dataclass
class Tally:
    """What became of all messages of all lives."""

    transport: str
    kills: dict[str, int] = field(default_factory=dict)
    published: int = 0
    confirmed: int = 0
    delivered: int = 0
    lost: int = 0
    lost_confirmed: int = 0
    reported: int = 0
    unreported: int = 0
    succeeded: int = 0
    duplicates: int = 0
    flagged: int = 0
    disorder: int = 0


class Play:
    """The processes, and who is killed when."""

    def __init__(self, transport: str, server: RedisServer, folder: Path, seed: int) -> None:
        self.transport = transport
        self.server = server
        self.folder = folder
        self.rng = random.Random(seed)
        self.lives = Counter[str]()
        self.kills = Counter[str]()
        self.processes: dict[str, subprocess.Popen[bytes]] = {}

    def start(self, role: str) -> None:
        """Let a worker live."""
        self.lives[role] += 1
        options: dict[str, Any] = {
            "url": self.server.url,
            "transport": self.transport,
            "node": role,
            "log": str(self.folder / role),
            "life": self.lives[role],
            "stop": str(self.folder / "stop"),
        }
        command = [sys.executable, "-m", "tests.bridge.worker", role, json.dumps(options)]
        with (self.folder / f"{role}.err").open("ab") as errors:
            self.processes[role] = subprocess.Popen(command, stderr=errors)

    def wait_for_life(self, role: str) -> None:
        """Wait until a worker has begun."""
        word = "life" if role == "publish" else "ready"
        end = time.monotonic() + 60
        while f"{word} {self.lives[role]}\n" not in read(self.folder / role):
            if time.monotonic() > end:
                msg = f"{role} does not begin: {read(self.folder / f'{role}.err')}"
                raise RuntimeError(msg)
            time.sleep(0.05)

    def kill(self, role: str) -> None:
        """Kill somebody, who comes back a moment later."""
        self.kills[role] += 1
        if role == "server":
            self.server.kill()
            time.sleep(self.rng.uniform(0.05, 0.5))
            self.server.start()
            return
        self.processes[role].kill()
        self.processes[role].wait()
        time.sleep(self.rng.uniform(0.0, 0.5))
        self.start(role)
        self.wait_for_life(role)

    def run(self, seconds: float, roles: tuple[str, ...]) -> None:
        """Kill at random for so long, and let everything come to rest."""
        try:
            for role in ("consume", "publish"):
                self.start(role)
                self.wait_for_life(role)
            end = time.monotonic() + seconds
            while time.monotonic() < end:
                time.sleep(self.rng.uniform(0.3, 1.5))
                self.kill(self.rng.choice(roles))
            time.sleep(1.0)
            self.processes["publish"].kill()  # the last of its lives: its successor announces itself, and ends in order
            self.processes["publish"].wait()
            self.kills["publish"] += 1
            self.finish()
        finally:
            for process in self.processes.values():
                process.kill()
                process.wait()

    def finish(self) -> None:
        """Let a last publisher send a few and leave, and the consumer take what is there."""
        self.lives["publish"] += 1
        options = {
            "url": self.server.url,
            "transport": self.transport,
            "node": "publish",
            "log": str(self.folder / "publish"),
            "life": self.lives["publish"],
            "count": LAST,
        }
        subprocess.run(
            [sys.executable, "-m", "tests.bridge.worker", "publish", json.dumps(options)], check=True, timeout=120
        )
        self.wait_for_rest()
        (self.folder / "stop").touch()
        self.processes["consume"].wait(timeout=60)

    def wait_for_rest(self) -> None:
        """Wait until all of the last life was handled, and what was lost before is told; or nothing comes any more."""
        word, before, since = f"handled {self.lives['publish']} ", "", time.monotonic()
        while time.monotonic() - since < (TOLD if before.count(word) >= LAST else QUIET):
            time.sleep(0.05)
            if (now := read(self.folder / "consume")) != before:
                before, since = now, time.monotonic()


def read(path: Path) -> str:
    """What a worker has written, up to its last whole line."""
    return path.read_text(encoding="ascii") if path.exists() else ""


def run(transport: str, seconds: float, seed: int, roles: tuple[str, ...] = ROLES) -> Tally:
    """Kill at random for so many seconds, and return what became of the messages."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="stentor-killing-")))
        server = stack.enter_context(redis_server(appendonly="always"))
        play = Play(transport, server, folder, seed)
        play.run(seconds, roles)
        return judge(play)


def judge(play: Play) -> Tally:
    """Work out from the logs what became of every message."""
    tally = Tally(play.transport, kills=dict(play.kills))
    published: set[tuple[int, int]] = set()
    confirmed_of: dict[int, int] = {}
    for line in read(play.folder / "publish").splitlines():
        word, *rest = line.split()
        if word == "published":
            life, n, sent = map(int, rest)
            published.add((life, n))
            confirmed_of[life] = max(sent, confirmed_of.get(life, 0))
    confirmed = {(life, n) for life, n in published if n < confirmed_of.get(life, 0)}
    seen: Counter[tuple[int, int]] = Counter()
    last: dict[tuple[int, int], int] = {}
    consumer_was_down = 0
    for line in read(play.folder / "consume").splitlines():
        word, *rest = line.split()
        if word == "ready":
            consumer_was_down += 1
        elif word == "gap":
            kind, missing = rest[0], int(rest[1])
            tally.reported += max(0, missing)
            tally.succeeded += kind == "succeeded"
        elif word == "handled":
            life, n, redelivered = map(int, rest)
            seen[life, n] += 1
            if seen[life, n] > 1:
                tally.flagged += redelivered
                tally.duplicates += not redelivered
            elif n < last.get((life, n % 3), -1) and not redelivered:
                tally.disorder += 1
            last[life, n % 3] = max(n, last.get((life, n % 3), -1))
    tally.published, tally.confirmed, tally.delivered = len(published), len(confirmed), len(seen)
    tally.lost = len(published - seen.keys())
    tally.lost_confirmed = len(confirmed - seen.keys())
    tally.unreported = _unreported(play, published - seen.keys(), seen.keys(), tally)
    return tally


def _unreported(play: Play, lost: set[tuple[int, int]], seen: Any, tally: Tally) -> int:
    """Count what was lost between processes that both survived it, beyond what was reported.

    The end of a publisher's life is told by its successor. What a consumer that was killed had missed is its own.
    """
    if play.transport == "pubsub" and play.kills["consume"]:
        return 0
    ends: dict[int, int] = {}
    for life, n in seen:
        ends[life] = max(n, ends.get(life, -1))
    inside = {(life, n) for life, n in lost if n < ends.get(life, -1)}
    lives_cut = len({life for life, _ in lost - inside})
    return max(0, len(inside) - tally.reported) + max(0, lives_cut - tally.succeeded - play.kills["consume"])


def main() -> None:
    """Kill, and print what became of the messages."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=180.0)
    parser.add_argument("--transport", action="append", choices=["pubsub", "streams"])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--role", action="append", choices=ROLES, help="only these are killed")
    options = parser.parse_args()
    for transport in options.transport or ["pubsub", "streams"]:
        roles = tuple(options.role or ROLES)
        print(json.dumps(asdict(run(transport, options.seconds, options.seed, roles))), flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
