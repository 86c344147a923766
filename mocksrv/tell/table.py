# SPDX-License-Identifier: ISC
"""The corpus against many clients as a page, which links to a page for each delivery.

Rows are cases by topic, columns are clients. A cell shows the result, how much the client is bound not to differ from
the case as it does, and why. The page needs no server: what is shown is chosen by a few lines of script, which keep the
choice behind the `#` of its address.
"""

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from html import escape
from itertools import groupby
from pathlib import Path
from urllib.parse import quote

from mocksrv.audit import RULES, Grade
from mocksrv.case.octets import harmless
from mocksrv.judge.rfc import Verdict
from mocksrv.judge.suite import Record
from mocksrv.tell import page, picture, totals, verdicts
from mocksrv.tell.totals import Rows

_TITLE = "What mail clients do with our cases"
_TABLE = "peers.html"
_STYLE = """
body { font-size: 15px; } p, ul { max-width: 60rem; }
.scroll { overflow: auto; max-height: 92vh; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
caption { text-align: left; font-size: 1.15rem; font-weight: 600; padding: .6rem 0; position: sticky; left: 0; }
th, td { text-align: left; vertical-align: top; font-weight: 400; padding: .25rem .8rem .25rem 0;
  border-bottom: 1px solid var(--line); min-width: 5.5rem; }
thead th { white-space: nowrap; position: sticky; top: 0; z-index: 2; background: var(--page); font-weight: 600; }
th:first-child { position: sticky; left: 0; z-index: 1; background: var(--page); min-width: 18rem; }
thead th:first-child { z-index: 3; } th[scope=rowgroup] { font-weight: 600; padding-top: 1.4rem; }
td.number { text-align: right; padding-right: 2rem; }
summary { cursor: pointer; white-space: nowrap; }
details > div { min-width: 16rem; max-width: 24rem; overflow-wrap: anywhere; font-weight: 400; font-size: .9rem; }
tr[id], tbody[id] { scroll-margin-top: 3rem; }
tr:target > *, tbody:target > tr:first-child > * { background: light-dark(#fff3c4, #4a3f10); }
nav ul { display: flex; flex-wrap: wrap; gap: .2rem 1rem; padding: 0; list-style: none; }
form { display: flex; flex-wrap: wrap; gap: .5rem 1.5rem; align-items: center; margin: 1rem 0; }
select, input { font: inherit; max-width: 100%; } [hidden] { display: none; }
@media (max-width: 50rem) { th:first-child { min-width: 9.5rem; overflow-wrap: anywhere; } }
@media print { .scroll { overflow: visible; max-height: none; } thead th, th:first-child, caption { position: static; }
  body { font-size: 8px; } th, td, th:first-child { min-width: 0; width: auto; padding-right: .3rem; } }
"""
_SCRIPT = """
const form = document.forms[0], rows = [...document.querySelectorAll("tr[data-grades]")];
function choose(keep) {
  const {text, client, grade} = Object.fromEntries(new FormData(form));
  for (const row of rows) {
    const grades = row.dataset.grades.split(" ").map(Number);
    const worst = client ? grades[client] : Math.max(...grades);
    row.hidden = worst < grade || !row.firstChild.textContent.toLowerCase().includes(text.toLowerCase());
  }
  for (const topic of document.querySelectorAll("tbody[id]"))
    topic.hidden = !topic.querySelector("tr[data-grades]:not([hidden])");
  document.querySelector("output").value = `${rows.filter(row => !row.hidden).length} of ${rows.length} cases`;
  if (keep) history.replaceState(null, "", "#?" + new URLSearchParams(new FormData(form)));
}
form.hidden = false;
for (const [name, value] of new URLSearchParams(location.hash.startsWith("#?") ? location.hash.slice(2) : ""))
  if (form.elements[name]) form.elements[name].value = value;
form.addEventListener("input", () => choose(true));
form.addEventListener("submit", event => event.preventDefault());
choose(false);
"""
_LEGEND = """
<p>Each case was played with each client. A cell shows the result (delivered, refused, deferred, failed, or a breach of
the protocol) and links to the dialogue. If something differs from the case, the cell says how much the client is bound
not to:</p>
<ul>
<li><span class=wrong>wrong</span>: it breaks a MUST of an RFC, or a grammar that leaves no choice.</li>
<li><span class=should>should</span>: it breaks a SHOULD, or a clear recommendation.</li>
<li><span class=robustness>robustness</span>: no RFC demands it, but mail is lost or doubled without it.</li>
<li><span class=choice>choice</span>: the RFCs leave it open.</li>
</ul>
"""


def keep(folder: Path, record: Record, verdict: Verdict) -> str:
    """Writes the page about a delivery. Returns its path relative to the folder, where the table is to be."""
    file = folder / "peers" / record.client.replace("/", "_") / f"{record.case}.html"
    file.parent.mkdir(parents=True, exist_ok=True)
    back = f"{quote(os.path.relpath(folder / _TABLE, file.parent))}#{quote(record.case)}"
    page.write(file, verdicts.as_html(verdict, record, back))
    return str(file.relative_to(folder))


