"""Where Redis is and how to be let in, read from a URL. Secrets are in no text that an address makes of itself."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING, Final, Literal, TypeAlias, cast, final
from urllib.parse import parse_qsl, unquote

from attrs import evolve, field, frozen

if TYPE_CHECKING:
    from collections.abc import Mapping

Kind: TypeAlias = Literal["direct", "sentinel", "cluster"]

FORMS: Final = (
    "redis://, rediss://, redis+sentinel://, rediss+sentinel://, redis+cluster://, rediss+cluster:// or unix://"
)
_KINDS: Final[dict[str, tuple[Kind, bool]]] = {
    "redis": ("direct", False),
    "rediss": ("direct", True),
    "redis+sentinel": ("sentinel", False),
    "rediss+sentinel": ("sentinel", True),
    "redis+cluster": ("cluster", False),
    "rediss+cluster": ("cluster", True),
    "unix": ("direct", False),
}
_TLS_OPTIONS: Final = frozenset({"ca", "cert", "key"})
_UNIX_OPTIONS: Final = frozenset({"db"})
_PORTS: Final[dict[Kind, int]] = {"direct": 6379, "sentinel": 26_379, "cluster": 6379}
_MAX_PORT: Final = 65_535


@final
@frozen
class Endpoint:
    """One place to connect to: a host and a port, or the path of a unix socket."""

    host: str = ""
    """Name or IP address; empty for a unix socket."""
    port: int = 0
    """TCP port; 0 for a unix socket."""
    path: str = ""
    """Path of the unix socket; empty for TCP."""

    def __str__(self) -> str:
        if self.path:
            return self.path
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@final
@frozen
class Address:
    """Where Redis is, and as whom to log in.

    Example:
        >>> address = Address.parse("rediss://sim:secret@redis.example/2")
        >>> print(address, address.db)
        rediss://sim:***@redis.example:6379/2 2
        >>> Address.parse("redis+sentinel://one,two:26380/main").service
        'main'
    """

    kind: Kind
    """Whether the endpoints are the server itself, Sentinels to ask for it, or nodes of a cluster."""
    endpoints: tuple[Endpoint, ...]
    """Where to connect to; of several, the first that answers is asked."""
    user: str | None = None
    """Name of the ACL user, or None for the default one."""
    password: str | None = field(default=None, repr=False)
    """Its password, or None."""
    db: int = 0
    """Number of the database. Channels are the same in all of them."""
    service: str = ""
    """What the Sentinels call the primary."""
    tls: ssl.SSLContext | None = field(default=None, repr=False)
    """How to check the server's certificate, or None to talk in the clear."""
    sentinel_user: str | None = None
    """Name of the ACL user at the Sentinels, or None."""
    sentinel_password: str | None = field(default=None, repr=False)
    """Its password, or None."""

    @classmethod
    def parse(
        cls,
        url: str,
        *,
        user: str | None = None,
        password: str | None = None,
        tls: ssl.SSLContext | None = None,
        sentinel_user: str | None = None,
        sentinel_password: str | None = None,
    ) -> Address:
        """Read a URL.

        The forms are `redis://[user[:password]@]host[:port][/db]`, `rediss://` for TLS, `unix://[...@]/path[?db=1]`,
        `redis+sentinel://[...@]host[:port][,host[:port]...]/service[/db]` and `redis+cluster://[...@]host[:port][,...]`,
        these two also with `rediss`. User and password are percent-encoded where they hold special characters. With TLS
        the certificate and its host name are always checked; `?ca=`, `?cert=` and `?key=` name PEM files: whom to trust
        instead of the system's authorities, and what to show of oneself.

        Args:
            url: The URL.
            user: The ACL user, where the URL should not hold it.
            password: The password, where the URL should not hold it.
            tls: What checks the certificate, instead of a context made from the URL.
            sentinel_user: The ACL user at the Sentinels, who know nothing of the server's users.
            sentinel_password: The password at the Sentinels.

        Raises:
            TypeError: `url` is not a str.
            ValueError: `url` has none of the forms. The text never repeats it, since it may hold a password.
        """
        if not isinstance(cast("object", url), str):
            msg = f"url must be a str, not {type(url).__name__}"
            raise TypeError(msg)
        scheme, separator, rest = url.partition("://")
        if not separator or scheme not in _KINDS:
            msg = f"url must start with {FORMS}"
            raise ValueError(msg)
        kind, secure = _KINDS[scheme]
        if tls is not None and not secure:
            msg = "url must start with rediss where tls is given"
            raise ValueError(msg)
        place, _mark, query = rest.partition("?")
        authority, slash, path = place.partition("/")
        login, _at, hosts = authority.rpartition("@")
        found_user, found_password = _login(login)
        options = _options(
            query, allowed=_TLS_OPTIONS if secure else _UNIX_OPTIONS if scheme == "unix" else frozenset()
        )
        path = unquote(slash + path)
        if scheme == "unix":
            endpoints, service, db = _unix(hosts, path), "", _number("db", options.get("db", "0"))
        else:
            endpoints = tuple(_endpoint(each, _PORTS[kind]) for each in hosts.split(","))
            service, db = _place(kind, path, len(endpoints))
        return cls(
            kind=kind,
            endpoints=endpoints,
            user=user if user is not None else found_user,
            password=password if password is not None else found_password,
            db=db,
            service=service,
            tls=(tls or _context(options)) if secure else None,
            sentinel_user=sentinel_user,
            sentinel_password=sentinel_password,
        )

    def at(self, endpoint: Endpoint) -> Address:
        """Return the address of one server that was found at `endpoint`, with the same login."""
        return evolve(self, kind="direct", endpoints=(endpoint,))

    def sentinels(self) -> tuple[Address, ...]:
        """Return the address of each Sentinel, with the login there."""
        login = evolve(self, user=self.sentinel_user, password=self.sentinel_password, db=0)
        return tuple(login.at(each) for each in self.endpoints)

    def __str__(self) -> str:
        login = "" if self.user is None and self.password is None else f"{self.user or ''}:***@"
        if self.endpoints[0].path:
            return f"unix://{login}{self.endpoints[0].path}" + (f"?db={self.db}" if self.db else "")
        scheme = "redis" if self.tls is None else "rediss"
        scheme += "" if self.kind == "direct" else f"+{self.kind}"
        path = f"/{self.service}" * bool(self.service) + f"/{self.db}" * bool(self.db)
        return f"{scheme}://{login}{','.join(map(str, self.endpoints))}{path}"


