# SPDX-License-Identifier: ISC
"""How octets leave in a handshake and within TLS, and how all that ends, as a client sees it."""

import contextlib
import re
import socket
import ssl
import struct
import threading
from collections.abc import Callable

import pytest

from testsuite.mocksrv.shaking import HOST, Played, context, hear, hear_all, shaken, shaking

BOTH = pytest.mark.parametrize("version", ["1.2", "1.3"])
IN_THE_CLEAR = "the client sent this in the clear, where only TLS records are allowed"


def lengths(octets: bytes) -> list[int]:
    """How long each record is."""
    found: list[int] = []
    at = 0
    while at < len(octets):
        found += struct.unpack("!H", octets[at + 3 : at + 5])
        at += 5 + found[-1]
    return found


# The manner


def test_a_flight_leaves_in_one_write() -> None:
    for options, flights in (("max=1.2", 2), ("", 2), ("tickets=0", 1)):
        played = Played(f"@starttls cert=mx {options}\nS: hello", shaking(hear))
        assert (played.brought, len(played.writes)) == (b"hello\r\n", flights + 1)


@pytest.mark.parametrize("tickets", [0, 1, 2, 5])
def test_tickets(tickets: int) -> None:
    writes = Played(f"@starttls cert=mx tickets={tickets}\nC: x", shaking(lambda tls: tls.sendall(b"x\r\n"))).writes
    assert len(lengths(b"".join(writes[1:]))) == tickets


@BOTH
def test_octet_by_octet(version: str) -> None:
    played = Played(f"@split\n@starttls cert=mx version={version}\n@split\nS: hello", shaking(hear))
    assert (played.failure, played.brought) == (None, b"hello\r\n")
    assert {len(one) for one in played.writes} == {1}
    assert len(played.writes) > 500


@BOTH
def test_drip(version: str) -> None:
    text = f"@drip 100 0.001s\n@starttls cert=mx version={version}\n@drip 8 0.001s\nS: hello"
    played = Played(text, shaking(hear))
    assert (played.failure, played.brought) == (None, b"hello\r\n")
    assert {len(one) for one in played.writes[:5]} == {100}
    assert {len(one) for one in played.writes[-3:-1]} == {8}


def test_a_manner_is_that_of_one_handshake() -> None:
    writes = Played("@split\n@starttls cert=mx max=1.2\nS: hello", shaking(hear)).writes
    assert [len(one) for one in writes[-2:]] == [1, 36]


def hasty(plain: socket.socket) -> None:
    """A client that gives up when nothing comes for half a second."""
    plain.settimeout(0.5)
    shaken(plain)


@pytest.mark.parametrize(
    ("within", "what"), [("0.4..9", None), ("50..60", "it had to within 50..60 s"), ("0..0.4", "had to within 0..0.4 s")]
)
def test_a_handshake_that_drips_for_ever(within: str, what: str | None) -> None:
    failure = Played(f"@drip 400 9 within={within}\n@starttls cert=mx client=rejects", hasty).failure
    assert what in str(failure) if what else failure is None


def test_a_handshake_that_comes_late() -> None:
    assert Played("@delay 9\n@starttls cert=mx client=rejects", hasty).failure is None
    assert Played("@delay 0.05\n@starttls cert=mx", shaking()).failure is None


