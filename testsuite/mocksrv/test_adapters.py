# SPDX-License-Identifier: ISC
"""Other mail clients with qmail-remote's interface: each delivers into our world, and reports the true result.

One sandbox for all deliveries of a client: most of what a delivery takes is to start it.
"""

import os
import re
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import BinaryIO

import pytest

from mocksrv.adapters import ADAPTERS, adapter_named, exim, opensmtpd
from mocksrv.adapters.base import Fate, Reports, quoted
from mocksrv.case.certs import Recipes
from mocksrv.case.octets import dot_stuffed
from mocksrv.world import sandbox
from mocksrv.world.nameserver import DnsServer, bound_socket
from testsuite.peer import ADDRESS, MESSAGE, PATIENCE, SENDER, Peer, Session, furnish, serving

ZONE = f"example.org.  MX 10 mx.example.org.\nmx.example.org.  A {ADDRESS}\n"
BOB, CAROL = "bob@example.org", "carol@example.org"
NO_USER, LATER = "550 5.1.1 no such user", "450 4.2.1 later"
RAW = b"Subject: hi\n\nCR LF\r\ncaf\xc3\xa9 \xff\n.\n..\n.dot\nend\n"
RECORDS = re.compile(rb"(?:r\0|[hs](?:[^\0\n]+\n)+\0)*[KZD](?:[^\0\n]+\n)+\0")
# They give up at the first recipient that is refused.
ALL_OR_NONE = {"msmtp", "curl"}
# They do not say that a recipient was refused, unless another one was accepted.
SILENT_ABOUT_RCPT = {*ALL_OR_NONE, "opensmtpd"}
# It can do without TLS, or insist on it.
WITHOUT_TLS = {"msmtp"}
# It wants to know the name of an address before it connects.
ASKS_FOR_PTR = {"opensmtpd"}


@dataclass(frozen=True)
class Delivery:
    """The result of one run of an adapter: its output, what the server saw, and the seconds that it took."""

    status: int
    stdout: bytes
    stderr: bytes
    sessions: tuple[Session, ...]
    seconds: float
    foreign: tuple[str, ...]  # questions about names that are not in the zone
    said: tuple[str, ...] = ()  # what the server that knows TLS remembers

    @property
    def letters(self) -> str:
        """The letters of all reports."""
        assert (self.status, bool(RECORDS.fullmatch(self.stdout))) == (0, True), self
        return "".join(chr(record[0]) for record in self.stdout.split(b"\0")[:-1])


def deliver(name: str, peer: Peer | None, *recipients: str, message: bytes = MESSAGE, **files: str) -> Delivery:
    """Runs an adapter, in a sandbox, against a server; None: nobody listens."""
    home = sandbox.SCRATCH / f"qmail-{time.monotonic_ns()}"
    furnish(home, **files)
    environment = os.environ | {"QMAILHOME": str(home), "MOCKSRV_SERVER": "mx.example.org"}
    command = [sys.executable, "-m", "mocksrv.adapters", name, "example.org", SENDER, *recipients]
    with ExitStack() as stack:
        server = stack.enter_context(DnsServer(ZONE))
        server.start()
        sessions = stack.enter_context(peer).sessions if peer else []
        start = time.monotonic()
        done = subprocess.run(
            command, input=message, capture_output=True, env=environment, check=False, timeout=PATIENCE,
        )  # fmt: skip
        seconds = time.monotonic() - start
    foreign = tuple(str(question) for question in server.questions if question.foreign)
    return Delivery(done.returncode, done.stdout, done.stderr, tuple(sessions), seconds, foreign)


@contextmanager
def starttls(said: list[str]) -> Iterator[None]:
    """A server that offers STARTTLS, with a certificate that nobody trusts, and says in which way MAIL came."""
    credential = Recipes(Path(__file__).parents[2] / "fixtures/cases/any.case").credential("mx")
    (sandbox.SCRATCH / "mx.pem").write_bytes(credential.pem + credential.key)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(sandbox.SCRATCH / "mx.pem")
    replies = {"EHLO": "250-mx\r\n250 STARTTLS", "STAR": "220 go", "DATA": "354 go", "QUIT": "221 bye"}

    def talk(connection: socket.socket, stream: BinaryIO) -> None:
        secure, data = isinstance(connection, ssl.SSLSocket), False
        for line in stream:
            word, data = line[:4].decode(), data and line != b".\r\n"
            if data:
                continue
            if word == "MAIL":
                said.append(f"MAIL {'within TLS' if secure else 'in the clear'}")
            connection.sendall(replies.get(word, "250 ok").encode() + b"\r\n")
            data = word == "DATA"
            if word == "STAR":
                with context.wrap_socket(connection, server_side=True) as tls, tls.makefile("rb") as within:
                    return talk(tls, within)

    def greet(connection: socket.socket, stream: BinaryIO) -> None:
        connection.sendall(b"220 mx ESMTP\r\n")
        talk(connection, stream)

    with serving(greet):
        yield


def hang_up() -> None:
    """Instead of an answer."""
    raise ConnectionAbortedError


