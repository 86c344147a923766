"""The manual page, the cases and the tests agree: each clause is proven, and nothing is proven that it does not say.

man/Qremote.8 has its clauses at the ends of its lines, as comments: `The client says EHLO first. \\" EXT-1`. A line
that ends with `\\" -` promises nothing.
"""

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "man/Qremote.8"
# What stands in these sections is no behaviour.
SILENT = ("NAME", "SYNOPSIS", "EXAMPLES", "SEE ALSO", "STANDARDS", "HISTORY", "AUTHORS")
CLAUSE = re.compile(r"[A-Z]+-\d+")


def lines_of(page: str) -> list[tuple[int, str, str, str]]:
    """Number, section, text and remark of each line."""
    found, section = [], ""
    for number, line in enumerate(page.splitlines(), 1):
        text, _, remark = line.partition('\\"')
        if text.startswith(".Sh "):
            section = text.removeprefix(".Sh ").strip()
        found.append((number, section, text.strip(), remark.strip()))
    return found


def untagged(page: str) -> list[str]:
    """The lines of text that neither name a clause nor say that they promise nothing."""
    return [
        f"line {number}: {text}" for number, section, text, remark in lines_of(page)
        if section and section not in SILENT and text and text[0] not in ".'"
        and remark != "-" and not all(map(CLAUSE.fullmatch, remark.split() or ["none"]))
    ]  # fmt: skip


def stated(page: str) -> set[str]:
    """The clauses that the page names."""
    words = [word for _, section, _, remark in lines_of(page) if section for word in remark.split()]
    return set(filter(CLAUSE.fullmatch, words))


def proven_by_cases() -> dict[str, list[str]]:
    """The clauses in the `spec:` lines of the cases, and which files name them."""
    proven: dict[str, list[str]] = {}
    for path in (path for path in (ROOT / "fixtures/cases").rglob("*") if path.suffix in (".case", ".template")):
        head = path.read_bytes().partition(b"\n\n")[0].decode(errors="replace")
        for words in re.findall(r"^spec:(.*)", head, re.M):
            for word in words.split():
                proven.setdefault(word, []).append(path.name)
    return proven


def proven_by_tests() -> dict[str, list[str]]:
    """The clauses in `pytest.mark.spec(...)`, and which files name them."""
    proven: dict[str, list[str]] = {}
    for path in (ROOT / "testsuite").rglob("test_*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "pytest.mark.spec":
                for argument in node.args:
                    proven.setdefault(ast.literal_eval(argument), []).append(path.name)
    return proven


def test_every_line_of_the_manual_page_names_its_clause() -> None:
    """Or says that it promises nothing."""
    assert untagged(PAGE.read_text()) == []


def test_every_clause_is_proven() -> None:
    """By a case or by a test."""
    assert sorted(stated(PAGE.read_text()) - {*proven_by_cases(), *proven_by_tests()}) == []


def test_only_clauses_of_the_manual_page_are_proven() -> None:
    """A case or a test that names another one has a typing error, or the page lacks a sentence."""
    known = stated(PAGE.read_text())
    assert {clause: files for clause, files in proven_by_cases().items() if clause not in known} == {}
    assert {clause: files for clause, files in proven_by_tests().items() if clause not in known} == {}


def test_this_check_has_teeth() -> None:
    """A line without its clause is found in a section that counts, and nowhere else."""
    page = '.\\" a remark \\" X-1\n.Sh NAME\nNo clause\n.Sh DESCRIPTION\n.Nm\n'
    page += 'One. \\" A-1 B-2\nTwo. \\" -\nThree.\nFour. \\" so\n'
    assert untagged(page) == ["line 8: Three.", "line 9: Four."]
    assert stated(page) == {"A-1", "B-2"}
    assert "EXT-3" in proven_by_cases() and "TR-3" in proven_by_tests()