def as_html(rows: Rows, absent: Sequence[str]) -> str:
    """The page. `absent` says which clients could not be run, and why."""
    missing = "".join(f"<p class=dim>{escape(one)}</p>\n" for one in absent)
    kinds = _numbers("Results, by number of cases", "result", totals.sums(rows), rows)
    body = (
        f"<main>\n<h1>{_TITLE}</h1>\n{_LEGEND}{missing}{kinds}{_broken_rules(rows)}"
        f"<h2>Cases</h2>\n{_contents(rows)}{_form(rows)}{_table('Results, by case', 'case', ''.join(_topics(rows)), rows)}"
        f"</main>\n<script>{_SCRIPT}</script>\n"
    )
    return page.document(_TITLE, page.STYLE + _STYLE, body)


def _contents(rows: Rows) -> str:
    topics = dict.fromkeys(row[0].topic for row in rows)
    links = "".join(f'<li><a href="#{quote(topic)}">{escape(topic)}</a></li>' for topic in topics)
    return f"<nav aria-label=Topics><ul>{links}</ul></nav>\n"


def _form(rows: Rows) -> str:
    names = totals.heads(rows[0])
    clients = _options({"": "any client", **{str(index): name for index, name in enumerate(names)}})
    grades = _options({"-1": "every case", "0": "what was played", **{str(int(one)): _at_least(one) for one in Grade}})
    return (
        f"<form hidden>\n<label>Show <select name=grade>{grades}</select></label>\n"
        f"<label>of <select name=client>{clients}</select></label>\n"
        "<label>with <input name=text type=search placeholder='part of its name or title'></label>\n<output></output>\n</form>\n"
    )


def _options(words: Mapping[str, str]) -> str:
    return "".join(f"<option value='{value}'>{escape(word)}</option>" for value, word in words.items())


def _at_least(grade: Grade) -> str:
    worse = " or worse" if grade is not Grade.MUST else ""
    return f"{grade.label}{worse}"


def _broken_rules(rows: Rows) -> str:
    lines = [
        (f"{rule}: {escape(RULES[rule].sentence)} {picture.linked(RULES[rule].rfc)}{RULES[rule].remark}", numbers)
        for rule, numbers in totals.rule_sums(rows)
    ]
    return _numbers("Broken rules, by number of cases", "rule", lines, rows) if lines else ""


def _numbers(caption: str, first: str, lines: Iterable[tuple[str, list[int]]], rows: Rows) -> str:
    cells = ((label, "".join(f"<td class=number>{one or str()}</td>" for one in numbers)) for label, numbers in lines)
    body = "".join(f"<tr><th scope=row>{label}</th>{numbers}</tr>\n" for label, numbers in cells)
    return _table(caption, first, f"<tbody>\n{body}</tbody>\n", rows)


def _table(caption: str, first: str, bodies: str, rows: Rows) -> str:
    """A table with a column for each client. What is wider than the window, people scroll, also by the keyboard."""
    anchors, name = (' id="client-{}"', " id=cases") if first == "case" else ("", "")
    heads = "".join(
        f"<th scope=col{anchors.format(escape(one))}>{_head(one, first)}</th>" for one in totals.heads(rows[0])
    )
    return (
        f"<div class=scroll role=region tabindex=0 aria-label='{caption}'>\n<table><caption>{caption}</caption>\n"
        f"<thead{name}><tr><th scope=col>{first}</th>{heads}</tr></thead>\n{bodies}</table>\n</div>\n"
    )


def _head(name: str, first: str) -> str:
    return escape(name) if first == "case" else f'<a href="#client-{quote(name)}">{escape(name)}</a>'


def _topics(rows: Rows) -> Iterator[str]:
    for topic, group in groupby(rows, key=lambda row: row[0].topic):
        name, rest = escape(topic), "<td></td>" * len(rows[0])
        yield f'<tbody id="{name}">\n<tr><th scope=rowgroup>{name}</th>{rest}</tr>\n'
        for row in group:
            yield _row(row)
        yield "</tbody>\n"


def _row(row: Sequence[Record]) -> str:
    grades = " ".join(str(int(one.grade or 0) if one.skipped is None else -1) for one in row)
    name, title = escape(row[0].case), escape(row[0].title)
    head = f'<th scope=row><a href="#{quote(row[0].case)}">{name}</a> <span class=dim>{title}</span></th>'
    return f'<tr id="{name}" data-grades="{grades}">{head}{"".join(map(_cell, row))}</tr>\n'


def _cell(record: Record) -> str:
    kind = record.grade.label if record.grade else "dim" if record.skipped is not None else "right"
    word = escape(record.word)
    text = word if record.page is None else f'<a href="{quote(record.page)}">{word}</a>'
    if record.why:
        reasons = "".join(f"<div>{picture.linked(escape(harmless(why)))}</div>" for why in record.why)
        text += f"<details><summary>{record.grade.label if record.grade else 'why'}</summary>{reasons}</details>"
    return f"<td class={kind}>{text}</td>"
