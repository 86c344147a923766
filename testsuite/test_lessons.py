# SPDX-License-Identifier: ISC
"""The lessons: their texts are complete, and the pages that are made of them hold together. What they look like is for
mocksrv/test_browser.py."""

import argparse
import re
import shlex
from html.parser import HTMLParser
from pathlib import Path

import pytest

from lessons import __main__ as command
from lessons import site, text
from lessons.site import Corpus
from lessons.text import LessonError
from mocksrv.audit import RULES
from mocksrv.case.corpus import CASES, case_named
from mocksrv.case.templates import find_cases
from mocksrv.serve import command as serve
from mocksrv.world import sandbox

ROOT = Path(__file__).parent.parent
LESSONS = text.read_all()
SECTION = re.compile(r"\b\d{4}#\d+(?:\.\d+)*")


def test_the_lessons_are_in_order() -> None:
    assert [one.name[:2] for one in LESSONS] == [f"{number:02}" for number in range(1, len(LESSONS) + 1)]
    assert len(LESSONS) == 13 and len({one.title for one in LESSONS}) == 13


@pytest.mark.parametrize("lesson", LESSONS, ids=lambda lesson: lesson.name)
def test_a_lesson_is_complete(lesson: text.Lesson) -> None:
    """Something is played, others are shown, three questions have answers, sections are named, and one can try it."""
    kinds = [piece.kind for piece in lesson.pieces]
    assert kinds.count("question") == 3 and "peers" in kinds and lesson.cases
    prose = "\n".join(word for piece in lesson.pieces if not piece.kind or piece.kind == "question" for word in piece.words)
    assert "## Try it\n" in prose and len(SECTION.findall(prose)) >= 3
    for name in [*lesson.cases, *re.findall(r"\(case:([^)]+)\)", prose)]:
        assert case_named(name) in find_cases(CASES), name
    assert all((CASES / topic).is_dir() for topic in lesson.topics)


@pytest.mark.parametrize("lesson", LESSONS, ids=lambda lesson: lesson.name)
def test_what_one_can_try_is_understood(lesson: text.Lesson) -> None:
    parser = argparse.ArgumentParser(exit_on_error=False)
    serve.add_command(parser.add_subparsers())
    lines = (text.HERE / f"{lesson.name}.md").read_text().splitlines()
    commands = [line.strip() for line in lines if line.startswith("    ")]
    assert commands
    for line in commands:
        words = shlex.split(line.partition("|")[0].partition(">")[0].partition("<")[0])
        if "mocksrv" in words:
            parser.parse_args(words[words.index("mocksrv") + 1 :])
        for name in re.findall(r"CASE=(\S+)|(?<= )(fixtures/\S+|README.md)", line):
            assert case_named(name[0]).exists() if name[0] else (ROOT / name[1]).exists(), line


def test_sections_of_rfcs_are_known() -> None:
    """A number that nothing else here names is probably a typing error."""
    known = {section.partition("#")[0] for rule in RULES.values() for section in rule.rfc.split()}
    known |= {"5322", "1870", "2034", "2045", "2046", "2047", "3207", "3463", "3461", "5890", "5891", "6125", "7435", "7505", "7672", "4954"}
    told = {section for path in text.HERE.glob("*.md") for section in SECTION.findall(path.read_text())}
    assert {section for section in told if section[:4] not in known} == set()


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        ("# Title\n\nText", ":1: expected `# Title`, `topics: TOPIC ...`"),
        ("# Title\ntopics: tls\n", ":1: expected"),
        ("# Title\ntopics: tls\n\nText\n\n? Why?\n", "a question without an answer: Why?"),
    ],
)
def test_a_text_with_a_fault(tmp_path: Path, words: str, complaint: str) -> None:
    (tmp_path / "01-it.md").write_text(words)
    with pytest.raises(LessonError, match=re.escape(complaint)):
        text.read(tmp_path / "01-it.md")


