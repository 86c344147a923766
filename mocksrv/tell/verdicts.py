# SPDX-License-Identifier: ISC
"""Verdicts at the level of the RFCs, as text and as a page: what was said, what is wrong with it, and the outcome."""

from collections.abc import Iterable, Iterator
from html import escape

from mocksrv.audit import RULES, Finding
from mocksrv.case.octets import visible
from mocksrv.judge.rfc import Verdict
from mocksrv.judge.suite import Record
from mocksrv.play.tape import Tape
from mocksrv.tell import flow, page, picture, show
from mocksrv.tell.flow import Fault, Row

_LAST = 20  # lines of other output in the text


def as_text(verdict: Verdict) -> str:
    """The whole verdict, for people."""
    lines = [verdict.case.title, "", f"$ {verdict.case.run}", ""]
    for transcript in verdict.transcripts:
        tape = transcript.tape
        lines += [f"{tape.host} [{tape.address}] port {tape.port}", *tape_text(tape, _findings(verdict, tape)), *_remarks(tape), ""]
    lines += _reports(verdict)
    if verdict.failures:
        lines += _lines(verdict.stderr)[-_LAST:]
    lines += [f"outcome: {' '.join(verdict.outcomes)}", *wrong(verdict)]
    return "\n".join(lines)


def tape_text(tape: Tape, findings: Iterable[Finding]) -> Iterator[str]:
    """What was said, and below each line what was wrong with it."""
    return show.pictured(flow.of_tape(tape, faults(findings)))


def wrong(verdict: Verdict) -> list[str]:
    """The failures, a line for each, the worst first."""
    failures = sorted(verdict.failures, key=lambda failure: -failure.grade)
    return [f"{failure.grade.label}: {failure.what}" for failure in failures]


def as_html(verdict: Verdict, record: Record, back: str) -> str:
    """A page for people who report it to those who maintain the client, with a link `back` to the table."""
    case = verdict.case
    assert verdict.client is not None
    head = f'<p><a href="{back}">All cases and clients</a></p>\n'
    more = f"{_facts(verdict, record)}{''.join(_differences(verdict))}"
    parts = [page.of_tape(one.tape, faults(_findings(verdict, one.tape))) for one in verdict.transcripts]
    if verdict.client.command is None:
        parts.append(page.of_report("The outcome", verdict.stdout, case.run))
    else:
        rows = [f"exit status {verdict.status}", *_reports(verdict), f"outcome: {' '.join(verdict.outcomes)}"]
        parts.append(page.Part("The outcome", [Row("", row) for row in rows]))
    if lines := _lines(verdict.stderr):
        parts.append(page.Part("Other output of the client", [Row("", line) for line in lines]))
    return page.page(f"{case.title}: {verdict.client.name}", case.prose, parts, head, more)


def _facts(verdict: Verdict, record: Record) -> str:
    """What somebody who files a bug has to tell."""
    case, client = verdict.case, verdict.client
    assert client is not None
    kind, result = (record.grade.label,) * 2 if record.grade else ("right", "as the case says")
    told = {
        "case": f"<code>{escape(record.case)}</code>",
        "client": f"<code>{escape(client.told)}</code>",
        "version": escape(client.version()),
        "result": f"<span class={kind}>{result}</span>",
        "RFCs": picture.linked(escape("; ".join(record.sections))),
        "delivery": f"<code>{escape(case.run)}</code>",
        "again": f"<code>{escape(record.again)}</code>",
    }
    return page.facts({name: value for name, value in told.items() if value})


def _differences(verdict: Verdict) -> Iterator[str]:
    """What differs from the case, the worst first, with what was expected beside what came."""
    if verdict.failures:
        yield "<h2>What differs</h2>\n"
    for failure in sorted(verdict.failures, key=lambda failure: -failure.grade):
        sentence = f" {escape(RULES[failure.rule].sentence)}" if failure.rule else ""
        yield f"<p>{picture.graded(failure.grade, failure.what)}.{sentence}</p>\n"
        if failure.expected is not None and failure.received is not None:
            yield page.compared(failure.expected, failure.received, failure.by_line)


def faults(findings: Iterable[Finding]) -> dict[int, list[Fault]]:
    """Findings by the events of a tape."""
    told: dict[int, list[Fault]] = {}
    for finding in findings:
        rule = finding.rule
        fault = Fault(rule.grade, f"{rule.id}: {finding.what}", f"[{rule.rfc}] {rule.sentence}", finding.offset)
        told.setdefault(finding.event, []).append(fault)
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
