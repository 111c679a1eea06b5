"""Real services for tests: each is started on a free loopback port and stopped through its own process handle.

A service is a context manager that yields a `Service`; its files live in a folder of their own that is removed with it.
A machine that lacks a program skips the test and says what to install; with ``CI=true`` in the environment it fails
instead.
"""

import contextlib
import dataclasses
import itertools
import os
import random
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pytest

LOOPBACK = "127.0.0.1"
# The first folder holds the broker's own start script; the one of the same name in /usr/sbin would change the user.
FIRST_FOLDERS = ("/usr/lib/rabbitmq/bin",)
LAST_FOLDERS = ("/usr/sbin", "/usr/local/sbin")
READY_SECONDS = 60.0
STOP_SECONDS = 20.0
POLL_SECONDS = 0.02
PORTS = range(16_384, 32_768)
"""Below those that a system gives to whoever connects, which a server would lose while it is down."""
_ports = itertools.cycle(random.SystemRandom().sample(PORTS, len(PORTS)))


@dataclasses.dataclass(frozen=True)
class Service:
    """A running program that listens on a loopback port."""

    name: str
    version: str
    port: int
    process: subprocess.Popen[bytes]
    folder: Path

    def connect(self, timeout: float = 10.0) -> socket.socket:
        """Open a plain TCP connection to the service, one that sends small packets at once."""
        connection = socket.create_connection((LOOPBACK, self.port), timeout=timeout)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return connection


def required_program(name: str, package: str) -> str:
    """Return the path of a program; skip the running test without it, or fail where ``CI=true``."""
    folders = (*FIRST_FOLDERS, os.environ.get("PATH", ""), *LAST_FOLDERS)
    path = shutil.which(name, path=os.pathsep.join(folders))
    if path is not None:
        return path
    text = f"{name} is not installed: apt-get install {package}"
    if os.environ.get("CI") == "true":
        pytest.fail(text, pytrace=False)
    pytest.skip(text)


def free_port() -> int:
    """Return a loopback port that nobody listens on at the moment, and that was not given to anybody before."""
    for port in _ports:
        with contextlib.suppress(OSError), socket.socket() as probe:
            probe.bind((LOOPBACK, port))
            return port
    raise AssertionError("a cycle has no end")


@contextlib.contextmanager
def mosquitto(*settings: str) -> Iterator[Service]:
    """Run an MQTT broker that queues without bound, with further lines of ``mosquitto.conf``."""
    program = required_program("mosquitto", "mosquitto")
    port = free_port()
    with scratch_folder("mosquitto") as folder:
        lines = (f"listener {port} {LOOPBACK}", "allow_anonymous true", "max_queued_messages 0", *settings)
        (folder / "mosquitto.conf").write_text("\n".join(lines) + "\n", encoding="ascii")
        command = [program, "-c", str(folder / "mosquitto.conf")]
        with _running("mosquitto", command, port=port, folder=folder, version=_version([program, "-h"])) as service:
            yield service


@contextlib.contextmanager
def nats(*arguments: str) -> Iterator[Service]:
    """Run a NATS server, with further command line arguments."""
    program = required_program("nats-server", "nats-server")
    port = free_port()
    with scratch_folder("nats") as folder:
        command = [program, "--addr", LOOPBACK, "--port", str(port), *arguments]
        version = _version([program, "--version"])
        with _running("nats-server", command, port=port, folder=folder, version=version) as service:
            yield service


@contextlib.contextmanager
def redis(*arguments: str) -> Iterator[Service]:
    """Run a Redis server that keeps nothing on disk, with further command line arguments."""
    program = required_program("redis-server", "redis-server")
    port = free_port()
    with scratch_folder("redis") as folder:
        command = [program, "--bind", LOOPBACK, "--port", str(port), "--dir", str(folder)]
        command += ["--save", "", "--appendonly", "no", *arguments]
        version = _version([program, "--version"])
        with _running("redis-server", command, port=port, folder=folder, version=version) as service:
            yield service


