# SPDX-License-Identifier: ISC
"""TLS with servers that nobody here wrote: Python's ssl and Postfix (OpenSSL), Exim (GnuTLS); and what loads GnuTLS."""

import socket
import ssl
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import BinaryIO

import pytest
from aiosmtpd.controller import Controller

from mocksrv.case.certs import Recipes
from mocksrv.case.octets import canonical
from mocksrv.play import openssl
from mocksrv.world import sandbox
from mocksrv.world.nameserver import DnsServer
from testsuite import modules, mtas
from testsuite.mtas import Exim, Mta, Offers, Postfix
from testsuite.peer import ADDRESS, MESSAGE, RECIPIENT, SENDER, Outcome, furnish, qremote, serving
from testsuite.pure import ROOT
from testsuite.test_aiosmtpd import ZONE, Handler

pytestmark = pytest.mark.skipif(sandbox.available() is not None, reason=f"{sandbox.available()}")

NAME = "mx.example.org"
STUCK = b"".join(b"%08d\n" % number for number in range(50_000))  # more than a narrow connection holds
LARGE = (b"x" * 70 + b"\n") * 20_000  # many records


RECIPES = Recipes(ROOT / "fixtures/cases/tls")
PINNED = {f"tlshosts/{NAME}.pem": RECIPES.pem("ca").decode()}


def context(name: str, change: Callable[[ssl.SSLContext], None] = lambda _: None) -> ssl.SSLContext:
    """The TLS context of a server with the certificate of a recipe."""
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with tempfile.NamedTemporaryFile() as file:
        file.write(RECIPES.pem(f"{name}.chain {name}.key"))
        file.flush()
        made.load_cert_chain(file.name)
    change(made)
    return made


def delivered(secrets: ssl.SSLContext | None, message: bytes = MESSAGE, **control: str) -> tuple[Outcome, list[bytes]]:
    """One delivery to an aiosmtpd, and what it accepted; `control` are files of the control directory."""
    return sandbox.run(_deliver, secrets, message, control)


def _deliver(secrets: ssl.SSLContext | None, message: bytes, control: dict[str, str]) -> tuple[Outcome, list[bytes]]:
    handler = Handler()
    controller = Controller(handler, ADDRESS, 25, tls_context=secrets)
    controller.start()
    furnish(sandbox.SCRATCH / "qmail", **control)
    try:
        with DnsServer(ZONE) as server:
            server.start()
            outcome = qremote("example.org", SENDER, RECIPIENT, message=message)
    finally:
        controller.stop()
    return outcome, [one.content for one in handler.envelopes]  # type: ignore[misc]


def only(version: ssl.TLSVersion) -> Callable[[ssl.SSLContext], None]:
    """Limits a server to this version."""

    def change(made: ssl.SSLContext) -> None:
        made.set_ciphers("DEFAULT:@SECLEVEL=0")
        made.minimum_version = version
        made.maximum_version = version

    return change


@pytest.mark.spec("TLS-1", "TLS-4", "TLS-6", "RES-9")
@pytest.mark.parametrize("certificate", ["mx", "mx-rsa", "mx-ed25519", "mx-by-intermediate"])
@pytest.mark.parametrize(
    ("version", "said"), [(ssl.TLSVersion.TLSv1_2, "TLS1.2 TLS_ECDHE_"), (ssl.TLSVersion.TLSv1_3, "TLS1.3 TLS_AES_")]
)
@pytest.mark.parametrize("demanded", [False, True], ids=["opportunistic", "verified"])
def test_a_message_goes_within_tls(certificate: str, version: ssl.TLSVersion, said: str, demanded: bool) -> None:
    """Complete, and the report names version and suite."""
    outcome, taken = delivered(context(certificate, only(version)), LARGE, **(PINNED if demanded else {}))
    assert outcome.letters == "rK" and taken == [canonical(LARGE)]
    assert f" accepted message ({said}" in outcome.report
    assert (", verified)." in outcome.report) == demanded


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning")
@pytest.mark.spec("TLS-5", "TLS-6")
def test_a_server_that_speaks_too_old_a_version() -> None:
    """TLS 1.1 does not count: the message is sent in the clear; but not if a certificate is demanded."""
    secrets = context("mx-rsa", only(ssl.TLSVersion.TLSv1_1))
    outcome, taken = delivered(secrets)
    assert outcome.letters == "rK" and "accepted message (in the clear, since TLS failed: " in outcome.report
    assert len(taken) == 1
    outcome, taken = delivered(secrets, **PINNED)
    assert outcome.letters == "Z" and "(#4.7.5)" in outcome.report and taken == []


# What is loaded when


