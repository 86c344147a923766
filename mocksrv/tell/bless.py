# SPDX-License-Identifier: ISC
"""Rewrites a case from what the client did: C lines, `report` and `exit`. Everything else stays, octet for octet.

To bless a wrong program is to bless its faults. So blessing is refused where CI is set; people must read its diff.
"""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from mocksrv.case.file import Case, read_case
from mocksrv.case.octets import decode, encode, split_lines, visible
from mocksrv.case.script import CaseError
from mocksrv.case.steps import Either, Hear, Step
from mocksrv.case.templates import TEMPLATE
from mocksrv.play.player import WAIT, Player
from mocksrv.play.transcript import Transcript
from mocksrv.tell.show import explain, report_lines
from mocksrv.world.run import Result, check

_QUIET = 0.1  # seconds without an octet that end a burst


class Refused(Exception):
    """Why a case cannot be blessed."""


def bless(path: Path, program: Path) -> Result:
    """Rewrites the case from what the program does, and plays it once more. Raises Refused, CaseError or OSError."""
    if os.environ.get("CI"):
        raise Refused("--bless is refused where CI is set")
    if path.with_name(TEMPLATE).exists() and not path.exists():
        raise Refused(f"{path}: it is made from {TEMPLATE}, which cannot be blessed")
    result = check(read_case(path), program, BlessingPlayer)
    if result.skipped:
        return result
    if result.failures:
        raise Refused(f"only C lines, report and exit can be blessed:\n{explain(result)}")
    if not result.stdout.endswith(b"\0"):
        raise Refused(f"{path}: the client's output does not end with a report: {visible(result.stdout)}")
    before = path.read_bytes()
    path.write_bytes(encode("\n".join(_rewritten(result, decode(before).split("\n")))))
    try:
        return check(read_case(path), program)
    except CaseError as error:
        path.write_bytes(before)
        raise Refused(f"{path}: cannot be blessed: what the client did does not make a case ({error})") from error


class BlessingPlayer(Player):
    """Takes whatever comes before the server's turn as the burst, and notes in `edits` how the case should say it."""

    judges_outcome = False

    def hear(self, burst: list[Hear]) -> None:
        """Takes a burst. Lines that fit stay as they are written."""
        self._take_until_quiet(WAIT)
        come = bytes(self._received)
        untouched = True
        for step in burst:
            fresh = self._take_through(step)
            untouched = untouched and fresh == []
            self._edit(step)[:] = [] if fresh is None else [*fresh, step.source]
            self._transcript.done[step.line] += 1
            self._last = step
        if self._ahead and isinstance(self._ahead[0], Either):  # what was received belongs to its branches
            if not untouched:
                self._fail("the client sent something else; it is unclear how much of it belongs to the next block")
        elif self._received:
            self._append()
        self._bye = come[: len(come) - len(self._received)].upper().endswith(b"QUIT\r\n")

    def expect_silence(self, seconds: float, end_allowed: bool = False) -> bool:
        """Octets that come nevertheless become lines before the step at which they came."""
        self._take_until_quiet(max(seconds, _QUIET))
        if self._received:
            step = next(step for step in self._transcript.dialogue.walk() if step.line == self._at)
            self._edit(step)[-1:-1] = self._take_lines()
        return super().expect_silence(seconds, end_allowed)

    def expect_end(self) -> None:
        """Octets that still come become lines at the end of the dialogue."""
        self._take_until_quiet(WAIT)
        if self._received:
            self._append()
        super().expect_end()

    def _edit(self, step: Step, played: int = 0) -> list[str]:
        """The lines that replace a step's line, for this time that it is played."""
        times = self._transcript.done[step.line] - played
        return self._transcript.edits.setdefault((step.line, times), [step.source])

    def _append(self) -> None:
        """Turns what was received into lines after the last one that was played."""
        if self._last is None:
            self._fail("the client sent something else before anything that can be blessed")
        self._edit(self._last, played=1).extend(self._take_lines())

    def _take_until_quiet(self, patience: float) -> None:
        """Takes in octets until no more come. Waits `patience` seconds for the first ones."""
        patience = min(patience, _QUIET) if self._received else patience
        with contextlib.suppress(OSError):
            while self._transport.readable(patience) and self._take_in():
                patience = _QUIET

    def _take_through(self, step: Hear) -> list[str] | None:
        """Takes the octets that fit the step, and returns the lines before them. None if nothing fits."""
        start = 0
        while start < len(self._received) or start == 0:
            length = self._fitting(step, bytes(self._received[start:]))
            if length is not None:
                fresh = _lines(bytes(self._received[:start]))
                del self._received[: start + length]
                return fresh
            start = self._received.find(b"\n", start) + 1
            if start == 0:
                break
        return None

    def _fitting(self, step: Hear, octets: bytes) -> int | None:
        """How many octets at the beginning match the step; None if they do not match."""
        if not step.pattern.is_open:
            fixed = step.pattern.fixed(self._facts)
            return len(fixed) if octets.startswith(fixed) else None
        line = octets[: octets.find(b"\n") + 1]
        return len(line) if step.pattern.match(line, self._facts, self._bound) else None

    def _take_lines(self) -> list[str]:
        lines = _lines(bytes(self._received))
        self._received.clear()
        return lines


def _lines(octets: bytes) -> list[str]:
    """C lines for what was received."""
    return [_c_line(line) for line in split_lines(octets)]


def _c_line(line: bytes) -> str:
    text = visible(line).replace("{", r"\x7b")
    plain = decode(line.removesuffix(b"\r\n"))
    return f"C: {plain}" if text == plain + r"\r\n" else f"C= {text}"


def _rewritten(result: Result, lines: list[str]) -> list[str]:
    """The lines of the file with the edits of the dialogues, and with the outcome."""
    edits = {line: edit for transcript in result.transcripts for line, edit in _agreed(result, transcript, lines)}
    added: list[str] = []
    if result.stdout != result.case.report:
        added += _replace(edits, result.case, "report", report_lines(result.stdout))
    if result.status != result.case.exit:
        added += _replace(edits, result.case, "exit", [str(result.status)])
    end = len(lines) - (lines[-1] == "")
    edited = [text for number, line in enumerate(lines[:end], 1) for text in edits.get(number, [line])]
    return [*edited, *added, *lines[end:]]


def _agreed(result: Result, transcript: Transcript, lines: list[str]) -> Iterator[tuple[int, list[str]]]:
    """The edits of a dialogue by line. Raises Refused if a repeated line was not the same each time."""
    for (line, _), edit in transcript.edits.items():
        times = range(transcript.done[line])
        if any(transcript.edits.get((line, time), [lines[line - 1]]) != edit for time in times):
            raise Refused(f"{result.case.path}:{line}: cannot be blessed: it is repeated, and the lines sent differ")
        yield line, edit


def _replace(edits: dict[int, list[str]], case: Case, name: str, content: list[str]) -> list[str]:
    """Notes a section's new content. If there is no such section, returns its lines, to be added to the file."""
    section = next((section for section in case.sections if section.name == name), None)
    header = f"-- {name} --"
    if section is None:
        return [header, *content]
    for number, _ in enumerate(section.content(), section.line + 1):
        edits[number] = []
    edits[section.line] = [header, *content]
    return []
