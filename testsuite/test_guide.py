# SPDX-License-Identifier: ISC
"""doc/guide.md: its commands work, and its tables have every text that can stand in a report, and no other.

A row of its tables begins with a text; `<words>` in it stand for anything. Where it goes on for a reason, the reasons are
in the same row, or in one that begins with an ellipsis.
"""

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from mocksrv.case.file import read_case
from mocksrv.case.templates import find_cases
from mocksrv.world import sandbox
from testsuite.test_under_qmail import GUIDE, Host, guide, needs_users, on_a_host

ROOT = Path(__file__).parent.parent
TABLES = GUIDE.partition("\n## How bounces read\n")[2]
# Texts in src that never stand in a report.
ELSEWHERE = (
    "X-MIME-Autoconverted",  # a header field
    "no such record", "only an alias", "but the aliases lead to no host", "which is no usable answer",  # the trace
    "does not answer in time", "not used", "not a host name", "not usable",
    "a chunk", "octets of the message so far", "octets",
    "again, without TLS", "again, with fewer cipher suites", "not verified", "TLS certificate", "says RCODE",
    "to quoted-printable by",
    "LOW MEDIUM EXP",  # words of OpenSSL
)  # fmt: skip
# Rows with texts that no case brings about: memory, descriptors or a file would have to fail. The last is a second line.
UNPLAYED = {
    "<server> was not sent the end of the message, whose file changed meanwhile.",
    "The message file was cut short while it was sent.",
    "Qremote cannot load its <name> module: <why>.",
    "Qremote cannot use its <name> module: <file> belongs to another build.",
    "Qremote is out of memory.",
    "<server> was not sent the message: Qremote is out of memory.",
    "Qremote is out of file descriptors.",
    "Qremote or a library crashed: memory may be short.",
    "Qremote cannot use <mechanism> for AUTH: <why>.",
    "Qremote cannot query the DNS: <why>.",
    "Qremote cannot list the addresses of this machine.",
    "<number> more were not tried, since <number> seconds had passed.",
}


def rows() -> Iterator[tuple[str, str]]:
    """The text at the beginning of each row, and its letters."""
    for text, letters in re.findall(r"^\| `([^`]*)` \| ([KZDhs ]+) \|", TABLES, re.M):
        yield text, letters


def pattern(text: str) -> re.Pattern[str]:
    """A row's text as a regular expression."""
    return re.compile(".*".join(map(re.escape, re.split(r"<[a-z ]+>", text))))


def phrases(source: str) -> Iterator[str]:
    """What stands in the string literals of a source, without what is put in; only what has more than one word."""
    source = re.sub(r"/\*.*?\*/|^#include.*?$", "", source, flags=re.S | re.M)
    source = re.sub(r"(trace_note|trace->note|tell)\(.*?\);", "", source, flags=re.S)
    source = re.sub(r'"\s*"', "", source)
    for literal in re.findall(r'"((?:[^"\\\n]|\\.)*)"', source):
        for piece in re.split(r"%[-.*0-9]*[a-z]*|: |\\.|\"| \(#", literal):
            piece = re.sub("^Z(?=[A-Z])", "", piece).strip(" .,;()[]`'")
            if re.search(r"[a-z]{2,} [a-z]{2,}|[a-z] [A-Z]", piece):
                yield piece


@cache
def reports() -> frozenset[tuple[str, str]]:
    """The letter and the first line of each report in the corpus, without the code and the address behind a name."""
    found = set()
    for path in find_cases(ROOT / "fixtures/cases"):
        for record in (read_case(path).report or b"").split(b"\0")[:-1]:
            letter, line = chr(record[0]), record[1:].decode(errors="replace").partition("\n")[0]
            if letter in "KZDhs" and line:
                line = re.sub(r" \(#[45]\.\d+\.\d+\)$", "", line)
                found.add((letter, re.sub(r"^(Connected to .*?)( \[[^\]]*\](:\d+)?)$", r"\1", line)))
    return frozenset(found)


@pytest.mark.parametrize("path", sorted(ROOT.glob("src/**/*.c")), ids=lambda path: str(path.relative_to(ROOT)))
def test_each_text_of_the_program_has_a_row(path: Path) -> None:
    """What reports say is explained."""
    told = TABLES.replace("`", "")
    missing = [one for one in phrases(path.read_text()) if one not in told and not one.startswith(ELSEWHERE)]
    assert not missing, f"{path.name}: no row of doc/guide.md has these"


def test_each_report_fits_a_row() -> None:
    """In all of its words, and with its letter. What may follow any text has a row of its own."""
    known = [(pattern(text), letters) for text, letters in rows()]
    for letter, line in reports():
        plain = re.sub(r" (It ended the session|Possible duplicate!)\.?$", "", line)
        assert any(row.fullmatch(one) and letter in letters for one in (line, plain) for row, letters in known), (letter, line)


def test_each_row_is_true() -> None:
    """A case has a report of this kind."""
    unknown = [text for text, _ in rows() if not any(pattern(text).fullmatch(line) for _, line in reports())]
    assert set(unknown) == UNPLAYED


# Its commands


@needs_users
def test_the_control_files_are_checked() -> None:
    """There and back: the report is about the host."""
    report = sandbox.run(on_a_host, guide("'[]'"), {}, {}, all_users=True)
    assert report.startswith("D[] ") and "(#5.1.2)" in report


def test_there_and_back(tmp_path: Path) -> None:
    """There is a link, and then qmail's own program again."""
    host = Host(tmp_path)
    before, replaced = host.state(), host.replaced()
    assert host.run(guide("make replace-"))[0] == 0 and host.state() == replaced
    assert host.run(guide("make restore-"))[0] == 0 and host.state() == before


@needs_users
def test_a_relay_for_all_mail() -> None:
    """The file that the guide writes is in force, and well formed."""
    run = guide("'[]'").partition("'[]'")[0] + "example.org '' bob@example.org </etc/passwd"
    made = [guide("mkdir"), guide("printf"), guide("chown"), run]
    report = sandbox.run(on_a_host, "\n".join(made), {}, {}, all_users=True)
    assert report.startswith("Zcontrol/smtproutes.d/default line 1 names the relay relay.example.com, which cannot be looked up now.")
