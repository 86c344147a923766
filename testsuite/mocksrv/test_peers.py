# SPDX-License-Identifier: ISC
"""The tables, and the pages that they link to."""

import html.parser
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from urllib.parse import unquote

import pytest

from mocksrv.audit import RULES, Grade
from mocksrv.case.file import Case, read_case
from mocksrv.case.pattern import Facts
from mocksrv.judge import clients, rfc, suite
from mocksrv.play.tape import CLIENT, SERVER, Event, Tape
from mocksrv.tell import page, table, totals, verdicts
from mocksrv.world import sandbox
from testsuite.mocksrv.records import RECORDS, a_run, record

HERE = Path(__file__).parent
ROOT = HERE.parent.parent

ROWS = totals.rows(RECORDS)


def test_the_text() -> None:
    assert totals.as_text(a_run("three: not here")) == """\
                   one  two
as specified       1    1
wrong              1    1
of which a breach  1    0
should             0    0
robustness         1    0
choice             0    0
unsupported        0    1

broken rules  one  two
END-NO-QUIT   1    1

unsupported  one  two
it is so     0    1

three: not here

case          one                    two
alpha/first   delivered              refused !
alpha/second  breach !               unsupported
beta/third    deferred (robustness)  breach

mocksrv 1, corpus 2: 3 cases, 2 clients, 3 s, 2 unexpected
"""


def test_the_grades_of_rules_are_told() -> None:
    records = [record("alpha/first", "one", "delivered", rules=("BDAT-WAIT",)), record("alpha/first", "two", "delivered")]
    assert "\nBDAT-WAIT (should)  1" in totals.as_text(a_run(records=records))
    assert "(should)</th>" in table.as_html(totals.rows(records), [])


