# SPDX-License-Identifier: ISC
"""Without a sandbox a simple case is played on free ports of 127.0.0.1; every other is skipped with its reason."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from mocksrv.case.file import Case
from mocksrv.judge import clients, rfc
from mocksrv.world import sandbox
from mocksrv.world.run import check

HERE = Path(__file__).parent
SMTPLIB = HERE.parent.parent / "examples/smtp/python-smtplib.py"
WHOLE = (HERE / "cases/pipelined.case").read_text()


@pytest.fixture(autouse=True)
def without_sandbox(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sandbox, "available", lambda **_: "forbidden here")


def test_it_is_played(parse: Callable[[str], Case]) -> None:
    result = check(parse(WHOLE), HERE / "client.py")
    assert result.passed, result.failures
    assert re.search(rb"mx\.example\.org \[127\.0\.0\.1\]:\d+ said", result.stdout)  # as Qremote names it


def test_it_is_played_within_tls(parse: Callable[[str], Case]) -> None:
    """The client knows the server by its name, wherever it is."""
    text = (HERE / "cases/starttls.case").read_text()
    assert check(parse(text), HERE / "client.py").passed
    assert not check(parse(text.replace("cert=mx-by-intermediate", "cert=expired")), HERE / "client.py").passed


@pytest.mark.parametrize("told", [f"{HERE}/client.py", f"qmail:{HERE}/client.py", f"smtp:python3 {SMTPLIB}"], ids=["path", "qmail", "smtp"])
def test_it_is_played_by_the_rfcs(told: str, parse: Callable[[str], Case]) -> None:
    """With any client, also one that knows nothing of our name server."""
    verdict = rfc.check(parse(WHOLE), clients.find(told))
    assert verdict.outcomes == ("delivered", "refused") and verdict.skipped is None
    assert verdict.passed, verdict.failures


def test_it_has_teeth_by_the_rfcs(parse: Callable[[str], Case], tmp_path: Path) -> None:
    wrong = tmp_path / "wrong"
    wrong.write_text(f'#!/bin/sh\nMISBEHAVE=no-quit exec {HERE}/client.py "$@"\n')
    wrong.chmod(0o755)
    verdict = rfc.check(parse(WHOLE), clients.find(f"qmail:{wrong}"))
    assert [failure.rule for failure in verdict.failures] == ["END-NO-QUIT"]
    routed = parse(WHOLE.replace("-- dns", "-- control/smtproutes --\n-- dns", 1))
    verdict = rfc.check(routed, clients.find(f"qmail:{HERE}/client.py"))
    assert verdict.skipped == "it has its own smtproutes (forbidden here)"


def test_a_case_that_judges_nothing(parse: Callable[[str], Case]) -> None:
    case = parse(WHOLE[: WHOLE.index("-- report")])
    verdict = rfc.check(case, clients.find(f"qmail:{HERE}/client.py"))
    assert verdict.skipped == "it has no `report` section, so it judges nothing"
    assert "the case has no `report` section, so it judges nothing" in check(case, HERE / "client.py").failures[0].what


def test_it_has_teeth(parse: Callable[[str], Case]) -> None:
    assert not check(parse(WHOLE.replace("C: QUIT", "C: QUIX")), HERE / "client.py").passed


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("C: QUIT", "C: QUIT\n-- dialogue 192.0.2.26 --\n@refuse", "it does not consist of one connection"),
        ("dialogue mx.example.org", "dialogue mx.example.org:26", "the client must find port 26 itself"),
        ("-- dns", "-- control/smtproutes --\n-- dns", "it has its own smtproutes"),
        ("\n\nThe", "\naddress: 192.0.2.9\n\nThe", "it puts addresses on an interface"),
        ("-- message", "-- dns 192.0.2.53 --\n-- message", "it has no DNS server, or several"),
        ("-- message", "-- dns-log --\n-- message", "it is about DNS"),
        ("192.0.2.25\n-- m", "192.0.2.25 ;@ad\n-- m", "it is about DNS"),
        ("A     192.0.2.25\n-- m", "AAAA  2001:db8::1\n-- m", "mx.example.org is not one IPv4 address"),
    ],
)
def test_it_is_skipped(parse: Callable[[str], Case], old: str, new: str, reason: str) -> None:
    assert old in WHOLE
    result = check(parse(WHOLE.replace(old, new, 1)), HERE / "client.py")
    assert result.skipped == f"{reason} (forbidden here)"
    assert not result.passed
