# SPDX-License-Identifier: ISC
"""The tables, and the pages that they link to."""

import html.parser
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from mocksrv.judge import clients, rfc, suite

from mocksrv.tell import page, table, totals, verdicts

from mocksrv.audit import Grade
from mocksrv.case.file import Case, read_case
from mocksrv.case.pattern import Facts
from mocksrv.play.tape import CLIENT, SERVER, Event, Tape
from mocksrv.world import sandbox
from testsuite.mocksrv.records import RECORDS, a_run, record

HERE = Path(__file__).parent

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
        self.links: list[str] = []
        self.tags: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.links += [value or "" for name, value in attrs if name == "href"]
        if tag != "meta":
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if data.strip() and self.open[-1] != "style":
            self.text.append(data.strip())


def read(text: str) -> Reader:
    reader = Reader()
    reader.feed(text)
    reader.close()
    assert not reader.open
    return reader


def test_the_page() -> None:
    reader = read(table.as_html(ROWS, ["three: not <here>"]))
    assert reader.links == ["https://www.rfc-editor.org/rfc/rfc5321#section-4.1.1.10", "peers/one/alpha/first.html"]
    for text in ("The <first> case", "delivered", "unsupported", "alpha", "beta", "three: not <here>"):
        assert text in reader.text


HOSTILE = b'<script>alert("x")</script>&amp;\x1b[2J\x00\xff\r\n'


def test_nothing_that_a_peer_says_is_markup() -> None:
    tape = Tape("<b>host</b>", 25, "192.0.2.1", [Event(SERVER, HOSTILE), Event(CLIENT, HOSTILE)], [], ["<i>remark</i>"])
    text = page.page("<u>title</u>", ["<em>prose</em>"], [page.of_tape(tape, {1: ("<s>wrong</s>",)}), page.of_report("r", HOSTILE, "Qremote")])
    reader = read(text)
    assert not {"script", "b", "i", "u", "em", "s"} & reader.tags
    assert not {"\x1b", "\x00", "\udcff"} & set(text)
    assert {r'S: <script>alert("x")</script>&amp;\x1b[2J\0\xff\r\n', "<s>wrong</s>", "<i>remark</i>"} & set(reader.text)


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
    assert any("END-NO-QUIT" in text for text in reader.text)
    assert any("another message arrived" in text for text in reader.text)


@pytest.mark.skipif(sandbox.available() is not None, reason=f"sandbox: {sandbox.available()}")
def test_a_verdict_as_text(parse: Callable[[str], Case]) -> None:
    text = (HERE / "cases/pipelined.case").read_text().replace("\nQremote", "\nMISBEHAVE=no-quit Qremote")
    told = verdicts.as_text(rfc.check(parse(text), clients.find(str(HERE / "client.py"))))
    for line in ("Two recipients, one refused, all in one burst", "outcome: delivered refused", "S: 250 PIPELINING"):
        assert line in told
    assert "wrong: mx.example.org: END-NO-QUIT [5321#4.1.1.10]" in told
