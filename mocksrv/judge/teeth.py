# SPDX-License-Identifier: ISC
"""Proof that a case detects faults: every mutant of a case that passes must fail.

A mutant differs from the original in one expectation: an octet of a C line's text, of a hole or of a report, or the
result of a handshake.
"""

import zlib
from collections.abc import Container, Iterator
from dataclasses import replace
from pathlib import Path

from mocksrv.case.file import Case
from mocksrv.case.pattern import Facts, Hole, Literal, Pattern, fixed_octets
from mocksrv.case.steps import Dialogue, Hear, Starttls, Step
from mocksrv.case.terms import Terms
from mocksrv.tell.show import explain
from mocksrv.world import home
from mocksrv.world.run import play, wrong_outcome


def toothless(case: Case, program: Path, most: int = 0) -> list[str]:
    """The mutants that pass, or why the case itself does not pass. To be called in a sandbox.

    Of dialogues, at most so many are played, unless that is 0; always the same ones.
    """
    original = play(case, program)
    if not original.passed:
        return ["the case itself does not pass:", *explain(original).split("\n")]
    # Reports and exit status are judged at the end: there is no need to play the case again.
    missed = [what for what, mutant in mutant_outcomes(case) if not list(wrong_outcome(mutant, original))]
    # A branch that was not taken cannot detect anything.
    played = {line for transcript in original.transcripts for line in transcript.done}
    mutants = list(mutant_dialogues(case, played))
    step = max(1, -(-len(mutants) // most)) if most else 1
    chosen = mutants[zlib.crc32(case.title.encode()) % step :: step]
    return missed + [what for what, mutant in chosen if play(mutant, program).passed]


def mutant_dialogues(case: Case, played: Container[int]) -> Iterator[tuple[str, Case]]:
    """Mutants of the lines that were played: what was changed, and the case with that change."""
    facts = Facts(home.helo(case), case.message)
    for index, dialogue in enumerate(case.dialogues):
        for what, mutant in _mutants(dialogue, played, facts):
            dialogues = [*case.dialogues[:index], mutant, *case.dialogues[index + 1 :]]
            yield what, replace(case, dialogues=dialogues)


def mutant_outcomes(case: Case) -> Iterator[tuple[str, Case]]:
    """Mutants of the outcome: what was changed, and the case with that change."""
    records = (case.report or b"").split(b"\0")
    for index, record in enumerate(records[:-1]):
        wrong = b"\0".join([*records[:index], mutated(record), *records[index + 1 :]])
        yield f"report {index + 1}", replace(case, report=wrong)
    yield "exit status", replace(case, exit=case.exit ^ 1)
    if case.dns_log is not None:
        yield "dns-log with one more question", replace(case, dns_log=[*case.dns_log, "other.invalid. A"])
        for index, question in enumerate(case.dns_log):
            yield f"dns-log without {question}", replace(case, dns_log=case.dns_log[:index] + case.dns_log[index + 1 :])


def mutated(octets: bytes) -> bytes:
    """The octets with one of them changed, near the middle."""
    if not octets:
        return b"!"
    middle = len(octets) // 2
    return octets[:middle] + bytes([octets[middle] ^ 1]) + octets[middle + 1 :]


def _mutants(dialogue: Dialogue, played: Container[int], facts: Facts) -> Iterator[tuple[str, Dialogue]]:
    for step in dialogue.lines():
        if step.line in played:
            for what, mutant in _mutant_steps(step, facts):
                yield f"line {step.line}: {step.source}{what}", dialogue.replaced(mutant)


def _mutant_steps(step: Step, facts: Facts) -> Iterator[tuple[str, Step]]:
    match step:
        case Hear():
            yield from (("", replace(step, pattern=pattern)) for pattern in _mutant_patterns(step.pattern, facts))
        case Starttls():
            yield from ((f" ({what})", replace(step, terms=terms)) for what, terms in _mutant_terms(step.terms))


def _mutant_terms(terms: Terms) -> Iterator[tuple[str, Terms]]:
    yield "sni", replace(terms, sni="other.invalid")
    if not terms.cut:
        yield "its end", replace(terms, client="accepts" if terms.fails else "rejects", server="accepts", alert=None)
    for name in ("alert", "suite"):
        if value := getattr(terms, name):
            yield name, replace(terms, **{name: f"x{value}"})
    if terms.shown is not None:
        yield "ask", replace(terms, shown=() if terms.shown else terms.credential.chain)


def _mutant_patterns(pattern: Pattern, facts: Facts) -> Iterator[Pattern]:
    for index, part in enumerate(pattern.parts):
        if not isinstance(part, Hole):
            wrong = Literal(mutated(fixed_octets(part, facts)))
            yield Pattern((*pattern.parts[:index], wrong, *pattern.parts[index + 1 :]))
