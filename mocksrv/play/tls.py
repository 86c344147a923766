# SPDX-License-Identifier: ISC
"""The server's side of TLS: the handshake as its terms say, and the connection after it.

The ssl module does the cryptography on octets in memory. So the caller decides how a flight is sent (whole, octet by
octet, or only its beginning), and everything that the client sends is seen here before OpenSSL sees it.
"""

import contextlib
import ipaddress
import os
import re
import socket
import ssl
import warnings
from collections.abc import Callable
from dataclasses import dataclass

from mocksrv.case.certs import owner
from mocksrv.case.terms import Terms
from mocksrv.play import openssl
from mocksrv.play.records import Records, server_name
from mocksrv.play.transport import CHUNK, Breach, Filtered, Plain

# The names that `ssl` gives to alerts from the client: SSLV3_ALERT_CERTIFICATE_EXPIRED, TLSV1_UNRECOGNIZED_NAME.
_ALERT = re.compile(r"(?:SSLV3|TLSV1|TLSV13)_(?:ALERT_)?(\w+)")
_MEANINGS = {
    "unknown_ca": "it does not know the issuer of the certificate",
    "bad_certificate": "it finds the certificate wrong",
    "certificate_expired": "it finds that the certificate is not valid now",
    "certificate_unknown": "it does not accept the certificate",
    "unsupported_certificate": "it cannot use such a certificate",
    "handshake_failure": "it finds no common parameters",
    "protocol_version": "it does not accept this version of TLS",
    "insufficient_security": "it requires something stronger",
    "internal_error": "it has an internal problem",
}


class Deaf(Filtered):
    """After a handshake that has ended early: what the client still sends in TLS cannot be read, and is ignored."""

    def __init__(self, connection: socket.socket, records: Records) -> None:
        super().__init__(connection)
        self._records = records

    def _digest(self, octets: bytes) -> bytes:
        self._records.feed(octets)
        return b""


class Secured(Filtered):
    """After a handshake: everything is sent within TLS. `limit` is the maximum of octets in one record."""

    def __init__(self, shaken: "Handshake", limit: int) -> None:
        super().__init__(shaken.connection)
        self._session, self._records = shaken.session, shaken.records
        self._incoming, self._outgoing, self._alerts = shaken.incoming, shaken.outgoing, shaken.alerts
        self._limit = limit
        self._over = False  # whether the client has ended its direction of TLS
        self._left = False  # whether we have ended ours
        self._said = self._heard()

    def seal(self, octets: bytes) -> bytes:
        """The records for these octets. Raises TimeoutError, or Breach if the client hangs up in a handshake."""
        for start in range(0, len(octets), self._limit):
            self._write(octets[start : start + self._limit])
        return self._outgoing.read()

    def _write(self, octets: bytes) -> None:
        """Writes. During another handshake nothing can be written: it must be completed first."""
        while True:
            try:
                self._session.write(octets)
                return
            except ssl.SSLWantReadError:
                self._take_in()
            except (ssl.SSLZeroReturnError, ssl.SSLEOFError):
                raise Breach("the client hung up during a handshake") from None

    def farewell(self, how: str | None) -> bytes:
        """None: close_notify; `abrupt`: nothing; `alert`: a fatal alert. Ignores what follows, if it is TLS."""
        self._left = True
        with contextlib.suppress(ssl.SSLError):
            if how is None:
                self._session.unwrap()
            elif how == "alert":
                self._incoming.write(_forged(self._session.version()))
                while self._session.read(CHUNK):
                    pass
        return self._outgoing.read()

    def key_update(self, ask: bool) -> bytes:
        """The message that changes the server's keys and, with `ask`, asks the client to change its own."""
        self._expect("key update", "TLSv1.3")
        openssl.key_update(self._session, ask)
        self._session.do_handshake()
        return self._outgoing.read()

    def renegotiate(self) -> bytes:
        """The request for another handshake. The client may ignore it; if it refuses, OpenSSL cannot go on."""
        self._expect("renegotiation", "TLSv1.2")
        openssl.renegotiate(self._session)
        self._session.do_handshake()
        return self._outgoing.read()

    def _expect(self, what: str, version: str) -> None:
        if self._session.version() != version:
            raise Breach(f"{what} needs {version}, but {self._session.version()} was negotiated")

    def _digest(self, octets: bytes) -> bytes:
        self._records.feed(octets)
        if self._left:
            return b""
        if octets:
            self._incoming.write(octets)
        else:
            self._incoming.write_eof()
        return self._heard()

    def _heard(self) -> bytes:
        """The decrypted octets of all that has come. Raises Breach."""
        heard = b"" if self._over else self._decrypted()
        if self._over and not self.parting and (more := self._incoming.read()):
            raise Breach("the client sent data after its close_notify", more)
        return heard

    def _decrypted(self) -> bytes:
        """Decrypts all that has come. OpenSSL's own answers (alerts, handshakes) are sent at once.

        But nothing is answered to the client's FIN: OpenSSL 3.5 would send an alert, 3.0 does not.
        """
        heard = b""
        self._alerts.clear()
        try:
            while octets := self._session.read(CHUNK):
                heard += octets
            self._over = True
        except ssl.SSLWantReadError:
            pass
        except (ssl.SSLZeroReturnError, ssl.SSLEOFError):
            self._over = True
        except ssl.SSLError as error:
            self._over = True
            alert = _alert(error)
            if alert is None:
                ours = f", answered with the alert {self._alerts[-1]}" if self._alerts else ""
                raise Breach(f"TLS error in what the client sent: {_reason(error)}{ours}") from error
            self.parting = f", with the alert {alert}"
        finally:
            answer = self._outgoing.read()
            if answer and not self._ended:
                with contextlib.suppress(OSError):
                    self.connection.sendall(answer)
        return heard


