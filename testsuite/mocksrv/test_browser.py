# SPDX-License-Identifier: ISC
"""The pages in Chromium: on a screen and on a telephone, light and dark, and on paper. `make browser` runs these.

axe-core, from npm, judges whether people who use a keyboard or a screen reader, or see little contrast, can use them.
"""

import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from bench import report
from bench.figures import Figure
from lessons import text
from mocksrv.audit import Grade
from mocksrv.case.file import read_case
from mocksrv.judge import clients, suite
from mocksrv.judge.suite import Record
from mocksrv.play.transcript import Failure
from mocksrv.tell import page, table, totals
from mocksrv.world import sandbox
from testsuite.mocksrv import browser
from testsuite.mocksrv.browser import Page

pytestmark = pytest.mark.browser
HERE = Path(__file__).parent
ROOT = HERE.parent.parent
AXE = ROOT / "build/npm/node_modules/axe-core/axe.min.js"
LOOKS = [(width, scheme) for width in (1280, 390) for scheme in ("light", "dark")]
MAIN = ("index", "07-pipelining", "09-chunking", "10-starttls")  # the others, in one look: they have the same parts
OTHERS = [*(path.stem for path in text.HERE.glob("[0-9][0-9]-*.md") if path.stem not in MAIN), "spec", "topics/index",
    "topics/tls/index", "topics/demo/a-mail-finds-its-way", "topics/to-7bit/line-100000", "Qremote.8"]  # fmt: skip
NAMES = ("peers", "delivery", "failure", "case", "tape", "bench")
# The lifelines have no gap, and no text leaves its bracket.
OVERLAPS = """(() => {
  const box = one => one.getBoundingClientRect(), found = new Set();
  for (const flow of document.querySelectorAll(".flow")) {
    const wide = getComputedStyle(flow.querySelector(".flight")).gridTemplateColumns.split(" ").length > 1;
    const lines = [...flow.querySelectorAll(wide ? ".wire" : ".flight > *")].map(box).filter(one => one.height);
    if (lines.some((one, index) => index && one.top - lines[index - 1].bottom > 1)) found.add("a gap in the lifelines");
    for (const burst of flow.querySelectorAll(".burst")) for (const said of burst.querySelectorAll(".said"))
      if (box(said).left < box(burst).left || box(said).right > box(burst).right + 1) found.add("text outside of its bracket");
  }
  return [...found];
})()"""
WHY = "mx.example.org: TEXT-8BIT [6152#3] an octet that is not ASCII, but 8BITMIME was not offered: " + "x" * 60


def records() -> list[Record]:
    """Those of thirteen clients in two topics of ten cases, with all grades."""
    found = []
    for case in range(20):
        for client in range(13):
            grade = [None, None, *Grade, Grade.MUST][(case + client) % 7]
            failures = (Failure(1, WHY, grade=grade, rule="TEXT-8BIT"),) if grade else ()
            skipped = "it is about control/timeoutremote" if (case * client) % 11 == 10 else None
            what = f"{'lockstep' if case < 10 else 'tls'}/a-name-that-is-quite-long-{case}"
            found.append(
                Record(
                    what, "What happens in this case, in a sentence", (), (), f"client-{client}", "again", "breach",
                    () if skipped else failures, ("TEXT-8BIT",) if grade else (), skipped, 0.0, f"peers/{what}.html",
                )  # fmt: skip
            )
    return found