def all_deliveries(name: str) -> dict[str, Delivery]:
    """Every delivery that the tests look at."""
    run = partial(deliver, name)
    found = {
        "accepted": run(Peer(), BOB),
        "two": run(Peer(), BOB, CAROL),
        "550": run(Peer(replies={"RCPT": NO_USER}), BOB),
        "450": run(Peer(replies={"RCPT": LATER}), BOB),
        "one of two 550": run(Peer(replies={f"RCPT TO:<{BOB}": NO_USER}), BOB, CAROL),
        "one of two 450": run(Peer(replies={f"RCPT TO:<{CAROL}": LATER}), BOB, CAROL),
        "554": run(Peer(replies={".": "554 5.7.1 no"}), BOB, CAROL),
        "451": run(Peer(replies={".": "451 4.7.1 no"}), BOB, CAROL),
        "421": run(Peer(busy=100), BOB),
        "cut": run(Peer(deaf=5), BOB),
        "mute": run(Peer(at=("EHLO", hang_up)), BOB),
        "gone": run(Peer(at=("QUIT", hang_up)), BOB),
        "refused": run(None, BOB),
        "raw": run(Peer(), BOB, message=RAW),
        "helo": run(Peer(), BOB, helohost="other.example\n"),
    }
    with starttls(said := []):
        found["tls"] = replace(run(None, BOB), said=tuple(said))
    if "timeoutconnect" in ADAPTERS[name].control:
        with bound_socket(ADDRESS, 25, socket.SOCK_STREAM) as listener, socket.socket() as filler:
            listener.listen(0)
            filler.connect((ADDRESS, 25))  # from now on, connections hang
            found["hanging"] = run(None, BOB, timeoutconnect="1\n")
    if "timeoutremote" in ADAPTERS[name].control:
        with bound_socket(ADDRESS, 25, socket.SOCK_STREAM) as listener:
            listener.listen()  # connections are made, but the server is silent
            found["silent"] = run(None, BOB, timeoutremote="1\n")
    return found


def expected_letters(name: str) -> dict[str, str]:
    """The reports of each delivery."""
    everybody = {
        "accepted": "rK", "two": "rrK", "raw": "rK", "helo": "rK", "tls": "rK",
        "554": "D", "451": "Z", "421": "Z", "refused": "Z", "cut": "Z", "mute": "Z", "gone": "rK",
    }  # fmt: skip
    none = name in ALL_OR_NONE
    everybody |= {"550": "D", "450": "Z"} if name in SILENT_ABOUT_RCPT else {"550": "hD", "450": "sZ"}
    everybody |= {"one of two 550": "D" if none else "hrK", "one of two 450": "Z" if none else "rsK"}
    timed = {"silent": "timeoutremote", "hanging": "timeoutconnect"}
    return everybody | {what: "Z" for what, file in timed.items() if file in ADAPTERS[name].control}


def flaws(name: str, found: dict[str, Delivery]) -> Iterator[str]:
    """The faults of a client's deliveries."""
    for what, delivery in found.items():
        # The server counts a message that it refuses as accepted when it then says 221; and nobody gets a lone dot.
        took = [session for session in delivery.sessions if session.accepted and session.message != b".\r\n"]
        took = took if what not in ("554", "451") else []
        if what == "tls":
            wanted = f"MAIL {'in the clear' if name in WITHOUT_TLS else 'within TLS'}"
            yield from () if delivery.said == (wanted,) else (f"not {wanted}: {delivery}",)
        elif bool(took) != delivery.letters.endswith("K"):
            yield f"{what}: reported is not what the server saw: {delivery}"
        if name not in ASKS_FOR_PTR and delivery.foreign:
            yield f"{what}: asked for {delivery.foreign}"
        for session in took:
            message = RAW if what == "raw" else MESSAGE
            head, blank, body = dot_stuffed(message).partition(b"\r\n\r\n")
            if not session.message.endswith(blank + body) or head not in session.message.split(blank)[0]:
                yield f"{what}: another message came: {session}"
            if session.commands[-1] != "QUIT":
                yield f"{what}: no QUIT: {session}"
            if session.commands[0] != f"EHLO {'other' if what == 'helo' else 'client'}.example":
                yield f"{what}: another name: {session}"


@pytest.mark.slow
@pytest.mark.parametrize("name", ADAPTERS)
def test_deliveries(name: str) -> None:
    """What is reported is what the server saw; the message, the name and the last words are what they have to be."""
    if missing := adapter_named(name).missing():
        pytest.skip(missing)
    found = sandbox.run(all_deliveries, name, timeout=10 * PATIENCE, all_users=bool(ADAPTERS[name].users))
    assert {what: delivery.letters for what, delivery in found.items()} == expected_letters(name), found
    assert not list(flaws(name, found))
    for what in {"silent", "hanging"} & found.keys():
        assert 1.0 <= found[what].seconds < PATIENCE / 2
    for what, reply in (("one of two 550", NO_USER), ("554", "554 5.7.1 no")):
        assert reply.encode() in found[what].stdout


