# SPDX-License-Identifier: ISC
"""What a hostile message, server, name server or file costs: no memory that grows, and work that does not run away.

Memory is what RLIMIT_DATA counts: all that is private and can be written to, hence not the mapped message. The limit is
exact and needs no rights; a run that wants more ends with another report. Work is instructions, which valgrind counts in
the program and its libraries. `pytest -rP` shows the figures.
"""

import functools
import re
import resource
import socket
import ssl
import tempfile
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import BinaryIO, TypeVar

import pytest

from mocksrv.world import sandbox
from mocksrv.world.nameserver import DnsServer
from testsuite.peer import ADDRESS, HOST, MESSAGE, RECIPIENT, SENDER, Outcome, furnish, qremote, serving
from testsuite.test_recoding import CTE, MIXED, RFC822, nested
from testsuite.test_tls import NAME, RECIPES, context

pytestmark = pytest.mark.skipif(sandbox.available() is not None, reason=f"{sandbox.available()}")

_T = TypeVar("_T")
CERTIFICATE = RECIPES.pem("ca")
PAGE, MEGABYTE = 4096, 1 << 20
STACK = 1 << 18  # octets, with the arguments
RATIO = 2.2  # of the instructions, for twice as much
DIALOGUE = {"": b"220 mx.example.org ESMTP\r\n", "EHLO": b"250 HELP\r\n", "DATA": b"354 go\r\n"}
COUNTER = ("valgrind", "--tool=cachegrind", "--cache-sim=no", "--cachegrind-out-file=/dev/null")


@dataclass(frozen=True)
class Load:
    """What a run of Qremote has to deal with."""

    message: bytes = MESSAGE
    replies: Mapping[str, bytes] = field(default_factory=dict)  # by verb; "": the greeting, ".": the last
    endless: Mapping[str, bytes] = field(default_factory=dict)  # what follows the reply again and again
    arguments: tuple[str, ...] = (HOST, SENDER, RECIPIENT)
    zone: str = ""
    control: Mapping[str, str] = field(default_factory=dict)
    tls: bool = False
    chain: int = 0  # certificates that the server sends in vain
    held: int = 0  # octets of memory that it may take beyond a plain delivery: the content of files, reports

    def run(self, data: int = resource.RLIM_INFINITY, wrapper: tuple[str, ...] = ()) -> Outcome:
        """Runs Qremote with so much memory."""

        def limit() -> None:
            resource.setrlimit(resource.RLIMIT_DATA, (data, data))
            resource.setrlimit(resource.RLIMIT_STACK, (STACK, STACK))

        where = {"TMPDIR": str(sandbox.SCRATCH)}  # for valgrind
        return qremote(*self.arguments, message=self.message, variables=where, before=limit, wrapper=wrapper)

    def say(self, connection: socket.socket, verb: str) -> None:
        """Replies to a verb."""
        offer = b"250-mx.example.org\r\n250-STARTTLS\r\n" if self.tls and verb == "EHLO" else b""
        connection.sendall(offer + self.replies.get(verb, DIALOGUE.get(verb, b"250 ok\r\n")))
        while verb in self.endless:
            connection.sendall(self.endless[verb])

    def serve(self, connection: socket.socket, stream: BinaryIO) -> None:
        """Takes all mail, and keeps none."""
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.say(connection, "")
        self.converse(connection, stream)

    def converse(self, connection: socket.socket, stream: BinaryIO) -> None:
        """All that follows the greeting."""
        for line in stream:
            verb = line[:4].decode().strip()
            if verb == "STAR":
                connection.sendall(b"220 go\r\n")
                with secrets(self.chain).wrap_socket(connection, server_side=True) as secure, secure.makefile("rb") as inner:
                    return self.converse(secure, inner)
            self.say(connection, verb)
            if verb == "DATA":
                tail = b"\r\n"
                while not tail.endswith(b"\r\n.\r\n"):
                    tail = tail[-5:] + stream.read1(MEGABYTE)  # type: ignore[attr-defined]
                self.say(connection, ".")