def traced(secrets: ssl.SSLContext | None) -> tuple[str, str]:
    """The letters of a delivery, and the files that Qremote opened."""
    log = sandbox.SCRATCH / "opened"
    controller = Controller(Handler(), ADDRESS, 25, tls_context=secrets)
    controller.start()
    try:
        wrapper = ("strace", "-f", "-e", "trace=openat,open", "-o", str(log))
        outcome = qremote(wrapper=wrapper)
    finally:
        controller.stop()
    return outcome.letters, log.read_text()


@pytest.mark.spec("TLS-6")
def test_who_needs_no_tls_does_not_load_it() -> None:
    """The module is not even searched; with STARTTLS, GnuTLS is loaded, but not the certificates of the system."""
    letters, opened = sandbox.run(traced, None)
    assert letters == "rK" and "tls" not in opened
    letters, opened = sandbox.run(traced, context("mx"))
    assert letters == "rK" and "libgnutls" in opened
    assert "/etc/ssl/certs" not in opened


def with_module(state: str) -> Outcome:
    modules.alone(tls=state)
    controller = Controller(Handler(), ADDRESS, 25, tls_context=context("mx"))
    controller.start()
    try:
        return qremote()
    finally:
        controller.stop()


@pytest.mark.spec("TLS-6")
@pytest.mark.parametrize("state", modules.STATES)
def test_the_module(state: str) -> None:
    """It is found beside the program, whatever its name; without it nothing is sent to a server with STARTTLS."""
    outcome = sandbox.run(with_module, state)
    modules.judge(outcome, "TLS", state)
    assert state != "beside" or "accepted message (TLS1.3 " in outcome.report


def with_environment(secrets: ssl.SSLContext, variables: dict[str, str], keys: Path) -> tuple[str, bool]:
    controller = Controller(Handler(), ADDRESS, 25, tls_context=secrets)
    controller.start()
    try:
        return qremote(variables=variables).letters, keys.exists()
    finally:
        controller.stop()


@pytest.mark.spec("TLS-6")
def test_the_environment_gives_no_orders(tmp_path: Path) -> None:
    """Session keys are not written to a file, and GnuTLS neither logs nor reads another configuration."""
    keys = tmp_path / "keys"
    config = tmp_path / "config"
    config.write_text("[overrides]\ndisabled-version = tls1.2\ndisabled-version = tls1.3\n")
    variables = {
        "SSLKEYLOGFILE": str(keys), "GNUTLS_DEBUG_LEVEL": "9", "GNUTLS_SYSTEM_PRIORITY_FILE": str(config),
        "GNUTLS_FORCE_FIPS_MODE": "1", "GNUTLS_": "x",
    }  # fmt: skip
    found = sandbox.run(with_environment, context("mx"), variables, keys)
    assert found == ("rK", False)


# Servers with behaviour that no dialogue can express


def wait_until_stuck(connection: socket.socket) -> None:
    """Until nothing more arrives, since there is no room for it."""
    octets, still = -1, 0
    while still < 20:
        time.sleep(0.005)
        before, octets = octets, len(connection.recv(1 << 24, socket.MSG_PEEK))
        still = still + 1 if octets == before else 0


class Secured:
    """The server's side of a TLS session, over memory: its user decides what is sent together."""

    def __init__(self, connection: socket.socket, stream: BinaryIO, secrets: ssl.SSLContext) -> None:
        self.connection, self._stream = connection, stream
        self._incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = secrets.wrap_bio(self._incoming, self.outgoing, server_side=True)
        while True:
            try:
                self.tls.do_handshake()
                return self.flush()
            except ssl.SSLWantReadError:
                self.flush()
                self._incoming.write(self._stream.read1(1 << 16))  # type: ignore[attr-defined]

    def flush(self, more: bytes = b"") -> None:
        """Sends everything that was written, and then data that is not TLS."""
        self.connection.sendall(self.outgoing.read() + more)

    def line(self) -> bytes:
        """The client's next line."""
        while True:
            try:
                return self.tls.read(1 << 16)
            except ssl.SSLWantReadError:
                self._incoming.write(self._stream.read1(1 << 16))  # type: ignore[attr-defined]

    def write_ticket(self) -> None:
        """A record without data for the client."""
        pointer = openssl._pointer(self.tls)
        openssl._library.SSL_new_session_ticket(pointer)
        openssl._library.SSL_do_handshake(pointer)


