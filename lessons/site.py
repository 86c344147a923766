# SPDX-License-Identifier: ISC
"""The pages: an index, the lessons with what was played for them, and a page for each topic and case of the corpus."""

import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

import markdown  # type: ignore

from lessons import text
from lessons.text import Lesson, LessonError, Piece
from mocksrv.case.file import Case
from mocksrv.case.pattern import Facts
from mocksrv.tell import flow, page, picture, show
from mocksrv.world import home
from mocksrv.world.run import Result

STYLE = page.STYLE + page.FLOW + """
nav.top { display: flex; flex-wrap: wrap; gap: .2rem 1.2rem; font-size: .9rem; color: var(--dim); margin-bottom: 1rem; }
main > p code, li code { background: light-dark(#f1f3f5, #24272b); padding: 0 .2em; border-radius: 3px; }
pre { background: light-dark(#f1f3f5, #24272b); padding: .6rem .8rem; white-space: pre-wrap; overflow-wrap: anywhere;
  max-width: 46rem; } pre code { background: none; overflow-wrap: anywhere; }
.played { border-top: 1px solid var(--line); margin: 1.6rem 0; padding-top: .2rem; }
.played h3 { font-size: 1.05rem; margin: .8rem 0 .2rem; } .played p { max-width: 46rem; }
.sides { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 27rem), 1fr)); gap: 0 1.5rem; align-items: start; }
details.question { max-width: 46rem; border-left: 3px solid var(--line); padding: .1rem .8rem; margin: .6rem 0; }
details.question > summary { cursor: pointer; font-weight: 600; }
.lessons li { margin-bottom: .7rem; } .lessons b { display: block; } .lessons p { margin: 0; }
.cases li { margin-bottom: .35rem; overflow-wrap: anywhere; }
.scroll { overflow: auto; } table { border-collapse: collapse; font-size: .95rem; }
th, td { text-align: left; vertical-align: top; padding: .25rem .9rem .25rem 0; border-bottom: 1px solid var(--line); }
th { font-weight: 600; } td code, th code { overflow-wrap: normal; } th > div[id], th > div { white-space: nowrap; }
.chain { display: flex; flex-wrap: wrap; justify-content: space-between; gap: .5rem 2rem; border-top: 1px solid var(--line);
  padding-top: .8rem; margin-top: 2rem; }
.columns { columns: 16rem; column-gap: 2rem; }
"""
_GRADES = """<p class=dim><span class=wrong>wrong</span>: an RFC says that a client must not.
<span class=should>should</span>: an RFC recommends something else. <span class=robustness>robustness</span>: no RFC is against it, but
mail can be lost or doubled. <span class=choice>choice</span>: only different.</p>
"""
_CASE_LINK = re.compile(r'href="case:([^"]+)"')


@dataclass(frozen=True)
class Corpus:
    """What the pages are made of: cases by ID, what came of those that were played, and the results of other clients."""

    cases: Mapping[str, Case]
    played: Mapping[str, Result]
    peers: list[dict[str, Any]]  # as in the JSON of `mocksrv test`

    def named(self, name: str) -> Case:
        """Raises LessonError."""
        if name not in self.cases:
            raise LessonError(f"there is no case {name}")
        return self.cases[name]

    def of(self, topic: str) -> list[Case]:
        """The cases of a topic. Raises LessonError."""
        found = [case for case in self.cases.values() if case.topic == topic]
        if not found:
            raise LessonError(f"there is no topic {topic}")
        return found


def document(title: str, body: str, up: str = "") -> str:
    """A page, with links to the main ones; `up` leads to their folder."""
    links = {"index.html": "Lessons", "topics/index.html": "All cases", "spec.html": "The contract and its proofs"}
    nav = "".join(f'<a href="{up}{path}">{name}</a>' for path, name in links.items())
    return page.document(title, STYLE, f"<main>\n<nav class=top aria-label=Site>{nav}</nav>\n{body}</main>\n")


def index(lessons: list[Lesson]) -> str:
    """The first page."""
    rows = "".join(
        f'<li><b><a href="{one.name}.html">{escape(one.title)}</a></b>{_prose(one.summary, "")}</li>\n' for one in lessons
    )
    title = "SMTP, seen on the wire"
    return document(title, f"<h1>{title}</h1>\n{_prose((text.HERE / 'index.md').read_text('utf-8'), '')}<ol class=lessons>\n{rows}</ol>\n")