def secrets(count: int) -> ssl.SSLContext:
    """Those of a server with so many superfluous certificates."""

    def change(made: ssl.SSLContext) -> None:
        with tempfile.NamedTemporaryFile() as file:
            file.write(RECIPES.pem("mx.chain") + CERTIFICATE * count + RECIPES.pem("mx.key"))
            file.flush()
            made.load_cert_chain(file.name)

    return context("mx", change)


def instructions(load: Load) -> int:
    """How many a run takes."""
    log = sandbox.SCRATCH / "log"
    assert load.run(wrapper=(*COUNTER, f"--log-file={log}")).report
    found = re.search(r"I +refs: +([\d,]+)", log.read_text())
    assert found
    return int(found[1].replace(",", ""))


def memory(load: Load) -> int:
    """The least memory, in octets, with which the reports are those of a run without limit."""
    wanted, least, most = load.run(), 0, 64 * MEGABYTE // PAGE
    while most - least > 1:
        middle = (least + most) // 2
        least, most = (least, middle) if load.run(middle * PAGE) == wanted else (middle, most)
    return most * PAGE


def keeps_within(load: Load, limit: int) -> bool:
    """Whether so much memory makes no difference."""
    return load.run(limit) == load.run()


def in_its_world(function: Callable[..., _T], load: Load, *arguments: object) -> _T:
    """The value of the function, in a sandbox with the servers and files of a load."""

    def inside() -> _T:
        furnish(sandbox.SCRATCH / "qmail", **load.control)
        with ExitStack() as stack:
            stack.enter_context(serving(load.serve))
            stack.enter_context(DnsServer(load.zone)).start()
            return function(load, *arguments)

    return sandbox.run(inside)


@functools.cache
def plain_memory(tls: bool) -> int:
    """What a plain delivery takes. Keys are random numbers of random length, so with TLS there are a few pages more."""
    return in_its_world(memory, Load(tls=tls)) + 16 * PAGE * tls


DIGEST = b"Content-Type: multipart/digest; boundary=b\n"
PART = b"--b\n"
# Each begins like the one around it, and is nearly as long as a line may be.
LONG_NEST = b"".join(
    MIXED.replace(b"=b", b"*0=" + b"b" * 900 + b";\n boundary*1=" + b"b" * more) + b"\n--" + b"b" * (900 + more) + b"\n"
    for more in range(87, 95)
)


def numbered(line: bytes, count: int) -> bytes:
    """The line with each number in the place of %d."""
    return b"".join(line % number for number in range(count))


def inner(number: int) -> bytes:
    """The beginning of a multipart with a boundary of its own, and its first delimiter."""
    return MIXED.replace(b"=b", b"=b%d" % number) + b"\n--b%d\n" % number


