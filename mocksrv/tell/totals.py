# SPDX-License-Identifier: ISC
"""What the corpus shows of each client, in numbers and as plain text: sums, broken rules, and every case.

Everywhere a row is a case: the records of all clients, always in the same order.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from itertools import groupby

from mocksrv.audit import RULES, Grade
from mocksrv.judge.baseline import Run, Standing
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
# What a baseline adds.
_STANDINGS = (Standing.FAILED, Standing.EXPECTED, Standing.SURPRISE)


def rows(records: Sequence[Record]) -> list[list[Record]]:
    """Records by case."""
    return [list(row) for _, row in groupby(records, key=lambda record: record.case)]


def heads(records: Sequence[Record]) -> list[str]:
    """The clients, as the columns are called."""
    return [*dict.fromkeys(record.client for record in records)]


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


def as_text(run: Run) -> str:
    """All of it."""
    lines = [["case", *heads(run.records)], *([row[0].case, *map(_mark, row)] for row in rows(run.records))]
    return "\n\n".join([*summary(run), _aligned(lines), last_line(run)]) + "\n"


def summary(run: Run) -> list[str]:
    """Sums, broken rules, and what could not be played and why, as blocks of plain text."""
    table = rows(run.records)
    blocks = [_block("", [*sums(table), *_standings(run)], table)]
    rules = [(f"{rule}{RULES[rule].remark}", numbers) for rule, numbers in rule_sums(table)]
    reasons = Counter(record.skipped for record in run.records if record.skipped is not None)
    columns = [Counter(record.skipped for record in column) for column in zip(*table)]
    skipped = [(reason, [column[reason] for column in columns]) for reason, _ in reasons.most_common()]
    for head, lines in (("broken rules", rules), ("unsupported", skipped)):
        blocks += [_block(head, lines, table)] if lines else []
    unbroken = (f"passed unexpectedly: {rule} ({client}) is broken nowhere" for client, rule in run.unbroken)
    return [*blocks, *run.absent, *unbroken]


def last_line(run: Run) -> str:
    """The run in a line."""
    cases, clients = len(rows(run.records)), len(heads(run.records))
    counted = f"{cases} case{'s' * (cases != 1)}, {clients} client{'s' * (clients != 1)}, {run.seconds:.0f} s"
    return f"{run.version}: {counted}, {run.unexpected or 'nothing'} unexpected"


def _standings(run: Run) -> list[tuple[str, list[int]]]:
    if not run.baseline.clients:
        return []
    columns = [Counter(map(run.standing, column)) for column in zip(*rows(run.records))]
    return [(one.value, [column[one] for column in columns]) for one in _STANDINGS]


def _mark(record: Record) -> str:
    """The result, with a mark if something differs: its grade or, if it is wrong, an exclamation mark."""
    if record.grade is None:
        return record.word
    return f"{record.word} !" if record.grade is Grade.MUST else f"{record.word} ({record.grade.word})"


def _block(head: str, lines: Sequence[tuple[str, list[int]]], table: Rows) -> str:
    return _aligned([[head, *heads(table[0])], *([first, *map(str, numbers)] for first, numbers in lines)])


def _aligned(lines: Sequence[Sequence[str]]) -> str:
    widths = [max(map(len, column)) for column in zip(*lines)]
    return "\n".join("  ".join(word.ljust(width) for word, width in zip(line, widths)).rstrip() for line in lines)
