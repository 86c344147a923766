# SPDX-License-Identifier: ISC
"""The client's surroundings, and what is judged besides the dialogues."""

import time
from collections.abc import Callable

import pytest

from mocksrv.case.file import Case
from mocksrv.world import run as world
from mocksrv.world.run import Result

Play = Callable[[str], Result]

TWO = """Two exchangers of one preference
{meta}
-- run --
RETRY=1 Qremote example.org a@b.example c@d.example
-- dns --
example.org. MX 1 a.example.org.
example.org. MX 1 b.example.org.
a.example.org. A 192.0.2.1
b.example.org. A 192.0.2.2
-- dialogue b.example.org --
S: 550 no
-- dialogue a.example.org --
@refuse
-- report --
Zb.example.org [192.0.2.2] says 550 no
\\0
"""


def case(run: str, report: str = "", more: str = "", meta: str = "") -> str:
    return f"Title\n{meta}\n-- run --\n{run}\n{more}-- report --\n{report}"


def whats(result: Result) -> list[str]:
    return [failure.what for failure in result.failures]


def test_order(play: Play) -> None:
    assert whats(play(TWO.format(meta=""))) == [
        "the client connects to 192.0.2.1 port 25; next is b.example.org (line 10)"
    ]
    assert play(TWO.format(meta="order: any\n")).passed


@pytest.mark.parametrize(
    ("run", "report"),
    [
        ("cat", "hi\n"),
        ("cat <&- 2>/dev/null", "-- exit --\n1\n"),
        ("cd qmail/control; echo *; cat me", "me\nclient.example\n"),
        ("printf 'a\\0b\\377\\n'", "a\\0\nb\\xff\n"),
        ("env | cut -d= -f1 | sort", "ASAN_OPTIONS\nPATH\nPWD\nQMAILHOME\nTMPDIR\nUBSAN_OPTIONS\nVALGRIND_OPTS\n"),
        ('[ "$QMAILHOME" = "$PWD/qmail" ] && command -v Qremote | sed "s:$PWD/::"', "bin/Qremote\n"),
        ("grep -c . /etc/hosts /etc/resolv.conf", "/etc/hosts:0\n/etc/resolv.conf:1\n"),
        ("kill -9 $$", "-- exit --\n137\n"),
    ],
)
def test_surroundings(play: Play, run: str, report: str) -> None:
    result = play(case(run, report, "-- message --\nhi\n"))
    assert result.passed, (result.failures, result.stdout)


@pytest.mark.parametrize(
    ("manner", "complaint"),
    [
        ("", ""),
        ("absent", "No such file or directory"),
        ("unreadable", "Permission denied"),
        ("directory", "Is a directory"),
    ],
)
def test_control_files(play: Play, manner: str, complaint: str) -> None:
    run = "cat qmail/control/x 2>&1 | sed 's/.*: //'"
    header = f"-- control/x {manner} --\n" if manner else "-- control/x --\n"
    assert play(case(run, f"{complaint}\n" if complaint else "", header)).passed


def test_a_private_control_file(play: Play) -> None:
    """It has lines; only its owner may read it."""
    run = "cat qmail/control/x && stat -c %a qmail/control/x qmail/control/me"
    assert play(case(run, "hi\n600\n644\n", "-- control/x private --\nhi\n")).passed


def test_certificates_in_control_files(play: Play) -> None:
    """After the lines of the section, without the blank ones at its end."""
    header = "-- control/tlshosts/mx.example.org.pem pem client.key mx --\nhi\n\n"
    report = "hi\n-----BEGIN PRIVATE KEY-----\n-----BEGIN CERTIFICATE-----\n"
    assert play(case("grep -e '^hi$' -e BEGIN -e '^$' qmail/control/tlshosts/mx.example.org.pem", report, header)).passed


def test_addresses_of_this_machine(play: Play) -> None:
    run = "ip -o addr show dev lo | grep -c -e 192.0.2.77/32 -e 2001:db8::77/128"
    assert play(case(run, "2\n", meta="address: 192.0.2.77 2001:db8::77\n")).passed


def test_a_second_dns_server(play: Play) -> None:
    more = "-- control/dnsservers --\n192.0.2.53:5353\n-- dns 192.0.2.53:5353 --\nexample.org. A ;@refused\n"
    result = play(case("Qremote example.org a b", "Zdns rcode 0 ad 0 ra 1\n\\0", more))
    assert [question.name for question in result.questions] == ["example.org."] * len(result.questions) != []


def test_a_question_about_a_name_that_does_not_exist(play: Play) -> None:
    """It may be asked if the case says so."""
    run, report = "Qremote nowhere.example a b", "Zno server\n\\0\n"
    log = "-- dns-log --\nnowhere.example. MX\nnowhere.example. A\nnowhere.example. AAAA\n"
    assert play(case(run, report, log)).passed
    assert len(whats(play(case(run, report)))) == 3
    assert whats(play(case(run, report, "-- dns-log --\n"))) == ["the questions to the DNS differ"]


def test_a_sanitizers_log_is_a_failure(play: Play) -> None:
    result = play(case('echo heap-use > "${ASAN_OPTIONS##*log_path=}.1"'))
    assert whats(result) == ["a sanitizer complains"]
    assert result.failures[0].received == b"heap-use\n"


def test_a_handshake_that_drips_has_its_time(parse: Callable[[str], Case]) -> None:
    """Within TLS there are more octets than the case shows."""
    dialogue = "-- dialogue 192.0.2.1 --\n@drip 1 0.01s\n{}S: hello\n"
    clear, secured = (parse(case("true", "", dialogue.format(more))) for more in ("", "@starttls cert=mx\n"))
    assert world._allowance(clear) == pytest.approx(0.07)
    assert world._allowance(secured) > 20


def test_what_is_within_blocks_has_its_time(parse: Callable[[str], Case]) -> None:
    """As often as it happens."""
    dialogue = "-- dialogue 192.0.2.1 --\n@optional\nC: x\n@repeat 3\n@delay 2s\nS: y\n@end\n@end\n"
    assert world._allowance(parse(case("true", "", dialogue))) == 6


def test_a_client_that_hangs_is_killed(play: Play, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(world, "LIMIT", 0.1)
    result = play(case("sleep 60"))
    assert whats(result) == ["the client has not ended"]
    assert result.status is None


def test_an_output_that_stays_open_is_found_at_once(play: Play) -> None:
    start = time.monotonic()
    assert whats(play(case("sleep 60 &"))) == ["the client's output is still open after its end"]
    assert time.monotonic() - start < 50


def test_a_repeated_syn_is_one_attempt(play: Play) -> None:
    """Linux sends it again after one second."""
    report = "Z[192.0.2.1] [192.0.2.1]: no connection\n\\0\n"
    more = "-- dialogue 192.0.2.1 --\n@no-answer within=1.1..9\n"
    result = play(case("TIMEOUT=1.5 Qremote '[192.0.2.1]' a@b.example c@d.example", report, more))
    assert result.passed, result.failures


def test_without_a_report_section(play: Play) -> None:
    assert whats(play("Title\n\n-- run --\ntrue\n")) == ["the case has no `report` section, so it judges nothing; `--bless` writes one"]
