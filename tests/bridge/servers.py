"""Redis servers that can be killed, started again on their port and frozen: alone, with TLS, Sentinels or a cluster."""

from __future__ import annotations

import contextlib
import itertools
import os
import signal
import ssl
import subprocess
import time
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import redis
import trustme

from tests.services import LOOPBACK, free_port, required_program, scratch_folder, wait_until_it_listens

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

AppendOnly: TypeAlias = Literal["no", "everysec", "always"]

READY_SECONDS = 30.0
POLL_SECONDS = 0.02
FAST_REPLICATION = ("--repl-diskless-sync-delay", "0", "--repl-ping-replica-period", "1")
FAST_SENTINEL = ("SENTINEL", "DEBUG", "ASK-PERIOD", 100, "INFO-PERIOD", 100, "PUBLISH-PERIOD", 100)
"""Sentinels talk to each other ten times a second, and not every second or two."""
SERVICE = "main"
"""What the Sentinels call the primary."""


class RedisServer:
    """One server on a port and a folder that it keeps, whatever is done to it."""

    def __init__(self, program: str, port: int, folder: Path, settings: list[str], *, bus_port: int = 0) -> None:
        self.port = port
        self.bus_port = bus_port
        self.folder = folder
        self._command = [program, *settings]
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Where it is, for a client in the clear."""
        return f"redis://{LOOPBACK}:{self.port}"

    @property
    def process(self) -> subprocess.Popen[bytes]:
        """The running program."""
        assert self._process is not None, "the server does not run"
        return self._process

    def start(self) -> None:
        """Start it, and return when it listens."""
        log = self.folder / "redis.log"
        with log.open("ab") as sink:
            self._process = subprocess.Popen(
                self._command, stdin=subprocess.DEVNULL, stdout=sink, stderr=subprocess.STDOUT, cwd=self.folder
            )
        wait_until_it_listens("redis-server", self.process, self.port, log)

    def kill(self) -> None:
        """End it as a power cut ends a process: SIGKILL."""
        self.process.kill()
        self.process.wait()

    def freeze(self) -> None:
        """Let it do nothing, not even answer, with its connections open."""
        os.kill(self.process.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on."""
        os.kill(self.process.pid, signal.SIGCONT)

    def end(self) -> None:
        """End it for good, in whatever state it is; what it holds is of no use to anybody."""
        if self._process is not None:
            self.kill()

    def client(self, **options: Any) -> redis.Redis:
        """Return a client for the test's own questions, one that does not wait for ever."""
        return redis.Redis(host=LOOPBACK, port=self.port, socket_timeout=10, **options)

    def ask(self, *command: str | bytes | float) -> Any:
        """Send one command on a connection of its own, and return the reply."""
        with self.client() as client:
            return client.execute_command(*command)


@contextlib.contextmanager
def redis_server(
    *settings: str, appendonly: AppendOnly = "no", replica_of: RedisServer | None = None
) -> Iterator[RedisServer]:
    """Run a server that keeps nothing on disk unless told to, with further command line arguments."""
    port = free_port()
    extra = [] if replica_of is None else ["--replicaof", f"{LOOPBACK} {replica_of.port}"]
    with _server(
        port,
        [
            "--port",
            str(port),
            "--appendonly",
            "no" if appendonly == "no" else "yes",
            *_sync(appendonly),
            *extra,
            *settings,
        ],
    ) as server:
        yield server


@contextlib.contextmanager
def tls_server(*settings: str, host: str = "localhost") -> Iterator[tuple[RedisServer, ssl.SSLContext]]:
    """Run a server that talks TLS alone, with a certificate for `host`; yield it with a context that trusts it."""
    authority = trustme.CA()
    port = free_port()
    with scratch_folder("tls") as folder:
        authority.cert_pem.write_to_path(folder / "ca.pem")
        certificate = authority.issue_cert(host)
        certificate.private_key_pem.write_to_path(folder / "key.pem")
        certificate.cert_chain_pems[0].write_to_path(folder / "cert.pem")
        files = [f"--tls-{what}-file {folder / name}" for what, name in (("cert", "cert.pem"), ("key", "key.pem"))]
        files = " ".join([*files, f"--tls-ca-cert-file {folder / 'ca.pem'}"]).split(" ")
        context = ssl.create_default_context(cafile=folder / "ca.pem")
        ports = ["--port", "0", "--tls-port", str(port), "--tls-auth-clients", "no"]
        with _server(port, [*ports, *files, *settings]) as server:
            yield server, context


@contextlib.contextmanager
def sentinel_setup() -> Iterator[tuple[list[RedisServer], list[RedisServer]]]:
    """Run a primary with two replicas, and three Sentinels that watch them; yield the servers and the Sentinels."""
    with contextlib.ExitStack() as stack:
        primary = stack.enter_context(redis_server(*FAST_REPLICATION))
        replicas = [stack.enter_context(redis_server(*FAST_REPLICATION, replica_of=primary)) for _ in range(2)]
        sentinels = [stack.enter_context(_sentinel(primary)) for _ in range(3)]
        wait_until(lambda: all(_sees_everybody(each) for each in sentinels), "the Sentinels see each other")
        yield [primary, *replicas], sentinels


