# SPDX-License-Identifier: ISC
"""The level of the RFCs: other words are right, another outcome is not, and findings of the auditor count."""

from collections.abc import Callable
from pathlib import Path

import pytest

from mocksrv.adapters import ADAPTERS
from mocksrv.audit import Grade
from mocksrv.case.file import Case, for_each, read_case
from mocksrv.case.script import CaseError
from mocksrv.case.templates import find_cases
from mocksrv.judge import clients, rfc
from mocksrv.judge.clients import Client, delivery
from mocksrv.judge.rfc import Verdict, outcomes
from mocksrv.play import player
from mocksrv.tell import verdicts
from mocksrv.world import run as world
from mocksrv.world import sandbox

HERE = Path(__file__).parent
CASES = sorted((HERE / "cases").glob("*.case"))
ROOT = HERE.parent.parent

Judge = Callable[[str], Verdict]


@pytest.fixture
def judge(parse: Callable[[str], Case], monkeypatch: pytest.MonkeyPatch) -> Judge:
    """Plays a case given as text with our own client; nothing is waited for longer than three seconds."""
    if sandbox.available() is not None:
        pytest.skip(f"sandbox: {sandbox.available()}")
    monkeypatch.setattr(player, "WAIT", 3.0)
    client = clients.find(str(HERE / "client.py"))
    return lambda text: rfc.check(parse(text), client, within=sandbox.run)  # a new one knows of the seconds


@pytest.fixture
def judge_other(judge: Judge, parse: Callable[[str], Case]) -> Judge:
    """The same for a client that does not claim to be Qremote."""
    client = Other("client.py", f"qmail:{HERE}/client.py", HERE / "client.py")
    return lambda text: rfc.check(parse(text), client, within=sandbox.run)


class Other(Client):
    """A client that does not claim to be Qremote, though it may have an environment that misleads it."""

    def unfit(self, case: Case) -> None:
        """No case is."""


def wrong(verdict: Verdict) -> str:
    return "\n".join(failure.what for failure in verdict.failures)


@pytest.mark.parametrize("path", CASES, ids=[path.stem for path in CASES])
def test_an_honest_client_is_right(judge: Judge, path: Path) -> None:
    verdict = judge(path.read_text())
    assert not wrong(verdict) and not verdict.skipped


# A case, how the client misbehaves in it, and what must be said about that, if anything.
BEHAVIOUR = [
    ("pipelined", "split", None),
    ("pipelined", "case", None),
    ("pipelined", "report", None),
    ("pipelined", "stderr", None),
    ("pipelined", "foreign", None),
    ("pipelined", "connect", None),  # to an address that the case says nothing about
    ("starttls", "sni", None),
    ("starttls", "no-sni", None),
    ("lockstep", "unasked", "PIPE-UNOFFERED [5321#4.3.1]"),
    ("pipelined", "no-quit", "END-NO-QUIT [5321#4.1.1.10]"),
    ("pipelined", "dots", "another message arrived: the body differs"),
    ("pipelined", "changes", "another message arrived: the field subject is gone, changed"),
    ("pipelined", "lies", "carol@example.org is reported as delivered, but no server accepted it"),
    ("pipelined", "hides", "bob@example.org is reported as deferred, but a server accepted it"),
    ("pipelined", "exit", "the exit status is 3"),  # a caller has then no use for reports
    ("pipelined", "sender", "it arrived from <sender.example>, not from <alice@sender.example>"),
    ("chunking", "sender", "it arrived from"),
    ("pipelined", "twice", "bob@example.org got the message 2 times"),
    ("starttls", "in-the-clear", "TLS-PLAINTEXT"),
]


@pytest.mark.parametrize(("case", "misbehaviour", "what"), BEHAVIOUR)
def test_behaviour(judge: Judge, case: str, misbehaviour: str, what: str | None) -> None:
    text = (HERE / f"cases/{case}.case").read_text()
    found = wrong(judge(text.replace("\nQremote", f"\nMISBEHAVE={misbehaviour} Qremote")))
    assert what in found if what else not found