@dataclass(frozen=True)
class _End:
    """How a handshake ended: `done`, `cut`, an `alert` of the client, the client `gone`, or `failed` on our side."""

    how: str
    detail: str = ""


class Handshake:
    """One handshake over a connection. `leave` sends a flight, until the client hangs up."""

    def __init__(self, plain: Plain, terms: Terms, host: str, leave: Callable[[bytes], None]) -> None:
        self.connection = plain.connection
        self.records = Records()
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        made = _context(terms)
        self.alerts = openssl.alerts(made)
        self.session = made.wrap_bio(self.incoming, self.outgoing, server_side=True)
        openssl.allow_dhe(self.session)
        openssl.set_suites(self.session, list(terms.suites))
        if terms.asks and terms.server == "accepts":
            openssl.take_any_certificate(self.session)
        self._plain, self._terms, self._leave = plain, terms, leave
        self._name = _expected_name(terms, host)
        self._flights = 0
        self._greeted = False

    def secure(self) -> tuple[Plain, str]:
        """The connection from now on, and the result of the handshake, for people.

        Raises Breach unless all is as the terms say, and TimeoutError if the client falls silent.
        """
        end = self._run()
        wanted = self._terms.fails
        match end.how:
            case "cut":
                return Deaf(self.connection, self.records), "cut"
            case "done" if wanted:
                who = "client" if self._terms.client == "rejects" else "server"
                raise Breach(f"the handshake was completed ({self._agreed()}); the {who} had to reject it")
            case "done":
                self._check_agreed()
                return Secured(self, self._terms.records), self._agreed()
            case "failed" if self._terms.server == "rejects":
                return Deaf(self.connection, self.records), f"the server rejected it: {end.detail}"
            case "alert" | "gone" if self._terms.client == "rejects":
                what = end.detail or "no alert"
                if self._terms.alert not in (None, end.detail):
                    raise Breach(f"the client ended the handshake with {what}; it had to with {self._terms.alert}")
                return Deaf(self.connection, self.records), f"the client rejected it: {what}"
            case "alert":
                meaning = _MEANINGS.get(end.detail)
                raise Breach(f"the client ended the handshake with {end.detail}{f': {meaning}' if meaning else ''}")
            case "gone":
                raise Breach("the client hung up during the handshake")
        raise Breach(f"the server cannot go on with the handshake: {end.detail}")

    def _run(self) -> _End:
        while True:
            end = self._advance()
            flight = self.outgoing.read()
            self._flights += bool(flight)
            if end is None or end.how == "done":
                cut = self._terms.cut
                # If the last flight is empty, the server falls silent after the handshake.
                if cut and (flight and self._flights == cut.flight or end):
                    self._leave(flight[: cut.octets])
                    return _End("cut")
            if flight:
                self._leave(flight)
            if end:
                return end
            if not self._take_in():
                return _End("gone")

    def _advance(self) -> _End | None:
        """Goes on as far as the octets that have come allow."""
        try:
            self.session.do_handshake()
        except ssl.SSLWantReadError:
            return None
        except ssl.SSLError as error:
            alert = _alert(error)
            return _End("alert", alert) if alert else _End("failed", _reason(error))
        return _End("done")

    def _take_in(self) -> bool:
        """Receives from the client. Returns whether it is still there."""
        try:
            octets = self._plain.receive()
        except ConnectionError:
            return False
        self.records.feed(octets)
        if self.records.hello and not self._greeted:
            self._greeted = True
            self._check_name(server_name(self.records.hello))
        self.incoming.write(octets)
        return bool(octets)

    def _check_name(self, name: str | None) -> None:
        if name != self._name:
            sent, wanted = (one or "none" for one in (name, self._name))
            raise Breach(f"the client's SNI is {sent}; expected: {wanted}")

    def _check_agreed(self) -> None:
        suite, shown = self.session.cipher(), openssl.shown(self.session)
        if suite and self._terms.suite not in (None, suite[0]):
            raise Breach(f"{suite[0]} was negotiated; expected: {self._terms.suite}")
        if self._terms.shown not in (None, shown):
            raise Breach(f"the client sent {_people(shown)}; expected: {_people(self._terms.shown or ())}")

    def _agreed(self) -> str:
        suite = self.session.cipher()
        agreed = f"{self.session.version()} {suite[0] if suite else ''}, SNI {self._name or 'none'}"
        return agreed + (f", client sends {_people(openssl.shown(self.session))}" if self._terms.asks else "")