@contextlib.contextmanager
def cluster(*, replicas: int = 0) -> Iterator[list[RedisServer]]:
    """Run a cluster of three primaries that share the slots evenly, the first with replicas, which come last."""
    with contextlib.ExitStack() as stack:
        nodes = [stack.enter_context(_cluster_node()) for _ in range(3 + replicas)]
        for number, node in enumerate(nodes[:3]):
            node.ask("CLUSTER", "ADDSLOTSRANGE", number * 5461, 16_383 if number == 2 else number * 5461 + 5460)
            node.ask("CLUSTER", "SET-CONFIG-EPOCH", number + 1)
        for node, other in itertools.combinations(nodes, 2):  # all of them: word of mouth would take seconds
            node.ask("CLUSTER", "MEET", LOOPBACK, other.port, other.bus_port)
        first = nodes[0].ask("CLUSTER", "MYID").decode()
        for node in nodes[3:]:
            wait_until(partial(_follows, node, first), "the replica knows its primary")
        wait_for_order(nodes, replicas)
        yield nodes


def wait_for_order(nodes: list[RedisServer], replicas: int) -> None:
    """Wait until every node of a cluster, all of which run, knows of all the others."""
    wait_until(lambda: all(_is_in_order(node, replicas) for node in nodes), "the cluster is in order")


def wait_until(condition: Callable[[], bool], what: str) -> None:
    """Ask again and again until it is so."""
    end = time.monotonic() + READY_SECONDS
    while time.monotonic() < end:
        with contextlib.suppress(redis.RedisError):
            if condition():
                return
        time.sleep(POLL_SECONDS)
    msg = f"not within {READY_SECONDS:g} s: {what}"
    raise RuntimeError(msg)


def _sync(appendonly: AppendOnly) -> list[str]:
    return [] if appendonly == "no" else ["--appendfsync", appendonly]


@contextlib.contextmanager
def _server(port: int, settings: list[str], *, bus_port: int = 0) -> Iterator[RedisServer]:
    program = required_program("redis-server", "redis-server")
    with scratch_folder("redis") as folder:
        common = ["--bind", LOOPBACK, "--dir", str(folder), "--save", "", "--enable-debug-command", "local"]
        server = RedisServer(program, port, folder, [*common, *settings], bus_port=bus_port)
        server.start()
        try:
            yield server
        finally:
            server.end()


@contextlib.contextmanager
def _sentinel(primary: RedisServer) -> Iterator[RedisServer]:
    program = required_program("redis-sentinel", "redis-sentinel")
    port = free_port()
    with scratch_folder("sentinel") as folder:
        lines = (
            f"port {port}",
            f"bind {LOOPBACK}",
            f"dir {folder}",
            f"sentinel monitor {SERVICE} {LOOPBACK} {primary.port} 2",
            f"sentinel down-after-milliseconds {SERVICE} 500",
            f"sentinel failover-timeout {SERVICE} 4000",
        )
        settings = folder / "sentinel.conf"  # which the Sentinel writes to
        settings.write_text("\n".join(lines) + "\n", encoding="ascii")
        server = RedisServer(program, port, folder, [str(settings)])
        server.start()
        try:
            server.ask(*FAST_SENTINEL)
            yield server
        finally:
            server.end()


def _sees_everybody(sentinel: RedisServer) -> bool:
    with sentinel.client() as client:
        state: Any = client.sentinel_master(SERVICE)
    return (state["num-slaves"], state["num-other-sentinels"]) == (2, 2)


def _cluster_node() -> contextlib.AbstractContextManager[RedisServer]:
    port, bus_port = free_port(), free_port()
    settings = ["--cluster-enabled", "yes", "--cluster-node-timeout", "1000", "--cluster-port", str(bus_port)]
    settings += ["--port", str(port), "--cluster-require-full-coverage", "no", *FAST_REPLICATION]
    return _server(port, settings, bus_port=bus_port)


def _follows(node: RedisServer, primary: str) -> bool:
    """Make the node a replica; it refuses as long as it has not heard of its primary."""
    return bool(node.ask("CLUSTER", "REPLICATE", primary) == b"OK")


def _is_in_order(node: RedisServer, replicas: int) -> bool:
    is_ok = b"cluster_state:ok" in node.ask("CLUSTER", "INFO").split()
    role = node.ask("ROLE")
    can_take_over = role[0] == b"master" or role[3] == b"connected"
    return is_ok and can_take_over and sum(len(entry) - 3 for entry in node.ask("CLUSTER", "SLOTS")) == replicas
