"""Opening the stream to a server: TCP, TLS over TCP, or a unix socket."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING, cast

import trio

from stentor.bridge._errors import ConnectionLost

if TYPE_CHECKING:
    from stentor.bridge._address import Address


async def open_stream(address: Address) -> trio.abc.Stream:
    """Open a stream to the one endpoint of a direct address.

    Raises:
        ConnectionLost: There is no way, or the certificate is not the one of that host.
    """
    (endpoint,) = address.endpoints
    try:
        if endpoint.path:
            return await trio.open_unix_socket(endpoint.path)
        stream = await trio.open_tcp_stream(endpoint.host, endpoint.port)
    except OSError as error:
        msg = f"no way to {endpoint}: {_root(error)}"
        raise ConnectionLost(msg) from error
    return stream if address.tls is None else await _secured(stream, address.tls, endpoint.host)


async def _secured(stream: trio.SocketStream, context: ssl.SSLContext, host: str) -> trio.abc.Stream:
    secured = trio.SSLStream(stream, context, server_hostname=host, https_compatible=True)
    try:
        await secured.do_handshake()
    except (trio.BrokenResourceError, ssl.SSLError, ssl.CertificateError, OSError) as error:
        await trio.aclose_forcefully(stream)
        msg = f"no TLS with {host}: {_root(error)}"
        raise ConnectionLost(msg) from error
    except BaseException:
        await trio.aclose_forcefully(stream)
        raise
    return secured


def _root(error: BaseException) -> str:
    """Return what is at the bottom of an error, in words."""
    while error.__cause__ is not None:
        error = error.__cause__
    if isinstance(error, BaseExceptionGroup):
        errors = cast("BaseExceptionGroup[BaseException]", error).exceptions
        return "; ".join(sorted(set(map(_root, errors))))
    return str(error) or type(error).__name__
