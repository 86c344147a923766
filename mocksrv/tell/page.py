# SPDX-License-Identifier: ISC
"""Pages of HTML that need no other file: dialogues, with each explanation beside the line that it explains; what was
expected beside what came; and what all pages look like."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from itertools import zip_longest
from pathlib import Path

from mocksrv.audit import Grade
from mocksrv.case.octets import decode, first_difference, harmless, visible
from mocksrv.case.pattern import Data, Facts, Slice
from mocksrv.case.steps import Dialogue, Hear, Say
from mocksrv.play.tape import CLIENT, SERVER, Tape, event_lines
from mocksrv.tell.show import explained

_RFC = re.compile(r"\b(\d{4})#([A-Z0-9]+(?:\.\d+)*)")
_BEFORE, _AFTER = 60, 240  # octets shown around a difference
# All text has a contrast of at least 4.5 to its background.
STYLE = """
:root { color-scheme: light dark; --page: light-dark(#fff, #16181b); --ink: light-dark(#1b1d20, #e6e8ea);
  --dim: light-dark(#5f6368, #a3a9b0); --line: light-dark(#dfe2e6, #3a3d41); --c: light-dark(#0b57a4, #8ec5ff);
  --s: light-dark(#1d6b34, #8fd9a4); --right: light-dark(#1d6b34, #8fd9a4); --wrong: light-dark(#b3261e, #ff9b94);
  --should: light-dark(#8a4b00, #ffb86b); --robustness: light-dark(#6a3ea1, #cfb2ff);
  --choice: light-dark(#44566c, #a9bccf); }
* { box-sizing: border-box; }
body { background: var(--page); color: var(--ink); font: 16px/1.5 system-ui, sans-serif; margin: 0; }
main { margin: 1.5rem auto; padding: 0 1rem; }
h1 { font-size: 1.5rem; line-height: 1.25; overflow-wrap: anywhere; } h2 { font-size: 1.15rem; margin-top: 2rem; }
a { color: inherit; text-decoration-thickness: 1px; text-underline-offset: 2px; }
:focus-visible { outline: 2px solid var(--c); outline-offset: 2px; }
.dim { color: var(--dim); } .right { color: var(--right); } .wrong { color: var(--wrong); font-weight: 600; }
.should { color: var(--should); } .robustness { color: var(--robustness); } .choice { color: var(--choice); }
@media print { :root { color-scheme: light; } main { margin: 0; padding: 0; } form { display: none; } }
"""
_STYLE = """
main { max-width: 72rem; }
code, .said, pre { font: 14px/1.5 ui-monospace, monospace; } code, dd { overflow-wrap: anywhere; }
dl { display: grid; grid-template-columns: max-content minmax(0, 1fr); gap: .2rem 1rem; } dd { margin: 0; }
dt { color: var(--dim); }
.rows { display: grid; grid-template-columns: minmax(0, 3fr) minmax(0, 2fr); column-gap: 2rem; }
.said { white-space: pre-wrap; overflow-wrap: anywhere; min-height: 1.5em; padding-left: 4ch; text-indent: -4ch; }
.C { color: var(--c); } .S { color: var(--s); } .do { color: var(--dim); font-style: italic; }
.beside { border-left: 2px solid var(--line); padding-left: .8rem; font-size: .9rem; color: var(--dim); }
.said.marked { text-decoration: underline wavy var(--wrong); }
.pair { display: grid; grid-template-columns: 1fr 1fr; gap: 1rem; } .pair h3 { font-size: 1rem; margin: 0; }
.pair pre { margin: .3rem 0; padding: .5rem; border: 1px solid var(--line); white-space: pre-wrap;
  overflow-wrap: anywhere; }
mark { background: none; color: var(--wrong); text-decoration: underline; }
@media (max-width: 50rem) { .rows, .pair { grid-template-columns: 1fr; } .beside:empty { display: none; } }
"""


@dataclass(frozen=True)
class Fault:
    """What is wrong with a line, and the rule that says so; `offset` is where it begins in the octets of its event."""

    grade: Grade
    what: str
    rule: str
    offset: int = 0


@dataclass(frozen=True)
class Row:
    """One line: its speaker (CLIENT, SERVER, or "" for anything else), its explanations, and what is wrong with it."""

    speaker: str
    text: str
    notes: tuple[str, ...] = ()
    wrong: tuple[Fault, ...] = ()


@dataclass(frozen=True)
class Part:
    """One dialogue, or any other lines."""

    title: str
    rows: list[Row]


def page(title: str, introduction: Iterable[str], parts: Iterable[Part], head: str = "", more: str = "") -> str:
    """The whole page. HTML may come first (`head`) and after the introduction (`more`)."""
    paragraphs = "\n".join(introduction).strip().split("\n\n")
    prose = "".join(f"<p>{linked(escape(one))}</p>\n" for one in paragraphs if one.strip())
    body = "".join(f"<h2>{escape(part.title)}</h2>\n<div class=rows>\n{_rows(part.rows)}</div>\n" for part in parts)
    return document(title, STYLE + _STYLE, f"<main>\n{head}<h1>{escape(title)}</h1>\n{prose}{more}{body}</main>\n")


def document(title: str, style: str, body: str) -> str:
    """An HTML document with this body."""
    head = f'<meta charset=utf-8><meta name=viewport content="width=device-width"><title>{escape(title)}</title>'
    return f"<!doctype html>\n<html lang=en>{head}\n<style>{style}</style>\n{body}</html>\n"


def write(path: Path, html: str) -> None:
    """Writes a page in UTF-8, whatever characters it holds."""
    path.write_text(html, "utf-8", "replace")


def linked(text: str) -> str:
    """HTML text in which each mention of a section (5321#4.2) is a link to it."""
    return _RFC.sub(r'<a href="https://www.rfc-editor.org/rfc/rfc\1#section-\2">RFC \1, \2</a>', text)


def facts(pairs: Mapping[str, str]) -> str:
    """A list of facts as HTML; each value is HTML already."""
    return f"<dl>{''.join(f'<dt>{escape(name)}</dt><dd>{value}</dd>' for name, value in pairs.items())}</dl>\n"


def graded(grade: Grade, what: str) -> str:
    """What differs, as HTML, in the colour of its grade, which is named first."""
    return f"<span class={grade.label}>{grade.label}: {linked(escape(harmless(what)))}</span>"


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
    return Part(f"{dialogue.where}{never}", list(_steps(dialogue, facts)))


def of_tape(tape: Tape, wrong: Mapping[int, Sequence[Fault]]) -> Part:
    """What happened on one connection; `wrong` holds what was wrong, by the index of the event."""
    rows: list[Row] = []
    for index, event in enumerate(tape.events):
        places = [(event.octets[: fault.offset].count(b"\n"), fault) for fault in wrong.get(index, ())]
        for number, line in enumerate(event_lines([event])):
            rows.append(_row(line, tuple(fault for place, fault in places if place == number)))
    rows += [Row("", remark) for remark in tape.remarks]
    return Part(f"{tape.host} [{tape.address}]" if tape.address else tape.host, rows)


def of_report(title: str, report: bytes, run: str) -> Part:
    """The reports of a client, and what each letter means; `run` is the section with the recipients."""
    return Part(title, [Row("", f"{letter} {text}", (meaning,)) for letter, meaning, text in explained(report, run)])


def _steps(dialogue: Dialogue, facts: Facts) -> Iterator[Row]:
    for step in dialogue.lines():
        match step:
            case Say():
                yield Row(SERVER, _shown(step.octets), step.notes)
            case Hear() if any(isinstance(part, (Data, Slice)) for part in step.pattern.parts):
                first, *rest = step.pattern.fixed(facts).removesuffix(b"\r\n").split(b"\r\n")
                yield Row(CLIENT, _shown(first), step.notes)
                yield from (Row(CLIENT, _shown(line)) for line in rest)
            case Hear():
                yield Row(CLIENT, step.source[3:].replace("{helo}", decode(facts.helo)), step.notes)
            case _:
                yield Row("", step.source, step.notes)


def _row(line: str, wrong: tuple[Fault, ...]) -> Row:
    speaker = line[:1] if line[:1] in (CLIENT, SERVER) else ""
    return Row(speaker, line[3:] if speaker else line, (), wrong)


def _shown(octets: bytes) -> str:
    return visible(octets.removesuffix(b"\r\n"))


def _rows(rows: list[Row]) -> str:
    return "".join(_html(row) for row in rows)


def _html(row: Row) -> str:
    who = f"{row.speaker}: " if row.speaker else ""
    kind = f"said {row.speaker or 'do'}{' marked' if row.wrong else ''}"
    notes = [f"<div>{linked(escape(note))}</div>" for note in row.notes]
    notes += [f"<div>{graded(one.grade, one.what)}. {linked(escape(one.rule))}</div>" for one in row.wrong]
    return f'<div class="{kind}">{escape(who + row.text)}</div><div class=beside>{"".join(notes)}</div>\n'