def lesson(corpus: Corpus, lessons: list[Lesson], place: int) -> str:
    """The page of a lesson. Raises LessonError."""
    one = lessons[place]
    body = [f"<h1>{place + 1}. {escape(one.title)}</h1>\n"]
    body += [_piece(corpus, piece) for piece in one.pieces]
    links = ", ".join(f'<a href="topics/{topic}/index.html">{topic}</a> ({len(corpus.of(topic))})' for topic in one.topics)
    body.append(f"<h2>More cases</h2>\n<p>Topics of the corpus: {links}.</p>\n<div class=chain>")
    if place:
        body.append(f'<a href="{lessons[place - 1].name}.html">Before: {escape(lessons[place - 1].title)}</a>')
    if place + 1 < len(lessons):
        body.append(f'<a href="{lessons[place + 1].name}.html">Next: {escape(lessons[place + 1].title)}</a>')
    return document(one.title, "".join(body) + "</div>\n")


def _piece(corpus: Corpus, piece: Piece) -> str:
    match piece.kind:
        case "run":
            return "".join(_played(corpus, name, "dns" in piece.words) for name in piece.words if name != "dns")
        case "beside":
            return f"<div class=sides>{''.join(_played(corpus, name, False) for name in piece.words)}</div>\n"
        case "peers":
            return _others(corpus, piece.words)
        case "question":
            question, answer = piece.words
            summary = _prose(question, "").removeprefix("<p>").removesuffix("</p>\n")
            return f"<details class=question><summary>{summary}</summary>{_prose(answer, '')}</details>\n"
    return _prose(piece.words[0], "", corpus)


def _prose(words: str, up: str, corpus: Corpus | None = None) -> str:
    """Markdown as HTML, with links to cases and to sections of RFCs."""
    html: str = markdown.markdown(words, extensions=["tables"], output_format="html")
    html = html.replace("<table>", '<div class=scroll role=region tabindex=0 aria-label="A table"><table>')
    html = html.replace("</table>", "</table></div>")
    for name in _CASE_LINK.findall(html):
        if corpus:
            corpus.named(name)
    html = _CASE_LINK.sub(lambda found: f'href="{up}topics/{found[1]}.html"', html)
    return picture.linked(html) + "\n"


def _played(corpus: Corpus, name: str, dns: bool) -> str:
    """A case that was played, with what was found in the DNS if that matters, the dialogues and the reports."""
    case = corpus.named(name)
    result = corpus.played[name]
    prose = f"<p>{picture.linked(escape(' '.join(filter(None, case.prose))))}</p>" if any(case.prose) else ""
    parts = [f'<section class=played><h3><a href="topics/{name}.html">{escape(case.title)}</a></h3>{prose}\n']
    parts.append(f'<p><code>{escape(case.run)}</code></p>\n')
    if dns:
        lines = "".join(f'<div class="said do">DNS {escape(str(question))}</div>' for question in result.questions)
        parts.append(f"{lines}\n")
    for transcript in result.transcripts:
        facts = Facts(home.helo(case), case.message)
        explained = flow.of_steps(transcript.dialogue, facts)
        part = page.of_tape(transcript.tape, {}, explained) if transcript.tape.events else page.of_dialogue(transcript.dialogue, facts)
        where = f"{transcript.dialogue.where} [{transcript.address}]"
        parts.append(f"<h4>{escape(where)}</h4>\n{page.html(part)}" if len(result.transcripts) > 1 else page.html(part))
    rows = "".join(
        f"<dt><code>{escape(letter)}</code></dt><dd>{escape(meaning)}. <code>{escape(told)}</code></dd>" if told
        else f"<dt><code>{escape(letter)}</code></dt><dd>{escape(meaning)}</dd>"
        for letter, meaning, told in show.explained(result.stdout, case.run)
    )  # fmt: skip
    return f"{''.join(parts)}<p class=dim>What Qremote reports:</p>\n<dl>{rows}</dl>\n</section>\n"