def figures() -> list[Figure]:
    """One of each kind, with as many clients as there are, and all that may stand beside a number."""
    bars, curves = Figure("bars", "Large", "MB/s", "50 MB"), Figure("growth", "Growth", "s", "Wall time", axis="MB")
    for client in ("Qremote", "a client with a name that is quite long", *map(str, range(8))):
        for column in ("50 MB", "50 MB in TLS"):
            bars.put_all(client, column, [900.0, 1000.0, 1200.0])
        for column in ("1", "10", "100", "1000", "5000"):
            curves.put(client, column, float(column))
    bars.why = {"exim": "callgrind does not count it reliably"}
    return [bars, curves]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a page of each kind."""
    folder = tmp_path_factory.mktemp("site")
    page.write(folder / "peers.html", table.as_html(totals.rows(records()), ["sendmail: it is not here"]))
    report.write(folder, "a machine", figures(), {"exim": "two processes"})
    case = HERE / "cases/pipelined.case"
    for name, misbehaviour in (("delivery", ""), ("failure", "no-quit dots lies report")):
        program = folder / name
        program.write_text(f'#!/bin/sh\nMISBEHAVE="{misbehaviour}" exec {HERE}/client.py "$@"\n')
        program.chmod(0o755)
        keep = partial(table.keep, folder)
        (record,) = suite.play([read_case(case)], [clients.find(f"qmail:{program}")], keep)
        assert record.page, record
        (folder / f"{name}.html").symlink_to(record.page)
    for name, file in (("case", case), ("tape", HERE / "tapes/END-NO-QUIT.tape")):
        words = ["show", "--html", folder / f"{name}.html", file]
        subprocess.run([sys.executable, "-m", "mocksrv", *words], check=True, cwd=ROOT)
    return folder


@pytest.fixture(scope="module")
def lessons(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the lessons. Another process makes them: a sandbox that this one keeps would hold the browser's pipe."""
    folder = tmp_path_factory.mktemp("lessons")
    subprocess.run([sys.executable, "-m", "lessons", folder], check=True, cwd=ROOT)
    return folder


@pytest.fixture(scope="module")
def chromium() -> Iterator[Page]:
    """A page of a browser that all tests share."""
    assert browser.PROGRAM, "no chromium (ci/install-deps ci)"
    if not AXE.exists():
        pytest.skip("npm could not fetch axe-core (ci/fetch-libraries)")
    assert sandbox.available() is None, sandbox.available()
    with browser.opened() as page:
        yield page


def findings(chromium: Page) -> list[str]:
    """What is wrong with the page that is shown, with all its details open."""
    chromium.value("document.querySelectorAll('details').forEach(one => one.open = true)")
    width, window = chromium.value("[document.documentElement.scrollWidth, document.documentElement.clientWidth]")
    found = [f"{width} pixels wide in a window of {window}"] if width > window else []
    chromium.value(AXE.read_text() + ";0")
    for one in chromium.value("axe.run().then(result => result.violations)"):
        found += [f"{one['impact']}: {one['id']}: {node['html'][:200]}" for node in one["nodes"]]
    outside = [url for url in chromium.requested if not url.startswith(("file:", "about:"))]
    return [*found, *(f"a request: {url}" for url in outside)]


@pytest.mark.parametrize(("width", "scheme"), LOOKS)
@pytest.mark.parametrize("name", NAMES)
def test_everybody_can_read_it(chromium: Page, site: Path, name: str, width: int, scheme: str) -> None:
    chromium.look(width, scheme)
    chromium.show(site / f"{name}.html")
    assert findings(chromium) == []
    hidden = chromium.value("[...document.querySelectorAll('.said')].filter(row => row.offsetHeight < 15).length")
    assert hidden == 0, "blank lines are lines"


@pytest.mark.parametrize(
    ("name", "width", "scheme"), [*((name, *look) for look in LOOKS for name in MAIN), *((name, 390, "dark") for name in sorted(OTHERS))]
)
def test_everybody_can_read_the_lessons(chromium: Page, lessons: Path, name: str, width: int, scheme: str) -> None:
    chromium.look(width, scheme)
    chromium.show(lessons / f"{name}.html")
    assert findings(chromium) == []
    assert chromium.value(OVERLAPS) == []


def test_a_picture_that_is_torn_is_found(chromium: Page, lessons: Path) -> None:
    chromium.look(1280, "light")
    chromium.show(lessons / "07-pipelining.html")
    chromium.value("document.querySelector('.wire').style.marginBottom = '9px'")
    chromium.value("document.querySelector('.burst .said').style.marginLeft = '-20px'")
    assert chromium.value(OVERLAPS) == ["a gap in the lifelines", "text outside of its bracket"]


