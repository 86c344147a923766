# SPDX-License-Identifier: ISC
"""`mocksrv serve`, as people meet it: its replies, its output, and how it ends."""

import contextlib
import os
import pty
import re
import shutil
import signal
import smtplib
import socket
import ssl
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from mocksrv.__main__ import main
from mocksrv.play.tape import event_lines, read_tapes
from mocksrv.serve import command as serve
from testsuite.mocksrv.serving import COMMAND, ENVIRONMENT, PATIENCE, ROOT, serving, talk

CASES = ROOT / "testsuite/mocksrv/cases"
PIPELINED = CASES / "pipelined.case"
MAIL, BOB, CAROL = b"MAIL FROM:<a@b.example>\r\n", b"RCPT TO:<bob@example.org>\r\n", b"RCPT TO:<carol@example.org>\r\n"
HI = ["Subject: hi", "", "A first line.", ".", ""]
QMAIL = pytest.mark.skipif(not (ROOT / "build/Qremote").exists(), reason="build/Qremote is not there (`make`)")
CURL = pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")


def test_the_example() -> None:
    """One recipient is refused, as the command line says, and everything is printed."""
    options = "--ehlo PIPELINING,SIZE=1000 --rcpt bob@example.org=550"
    with serving(*options.split()) as server:
        with smtplib.SMTP(*server.address, local_hostname="client.example") as client:
            refused = client.sendmail("a@b.example", ["bob@example.org", "carol@example.org"], "\r\n".join(HI))
            assert client.esmtp_features == {"pipelining": "", "size": "1000"}
        assert refused == {"bob@example.org": (550, b"5.1.1 no such mailbox")}
        server.told("message from")
        summary = server.stop()
    told = [line[5:] for line in server.lines if line.startswith("1    ")]
    # smtplib's own letters; since Python 3.13 they are small.
    told = [line.replace("mail from:", "mail FROM:").replace("rcpt to:", "rcpt TO:") for line in told]
    assert told[1:] == [
        "S: 220 mx.example.org ESMTP mocksrv", "C: ehlo client.example",
        "S: 250-mx.example.org", "S: 250-PIPELINING", "S: 250 SIZE 1000",
        "C: mail FROM:<a@b.example> size=33", "S: 250 2.1.0 ok",
        "C: rcpt TO:<bob@example.org>", "S: 550 5.1.1 no such mailbox",
        "C: rcpt TO:<carol@example.org>", "S: 250 2.1.5 ok",
        "C: data", "S: 354 go on, to a line with a dot alone",
        "C: Subject: hi", "C: ", "C: A first line.", "C: ..", "C: .", "S: 250 2.0.0 ok",
        "C: QUIT", "S: 221 2.0.0 bye", "@close", "@hangup",
        "message from <a@b.example> for <carol@example.org>, 33 octets: taken (250 2.0.0 ok)",
    ], told  # fmt: skip
    assert summary == ["1 connection, 1 message taken, 0 refused, 0 ended badly", "no findings"]


def test_findings() -> None:
    """They are printed after the session, and counted in the summary. With --quiet, nothing else is printed."""
    with serving("--quiet") as server:
        for _ in range(2):
            with server.connected() as client:
                talk(client, b"", b"EHLO x\r\n", MAIL, BOB, b"DATA\r\n", b"a\nb\r\n.\r\n", b"QUIT\r\n")
        with server.connected() as client:
            talk(client, b"", b"EHLO x\r\n")
        server.told("the client hung up")
        server.told("TEXT-BARE-LF", 2)
        summary = server.stop()
    assert summary[0] == "3 connections, 2 messages taken, 0 refused, 1 ended badly"
    assert any(re.match(r" +2 TEXT-BARE-LF \(RFC 5321, section 2\.3\.8\): .*\.$", line) for line in summary[1:])
    assert not any("S: " in line or "C: " in line or "message from" in line for line in server.lines)


