"""What a bare install must do, run from an empty folder by the session `package`: no extra is installed there."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import trio

import stentor
from stentor import _native


async def main() -> None:
    heard: list[object] = []

    async def handler(message: stentor.Message) -> None:
        heard.append(message.payload)

    async with stentor.open_bus() as bus:
        bus.register("listener", handler).subscribe("smoke.**")
        await bus.publish("smoke.test", 1)
        await bus.settled()
    if heard != [1]:
        raise SystemExit(f"the bare wheel delivered {heard}, not [1]")


if __name__ == "__main__":
    if importlib.util.find_spec("rich") is not None:
        raise SystemExit("this must run where only the core's dependencies are installed")
    if _native.BUILD_PROFILE != "release":
        raise SystemExit(f"the wheel holds a {_native.BUILD_PROFILE} build")
    if not (Path(stentor.__path__[0]) / "py.typed").exists():
        raise SystemExit("the wheel holds no py.typed")
    trio.run(main)