def answered_by(serve: Callable[[Secured], None], timeout: str, message: bytes = MESSAGE) -> tuple[Outcome, int]:
    """A delivery to a server that runs `serve` after the handshake; and how many connections it got."""
    secrets = context("mx", only(ssl.TLSVersion.TLSv1_3))
    connections = 0

    def secure(connection: socket.socket, stream: BinaryIO) -> None:
        nonlocal connections
        connections += 1
        connection.sendall(b"220 mx\r\n" if connections == 1 else b"421 one is enough\r\n")
        stream.readline()
        connection.sendall(b"250-mx\r\n250 STARTTLS\r\n")
        stream.readline()
        connection.sendall(b"220 go\r\n")
        serve(Secured(connection, stream, secrets))

    furnish(sandbox.SCRATCH / "qmail", timeoutremote=timeout)
    with serving(secure, room=16384):
        outcome = qremote(message=message)
    return outcome, connections


def hide_behind_a_ticket(session: Secured) -> None:
    session.line()
    session.tls.write(b"250 mx\r\n")
    session.flush()
    session.line()
    session.tls.write(b"250 ok\r\n")
    session.write_ticket()
    session.tls.write(b"250 unasked\r\n")
    session.flush()
    session.line()


@pytest.mark.spec("EXT-3", "EXT-8")
def test_nothing_unasked_hides_behind_a_ticket() -> None:
    """Every octet is read before the next group, whatever records come between."""
    outcome, _ = sandbox.run(answered_by, hide_behind_a_ticket, "9\n")
    assert outcome.letters == "Z" and "sent unexpected data before RCPT. (#4.5.0)" in outcome.report


def break_off_after_ehlo(session: Secured) -> None:
    session.line()
    session.tls.write(b"250-mx\r\n250 SIZE\r\n")
    session.flush(b"\x15\x03\x03\0\x02\x02\x28")


@pytest.mark.spec("TLS-1", "TLS-5")
def test_a_rejection_with_the_reply_to_ehlo() -> None:
    """Counts as a failed handshake: a second connection, in the clear, follows."""
    outcome, connections = sandbox.run(answered_by, break_off_after_ehlo, "9\n")
    assert connections == 2
    assert outcome.letters == "Z" and "Remote host said: 421 one is enough" in outcome.report


def ask_for_keys_amid_the_message(session: Secured) -> None:
    """Asks when the client can write no more, and then reads the whole message."""
    session.line()
    session.tls.write(b"250 mx\r\n")
    session.flush()
    for reply in (b"250 ok\r\n", b"250 ok\r\n", b"354 go\r\n"):
        session.line()
        session.tls.write(reply)
        session.flush()
    wait_until_stuck(session.connection)
    openssl.key_update(session.tls, True)
    openssl._library.SSL_do_handshake(openssl._pointer(session.tls))
    session.flush()
    message = bytearray()
    while not message.endswith(b"\r\n.\r\n"):
        message += session.line()
    session.tls.write(b"250 %d octets\r\n" % len(message) if message == canonical(STUCK) + b".\r\n" else b"554 no\r\n")
    session.flush()


@pytest.mark.spec("TLS-6")
def test_new_keys_while_the_client_is_stuck() -> None:
    """No octet of the message is lost or doubled."""
    outcome, _ = sandbox.run(answered_by, ask_for_keys_amid_the_message, "9\n", STUCK)
    assert outcome.letters == "rK" and f"250 {len(canonical(STUCK)) + 3} octets" in outcome.report


# Postfix and Exim


def deliver_to(mta: type[Mta], files: dict[str, str], large: bytes) -> tuple[list[Outcome], list[bytes]]:
    """Two messages to a real server that has a certificate, one in the clear before it."""
    furnish(sandbox.SCRATCH / "qmail", **files)
    with mta(["box"], Offers()) as server, DnsServer(ZONE) as names:
        names.start()
        box = f"box@{mtas.DOMAIN}"
        outcomes = [qremote("example.org", SENDER, box, message=message) for message in (MESSAGE, large)]
        server.settle()
        return outcomes, server.stored("box")


@pytest.mark.spec("TLS-1", "TLS-4", "EXT-5", "RES-9")
@pytest.mark.skipif(mtas.missing() is not None, reason=f"{mtas.missing()}")
@pytest.mark.parametrize("mta", [Postfix, Exim])
def test_a_real_server(mta: type[Mta], tmp_path: Path) -> None:
    """By BDAT within TLS, verified, a message that rides along and one of many records."""
    secured = partial(mta, certificate=RECIPES.pem("mx-rsa.key mx-rsa.chain"))
    outcomes, stored = sandbox.run(deliver_to, secured, PINNED, LARGE, all_users=True)
    for outcome in outcomes:
        assert outcome.letters == "rK" and " accepted message (chunked, TLS1.3 TLS_" in outcome.report
        assert ", verified)." in outcome.report
    assert sorted(map(len, stored))[1] > len(LARGE) and len(stored) == 2