@pytest.mark.parametrize("size", [1, 3, 100])
def test_small_records(size: int) -> None:
    """They leave in one write nevertheless."""
    played = Played(f"@starttls cert=mx version=1.2 records={size}\nS: hello", shaking(hear))
    assert (played.failure, played.brought) == (None, b"hello\r\n")
    assert len(lengths(played.writes[-1])) == -(-7 // size)


def test_full_records() -> None:
    played = Played(f"@starttls cert=mx version=1.2\nS: {'x' * 40000}", shaking(lambda tls: len(hear(tls))))
    assert (played.failure, played.brought) == (None, 40002)
    assert [length - 24 for length in lengths(played.writes[-1])] == [16384, 16384, 7234]


# A handshake that is cut


@pytest.mark.parametrize(
    ("cut", "sizes"),
    [("1:0", []), ("1:7", [7]), ("1", [None]), ("2:0", [None]), ("2:1", [None, 1]), ("2", [None, None])],
)
@BOTH
def test_cuts(version: str, cut: str, sizes: list[int | None]) -> None:
    """The client never hears that all is well."""
    played = Played(f"@starttls cert=mx version={version} cut={cut}\n@close", shaking(hear_all))
    assert played.failure is None
    assert len(played.writes) == len(sizes)
    assert all(size in (None, len(one)) for size, one in zip(sizes, played.writes))
    assert played.brought in ("UNEXPECTED_EOF_WHILE_READING", "SSLEOFError", "ConnectionResetError")


def test_a_cut_after_a_last_flight_that_is_none() -> None:
    played = Played("@starttls cert=mx version=1.3 tickets=0 cut=2:0\n@close", shaking(hear_all))
    assert (played.failure, len(played.writes)) == (None, 1)


def test_what_comes_after_a_cut_comes_as_it_is() -> None:
    played = Played("@starttls cert=mx cut=1:0\nS: 500 what?", shaking())
    assert (played.failure, played.writes) == (None, [b"500 what?\r\n"])
    assert played.brought == "WRONG_VERSION_NUMBER"


ENDINGS = ["cut=1:0\nS: x", "cut=1:0\n@stall within=0..9", "cut=1:0\n@close", "server=rejects ciphers=kRSA max=1.2"]


@pytest.mark.parametrize("ending", ENDINGS)
def test_clear_text_after_a_failed_handshake(ending: str) -> None:
    def confused(plain: socket.socket) -> None:
        with plain.dup() as spare:
            plain.settimeout(0.1)
            with contextlib.suppress(OSError):
                shaken(plain)
            spare.sendall(b"QUIT\r\n")

    played = Played(f"@starttls cert=mx {ending}", confused)
    assert (played.failure, played.received) == (IN_THE_CLEAR, b"QUIT\r\n")


@pytest.mark.parametrize("cert", ["mx client=rejects", "mx server=rejects min=1.3"])
def test_a_handshake_that_failed_is_the_end(cert: str) -> None:
    """Also for a client that waits for the server to hang up."""

    def client(plain: socket.socket) -> bytes:
        with plain.dup() as spare:
            with contextlib.suppress(OSError):
                shaken(plain, context(verify_mode=ssl.CERT_REQUIRED, maximum_version=ssl.TLSVersion.TLSv1_2))
            while spare.recv(65536):
                pass
        return b"the end"

    played = Played(f"@starttls cert={cert}", client)
    assert (played.failure, played.brought) == (None, b"the end")


# How it goes on


def messages(made: ssl.SSLContext) -> list[tuple[str, str]]:
    """Direction and name of all messages that sockets of this context will send and receive."""
    seen: list[tuple[str, str]] = []

    def note(_c: object, direction: str, _v: object, _t: object, kind: object, _d: bytes) -> None:
        seen.append((direction, getattr(kind, "name", str(kind))))

    made._msg_callback = note  # type: ignore[attr-defined]
    return seen


def chat(tls: ssl.SSLSocket) -> None:
    """Says something, hears a line, and says something else."""
    tls.sendall(b"x\r\n")
    hear(tls)
    tls.sendall(b"z\r\n")


@pytest.mark.parametrize("ask", ["", " ask"])
def test_key_update(ask: str) -> None:
    made = context()
    seen = messages(made)
    played = Played(f"@starttls cert=mx\nC: x\n@key-update{ask}\nS: y\nC: z", shaking(chat, made=made))
    assert played.failure is None
    assert seen.count(("read", "KEY_UPDATE")) == 1
    assert seen.count(("write", "KEY_UPDATE")) == bool(ask)


@pytest.mark.parametrize("refuses", [False, True])
def test_renegotiation(refuses: bool) -> None:
    made = context()
    if refuses:
        made.options |= ssl.OP_NO_RENEGOTIATION
    seen = messages(made)
    played = Played("@starttls cert=mx version=1.2\nC: x\n@renegotiate\nS: y\nC: z", shaking(chat, made=made))
    assert seen.count(("read", "HELLO_REQUEST")) == 1
    error = "TLS error in what the client sent: no renegotiation, answered with the alert handshake_failure"
    assert played.failure == (error if refuses else None)
    assert refuses or seen.count(("write", "FINISHED")) == 2


@pytest.mark.parametrize("goes_on", [True, False])
def test_the_server_speaks_in_the_middle_of_renegotiation(goes_on: bool) -> None:
    """It cannot: it waits for the end of the handshake."""

    def client(plain: socket.socket) -> object:
        incoming, outgoing, pause = ssl.MemoryBIO(), ssl.MemoryBIO(), threading.Event()
        tls = context().wrap_bio(incoming, outgoing, server_hostname=HOST)

        def done(operation: Callable[[], object], most: int = 2) -> object:
            """The result, with a pause before its second flight; nothing if it takes longer than the limit."""
            result, flights = None, 0
            while result is None:
                with contextlib.suppress(ssl.SSLWantReadError):
                    result = operation() or b""
                flight = outgoing.read()
                flights += bool(flight)
                pause.wait(0.05 if flights > 1 else 0)
                if flights > most:
                    return None
                plain.sendall(flight)
                if result is None:
                    incoming.write(plain.recv(65536))
            return result

        done(tls.do_handshake)
        done(lambda: tls.write(b"x\r\n"))
        heard = done(lambda: tls.read(100), 2 if goes_on else 1)
        if heard:
            done(lambda: tls.write(b"z\r\n"))
        return heard

    played = Played("@starttls cert=mx version=1.2\nC: x\n@renegotiate\nS: y\nC: z", client)
    assert played.brought == (b"y\r\n" if goes_on else None)
    assert re.fullmatch("None" if goes_on else "the client hung up (during a|before).*", str(played.failure))


@pytest.mark.parametrize(
    ("directive", "version", "what"),
    [
        ("key-update", "1.2", "key update needs TLSv1.3, but TLSv1.2 was negotiated"),
        ("renegotiate", "1.3", "renegotiation needs TLSv1.2, but TLSv1.3 was negotiated"),
    ],
)
def test_each_needs_its_version(directive: str, version: str, what: str) -> None:
    assert Played(f"@starttls cert=mx version={version}\n@{directive}\n@close", shaking(hear_all)).failure == what


# How it ends


@BOTH
@pytest.mark.parametrize(
    ("ending", "brought"),
    [
        ("@close", "hello"),
        ("@close abrupt", "UNEXPECTED_EOF_WHILE_READING"),
        ("@close alert", "SSLV3_ALERT_BAD_RECORD_MAC"),
        ("@reset", "SSLEOFError|ConnectionResetError"),
    ],
)
def test_endings(version: str, ending: str, brought: str) -> None:
    def act(tls: ssl.SSLSocket) -> str:
        tls.sendall(b"x\r\n")
        heard = hear(tls)
        return (heard + hear_all(tls)).decode().strip()

    played = Played(f"@starttls cert=mx version={version}\nC: x\nS: hello\n{ending}", shaking(act))
    assert played.failure is None
    assert re.fullmatch(brought, str(played.brought))


@pytest.mark.parametrize("ending", ["@close", "@close abrupt", "@close alert"])
def test_what_the_client_says_after_an_end_does_not_matter(ending: str) -> None:
    def act(tls: ssl.SSLSocket) -> None:
        for _ in range(100):
            tls.sendall(b"x" * 1000)

    assert Played(f"@starttls cert=mx\n@read 1\n{ending}", shaking(act)).failure is None


@pytest.mark.parametrize(
    ("more", "what"),
    [
        (b"", None),
        (b"QUIT\r\n", IN_THE_CLEAR),
        (b"\x17\x03\x03\x00\x01x", "the client sent data after its close_notify"),
    ],
)
def test_close_notify_is_the_clients_last_word(more: bytes, what: str | None) -> None:
    def client(plain: socket.socket) -> None:
        with plain.dup() as spare, shaken(plain) as tls:
            tls.setblocking(False)
            with contextlib.suppress(OSError):
                tls.unwrap()
            spare.sendall(more)

    assert Played("@starttls cert=mx", client).failure == what


def test_an_alert_is_told() -> None:
    def client(plain: socket.socket) -> None:
        with plain.dup() as spare, shaken(plain) as tls:
            tls.sendall(b"x\r\n")
            spare.recv(5, socket.MSG_WAITALL)  # what follows cannot be decrypted any more
            hear(tls)

    played = Played("@starttls cert=mx max=1.2\nC: x\nS: y\nC: z", client)
    assert played.failure == "the client hung up, with the alert protocol_version"


def test_a_record_that_cannot_be_read() -> None:
    """OpenSSL 3.5 has no better name for the error, but the alert is the same."""

    def client(plain: socket.socket) -> None:
        with plain.dup() as spare, shaken(plain):
            spare.sendall(b"\x17\x03\x03\x00\x40" + bytes(64))

    failure = str(Played("@starttls cert=mx\nC: x", client).failure)
    reason = "decryption failed or bad record mac|record layer failure"
    assert re.fullmatch(
        f"TLS error in what the client sent: ({reason}), answered with the alert bad_record_mac", failure
    )
