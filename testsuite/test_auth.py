# SPDX-License-Identifier: ISC
"""AUTH with servers that nobody here wrote: aiosmtpd, and a Postfix with the mechanisms of Cyrus SASL; what loads libgsasl."""

import base64
import socket
import subprocess
import threading
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from random import Random

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import MISSING, SMTP, AuthResult, LoginPassword

from mocksrv.world import sandbox
from mocksrv.world.nameserver import DnsServer, bound_socket
from testsuite import modules, mtas
from testsuite.mtas import DOMAIN, Offers, Postfix
from testsuite.peer import ADDRESS, MESSAGE, PATIENCE, RECIPIENT, SENDER, Outcome, furnish, qremote
from testsuite.test_aiosmtpd import ZONE, Handler
from testsuite.test_tls import RECIPES, context

pytestmark = pytest.mark.skipif(sandbox.available() is not None, reason=f"{sandbox.available()}")

USER, PASSWORD = "alice", "correct horse, bättery=staple"
CYRUS = Path(__file__).parent.parent / "build/mtas/cyrus-sasl"
SASL_HOME = sandbox.SCRATCH / "mta/sasl"


def furnish_route(user: str = USER, password: str = PASSWORD, more: str = "") -> None:
    """A route with a password, which nobody else may read."""
    text = f"relay=mx.example.org\nuser={user}\npassword={password}\n{more}"
    home = furnish(sandbox.SCRATCH / "qmail", **{"smtproutes.d/default": text})
    (home / "control/smtproutes.d/default").chmod(0o640)


# aiosmtpd


