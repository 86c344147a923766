# SPDX-License-Identifier: ISC
"""Results as text: why a case failed, and a whole case with its explanations."""

import os
import re
import shlex
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from difflib import SequenceMatcher
from itertools import groupby
from pathlib import Path
from typing import TextIO

from mocksrv import command
from mocksrv.case.file import Case
from mocksrv.case.octets import decode, first_difference, visible
from mocksrv.case.pattern import Facts
from mocksrv.case.templates import TEMPLATE
from mocksrv.play.tape import CLIENT, SERVER
from mocksrv.play.transcript import Failure
from mocksrv.tell import flow
from mocksrv.tell.flow import Row
from mocksrv.world import home
from mocksrv.world.run import Result

_WINDOW = 60  # octets shown on either side of a difference in long data
_WIDTH = 200  # characters of a line that are shown
_BODY_LINES = 20  # a longer message is shown by its beginning and end
COLOURS = {CLIENT: "36", SERVER: "32"}  # cyan, green
_SPOKEN = re.compile(r"[ \d]{2} [ ┌│└] (?:[✓✗·] )?([CS]): ")
_LETTERS = {
    "r": "accepted", "h": "refused for good", "s": "refused for now",
    "K": "delivered", "Z": "try again later", "D": "failed for good",
}  # fmt: skip


def explain(result: Result) -> str:
    """Why a case failed, for the person who has to fix it."""
    lines = [f"{_short(result.case.path)}: {result.case.title}", ""]
    for failure in result.failures:
        lines.append(f"line {failure.line}: {failure.what}")
        lines += _indented(_ends(list(_progress(result, failure)), 2, 20))
        lines += [*_indented(_ends(list(_comparison(failure)), 30, 10)), ""]
    if result.questions:
        lines += ["DNS questions:", *_indented(map(str, result.questions))]
    program = shlex.quote(_short(result.program))
    if not result.case.path.exists():
        lines += [f"its text: {_short(result.case.path.with_name(TEMPLATE))}"]
    lines += [f"alone: {command()} run {shlex.quote(_short(result.case.path))} -- {program}"]
    return "\n".join(lines)


def annotated(result: Result) -> str:
    """The whole case as it was played: prose, DNS questions, dialogues with their notes, and the reports decoded."""
    case = result.case
    facts = Facts(home.helo(case), case.message)
    lines = [case.title, *(f"  {key}: {' '.join(values)}" for key, values in case.meta.items()), "", *case.prose]
    lines += [f"$ {case.run}", ""]
    lines += [*(f"DNS  {question}" for question in result.questions), ""]
    for transcript in result.transcripts:
        dialogue = transcript.dialogue
        lines.append(f"{dialogue.host} [{transcript.address}] port {dialogue.port}")
        lines += [*pictured(flow.of_steps(dialogue, facts, transcript)), ""]
    lines += _decoded(result)
    return "\n".join(lines)


def reading(case: Case) -> str:
    """A case as text before it is played: known holes are filled in, reports decoded."""
    facts = Facts(home.helo(case), case.message)
    lines = [case.title, *(f"  {key}: {' '.join(values)}" for key, values in case.meta.items()), "", *case.prose]
    dialogues = {dialogue.line: dialogue for dialogue in case.dialogues}
    for section in case.sections:
        if section.name == "report":
            continue
        lines.append(f"-- {section.name} {section.argument}".strip())
        if dialogue := dialogues.get(section.line):
            lines += pictured(flow.of_steps(dialogue, facts))
        else:
            lines += _indented(section.content())
    lines += ["", *_decoded(Result(case, Path(), stdout=case.report or b"", status=case.exit))]
    return "".join(f"{line}\n" for line in lines)


def _short(path: Path) -> str:
    relative = os.path.relpath(path)
    return str(path) if relative.startswith("..") else relative


def _indented(lines: Iterable[str]) -> Iterator[str]:
    return (f"  {line}" for line in lines)


def _progress(result: Result, failure: Failure) -> Iterator[str]:
    """The lines of the dialogue that went well, and the one that did not."""
    for transcript in result.transcripts:
        dialogue = transcript.dialogue
        if not dialogue.line <= failure.line <= dialogue.end:
            continue
        yield f"{dialogue.host} [{transcript.address}]:{dialogue.port}"
        wanted = Counter(step.line for step in dialogue.walk())
        for step in dialogue.lines():
            mark, times = flow.mark_of(step, transcript), transcript.done[step.line]
            failed = step.line == failure.line and times < wanted[step.line]
            if failed or mark == "✗" and step.line >= failure.line:
                yield f"  ✗ {step.source}{f'   (✓ {times} times before)' if times else ''}"
                return
            if mark != "✗":
                yield f"  {mark} {step.source}{flow.remark_of(step, transcript)}"