def _login(text: str) -> tuple[str | None, str | None]:
    user, colon, password = text.partition(":")
    return unquote(user) or None, unquote(password) if colon else None


def _options(query: str, *, allowed: frozenset[str]) -> Mapping[str, str]:
    """Return the options behind the question mark; only their names may show up in an error."""
    pairs = parse_qsl(query, keep_blank_values=True)
    for name, _value in pairs:
        if name not in allowed:
            known = ", ".join(sorted(allowed)) or "none"
            msg = f"url has an option that it cannot have here; possible are: {known}"
            raise ValueError(msg)
    return dict(pairs)


def _unix(hosts: str, path: str) -> tuple[Endpoint, ...]:
    if hosts or not path.strip("/"):
        msg = "url must name an absolute path behind unix://"
        raise ValueError(msg)
    return (Endpoint(path=path),)


def _endpoint(text: str, default_port: int) -> Endpoint:
    if text.startswith("["):
        host, bracket, port = text[1:].partition("]")
        if not bracket or (port and not port.startswith(":")):
            msg = "url must close the bracket of an IPv6 address and put nothing but a port behind it"
            raise ValueError(msg)
        port = port[1:]
    else:
        host, _colon, port = text.partition(":")
    if not host:
        msg = "url must name a host"
        raise ValueError(msg)
    number = _number("port", port) if port else default_port
    if not 1 <= number <= _MAX_PORT:
        msg = f"url must have a port from 1 to {_MAX_PORT}"
        raise ValueError(msg)
    return Endpoint(host, number)


def _place(kind: Kind, path: str, hosts: int) -> tuple[str, int]:
    """Return the service and the number of the database that the path of the URL names."""
    parts = [part for part in path.split("/") if part]
    service = ""
    if kind == "sentinel":
        if not parts:
            msg = "url must name the service behind the Sentinels: redis+sentinel://host,host/service"
            raise ValueError(msg)
        service = parts.pop(0)
    elif kind == "direct" and hosts > 1:
        msg = "url must name one host; several are for redis+sentinel:// and redis+cluster://"
        raise ValueError(msg)
    if len(parts) > 1:
        msg = "url must have nothing behind the number of the database"
        raise ValueError(msg)
    db = _number("db", parts[0]) if parts else 0
    if kind == "cluster" and db:
        msg = "url must not name a database: a cluster has one"
        raise ValueError(msg)
    return service, db


def _number(name: str, text: str) -> int:
    if not (text.isascii() and text.isdigit()):
        msg = f"url must have a number as {name}"
        raise ValueError(msg)
    return int(text)


def _context(options: Mapping[str, str]) -> ssl.SSLContext:
    """Return what checks a certificate and its host name."""
    try:
        context = ssl.create_default_context(cafile=options.get("ca"))
        if "cert" in options:
            context.load_cert_chain(options["cert"], options.get("key"))
    except (OSError, ValueError) as error:
        msg = f"url must name readable PEM files with ca, cert and key: {error}"
        raise ValueError(msg) from error
    return context
