# SPDX-License-Identifier: ISC
"""What is negotiated in a handshake, and the failures of a client that does otherwise."""

import socket
import ssl
from pathlib import Path
from typing import Any

import pytest

from mocksrv.case.certs import Recipes
from mocksrv.play import player
from testsuite.mocksrv.shaking import HOST, Client, Played, context, hear_all, shaking

RECIPES = Recipes(Path(__file__))
OLD = ssl.TLSVersion.TLSv1_2


@pytest.mark.parametrize(
    ("options", "settings", "agreed"),
    [
        ("", {}, "TLSv1.3 TLS_AES_256_GCM_SHA384, SNI mx.example.org"),
        ("", {"maximum_version": OLD}, "TLSv1.2 ECDHE-ECDSA-AES256-GCM-SHA384, SNI mx.example.org"),
        ("max=1.2", {}, "TLSv1.2 ECDHE-ECDSA-AES256-GCM-SHA384, SNI mx.example.org"),
        ("version=1.1", {}, "TLSv1.1 ECDHE-ECDSA-AES256-SHA, SNI mx.example.org"),
        ("max=1.0", {}, "TLSv1 ECDHE-ECDSA-AES256-SHA, SNI mx.example.org"),
        ("min=1.0 max=1.1", {"maximum_version": OLD}, "TLSv1.1 ECDHE-ECDSA-AES256-SHA, SNI mx.example.org"),
        ("ciphers=TLS_AES_128_GCM_SHA256", {}, "TLSv1.3 TLS_AES_128_GCM_SHA256, SNI mx.example.org"),
        ("version=1.2 ciphers=aNULL", {}, "TLSv1.2 ADH-AES256-GCM-SHA384, SNI mx.example.org"),
        ("ask", {}, "TLSv1.3 TLS_AES_256_GCM_SHA384, SNI mx.example.org, client sends no certificate"),
    ],
)
def test_what_is_agreed_is_noted(options: str, settings: dict[str, Any], agreed: str) -> None:
    played = Played(f"@starttls cert=mx {options}", shaking(**settings))
    assert (played.failure, played.notes) == (None, agreed)


@pytest.mark.parametrize("version", ["1.2", "1.3"])
@pytest.mark.parametrize(("line", "failure"), [(b"QUIT", None), (b"QUIZ", "the client sent something else")])
def test_half_closed(version: str, line: bytes, failure: str | None) -> None:
    """The client hears close_notify and the end, and what it says is still heard."""

    def act(tls: ssl.SSLSocket) -> bytes:
        heard = hear_all(tls)
        tls.sendall(line + b"\r\n")
        return heard

    played = Played(f"@starttls cert=mx version={version}\nS: 250\n@half-close\nC: QUIT", shaking(act))
    assert (played.failure, played.brought) == (failure, b"250\r\n")


@pytest.mark.parametrize("cert", ["mx", "mx-rsa", "mx-p384", "mx-ed25519", "weak-rsa"])
def test_keys_of_every_kind(cert: str) -> None:
    played = Played(f"@starttls cert={cert}", shaking(lambda tls: tls.getpeercert(True)))
    assert (played.failure, played.brought) == (None, RECIPES.certificates(cert)[0])


@pytest.mark.parametrize("suite", ["DHE-RSA-AES256-GCM-SHA384", "AES256-GCM-SHA384", "NULL-SHA256", "CAMELLIA128-SHA"])
def test_suites_of_every_kind(suite: str) -> None:
    played = Played(
        f"@starttls cert=mx-rsa max=1.2 ciphers={suite} suite={suite}", shaking(ciphers="ALL:eNULL:@SECLEVEL=0")
    )
    assert played.failure is None


def test_the_client_chooses_among_what_both_know() -> None:
    suites = "ECDHE-ECDSA-AES128-SHA256", "ECDHE-ECDSA-AES256-SHA"
    for suite, other in (suites, suites[::-1]):
        played = Played(f"@starttls cert=mx max=1.2 suite={suite}", shaking(ciphers=f"{suite}:{other}"))
        assert played.failure is None


@pytest.mark.parametrize(
    ("options", "client", "what"),
    [
        ("suite=TLS_AES_128_GCM_SHA256", shaking(), "TLS_AES_256_GCM_SHA384 was negotiated; expected: TLS_AES_128_"),
        ("", shaking(name=None), "the client's SNI is none; expected: mx.example.org"),
        ("", shaking(name="MX.example.org"), "the client's SNI is MX.example.org; expected: mx.example.org"),
        ("sni=none", shaking(), "the client's SNI is mx.example.org; expected: none"),
        ("sni=none", shaking(name=None), None),
        ("sni=a.example", shaking(), "the client's SNI is mx.example.org; expected: a.example"),
        ("sni=a.example", shaking(name="a.example"), None),
        ("ask=none", shaking(), None),
        ("ask", shaking(), None),
        ("ask=client", shaking(), "the client sent no certificate; expected: `CN=client.example,O=client`"),
        ("min=1.3", shaking(maximum_version=OLD), "the server cannot go on with the handshake: unsupported protocol"),
        ("server=rejects min=1.3", shaking(maximum_version=OLD), None),
        ("server=rejects ask", shaking(hear_all), None),
        ("server=rejects ask max=1.2", shaking(), None),
        ("server=rejects", shaking(), "the handshake was completed (TLSv1.3 TLS_AES_256_GCM_SHA384, SNI mx.example."),
        ("client=rejects", shaking(), "the handshake was completed (TLSv1.3 TLS_AES_256_GCM_SHA384, SNI mx.example."),
        ("", lambda _: None, "the client hung up during the handshake"),
        ("client=rejects", lambda _: None, None),
        ("client=rejects alert=unknown_ca", lambda _: None, "the client ended the handshake with no alert; it had to "),
    ],
)
def test_what_is_said_of_a_client(options: str, client: Client, what: str | None) -> None:
    failure = Played(f"@starttls cert=mx {options}", client).failure
    assert (failure or "").startswith(what) if what else failure is None