def test_a_client_that_speaks_first_is_wrong(judge: Judge) -> None:
    """However busy the machine is between its connection and its first command."""
    text = (HERE / "cases/lockstep.case").read_text().replace("@split\n", "@delay 5s\n", 1)
    assert "[5321#" in wrong(judge(text.replace("\nQremote", "\nMISBEHAVE=early Qremote")))


CHANGES = [
    (
        "pipelined", "S: 250 2.0.0 queued as 4711", "S: 554 no",
        "the outcome is 2 times refused; expected: delivered, refused",
    ),  # fmt: skip
    ("pipelined", "S: 250 2.0.0 queued as 4711", "S: 250 another text", None),
    (
        "pipelined", "C: RCPT TO:<bob@", "C: RCPT TO:<dave@",
        "the outcome is 2 times refused; expected: delivered, refused",
    ),  # fmt: skip
    ("next-server", "MX 60 far", "MX 5 far", "the client connects to 192.0.2.66 port 25, which must never happen"),
]


@pytest.mark.parametrize(("case", "old", "new", "what"), CHANGES)
def test_a_case_that_says_otherwise(judge: Judge, case: str, old: str, new: str, what: str | None) -> None:
    text = (HERE / f"cases/{case}.case").read_text()
    assert old in text
    found = wrong(judge(text.replace(old, new, 1)))
    assert what in found if what else not found


def plain(run: str, more: str = "", where: str = "mx.example.org") -> str:
    return (
        f"Title\n\n-- run --\n{run}\n-- dns --\nexample.org. MX 1 mx.example.org.\nmx.example.org. A 192.0.2.25\n"
        f"{more}-- dialogue {where} --\nS: 220 a\n"
    )


class Stranger(Client):
    """An MTA without qmail-remote's interface, played by our client."""

    def missing(self) -> None:
        """It is there."""

    def install(self, path: Path, case: Case) -> None:
        """Puts our client where the adapter would be."""
        path.symlink_to(HERE / "client.py")


GIVES_UP = plain("Qremote example.org a@sender.example b@example.org").replace(
    "S: 220 a\n", "S: 220 a\nC: EHLO {helo}\nS: 250-a\nS: 250 SIZE 3\nC: QUIT\n-- report --\nDtoo large\n\\0\n"
)


@pytest.mark.parametrize(
    ("message", "size", "what"),
    [
        ("Hello.", 3, ""),  # the server says so
        ("Hello.", 99, ""),  # that the client of the case does not want to send it says nothing
        ("\xe9", 99, "TEXT-8BIT"),  # but what it says against the rules is heard
    ],
)
def test_what_the_client_of_the_case_does_not_try(
    judge: Judge, parse: Callable[[str], Case], message: str, size: int, what: str
) -> None:
    """Another MTA may deliver it, if it finds a way."""
    text = GIVES_UP.replace("-- dialogue", f"-- message --\nA: b\n\n{message}\n-- dialogue").replace("SIZE 3", f"SIZE {size}")
    found = wrong(rfc.check(parse(text), Stranger("swaks", "swaks")))
    assert what in found if what else not found
    if size == 99:
        assert "the outcome is delivered; expected: refused" in wrong(judge(text))


EXPECTATIONS = [
    # What the case expects of this client in particular is required.
    ("expect-client.py: delivered delivered: why", "expected: 2 times delivered"),
    ("expect-client.py: delivered refused: why", ""),
    ("expect-client.py: END-NO-QUIT: why", "expect-client.py says that END-NO-QUIT is broken, but it is not"),
    ("expect-client.py: END-NO-QUIT?: why", ""),
    ("expect-another: delivered delivered: why", ""),
    ("expect-client.py: elsewhere: why", ""),
]


