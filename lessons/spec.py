# SPDX-License-Identifier: ISC
"""The contract and its proofs: each sentence of the manual page with the cases and tests that prove it, and each passage of the
manual page of 2008 with the clause that carries it. testsuite/test_spec.py reads both, and fails for a gap."""

import re
import subprocess
from collections.abc import Iterable, Iterator
from html import escape
from itertools import groupby

from lessons.site import Corpus, document
from mocksrv.case.octets import harmless
from testsuite import test_spec as spec

PAGES = ("Qremote.8", "qremote-try.8", "mocksrv.1", "qremote-case.5")
SEED = spec.ROOT.parent / "shared/seed"  # the manual page of 2008, if somebody has it there; nothing of it is ours to give away
# Which passage of that page each row of OF_2008 is about, in the order of the page.
PASSAGES = (
    1, 2, 2, 4, 4, 5, 6, 7, 8, 9, 10, 10, 11, 12, 13, 13, 15, 16, 17, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31, 32,
    34, 35, 36, 36, 36, 38, 37, 38, 38, 38, 38, 38, 39, 40, 41, 42, 43, 44, 45, 46, 47, 48, 49, 49, 50,
    51, 51, 51, 51, 51, 51, 51, 51, 51, 52, 53,
)  # fmt: skip
_MANY = 8  # cases that are shown at once


def as_html(corpus: Corpus) -> str:
    """The page."""
    source = spec.PAGE.read_text("utf-8")
    title = "The contract and its proofs"
    pages = ", ".join(f'<a href="{name}.html">{escape(name)}</a>' for name in PAGES)
    body = (
        f"<h1>{title}</h1>\n<p>Each sentence of the manual page names its clause, and each clause is proven by cases of the corpus,"
        f" or by tests. <code>make check</code> fails if one is not. The pages: {pages}.</p>\n"
        f"{''.join(_sections(corpus, source))}{_seed(source)}"
    )
    return document(title, body)


def _sections(corpus: Corpus, source: str) -> Iterator[str]:
    cases: dict[str, list[str]] = {}
    for case in corpus.cases.values():
        for clause in case.meta.get("spec", []):
            cases.setdefault(clause, []).append(case.id)
    tests, anchors = spec.proven_by_tests(), set[str]()
    for section, lines in groupby(spec.lines_of(source), key=lambda line: line[1]):
        if section and section not in spec.SILENT:
            rows = "".join(_row(text, clauses, cases, tests, anchors) for text, clauses in _sentences(lines))
            yield _table(section.capitalize(), ("clause", "sentences", "proven by"), rows)


def _sentences(lines: Iterable[tuple[int, str, str, str]]) -> Iterator[tuple[str, list[str]]]:
    """The sentences of each clause that stand together, and the clauses. Words in a line of their own belong to what is
    unfinished before them."""
    text, clauses = "", list[str]()
    for _, _, line, remark in lines:
        found = [word for word in remark.split() if spec.CLAUSE.fullmatch(word)]
        words = _plain(line)
        if text and not text.endswith((".", ":", ";")) or found == clauses and not line.startswith(".It"):
            text = f"{text} {words}".strip()
            clauses = list(dict.fromkeys(clauses + found))
            continue
        if text and clauses:
            yield _tidy(text), clauses
        text, clauses = words, found
    if text and clauses:
        yield _tidy(text), clauses


def _plain(line: str) -> str:
    """A line of mdoc as text; nothing of those that only say how it looks."""
    if line.startswith((".Bl", ".El", ".Pp", ".Sh", ".Ss", ".Bd", ".Ed")) or line == ".It":
        return ""
    return re.sub(r"^\.[A-Z][a-z] (Li |Ev |Pa |Ar |Fl )?", "", line).replace("\\&", "").replace("\\e", "\\")


def _tidy(text: str) -> str:
    return re.sub(r"\s+([,.;:)])(\s|$)", r"\1\2", re.sub(r" (Ns|Oo|Oc) ", "", re.sub(" +", " ", text)))