def _comparison(failure: Failure) -> Iterator[str]:
    match failure:
        case Failure(expected=None, received=None):
            pass
        case Failure(expected=None, received=bytes(received)):
            yield from (visible(line) for line in received.split(b"\n"))
        case Failure(expected=bytes(expected), received=bytes(received)) if (
            failure.by_line or expected.count(b"\0") or not expected
        ):
            yield from _line_difference(expected, received)
        case Failure(expected=bytes(expected), received=bytes(received)):
            start = max(0, first_difference(expected, received) - _WINDOW)
            one, other = (visible(octets[start : start + 3 * _WINDOW]) for octets in (expected, received))
            skipped = f"... {start} octets ... " if start else ""
            yield f"expected: {skipped}{one}"
            yield f"received: {skipped}{other}"
            yield " " * (10 + len(skipped) + len(os.path.commonprefix([one, other]))) + "^"


def _line_difference(expected: bytes, received: bytes) -> Iterator[str]:
    """Both as lines: `  ` in both, `- ` only expected, `+ ` only received."""
    one, other = (
        report_lines(report if report[-1:] in (b"", b"\0", b"\n") else report + b" (no newline)")
        for report in (expected, received)
    )
    for kind, start, stop, other_start, other_stop in SequenceMatcher(None, one, other, autojunk=False).get_opcodes():
        if kind == "equal":
            yield from (f"  {line}" for line in one[start:stop])
        else:
            yield from (f"- {line}" for line in one[start:stop])
            yield from (f"+ {line}" for line in other[other_start:other_stop])


def report_lines(report: bytes) -> list[str]:
    r"""A report, which should end with NUL or newline, as the lines of a `report` section."""
    lines = [visible(line) for line in report.replace(b"\0", b"\0\n").split(b"\n")]
    return lines[:-1] if lines[-1] == "" else lines


def pictured(rows: Sequence[Row]) -> Iterator[str]:
    """Rows as a picture in text: a bracket around each flight of several lines, and before each flight that the client
    waits for the number of its round trip."""
    found = flow.flights(rows)
    for flight in found:
        lines = _abbreviated(flight.rows)
        number = str(flight.trip or "")
        if flight.pause:
            yield f"{'':7}({flight.pause:.1f} s later)"
        for index, row in enumerate(lines):
            bracket = " " if len(lines) == 1 else "┌" if not index else "└" if index == len(lines) - 1 else "│"
            yield from (f"   {bracket if index else ' '}   # {note}" for note in row.notes)
            who = f"{row.speaker}: " if row.speaker else ""
            text = row.text if len(row.text) <= _WIDTH else f"{row.text[: _WIDTH - 3]}..."
            yield f"{number:>2} {bracket} {row.mark and row.mark + ' '}{who}{text}{row.remark}"
            number = ""
            after = " " if bracket in " └" else "│"
            for fault in row.wrong:
                yield from (f"   {after} ^ {fault.what}{fault.grade.remark}", f"   {after}   {fault.rule}")
    if trips := flow.trips(found):
        yield f"   {trips} round trip{'s' if trips > 1 else ''}"


def wants_colours(stream: TextIO) -> bool:
    """Whether a stream is a terminal that shows colours, and nobody said that they are not wanted."""
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def coloured(line: str) -> str:
    """A line, in the colour of its speaker if it is one of a dialogue."""
    found = _SPOKEN.match(line)
    return f"\x1b[{COLOURS[found[1]]}m{line}\x1b[m" if found else line


def _abbreviated(rows: Sequence[Row]) -> list[Row]:
    """Rows, but of a long message only the beginning and the end, and what is wrong."""
    half = _BODY_LINES // 2
    found: list[Row] = []
    for (part, wrong), group in groupby(rows, key=lambda row: (row.part, bool(row.wrong))):
        lines = list(group)
        if part and not wrong and len(lines) > _BODY_LINES:
            skipped = replace(lines[half], text=f"... {len(lines) - 2 * half} lines ...", notes=())
            lines = [*lines[:half], skipped, *lines[-half:]]
        found += lines
    return found


def _ends(lines: list[str], first: int, last: int) -> list[str]:
    """The lines, or, if there are many, only the first and the last ones."""
    if len(lines) <= first + last:
        return lines
    return [*lines[:first], f"... {len(lines) - first - last} lines ...", *lines[-last:]]


def _decoded(result: Result) -> Iterator[str]:
    """The reports, each with its meaning."""
    for letter, meaning, text in explained(result.stdout, result.case.run):
        yield f"{letter} = {meaning}"
        if text:
            yield "    " + text.replace("\n", "\n    ")
    yield f"exit status {result.status}"


def explained(report: bytes, run: str) -> Iterator[tuple[str, str, str]]:
    """Each record of a report: its letter, what that means and for whom, and its text."""
    recipients = _recipients(run)
    for index, record in enumerate(report.removesuffix(b"\0").split(b"\0")):
        letter, text = decode(record[:1]), visible(record[1:]).replace(r"\n", "\n").strip()
        who = (recipients[index] if index < len(recipients) else "recipient ?") if letter in "rhs" else "message"
        yield visible(record[:1]), f"{who}: {_LETTERS.get(letter, 'no report at all')}", text


def _recipients(run: str) -> list[str]:
    try:
        words = shlex.split(run)
        return words[words.index("Qremote") + 3 :]
    except ValueError:
        return []
