# SPDX-License-Identifier: ISC
"""What the corpus shows of each client, in numbers and as plain text: sums, broken rules, and every case.

Everywhere a row is a case: the records of all clients, always in the same order.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from itertools import groupby

from mocksrv.audit import RULES, Grade
from mocksrv.judge.suite import Record

Rows = Sequence[Sequence[Record]]
_KINDS: dict[str, Callable[[Record], bool]] = {
    "as specified": lambda record: record.grade is None and record.skipped is None,
    "wrong": lambda record: record.grade is Grade.MUST,
    "of which a breach": lambda record: record.grade is Grade.MUST and record.word == "breach",
    "should": lambda record: record.grade is Grade.SHOULD,
    "robustness": lambda record: record.grade is Grade.ROBUSTNESS,
    "choice": lambda record: record.grade is Grade.CHOICE,
    "unsupported": lambda record: record.skipped is not None,
}


def rows(records: Sequence[Record]) -> list[list[Record]]:
    """Records by case."""
    return [list(row) for _, row in groupby(records, key=lambda record: record.case)]


def heads(rows: Rows) -> list[str]:
    """The clients, as the columns are called."""
    return [record.client for record in rows[0]]


def sums(rows: Rows) -> Iterator[tuple[str, list[int]]]:
    """How many records of each kind every client has."""
    for kind, counts in _KINDS.items():
        yield kind, [sum(map(counts, column)) for column in zip(*rows)]


def rule_sums(rows: Rows) -> Iterator[tuple[str, list[int]]]:
    """In how many cases each client breaks each rule that anybody breaks."""
    counters = [Counter(rule for record in column for rule in record.rules) for column in zip(*rows)]
    for rule in RULES:
        numbers = [counter[rule] for counter in counters]
        if any(numbers):
            yield rule, numbers


def as_text(rows: Rows, absent: Sequence[str]) -> str:
    """All of it. `absent` says which clients could not be run, and why."""
    cases = [[row[0].case, *map(_mark, row)] for row in rows]
    return "\n\n".join([*summary(rows), _aligned([["case", *heads(rows)], *cases]), *absent]) + "\n"


def summary(rows: Rows) -> list[str]:
    """Sums and broken rules as blocks of plain text."""
    kinds = [[kind, *map(str, numbers)] for kind, numbers in sums(rows)]
    rules = [[f"{rule}{RULES[rule].remark}", *map(str, numbers)] for rule, numbers in rule_sums(rows)]
    blocks = [("", kinds), *([("broken rules", rules)] if rules else [])]
    return [_aligned([[first, *heads(rows)], *lines]) for first, lines in blocks]


def _mark(record: Record) -> str:
    """The result, with a mark if something differs: its grade or, if it is wrong, an exclamation mark."""
    if record.grade is None:
        return record.word
    return f"{record.word} !" if record.grade is Grade.MUST else f"{record.word} ({record.grade.word})"


def _aligned(lines: Sequence[Sequence[str]]) -> str:
    widths = [max(map(len, column)) for column in zip(*lines)]
    return "\n".join("  ".join(word.ljust(width) for word, width in zip(line, widths)).rstrip() for line in lines)
