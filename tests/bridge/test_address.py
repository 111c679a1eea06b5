"""Addresses: every form of URL, and no secret in any text."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING, Any

import pytest
import trustme

from stentor.bridge._address import Address, Endpoint
from stentor.bridge._slots import slot_of

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("url", "endpoints", "shown"),
    [
        ("redis://host", [("host", 6379)], "redis://host:6379"),
        ("redis://host:1/2", [("host", 1)], "redis://host:1/2"),
        ("redis://[::1]", [("::1", 6379)], "redis://[::1]:6379"),
        ("redis://[::1]:7/", [("::1", 7)], "redis://[::1]:7"),
        ("redis://:p%2Fw@host", [("host", 6379)], "redis://:***@host:6379"),
        ("redis://sim:p@w@host", [("host", 6379)], "redis://sim:***@host:6379"),
        ("rediss://host", [("host", 6379)], "rediss://host:6379"),
        ("redis+sentinel://a,b:5/main", [("a", 26379), ("b", 5)], "redis+sentinel://a:26379,b:5/main"),
        ("rediss+sentinel://sim:pw@a/main/3", [("a", 26379)], "rediss+sentinel://sim:***@a:26379/main/3"),
        ("redis+cluster://a,[::2]:5", [("a", 6379), ("::2", 5)], "redis+cluster://a:6379,[::2]:5"),
        ("rediss+cluster://a", [("a", 6379)], "rediss+cluster://a:6379"),
    ],
)
def test_every_form_is_read(url: str, endpoints: list[tuple[str, int]], shown: str) -> None:
    address = Address.parse(url)
    assert address.endpoints == tuple(Endpoint(host, port) for host, port in endpoints)
    assert str(address) == shown
    assert (address.tls is not None) == url.startswith("rediss")


def test_a_unix_socket_is_a_path() -> None:
    address = Address.parse("unix://sim:pw@/run/redis%20here.sock?db=4")
    assert address.endpoints == (Endpoint(path="/run/redis here.sock"),)
    assert (address.user, address.password, address.db) == ("sim", "pw", 4)
    assert str(address) == "unix://sim:***@/run/redis here.sock?db=4"
    assert str(Address.parse("unix:///run/redis.sock")) == "unix:///run/redis.sock"


def test_the_login_is_decoded_and_can_be_given_apart() -> None:
    address = Address.parse("redis://a%3Ab:c%40%2Fd@host")
    assert (address.user, address.password) == ("a:b", "c@/d")
    address = Address.parse("redis://host", user="sim", password="pw")  # noqa: S106 - a test's own
    assert (address.user, address.password) == ("sim", "pw")
    assert Address.parse("redis://sim@host").password is None


def test_the_sentinels_have_a_login_of_their_own() -> None:
    address = Address.parse(
        "redis+sentinel://sim:pw@a,b/main/2",
        sentinel_user="asking",
        sentinel_password="other",  # noqa: S106 - a test's own
    )
    first, second = address.sentinels()
    assert (first.user, first.password, first.db, first.kind) == ("asking", "other", 0, "direct")
    assert second.endpoints == (Endpoint("b", 26379),)
    found = address.at(Endpoint("c", 1))
    assert (found.user, found.password, found.db, found.kind) == ("sim", "pw", 2, "direct")


def test_no_text_of_an_address_shows_a_secret() -> None:
    for url in ("redis://sim:pw-word@h", "unix://:pw-word@/s", "redis+sentinel://:pw-word@h/m"):
        address = Address.parse(url, sentinel_password="other-word")  # noqa: S106 - a test's own
        for text in (str(address), repr(address), f"{address!r:>10}", str(address.at(Endpoint("c", 1)))):
            assert "word" not in text


FORMS = "redis://, rediss://, redis+sentinel://, rediss+sentinel://, redis+cluster://, rediss+cluster:// or unix://"


@pytest.mark.parametrize(
    ("url", "text"),
    [
        ("host:6379", f"url must start with {FORMS}"),
        ("http://pw-word@host", f"url must start with {FORMS}"),
        ("redis://", "url must name a host"),
        ("redis://:pw-word@", "url must name a host"),
        ("redis://:pw-word@host:port", "url must have a number as port"),
        ("redis://:pw-word@host:0", "url must have a port from 1 to 65535"),
        ("redis://:pw-word@host:65536", "url must have a port from 1 to 65535"),
        ("redis://[::1", "url must close the bracket of an IPv6 address and put nothing but a port behind it"),
        ("redis://[::1]6", "url must close the bracket of an IPv6 address and put nothing but a port behind it"),
        ("redis://host/x", "url must have a number as db"),
        ("redis://host/\u0661", "url must have a number as db"),
        ("redis://host/1/2", "url must have nothing behind the number of the database"),
        ("redis://a,b", "url must name one host; several are for redis+sentinel:// and redis+cluster://"),
        ("redis+sentinel://a,b", "url must name the service behind the Sentinels: redis+sentinel://host,host/service"),
        ("redis+cluster://a/1", "url must not name a database: a cluster has one"),
        ("redis://host?password=pw-word", "url has an option that it cannot have here; possible are: none"),
        ("rediss://host?verify=no", "url has an option that it cannot have here; possible are: ca, cert, key"),
        ("unix://host/path", "url must name an absolute path behind unix://"),
        ("unix:///", "url must name an absolute path behind unix://"),
    ],
)
def test_what_is_no_url_is_refused_without_repeating_it(url: str, text: str) -> None:
    with pytest.raises(ValueError, match=r"^url ") as caught:
        Address.parse(url)
    assert str(caught.value) == text
    assert "pw-word" not in text


def test_arguments_that_do_not_go_together_are_refused() -> None:
    with pytest.raises(TypeError, match=r"^url must be a str, not bytes$"):
        Address.parse(b"redis://host")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"^url must start with rediss where tls is given$"):
        Address.parse("redis://host", tls=ssl.create_default_context())


def test_tls_always_checks_the_certificate_and_the_host(tmp_path: Path) -> None:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    mine = authority.issue_cert("client")
    mine.private_key_and_cert_chain_pem.write_to_path(tmp_path / "mine.pem")
    contexts: list[Any] = [
        Address.parse(url).tls
        for url in ("rediss://h", f"rediss://h?ca={tmp_path}/ca.pem&cert={tmp_path}/mine.pem", "rediss+cluster://h")
    ]
    for context in contexts:
        assert context.check_hostname
        assert context.verify_mode == ssl.CERT_REQUIRED
    assert len(contexts[1].get_ca_certs()) == 1
    with pytest.raises(ValueError, match=r"^url must name readable PEM files with ca, cert and key: "):
        Address.parse(f"rediss://h?ca={tmp_path}/none.pem")


@pytest.mark.parametrize(
    ("key", "slot"),
    [
        ("", 0),
        ("123456789", 12739),
        ("foo", 12182),
        ("{user1000}.following", 3443),
        ("foo{}{bar}", 8363),
        ("{bar", 4015),
    ],
)
def test_the_slot_of_a_key(key: str, slot: int) -> None:
    assert slot_of(key) == slot_of(key.encode()) == slot
