# SPDX-License-Identifier: ISC
"""What qmail-rspawn concludes from the reports of each case, which is all that qmail learns of a delivery."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from mocksrv.case.file import Case, read_case
from mocksrv.case.templates import find_cases
from mocksrv.judge.rfc import outcomes, recipients

CASES = Path(__file__).parent.parent / "fixtures/cases"
# The reports of one delivery among several, or after the output of something else.
REPORTS = re.compile(rb"(?<![^\0\n])(?:[rhs][^\0]*\0)*[KZD][^\0]*\0")
MEANING = {"delivered": "K", "deferred": "Z", "refused": "D"}
CLASS = {"K": None, "Z": "4", "D": "5"}  # of the code in the first line
# Nobody can read the reports.
SILENT = {
    "no-descriptor-is-open", "nobody-reads-the-reports", "the-disk-for-the-reports-is-full",
    "the-report-file-must-not-grow", "the-report-reader-has-gone",
    "a-trace-of-login", "a-trace-of-plain",  # which print something else
}  # fmt: skip


def as_rspawn(output: bytes, status: int = 0) -> tuple[str, str]:
    """The letter and the text that qmail-send gets; `status` is the exit status, 128 + n for signal n.

    The first record that is a message report decides, unless the very first octet is that of a refused recipient. The
    text is that of the first record, and that of a message report right after it which is no better than the conclusion.
    """
    if status >= 128 or status == 111 or (status == 0 and not output):
        return "Z", ""
    if status:
        return "D", ""
    records = output.decode("utf-8", "replace").split("\0")[:-1]
    decisive = next((record[0] for record in records if record[:1] in ("K", "Z", "D")), "D")
    letter = {"s": "Z", "h": "D"}.get(chr(output[0]), decisive)
    text = "".join(record[1:] for record in records[:1])
    if len(records) > 1 and records[1][:1] in ("K", "Z", "D") and "KZD".index(decisive) >= "KZD".index(letter):
        text += records[1][1:]
    return letter, text


@dataclass(frozen=True)
class Call:
    """The reports of one delivery in the corpus, and what became of each recipient."""

    output: bytes
    status: int
    outcomes: tuple[str, ...]

    def of_each(self) -> Iterator["Call"]:
        """The same delivery as qmail-rspawn asks for it: a call for each recipient."""
        *told, last = self.output.split(b"\0")[:-1]
        for number, outcome in enumerate(self.outcomes):
            yield Call(b"".join(one + b"\0" for one in (*told[number : number + 1], last)), self.status, (outcome,))


def calls(case: Case) -> list[Call]:
    """The deliveries of a case."""
    known, reports = recipients(case), case.report or b""
    if known:
        return [Call(reports, case.exit, outcomes(reports, known))]
    found = REPORTS.findall(reports)
    return [Call(one, case.exit, outcomes(one, [b""] * max(1, one.count(b"\0") - 1))) for one in found]


def troubles(call: Call) -> Iterator[str]:
    """How the conclusion, which is about the first recipient, differs from what became of it."""
    letter, text = as_rspawn(call.output, call.status)
    if letter != MEANING[call.outcomes[0]]:
        yield f"{letter} is not {call.outcomes[0]}"
    if len(call.outcomes) > 1:
        return  # qmail-rspawn never asks for that, and would lose texts
    code = re.match(r".*\(#(\d)\.\d+\.\d+\)\n", text)
    if (code and code[1]) != CLASS[letter]:
        yield f"the text has {code} with {letter}"
    if not re.fullmatch(r"([^\n\0]+\n)+", text):
        yield f"the text {text!r}"


@pytest.mark.spec("RES-1", "RES-2", "RES-5")
def test_the_conclusion_is_what_became_of_the_recipient() -> None:
    """In one call for all recipients, and in one for each, with a text whose codes fit."""
    found = {str(path.relative_to(CASES)): calls(read_case(path)) for path in find_cases(CASES)}
    every = [(name, one) for name, several in found.items() for call in several for one in (call, *call.of_each())]
    assert len(every) > 2000
    assert {name: trouble for name, call in every if (trouble := list(troubles(call)))} == {}


def test_silence_delays() -> None:
    """If nobody can read the reports, the mail stays in the queue."""
    assert {path.stem for path in find_cases(CASES) if not calls(read_case(path))} == SILENT
    assert as_rspawn(b"")[0] == as_rspawn(b"r\0", 128 + 9)[0] == "Z"


DONE, GONE, LATER = b"Kmx accepted message.\n\0", b"hmx refused it. (#5.1.1)\n\0", b"Zmx is busy. (#4.3.2)\n\0"
# What qmail-rspawn would misunderstand.
PLANTED = {
    "no message report": (b"r\0", "delivered"),
    "a failure first": (LATER + DONE, "delivered"),
    "another one's refusal first": (GONE + b"r\0" + DONE, "delivered"),
    "an unknown letter between": (b"r\0x\n\0" + DONE, "delivered"),
    "a stray octet": (b"r\0\n" + DONE, "delivered"),
    "a text of r": (b"rmx accepted recipient. (#2.1.5)\n\0" + DONE, "delivered"),
    "refused and not undone": (b"r\0" + DONE, "refused"),
    "refused for ever": (GONE + LATER, "deferred"),
    "a code that does not fit": (b"Zmx is busy. (#5.3.2)\n\0", "deferred"),
    "a blank line": (b"Zmx is busy. (#4.3.2)\n\n\0", "deferred"),
    "no end of the line": (b"Zmx is busy. (#4.3.2)\0", "deferred"),
    "no end of the record": (b"r\0" + DONE[:-1], "delivered"),
    "nothing": (b"", "delivered"),
}


@pytest.mark.parametrize(("output", "outcome"), PLANTED.values(), ids=PLANTED)
def test_this_check_has_teeth(output: bytes, outcome: str) -> None:
    """A wrong report is found; and so is a right one from a program that fails."""
    assert list(troubles(Call(output, 0, (outcome,))))
    assert list(troubles(Call(b"r\0" + DONE, 1, ("delivered",))))
    assert not list(troubles(Call(b"r\0" + DONE, 0, ("delivered",))))