@pytest.mark.parametrize(("line", "what"), EXPECTATIONS)
def test_expectations(judge: Judge, line: str, what: str) -> None:
    text = (HERE / "cases/pipelined.case").read_text().replace("spec:", f"{line}\nspec:", 1)
    found = wrong(judge(text))
    assert what in found if what else not found


# What a case says of its grade, what others do, and what is said about that.
GRADES = [
    ("", "", "wrong: the outcome is delivered, refused; expected: 2 times delivered"),
    ("grade: should: why", "", "should: the outcome is"),
    ("grade: choice delivered refused: why", "", "choice: the outcome is"),
    ("grade: choice refused: why", "", "wrong: the outcome is"),  # for both recipients
    ("grade: choice deferred: why", "", "wrong: the outcome is"),
    ("grade: must: why", "", "wrong: the outcome is"),
    ("grade: choice elsewhere: why", "", "wrong: the outcome is"),
    ("grade: robustness: why", "exit", "wrong: the exit status is 3"),
    ("grade: should: why", "lies", "should: carol@example.org is reported as delivered"),
    ("grade: should refused: why", "lies", "wrong: carol@example.org is reported as delivered"),
    ("grade: should: why", "hides", "should: bob@example.org is reported as deferred, but a server accepted it"),
    ("grade: choice: why", "hides", "robustness: bob@example.org is reported as deferred, but a server accepted it"),
    ("grade: choice elsewhere: why", "hides", "wrong: bob@example.org is reported as deferred, but a server accepted it"),
    ("grade: choice deferred refused: why", "hides", "robustness: bob@example.org is reported as deferred, but"),
    ("grade: robustness: why", "dots", "wrong: another message arrived"),
]


@pytest.mark.parametrize(("line", "misbehaviour", "what"), GRADES)
def test_grades(judge_other: Judge, line: str, misbehaviour: str, what: str) -> None:
    text = (HERE / "cases/pipelined.case").read_text().replace("h550 5.1.1 no such user\n\\0", "r\\0", 1)
    text = text.replace("spec:", f"{line}\nspec:" if line else "spec:", 1)
    verdict = judge_other(text.replace("\nQremote", f"\nMISBEHAVE={misbehaviour} Qremote"))
    assert any(one.startswith(what) for one in verdicts.wrong(verdict))
    labels = [one.partition(":")[0] for one in verdicts.wrong(verdict)]
    assert verdict.passed == ("wrong" not in labels)
    assert verdict.grade and verdict.grade.label == labels[0]


def test_a_case_without_an_rfc_makes_nobody_wrong(judge_other: Judge) -> None:
    text = (HERE / "cases/pipelined.case").read_text().replace("h550 5.1.1 no such user\n\\0", "r\\0", 1)
    assert judge_other(text).grade is Grade.MUST
    text = text.replace("rfc: 2920#3.1\n", "", 1)
    assert judge_other(text).grade is Grade.CHOICE
    assert judge_other(text.replace("\nQremote", "\nMISBEHAVE=hides Qremote")).grade is Grade.ROBUSTNESS


RETRIES = [("", "should"), ("grade: must: why", "wrong"), ("grade: must refused: why", "should"), ("grade: choice: why", "choice")]


@pytest.mark.parametrize(("line", "label"), RETRIES)
def test_whether_a_failure_is_final_is_a_should(judge_other: Judge, line: str, label: str) -> None:
    """By RFC 5321, section 4.2.1, unless the case says otherwise."""
    text = (HERE / "cases/pipelined.case").read_text().replace("\nh550", "\ns550", 1)
    verdict = judge_other(text.replace("spec:", f"{line}\nspec:" if line else "spec:", 1))
    assert verdicts.wrong(verdict) == [f"{label}: the outcome is delivered, refused; expected: delivered, deferred"]