def _context(terms: Terms) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # about TLS 1.0 and 1.1
        context.minimum_version, context.maximum_version = terms.lowest, terms.highest
    context.set_ciphers(f"{terms.ciphers}:@SECLEVEL=0")  # the client has to decide what is too weak
    context.options &= ~ssl.OP_CIPHER_SERVER_PREFERENCE
    context.num_tickets = terms.tickets  # type: ignore[attr-defined]
    if not terms.tickets:
        context.options |= ssl.OP_NO_TICKET
    if terms.asks:
        # There are no trusted authorities, so every certificate fails.
        context.verify_mode = ssl.CERT_REQUIRED
    descriptor = os.memfd_create("credential")
    try:
        os.write(descriptor, terms.credential.pem + terms.credential.key)
        context.load_cert_chain(f"/proc/self/fd/{descriptor}")
    finally:
        os.close(descriptor)
    return context


def _expected_name(terms: Terms, host: str) -> str | None:
    if terms.sni is not None:
        return None if terms.sni == "none" else terms.sni
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return host
    return None


def _alert(error: ssl.SSLError) -> str | None:
    """The name of the alert that the client sent, if the error is that."""
    found = _ALERT.fullmatch(error.reason or "")
    return found[1].lower() if found else None


def _reason(error: ssl.SSLError) -> str:
    return (error.reason or str(error)).replace("_", " ").lower()


def _people(chain: tuple[bytes, ...]) -> str:
    """Certificates by the names of their owners."""
    return ", ".join(f"`{owner(one)}`" for one in chain) or "no certificate"


def _forged(version: str | None) -> bytes:
    """A record that cannot be decrypted: OpenSSL reacts with a genuine fatal alert."""
    minor = {"TLSv1": 1, "TLSv1.1": 2}.get(version or "", 3)
    return bytes([23, 3, minor, 1, 0]) + bytes(256)