# Messages that become twice as large with twice the number. Their servers offer nothing.
MESSAGES: dict[str, tuple[int, Callable[[int], bytes]]] = {
    "lines": (25_000, lambda n: b"\n" + b"\xe9\n" * n),
    "lines that end with CR": (25_000, lambda n: b"\n" + b"\xe9\r" * n),
    "CRs": (50_000, lambda n: b"\n\xe9" + b"\r" * n),
    "CRs before LFs": (25_000, lambda n: b"\n\xe9" + b"\r\r\n" * n),
    "LFs, and a CR at the end": (50_000, lambda n: b"\n\xe9" + b"\n" * n + b"\r"),
    "dots": (25_000, lambda n: b"\n" + b".\n" * n),
    "NULs": (50_000, lambda n: b"\n" + b"\0" * n),
    "empty parts": (12_500, lambda n: MIXED + b"\n" + PART * n + b"\n\xe9\n"),
    "tiny parts": (2_500, lambda n: MIXED + b"\n" + (PART + b"\n\xe9\n") * n),
    "messages in a digest": (5_000, lambda n: DIGEST + b"\n" + (PART + b"\nX: y\n\n\xe9\n") * n),
    "multiparts without end": (5_000, lambda n: MIXED + b"\n" + (PART + MIXED + b"\n") * n + PART + b"\n\xe9"),
    "multiparts in one another": (5_000, lambda n: b"".join(map(inner, range(n))) + b"\n\xe9\n"),
    "messages in one another": (5_000, lambda n: (RFC822 + b"\n") * n + b"\n\xe9\n"),
    "binary messages": (3_000, lambda n: MIXED + b"\n" + (PART + RFC822 + CTE + b"binary\n\n\n\xe9\n") * n),
    "a hundred levels": (25_000, lambda n: nested("pm" * 50, b"\xe9 \n" * n, CTE + b"binary\n")),
    "a hundred levels of legal text": (
        180_000, lambda n: nested("pm" * 50, (b"e" * 69 + b"\n") * n + b"\xe9", CTE + b"binary\n")
    ),
    "what looks like delimiters": (12_500, lambda n: MIXED + b"\n--b\n\n\xe9\n" + b"--bb\n--\n" * n),
    "what looks like long delimiters": (500, lambda n: LONG_NEST + b"\n\xe9\n" + (b"--" + b"b" * 986 + b"\n") * n),
    "delimiters with white space": (500, lambda n: MIXED + b"\n--b\n\n\xe9\n" + (b"--b" + b" " * 900 + b"x\n") * n),
    "text outside of parts": (50_000, lambda n: MIXED + b"\n" + b"\xe9" * n + b" " * n + b"\n--b\n"),
    "one line": (500_000, lambda n: b"\n" + b"x" * n),
    "one line of 8-bit octets": (50_000, lambda n: b"\n" + b"\xe9" * n),
    "one line of base64": (500_000, lambda n: CTE + b"base64\n\n" + b"A" * n),
    "one line that is no base64": (500_000, lambda n: CTE + b"base64\n\n" + b"A" * n + b"\xe9"),
    "equals signs": (25_000, lambda n: CTE + b"quoted-printable\n\n" + b"= " * n + b" " * n + b"x"),
    "white space at the end": (25_000, lambda n: CTE + b"quoted-printable\n\n" + b"x " * n + b" " * n + b"\nx"),
    "header fields": (50_000, lambda n: b"X: y\n" * n + b"\n\xe9"),
    "types and encodings": (10_000, lambda n: (MIXED + CTE + b"8bit\n") * n + b"\n--b\n\n\xe9\n"),
    "8-bit header fields": (5_000, lambda n: "Subject: ü\n".encode() * n + b"\nx"),
    "lines of a mailbox": (12_500, lambda n: b"From x\n" * n + b"\n\xe9"),
    "one header field": (12_500_000 // 2, lambda n: b"X:" + b" y" * n + b"\n\n\xe9"),
    "one header field without white space": (500_000, lambda n: b"X: " + b"y" * n + b"\n\n\xe9"),
    "one header field, folded": (12_500, lambda n: b"X: y\n" + b" z\n" * n + b"\n\xe9"),
    "folds of nothing": (25_000, lambda n: b"X: y\n" + b" \n" * n + b"\n\xe9"),
    "8-bit words": (12_500, lambda n: b"Subject:" + " ü".encode() * n + b" x\n\n"),
    "one 8-bit word": (50_000, lambda n: b"Subject: " + b"\xe9" * n + b" x\n\n"),
    "words and white space": (50_000, lambda n: b"X:" + (" ü".encode() + b" " * n) * 2 + b"\n\n"),
    "encoded-words": (5_000, lambda n: b"Subject:" + b" =?utf-8?q?=C3=A9?= \xe9" * n + b" x\n\n"),
    "half an encoded-word": (12_500, lambda n: b"Subject: \xe9" + b" =?utf-8?q?" * n + b" x\n\n"),
    "addresses": (2_500, lambda n: b"To: a@b" + ", Jö <a@b>".encode() * n + b"\n\n"),
    "comments": (5_000, lambda n: b"To: a@b" + " (ö)".encode() * n + b"\n\n"),
    "comments in one another": (5_000, lambda n: b"To: a@b " + "( ö".encode() * n + b"\n\n"),
    "parentheses without end": (5_000, lambda n: b"To: " + "ü ( a, ".encode() * n + b"x\n\n"),
    "quotes without end": (5_000, lambda n: b"To: " + 'ü " a, '.encode() * n + b"x\n\n"),
    "groups": (2_500, lambda n: b"To: " + "ö: a @ b; ".encode() * n + b"\n\n"),
    "groups in one another": (2_500, lambda n: b"To: " + "ö: ".encode() * n + b"a:\n\n"),
    "half a group": (12_500, lambda n: b"To: x@" + b": a@" * n + ", ö: ".encode() + b"\n\n"),
    "an open comment": (12_500, lambda n: b"Content-Type: " + b"(\n " * n + b"\n\n\xe9"),
    "parameters": (5_000, lambda n: MIXED.replace(b";", b";\n a=b" * n + b";") + b"\n--b\n\n\xe9"),
    "continuations of a boundary": (
        10_000, lambda n: MIXED.replace(b" boundary=b", numbered(b"\n boundary*%d=b;", n)) + b"\n--b\n\n\xe9"
    ),
    "continuations of a boundary in reverse": (
        10_000,
        lambda n: MIXED.replace(b" boundary=b", numbered(b"\n boundary*%d*=%%62;", n).replace(b"*", b"*1", n // 2))
        + b"\n--b\n\n\xe9",
    ),
}  # fmt: skip

# These are only surveyed: they cannot be made legal.
REFUSED = {
    "multiparts in one another", "messages in one another", "one header field without white space",
    "continuations of a boundary", "continuations of a boundary in reverse",
}  # fmt: skip


def recipients(count: int) -> tuple[str, ...]:
    """The arguments of a delivery to so many."""
    return HOST, SENDER, *(f"bob{number}@example.org" for number in range(count))


def looked_up(line: str, count: int, host: str = "example.org", **more: object) -> Load:
    """A delivery to a host with so many of these lines in the DNS."""
    zone = "".join(line.format(number, number + 1, number // 250, number % 250) for number in range(count))
    return Load(zone=zone, arguments=(host, SENDER, RECIPIENT), held=2 * MEGABYTE, **more)  # type: ignore[arg-type]


def with_file(name: str, content: str, times: int = 2, **more: object) -> Load:
    """A delivery with a large control file, which is read into memory, and may take so many times its size."""
    return Load(control={name: content}, held=times * len(content) + MEGABYTE, **more)  # type: ignore[arg-type]


LONG_REPLY = (b"550-" + b"x" * 500 + b"\r\n") * 20 + b"550 x\r\n"
# A server that never stops meets a limit, whatever the number.
OTHERS: dict[str, tuple[int, Callable[[int], Load]]] = {
    "a greeting of many lines": (50_000, lambda n: Load(replies={"": b"220-x\r\n" * n + b"220 x\r\n"})),
    "extensions": (499, lambda n: Load(replies={"EHLO": b"250-SIZE 9\r\n" * n + b"250 x\r\n"})),
    "a reply without end": (1, lambda n: Load(replies={"RCPT": b""}, endless={"RCPT": b"250-x\r\n" * 1000})),
    "a reply without end within TLS": (1, lambda n: Load(replies={"RCPT": b""}, endless={"RCPT": b"250-x\r\n" * 1000}, tls=True)),
    "a line without end": (1, lambda n: Load(replies={"MAIL": b"250 "}, endless={"MAIL": b"x" * 9999})),
    "an extension without end": (1, lambda n: Load(replies={"EHLO": b"250-"}, endless={"EHLO": b"x" * 9999})),
    "NULs without end": (1, lambda n: Load(replies={"": b""}, endless={"": b"\0" * 9999})),
    "empty lines without end": (1, lambda n: Load(replies={"MAIL": b""}, endless={"MAIL": b"\r\n" * 9999})),
    "recipients": (1_000, lambda n: Load(arguments=recipients(n), held=n * 500)),
    "recipients with long replies": (
        200, lambda n: Load(arguments=recipients(n), replies={"RCPT": LONG_REPLY}, held=n * 20_000)
    ),
    # As many as a DNS message of 64 KiB can hold.
    "exchangers": (1_400, lambda n: looked_up("example.org. MX {0} x{0}.example.org.\n", n)),
    "exchangers with addresses": (
        1_400, lambda n: looked_up("example.org. MX {0} x{0}.example.org.\nx{0}.example.org. A 192.0.2.9\n", n)
    ),
    "addresses of one exchanger": (2_000, lambda n: looked_up("example.org. A 10.0.{2}.{3}\n", n)),
    "TLSA records": (
        600, lambda n: with_file(
            "dnsservers", "127.0.0.1\n", arguments=("example.org", SENDER, RECIPIENT), tls=True,
            zone=f"example.org. A {ADDRESS}\nexample.org. ANY ;@ad\n_25._tcp.example.org. ANY ;@ad\n"
            + "".join(f"_25._tcp.example.org. TLSA 3 1 1 {number:064x}\n" for number in range(n)),
        ),
    ),
    "a chain of aliases": (
        1_000, lambda n: looked_up("x{0}.example.org. CNAME x{1}.example.org.\n", n, "x0.example.org")
    ),
    "routes": (
        50_000, lambda n: with_file("smtproutes", "".join(f"x{number}.example:y:25:u:p\n" for number in range(n)))
    ),
    "comments in smtproutes": (50_000, lambda n: with_file("smtproutes", "####\n" * n)),
    "a line of smtproutes": (5 * MEGABYTE, lambda n: with_file("smtproutes", "x" * n)),
    "a name": (5 * MEGABYTE, lambda n: with_file("me", "x" * n)),
    "name servers": (1_000, lambda n: with_file("dnsservers", "127.0.0.1\n" * n, arguments=("x.example", SENDER, RECIPIENT))),
    "cipher suites": (300, lambda n: with_file("tlsclientciphers", "ECDHE-RSA-AES128-GCM-SHA256:AES\n" * n, tls=True)),
    "a chain of certificates": (
        50, lambda n: Load(tls=True, chain=n, arguments=("[192.0.2.25]", SENDER, RECIPIENT), held=n * 20_000)
    ),
    # GnuTLS keeps about 19 KB for each.
    "certificates": (
        100, lambda n: with_file(
            f"tlshosts/{NAME}.pem", CERTIFICATE.decode() * n, 40, tls=True,
            arguments=(NAME, SENDER, RECIPIENT), zone=f"{NAME}. A {ADDRESS}\n",
        ),
    ),
}  # fmt: skip
KINDS = {name: (n, lambda k, make=make: Load(make(k))) for name, (n, make) in MESSAGES.items()} | OTHERS


# `make check` plays every sixth, `make valgrind` the others.
SOME = [pytest.param(name, marks=[pytest.mark.valgrind] if place % 6 else []) for place, name in enumerate(KINDS)]


@pytest.mark.parametrize("name", SOME)
def test_memory_does_not_grow(name: str) -> None:
    """Everything goes as it would with all memory, in that of a plain delivery, and what must be kept.

    To start a process takes some 100 KB more than its heap afterwards, so a message is much larger than that.
    """
    number, make = KINDS[name]
    load = make(2 * number)
    while name in MESSAGES and len(load.message) < 2 * MEGABYTE:
        number *= 2
        load = make(2 * number)
    limit = plain_memory(load.tls) + load.held
    assert in_its_world(keeps_within, load, limit)
    print(f"{name}: within {limit:,} octets, {load.held:,} of them for what must be kept")


def letters(load: Load) -> str:
    """Those of the reports."""
    return load.run().letters


def test_what_is_measured_is_done() -> None:
    """A message that is refused is never sent, and without a handshake no record is compared with a certificate."""
    ends = {name: in_its_world(letters, KINDS[name][1](KINDS[name][0] // 10 or 1)) for name in MESSAGES}
    assert {name for name, end in ends.items() if end != "rK"} == REFUSED
    report = in_its_world(Load.run, KINDS["TLSA records"][1](2)).report
    assert "none that its TLSA records allow" in report


@pytest.mark.valgrind
@pytest.mark.parametrize("name", KINDS)
def test_work_is_linear(name: str) -> None:
    """Twice the octets, hardly more than twice the work."""
    number, make = KINDS[name]
    once, twice = (in_its_world(instructions, make(count)) for count in (number, 2 * number))
    print(f"{name}: {once:,} and {twice:,} instructions, {twice / once:.3f} times as many")
    assert twice <= RATIO * once