def _others(corpus: Corpus, names: Iterable[str]) -> str:
    """What other clients do in some cases: a column for each case."""
    names = [corpus.named(name).id for name in names]
    told = {(one["client"], one["case"]): one for one in corpus.peers if one["case"] in names and one["client"].lower() != "qremote"}
    clients = list(dict.fromkeys(client for client, _ in told))
    if not clients:
        return "<p class=dim>Here a table shows what other clients do, once <code>make peers</code> has played them.</p>\n"
    heads = "".join(f'<th scope=col><a href="topics/{name}.html">{escape(name)}</a></th>' for name in names)
    rows = "".join(
        f"<tr><th scope=row>{escape(client)}</th>{''.join(_cell(told.get((client, name))) for name in names)}</tr>\n"
        for client in clients
    )
    return (
        "<div class=scroll role=region tabindex=0 aria-label='What other clients do'><table>\n"
        f"<thead><tr><th scope=col>client</th>{heads}</tr></thead>\n<tbody>{rows}</tbody></table></div>\n{_GRADES}"
    )


def _cell(result: dict[str, Any] | None) -> str:
    if result is None or result["skipped"]:
        return "<td class=dim>not played</td>"
    grade = result["grade"]
    kind = {"must": "wrong", None: "right"}.get(grade, grade)
    worst = [one["what"] for one in result["failures"] if one["grade"] == grade][:1]
    why = f": {picture.linked(escape(worst[0]))}" if worst else ""
    return f"<td><span class={kind}>{escape(result['result'])}{f' ({kind})' if grade else ''}</span>{why}</td>"


def topics(corpus: Corpus, overviews: Mapping[str, str], lessons: list[Lesson]) -> Iterator[tuple[str, str]]:
    """The pages about the corpus: path and HTML of each. Raises LessonError."""
    names = sorted({case.topic for case in corpus.cases.values()})
    if missing := set(names) - set(overviews):
        raise LessonError(f"topics.md says nothing about {', '.join(sorted(missing))}")
    items = "".join(
        f'<li><a href="{name}/index.html">{name}</a> ({len(corpus.of(name))})<br>{_inline(overviews[name])}</li>\n' for name in names
    )
    title = f"{len(corpus.cases)} cases"
    yield "topics/index.html", document(title, f"<h1>{title}, by topic</h1>\n<ul class=cases>\n{items}</ul>\n", "../")
    for name in names:
        yield f"topics/{name}/index.html", _topic(corpus, name, overviews[name], lessons)
    for case in corpus.cases.values():
        html = page.of_case(case, _case_head(case, lessons), _clauses(case))
        yield f"topics/{case.id}.html", html


def _inline(words: str) -> str:
    return _prose(words.split("\n\n")[0], "../").removeprefix("<p>").removesuffix("</p>\n")


def _topic(corpus: Corpus, name: str, overview: str, lessons: list[Lesson]) -> str:
    items = "".join(
        f'<li><a href="{case.path.stem}.html">{escape(case.title)}</a>'
        f" <span class=dim>{picture.linked(escape(' '.join(case.meta.get('rfc', []))))}</span></li>\n"
        for case in corpus.of(name)
    )
    taught = "".join(f'<p>Lesson: <a href="../../{one.name}.html">{escape(one.title)}</a></p>\n' for one in lessons if name in one.topics)
    body = f"<h1>{escape(name)}</h1>\n{_prose(overview, '../../')}{taught}<ul class=cases>\n{items}</ul>\n"
    return document(f"Cases: {name}", body, "../../")


def _case_head(case: Case, lessons: list[Lesson]) -> str:
    taught = [f'<a href="../../{one.name}.html">Lesson: {escape(one.title)}</a>' for one in lessons if case.id in one.cases]
    links = ['<a href="../../index.html">Lessons</a>', f'<a href="index.html">Cases: {escape(case.topic)}</a>', *taught]
    return f"<nav aria-label=Site><p>{' · '.join(links)}</p></nav>\n"


def _clauses(case: Case) -> str:
    clauses = ", ".join(f'<a href="../../spec.html#{clause}">{clause}</a>' for clause in case.meta.get("spec", []))
    play = f"make case CASE={case.id}"
    proves = f"<p>It proves {clauses} of the manual page.</p>\n" if clauses else ""
    return f"{proves}<p>To play it: <code>{escape(play)}</code></p>\n"


def peers(path: Path) -> list[dict[str, Any]]:
    """The results of other clients, if they are there."""
    if not path.exists():
        return []
    found: list[dict[str, Any]] = json.loads(path.read_text("utf-8"))["results"]
    return found


def put(folder: Path, name: str, html: str) -> None:
    """Writes a page."""
    path = folder / name
    os.makedirs(path.parent, exist_ok=True)
    page.write(path, html)
