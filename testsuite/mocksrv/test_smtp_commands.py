# SPDX-License-Identifier: ISC
"""Clients that are shell commands, and are given a server: what they are told, and what they tell."""

import re
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from mocksrv.case.file import Case
from mocksrv.case.script import CaseError
from mocksrv.judge import clients, rfc
from mocksrv.judge.clients import outcomes_of_command
from mocksrv.judge.rfc import Verdict
from mocksrv.tell import verdicts
from mocksrv.world import sandbox
from testsuite.mocksrv.records import record

ROOT = Path(__file__).parent.parent.parent
SMTPLIB = f"smtp:{sys.executable} {ROOT}/examples/smtp/python-smtplib.py"
RCPT = "C: RCPT TO:<bob@example.org>\nS: 250 ok\nC: RCPT TO:<\"c d\"@example.org>\nS: {carol}\n"
DELIVERY = """Title

-- run --
Qremote example.org '' bob@example.org 'c d@example.org'
-- dns --
example.org. MX 10 mx.example.org.
mx.example.org. A 192.0.2.25
-- message --
Subject: hi

one\r
.two
-- dialogue mx.example.org --
S: 220 mx.example.org
C: EHLO {helo}
S: 250 mx.example.org
C: MAIL FROM:<>
S: {mail}
{rcpt}C: DATA
S: 354 go
C: {message}
S: {end}
C: QUIT
-- report --
{report}
"""
DELIVERED = "r\\0\nr\\0\nKyes\\n\\0"


def case_text(mail: str = "250 ok", carol: str = "250 ok", end: str = "250 ok", report: str = DELIVERED) -> str:
    """A delivery to two recipients by the clients of the corpus, one command at a time."""
    text = DELIVERY.replace("{rcpt}", RCPT if mail.startswith("2") else "").replace("{carol}", carol)
    if not mail.startswith("2"):
        text = text.replace("C: DATA\nS: 354 go\nC: {message}\nS: {end}\n", "")
    return text.replace("{mail}", mail).replace("{end}", end).replace("{report}", report)


Judge = Callable[[str, str], Verdict]


@pytest.fixture
def judge(parse: Callable[[str], Case]) -> Judge:
    """Plays a case given as text with a client."""
    if sandbox.available() is not None:
        pytest.skip(f"sandbox: {sandbox.available()}")
    return lambda text, told: rfc.check(parse(text), clients.find(told))


def wrong(verdict: Verdict) -> list[str]:
    return [failure.what for failure in verdict.failures]