def test_a_recipient_again() -> None:
    """Several replies for one mailbox, in any form, and one for all others."""
    options = "--rcpt", "bob@Example.ORG=451 4.2.1 a=b", "--rcpt", "bob@example.org=250", "--rcpt", "*=550"
    with serving(*options) as server:
        with server.connected() as client:
            replies = talk(client, b"", MAIL, BOB, CAROL, b'rcpt to:<@x:"bob"@EXAMPLE.org>\r\n', BOB)
        assert [one[:3] for one in replies[2:]] == [b"451", b"550", b"250", b"250"]
        assert replies[2] == b"451 4.2.1 a=b\r\n"


@pytest.mark.parametrize(
    ("options", "commands", "codes"),
    [
        ("--greeting 554", "|EHLO x|HELO x|MAIL FROM:<>|RCPT TO:<a@b>|DATA|QUIT", "554 503 503 503 503 503 221"),
        ("--ehlo 502", "|EHLO x|HELO x|MAIL FROM:<>", "220 502 250 250"),
        ("--mail 451", "|EHLO x|MAIL FROM:<>|RCPT TO:<a@b>|DATA", "220 250 451 503 503"),
        ("--data 550", "|MAIL FROM:<>|DATA|RCPT TO:<a@b>|DATA|QUIT", "220 250 554 250 550 221"),
        ("--end 552", "|MAIL FROM:<>|RCPT TO:<a@b>|DATA|.", "220 250 250 354 552"),
        ("--end 552", "|MAIL FROM:<>|RCPT TO:<a@b>|BDAT 0 LAST|QUIT", "220 250 250 552 221"),
        ("--mail 421", "|MAIL FROM:<>", "220 421"),
        ("--starttls mx", "|HELO x|STARTTLS", "220 250 220"),
        ("", "|STARTTLS|MAIL FROM:<>", "220 502 250"),
    ],
)
def test_replies(options: str, commands: str, codes: str) -> None:
    with serving(*options.split()) as server, server.connected() as client:
        replies = talk(client, *(f"{line}\r\n".encode() if line else b"" for line in commands.split("|")))
        assert b" ".join(one[:3] for one in replies).decode() == codes
        if codes[-3:] in ("421", "221"):
            assert client.recv(1) == b""


def test_within_tls() -> None:
    """A certificate of the recipes; what is offered within has no STARTTLS."""
    with serving("--starttls", "mx version=1.2", "--host", "mx.example.org") as server:
        with smtplib.SMTP(*server.address) as client:
            client.starttls(context=ssl._create_unverified_context())
            client.sendmail("a@b.example", "bob@example.org", "\r\n".join(HI))
            assert not client.has_extn("starttls") and client.has_extn("pipelining")
        server.told("TLSv1.2 ")
        server.told("message from")
        assert server.stop()[0] == "1 connection, 1 message taken, 0 refused, 0 ended badly"


@CURL
def test_curl(tmp_path: Path) -> None:
    message = tmp_path / "message"
    message.write_bytes("\r\n".join(HI).encode())
    with serving("--rcpt", "carol@example.org=550") as server:
        for name, status in (("bob", 0), ("carol", 55)):
            url = "smtp://{}:{}".format(*server.address)
            words = ["--mail-from", "a@b.example", "--mail-rcpt", f"{name}@example.org", "-T", str(message)]
            done = subprocess.run(["curl", "-sS", "--noproxy", "*", url, *words], check=False, timeout=PATIENCE)
            assert done.returncode == status
        server.told("@hangup", 2)
        assert server.stop()[0] == "2 connections, 1 message taken, 0 refused, 0 ended badly"


@QMAIL
def test_qremote(tmp_path: Path) -> None:
    """A route leads there, without a sandbox."""
    (tmp_path / "control").mkdir()
    (tmp_path / "message").write_text("\n".join(HI))
    with serving("--starttls", "mx", "--rcpt", "carol@example.org=550") as server:
        (tmp_path / "control/me").write_text("client.example\n")
        (tmp_path / "control/smtproutes").write_text(":{}:{}\n".format(*server.address))
        with (tmp_path / "message").open() as message:
            done = subprocess.run(
                [ROOT / "build/Qremote", "example.org", "a@b.example", "bob@example.org", "carol@example.org"],
                stdin=message, env={"QMAILHOME": str(tmp_path)}, stdout=subprocess.PIPE, check=True, timeout=PATIENCE,
            )  # fmt: skip
        assert [record[:1] for record in done.stdout.split(b"\0")] == [b"r", b"h", b"K", b""]
        server.told("message from <a@b.example> for <bob@example.org>, 33 octets: taken")
        assert server.stop()[1:] == ["no findings"]


