# SPDX-License-Identifier: ISC
"""Without a sandbox a simple case is played on free ports of 127.0.0.1; every other is skipped with its reason."""

from collections.abc import Callable
from pathlib import Path

import pytest

from mocksrv.case.file import Case
from mocksrv.world import sandbox
from mocksrv.world.run import check

HERE = Path(__file__).parent
WHOLE = (HERE / "cases/pipelined.case").read_text()


@pytest.fixture(autouse=True)
def without_sandbox(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sandbox, "available", lambda: "forbidden here")


def test_it_is_played(parse: Callable[[str], Case]) -> None:
    result = check(parse(WHOLE), HERE / "client.py")
    assert result.passed, result.failures
    assert b"mx.example.org [127.0.0.1] said" in result.stdout


def test_it_is_played_within_tls(parse: Callable[[str], Case]) -> None:
    """The client knows the server by its name, wherever it is."""
    text = (HERE / "cases/starttls.case").read_text()
    assert check(parse(text), HERE / "client.py").passed
    assert not check(parse(text.replace("cert=mx-by-intermediate", "cert=expired")), HERE / "client.py").passed


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