class Reader(html.parser.HTMLParser):
    """Collects text by the elements around it, and fails for tags that do not match."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.text: list[str] = []
        self.elements: list[tuple[str, dict[str, str]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attrs}))
        if tag not in ("meta", "input"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if data.strip() and self.open[-1] not in ("style", "script"):
            self.text.append(data.strip())

    @property
    def tags(self) -> set[str]:
        return {tag for tag, _ in self.elements}

    def values(self, name: str, *tags: str) -> list[str]:
        """The values of an attribute, wherever it is, or in these elements."""
        return [known[name] for tag, known in self.elements if name in known and (not tags or tag in tags)]


def read(text: str) -> Reader:
    reader = Reader()
    reader.feed(text)
    reader.close()
    assert not reader.open
    return reader


def test_the_page() -> None:
    reader = read(table.as_html(ROWS, ["three: not <here>"]))
    inner = {link for link in reader.values("href") if link.startswith("#")}
    assert set(reader.values("href")) - inner == {
        "https://www.rfc-editor.org/rfc/rfc5321#section-4.1.1.10", "peers/one/alpha/first.html"
    }  # fmt: skip
    for text in ("The <first> case", "delivered", "unsupported", "alpha", "beta", "three: not <here>"):
        assert text in reader.text


def test_rows_columns_and_topics_can_be_linked_to() -> None:
    reader = read(table.as_html(ROWS, []))
    anchors = [unquote(link.removeprefix("#")) for link in reader.values("href") if link.startswith("#")]
    assert {"alpha", "alpha/second", "client-two"} <= set(anchors) <= set(reader.values("id"))
    assert len(set(reader.values("id"))) == len(reader.values("id"))


def test_reasons_are_text() -> None:
    """Not only for people who have a mouse; and a grade has a colour and a word."""
    page_text = table.as_html(ROWS, [])
    reader = read(page_text)
    assert not reader.values("title")
    for why in (r"wrong: why <\x1bnot>", "wrong: and #this", "it is so", "robustness: its choice"):
        assert why in reader.text
    assert '<td class=robustness>deferred<details><summary>robustness</summary>' in page_text
    assert '<td class=wrong>refused<details><summary>wrong</summary>' in page_text
    assert '<td class=dim>unsupported<details><summary>why</summary>' in page_text


def test_a_screen_reader_finds_its_way() -> None:
    reader = read(table.as_html(ROWS, []))
    tags = [tag for tag, _ in reader.elements]
    assert (tags.count("main"), tags.count("caption")) == (1, tags.count("table"))
    assert all("scope" in known for tag, known in reader.elements if tag == "th")


HOSTILE = b'<script>alert("x")</script>&amp;\x1b[2J\x00\xff\r\n'


def test_nothing_that_a_peer_says_is_markup() -> None:
    fault = page.Fault(Grade.MUST, "<s>wrong</s>", "<s>rule</s>")
    tape = Tape("<b>host</b>", 25, "192.0.2.1", [Event(SERVER, HOSTILE), Event(CLIENT, HOSTILE)], [], ["<i>remark</i>"])
    text = page.page("<u>title</u>", ["<em>prose</em>"], [page.of_tape(tape, {1: [fault]}), page.of_report("r", HOSTILE, "Qremote")])
    text += page.compared(HOSTILE, HOSTILE[9:], by_line=False) + page.compared(HOSTILE, b"", by_line=True)
    reader = read(text)
    assert not {"script", "b", "i", "u", "em", "s"} & reader.tags
    assert not {"\x1b", "\x00", "\udcff"} & set(text)
    assert {"wrong: <s>wrong</s>", ". <s>rule</s>", "<i>remark</i>"} <= set(reader.text)
    assert r'S: <script>alert("x")</script>&amp;\x1b[2J\0\xff\r\n' in reader.text


def test_a_fault_stands_beside_its_line() -> None:
    """However many lines came at once; and blank lines are lines."""
    tape = Tape("host", 25, "192.0.2.1", [Event(CLIENT, b"A: b\r\n\r\ntoo long\r\n")])
    fault = page.Fault(Grade.SHOULD, "what", "rule", offset=8)
    rows = page.of_tape(tape, {0: [fault]}).rows
    assert [(row.text, row.wrong) for row in rows] == [("A: b", ()), ("", ()), ("too long", (fault,))]


@pytest.mark.parametrize(
    ("expected", "received", "by_line", "shown"),
    [
        (b"one\r\ntwo", b"one\r\ntoo", False, ["They differ from octet 7 on.", "expected, 8 octets", "one\\r\\n\nt<mark>w</mark>o"]),
        (b"one", b"one!", False, ["from octet 4 on.", "received, 4 octets", "one<mark>(the end)</mark>", "one<mark>!</mark>"]),
        (b"x" * 99 + b"y", b"x" * 100, False, ["from octet 100 on.", f"<pre>... {'x' * 60}<mark>y</mark></pre>"]),
        (b"y" + b"x" * 999, b"x", False, [f"<mark>y</mark>{'x' * 239} ...</pre>"]),
        (b"a: 1\nb: 2\n", b"a: 1\nb: 3\n", True, ["a: 1\n<mark>b: 2</mark>", "a: 1\n<mark>b: 3</mark>"]),
        (b"a: 1\n", b"", True, ["<mark>a: 1</mark>", "<mark>(none)</mark>"]),
    ],
)
def test_what_was_expected_beside_what_came(expected: bytes, received: bytes, by_line: bool, shown: list[str]) -> None:
    text = page.compared(expected, received, by_line)
    for part in shown:
        assert part in text


def test_the_file_of_a_message_is_shown(tmp_path: Path) -> None:
    """All lines of it, also the blank ones."""
    command = [sys.executable, "-m", "mocksrv", "show", "--html", tmp_path / "page.html", "chunking/accepted-too-early"]
    subprocess.run(command, check=True, cwd=ROOT)
    message = read_case(ROOT / "fixtures/cases/chunking/accepted-too-early.case").message.split(b"\n")[:-1]
    shown = (tmp_path / "page.html").read_text().partition("<h2>message")[2].partition("<h2>")[0]
    assert shown.count('<div class="said do">') == len(message) > 2


def test_a_case_as_a_page(parse: Callable[[str], Case]) -> None:
    case = parse((HERE / "cases/pipelined.case").read_text())
    facts = Facts(b"client.example", case.message)
    part = page.of_dialogue(case.dialogues[0], facts)
    rows = {row.text: row for row in part.rows}
    assert rows["EHLO client.example"].speaker == CLIENT
    assert rows["MAIL FROM:<alice@sender.example>"].notes == ("[2920#3.1] Nothing is answered before DATA has arrived.",)
    assert rows["..a line that starts with a dot"].speaker == CLIENT
    assert rows["550 5.1.1 no such user"].speaker == SERVER


@pytest.mark.skipif(sandbox.available() is not None, reason=f"sandbox: {sandbox.available()}")
def test_cases_are_compared(tmp_path: Path) -> None:
    cases = [read_case(HERE / f"cases/{name}.case") for name in ("pipelined", "next-server")]
    right, broken = tmp_path / "right", tmp_path / "broken"
    right.symlink_to(HERE / "client.py")
    broken.write_text(f'#!/bin/sh\nMISBEHAVE="no-quit changes" exec {HERE}/client.py "$@"\n')
    broken.chmod(0o755)
    found = [clients.find(str(one)) for one in (right, broken, tmp_path / "absent")]
    # Where pytest-xdist has no thread, as little as the command has.
    rows = totals.rows(sandbox.run(suite.play, cases, found, partial(table.keep, tmp_path)))
    assert [row[0].case for row in rows] == ["cases/pipelined", "cases/next-server"]
    assert [(one.word, one.grade) for one in rows[0]] == [("delivered", None), ("breach", Grade.MUST), ("unsupported", None)]
    assert rows[0][1].rules == ("END-NO-QUIT",)
    href = rows[0][1].page
    assert href == "peers/broken/cases/pipelined.html"
    reader = read((tmp_path / href).read_text())
    text = " ".join(reader.text)
    for told in (
        "case cases/pipelined", f"client {broken}", "result wrong", f"-- {broken}", RULES["END-NO-QUIT"].sentence,
        "wrong: another message arrived: the field subject is gone, changed or out of order", "They differ from octet",
    ):  # fmt: skip
        assert told in text
    assert reader.values("href")[0] == "../../../peers.html#cases/pipelined"
    assert 'id="cases/pipelined"' in table.as_html(rows, [])


@pytest.mark.skipif(sandbox.available() is not None, reason=f"sandbox: {sandbox.available()}")
def test_a_verdict_as_text(parse: Callable[[str], Case]) -> None:
    text = (HERE / "cases/pipelined.case").read_text().replace("\nQremote", "\nMISBEHAVE=no-quit Qremote")
    told = verdicts.as_text(rfc.check(parse(text), clients.find(str(HERE / "client.py"))))
    for line in ("Two recipients, one refused, all in one burst", "outcome: delivered refused", "S: 250 PIPELINING"):
        assert line in told
    assert "wrong: mx.example.org: END-NO-QUIT [5321#4.1.1.10]" in told
