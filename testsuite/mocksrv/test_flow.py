# SPDX-License-Identifier: ISC
"""A dialogue as a stream of rows and flights: where a flight ends, which round trip it begins, what is part of the message."""

import os
import pty
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from mocksrv.audit import Grade
from mocksrv.case import script
from mocksrv.case.corpus import CASES
from mocksrv.case.file import read_case
from mocksrv.case.pattern import Facts
from mocksrv.play.tape import CLIENT, CLOSE, HANGUP, RESET, SERVER, STARTTLS, Event, Tape
from mocksrv.tell import flow, meaning, picture, show
from mocksrv.tell.flow import Fault, Row
from mocksrv.world import home

ROOT = Path(__file__).parent.parent.parent


def tape(*events: Event) -> Tape:
    return Tape("mx.example.org", 25, "192.0.2.25", list(events))


def told(*events: Event) -> list[tuple[str, int, str]]:
    """Speaker, round trip and lines of each flight."""
    found = flow.flights(flow.of_tape(tape(*events), {}))
    return [(one.speaker, one.trip, "|".join(row.text for row in one.rows)) for one in found]


def test_a_flight_is_what_one_side_says_at_once() -> None:
    """However many pieces it came in; the last words, for which nobody waits, are no round trip."""
    assert told(
        Event(SERVER, b"220 hi\r\n"), Event(CLIENT, b"EHLO "), Event(CLIENT, b"c\r\n"), Event(SERVER, b"250 ok\r\n"),
        Event(CLIENT, b"MAIL FROM:<>\r\nRCPT TO:<b@c>\r\n"), Event(SERVER, b"250 ok\r\n250 ok\r\n"),
        Event(CLIENT, b"QUIT\r\n"), Event(HANGUP),
    ) == [
        (SERVER, 0, "220 hi"), (CLIENT, 1, "EHLO c"), (SERVER, 0, "250 ok"), (CLIENT, 2, "MAIL FROM:<>|RCPT TO:<b@c>"),
        (SERVER, 0, "250 ok|250 ok"), (CLIENT, 0, "QUIT"), ("", 0, "the client hangs up"),
    ]  # fmt: skip


def test_who_speaks_again_after_an_event_waited_for_nothing() -> None:
    found = told(Event(CLIENT, b"EHLO c\r\n"), Event(STARTTLS), Event(CLIENT, b"EHLO c\r\n"), Event(SERVER, b"250 ok\r\n"))
    assert [(speaker, trip) for speaker, trip, _ in found] == [(CLIENT, 1), ("", 0), (CLIENT, 0), (SERVER, 0)]


def parts(*events: Event) -> list[tuple[str, str]]:
    return [(row.text, row.part) for row in flow.of_tape(tape(*events), {}) if row.speaker == CLIENT]


def test_what_is_part_of_the_message() -> None:
    """From 354 to the dot alone, even if commands follow at once; a command within the message is text."""
    assert parts(
        Event(CLIENT, b"DATA\r\n"), Event(SERVER, b"354 go\r\n"), Event(CLIENT, b"DATA\r\n..\r\n.\r\nQUIT\r\n"),
    ) == [("DATA", ""), ("DATA", flow.MESSAGE), ("..", flow.MESSAGE), (".", flow.MESSAGE), ("QUIT", "")]  # fmt: skip
    assert parts(Event(CLIENT, b"DATA\r\n"), Event(SERVER, b"250 ok\r\n"), Event(CLIENT, b"QUIT\r\n")) == [("DATA", ""), ("QUIT", "")]


def test_only_the_count_ends_a_chunk() -> None:
    """Also amid a line, or with what looks like a command; a count that never comes true is no trap."""
    assert parts(Event(CLIENT, b"BDAT 3\r\nabcBDAT 6 LAST\r\nQUIT\r\nQUIT\r\n")) == [
        ("BDAT 3", ""), ("abc", "chunk 1"), ("BDAT 6 LAST", ""), ("QUIT", "chunk 2"), ("QUIT", ""),
    ]  # fmt: skip
    assert parts(Event(CLIENT, b"BDAT 99999999999999999999\r\nx")) == [("BDAT 99999999999999999999", ""), ("x", "chunk 1")]
    assert parts(Event(CLIENT, b"BDAT x\r\ny\r\n")) == [("BDAT x", ""), ("y", "")]


@pytest.mark.parametrize("last", [b"QUIT\r\n", b"NOOP\r\n"])
@pytest.mark.parametrize("mark", [CLOSE, HANGUP, RESET])
def test_a_connection_that_ends_without_quit_is_cut(mark: str, last: bytes) -> None:
    (*_, row) = flow.of_tape(tape(Event(CLIENT, last), Event(mark)), {})
    assert row.event == (flow.END if last == b"QUIT\r\n" else flow.CUT)


def test_a_delay_is_told() -> None:
    text = "\n".join(show.pictured(flow.of_tape(tape(Event(SERVER, b"220 hi\r\n", at=5.0), Event(CLIENT, b"QUIT\r\n", at=7.54)), {})))
    assert "(2.5 s later)" in text
    assert "2.5 s later" in picture.drawn(flow.of_tape(tape(Event(SERVER, b"2", at=5.0), Event(CLIENT, b"Q", at=7.54)), {}))


def test_a_fault_at_the_end_of_what_came() -> None:
    """Something missing is told, even after the last octet."""
    fault = Fault(Grade.MUST, "what", "rule", offset=3)
    assert flow.of_tape(tape(Event(CLIENT, b"abc")), {0: [fault]})[0].wrong == (fault,)
    assert flow.of_tape(tape(Event(HANGUP)), {0: [fault]})[0].wrong == (fault,)


