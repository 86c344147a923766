# SPDX-License-Identifier: ISC
"""The corpus against many clients: a table, as a page and as text, and a page for each delivery.

Rows are cases by topic, columns are clients. A cell shows the result, and whether that is what the case says.
"""

import multiprocessing
import os
import signal
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from html import escape
from itertools import groupby
from pathlib import Path
from urllib.parse import quote

from mocksrv.judge import rfc

from mocksrv.tell import page, verdicts

from mocksrv.audit import RULES
from mocksrv.case.file import read_case
from mocksrv.case.script import CaseError
from mocksrv.judge.clients import Client
from mocksrv.world import sandbox

_WORKERS = 3 * (os.cpu_count() or 1)  # most of a delivery is waiting
_STYLE = """
:root { color-scheme: light dark; --line: light-dark(#e3e5e8, #3a3d41); --dim: light-dark(#80868b, #80868b);
  --right: light-dark(#1d6b34, #8fd9a4); --wrong: light-dark(#b3261e, #ff9b94); --head: light-dark(#fff, #121212); }
body { font: 15px/1.4 system-ui, sans-serif; margin: 2rem; }
table { border-collapse: collapse; } th, td { text-align: left; padding: .15rem .8rem .15rem 0; vertical-align: top;
  border-bottom: 1px solid var(--line); }
thead th { position: sticky; top: 0; background: var(--head); } td.number { text-align: right; }
a { color: inherit; text-decoration-thickness: 1px; text-underline-offset: 2px; }
.right { color: var(--right); } .wrong { color: var(--wrong); font-weight: 600; } .dim { color: var(--dim); }
tbody th { font-weight: 400; } tbody th[colspan] { font-weight: 600; padding-top: 1.2rem; }
"""


@dataclass(frozen=True)
class Cell:
    """The result of a case with a client: a word, whether it is right, why not, and the rules that were broken."""

    word: str
    right: bool
    why: tuple[str, ...] = ()
    rules: tuple[str, ...] = ()
    href: str | None = None  # of the page about the delivery, relative to the table

    @property
    def mark(self) -> str:
        """The word, with a mark if it is wrong."""
        return self.word if self.right else f"{self.word} !"


@dataclass(frozen=True)
class Line:
    """A case and its cells, in the order of the clients."""

    topic: str
    name: str
    title: str
    cells: tuple[Cell, ...]


def compare(paths: Sequence[Path], clients: Sequence[Client], folder: Path) -> list[Line]:
    """Plays each case with each client, and puts a page for each delivery below the folder. Raises CaseError."""
    cases = [read_case(path) for path in paths]
    folders = [folder / name.replace("/", "_") for name in names(clients)]
    jobs = [(path, client, own) for path in paths for client, own in zip(clients, folders)]
    cells = _in_parallel(jobs)
    rows = [tuple(cells[start : start + len(clients)]) for start in range(0, len(cells), len(clients) or 1)]
    return [Line(case.path.parent.name, case.path.stem, case.title, row) for case, row in zip(cases, rows)]


def names(clients: Sequence[Client]) -> list[str]:
    """The name of each column: as cases name the client or, if several have that name, as the command line does."""
    times = Counter(client.name for client in clients)
    return [client.name if times[client.name] == 1 else client.told for client in clients]


def _in_parallel(jobs: Sequence[tuple[Path, Client, Path]]) -> list[Cell]:
    """Does each job. ^C ends all processes at once, and with them their sandboxes."""
    context = multiprocessing.get_context("fork")  # so `_begin` sees its parent; nobody here has threads
    with ProcessPoolExecutor(_WORKERS, context, initializer=_begin, initargs=(os.getpid(),)) as pool:
        try:
            # Not `map`: it cancels jobs that have not begun, and the pool fails if a process already has one of them.
            return [future.result() for future in [pool.submit(_cell, *job) for job in jobs]]
        except KeyboardInterrupt:
            for process in multiprocessing.active_children():
                process.kill()
            raise


def _begin(parent: int) -> None:
    """Prepares a process of the pool, which otherwise would outlive its parent, and begin the next job after ^C."""
    sandbox.die_with_parent(parent)
    if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:  # as it is for a background job
        signal.signal(signal.SIGINT, signal.SIG_DFL)


def as_html(lines: Sequence[Line], clients: Sequence[Client], absent: Sequence[str]) -> str:
    """The page. `absent` says which clients could not be run, and why."""
    topics = "".join(_topics(lines, len(clients)))
    missing = "".join(f"<p class=dim>{escape(one)}</p>\n" for one in absent)
    body = (
        "<h1>What mail clients do with our cases</h1>\n"
        "<p>Each cell shows the result of a case: delivered, refused, deferred, or a breach of protocol. Red: not what "
        "the case says. Each links to the delivery.</p>\n"
        f"{missing}{_summary(lines, clients)}{_broken_rules(lines, clients)}<h2>Cases</h2>\n"
        f"<table><thead><tr><th>case</th>{_heads(clients)}</tr></thead>\n<tbody>{topics}</tbody></table>\n"
    )
    return page.document("What mail clients do with our cases", _STYLE, body)