def test_a_line_opens_without_a_script(chromium: Page, lessons: Path) -> None:
    """To its meaning and its octets, by the keyboard."""
    chromium.look(1280, "light")
    chromium.show(lessons / "07-pipelining.html")
    line = "[...document.querySelectorAll('.burst summary')].find(one => one.textContent.startsWith('C: DATA'))"
    chromium.value(f"{line}.focus()")
    for kind in ("keyDown", "keyUp"):
        chromium.ask("Input.dispatchKeyEvent", type=kind, key="Enter", code="Enter", windowsVirtualKeyCode=13, text="\r")
    told = chromium.value(f"{line}.parentElement.open && {line}.parentElement.innerText")
    assert "354 asks for it" in told and "44 41 54 41 0d 0a" in told and "RFC 5321, 4.1.1.4" in told


@pytest.mark.parametrize(
    ("body", "what"),
    [
        ("<main><h1>a</h1><p style='width: 3000px'>wide</p></main>", "3000 pixels wide|pixels wide in a window of 390"),
        ("<main><h1>a</h1><p style='color: #999; background: #fff'>pale</p></main>", "serious: color-contrast"),
        ("<main><h1>a</h1><img src='http://192.0.2.1/a.png' alt=a></main>", "a request: http://192.0.2.1/a.png"),
    ],
)
def test_what_is_wrong_is_found(tmp_path: Path, body: str, what: str) -> None:
    page.write(tmp_path / "it.html", page.document("a", page.STYLE, body))
    with browser.opened() as chromium:  # since requests are remembered
        chromium.look(390, "light")
        chromium.show(tmp_path / "it.html")
        found = findings(chromium)
    assert any(part in one for part in what.split("|") for one in found), found


def visible(chromium: Page) -> list[str]:
    """The cases that are shown, by their numbers."""
    rows = "[...document.querySelectorAll('tr[data-grades]')].filter(row => row.offsetHeight)"
    told: list[str] = chromium.value(f"{rows}.map(row => row.id.split('-').pop())")
    return told


def test_cases_can_be_chosen(chromium: Page, site: Path) -> None:
    """By name, client and grade; the address keeps the choice."""
    chromium.look(1280, "light")
    chromium.show(site / "peers.html")
    everything = [str(number) for number in range(20)]
    assert visible(chromium) == everything
    choose = "(name, value) => { const one = document.forms[0].elements[name]; one.value = value; " \
        "one.dispatchEvent(new Event('input', {bubbles: true})) }"
    chromium.value(f"({choose})('client', '0')")
    chromium.value(f"({choose})('grade', '4')")
    wrong = [str(number) for number in range(20) if number % 7 >= 5]
    assert visible(chromium) == wrong
    chromium.value(f"({choose})('text', 'TLS/')")
    assert visible(chromium) == [number for number in wrong if int(number) >= 10]
    assert chromium.value("document.querySelector('tbody#lockstep').offsetHeight") == 0
    fragment = chromium.value("location.hash")
    assert fragment == "#?grade=4&client=0&text=TLS%2F"
    assert chromium.value("document.querySelector('output').value") == "3 of 20 cases"
    chromium.show(site / "peers.html", fragment)
    assert visible(chromium) == [number for number in wrong if int(number) >= 10]


def test_a_link_to_a_case_leads_there(chromium: Page, site: Path) -> None:
    """Also from the page of a delivery, and below the heads of the columns."""
    chromium.look(390, "light")
    chromium.show(site / "peers.html", "#tls/a-name-that-is-quite-long-17")
    row, head = chromium.value(
        "['tr:target', 'thead#cases th'].map(name => document.querySelector(name).getBoundingClientRect().toJSON())"
    )
    assert 0 <= head["bottom"] <= row["top"] + 1 < 900


def test_without_scripts_everything_is_shown(chromium: Page, site: Path) -> None:
    chromium.look(1280, "light")
    chromium.ask("Emulation.setScriptExecutionDisabled", value=True)
    try:
        chromium.show(site / "peers.html", "#?grade=4")
    finally:
        chromium.ask("Emulation.setScriptExecutionDisabled", value=False)
    assert len(visible(chromium)) == 20
    assert chromium.value("document.forms[0].offsetHeight") == 0


def test_on_paper_nothing_is_cut_off(chromium: Page, site: Path) -> None:
    chromium.look(1280, "dark", media="print")
    chromium.show(site / "peers.html")
    cut = "[...document.querySelectorAll('.scroll')].filter(one => getComputedStyle(one).overflow !== 'visible').length"
    assert chromium.value(cut) == 0
    assert chromium.value("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert chromium.value("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
