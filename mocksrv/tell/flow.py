# SPDX-License-Identifier: ISC
"""A dialogue as a stream of what happened, for the terminal and for pages: rows, grouped into flights.

A row is a line that one side says, or something else that happens. A flight is all that one side says without hearing from
the other. A round trip is a flight of the client and the replies that it waits for; that of the connection itself and those
of a handshake are not counted.
"""

import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby

from mocksrv.audit import Grade
from mocksrv.case.octets import decode, split_lines, visible
from mocksrv.case.pattern import Facts
from mocksrv.case.steps import (
    Close, Delay, Dialogue, Drip, HalfClose, Hear, Mark, NoAnswer, Refuse, Reset, Say, Split, Stall, Starttls, Step,
)  # fmt: skip
from mocksrv.play.tape import CLIENT, CLOSE, HANGUP, RESET, SERVER, STARTTLS, Event, Tape
from mocksrv.play.transcript import Transcript

# What may happen besides what is said.
SECURED, PAUSE, CUT, END, OTHER = "secured", "pause", "cut", "end", "other"
MESSAGE, CHUNK = "message text", "chunk"  # what the octets of a client may be part of; the latter with its number
_PAUSE = 0.1  # seconds; what is shorter is not told
_BDAT = re.compile(rb"BDAT +([0-9]{1,20})(?: +LAST)?\r?\n", re.IGNORECASE)
_ASKING = re.compile(rb"(?m)^354[^\n]*\n\Z")
_MARKS = {
    STARTTLS: (SECURED, "TLS handshake"), CLOSE: (CUT, "the server hangs up"), HANGUP: (CUT, "the client hangs up"),
    RESET: (CUT, "the client breaks the connection"),
}  # fmt: skip


@dataclass(frozen=True)
class Fault:
    """What is wrong with a line, and the rule that says so; `offset` is where it begins in the octets of its event."""

    grade: Grade
    what: str
    rule: str
    offset: int = 0


@dataclass(frozen=True)
class Row:
    """One line: its speaker (CLIENT, SERVER, or "" for anything else), its text for people, and what belongs to it."""

    speaker: str
    text: str
    notes: tuple[str, ...] = ()
    wrong: tuple[Fault, ...] = ()
    octets: bytes = b""  # empty if they are not known
    part: str = ""  # what the octets are part of, if they are no command: MESSAGE, or CHUNK and its number
    event: str = ""  # which kind of event this is, if nobody speaks
    at: float = 0.0  # when it happened, in seconds of any clock; 0 if that is not known
    mark: str = ""  # whether it was played, and how that went: for people who see a failure
    remark: str = ""  # the result, if the text does not tell it


@dataclass(frozen=True)
class Flight:
    """What one side says at once (`trip` is the number of the round trip that it begins), or an event."""

    speaker: str
    rows: tuple[Row, ...]
    trip: int = 0
    tls: bool = False
    pause: float = 0.0  # the seconds since the last flight, if they are worth telling


def flights(rows: Iterable[Row]) -> list[Flight]:
    """Rows as flights. Whoever speaks again after an event begins a new one, but no round trip if the other was silent.
    Where a dialogue has alternatives or repetitions, round trips are not counted."""
    rows = list(rows)
    counted = not any(row.event == OTHER and row.text.startswith("@") for row in rows)
    found: list[Flight] = []
    trip, tls, last, heard = 0, False, 0.0, True
    for (speaker, _), group in groupby(rows, key=lambda row: (row.speaker, row.event)):
        lines = tuple(group)
        pieces: list[tuple[Row, ...]] = [lines] if speaker else [(row,) for row in lines]
        for flight in pieces:
            begins = counted and speaker == CLIENT and heard
            trip += begins
            begun = flight[0].at
            pause = begun - last if last and begun - last >= _PAUSE else 0.0
            found.append(Flight(speaker, flight, trip if begins else 0, tls, pause))
            heard = speaker == SERVER or heard and not begins
            tls |= flight[0].event == SECURED
            last = flight[-1].at or last
    if not heard and trip:  # nobody waited for what was said last, such as QUIT
        last_trip = max(index for index, flight in enumerate(found) if flight.trip)
        found[last_trip] = replace(found[last_trip], trip=0)
    return found


def trips(found: Iterable[Flight]) -> int:
    """How many round trips there were."""
    return max((flight.trip for flight in found), default=0)


def of_steps(dialogue: Dialogue, facts: Facts, transcript: Transcript | None = None) -> list[Row]:
    """The lines of a dialogue; with its transcript, how each of them went."""
    splitter, rows = _Splitter(), []
    for step in dialogue.lines():
        told = _of_step(step, facts, splitter)
        if transcript:
            told = [replace(row, mark=mark_of(step, transcript)) for row in told]
            told[-1] = replace(told[-1], remark=remark_of(step, transcript))
        rows += told
    return rows


def _of_step(step: Step, facts: Facts, splitter: "_Splitter") -> list[Row]:
    match step:
        case Say():
            splitter.hear_server(step.octets)
            return [Row(SERVER, _text(step.octets, step.source), step.notes, octets=step.octets)]
        case Hear() if step.pattern.is_open:
            return [Row(CLIENT, step.source[3:].replace("{helo}", decode(facts.helo)), step.notes)]
        case Hear():
            lines = splitter.split(step.pattern.fixed(facts)) or [(b"", "")]
            rows = [Row(CLIENT, _text(line, step.source), (), octets=line, part=part) for line, part in lines]
            return [replace(rows[0], notes=step.notes), *rows[1:]]
    return [Row("", step.source, step.notes, event=_event(step))]