class Judge:
    """Decides who is authenticated, and remembers how it was asked."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def __call__(self, _server: object, _session: object, _envelope: object, mechanism: str, data: object) -> AuthResult:
        self.asked.append(mechanism)
        assert isinstance(data, LoginPassword)
        return AuthResult(success=(data.login, data.password) == (USER.encode(), PASSWORD.encode()), handled=False)


def authenticated(password: str, excluded: Sequence[str]) -> tuple[Outcome, list[str], int]:
    """One delivery to an aiosmtpd that demands AUTH; how it was asked, and how many messages it took."""
    judge, handler = Judge(), Handler()
    controller = Controller(
        handler, ADDRESS, 25, tls_context=context("mx"), authenticator=judge, auth_required=True,
        auth_exclude_mechanism=excluded,
    )  # fmt: skip
    controller.start()
    furnish_route(password=password)
    try:
        with DnsServer(ZONE) as server:
            server.start()
            return qremote("example.net", SENDER, RECIPIENT), judge.asked, len(handler.envelopes)
    finally:
        controller.stop()


@pytest.mark.spec("AUT-1", "AUT-3", "AUT-4")
@pytest.mark.parametrize(("excluded", "mechanism"), [([], "PLAIN"), (["LOGIN"], "PLAIN"), (["PLAIN"], "LOGIN")])
def test_aiosmtpd_takes_the_mail_of_its_user(excluded: list[str], mechanism: str) -> None:
    """And asks for nothing else than the password."""
    outcome, asked, taken = sandbox.run(authenticated, PASSWORD, excluded)
    assert (outcome.letters, asked, taken) == ("rK", [mechanism], 1), outcome


@pytest.mark.spec("AUT-6", "AUT-7")
@pytest.mark.parametrize("excluded", [["LOGIN"], ["PLAIN"]])
def test_aiosmtpd_refuses_a_wrong_password(excluded: list[str]) -> None:
    """The report says so, and does not show it."""
    outcome, _, taken = sandbox.run(authenticated, "a wrong one", excluded)
    assert (outcome.letters, taken) == ("Z", 0)
    assert " refused AUTH " in outcome.report and "(#4.7.8)" in outcome.report and "wrong" not in outcome.report


def with_mode(mode: int) -> Outcome:
    """A delivery with a password in a file of this mode; nobody listens."""
    furnish_route()
    (sandbox.SCRATCH / "qmail/control/smtproutes.d/default").chmod(mode)
    with DnsServer(ZONE) as server:
        server.start()
        return qremote("example.net", SENDER, RECIPIENT)


@pytest.mark.spec("AUT-1")
@pytest.mark.parametrize(("mode", "kept"), [(0o400, True), (0o670, True), (0o604, False), (0o602, False), (0o601, False)], ids=oct)
def test_a_file_that_others_may_use(mode: int, kept: bool) -> None:
    """Whoever may write to it can send our mail elsewhere; the group is qmail."""
    outcome = sandbox.run(with_mode, mode)
    assert outcome.letters == "Z" and ("its mode does not keep others out" in outcome.report) != kept, outcome


class Liar(Handler):
    """Says SCRAM-SHA-256 as far as anybody can who does not know the password, and then accepts what came."""

    def __init__(self, signature: bytes | None, iterations: int) -> None:
        super().__init__()
        self._signature = signature  # the server's last word; None: there is none
        self._iterations = iterations

    async def auth_SCRAM__SHA__256(self, server: SMTP, arguments: list[str]) -> AuthResult:  # noqa: N802
        """The exchange, as aiosmtpd calls it."""
        nonce = base64.b64decode(arguments[1]).partition(b"r=")[2]
        await server.challenge_auth(b"r=" + nonce + b"more,s=c2FsdA==,i=%d" % self._iterations)
        if self._signature is not None:
            answer = await server.challenge_auth(self._signature)
            return AuthResult(success=answer is not MISSING, handled=answer is MISSING)
        return AuthResult(success=True, handled=False)


def deceived(signature: bytes | None, iterations: int) -> tuple[Outcome, bool, int]:
    """One delivery to a liar, whether the client broke off, and how many messages it got."""
    handler, trace = Liar(signature, iterations), sandbox.SCRATCH / "trace"
    controller = Controller(handler, ADDRESS, 25, tls_context=context("mx"), authenticator=Judge())
    controller.start()
    furnish_route()
    try:
        with DnsServer(ZONE) as server:
            server.start()
            outcome = qremote("example.net", SENDER, RECIPIENT, variables={"QREMOTE_TRACE": str(trace)})
    finally:
        controller.stop()
    return outcome, " C *\n" in trace.read_text(), len(handler.envelopes)


@pytest.mark.spec("AUT-5")
@pytest.mark.parametrize(
    ("signature", "iterations", "why"),
    [
        (b"v=" + base64.b64encode(bytes(32)), 4096, "it did not prove that it knows the password"),
        (b"v=" + base64.b64encode(bytes(32)), 1_000_000, "it did not prove that it knows the password"),
        (b"v=" + base64.b64encode(bytes(20)), 4096, "it did not prove that it knows the password"),
        (None, 4096, "it accepted AUTH before that was finished"),
    ],
)
def test_a_server_that_does_not_know_the_password(signature: bytes | None, iterations: int, why: str) -> None:
    """It could be anybody: with SCRAM it learns nothing of the password, and gets no mail.

    As many iterations as it may ask for are no reason to give up.
    """
    outcome, broken_off, taken = sandbox.run(deceived, signature, iterations)
    assert (outcome.letters, broken_off, taken) == ("Z", signature is not None, 0)
    assert f"cannot be trusted: {why}. (#4.7.5)" in outcome.report


# Servers that say anything


def anything(random: Random, first: bytes) -> bytes:
    """A challenge, more or less like one of SCRAM."""
    nonce = base64.b64decode(first + b"==").partition(b"r=")[2] if len(first) > 20 and random.random() < 0.8 else b"x"
    parts = [
        b"r=" + nonce + random.choice([b"more", b"", b"\0", b"=2C"]),
        b"s=" + random.choice([b"c2FsdA==", b"", b"!", base64.b64encode(bytes(random.randrange(2000)))]),
        b"i=" + random.choice([b"1", b"4096", b"0", b"-1", b"1000001", b"9" * 40, b"", b"x"]),
        random.choice([b"", b"m=x", b"x=y", b"v=AAAA", b"e=other-error"]),
    ]
    if random.random() < 0.2:
        random.shuffle(parts)
    octets = b",".join(part for part in parts if random.random() < 0.95)
    text = base64.b64encode(octets if random.random() < 0.9 else random.randbytes(random.randrange(50)))
    return text if random.random() < 0.9 else text[: random.randrange(len(text) + 1)] + random.choice([b"=", b"\xff", b" ", b"\0"])


def talk(connection: socket.socket, random: Random) -> None:
    """One session with somebody who answers anything to AUTH, and refuses MAIL."""
    mechanism = random.choice([b"SCRAM-SHA-256", b"SCRAM-SHA-1", b"PLAIN", b"LOGIN"])
    with connection, connection.makefile("rb") as lines, suppress(ConnectionError):
        connection.sendall(b"220 mx.example.org\r\n")
        for line in lines:
            words = line.split()
            if line.startswith(b"EHLO"):
                reply = b"250-mx.example.org\r\n250 AUTH " + mechanism
            elif line.startswith((b"MAIL", b"QUIT", b"*")):
                reply = b"501 5.7.0 " + line.strip()
            elif random.random() < 0.15:
                reply = random.choice([b"235", b"235 2.7.0 ok", b"535 5.7.8 " + line.strip(), b"334-x\r\n334 x", b"3", b"334"])
            else:
                reply = b"334 " + anything(random, words[-1] if words else b"")
            connection.sendall(reply + b"\r\n")
            if reply == b"3":
                return


def deliver_to_anybody(count: int) -> list[Outcome]:
    """Deliveries to such servers."""
    outcomes = []
    furnish_route(more="tls=off\n")
    with bound_socket(ADDRESS, 25, socket.SOCK_STREAM) as listener, DnsServer(ZONE) as server:
        server.start()
        listener.listen()

        def serve() -> None:
            for seed in range(count):
                talk(listener.accept()[0], Random(seed))

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        for _ in range(count):
            outcomes.append(qremote("example.org", SENDER, RECIPIENT, variables={"QREMOTE_TRACE": str(sandbox.SCRATCH / "trace")}))
        thread.join(PATIENCE)
    trace = (sandbox.SCRATCH / "trace").read_text()
    assert PASSWORD not in trace and base64.b64encode(PASSWORD.encode()).decode() not in trace
    return outcomes


@pytest.mark.spec("AUT-4", "AUT-5", "AUT-7")
def test_servers_that_say_anything() -> None:
    """None of them gets a crash, the password in a report, or a mail by SCRAM."""
    outcomes = sandbox.run(deliver_to_anybody, 200)
    plain = base64.b64encode(f"\0{USER}\0{PASSWORD}".encode()).decode()
    for outcome in outcomes:
        assert outcome.letters in ("Z", "D"), outcome  # MAIL was refused, or not said
        assert not any(secret in outcome.report for secret in (PASSWORD, plain, plain[4:-4])), outcome
    assert {"Z", "D"} == {outcome.letters for outcome in outcomes}


# Postfix with Cyrus SASL


class AuthPostfix(Postfix):
    """A Postfix that takes mail only from its user; `mechanisms` are those that it offers."""

    def __init__(self, mechanisms: str) -> None:
        super().__init__([RECIPIENT.partition("@")[0]], Offers(), RECIPES.pem("mx.key mx.chain"))
        (plugins,) = {path.parent for path in CYRUS.rglob("libscram.so")}
        self._environment["SASL_PATH"] = str(plugins)
        self._mechanisms = mechanisms

    def _tls(self) -> str:
        SASL_HOME.mkdir()
        settings = f"pwcheck_method: auxprop\nauxprop_plugin: sasldb\nsasldb_path: {SASL_HOME}/db\n"
        (SASL_HOME / "smtpd.conf").write_text(f"{settings}mech_list: {self._mechanisms}\n")
        add = [CYRUS / "usr/sbin/saslpasswd2", "-c", "-p", "-f", SASL_HOME / "db", "-u", DOMAIN, USER]
        subprocess.run(add, input=PASSWORD, text=True, check=True, env=self._environment, capture_output=True)
        (SASL_HOME / "db").chmod(0o644)
        return f"""\
{super()._tls()}smtpd_sasl_auth_enable = yes
smtpd_sasl_local_domain = {DOMAIN}
cyrus_sasl_config_path = {SASL_HOME}
smtpd_tls_auth_only = yes
smtpd_recipient_restrictions = permit_sasl_authenticated, reject
"""


def posted(mechanisms: str, password: str) -> tuple[Outcome, list[bytes], str]:
    """One delivery to such a Postfix, what it stored, and the trace."""
    trace = sandbox.SCRATCH / "trace"
    with AuthPostfix(mechanisms) as postfix, DnsServer(ZONE) as server:
        server.start()
        furnish_route(password=password)
        outcome = qremote("example.net", SENDER, RECIPIENT, variables={"QREMOTE_TRACE": str(trace)})
        postfix.settle()
        return outcome, postfix.stored(RECIPIENT.partition("@")[0]), trace.read_text()


needs_postfix = pytest.mark.skipif(
    bool(mtas.missing()) or not CYRUS.is_dir(), reason=mtas.missing() or f"no {CYRUS} (ci/fetch-mtas makes it)"
)


@needs_postfix
@pytest.mark.spec("AUT-1", "AUT-3", "AUT-4", "AUT-5", "AUT-7")
@pytest.mark.parametrize(
    ("mechanisms", "used"),
    [
        ("LOGIN PLAIN SCRAM-SHA-1 SCRAM-SHA-256", "SCRAM-SHA-256"),
        ("LOGIN PLAIN SCRAM-SHA-1", "SCRAM-SHA-1"),
        ("LOGIN PLAIN", "PLAIN"),
        ("LOGIN", "LOGIN"),
    ],
)
def test_postfix_takes_the_mail_of_its_user(mechanisms: str, used: str) -> None:
    """By the best mechanism; the trace names it, and shows nothing that was said by it."""
    outcome, stored, trace = sandbox.run(posted, mechanisms, PASSWORD, all_users=True)
    assert outcome.letters == "rK", outcome
    assert len(stored) == 1 and stored[0].endswith(MESSAGE)
    said = [line.split(" ", 3)[2:] for line in trace.splitlines() if " C " in line or " S " in line]
    begin = next(number for number, (who, text) in enumerate(said) if (who, text[:5]) == ("C", "AUTH "))
    end = next(number for number, (who, text) in enumerate(said) if (who, text[:4]) == ("S", "235 "))
    assert said[begin][1] == f"AUTH {used}{'' if used == 'LOGIN' else ' ...'}"
    assert {text for _, text in said[begin + 1 : end]} <= {"...", "334 ...", ""}


@needs_postfix
@pytest.mark.spec("AUT-6")
@pytest.mark.parametrize("mechanism", ["SCRAM-SHA-256", "SCRAM-SHA-1", "PLAIN", "LOGIN"])
def test_postfix_refuses_a_wrong_password(mechanism: str) -> None:
    """For now: the administrator may put it right."""
    outcome, stored, _ = sandbox.run(posted, mechanism, "a wrong one", all_users=True)
    assert (outcome.letters, stored) == ("Z", [])
    assert f" refused AUTH {mechanism}. (#4.7.8)" in outcome.report


# What is loaded when


def opened(user: str) -> tuple[str, str]:
    """The letters of a delivery with or without a user, and the files that Qremote opened."""
    log = sandbox.SCRATCH / "opened"
    judge = Judge()
    controller = Controller(Handler(), ADDRESS, 25, tls_context=context("mx"), authenticator=judge)
    controller.start()
    if user:
        furnish_route(user)
    try:
        with DnsServer(ZONE) as server:
            server.start()
            wrapper = ("strace", "-f", "-e", "trace=openat,open", "-o", str(log))
            outcome = qremote("example.org", SENDER, RECIPIENT, wrapper=wrapper)
    finally:
        controller.stop()
    return outcome.letters, log.read_text()


@pytest.mark.spec("AUT-8")
def test_who_has_no_password_does_not_load_it() -> None:
    """Even if the server offers AUTH."""
    letters, files = sandbox.run(opened, "")
    assert letters == "rK" and "sasl" not in files
    letters, files = sandbox.run(opened, USER)
    assert letters == "rK" and "libgsasl" in files


def with_module(state: str) -> Outcome:
    modules.alone(dns="beside", tls="beside", sasl=state)
    controller = Controller(Handler(), ADDRESS, 25, tls_context=context("mx"), authenticator=Judge())
    controller.start()
    furnish_route()
    try:
        with DnsServer(ZONE) as server:
            server.start()
            return qremote("example.org", SENDER, RECIPIENT)
    finally:
        controller.stop()


@pytest.mark.spec("AUT-8")
@pytest.mark.parametrize("state", modules.STATES)
def test_the_module(state: str) -> None:
    """Without it nothing is sent to a server that wants a password."""
    modules.judge(sandbox.run(with_module, state), "SASL", state)
