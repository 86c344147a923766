# SPDX-License-Identifier: ISC
"""The manual page, the cases and the tests agree: each clause is proven, and nothing else is.

man/Qremote.8 has its clauses at the ends of its lines, as comments: `The client says EHLO first. \\" EXT-1`. A line
that ends with `\\" -` promises nothing.
"""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "man/Qremote.8"
# These sections describe no behaviour.
SILENT = ("NAME", "SYNOPSIS", "EXAMPLES", "SEE ALSO", "STANDARDS", "HISTORY", "AUTHORS")
CLAUSE = re.compile(r"[A-Z]+-\d+")
# The sentences of the manual page of 2008, in its order, and where ours says them: the clause (a dash where there is
# none), and words that must be in its lines.
OF_2008 = (
    ("-", "reads the message from its standard input"), ("IN-1", "open for reading"), ("IN-1", "mapped into memory"),
    ("HOST-1", "mail exchangers are looked up"), ("HOST-2", "IPv4 address in brackets"),
    ("HOST-3", "IPv6 address in brackets"), ("ADR-1", "in the order of the arguments"), ("-", "MAIL names sender ,"),
    ("TR-1", "single dot"), ("TR-1", "dot at the beginning of a line is sent as two"), ("TR-2", "gets one"),
    ("-", "cannot send a message without one"), ("TR-3", "a lone CR and a lone LF"), ("TR-4", "8BITMIME"),
    ("TR-5", "more than 998 octets"), ("-", "SMTP allows neither"), ("TR-6", "nothing is recoded"),
    ("RES-1", "then exactly one message report"), ("RES-1", "ended by a NUL"), ("RES-2", "recipient accepted"),
    ("RES-2", "refused for good"), ("RES-2", "refused for now"), ("RES-2", "the server has taken responsibility"),
    ("RES-2", "makes sense to try again"), ("RES-2", "never will be"), ("RES-3", "a text for people"),
    ("-", "qmail-rspawn would mix"), ("RES-4", "order of the arguments"), ("RES-4", "Unless MAIL was accepted"),
    ("SYN-2", "exit status is 0"), ("CTL-5", "authenticate with a server"), ("CTL-1", "EHLO and HELO"),
    ("CTL-1", "refuses to run"), ("RTE-1", "without extra spaces"), ("RTE-1", "as its only mail exchanger"),
    ("RTE-1", "nor a CNAME"), ("RTE-1", "foo.example.com:mx2.example.com:24"), ("RTE-4", "accepted, and never sent"),
    ("RTE-4", "bar.example.com:relay.example.com:24:myuser:secret"), ("RTE-4", "is to use belong in a file of"),
    ("-", "belong to qmailr, with mode 0400"), ("RTE-3", "exchangers are then looked up as usual"),
    ("RTE-2", "wildcard"), ("-", r".example.org: :baz.example.org:24"), ("RTE-2", "for example.org itself too"),
    ("-", "in a circle"), ("-", "takes no mail from the network"), ("CTL-2", "Seconds to wait"), ("CTL-2", "Default: 60"),
    ("-", "75 seconds"), ("CTL-3", "one whole reply"), ("CTL-3", "Default: 1200"), ("TLS-3", "OpenSSL cipher strings"),
    ("TLS-3", "with colons"), ("TLS-4", "fully-qualified domain name"), ("TLS-4", "dNSName"), ("TLS-4", "commonName"),
    ("-", "Warning : such a file can delay mail, bounce it, bounce the bounce, and so lose it"),
    *(("-", name) for name in ("fstat 2", "mmap 2", "addresses 5", "envelopes 5", "qmail-control 5", "qmail-send 8")),
    *(("-", name) for name in ("Qsmtpd 8", "qmail-tcpok 8", "qmail-tcpto 8", "Rolf Eike Beer", "sf-tec.de/Qsmtp")),
)  # fmt: skip


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


def said(page: str, clause: str) -> str:
    """The text of the lines that name a clause; with a dash that of all lines."""
    lines = [text for _, _, text, remark in lines_of(page) if clause == "-" or clause in remark.split()]
    return " ".join(re.sub(r"^\.(Pp$|[A-Z][a-z]) ?", "", line) for line in lines).replace("\\&", "")


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


@pytest.mark.parametrize(("clause", "words"), OF_2008)
def test_nothing_of_the_page_of_2008_is_left_out(clause: str, words: str) -> None:
    """Each of its sentences has one of ours, which names its clause if it promises something."""
    assert words in re.sub(" +", " ", said(PAGE.read_text(), clause))


def test_this_check_has_teeth() -> None:
    """A line without its clause is found in a section that counts, and nowhere else."""
    page = '.\\" a remark \\" X-1\n.Sh NAME\nNo clause\n.Sh DESCRIPTION\n.Nm\n'
    page += 'One. \\" A-1 B-2\nTwo. \\" -\nThree.\nFour. \\" so\n'
    assert untagged(page) == ["line 8: Three.", "line 9: Four."]
    assert stated(page) == {"A-1", "B-2"}
    assert said(page, "A-1") == "One."
    assert "EXT-3" in proven_by_cases() and "TR-3" in proven_by_tests()
