# SPDX-License-Identifier: ISC
"""What is printed of long output, and what is kept of it."""

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mocksrv.play import player
from mocksrv.play.tape import CLIENT, CLOSE, HANGUP, RESET, SERVER, Event, event_lines
from mocksrv.play.transport import Breach
from mocksrv.serve import teller
from mocksrv.serve.teller import Excerpt, LiveTape, Teller

PIECES = st.lists(st.lists(st.sampled_from([b"\n", b"a", b"bc\r\n", b"\r", b"x" * 400])).map(b"".join))


def live() -> tuple[LiveTape, list[str]]:
    told: list[str] = []
    return LiveTape("mx.example.org", 25, "192.0.2.25", lambda _, lines: told.extend(lines)), told


@given(PIECES)
def test_an_excerpt_does_not_depend_on_pieces(pieces: list[bytes]) -> None:
    """The first ten lines, the number of those that are left out, the last ten."""
    one, other = Excerpt(CLIENT), Excerpt(CLIENT)
    whole = b"".join(pieces)
    told = [line for piece in pieces for line in one.feed(piece)] + one.end()
    assert told == other.feed(whole) + other.end()
    if b"x" * 400 not in whole:
        lines = list(event_lines([Event(CLIENT, whole)])) if whole else []
        left_out = len(lines) - 20
        assert told == (lines if left_out <= 0 else [*lines[:10], f"C: ... {left_out} lines ...", *lines[-10:]])


@given(PIECES)
def test_a_tape_has_everything(pieces: list[bytes]) -> None:
    """Whatever is told of it; small pieces of one side become one."""
    tape, _ = live()
    for piece in pieces:
        tape.heard(piece)
    assert b"".join(event.octets for event in tape.events) == b"".join(pieces)
    assert len(tape.events) <= 1 + sum(map(len, pieces)) // 2048


def test_the_first_lines_are_told_as_they_come() -> None:
    tape, told = live()
    tape.said(b"220 hi\r\n")
    tape.heard(b"EHLO")
    assert told == ["S: 220 hi"]
    tape.heard(b" x\r\nha")
    tape.mark(HANGUP)
    tape.mark(RESET)
    tape.mark(CLOSE)
    assert told == ["S: 220 hi", "C: EHLO x", "C= ha", "@hangup", "@close"]


def test_a_tape_has_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(teller, "MOST_OCTETS", 1000)
    tape, _ = live()
    tape.heard(b"x" * 1000)
    with pytest.raises(Breach, match="more than 1000 octets in one session"):
        tape.heard(b"x")


def test_after_the_servers_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not much is kept, and not for long."""
    tape, _ = live()
    tape.mark(CLOSE)
    for _ in range(100):
        tape.heard(b"x" * 1000)
    assert sum(len(event.octets) for event in tape.events) <= 5000
    monkeypatch.setattr(player, "WAIT", 0.0)
    with pytest.raises(TimeoutError):
        tape.heard(b"x")


@given(st.text(alphabet=st.characters(blacklist_categories=())))
def test_a_line_is_a_line(text: str) -> None:
    """Whatever somebody wants to be told."""
    stream = io.StringIO()
    Teller(stream, quiet=False).say(text, kind=SERVER, number=1)
    assert stream.getvalue()[:-1].isprintable() and stream.getvalue()[-1] == "\n"
