# SPDX-License-Identifier: ISC
"""A lesson as a text file: Markdown, and a few directives, each in a paragraph of its own.

    # Title
    topics: TOPIC ...           the topics of the corpus that it links to

    {run TOPIC/NAME}            a case that is played, and drawn
    {run TOPIC/NAME dns}        with its questions to the DNS and their answers
    {beside TOPIC/NAME ...}     several, side by side
    {peers TOPIC/NAME ...}      what other clients do there
    ? Question                  followed by its answer, which is folded:
    ! Answer

The first paragraph is what the index says about the lesson. A link to `case:TOPIC/NAME` leads to the page of that case, and
5321#4.2 to that section of RFC 5321.
"""

import re
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent
_DIRECTIVE = re.compile(r"\{(run|beside|peers) ([^{}]+)\}")


class LessonError(Exception):
    """What is wrong with a text, and where."""


@dataclass(frozen=True)
class Piece:
    """A part of a lesson: prose in Markdown (`kind` is ""), a directive with its words, or a question and its answer."""

    kind: str
    words: tuple[str, ...]


@dataclass(frozen=True)
class Lesson:
    """A lesson. `name` is that of its page."""

    name: str
    title: str
    topics: tuple[str, ...]
    summary: str
    pieces: tuple[Piece, ...]

    @property
    def cases(self) -> set[str]:
        """The cases that it plays."""
        return {word for piece in self.pieces if piece.kind in ("run", "beside") for word in piece.words if "/" in word}


def read_all() -> list[Lesson]:
    """All lessons, in order. Raises LessonError."""
    return [read(path) for path in sorted(HERE.glob("[0-9][0-9]-*.md"))]


def read(path: Path) -> Lesson:
    """Raises LessonError."""
    head, *paragraphs = re.split(r"\n\s*\n", path.read_text("utf-8").strip())
    found = re.fullmatch(r"# (.+)\ntopics: (.+)", head)
    if found is None or not paragraphs:
        raise LessonError(f"{path}:1: expected `# Title`, `topics: TOPIC ...`, a blank line, and text")
    return Lesson(path.stem, found[1], tuple(found[2].split()), paragraphs[0], tuple(_pieces(path, paragraphs)))


def _pieces(path: Path, paragraphs: list[str]) -> list[Piece]:
    pieces: list[Piece] = []
    question = ""
    for paragraph in paragraphs:
        if directive := _DIRECTIVE.fullmatch(paragraph.strip()):
            pieces.append(Piece(directive[1], tuple(directive[2].split())))
        elif paragraph.startswith("? "):
            question, bang, answer = paragraph[2:].partition("\n! ")
            if not bang:
                raise LessonError(f"{path}: a question without an answer: {question}")
            pieces.append(Piece("question", (question, answer)))
        elif pieces and not pieces[-1].kind:
            pieces[-1] = Piece("", (f"{pieces[-1].words[0]}\n\n{paragraph}",))
        else:
            pieces.append(Piece("", (paragraph,)))
    return pieces


def overviews() -> dict[str, str]:
    """What the overview of each topic of the corpus says, as Markdown, by topic. Raises LessonError."""
    parts = re.split(r"(?m)^## (.+)\n", (HERE / "topics.md").read_text("utf-8"))
    if len(parts) < 3:
        raise LessonError("topics.md: expected `## TOPIC` and text")
    return {name.strip(): text.strip() for name, text in zip(parts[1::2], parts[2::2])}
