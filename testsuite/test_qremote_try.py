# SPDX-License-Identifier: ISC
"""qremote-try, which shows a postmaster what servers say, against mocksrv's name server and a real Postfix and Exim."""

import fcntl
import os
import pty
import struct
import subprocess
import termios
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import pytest

from mocksrv.case.certs import Recipes
from mocksrv.world import sandbox
from mocksrv.world.home import default_program
from mocksrv.world.nameserver import DnsServer
from testsuite.mtas import Exim, Mta, Offers, Postfix, missing
from testsuite.peer import PATIENCE, Peer, furnish

pytestmark = pytest.mark.skipif(sandbox.available() is not None, reason=f"{sandbox.available()}")

ROOT = Path(__file__).parent.parent
TRY = str(ROOT / "admin/qremote-try")
ZONE = """\
example.org. MX 10 mx.example.org.
example.org. MX 20 backup.example.org.
mx.example.org. A 192.0.2.25
backup.example.org. A 192.0.2.26
gone.example. MX ;@nxdomain
"""
MX = "mx.example.org [192.0.2.25] accepts mail for bob@example.org"
REFUSING = {"RCPT TO:<carol": "550 5.1.1 no such user", "RCPT TO:<dora": "450 4.2.1 a full box"}


@dataclass(frozen=True)
class Said:
    """What it printed, and what the server heard."""

    status: int
    out: str
    errors: str
    commands: list[list[str]] = field(default_factory=list)
    messages: list[bytes] = field(default_factory=list)
    left: list[str] = field(default_factory=list)  # temporary files

    @property
    def last(self) -> str:
        return self.out.rstrip().splitlines()[-1]


def run(arguments: tuple[str, ...], home: str = "", wrapper: tuple[str, ...] = (), **variables: str) -> Said:
    """With the program that is tested on PATH, and nothing of it beside the script."""
    temporary = sandbox.SCRATCH / "tmp"
    temporary.mkdir(exist_ok=True)
    programs = sandbox.SCRATCH / "bin"
    programs.mkdir(exist_ok=True)
    if not (programs / "Qremote").exists():
        (programs / "Qremote").symlink_to(default_program())
    path = f"{programs}:{os.environ['PATH']}"
    done = subprocess.run(
        [*wrapper, TRY, *arguments], capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=PATIENCE, check=False,
        env={"PATH": path, "TMPDIR": str(temporary), "QMAILHOME": home or "/nowhere", **variables},
    )  # fmt: skip
    return Said(done.returncode, done.stdout, done.stderr, left=os.listdir(temporary))


def tried(
    *arguments: str,
    offers: tuple[str, ...] = ("PIPELINING", "SIZE"),
    replies: dict[str, str] = REFUSING,
    wrapper: tuple[str, ...] = (),
    **how: str,
) -> Said:
    """Against one server, which refuses some."""
    with DnsServer(ZONE) as dns, Peer(offers=offers, replies=replies) as peer:
        dns.start()
        said = run(arguments, wrapper=wrapper, **how)
    heard = [session.commands for session in peer.sessions]
    return Said(said.status, said.out, said.errors, heard, [one.message for one in peer.accepted], said.left)


def test_an_accepted_recipient() -> None:
    """The dialogue, the facts, a sentence; nothing is sent, and nothing is left behind."""
    said = sandbox.run(partial(tried, "--helo", "client.example", "bob@example.org"))
    assert said == Said(0, """\
bob@example.org
  DNS example.org MX 10 mx.example.org
  DNS example.org MX 20 backup.example.org
  DNS mx.example.org AAAA? 127.0.0.1 says NOERROR, no such record
  DNS mx.example.org A 192.0.2.25
  DNS backup.example.org AAAA? 127.0.0.1 says NOERROR, no such record
  DNS backup.example.org A 192.0.2.26
  candidate 1: mx.example.org[192.0.2.25]
  candidate 2: backup.example.org[192.0.2.26]
  connecting to mx.example.org[192.0.2.25]
     S: 220 mx.example.org ESMTP
   1 C: EHLO client.example
     S: 250-mx.example.org
     S: 250-PIPELINING
     S: 250 SIZE
   2 C: MAIL FROM:<> SIZE=0
   | C: RCPT TO:<bob@example.org>
     S: 250 ok
     S: 250 ok
     C: QUIT
mx.example.org [192.0.2.25] accepts mail for bob@example.org, without TLS. Nothing was sent.
""", "", [["EHLO client.example", "MAIL FROM:<> SIZE=0", "RCPT TO:<bob@example.org>", "QUIT"]])  # fmt: skip