def test_what_is_wrong_is_shown_even_amid_a_long_message() -> None:
    """With its grade, and the rule."""
    text = b"DATA\r\n", b"354 go\r\n", b"".join(b"%d\r\n" % number for number in range(1000)) + b".\r\n"
    events = [Event(kind, octets) for kind, octets in zip((CLIENT, SERVER, CLIENT), text)]
    fault = Fault(Grade.SHOULD, "X-1: what", "[1#2] Rule.", offset=text[2].index(b"500\r"))
    lines = list(show.pictured(flow.of_tape(tape(*events), {2: [fault]})))
    at = lines.index("   │ C: 500")
    assert lines[at + 1 : at + 3] == ["   │ ^ X-1: what (should)", "   │   [1#2] Rule."]
    assert len(lines) == 2 + 21 + 3 + 21 + 1 and "   │ C: ... 480 lines ..." in lines


def test_notes_find_the_lines_of_a_tape() -> None:
    explained = [Row(CLIENT, "a", ("one",), octets=b"a\r\n"), Row(CLIENT, "a", ("two",), octets=b"a\r\n")]
    rows = [Row(SERVER, "a", octets=b"a\r\n"), Row(CLIENT, "a", octets=b"a\r\n"), Row(CLIENT, "b", octets=b"b\r\n"), explained[1]]
    assert [row.notes for row in flow.noted(rows, explained)] == [(), ("one",), (), ("two",)]


@pytest.mark.parametrize(
    ("speaker", "text", "sections"),
    [
        (CLIENT, "MAIL FROM:<> SIZE=9 BODY=8BITMIME", ["5321#4.1.1.2", "1870#6", "6152#3"]),
        (CLIENT, "XYZZY", []),
        (SERVER, "250-CHUNKING", ["5321#4.2.1", "3030#2"]),
        (SERVER, "550 5.1.1 no such user", ["5321#4.2.3", "3463#3.2"]),
        (SERVER, "299 what", ["5321#4.2.1"]),
        (SERVER, "999 what", []), (SERVER, "", []), (SERVER, "²50 ok", []),
        (SERVER, "450 4.999.1 what", ["5321#4.2.3", "3463#2"]),
    ],
)  # fmt: skip
def test_what_a_line_means(speaker: str, text: str, sections: list[str]) -> None:
    assert [where for _, where in meaning.of_row(Row(speaker, text))] == sections


def test_a_long_message_is_folded_but_all_there() -> None:
    """Not if something in it is to be seen."""
    text = b"".join(b"%d\r\n" % number for number in range(1000)) + b".\r\n"
    events = Event(CLIENT, b"DATA\r\n"), Event(SERVER, b"354 go\r\n"), Event(CLIENT, text)
    drawn = picture.drawn(flow.of_tape(tape(*events), {}))
    assert "<details><summary>... 981 lines ...</summary>" in drawn and drawn.count('class="said C"') == 1002
    assert "lines ..." not in picture.drawn(flow.of_tape(tape(*events), {2: [Fault(Grade.MUST, "w", "r", offset=2000)]}))


def test_every_directive_has_a_name_for_people() -> None:
    assert [name for name in script._DIRECTIVES if meaning.of_event(Row("", f"@{name} x")).startswith("@")] == []
    assert meaning.of_event(Row("", "what else")) == "what else"
    assert meaning.of_event(Row("", "@starttls cert=x", event=flow.CUT)) == "TLS handshake, which fails"


def test_nothing_in_a_picture_is_markup() -> None:
    hostile = b'<script>alert("x")</script>&amp;\x1b[2J\x00\xff\r\n'
    fault = Fault(Grade.MUST, "<s>wrong</s>", "<s>rule</s>")
    text = picture.drawn(flow.of_tape(tape(Event(CLIENT, hostile), Event(SERVER, hostile)), {0: [fault]}))
    assert "<script" not in text and "<s>" not in text and not {"\x1b", "\x00", "\udcff"} & set(text)
    assert hostile.hex(" ") in text


@pytest.mark.parametrize(("environment", "coloured"), [({}, True), ({"NO_COLOR": "1"}, False), ({"TERM": "dumb"}, False)])
def test_colours_are_for_terminals(environment: dict[str, str], coloured: bool) -> None:
    """And for those who want them."""
    ours, theirs = pty.openpty()
    words = [sys.executable, "-m", "mocksrv", "show", "demo/a-mail-finds-its-way"]
    plain = subprocess.run(words, capture_output=True, check=True, cwd=ROOT).stdout
    variables = {"PATH": os.environ["PATH"], "LANG": "C.UTF-8", "TERM": "xterm", **environment}
    seen = b""
    with subprocess.Popen(words, stdout=theirs, cwd=ROOT, env=variables):
        os.close(theirs)
        with suppress(OSError):  # the terminal has no other end any more
            while octets := os.read(ours, 65536):
                seen += octets
    os.close(ours)
    assert b"\x1b" not in plain
    assert (b"\x1b[36m 1   C: EHLO client.example\x1b[m\r\n" in seen) == coloured == (b"\x1b" in seen)


def test_a_picture_of_each_kind_of_case() -> None:
    """Every line of the dialogue is there, in both renderings."""
    for name in ("tls/the-whole-session", "chunking/chunks-one-by-one", "pipelining/the-envelope-is-one-burst"):
        case = read_case(CASES / f"{name}.case")
        rows = flow.of_steps(case.dialogues[0], Facts(home.helo(case), case.message))
        text = "\n".join(show.pictured(rows))
        assert all(f"{row.speaker}: {row.text}" in text for row in rows if row.speaker)
        assert picture.drawn(rows).count("<summary>") == sum(bool(row.speaker) for row in rows)