def test_a_client_that_falls_silent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(player, "WAIT", 0.1)
    failure = Played("@starttls cert=mx", lambda plain: plain.recv(1)).failure
    assert failure == "the client fell silent during the handshake (0.1 s)"


@pytest.mark.parametrize(
    ("octets", "what"),
    [
        (b"EHLO me\r\n", "the client sent this in the clear, where only TLS records are allowed"),
        (b"\x16EHLO me\r\n", "the client sent this in the clear, where only TLS records are allowed"),
        (b"\x16\x03\x01\xff\xff", "the client sent a TLS record that is too long"),
        (b"\x16\x03\x01\x00\x05\x01\0\0\x01\0", "the client's first message is not a ClientHello"),
    ],
)
def test_what_is_no_tls_is_shown(octets: bytes, what: str) -> None:
    played = Played("@starttls cert=mx", lambda plain: plain.sendall(octets))
    assert played.failure == what
    assert played.received and played.received in octets


def test_a_hello_in_many_records() -> None:
    """RFC 8446, 5.1: a message may be spread over several."""

    def client(plain: socket.socket) -> str | None:
        one, other = ssl.MemoryBIO(), ssl.MemoryBIO()
        tls = context(maximum_version=OLD).wrap_bio(one, other, server_hostname=HOST)
        with pytest.raises(ssl.SSLWantReadError):
            tls.do_handshake()
        hello = other.read()[5:]
        plain.sendall(b"".join(b"\x16\x03\x01\x00\x01" + hello[i : i + 1] for i in range(len(hello))))
        return plain.recv(1).hex()

    assert Played("@starttls cert=mx sni=b.example", client).failure == (
        "the client's SNI is mx.example.org; expected: b.example"
    )
    played = Played("@starttls cert=mx client=rejects", client)
    assert (played.failure, played.brought) == (None, "16")


def test_an_address_has_no_name() -> None:
    assert Played("@starttls cert=mx", shaking(name=None), "192.0.2.1").failure is None
    assert "expected: none" in str(Played("@starttls cert=mx", shaking(), "192.0.2.1").failure)


@pytest.mark.parametrize(
    ("asked", "pieces", "what"),
    [
        ("client", "client client.key", None),
        ("client.chain", "client.chain client.key", None),
        ("client", "client.chain client.key", "`CN=client.example,O=client`, `O=intermediate`; expected: `CN"),
        ("client.chain", "client client.key", "`CN=client.example,O=client`; expected: `CN=client.example,O"),
        ("client", "other-client other-client.key", "the client sent `CN=other-client.example,O=other-client`"),
        ("none", "client client.key", "expected: no certificate"),
        ("client", "", "the client sent no certificate"),
    ],
)
@pytest.mark.parametrize("version", ["1.2", "1.3"])
def test_client_certificates(tmp_path: Path, version: str, asked: str, pieces: str, what: str | None) -> None:
    (tmp_path / "pem").write_bytes(RECIPES.pem(pieces))
    made = context()
    if pieces:
        made.load_cert_chain(tmp_path / "pem")
    failure = Played(f"@starttls cert=mx version={version} ask={asked}", shaking(made=made)).failure
    assert what in str(failure) if what else failure is None


def test_alerts_by_name(tmp_path: Path) -> None:
    """A wrong alert is a failure; if none is named, any will do."""
    (tmp_path / "ca").write_bytes(RECIPES.pem("ca"))
    careful = context(verify_mode=ssl.CERT_REQUIRED)
    careful.load_verify_locations(tmp_path / "ca")

    def of(options: str) -> str | None:
        return Played(f"@starttls {options}", shaking(made=careful)).failure

    assert of("cert=mx") is None
    assert of("cert=expired client=rejects alert=certificate_expired") is None
    assert of("cert=expired client=rejects") is None
    assert of("cert=by-unknown-ca max=1.2 client=rejects alert=certificate_expired") == (
        "the client ended the handshake with unknown_ca; it had to with certificate_expired"
    )
    assert of("cert=expired") == (
        "the client ended the handshake with certificate_expired: it finds that the certificate is not valid now"
    )