# Output


def test_nothing_commands_the_terminal() -> None:
    """Not in a command, a message, a certificate's request for a name, or a file of the record."""
    wicked = b"\x1b]0;owned\x07\x9b31m\xe2\x80\xae\x00\x7f"
    with serving("--record", "/dev/stdout") as server:
        with server.connected() as client:
            commands = b"MAIL FROM:<" + wicked + b">\r\n", b"RCPT TO:<" + wicked + b">\r\n", b"DATA\r\n"
            talk(client, b"", wicked + b"\r\n", *commands, wicked + b"\r\n.\r\n")
            client.sendall(b"half" + wicked)
        server.told("the client hung up")
        server.stop()
    told = "".join(server.lines)
    assert told.isprintable()
    assert r"C= \x1b]0;owned\x07\x9b31m\xe2\x80\xae\0\x7f\r\n" in told and r"C= half\x1b]0" in told


def test_what_is_long_is_abbreviated() -> None:
    with serving() as server:
        with server.connected() as client:
            text = b"".join(b"line %d\r\n" % number for number in range(100)) + b"x" * 5000 + b"\r\n.\r\n"
            talk(client, b"", MAIL, BOB, b"DATA\r\n", text)
        server.told("the client hung up")
    shown = [line[5:] for line in server.lines if line[5:6] == "C"]
    first, last = [f"C: line {number}" for number in range(10)], [f"C: line {number}" for number in range(92, 100)]
    assert shown[3:-2] == [*first, "C: ... 82 lines ...", *last]
    assert re.fullmatch(r"C= x{300} \.\.\. 4662 octets \.\.\. x{38}\\r\\n", shown[-2])
    assert shown[-1] == "C: ."


def test_colours() -> None:
    """Only on a terminal that has them, and not with NO_COLOR."""
    for environment, coloured in (({}, True), ({"NO_COLOR": "1"}, False), ({"TERM": "dumb"}, False)):
        ours, theirs = pty.openpty()
        environment = {"NO_COLOR": "", "TERM": "xterm", **environment}
        command = [*COMMAND, "--listen", "0", "--connections", "1"]
        with subprocess.Popen(command, stdout=theirs, cwd=ROOT, env=ENVIRONMENT | environment) as process:
            os.close(theirs)
            told = b""
            with contextlib.suppress(OSError):  # the other end of the terminal is gone
                while octets := os.read(ours, 1000):
                    if b"listening" not in told and (found := re.search(rb":(\d+)\r\n", told + octets)):
                        with smtplib.SMTP("127.0.0.1", int(found[1])) as client:
                            client.noop()
                    told += octets
            assert process.wait(PATIENCE) == 0
        os.close(ours)
        for line in (b"\x1b[36mC: noop\x1b[m\r\n", b"\x1b[32mS: 250 2.0.0 ok\x1b[m\r\n"):
            assert (line in told) == coloured
        assert (b"\x1b" in told) == coloured and b"C: noop" in told


def test_a_record(tmp_path: Path) -> None:
    """Tapes of all sessions, which can be read again."""
    record = tmp_path / "record"
    with serving("--record", record, "--connections", "2", "--starttls", "mx") as server:
        for octets in (b"NOOP\r\n", b"\xff\r\n"):
            with server.connected() as client:
                talk(client, b"", octets, b"QUIT\r\n")
        assert server.ended() == 0
    tapes = read_tapes(record)
    where = ("mx.example.org", server.address[1], "127.0.0.1")
    assert [(tape.host, tape.port, tape.address) for tape in tapes] == [where, where]
    lines = sorted(list(event_lines(tape.events))[1] for tape in tapes)
    assert lines == ["C: NOOP", r"C= \xff\r\n"]
    assert "# connection 2\n" in record.read_text()