def _event(step: Step) -> str:
    match step:
        case Starttls() if not step.terms.fails and not step.terms.cut:
            return SECURED
        case Delay() | Drip() | Split() | Stall():
            return PAUSE
        case Starttls() | Close() | HalfClose() | Reset() | Refuse() | NoAnswer():
            return CUT
    return OTHER


def _text(octets: bytes, source: str) -> str:
    """A line as people read it: without its CR LF, and as the case writes it if it has escapes."""
    if source[1:2] == "=" and source[3:] == visible(octets):
        return source[3:]
    return visible(octets.removesuffix(b"\r\n"))


def mark_of(step: Step, transcript: Transcript) -> str:
    """The mark of a line: played, failed or not reached, passed over; none for the marks of blocks."""
    if isinstance(step, Mark):
        return " "
    return "✓" if step.line in transcript.done else "·" if step.line in transcript.passed_over else "✗"


def remark_of(step: Step, transcript: Transcript) -> str:
    """The result of a step, if the case itself does not say it."""
    times = transcript.done[step.line]
    notes = [note for note in (times > 1 and f"{times} times", transcript.notes.get(step.line)) if note]
    return f"   ({'; '.join(notes)})" if notes else ""


def of_tape(tape: Tape, wrong: Mapping[int, Sequence[Fault]]) -> list[Row]:
    """What happened on a connection; `wrong` holds what was wrong, by the index of the event."""
    splitter = _Splitter()
    rows: list[Row] = []
    for kind, group in groupby(enumerate(tape.events), key=lambda pair: pair[1].kind):
        numbered = list(group)
        if kind not in (CLIENT, SERVER):
            for index, one in numbered:
                event, text = _MARKS[kind]
                event = END if event == CUT and _is_over(rows) else event
                rows.append(Row("", text, wrong=tuple(wrong.get(index, ())), event=event, at=one.at))
            continue
        octets = b"".join(event.octets for _, event in numbered)
        lines = splitter.split(octets) if kind == CLIENT else [(line, "") for line in split_lines(octets)]
        if kind == SERVER:
            splitter.hear_server(octets)
        rows += _placed(kind, lines, numbered, wrong)
    return rows


def _is_over(rows: list[Row]) -> bool:
    """Whether the client has said QUIT."""
    said = [row.text for row in rows if row.speaker == CLIENT and not row.part]
    return bool(said) and said[-1].upper() == "QUIT"


def noted(rows: Iterable[Row], explained: Sequence[Row]) -> Iterator[Row]:
    """Rows of a tape with the notes of the dialogue that was played; what is in a branch not taken is passed over."""
    place = 0
    for row in rows:
        alike = (row.speaker, row.event, row.octets)
        for index in range(place, len(explained)):
            one = explained[index]
            if (one.speaker, one.event, one.octets) == alike:
                place, row = index + 1, replace(row, notes=one.notes)
                break
        yield row


def _placed(
    kind: str, lines: list[tuple[bytes, str]], numbered: list[tuple[int, Event]], wrong: Mapping[int, Sequence[Fault]]
) -> Iterator[Row]:
    """The lines of events that follow each other, each with its faults and its time."""
    faults, starts, start = [], [], 0
    for index, event in numbered:
        faults += [(start + fault.offset, fault) for fault in wrong.get(index, ())]
        starts.append(start)
        start += len(event.octets)
    done = 0
    for line, part in lines:
        end = done + len(line)
        here = tuple(fault for at, fault in faults if done <= at < end or end == start == at)
        at = numbered[bisect_right(starts, done) - 1][1].at
        plain = decode(line.removesuffix(b"\r\n"))
        text = plain if visible(line) == plain + r"\r\n" else visible(line)
        yield Row(kind, text, (), here, line, part, at=at)
        done = end


class _Splitter:
    """Splits what a client says into lines, and tells which of them are of the message."""

    def __init__(self) -> None:
        self._chunk = self._due = 0  # the number of the chunk that is being sent, and how many octets of it are still due
        self._asked = self._text = False  # whether the last command was DATA; whether the text is being sent

    def hear_server(self, octets: bytes) -> None:
        """The server says something."""
        self._text = self._text or self._asked and _ASKING.search(octets) is not None
        self._asked = False

    def split(self, octets: bytes) -> list[tuple[bytes, str]]:
        """Each line or part of one, and what it is part of."""
        found: list[tuple[bytes, str]] = []
        start = 0
        while start < len(octets):
            if self._due:
                piece = octets[start : start + self._due]
                self._due -= len(piece)
                found += [(line, f"{CHUNK} {self._chunk}") for line in split_lines(piece)]
            else:
                piece = octets[start : octets.find(b"\n", start) + 1 or len(octets)]
                found.append((piece, MESSAGE if self._text else ""))
                if self._text:
                    self._text = piece != b".\r\n"
                else:
                    self._take_command(piece)
            start += len(piece)
        return found

    def _take_command(self, line: bytes) -> None:
        self._asked = line.rstrip().upper() == b"DATA"
        if bdat := _BDAT.fullmatch(line):
            self._chunk, self._due = self._chunk + 1, int(bdat[1])
        elif line[:4].upper() == b"MAIL":
            self._chunk = 0
