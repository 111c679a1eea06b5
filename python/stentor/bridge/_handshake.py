"""HELLO: the login, and what a server says about itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast, final

from attrs import frozen

from stentor.bridge._errors import ConnectionLost, ReplyError

if TYPE_CHECKING:
    from stentor.bridge._address import Address


@final
@frozen
class ServerInfo:
    """What a server says of itself."""

    version: str
    """Its version, such as 7.0.15."""
    mode: str
    """`standalone`, `sentinel` or `cluster`."""
    is_primary: bool
    """Whether it takes writes; a replica does not."""


def hello(address: Address, name: str) -> tuple[str, ...]:
    """Return the command that logs in, asks for RESP3 and names the connection."""
    login: tuple[str, ...] = ()
    if address.password is not None:
        login = ("AUTH", address.user or "default", address.password)
    return ("HELLO", "3", *login, "SETNAME", name)


def server_info(reply: object) -> ServerInfo:
    """Return what the reply to HELLO says.

    Raises:
        ConnectionLost: It is no such reply, so this is no Redis that speaks RESP3.
    """
    if not isinstance(reply, dict):
        msg = "the server does not answer HELLO as Redis 6 and later do"
        raise ConnectionLost(msg)
    said = cast("dict[bytes, Any]", reply)
    version, mode, role = (_text(said.get(key)) for key in (b"version", b"mode", b"role"))
    return ServerInfo(version, mode, role != "replica")


def without_secrets(error: ReplyError, address: Address) -> ReplyError:
    """Return an error that is the same but for the password: old servers repeat the arguments of a strange command."""
    text = error.text
    if address.password:
        text = text.replace(address.password, "***")
    return ReplyError(text)


def _text(value: object) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else ""
