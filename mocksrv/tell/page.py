# SPDX-License-Identifier: ISC
"""Dialogues as HTML: one page that needs no other file, with each explanation beside the line that it explains."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from html import escape
from pathlib import Path

from mocksrv.case.octets import decode, visible
from mocksrv.case.pattern import Data, Facts, Slice
from mocksrv.case.steps import Dialogue, Hear, Say
from mocksrv.play.tape import CLIENT, SERVER, Tape, event_lines
from mocksrv.tell.show import explained

_RFC = re.compile(r"\b(\d{4})#([A-Z0-9]+(?:\.\d+)*)")
_STYLE = """
:root { color-scheme: light dark; --c: light-dark(#0b57a4, #8ec5ff); --s: light-dark(#1d6b34, #8fd9a4);
  --wrong: light-dark(#b3261e, #ff9b94); --dim: light-dark(#5f6368, #9aa0a6); --line: light-dark(#e3e5e8, #3a3d41); }
body { font: 16px/1.5 system-ui, sans-serif; margin: 2rem auto; padding: 0 1rem; max-width: 72rem; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.1rem; margin-top: 2rem; }
a { color: inherit; } pre, .said { font: 14px/1.5 ui-monospace, monospace; }
.rows { display: grid; grid-template-columns: minmax(0, 3fr) minmax(0, 2fr); column-gap: 2rem; }
.said { white-space: pre-wrap; overflow-wrap: anywhere; padding-left: 4ch; text-indent: -4ch; }
.C { color: var(--c); } .S { color: var(--s); } .do { color: var(--dim); font-style: italic; }
.beside { border-left: 2px solid var(--line); padding-left: .8rem; font-size: .9rem; color: var(--dim); }
.wrong { color: var(--wrong); } .said.wrong { text-decoration: underline wavy; }
@media (max-width: 50rem) { .rows { grid-template-columns: 1fr; } .beside:empty { display: none; } }
"""


@dataclass(frozen=True)
class Row:
    """One line: its speaker (CLIENT, SERVER, or "" for anything else), its explanations, and what is wrong with it."""

    speaker: str
    text: str
    notes: tuple[str, ...] = ()
    wrong: tuple[str, ...] = ()


@dataclass(frozen=True)
class Part:
    """One dialogue, or any other lines."""

    title: str
    rows: list[Row]


def page(title: str, introduction: Iterable[str], parts: Iterable[Part]) -> str:
    """The whole page."""
    paragraphs = "\n".join(introduction).strip().split("\n\n")
    prose = "".join(f"<p>{linked(escape(one))}</p>\n" for one in paragraphs if one.strip())
    body = "".join(f"<h2>{escape(part.title)}</h2>\n<div class=rows>\n{_rows(part.rows)}</div>\n" for part in parts)
    return document(title, _STYLE, f"<h1>{escape(title)}</h1>\n{prose}{body}")


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


def of_dialogue(dialogue: Dialogue, facts: Facts) -> Part:
    """One dialogue of a case."""
    never = ", to which the client must not connect" if dialogue.never else ""
    return Part(f"{dialogue.where}{never}", list(_steps(dialogue, facts)))


def of_tape(tape: Tape, wrong: Mapping[int, tuple[str, ...]]) -> Part:
    """What happened on one connection; `wrong` holds what was wrong, by the index of the event."""
    rows: list[Row] = []
    for index, event in enumerate(tape.events):
        lines = [_row(line) for line in event_lines([event])]
        lines[0] = Row(lines[0].speaker, lines[0].text, (), wrong.get(index, ()))
        rows += lines
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


def _row(line: str) -> Row:
    speaker = line[:1] if line[:1] in (CLIENT, SERVER) else ""
    return Row(speaker, line[3:] if speaker else line)


def _shown(octets: bytes) -> str:
    return visible(octets.removesuffix(b"\r\n"))


def _rows(rows: list[Row]) -> str:
    return "".join(_html(row) for row in rows)


def _html(row: Row) -> str:
    who = f"{row.speaker}: " if row.speaker else ""
    kind = f"said {row.speaker or 'do'}{' wrong' if row.wrong else ''}"
    notes = [f"<div>{linked(escape(note))}</div>" for note in row.notes]
    notes += [f"<div class=wrong>{linked(escape(what))}</div>" for what in row.wrong]
    return f'<div class="{kind}">{escape(who + row.text)}</div><div class=beside>{"".join(notes)}</div>\n'