def left_behind(name: str) -> list[str]:
    """The mounts, files and processes of a sandbox that a delivery leaves there."""
    def present() -> set[str]:
        processes = {path.read_text() for path in Path("/proc").glob("[0-9]*/cmdline")}
        return {*Path("/proc/self/mounts").read_text().splitlines(), *processes}

    before = present()
    assert deliver(name, Peer(), BOB).letters == "rK"
    return sorted(present() - before)


@pytest.mark.parametrize("name", ADAPTERS)
def test_nothing_is_left(name: str) -> None:
    """No process goes on, and no mount stays, after the reports."""
    if missing := adapter_named(name).missing():
        pytest.skip(missing)
    assert sandbox.run(left_behind, name, all_users=bool(ADAPTERS[name].users)) == []


def test_outside_of_a_sandbox_nothing_is_sent() -> None:
    """Outside of a sandbox, the addresses of the tests are somebody else's, and the mail is deferred."""
    command = [sys.executable, "-m", "mocksrv.adapters", "curl", "[192.0.2.25]", SENDER, BOB]
    done = subprocess.run(command, input=MESSAGE, capture_output=True, check=False)
    assert (done.returncode, done.stdout) == (0, b"Zcurl: not in a sandbox: mail could leave this machine\n\0")


K, Z, D = Fate("K", "taken"), Fate("Z", "later"), Fate("D", "never")
S, H = Fate("Z", "full", alone=True), Fate("D", "unknown", alone=True)


@pytest.mark.parametrize(
    ("fates", "octets"),
    [
        ([K], "r\0Ktaken\n\0"),
        ([K, H, S, K], "r\0hunknown\n\0sfull\n\0r\0Ktaken\n\0"),
        # Another server may have taken the mail for one of them.
        ([D, K, Z], "hnever\n\0r\0slater\n\0Ktaken\n\0"),
        ([D, D], "Dnever\n\0"),
        ([D, Z], "Zlater\n\0"),
        ([H, H], "hunknown\n\0hunknown\n\0Dunknown\n\0"),
        ([H, S], "hunknown\n\0sfull\n\0Zfull\n\0"),
        ([S, D], "sfull\n\0r\0Dnever\n\0"),
        ([Fate("D", "two\r\n\nlines\0")], "Dtwo\nlines \n\0"),
        ([Fate("Z", "")], "Znothing was said\n\0"),
    ],
)
def test_reports_follow_from_fates(fates: list[Fate], octets: str) -> None:
    """It is reported who got the mail and who did not; a failure of nobody in particular is about the message."""
    assert Reports.of(fates).octets() == octets.encode()


@pytest.mark.parametrize(
    ("address", "written"),
    [
        ("", ""),
        ("bob@example.org", "bob@example.org"),
        ("a.b+c@[192.0.2.25]", "a.b+c@[192.0.2.25]"),
        ("bob@[2001:db8::25]", "bob@[IPv6:2001:db8::25]"),
        ("bob@[IPv6:2001:db8::25]", "bob@[IPv6:2001:db8::25]"),
        ("b\u00fccher@example.org", "b\u00fccher@example.org"),
        ("a b@example.org", '"a b"@example.org'),
        (".a@example.org", '".a"@example.org'),
        ('q"\\@x@example.org', '"q\\"\\\\@x"@example.org'),
        ("@example.org", '""@example.org'),
        ("postmaster", "postmaster"),
    ],
)
def test_addresses_are_quoted(address: str, written: str) -> None:
    """qmail's form becomes RFC 5321's."""
    assert quoted(address) == written


TWINS = ("bob@example.org", "BOB@example.org")


def test_mailboxes_that_differ_in_capitals_only() -> None:
    """Each recipient has its own fate; the client's log may differ in case."""
    line = "2026-11-24 20:00:00 1abc-00-1 {} {}@example.org R=dns T=smtp{}\n"
    log = line.format("=>", "bob", ' C="250 ok"') + line.format("**", "BOB", ": 550 no")
    assert [exim._fate(log, one) for one in TWINS] == [
        Fate("K", 'R=dns T=smtp C="250 ok"'), Fate("D", "R=dns T=smtp: 550 no")
    ]  # fmt: skip
    assert exim._fate(log, "Bob@example.org") == Fate("K", 'R=dns T=smtp C="250 ok"')
    line = '1 mta delivery evpid=2 from=<a@b> to=<{}@example.org> rcpt=<-> result="{}" stat="{}"\n'
    log = line.format("bob", "Ok", "250 ok") + line.format("BOB", "PermFail", "550 no")
    assert opensmtpd._fates(log, TWINS) == [Fate("K", "250 ok"), Fate("D", "550 no")]
    log = line.format("bob", "Ok", "250 ok") + line.format("carol", "Ok", "250 yes")
    assert opensmtpd._fates(log, ("Bob@example.org", "carol@example.org")) == [Fate("K", "250 ok"), Fate("K", "250 yes")]


def test_addresses_in_opensmtpds_log_are_as_smtp_writes_them() -> None:
    log = '1 mta delivery evpid=2 from=<a@b> to=<bob@[IPv6:2001:db8::25]> rcpt=<-> result="Ok" stat="250 ok"\n'
    assert opensmtpd._fates(log, ("bob@[2001:db8::25]",)) == [Fate("K", "250 ok")]
