# SPDX-License-Identifier: ISC
"""What is expected of each client, so that only news decides whether a run is good. mocksrv(1) describes the file."""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path

from mocksrv.audit import RULES, Grade
from mocksrv.case.octets import harmless
from mocksrv.case.script import CaseError
from mocksrv.judge.suite import Record

_OFTEN = 10  # cases in which a client breaks a rule by habit: one line then stands for all of them


class Standing(Enum):
    """What a record means for the run."""

    PASSED = "as specified"
    NOTED = "noted"  # something differs, but nothing that counts
    EXPECTED = "failed as expected"
    FAILED = "failed"
    SURPRISE = "passed unexpectedly"
    SKIPPED = "not played"


UNEXPECTED = (Standing.FAILED, Standing.SURPRISE)


@dataclass
class Expected:
    """The failures that are expected of a client: cases and rules, with their lines in the file."""

    cases: dict[str, int] = field(default_factory=dict)
    rules: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Baseline:
    """The failures that are expected of each client, and the least grade of those that count."""

    least: Grade = Grade.MUST
    clients: dict[str, Expected] = field(default_factory=dict)

    def news(self, record: Record) -> list[str]:
        """What is wrong and counts, without breaches of rules that are expected."""
        rules = self.clients.get(record.client, Expected()).rules
        news = [one for one in record.failures if one.grade >= self.least and one.rule not in rules]
        return [f"{one.grade.label}: {one.what}" for one in news]

    def standing(self, record: Record) -> Standing:
        """What a record means."""
        expected = self.clients.get(record.client, Expected())
        if record.skipped is not None:
            return Standing.SKIPPED
        if not record.failures:
            return Standing.SURPRISE if record.case in expected.cases else Standing.PASSED
        if all(failure.grade < self.least for failure in record.failures):
            return Standing.NOTED
        return Standing.EXPECTED if record.case in expected.cases or not self.news(record) else Standing.FAILED


@dataclass(frozen=True)
class Run:
    """All records of a run, and what is made of them."""

    version: str  # of mocksrv and of the corpus
    records: Sequence[Record]
    absent: Sequence[str] = ()  # clients that could not be run, and why
    baseline: Baseline = Baseline()
    whole: bool = True  # whether all cases were played, so that a rule that nobody broke is news
    seconds: float = 0.0

    def standing(self, record: Record) -> Standing:
        """What a record means."""
        return self.baseline.standing(record)

    @property
    def unbroken(self) -> list[tuple[str, str]]:
        """Each client that was played, with each rule that it was expected to break, but broke nowhere."""
        found = []
        for client, expected in self.baseline.clients.items() if self.whole else ():
            played = [record for record in self.records if record.client == client and record.skipped is None]
            broken = {rule for record in played for rule in record.rules}
            found += [(client, rule) for rule in expected.rules if played and rule not in broken]
        return found

    @property
    def unexpected(self) -> int:
        """How much was not expected. Only this decides whether the run is good."""
        return sum(self.standing(record) in UNEXPECTED for record in self.records) + len(self.unbroken)


def read(path: Path, least: Grade) -> Baseline:
    """The baseline in a file. Raises CaseError, which names the line, and OSError."""
    baseline = Baseline(least)
    expected = None
    for number, line in enumerate(path.read_text("utf-8", "surrogateescape").splitlines(), 1):
        entry = re.sub(r"(^|\s)#.*", "", line).strip()
        if found := re.fullmatch(r"\[(.+)\]", entry):
            expected = baseline.clients.setdefault(found[1], Expected())
        elif expected is None and entry:
            raise CaseError(f"{path}:{number}: expected `[CLIENT]` before this line")
        elif expected is not None and "/" in entry:
            expected.cases[entry] = number
        elif expected is not None and entry:
            if entry not in RULES:
                raise CaseError(f"{path}:{number}: neither TOPIC/NAME nor a rule (`mocksrv audit --rules`): {entry}")
            expected.rules[entry] = number
    return baseline


def text(records: Sequence[Record], least: Grade, remark: str) -> str:
    """A file by which the same run has only expected failures: rules that are broken often, then each other case."""
    lines = [f"# {remark}"]
    for client in dict.fromkeys(record.client for record in records):
        failures = {
            record.case: [one for one in record.failures if one.grade >= least]
            for record in records if record.client == client
        }  # fmt: skip
        times = Counter(rule for found in failures.values() for rule in {one.rule for one in found if one.rule})
        entries = {rule: f"in {number} cases" for rule, number in times.items() if number >= _OFTEN}
        for case, found in failures.items():
            if others := [one for one in found if one.rule not in entries]:
                entries[case] = harmless(f"{others[0].grade.label}: {others[0].what}")
        width = max(map(len, entries), default=0)
        lines += ["", f"[{client}]", *(f"{entry:{width}}  # {why}" for entry, why in entries.items())]
    return "\n".join(lines) + "\n"
