"""What `stentor top` does: read snapshots from a socket, and show each in the place of the one before."""

from __future__ import annotations

import json
import signal
import socket
from contextlib import contextmanager
from itertools import islice
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.live import Live

from stentor.watching._screen import Screen
from stentor.watching._snapshot import VERSION

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@contextmanager
def connected(path: Path) -> Iterator[socket.socket]:
    """Connect to the bus that is served at `path`.

    Raises:
        OSError: There is none.
    """
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as watcher:
        watcher.connect(str(path))
        yield watcher


def snapshots(watcher: socket.socket) -> Iterator[dict[str, Any]]:
    """Read snapshots until the bus is gone.

    Raises:
        ValueError: What is served there is nothing that this stentor can show.
    """
    with watcher.makefile("r", encoding="utf-8") as lines:
        for line in lines:
            found = json.loads(line)
            if found.get("version") != VERSION:
                msg = f"the bus speaks version {found.get('version')}, and this stentor version {VERSION}"
                raise ValueError(msg)
            yield found


@contextmanager
def until_ctrl_c(watcher: socket.socket) -> Iterator[None]:
    """Let Ctrl-C end what is read, and interrupt nothing that is being drawn."""

    def stop(*_: object) -> None:
        watcher.shutdown(socket.SHUT_RDWR)

    before = signal.signal(signal.SIGINT, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def show(path: Path) -> None:
    """Show the bus that is served at `path` until it is gone, or until Ctrl-C."""
    console = Console()
    screen = Screen(f"stentor top {path}")
    live = Live(console=console, screen=console.is_terminal, auto_refresh=False)
    with connected(path) as watcher, until_ctrl_c(watcher), live:
        for found in snapshots(watcher):
            live.update(screen.draw(found), refresh=True)


def show_once(path: Path) -> None:
    """Print how the bus is; it takes two snapshots to know how fast anything goes."""
    screen = Screen(f"stentor top {path}")
    with connected(path) as watcher:
        drawn = [screen.draw(found) for found in islice(snapshots(watcher), 2)]
    Console().print(*drawn[-1:])