# How it ends


@pytest.mark.parametrize("by", [signal.SIGINT, signal.SIGTERM])
def test_a_signal(by: signal.Signals) -> None:
    """In the middle of sessions: they are counted all the same."""
    with serving() as server:
        with server.connected() as one, server.connected() as other:
            talk(one, b"", MAIL, BOB, b"DATA\r\n", b".\r\n", MAIL)
            talk(other, b"")
            summary = server.stop(by)
            assert one.recv(1) == b""
        assert summary[0] == "2 connections, 1 message taken, 0 refused, 2 ended badly"
        assert len([line for line in server.lines if "the server stopped" in line]) == 2


def test_nobody_reads_what_it_tells() -> None:
    """As `serve | head -1`: it ends."""
    with subprocess.Popen([*COMMAND, "--listen", "0"], stdout=subprocess.PIPE, cwd=ROOT, env=ENVIRONMENT) as process:
        assert process.stdout
        port = int(process.stdout.readline().rpartition(b":")[2])
        process.stdout.close()
        with contextlib.suppress(OSError), smtplib.SMTP("127.0.0.1", port):
            pass
        assert process.wait(PATIENCE) == 0


# Cases


def test_a_case_by_its_sense() -> None:
    """Its servers answer any client; all later clients get the last dialogue."""
    with serving(PIPELINED) as server:
        for _ in range(2):
            with server.connected() as client:
                replies = talk(client, b"", b"HELO other\r\n", b"EHLO other\r\n", MAIL, CAROL, BOB)
                assert [one[:3] for one in replies] == [b"220", b"250", b"250", b"250", b"550", b"250"]
    assert "mx.example.org" in replies[0].decode()


def test_the_nth_connection(tmp_path: Path) -> None:
    """It gets the nth dialogue, even one in which nobody would listen."""
    path = tmp_path / "a.case"
    head = "a\n\n-- run --\nQremote\n-- dialogue a.example never --\n"
    one = "-- dialogue a.example --\nS: 421 one\n@close\n"
    two = "-- dialogue b.example --\nS: 220 two\nC: NOOP\nS: 250 ok\n"
    refused, hangs = "-- dialogue c.example --\n@refuse\n", "-- dialogue d.example --\n@no-answer within=0..0.1\n"
    path.write_text(head + one + refused + hangs + two)
    with serving(path) as server:
        with server.connected() as client:
            assert talk(client, b"") == [b"421 one\r\n"]
        for _ in range(2):
            with server.connected() as client, contextlib.suppress(ConnectionResetError):
                assert client.recv(1) == b""
        for _ in range(2):
            with server.connected() as client:
                assert talk(client, b"", b"NOOP\r\n") == [b"220 two\r\n", b"250 ok\r\n"]


def test_a_case_octet_for_octet() -> None:
    """A mismatch is printed with its line, and the next client is served."""
    lines = PIPELINED.read_text().split("\n")
    burst = MAIL.replace(b"a@b", b"alice@sender") + BOB + CAROL + b"DATA\r\n"
    with serving("--match=exact", PIPELINED) as server:
        with server.connected() as client:
            talk(client, b"", b"EHLO client.example\r\n")
            client.sendall(burst.replace(b"carol", b"carole"))
            with contextlib.suppress(ConnectionResetError):
                assert client.recv(1) == b""
        server.told(f"{PIPELINED}:{lines.index('C: RCPT TO:<carol@example.org>') + 1}: the client sent something else")
        server.told(r"expected: RCPT TO:<carol@example.org>\r\n")
        server.told(r"received: RCPT TO:<carole@example.org>\r\n")
        with server.connected() as client:
            talk(client, b"", b"EHLO client.example\r\n")
        server.told("the client hung up")
        assert server.stop()[0].endswith("2 ended badly")


# What cannot be understood


