# SPDX-License-Identifier: ISC
"""Rules and findings as text."""

from collections import deque
from collections.abc import Iterable, Iterator
from itertools import accumulate, groupby
from pathlib import Path

from mocksrv.audit.rules import RULES, Finding
from mocksrv.case.octets import split_lines
from mocksrv.play.tape import CLIENT, SERVER, Event, Tape, event_lines

_RUN = 12  # so many lines in a row without a finding are shown; of more, only the first and the last
_WIDTH = 120  # octets of a line that are shown


def rules_text() -> str:
    """The table of rules: ID, grade, section of the RFC, sentence."""
    rows = [(one.id, one.grade.word, one.rfc, one.sentence) for one in RULES.values()]
    widths = [max(map(len, column)) for column in zip(*rows)][:-1] + [0]
    return "".join("  ".join(f"{word:{width}}" for word, width in zip(row, widths)) + "\n" for row in rows)


def findings_text(tape: Tape, findings: Iterable[Finding], path: Path | None = None) -> str:
    """What was said, and below each line what was wrong with it; with its place if the tape was read from a file."""
    found = sorted(findings, key=lambda finding: (finding.event, finding.offset))
    text: list[str] = []
    quiet: list[Event] = []  # lines without a finding
    for line, due in _lines(tape, found):
        quiet.append(line)
        if due:
            text += [*_shortened(quiet), *(_told(finding, path) for finding in due)]
            quiet = []
    return "".join(f"{line}\n" for line in [*text, *_shortened(quiet)])


def _lines(tape: Tape, findings: list[Finding]) -> Iterator[tuple[Event, list[Finding]]]:
    """Each line of the text, and what was found in it."""
    left = deque(findings)
    for kind, group in groupby(enumerate(tape.events), key=lambda pair: pair[1].kind):
        events = list(group)
        if kind not in (CLIENT, SERVER):
            for index, event in events:
                yield event, [left.popleft() for finding in findings if finding.event == index]
            continue
        lengths = accumulate((len(event.octets) for _, event in events), initial=0)
        starts = dict(zip((index for index, _ in events), lengths))
        last, end = events[-1][0], 0
        for line in split_lines(b"".join(event.octets for _, event in events)):
            due, end = [], end + len(line)
            while left and left[0].event <= last and starts[left[0].event] + left[0].offset < end:
                due.append(left.popleft())
            yield Event(kind, line), due


def _shortened(lines: list[Event]) -> Iterator[str]:
    half = _RUN // 2
    if len(lines) > _RUN:
        yield from (_shown(line) for line in lines[:half])
        yield f"    ... {len(lines) - 2 * half} lines ..."
        lines = lines[-half:]
    yield from (_shown(line) for line in lines)


def _shown(line: Event) -> str:
    text = "".join(event_lines([line]))
    return f"    {text if len(text) <= _WIDTH else text[: _WIDTH - 3] + '...'}"


def _told(finding: Finding, path: Path | None) -> str:
    place = f"{path}:{finding.line}:" if path and finding.line else "^"
    rule = finding.rule
    return f"{place} {rule.id}{rule.remark}: {finding.what}\n  [{rule.rfc}] {rule.sentence}"
