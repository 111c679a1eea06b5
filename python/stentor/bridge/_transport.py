"""What the two transports have in common: the small protocol behind which a bridge keeps them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Sequence

    from stentor.bridge._connection import Connection
    from stentor.bridge._errors import ReplyError
    from stentor.bridge._frames import Entry

    Command: TypeAlias = tuple[str | bytes | int, ...]


class Transport(Protocol):
    """How messages go to the server and come from there."""

    def scope_of(self, topic: str) -> str:
        """Return the scope by which messages of a topic are numbered."""
        ...

    def inbox_of(self, node: str) -> str:
        """Return the scope by which what is for one node alone is numbered."""
        ...

    def commands(self, entries: Sequence[Entry], frames: Sequence[bytes]) -> list[Command]:
        """Return what puts entries, as these frames, on the server."""
        ...

    def control_command(self, frame: bytes) -> Command:
        """Return what tells all other bridges something."""
        ...

    def beacons(self, scopes: dict[str, int]) -> list[tuple[str, dict[str, int]]]:
        """Return where to tell how far scopes are numbered: for each place its channel or stream, and its scopes."""
        ...

    def beacon_command(self, place: str, frame: bytes) -> Command:
        """Return what puts a beacon there."""
        ...

    def verdict(self, entries: Sequence[Entry], replies: Sequence[object]) -> Verdict:
        """Return what became of entries, by the replies to what `commands` returned."""
        ...

    async def setup(self, connection: Connection) -> None:
        """Prepare a new connection by which messages come."""
        ...

    async def run(self) -> None:
        """Take what comes, for ever."""
        ...

    def follows(self, scope: str) -> bool:
        """Say whether all of a scope comes here."""
        ...

    async def finish(self) -> None:
        """Take nothing more, and wait until what was taken is done."""
        ...

    async def synced(self) -> None:
        """Wait until the server knows all that is listened to now."""
        ...

    def changed(self) -> None:
        """Take note that somebody listens to something else than before."""
        ...


class Verdict:
    """What became of a batch: what the server has, what it refuses for good, and the first error it gave."""

    __slots__ = ("confirmed", "error", "refused")

    def __init__(self, confirmed: list[Entry], refused: list[Entry], error: ReplyError | None) -> None:
        """Say what became of it; what is neither confirmed nor refused is to be sent again."""
        self.confirmed = confirmed
        self.refused = refused
        self.error = error
