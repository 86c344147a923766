"""Rules and findings as text."""

from collections.abc import Iterable, Iterator
from itertools import groupby
from pathlib import Path

from mocksrv.audit.rules import RULES, Finding
from mocksrv.octets import visible
from mocksrv.tape import CLIENT, SERVER, Tape, event_lines

_RUN = 12  # so many lines of a message without a finding are shown; of more, only the first and the last
_WIDTH = 120  # octets of a line that are shown


def rules_text() -> str:
    """The table of rules: ID, section of the RFC, sentence."""
    widths = [max(len(row[column]) for row in _rows()) for column in (0, 1)]
    return "".join(f"{name:{widths[0]}}  {rfc:{widths[1]}}  {sentence}\n" for name, rfc, sentence in _rows())


def _rows() -> list[tuple[str, str, str]]:
    return [(rule.id, rule.rfc, rule.sentence) for rule in RULES.values()]


def findings_text(tape: Tape, findings: Iterable[Finding], path: Path | None = None) -> str:
    """What was said, and beneath each line what was wrong with it; with the place if the tape was read from a file."""
    left = sorted(findings, key=lambda finding: (finding.event, finding.offset))
    text: list[str] = []
    quiet: list[str] = []  # lines without a finding
    for last, line in _lines(tape):
        due = [finding for finding in left if (finding.event, finding.offset) < last]
        left = left[len(due) :]
        quiet.append(f"    {line}")
        if due:
            text += [*_shortened(quiet), *(_told(finding, path) for finding in due)]
            quiet = []
    text += [*_shortened(quiet), *(_told(finding, path) for finding in left)]
    return "".join(f"{line}\n" for line in text)


def _told(finding: Finding, path: Path | None) -> str:
    place = f"{path}:{finding.line}:" if path and finding.line else "^"
    return f"{place} {finding.rule.id}: {finding.what}\n  [{finding.rule.rfc}] {finding.rule.sentence}"


def _shortened(lines: list[str]) -> list[str]:
    if len(lines) <= _RUN:
        return lines
    half = _RUN // 2
    return [*lines[:half], f"    ... {len(lines) - 2 * half} lines ...", *lines[-half:]]


def _lines(tape: Tape) -> Iterator[tuple[tuple[int, int], str]]:
    """Each line of the text, and the place in the tape that comes behind it."""
    for kind, group in groupby(enumerate(tape.events), key=lambda pair: pair[1].kind):
        events = list(group)
        if kind not in (CLIENT, SERVER):
            yield from (((index + 1, 0), kind) for index, _ in events)
            continue
        ends = _ends(events)
        for line in event_lines(event for _, event in events):
            yield next(ends), line if len(line) <= _WIDTH else line[: _WIDTH - 3] + "..."


def _ends(events: list[tuple[int, object]]) -> Iterator[tuple[int, int]]:
    """Where each line of some events of one speaker ends."""
    for index, event in events:
        octets = event.octets
        at = octets.find(b"\n") + 1
        while at:
            yield (index, at) if at < len(octets) else (index + 1, 0)
            at = octets.find(b"\n", at) + 1
    yield events[-1][0] + 1, 0