def as_text(lines: Sequence[Line], clients: Sequence[Client], absent: Sequence[str]) -> str:
    """The same in plain text: sums, broken rules, and every case."""
    cases = [[f"{line.topic}/{line.name}", *(cell.mark for cell in line.cells)] for line in lines]
    blocks = [*summary(lines, clients), _aligned([["case", *names(clients)], *cases]), *absent]
    return "\n\n".join(blocks) + "\n"


def summary(lines: Sequence[Line], clients: Sequence[Client]) -> list[str]:
    """Sums and broken rules as blocks of plain text."""
    sums = [[kind, *map(str, numbers)] for kind, numbers in _sums(lines, len(clients))]
    rules = [[f"{rule}{RULES[rule].remark}", *map(str, numbers)] for rule, numbers in _rule_sums(lines, len(clients))]
    blocks = [("", sums), *([("broken rules", rules)] if rules else [])]
    return [_aligned([[first, *names(clients)], *rows]) for first, rows in blocks]


def _cell(path: Path, client: Client, folder: Path) -> Cell:
    """Plays one case, in a process of the pool, and puts its page below the folder of the client."""
    try:
        verdict = rfc.check(read_case(path), client)
    except (CaseError, sandbox.SandboxError, OSError) as error:
        return Cell("error", False, (str(error),))
    if verdict.skipped is not None:
        return Cell("unsupported", True, (verdict.skipped,))
    file = folder / path.parent.name / f"{path.stem}.html"
    file.parent.mkdir(parents=True, exist_ok=True)
    page.write(file, verdicts.as_html(verdict))
    rules = tuple(dict.fromkeys(finding.rule.id for _, finding in verdict.findings))
    why = tuple(failure.what for failure in verdict.failures)
    return Cell(verdict.cell, verdict.passed, why, rules, str(file.relative_to(folder.parent.parent)))


def _sums(lines: Sequence[Line], count: int) -> Iterator[tuple[str, list[int]]]:
    """How many cells of each kind every client has."""
    kinds = {
        "as specified": lambda cell: cell.right and cell.word != "unsupported",
        "otherwise": lambda cell: not cell.right,
        "of which a breach": lambda cell: not cell.right and cell.word == "breach",
        "unsupported": lambda cell: cell.word == "unsupported",
    }
    for kind, counts in kinds.items():
        yield kind, [sum(counts(line.cells[column]) for line in lines) for column in range(count)]


def _rule_sums(lines: Sequence[Line], count: int) -> Iterator[tuple[str, list[int]]]:
    """In how many cases each client breaks each rule that anybody breaks."""
    counters = [Counter(rule for line in lines for rule in line.cells[column].rules) for column in range(count)]
    for rule in RULES:
        numbers = [counter[rule] for counter in counters]
        if any(numbers):
            yield rule, numbers


def _summary(lines: Sequence[Line], clients: Sequence[Client]) -> str:
    rows = ((escape(kind), numbers) for kind, numbers in _sums(lines, len(clients)))
    return _number_table("", rows, clients)


def _broken_rules(lines: Sequence[Line], clients: Sequence[Client]) -> str:
    rows = (
        (f"{rule}: {escape(RULES[rule].sentence)} {page.linked(RULES[rule].rfc)}{RULES[rule].remark}", numbers)
        for rule, numbers in _rule_sums(lines, len(clients))
    )
    return "<h2>Broken rules, by number of cases</h2>\n" + _number_table("rule", rows, clients)


def _heads(clients: Sequence[Client]) -> str:
    return "".join(f"<th>{escape(name)}</th>" for name in names(clients))


def _number_table(first: str, rows: Iterable[tuple[str, list[int]]], clients: Sequence[Client]) -> str:
    body = "".join(
        f"<tr><th>{label}</th>{''.join(f'<td class=number>{number or str()}</td>' for number in numbers)}</tr>\n"
        for label, numbers in rows
    )
    return f"<table><thead><tr><th>{first}</th>{_heads(clients)}</tr></thead>\n<tbody>{body}</tbody></table>\n"


def _topics(lines: Sequence[Line], count: int) -> Iterator[str]:
    for topic, group in groupby(lines, key=lambda line: line.topic):
        yield f"<tr><th colspan={count + 1}>{escape(topic)}</th></tr>\n"
        for line in group:
            yield f"<tr><th>{escape(line.title)}</th>{''.join(map(_html, line.cells))}</tr>\n"


def _html(cell: Cell) -> str:
    kind = "wrong" if not cell.right else "dim" if cell.word == "unsupported" else "right"
    text = escape(cell.word) if cell.href is None else f'<a href="{quote(cell.href)}">{escape(cell.word)}</a>'
    return f'<td class={kind} title="{escape(chr(10).join(cell.why))}">{text}</td>'


def _aligned(rows: Sequence[Sequence[str]]) -> str:
    widths = [max(map(len, column)) for column in zip(*rows)]
    return "\n".join("  ".join(word.ljust(width) for word, width in zip(row, widths)).rstrip() for row in rows)
