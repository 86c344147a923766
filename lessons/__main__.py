# SPDX-License-Identifier: ISC
"""Writes the lessons, a page for each case, and the contract with its proofs.

usage: python3 -m lessons FOLDER
"""

import sys
from pathlib import Path

from lessons import site, spec, text
from lessons.site import Corpus
from lessons.text import Lesson, LessonError
from mocksrv.case.corpus import CASES
from mocksrv.case.file import Case, read_case
from mocksrv.case.templates import find_cases
from mocksrv.tell.show import explain
from mocksrv.world.home import default_program
from mocksrv.world.run import Result, check


def main(words: list[str]) -> int:
    """Returns the exit status."""
    if len(words) != 1 or words[0].startswith("-"):
        print(__doc__.split("\n\n")[1].strip(), file=sys.stderr)
        return 2
    try:
        write(Path(words[0]), text.read_all())
    except LessonError as error:
        print(f"lessons: {error}", file=sys.stderr)
        return 1
    return 0


def write(folder: Path, lessons: list[Lesson]) -> None:
    """All pages. Raises LessonError."""
    cases = {case.id: case for case in map(read_case, find_cases(CASES))}
    unknown = {name for lesson in lessons for name in lesson.cases} - set(cases)
    if unknown:
        raise LessonError(f"there is no case {', '.join(sorted(unknown))}")
    played = play([cases[name] for name in sorted({name for lesson in lessons for name in lesson.cases})])
    corpus = Corpus(cases, played, site.peers(folder.parent / "peers.json"))
    for place, lesson in enumerate(lessons):
        site.put(folder, f"{lesson.name}.html", site.lesson(corpus, lessons, place))
    site.put(folder, "index.html", site.index(lessons))
    for name, html in site.topics(corpus, text.overviews(), lessons):
        site.put(folder, name, html)
    site.put(folder, "spec.html", spec.as_html(corpus))
    for name, html in spec.manuals():
        site.put(folder, name, html)


def play(cases: list[Case]) -> dict[str, Result]:
    """What came of each case, played with Qremote. Raises LessonError: a lesson shows only what is so."""
    results = {case.id: check(case, default_program()) for case in cases}
    for result in results.values():
        if result.skipped:
            raise LessonError(f"{result.case.id} cannot be played here: {result.skipped}")
        if not result.passed:
            raise LessonError(explain(result))
    return results


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