@pytest.fixture
def complain(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """The error message for a command line that must not make a server."""

    def complain(*words: str | Path) -> str:
        try:
            status: object = main(["serve", "--listen", "0", *map(str, words)])
        except SystemExit as end:
            status = end.code
        said = capsys.readouterr()
        assert (status, said.out) == (2, "")
        return said.err

    monkeypatch.setattr(serve, "_serve", lambda *_: 0)
    return complain


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ("--rcpt bob", "argument --rcpt: expected ADDRESS=REPLY, for example bob@example.org=550, not 'bob'"),
        ("--rcpt bob@x=99", "argument --rcpt: expected ADDRESS=REPLY"),
        ("--mail 25", "argument --mail: not a reply: '25' (expected a code from 200 to 599"),
        ("--mail 250\ta", "argument --mail: not a reply"),
        ("--data 250 \x1b", "argument --data: not a reply: '250 \\x1b'"),
        ("--ehlo A,,B", "argument --ehlo: neither KEYWORD nor KEYWORD=VALUE: ''"),
        ("--ehlo SIZE:1", "argument --ehlo: neither KEYWORD nor KEYWORD=VALUE: 'SIZE:1'"),
        ("--starttls nobody", "no such certificate: nobody (there are ca, "),
        ("--starttls mx suit=x", "argument --starttls: no such option: suit"),
        ("--listen 127.0.0.1", "argument --listen: not an [ADDRESS:]PORT"),
        ("--listen ::1:25", "argument --listen: not an [ADDRESS:]PORT"),
        ("--listen [127.0.0.1]:25", "argument --listen: an IPv6 address needs brackets, and no other has them"),
        ("--listen 1.2.3:25", "argument --listen: '1.2.3' does not appear to be an IPv4 or IPv6 address"),
        ("--listen 65536", "argument --listen: not an [ADDRESS:]PORT"),
        ("--listen 192.0.2.1:1", "mocksrv: cannot listen on 192.0.2.1:1: Cannot assign requested address\n"),
        ("--host a b", "argument --host: not a name: 'a b'"),
        ("--patience 0", "argument --patience: not a number of seconds: '0'"),
        ("--connections 0", "argument --connections: not a number of at least 1: '0'"),
        ("--record /nowhere/file", "/nowhere/file: No such file or directory"),
        ("/nowhere/a.case", "/nowhere/a.case: No such file or directory"),
        ("--match exact", "--match needs a CASE"),
        (f"--data=451 {PIPELINED}", "--data is for a policy in one line, and cannot be combined with CASE"),
        ("--nonsense", "unrecognized arguments: --nonsense"),
    ],
    ids=str,
)
def test_wrong_options(complain: Callable[..., str], options: str, complaint: str) -> None:
    name, _, value = options.partition(" ")
    assert complaint in complain(*filter(None, (name, value)))


def test_what_was_recorded_stays(complain: Callable[..., str], tmp_path: Path) -> None:
    """Another server has the port."""
    (tmp_path / "record").write_text("it")
    with socket.create_server(("127.0.0.1", 0)) as other:
        where = "{}:{}".format(*other.getsockname())
        complaint = complain("--listen", where, "--record", tmp_path / "record")
        assert complaint == f"mocksrv: cannot listen on {where}: Address already in use\n"
    assert (tmp_path / "record").read_text() == "it"


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ("S: 220", "S 220", "{line}: expected `S: `, `C: `"),
        (
            "-- dialogue mx.example.org", "-- dialogue mx.example.org never",
            "{after}: a dialogue that must never happen",
        ),  # fmt: skip
        ("-- run --", "-- walk --", "{line}: no such section: walk"),
        ("spec:", "scope: exact\nspec:", "1: this case is about the exact octets (scope: exact): use --match=exact"),
        ("S: 220", "@read 5\nS: 220", "{before}: this dialogue can be played only as it is written (@read is not"),
    ],
)
def test_wrong_cases(complain: Callable[..., str], tmp_path: Path, old: str, new: str, complaint: str) -> None:
    path = tmp_path / "wrong.case"
    text = PIPELINED.read_text()
    path.write_text(text.replace(old, new, 1))
    line = text[: text.index(old)].count("\n") + 1
    assert complain(path).startswith(f"{path}:" + complaint.format(line=line, after=line + 1, before=line - 1))