def test_what_a_command_is_told(parse: Callable[[str], Case], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """By its environment, which is otherwise that of mocksrv, as is its directory."""
    if sandbox.available() is not None:
        pytest.skip(f"sandbox: {sandbox.available()}")
    (tmp_path / "it's/here").mkdir(parents=True)
    monkeypatch.setenv("A_VARIABLE", "it's $HOME")
    monkeypatch.chdir(tmp_path / "it's")
    script = (
        'echo "$A_VARIABLE"; pwd; ls; env | grep ^MOCKSRV_[HMPS] | sort; echo "$MOCKSRV_RECIPIENTS"; '
        'cat "$MOCKSRV_MESSAGE"; cat >&2; exit 9'
    )
    # A new sandbox: one that this process keeps has the old environment and directory.
    verdict = rfc.check(parse(case_text()), clients.find(f"smtp:{script}"), within=sandbox.run)
    message = b"Subject: hi\r\n\r\none\r\n.two\r\n"
    told = re.sub(rb"(?<=MESSAGE=).*", b"", verdict.stdout).removesuffix(message)
    assert told.decode() == f"""\
it's $HOME
{tmp_path}/it's
here
MOCKSRV_HELO=client.example
MOCKSRV_HOST=mx.example.org
MOCKSRV_MESSAGE=
MOCKSRV_PORT=25
MOCKSRV_SENDER=
bob@example.org
"c d"@example.org
"""
    assert (verdict.stdout.endswith(message), verdict.stderr) == (True, message)


OUTCOMES = [
    (0, b"", "delivered delivered"),
    (4, b"", "deferred deferred"),
    (5, b"", "refused refused"),
    (1, b"", "failed failed"),
    (75, b"", "failed failed"),
    (137, b"", "failed failed"),
    (127, b"bob@example.org 550\n", ""),
    (None, b"", ""),
    (0, b"bob@example.org 550\n", "refused delivered"),
    (0, b'"c d"@example.org 450\r\nbob@example.org 550 no\n', "delivered deferred"),
    (5, b"debug\nbob@example.org 354", "failed refused"),
    (0, b"c d@example.org 550\ncarol@example.org 550\n", "delivered delivered"),  # nobody has these addresses
]


@pytest.mark.parametrize(("status", "output", "outcomes"), OUTCOMES)
def test_what_a_command_tells(
    parse: Callable[[str], Case], status: int | None, output: bytes, outcomes: str
) -> None:
    assert " ".join(outcomes_of_command(parse(case_text()), status, output)) == outcomes


def test_who_cannot_tell_refused_from_deferred_need_not(judge: Judge) -> None:
    """But that it was delivered must be told, and who tells must be right."""
    refused = case_text(mail="550 no", report="Dno\\n\\0")
    assert wrong(judge(refused, "smtp:exit 1")) == wrong(judge(refused, "smtp:exit 5")) == []
    assert wrong(judge(refused, "smtp:exit 4")) == ["the outcome is 2 times deferred; expected: 2 times refused"]
    assert "bob@example.org is reported as delivered, but no server accepted it" in wrong(judge(refused, "smtp:true"))
    assert wrong(judge(case_text(), "smtp:exit 1")) == ["the outcome is 2 times failed; expected: 2 times delivered"]
    assert wrong(judge(refused, "smtp:exit 127")) == ["the outcome is no valid report; expected: 2 times refused"]


SMTPLIB_CASES = [
    case_text(),
    case_text(mail="550 no", report="Dno\\n\\0"),
    case_text(carol="450 later", report="r\\0\nslater\\n\\0\nKyes\\n\\0"),
    case_text(end="450 later", report="Zlater\\n\\0"),
    case_text().replace(
        "S: 250 mx",
        "S: 250-mx\nS: 250 STARTTLS\nC: STARTTLS\nS: 220 go\n@starttls cert=mx\nC: EHLO {helo}\nS: 250 mx",
    ),
]


@pytest.mark.parametrize("text", SMTPLIB_CASES, ids=["delivered", "refused", "one-deferred", "deferred", "starttls"])
def test_the_wrapper_of_smtplib(judge: Judge, text: str) -> None:
    verdict = judge(text, SMTPLIB)
    assert (wrong(verdict), verdict.client and verdict.client.name) == ([], "python-smtplib")


def test_the_wrapper_of_smtplib_declares_what_it_may(judge: Judge) -> None:
    """The library leaves that to its caller: UTF-8 in the header or in the sender is not the library's fault."""
    offers = case_text().replace("S: 250 mx.example.org", "S: 250-mx\nS: 250-8BITMIME\nS: 250 SMTPUTF8")
    in_header = offers.replace("Subject: hi", "Subject: Grüße")
    in_sender = offers.replace("''", "josé@sender.example").replace("FROM:<>", "FROM:<josé@sender.example>")
    for text in (in_header, in_sender):
        assert wrong(judge(text, SMTPLIB)) == []


def test_its_output_is_shown_where_it_fails(judge: Judge) -> None:
    told = "smtp:echo 'why it failed' >&2; echo and more; exit 1"
    verdict = judge(case_text(), told)
    for text in (verdicts.as_text(verdict), verdicts.as_html(verdict, record("alpha/first", "echo", "failed"), "back")):
        assert "why it failed" in text and "and more" in text
    assert "why it failed" not in verdicts.as_text(judge(case_text(end="450 later", report="Zlater\\n\\0"), told))


def test_how_commands_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the last file in them, else by their first word."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "Mine.js").touch()
    names = {"A=b node ./Mine.js --tls": "mine", "swaks --to x": "swaks", "/usr/bin/env node Mine.js": "mine"}
    names |= {f"x {300 * 'y'}": "x"}
    assert {command: clients.find(f"smtp:{command}").name for command in names} == names
    for command in ("", " ", "a 'b"):
        with pytest.raises(CaseError, match="smtp:.*: expected a command for sh"):
            clients.find(f"smtp:{command}")


def test_commands_that_are_missing() -> None:
    assert clients.find("smtp:no-such-program-here a").missing() == "no-such-program-here: no such command"
    for command in ("A=b no-such-program-here", "(true)", "cd /; true", "/bin/sh -c true", "if true; then true; fi"):
        assert clients.find(f"smtp:{command}").missing() is None


def test_which_cases_are_for_commands(parse: Callable[[str], Case]) -> None:
    """Those for any client that is told its server."""
    client = clients.find("smtp:true")
    curls_own = parse(case_text().replace("Title\n", "Title\nexpect-curl: refused: why\n"))
    assert clients.find("curl").expectation(curls_own) and not clients.find("smtp:curl x").expectation(curls_own)
    assert client.unfit(parse(case_text())) is None
    for old, new, why in (
        ("A 192.0.2.25", "A 192.0.2.25 ;@servfail", "it is about finding the server"),
        ("-- dialogue", "-- control/timeoutremote --\n5\n-- dialogue", "it is about control/timeoutremote"),
        ("Title\n", "Title\nscope: qmail\n", "it is about qmail-remote's interface"),
        ("Title\n", "Title\nscope: exact\n", "it is about the exact octets"),
    ):
        assert (client.unfit(parse(case_text().replace(old, new))) or "").startswith(why)