@contextlib.contextmanager
def rabbitmq() -> Iterator[Service]:
    """Run an AMQP broker with its own port mapper, which is stopped with it. It takes some seconds to start."""
    program = required_program("rabbitmq-server", "rabbitmq-server")
    mapper = required_program("epmd", "erlang-base")
    port, mapper_port, peer_port = free_port(), free_port(), free_port()
    with scratch_folder("rabbitmq") as folder:
        settings = _rabbitmq_settings(folder, port=port, mapper_port=mapper_port, peer_port=peer_port)
        (folder / "enabled_plugins").write_text("[].\n", encoding="ascii")
        (folder / "rabbitmq.conf").write_text(
            f"listeners.tcp.local = {LOOPBACK}:{port}\nloopback_users = none\n", encoding="ascii"
        )
        mapping = [mapper, "-port", str(mapper_port), "-address", LOOPBACK]
        with (
            _running("epmd", mapping, port=mapper_port, folder=folder, version=""),
            _running(
                "rabbitmq-server", [program], port=port, folder=folder, version=_debian_version(), settings=settings
            ) as service,
        ):
            yield service


def _rabbitmq_settings(folder: Path, *, port: int, mapper_port: int, peer_port: int) -> dict[str, str]:
    return {
        "HOME": str(folder),
        "RUNNING_UNDER_SYSTEMD": "true",  # the start script then becomes the server, so that its handle stops it
        "ERL_EPMD_PORT": str(mapper_port),
        "ERL_EPMD_ADDRESS": LOOPBACK,
        "RABBITMQ_NODENAME": f"stentor{port}@localhost",
        "RABBITMQ_DIST_PORT": str(peer_port),
        "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "-kernel inet_dist_use_interface {127,0,0,1}",
        "RABBITMQ_CONFIG_FILE": str(folder / "rabbitmq.conf"),
        "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "enabled_plugins"),
        "RABBITMQ_MNESIA_BASE": str(folder / "mnesia"),
        "RABBITMQ_LOG_BASE": str(folder / "log"),
        "RABBITMQ_PID_FILE": str(folder / "pid"),
    }


@contextlib.contextmanager
def scratch_folder(name: str) -> Iterator[Path]:
    """A folder of a service's own, removed at the end."""
    with tempfile.TemporaryDirectory(prefix=f"stentor-{name}-", ignore_cleanup_errors=True) as folder:
        yield Path(folder)


@contextlib.contextmanager
def _running(
    name: str,
    command: Sequence[str],
    *,
    port: int,
    folder: Path,
    version: str,
    settings: Mapping[str, str] | None = None,
) -> Iterator[Service]:
    log = folder / f"{name}.log"
    with log.open("wb") as sink:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=sink,
            stderr=subprocess.STDOUT,
            cwd=folder,
            env={**os.environ, **(settings or {})},
        )
    try:
        wait_until_it_listens(name, process, port, log)
        yield Service(name, version, port, process, folder)
    finally:
        stop(process)


def wait_until_it_listens(name: str, process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    """Return when somebody listens on the port; raise RuntimeError with the end of the log where nobody does."""
    for _attempt in range(int(READY_SECONDS / POLL_SECONDS)):
        with contextlib.suppress(OSError), socket.create_connection((LOOPBACK, port), timeout=1.0):
            return
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(timeout=POLL_SECONDS)
            break
    end = log.read_text(encoding="utf-8", errors="replace")[-2000:]
    msg = f"{name} did not listen on port {port} within {READY_SECONDS} s (status {process.poll()}): {end}"
    raise RuntimeError(msg)


def stop(process: subprocess.Popen[bytes]) -> None:
    """End a program by its own handle, by force where it does not listen."""
    process.terminate()
    try:
        process.wait(timeout=STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _version(command: Sequence[str]) -> str:
    answer = subprocess.run(command, capture_output=True, text=True, check=False)
    lines = (answer.stdout + answer.stderr).splitlines()
    return lines[0].strip() if lines else ""


def _debian_version() -> str:
    return _version(["dpkg-query", "--show", "--showformat", "rabbitmq-server ${Version}", "rabbitmq-server"])
