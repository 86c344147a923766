# SPDX-License-Identifier: ISC
"""Verdicts at the level of the RFCs, as text and as a page: what was said, what is wrong with it, and the outcome."""

from collections.abc import Iterable

from mocksrv.audit import Finding, findings_text
from mocksrv.case.octets import visible
from mocksrv.judge.rfc import Verdict
from mocksrv.play.tape import Tape
from mocksrv.tell import page

_LAST = 20  # lines of other output in the text


def as_text(verdict: Verdict) -> str:
    """The whole verdict, for people."""
    lines = [verdict.case.title, "", f"$ {verdict.case.run}", ""]
    for transcript in verdict.transcripts:
        lines += [findings_text(transcript.tape, _findings(verdict, transcript.tape)), *_remarks(transcript.tape), ""]
    lines += _reports(verdict)
    if verdict.failures:
        lines += _lines(verdict.stderr)[-_LAST:]
    lines += [f"outcome: {' '.join(verdict.outcomes)}", *wrong(verdict)]
    return "\n".join(lines)


def wrong(verdict: Verdict) -> list[str]:
    """The failures, a line for each, the worst first."""
    failures = sorted(verdict.failures, key=lambda failure: -failure.grade)
    return [f"{failure.grade.label}: {failure.what}" for failure in failures]


def as_html(verdict: Verdict) -> str:
    """The same as a page."""
    case = verdict.case
    assert verdict.client is not None
    judgement = wrong(verdict) or ["The outcome is as the case says."]
    introduction = [*case.prose, "", f"$ {case.run}", "", "\n\n".join(judgement)]
    parts = [page.of_tape(one.tape, notes(_findings(verdict, one.tape))) for one in verdict.transcripts]
    if verdict.client.command is None:
        parts.append(page.of_report("The outcome", verdict.stdout, case.run))
    else:
        rows = [f"exit status {verdict.status}", *_reports(verdict), f"outcome: {' '.join(verdict.outcomes)}"]
        parts.append(page.Part("The outcome", [page.Row("", row) for row in rows]))
    if lines := _lines(verdict.stderr):
        parts.append(page.Part("Other output of the client", [page.Row("", line) for line in lines]))
    return page.page(f"{case.title}: {verdict.client.name}", introduction, parts)


def notes(findings: Iterable[Finding]) -> dict[int, tuple[str, ...]]:
    """Findings as notes to the events of a tape."""
    told: dict[int, tuple[str, ...]] = {}
    for finding in findings:
        what = f"{finding.rule.id}{finding.rule.remark} [{finding.rule.rfc}]: {finding.what}"
        told[finding.event] = (*told.get(finding.event, ()), what)
    return told


def _reports(verdict: Verdict) -> list[str]:
    """What the client printed about the outcome."""
    if verdict.client is not None and verdict.client.command is not None:
        return _lines(verdict.stdout)
    return [visible(record) for record in verdict.stdout.split(b"\0") if record]


def _lines(octets: bytes) -> list[str]:
    return [visible(line) for line in octets.split(b"\n") if line]


def _findings(verdict: Verdict, tape: Tape) -> list[Finding]:
    return [finding for known, finding in verdict.findings if known is tape]


def _remarks(tape: Tape) -> list[str]:
    return [f"({remark})" for remark in tape.remarks]