def _row(
    text: str, clauses: list[str], cases: dict[str, list[str]], tests: dict[str, list[str]], anchors: set[str]
) -> str:
    head = "".join(f"<div{_anchor(clause, anchors)}>{clause}</div>" for clause in clauses)
    found = [name for clause in clauses for name in cases.get(clause, [])]
    links = [f'<a href="topics/{name}.html">{escape(name)}</a>' for name in dict.fromkeys(found)]
    links += [escape(name) for clause in clauses for name in dict.fromkeys(tests.get(clause, []))]
    shown = ", ".join(links[:_MANY])
    more = f" <details><summary>{len(links) - _MANY} more</summary>{', '.join(links[_MANY:])}</details>" if len(links) > _MANY else ""
    proof = f"<td class=right>{shown}{more}</td>" if links else "<td class=wrong>nothing</td>"
    return f"<tr><th scope=row>{head}</th><td>{escape(harmless(text))}</td>{proof}</tr>\n"


def _anchor(clause: str, anchors: set[str]) -> str:
    """Only the first place of a clause is one to link to."""
    if clause in anchors:
        return ""
    anchors.add(clause)
    return f' id="{clause}"'


def _table(title: str, heads: tuple[str, ...], rows: str) -> str:
    columns = "".join(f"<th scope=col>{head}</th>" for head in heads)
    return (
        f"<h2>{escape(title)}</h2>\n<div class=scroll role=region tabindex=0 aria-label='{escape(title)}'><table>\n"
        f"<thead><tr>{columns}</tr></thead>\n<tbody>{rows}</tbody></table></div>\n"
    )


def _seed(source: str) -> str:
    """The passages of the page of 2008, by number, and where ours says the same."""
    theirs = dict(enumerate(passages(), 1))
    rows = []
    for number in range(1, max(PASSAGES) + 1):
        ours = [
            (clause, _sentence(source, clause, words))
            for passage, (clause, words) in zip(PASSAGES, spec.OF_2008, strict=True) if passage == number
        ]  # fmt: skip
        links = ", ".join(f'<a href="#{clause}">{clause}</a>' for clause in dict.fromkeys(clause for clause, _ in ours) if clause != "-")
        said = "<br>".join(escape(words) for _, words in ours) or '<span class=dim>it only introduces the next one</span>'
        rows.append(f"<tr><th scope=row>{number}</th><td>{escape(theirs.get(number, '-'))}</td><td>{said}</td><td>{links or '-'}</td></tr>\n")
    return _table("The manual page of 2008", ("passage", "its words, if it is here", "what ours says", "clause"), "".join(rows))


def _sentence(source: str, clause: str, words: str) -> str:
    """The sentence of ours that has these words, or the words where it is part of a list."""
    said = re.sub(" +", " ", spec.said(source, clause))
    return next((one for one in re.split(r"(?<=[.;:]) (?=[A-Z])", said) if words in one and len(one) < 300), words).strip()


def passages() -> list[str]:
    """Those of the page of 2008, roughly its sentences; none if it is not here."""
    found = sorted(SEED.glob("*.txt")) if SEED.is_dir() else []
    if not found:
        return []
    text = re.sub(r"\\f[PRBI]", "", found[0].read_text("utf-8", "replace")).replace("\\-", "-").partition(".SH DESCRIPTION")[2]
    marks = r'\.(SH "[^"]*"|SH \w+|TP 5|PP|EX|EE|BR|B|I|IR|RB)( |$)'
    text = re.sub(marks, lambda mark: " ¶ " if mark[1].startswith(("SH", "TP", "PP")) else " ", text)
    paragraphs = re.sub(r"\s+", " ", text).split("¶")
    parts = (re.split(r"(?<=[.:;]) (?=[A-Z(\[])", paragraph.strip()) for paragraph in paragraphs)
    return [one for part in parts for one in part if one]


def manuals() -> Iterator[tuple[str, str]]:
    """The manual pages as HTML, by mandoc, in the frame of our pages."""
    for name in PAGES:
        words = ["mandoc", "-T", "html", "-O", "fragment,toc", str(spec.ROOT / "man" / name)]
        done = subprocess.run(words, capture_output=True, text=True, check=True)
        body = re.sub(r'<a class="permalink" href="#([^"]*)">(.*?)</a>', r"\2", done.stdout, flags=re.S)
        yield f"{name}.html", document(name, f"<h1>{escape(name)}</h1>\n{_below(body)}")


def _below(body: str) -> str:
    """Headings one level lower, since ours is the first, and tables without what mandoc calls a head."""
    body = re.sub(r"<(/?)h([12])\b", lambda found: f"<{found[1]}h{int(found[2]) + 1}", body)
    return re.sub(r'<table class="(head|foot)">.*?</table>', "", body, flags=re.S)