def test_several_recipients() -> None:
    """Each has its own dialogue and its own sentence, whatever became of the one before."""
    everyone = ("carol@example.org", "dora@example.org", "example.org", "eve@gone.example")
    said = sandbox.run(partial(tried, "--from", "alice@sender.example", "--helo", "client.example", *everyone))
    sentences = [line for line in said.out.splitlines() if "ail for " in line]
    assert sentences == [
        "Mail for carol@example.org would bounce: mx.example.org[192.0.2.25] does not like recipient. (#5.1.1)"
        " Remote host said: 550 5.1.1 no such user",
        "Mail for dora@example.org would wait: mx.example.org[192.0.2.25] does not like recipient. (#4.2.1)"
        " Remote host said: 450 4.2.1 a full box",
        "mx.example.org [192.0.2.25] accepts mail for postmaster@example.org, without TLS. Nothing was sent.",
        "Mail for eve@gone.example would bounce: Sorry, I couldn't find any host named gone.example. (#5.1.2)",
    ]
    assert (said.status, said.errors, said.left) == (1, "", [])
    assert {commands[1] for commands in said.commands} == {"MAIL FROM:<alice@sender.example> SIZE=0"}


def test_all_of_the_trace() -> None:
    """With -v: each line with its time, also of answers that are shown anyway, and the reports."""
    said = sandbox.run(partial(tried, "-v", "--helo", "client.example", "carol@example.org"))
    lines = said.out.splitlines()[1:-1]
    assert all(len(line[:8].split(".")) == 2 and line[8:10] == "  " for line in lines)
    texts = [line[10:] for line in lines]
    assert texts[0] == "DNS example.org MX? 127.0.0.1 says NOERROR"
    assert texts[-3:] == [
        "report on the message: D", "mx.example.org[192.0.2.25] accepted no recipient. (#5.1.1)",
        "Giving up on mx.example.org.",
    ]  # fmt: skip


@pytest.mark.parametrize("offers", [(), ("CHUNKING",)], ids=["DATA", "BDAT"])
def test_a_message_is_sent_only_if_that_is_wanted(offers: tuple[str, ...]) -> None:
    """With --send, to each recipient; one that is refused changes the status."""
    file = ROOT / "fixtures/messages/plain.eml"
    send = partial(tried, "--helo", "client.example", "--send", str(file), offers=offers)
    said = sandbox.run(partial(send, "bob@example.org"))
    assert said.last == "mx.example.org [192.0.2.25] took the message for bob@example.org, without TLS."
    assert (said.status, len(said.messages)) == (0, 1)
    assert said.messages[0].replace(b"\r\n", b"\n").removesuffix(b".\n") == file.read_bytes()
    refused = sandbox.run(partial(send, "carol@example.org", "bob@example.org"))
    assert (refused.status, len(refused.messages)) == (1, 1)


def with_control_files(**files: str) -> Said:
    home = furnish(sandbox.SCRATCH / "home", **files)
    return tried("bob@example.org", home=str(home))


def with_secret_control_files() -> Said:
    home = furnish(sandbox.SCRATCH / "home", smtproutes="example.org:[192.0.2.99]\n")
    (home / "control/smtproutes").chmod(0)
    return tried("bob@example.org", home=str(home), wrapper=("setpriv", "--bounding-set", "-dac_override,-dac_read_search"))


def test_the_control_files_of_qmail() -> None:
    """They count if they are in order. If they are not, all mail waits, and nobody needs to be asked why."""
    said = sandbox.run(partial(with_control_files, smtproutes="example.org:[192.0.2.25]\n"))
    assert said.out.splitlines()[1] == "  control/smtproutes line 1 applies: relay [192.0.2.25], port 25"
    assert (said.errors, said.commands[0][0]) == ("", "EHLO client.example")
    said = sandbox.run(partial(with_control_files, smtproutes="no domain:\n"))
    assert (said.status, said.errors, said.commands) == (1, "", [])
    assert said.last == "All mail would wait: control/smtproutes line 1 is malformed: its domain is not a domain name. (#4.3.0)"


def test_control_files_that_may_not_be_read() -> None:
    """Whoever is not allowed to read them is warned, and Qremote has none."""
    said = sandbox.run(with_secret_control_files)
    warning = "without the control files of qmail: control/smtproutes cannot be read: Permission denied. (#4.3.0)\n"
    assert said.errors.startswith(warning)
    assert said.last == f"{MX}, without TLS. Nothing was sent."
    assert said.status == 0 and said.commands[0][0] != "EHLO client.example"


def test_another_server() -> None:
    """At another port, too; no mail exchanger is looked up."""
    said = sandbox.run(partial(tried, "--server", "backup.example.org:26", "--helo", "c.example", "bob@example.org"))
    assert said.status == 1 and " MX " not in said.out
    assert said.last.startswith("Mail for bob@example.org would wait: Sorry, I wasn't able to establish an SMTP connection")
    assert "backup.example.org[192.0.2.26]:26" in said.last