@pytest.mark.parametrize(("grade", "expected"), [("", Grade.CHOICE), ("grade: must: why\n", Grade.MUST)])
def test_one_refused_recipient_may_stop_the_mail(
    judge_other: Judge, grade: str, expected: Grade
) -> None:
    text = (HERE / "cases/pipelined.case").read_text().replace("S: 250 2.0.0 queued", "S: 554 no", 1)
    text = text.replace("spec:", f"{grade}spec:", 1)
    assert judge_other(text).grade is expected
    assert judge_other(text.replace("h550 5.1.1 no such user\n\\0", "r\\0", 1)).grade is Grade.MUST


CONNECTIONS = [
    ("grade: choice elsewhere: why", "choice"), ("grade: robustness: why", "robustness"),
    ("grade: choice delivered: why", "wrong"),
]  # fmt: skip


@pytest.mark.parametrize(("line", "label"), CONNECTIONS)
def test_grades_of_connections(judge_other: Judge, line: str, label: str) -> None:
    text = (HERE / "cases/next-server.case").read_text().replace("MX 60 far", "MX 5 far")
    found = verdicts.wrong(judge_other(text.replace("\nrfc:", f"\n{line}\nrfc:", 1)))
    assert f"{label}: the client connects to 192.0.2.66 port 25, which must never happen" in found


def test_qremote_is_bound_to_all_of_a_case(judge: Judge, judge_other: Judge) -> None:
    """It is named by a path alone."""
    text = (HERE / "cases/pipelined.case").read_text().replace("\nh550", "\ns550", 1)
    text = text.replace("spec:", "grade: choice: why\nspec:", 1)
    assert judge_other(text).grade is Grade.CHOICE
    assert judge(text).grade is Grade.MUST
    assert verdicts.wrong(judge(text)) == ["wrong: the outcome is delivered, refused; expected: delivered, deferred"]


def test_an_expected_connection(judge: Judge) -> None:
    text = (HERE / "cases/next-server.case").read_text().replace("MX 60 far", "MX 5 far")
    assert not wrong(judge(text.replace("py: END-UNOPENED", "py: elsewhere END-UNOPENED", 1)))


def test_an_expected_breach(judge: Judge) -> None:
    text = (HERE / "cases/pipelined.case").read_text().replace("\nQremote", "\nMISBEHAVE=no-quit Qremote")
    verdict = judge(text.replace("spec:", "expect-client.py: END-NO-QUIT: why\nspec:", 1))
    assert (wrong(verdict), verdict.cell) == ("", "breach")


def test_a_case_about_octets_says_nothing_here(judge: Judge) -> None:
    verdict = judge((HERE / "cases/pipelined.case").read_text().replace("spec:", "scope: exact\nspec:", 1))
    assert (verdict.skipped, verdict.cell) == ("it is about the exact octets", "unsupported")


def test_a_dialogue_that_makes_sense_only_as_it_is(judge: Judge) -> None:
    text = (HERE / "cases/pipelined.case").read_text().replace("C: EHLO", "@read 3\nC: EHLO", 1)
    with pytest.raises(CaseError, match="test.case:16: @read is not within a message .*scope: exact"):
        judge(text)


