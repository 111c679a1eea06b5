"""Serving: whoever may open the socket is told how the bus is, line by line, and can do nothing else."""

from __future__ import annotations

import errno
import json
import os
import socket
import stat
from os import PathLike
from pathlib import Path
from typing import Final

import trio

from stentor import Bus
from stentor.watching._snapshot import snapshot

WATCHERS: Final = 8
"""Who may watch at once; others are turned away."""
PATIENCE: Final = 5.0
"""Seconds after which a watcher that does not read is left."""
MEMBERS: Final = 200
"""Agents that are told of in one snapshot."""


async def serve(
    bus: Bus,
    path: str | PathLike[str],
    *,
    interval: float = 1.0,
    task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Tell whoever connects to a Unix socket how `bus` is, until cancelled: `stentor top PATH` shows it.

    Start it in a nursery: `await nursery.start(serve, bus, path)`. Only the user that runs it may connect, nothing that
    is sent to it is read, and a watcher that does not read is left. It costs nothing while nobody watches. It is for
    programs on a real clock.

    Args:
        bus: The bus.
        path: Where the socket is made; one that a dead process left is replaced.
        interval: Seconds between two snapshots.
        task_status: Of `nursery.start`, which returns when the socket is there.

    Raises:
        FileExistsError: There is something else at `path`, or a bus is served there already.
        OSError: The socket cannot be made there.
        TypeError: An argument is of the wrong type.
        ValueError: `interval` is not > 0.

    Example:
        >>> import pathlib, stentor, tempfile, trio
        >>> from stentor.watching import serve
        >>> async def main(path):
        ...     async with stentor.open_bus() as bus, trio.open_nursery() as nursery:
        ...         await nursery.start(serve, bus, path)
        ...         async with await trio.open_unix_socket(path) as watcher:
        ...             print((await watcher.receive_some())[:14])
        ...         nursery.cancel_scope.cancel()
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     trio.run(main, pathlib.Path(folder, "bus.sock"))
        b'{"version": 1,'
    """
    _check(bus, path, interval)
    where = Path(path)
    with trio.socket.from_stdlib_socket(_listening(where)) as listener:
        own = _inode(where)
        try:
            async with trio.open_nursery() as nursery:
                task_status.started()
                while True:
                    watcher, _ = await listener.accept()
                    if len(nursery.child_tasks) >= WATCHERS:
                        watcher.close()
                    else:
                        nursery.start_soon(_tell, bus, trio.SocketStream(watcher), interval)
        finally:
            if _inode(where) == own:
                _remove(where)


def _check(bus: object, path: object, interval: object) -> None:
    if not isinstance(bus, Bus):
        msg = f"bus must be of type Bus, not {type(bus).__name__}"
        raise TypeError(msg)
    if not isinstance(path, (str, PathLike)):
        msg = f"path must be of type str or PathLike, not {type(path).__name__}"
        raise TypeError(msg)
    if not isinstance(interval, (int, float)) or isinstance(interval, bool):
        msg = f"interval must be a number of seconds, not {type(interval).__name__}"
        raise TypeError(msg)
    if not interval > 0:
        msg = f"interval must be > 0 seconds, not {interval!r}"
        raise ValueError(msg)


def _listening(where: Path) -> socket.socket:
    """Make the socket, for its owner alone: nobody can connect before it listens, and by then it is."""
    if where.is_symlink() or where.exists():
        if not stat.S_ISSOCK(where.lstat().st_mode) or _answers(where):
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(where))
        where.unlink()
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        listener.bind(str(where))
        where.chmod(0o600)
        listener.listen()
    except BaseException:
        listener.close()
        raise
    return listener


def _inode(where: Path) -> int | None:
    return where.lstat().st_ino if where.exists() else None


def _remove(where: Path) -> None:
    where.unlink()


def _answers(where: Path) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        return probe.connect_ex(str(where)) == 0


async def _tell(bus: Bus, watcher: trio.SocketStream, interval: float) -> None:
    async with watcher:
        try:
            while True:
                line = json.dumps(snapshot(bus, MEMBERS)).encode() + b"\n"
                with trio.fail_after(PATIENCE):
                    await watcher.send_all(line)
                await trio.sleep(interval)
        except (trio.BrokenResourceError, trio.TooSlowError):
            return