@pytest.mark.parametrize(
    "arguments",
    [(), ("--helo",), ("--bcc", "x@example.org"), ("-v",), ("--send", "/nowhere", "x@example.org"), ("--send", "/", "x")],
    ids=" ".join,
)
def test_wrong_arguments(arguments: tuple[str, ...]) -> None:
    """A message, and nothing else."""
    said = sandbox.run(run, arguments)
    assert (said.status, said.out, said.left) == (2, "", [])
    assert said.errors.startswith("qremote-try: ")


def test_help() -> None:
    """All options that the manual page has."""
    said = sandbox.run(run, ("--help",))
    page = (ROOT / "man/qremote-try.8").read_text()
    for option in ("-v", "--from", "--helo", "--server", "--send"):
        assert option in said.out and f"Fl {option.removeprefix('-')}" in page
    assert said.status == 0


def on_a_terminal(columns: int, **variables: str) -> str:
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    command = [TRY, "--helo", "client.example", "carol@example.org"]
    with DnsServer(ZONE) as dns, Peer(replies=REFUSING):
        dns.start()
        environment = {"PATH": f"{default_program().parent}:{os.environ['PATH']}", **variables}
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=theirs, env=environment)
        os.close(theirs)
        shown = b""
        try:
            while octets := os.read(ours, 4096):
                shown += octets
        except OSError:  # the other end was closed
            pass
        assert process.wait(PATIENCE) == 1
    os.close(ours)
    return shown.decode()


def test_a_terminal() -> None:
    """No line is longer than it is wide; colours, unless somebody objects."""
    for columns in (80, 50):
        plain = sandbox.run(partial(on_a_terminal, columns, TERM="xterm", NO_COLOR="1"))
        assert max(map(len, plain.split("\r\n"))) <= columns and "\33" not in plain
        assert columns < 80 or " does not \r\n   like recipient. " in plain
    assert "\33" not in sandbox.run(partial(on_a_terminal, 80, TERM="dumb"))
    colourful = sandbox.run(partial(on_a_terminal, 80, TERM="xterm"))
    assert "\33[36m     C: QUIT\33[0m\r\n" in colourful and "\33[31m     S: 550 5.1.1 no such user\33[0m\r\n" in colourful


def test_tls_that_failed() -> None:
    """The sentence says why there was none."""
    broken = partial(tried, offers=("STARTTLS",), replies={"STARTTLS": "220 go\r\ntoo early"})
    said = sandbox.run(partial(broken, "--helo", "client.example", "bob@example.org"))
    why = "TLS failed: the server sent unencrypted data after its reply to STARTTLS"
    assert (said.status, said.last) == (0, f"{MX}, without TLS, since {why}. Nothing was sent.")


RECIPES = Recipes(ROOT / "fixtures/cases/tls/any.case")


def at_an_mta(mta: type[Mta], *arguments: str, home: str = "") -> tuple[Said, int]:
    with DnsServer(ZONE) as dns, mta(["bob"], Offers(), RECIPES.pem("mx-rsa.key mx-rsa.chain")) as server:
        dns.start()
        said = run(arguments, home)
        server.settle()
        return said, len(server.stored("bob"))


needs_mtas = pytest.mark.skipif(missing() is not None, reason=f"{missing()}")


@needs_mtas
@pytest.mark.parametrize("mta", [Postfix, Exim])
def test_a_real_server(mta: type[Mta]) -> None:
    """With STARTTLS and CHUNKING."""
    options = ("--helo", "client.example", "bob@example.org")
    said, stored = sandbox.run(at_an_mta, mta, *options, all_users=True)
    assert said.last == f"{MX}, in TLS 1.3, certificate not verified. Nothing was sent."
    assert (said.status, said.errors, stored) == (0, "", 0)
    assert "  TLS certificate 1 is of `O=mx-rsa', issued by `O=ca'\n" in said.out
    send = ("--send", str(ROOT / "fixtures/messages/plain.eml"))
    said, stored = sandbox.run(at_an_mta, mta, *send, *options, all_users=True)
    assert (said.status, stored) == (0, 1)


def verified_by_postfix() -> tuple[Said, int]:
    home = furnish(sandbox.SCRATCH / "home", **{"tlshosts/mx.example.org.pem": RECIPES.pem("ca").decode()})
    return at_an_mta(Postfix, "bob@example.org", home=str(home))


@needs_mtas
def test_a_verified_certificate() -> None:
    """By the file in tlshosts."""
    said, _ = sandbox.run(verified_by_postfix, all_users=True)
    assert (said.status, said.last) == (0, f"{MX}, in TLS 1.3, certificate verified. Nothing was sent.")