def test_a_tape_is_whole_when_it_is_read(judge: Judge, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also that of a client that was killed in the middle of it."""
    monkeypatch.setattr(player, "WAIT", 30.0)
    monkeypatch.setattr(world, "LIMIT", 8.0)  # the dialogue must be over by then
    text = (HERE / "cases/pipelined.case").read_text()
    verdict = judge(text.replace("\nQremote", "\nTIMEOUT=30 MISBEHAVE='no-quit linger' Qremote"))
    assert wrong(verdict).startswith("the client has not ended")
    assert "END-NO-QUIT" in wrong(verdict)


TWO = """Title

-- run --
MISBEHAVE=backwards RETRY=1 Qremote example.org a@sender.example b@example.org
-- dns --
example.org. MX 10 mx1.example.org.
example.org. MX 20 mx2.example.org.
mx1.example.org. A 192.0.2.1
mx2.example.org. A 192.0.2.2
-- dialogue mx1.example.org --
@refuse
-- dialogue mx2.example.org --
S: 220 a
C: EHLO {helo}
S: 250 a
C: MAIL FROM:<a@sender.example>
S: 250 ok
C: RCPT TO:<b@example.org>
S: 250 ok
C: DATA
S: 354 go
C: {message}
S: 250 ok
C: QUIT
-- report --
r\\0
K\\0
"""
PASSED_OVER = "the client connects to 192.0.2.2 before mx1.example.org., which is preferred"
ORDERS = [
    ("", "", PASSED_OVER),
    ("MISBEHAVE=backwards", "", ""),
    ("MX 20", "MX 10", ""),
    ("MX 20 mx2.example.org.", "MX 20 mx2.example.org.\nexample.org. MX 30 mx1.example.org.", ""),
    ("192.0.2.1\n", "192.0.2.1 ;@delay=0.01s\n", ""),  # who knows when it was found
    ("-- dns --", "-- control/smtproutes --\n:mx2.example.org:25\n-- dns --", ""),
    ("Title\n", "Title\naddress: 192.0.2.1\n", ""),  # it is this machine
]


@pytest.mark.parametrize(("old", "new", "what"), ORDERS)
def test_preferred_exchangers_come_first(judge: Judge, old: str, new: str, what: str) -> None:
    assert old in TWO
    assert wrong(judge(TWO.replace(old, new, 1) if old else TWO)) == what


@pytest.mark.parametrize(
    ("report", "known", "expected"),
    [
        (b"r\0K\0", 1, ("delivered",)),
        (b"r\0hno\n\0Kyes\n\0", 2, ("delivered", "refused")),
        (b"r\0slater\n\0Dno\n\0", 2, ("refused", "deferred")),
        (b"Zlater\n\0", 2, ("deferred", "deferred")),
        (b"r\0K\0D\0", 1, ()),
        (b"K", 1, ()),
        (b"x\0K\0", 1, ()),
        (b"r\0", 1, ()),
        (b"", 1, ()),
        (b"r\0K\0D\0", None, ("delivered", "refused")),
        (b"r\0hno\0r\0Z\0Z\0", None, ("deferred", "refused", "deferred")),
        (b"K\0r\0", None, ("delivered",)),
    ],
)
def test_what_reports_mean(report: bytes, known: int | None, expected: tuple[str, ...]) -> None:
    assert outcomes(report, None if known is None else [b"x"] * known) == expected


BOB = "Qremote example.org a@b.example bob@example.org"
UNFIT = [
    (plain(BOB), None),
    (plain("Qremote EXAMPLE.org '' bob@example.org 'c d@Example.org'"), None),
    (plain(f"{BOB}; {BOB}"), "it is more than one plain delivery"),
    (plain(f"X=1 {BOB}"), "it is more than one plain delivery"),
    (plain("Qremote example.org a@b.example"), "it is more than one plain delivery"),
    (plain("Qremote example.org a@b.example bob@else.example"), "its host is not the domain of its recipients"),
    (plain(BOB, "-- control/helohost --\nx.example\n"), None),
    (plain(BOB, "-- control/timeoutremote --\n5\n"), None),
    (plain(BOB, "-- control/smtproutes --\n:x\n"), "it is about control/smtproutes"),
    (plain(BOB, "-- control/chunksizeremote --\n5\n"), None),
    (plain(BOB, "-- control/me absent --\n"), "it is about control/me"),
    (plain(BOB).replace("Title\n", "Title\nscope: qmail\n"), "it is about qmail-remote's interface"),
]


@pytest.mark.parametrize(("text", "why"), UNFIT)
def test_what_a_case_must_be_for_another_mta(parse: Callable[[str], Case], text: str, why: str | None) -> None:
    assert clients.find("postfix").unfit(parse(text)) == why
    assert Client("any", "any", Path("any")).unfit(parse(text)) is None


def test_several_deliveries_are_for_qremote_alone(parse: Callable[[str], Case]) -> None:
    """Others read the message, and leave nothing in descriptor 0 for the next delivery."""
    case = parse(plain(f"{BOB}; {BOB}"))
    assert clients.find(f"qmail:{HERE}/client.py").unfit(case) == "it is more than one plain delivery"
    assert clients.find(f"{HERE}/client.py").unfit(case) is None


def test_control_files_of_patches_are_not_for_every_qmail_remote(parse: Callable[[str], Case]) -> None:
    told = "it is about control/dnsservers"
    other, ours = (clients.find(f"{kind}{HERE}/client.py") for kind in ("qmail:", ""))
    for line, why in (("dnsservers", told), ("smtproutes absent", None), ("timeoutremote", None)):
        case = parse(plain(BOB, f"-- control/{line} --\n"))
        assert (other.unfit(case), ours.unfit(case)) == (why, None)


def test_who_is_told_its_server_has_nothing_to_find(parse: Callable[[str], Case]) -> None:
    told = "it is about finding the server, but this client is told its name"
    text = plain(BOB)
    assert clients.find("curl").unfit(parse(text)) is None
    assert clients.find("curl").unfit(parse(text + "-- dialogue mx.example.org --\nS: 220 a\n")) == told
    assert clients.find("curl").unfit(parse(text.replace("192.0.2.25", "192.0.2.25 ;@servfail"))) == told


def test_which_clients_there_are(tmp_path: Path) -> None:
    for path in (f"qmail:{tmp_path}/Qremote", f"{tmp_path}/Qremote"):
        assert clients.find(path) == Client("qremote", path, tmp_path / "Qremote")
    assert clients.find("exim:/opt/exim") == Client("exim", "exim:/opt/exim")
    assert "no such program" in str(clients.find(f"{tmp_path}/Qremote").missing())
    assert "no /nowhere/" in str(clients.find("exim:/nowhere").missing())
    with pytest.raises(CaseError, match="no such client: sendmail .there are postfix exim"):
        clients.find("sendmail")


def test_every_case_of_the_corpus_can_be_played_so() -> None:
    """What cannot says `scope: exact`. That Qremote passes is shown beside the exact level, by the pytest plugin.

    A table of replies does not know an exchange for AUTH that has more than one line.
    """
    of_auth = ["a-long-response", "a-trace-of-login", "a-trace-of-plain", "ignore-plain", "login", "login-asks-in-other-words"]
    of_auth += ["the-shortest-response-that-waits"]
    exact = [path.stem for path in find_cases(ROOT / "fixtures/cases") if read_case(path).scope == "exact"]
    of_replies = ["a-refused-chunk-and-no-more-replies", "an-empty-line-after-220", "an-empty-line-after-a-reply"]
    of_replies += ["two-empty-lines-after-a-reply"]
    assert sorted(exact) == sorted(of_auth + of_replies)


def test_what_cases_expect_of_clients_can_come_true() -> None:
    """There are such clients, such rules, and so many recipients."""
    for case in map(read_case, find_cases(ROOT / "fixtures/cases")):
        for key in case.meta:
            name = key.removeprefix("expect-")
            if name != key:
                assert name in {"qremote", *ADAPTERS}, case.path
        usual = outcomes(case.report or b"", rfc.recipients(case))
        named = [case.expectation(key.removeprefix("expect-")) for key in case.meta if key.startswith("expect-")]
        for one in filter(None, (case.leeway, *named)):
            assert len(one.outcomes) in (0, 1, len(usual)), case.path
            assert for_each(one.outcomes, len(usual)) != usual, case.path


def test_plain_deliveries_are_recognized(parse: Callable[[str], Case]) -> None:
    assert delivery(parse(plain("Qremote x.example '' 'a b@x.example'"))) == ["x.example", "", "a b@x.example"]
    assert delivery(parse(plain("A=b C= Qremote x.example y z"))) == ["x.example", "y", "z"]
    assert delivery(parse(plain("Qremote x.example a b <message"))) is None
