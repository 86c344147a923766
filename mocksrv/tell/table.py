# SPDX-License-Identifier: ISC
"""The corpus against many clients as a page, which links to a page for each delivery.

Rows are cases by topic, columns are clients. A cell shows the result, and whether that is what the case says.
"""

from collections.abc import Iterable, Iterator, Sequence
from html import escape
from itertools import groupby
from pathlib import Path
from urllib.parse import quote

from mocksrv.tell import page, totals, verdicts

from mocksrv.audit import RULES
from mocksrv.judge.rfc import Verdict
from mocksrv.judge.suite import Record
from mocksrv.tell.totals import Rows

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



def keep(folder: Path, record: Record, verdict: Verdict) -> str:
    """Writes the page about a delivery. Returns its path relative to the folder, where the table is to be."""
    file = folder / "peers" / record.client.replace("/", "_") / f"{record.case}.html"
    file.parent.mkdir(parents=True, exist_ok=True)
    page.write(file, verdicts.as_html(verdict))
    return str(file.relative_to(folder))


def as_html(rows: Rows, absent: Sequence[str]) -> str:
    """The page. `absent` says which clients could not be run, and why."""
    missing = "".join(f"<p class=dim>{escape(one)}</p>\n" for one in absent)
    kinds = _numbers("", ((escape(kind), numbers) for kind, numbers in totals.sums(rows)), rows)
    body = (
        "<h1>What mail clients do with our cases</h1>\n"
        "<p>Each cell shows the result of a case: delivered, refused, deferred, or a breach of protocol. Red: not what "
        "the case says. Each links to the delivery.</p>\n"
        f"{missing}{kinds}{_broken_rules(rows)}<h2>Cases</h2>\n"
        f"<table><thead><tr><th>case</th>{_heads(rows)}</tr></thead>\n<tbody>{''.join(_topics(rows))}</tbody></table>\n"
    )
    return page.document("What mail clients do with our cases", _STYLE, body)


def _broken_rules(rows: Rows) -> str:
    lines = (
        (f"{rule}: {escape(RULES[rule].sentence)} {page.linked(RULES[rule].rfc)}{RULES[rule].remark}", numbers)
        for rule, numbers in totals.rule_sums(rows)
    )
    return "<h2>Broken rules, by number of cases</h2>\n" + _numbers("rule", lines, rows)


def _heads(rows: Rows) -> str:
    return "".join(f"<th>{escape(name)}</th>" for name in totals.heads(rows[0]))


def _numbers(first: str, lines: Iterable[tuple[str, list[int]]], rows: Rows) -> str:
    body = "".join(
        f"<tr><th>{label}</th>{''.join(f'<td class=number>{number or str()}</td>' for number in numbers)}</tr>\n"
        for label, numbers in lines
    )
    return f"<table><thead><tr><th>{first}</th>{_heads(rows)}</tr></thead>\n<tbody>{body}</tbody></table>\n"


def _topics(rows: Rows) -> Iterator[str]:
    for topic, group in groupby(rows, key=lambda row: row[0].topic):
        yield f"<tr><th colspan={len(rows[0]) + 1}>{escape(topic)}</th></tr>\n"
        for row in group:
            yield f"<tr><th>{escape(row[0].title)}</th>{''.join(map(_cell, row))}</tr>\n"


def _cell(record: Record) -> str:
    kind = record.grade.label if record.grade else "dim" if record.skipped is not None else "right"
    word = escape(record.word)
    text = word if record.page is None else f'<a href="{quote(record.page)}">{word}</a>'
    return f'<td class={kind} title="{escape(chr(10).join(record.why))}">{text}</td>'