def test_the_pieces_of_a_text(tmp_path: Path) -> None:
    (tmp_path / "01-it.md").write_text("# T\ntopics: a b\n\nSummary\n\nMore\n\n{run a/b dns}\n\n{beside a/c a/d}\n\n? Q\nq\n! A\n\nEnd\n")
    lesson = text.read(tmp_path / "01-it.md")
    assert [(piece.kind, piece.words) for piece in lesson.pieces] == [
        ("", ("Summary\n\nMore",)), ("run", ("a/b", "dns")), ("beside", ("a/c", "a/d")), ("question", ("Q\nq", "A")), ("", ("End",)),
    ]  # fmt: skip
    assert (lesson.summary, lesson.topics, lesson.cases) == ("Summary", ("a", "b"), {"a/b", "a/c", "a/d"})


def test_a_case_that_is_not_there(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert command.main([]) == 2 == command.main(["-x"])
    with pytest.raises(LessonError, match="there is no case tls/none"):
        Corpus({}, {}, []).named("tls/none")
    with pytest.raises(LessonError, match="there is no topic none"):
        Corpus({}, {}, []).of("none")


class Links(HTMLParser):
    """The links, the anchors and what a page loads."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.anchors: list[str] = []
        self.loaded: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        known = dict(attrs)
        if tag == "a" and known.get("href"):
            self.links.append(known["href"] or "")
        if known.get("id"):
            self.anchors.append(known["id"] or "")
        if tag in ("script", "link", "img", "iframe"):
            self.loaded.append(str(known))


@pytest.mark.skipif(sandbox.available() is not None, reason=f"sandbox: {sandbox.available()}")
def test_the_pages_hold_together(tmp_path: Path) -> None:
    """Every link leads somewhere, nothing is loaded, every case has its page, and no sentence lacks a proof."""
    folder = tmp_path / "lessons"
    assert command.main([str(folder)]) == 0
    pages = {path: Links(path.read_text()) for path in folder.rglob("*.html")}
    for path, page in pages.items():
        assert page.loaded == [] and len(page.anchors) == len(set(page.anchors)), path
        for link in page.links:
            target, _, anchor = link.partition("#")
            if link.startswith("https://"):
                assert "mandoc" in link or path.parent == folder or target.startswith("https://www.rfc-editor.org/rfc/rfc"), link
            elif not link.startswith(("http:", "mailto:")):
                place = (path.parent / target).resolve() if target else path
                assert place in pages, f"{path}: {link}"
                assert not anchor or anchor in pages[place].anchors, f"{path}: {link}"
    assert {f"topics/{path.parent.name}/{path.stem}.html" for path in find_cases(CASES)} <= {
        str(path.relative_to(folder)) for path in pages
    }
    assert "<td class=wrong>" not in (folder / "spec.html").read_text()
    assert (folder / "07-pipelining.html").read_text().count("<b>6</b>") == 1


def test_what_other_clients_do() -> None:
    """The worst that a client does is told, as text."""
    case = command.read_case(CASES / "size/refused-at-mail.case")
    worst = {"grade": "must", "what": "<b>SIZE</b> [1870#3]"}
    result = {"client": "<i>x</i>", "case": case.id, "skipped": None, "grade": "must", "result": "breach", "failures": [worst]}
    skipped = {"client": "y", "case": case.id, "skipped": "why", "grade": None, "result": "unsupported", "failures": []}
    html = site._others(Corpus({case.id: case}, {}, [result, skipped, result | {"client": "Qremote"}]), [case.id])
    assert "&lt;i&gt;x&lt;/i&gt;" in html and "&lt;b&gt;SIZE&lt;/b&gt;" in html and "rfc1870#section-3" in html
    assert "breach (wrong)" in html and "not played" in html and "Qremote" not in html
    assert "make peers" in site._others(Corpus({case.id: case}, {}, []), [case.id])


def test_links_of_readme() -> None:
    """What it names in the repository is there."""
    found = re.findall(r"\]\(([^)#:]+)\)|<img src=\"([^\"]+)\"", (ROOT / "README.md").read_text())
    assert len(found) > 20 and [name for pair in found for name in pair if name and not (ROOT / name).exists()] == []


def test_the_picture_in_readme_is_small() -> None:
    assert (text.HERE / "picture.png").stat().st_size < 100_000
