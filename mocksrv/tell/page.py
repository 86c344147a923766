# SPDX-License-Identifier: ISC
"""Pages of HTML that need no other file: dialogues, with each explanation beside the line that it explains; what was
expected beside what came; and what all pages look like."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from itertools import zip_longest
from pathlib import Path

from mocksrv.case.file import Case
from mocksrv.case.octets import first_difference, visible
from mocksrv.case.pattern import Facts
from mocksrv.case.steps import Dialogue
from mocksrv.play.tape import Tape
from mocksrv.tell import flow, picture
from mocksrv.tell.flow import Fault, Row
from mocksrv.tell.picture import linked
from mocksrv.tell.show import explained
from mocksrv.world import home

_BEFORE, _AFTER = 60, 240  # octets shown around a difference
# All text has a contrast of at least 4.5 to its background.
STYLE = """
:root { color-scheme: light dark; --page: light-dark(#fff, #16181b); --ink: light-dark(#1b1d20, #e6e8ea);
  --dim: light-dark(#5f6368, #a3a9b0); --line: light-dark(#dfe2e6, #3a3d41); --c: light-dark(#0b57a4, #8ec5ff);
  --s: light-dark(#1d6b34, #8fd9a4); --right: light-dark(#1d6b34, #8fd9a4); --wrong: light-dark(#b3261e, #ff9b94);
  --should: light-dark(#8a4b00, #ffb86b); --robustness: light-dark(#6a3ea1, #cfb2ff);
  --choice: light-dark(#44566c, #a9bccf); --tls: light-dark(#e3f1e6, #17301e); }
* { box-sizing: border-box; }
body { background: var(--page); color: var(--ink); font: 16px/1.5 system-ui, sans-serif; margin: 0; }
main { margin: 1.5rem auto; padding: 0 1rem; }
h1, h2, h3, h4 { overflow-wrap: anywhere; } h1 { font-size: 1.5rem; line-height: 1.25; } h2 { font-size: 1.15rem; margin-top: 2rem; }
a { color: inherit; text-decoration-thickness: 1px; text-underline-offset: 2px; }
:focus-visible { outline: 2px solid var(--c); outline-offset: 2px; }
.dim { color: var(--dim); } .right { color: var(--right); } .wrong { color: var(--wrong); font-weight: 600; }
.should { color: var(--should); } .robustness { color: var(--robustness); } .choice { color: var(--choice); }
@media print { :root { color-scheme: light; } main { margin: 0; padding: 0; } form { display: none; } }
"""
_STYLE = """
main { max-width: 78rem; }
main > p, main > ul, main > ol { max-width: 46rem; }
code, .said, pre { font: 14px/1.5 ui-monospace, monospace; } code, dd { overflow-wrap: anywhere; }
dl { display: grid; grid-template-columns: max-content minmax(0, 1fr); gap: .2rem 1rem; } dd { margin: 0; }
dt { color: var(--dim); }
.rows { display: grid; grid-template-columns: minmax(0, 3fr) minmax(0, 2fr); column-gap: 2rem; }
.said { white-space: pre-wrap; overflow-wrap: anywhere; min-height: 1.5em; padding-left: 4ch; text-indent: -4ch; }
.C { color: var(--c); } .S { color: var(--s); } .do { color: var(--dim); font-style: italic; }
.beside { border-left: 2px solid var(--line); padding-left: .8rem; font-size: .9rem; color: var(--dim); }
.beside:empty { border: 0; }
.said.marked { text-decoration: underline wavy var(--wrong); }
.pair { display: grid; grid-template-columns: 1fr 1fr; gap: 1rem; } .pair h3 { font-size: 1rem; margin: 0; }
.pair pre { margin: .3rem 0; padding: .5rem; border: 1px solid var(--line); white-space: pre-wrap;
  overflow-wrap: anywhere; }
mark { background: none; color: var(--wrong); text-decoration: underline; }
@media (max-width: 50rem) { .rows, .pair { grid-template-columns: 1fr; } .beside:empty { display: none; } }
"""
FLOW = _STYLE + picture.STYLE


@dataclass(frozen=True)
class Part:
    """One dialogue, which becomes a picture (`drawn`), or any other lines."""

    title: str
    rows: list[Row]
    drawn: bool = False


def page(title: str, introduction: Iterable[str], parts: Iterable[Part], head: str = "", more: str = "") -> str:
    """The whole page. HTML may come first (`head`) and after the introduction (`more`)."""
    paragraphs = "\n".join(introduction).strip().split("\n\n")
    prose = "".join(f"<p>{linked(escape(one))}</p>\n" for one in paragraphs if one.strip())
    told = list(parts)
    body = "".join(f"<h2>{escape(part.title)}</h2>\n{html(part)}" for part in told)
    body += f"<p class=dim>{picture.ASIDE}</p>\n" if any(part.drawn for part in told) else ""
    return document(title, STYLE + FLOW, f"<main>\n{head}<h1>{escape(title)}</h1>\n{prose}{more}{body}</main>\n")


def of_case(case: Case, head: str = "", more: str = "") -> str:
    """The page of a case that was not played; HTML may come first, and after the introduction."""
    known = Facts(home.helo(case), case.message)
    parts = [*_given(case), *(of_dialogue(one, known) for one in case.dialogues)]
    parts.append(of_report("The reports", case.report or b"", case.run))
    sections = ["", f"Where to read on: {', '.join(case.meta['rfc'])}"] if "rfc" in case.meta else []
    return page(case.title, [*case.prose, *sections], parts, head, more)


def _given(case: Case) -> Iterator[Part]:
    """The sections of a case besides the dialogues and the report."""
    for section in case.sections:
        if section.name != "report" and not section.name.startswith("dialogue"):
            title = f"{section.name} {section.argument}".strip()
            lines = section.content()
            if section.name == "message":  # perhaps a file
                lines = [visible(line) for line in case.message.removesuffix(b"\n").split(b"\n")]
            yield Part(title, [Row("", line) for line in lines])


def html(part: Part) -> str:
    """A part without its title; FLOW is its style."""
    return picture.drawn(part.rows) if part.drawn else f"<div class=rows>\n{''.join(map(_html, part.rows))}</div>\n"


def document(title: str, style: str, body: str) -> str:
    """An HTML document with this body."""
    head = f'<meta charset=utf-8><meta name=viewport content="width=device-width"><title>{escape(title)}</title>'
    return f"<!doctype html>\n<html lang=en>{head}\n<style>{style}</style>\n{body}</html>\n"


def write(path: Path, html: str) -> None:
    """Writes a page in UTF-8, whatever characters it holds."""
    path.write_text(html, "utf-8", "replace")


def facts(pairs: Mapping[str, str]) -> str:
    """A list of facts as HTML; each value is HTML already."""
    return f"<dl>{''.join(f'<dt>{escape(name)}</dt><dd>{value}</dd>' for name, value in pairs.items())}</dl>\n"


def compared(expected: bytes, received: bytes, by_line: bool) -> str:
    """What was expected beside what came, as HTML: each line, or the octets around the first one that differs."""
    if by_line:
        sides = expected.split(b"\n"), received.split(b"\n")
        return _pair("expected", _lines(*sides), "received", _lines(*reversed(sides)))
    index = first_difference(expected, received)
    heads = (f"{name}, {len(octets)} octets" for name, octets in (("expected", expected), ("received", received)))
    left, right = (_window(octets, max(0, index - _BEFORE), index) for octets in (expected, received))
    return f"<p>They differ from octet {index + 1} on.</p>\n" + _pair(next(heads), left, next(heads), right)


def _pair(first: str, left: str, second: str, right: str) -> str:
    columns = (f"<div><h3>{head}</h3><pre>{text}</pre></div>" for head, text in ((first, left), (second, right)))
    return f"<div class=pair>{''.join(columns)}</div>\n"


def _lines(shown: list[bytes], other: list[bytes]) -> str:
    texts = ((_readable(one), one == two) for one, two in zip_longest(shown, other, fillvalue=b""))
    return "\n".join(text if same else f"<mark>{text or '(none)'}</mark>" for text, same in texts)


def _window(octets: bytes, start: int, index: int) -> str:
    before, at, after = octets[start:index], octets[index : index + 1], octets[index + 1 : index + _AFTER]
    mark = f"<mark>{_readable(at) if at else '(the end)'}</mark>"
    left, right = "... " if start else "", " ..." if len(octets) > index + _AFTER else ""
    return f"{left}{_readable(before)}{mark}{_readable(after)}{right}"


def _readable(octets: bytes) -> str:
    return escape(visible(octets).replace(r"\r\n", "\\r\\n\n"))


def of_dialogue(dialogue: Dialogue, facts: Facts) -> Part:
    """One dialogue of a case."""
    never = ", to which the client must not connect" if dialogue.never else ""
    return Part(f"{dialogue.where}{never}", flow.of_steps(dialogue, facts), drawn=True)


def of_tape(tape: Tape, wrong: Mapping[int, Sequence[Fault]], explained: Sequence[Row] = ()) -> Part:
    """What happened on one connection; `wrong` holds what was wrong, by the index of the event, and `explained` is the
    dialogue that was played, for its notes."""
    rows = [*flow.noted(flow.of_tape(tape, wrong), explained), *(Row("", remark, event=flow.OTHER) for remark in tape.remarks)]
    return Part(f"{tape.host} [{tape.address}]" if tape.address else tape.host, rows, drawn=True)


def of_report(title: str, report: bytes, run: str) -> Part:
    """The reports of a client, and what each letter means; `run` is the section with the recipients."""
    return Part(title, [Row("", f"{letter} {text}", (meaning,)) for letter, meaning, text in explained(report, run)])


def _html(row: Row) -> str:
    notes = "".join(f"<div>{note}</div>" for note in picture.notes(row))
    return f"{picture.said(row)}<div class=beside>{notes}</div>\n"
