# SPDX-License-Identifier: ISC
"""Records of three cases and two clients, for the tests of what is made of them."""

from typing import Any

from mocksrv.audit import Grade
from mocksrv.judge.baseline import Baseline, Run
from mocksrv.judge.suite import Record
from mocksrv.play.transcript import Failure

TITLES = {"alpha/first": "The <first> case", "alpha/second": "The second", "beta/third": "The third"}


def record(case: str, client: str, word: str, *failures: str, grade: Grade = Grade.MUST, **more: Any) -> Record:
    """A record with a failure for each word; those of a rule have its name."""
    rules = more.get("rules", ())
    failed = tuple(Failure(1, what, grade=grade, rule=what if what in rules else None) for what in failures)
    return Record(case, TITLES[case], ("RES-1",), ("5321#4.2",), client, f"again {case} {client}", word, failed, **more)


RECORDS = [
    record("alpha/first", "one", "delivered", page="peers/one/alpha/first.html"),
    record("alpha/first", "two", "refused", "why <\x1bnot>", "and #this"),
    record("alpha/second", "one", "breach", "END-NO-QUIT", rules=("END-NO-QUIT",)),
    record("alpha/second", "two", "unsupported", skipped="it is so"),
    record("beta/third", "one", "deferred", "its choice", grade=Grade.ROBUSTNESS),
    record("beta/third", "two", "breach", rules=("END-NO-QUIT",)),
]


def a_run(*absent: str, records: list[Record] = RECORDS, baseline: Baseline = Baseline(), whole: bool = True) -> Run:
    """A run with these records."""
    return Run("mocksrv 1, corpus 2", records, absent, baseline, whole, 3.0)
