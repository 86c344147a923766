# SPDX-License-Identifier: ISC
"""A run for other programs: JUnit's XML, JSON, and the Test Anything Protocol. mocksrv(1) says what they hold."""

import datetime
import json
import socket
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from itertools import count

from mocksrv.case.octets import harmless
from mocksrv.judge.baseline import UNEXPECTED, Run, Standing
from mocksrv.judge.suite import Record
from mocksrv.tell import totals

_SURPRISE = "it was expected to fail, but did not: take it out of the baseline"
_UNBROKEN = "it was expected to be broken, but was not: take it out of the baseline"


def junit(run: Run) -> str:
    """A test suite for each client, a test case for each case. What fails as expected is skipped, as in most tools."""
    suites = ET.Element("testsuites")
    begun = datetime.datetime.now(datetime.UTC) - datetime.timedelta(seconds=run.seconds)
    for number, client in enumerate(totals.heads(run.records)):
        suite = ET.SubElement(suites, "testsuite", name=client, id=str(number), package="mocksrv")
        suite.set("hostname", socket.gethostname() or "localhost")
        suite.set("timestamp", begun.strftime("%Y-%m-%dT%H:%M:%S"))
        ET.SubElement(ET.SubElement(suite, "properties"), "property", name="version", value=run.version)
        records = [record for record in run.records if record.client == client]
        for record in records:
            _test(suite, run, record)
        for _, rule in (pair for pair in run.unbroken if pair[0] == client):
            test = ET.SubElement(suite, "testcase", classname=client, name=rule, time="0")
            ET.SubElement(test, "failure", type=Standing.SURPRISE.value, message=_UNBROKEN)
        noted = [f"{one.case}: {why}" for one in records if run.standing(one) is Standing.NOTED for why in one.why]
        ET.SubElement(suite, "system-out").text = "\n".join(map(harmless, noted))
        ET.SubElement(suite, "system-err")
        suite.set("tests", str(len(suite.findall("testcase"))))
        for attribute, tag in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
            suite.set(attribute, str(len(suite.findall(f"testcase/{tag}"))))
        suite.set("time", f"{sum(record.seconds for record in records):.3f}")
    ET.indent(suites)
    return ET.tostring(suites, "unicode", xml_declaration=True) + "\n"


def _test(suite: ET.Element, run: Run, record: Record) -> None:
    test = ET.SubElement(suite, "testcase", classname=record.client, name=record.case, time=f"{record.seconds:.3f}")
    standing, why = run.standing(record), [*map(harmless, record.why)]
    if standing in (Standing.SKIPPED, Standing.EXPECTED):
        ET.SubElement(test, "skipped", message=f"{standing.value}: {why[0]}")
    elif standing is Standing.SURPRISE:
        ET.SubElement(test, "failure", type=standing.value, message=_SURPRISE)
    elif standing is Standing.FAILED:
        assert record.grade is not None
        tag, kind = ("error", "error") if record.word == "error" else ("failure", record.grade.word)
        failure = ET.SubElement(test, tag, type=kind, message=harmless(run.baseline.news(record)[0]))
        failure.text = "\n".join([*why, record.again])


def as_json(run: Run) -> str:
    """Everything that is known of each delivery."""
    results = [
        {
            "case": record.case, "title": record.title, "spec": record.clauses, "rfc": record.sections,
            "client": record.client, "result": record.word, "standing": run.standing(record).value,
            "grade": record.grade.word if record.grade else None,
            "failures": [{"grade": one.grade.word, "rule": one.rule, "what": one.what} for one in record.failures],
            "rules": record.rules, "skipped": record.skipped, "seconds": round(record.seconds, 3),
            "page": record.page, "again": record.again,
        }
        for record in run.records
    ]  # fmt: skip
    whole = {
        "version": run.version, "clients": totals.heads(run.records), "absent": run.absent,
        "unexpected": run.unexpected, "unbroken": [{"client": client, "rule": rule} for client, rule in run.unbroken],
        "seconds": round(run.seconds, 3), "results": results,
    }  # fmt: skip
    return json.dumps(whole, indent=1) + "\n"


def tap(run: Run) -> str:
    """A line for each delivery; with TODO what is expected to fail, as that protocol has it."""
    tests = [*_lines(run)]
    numbers = count(1)
    lines = [line.replace("ok ", f"ok {next(numbers)} - ", 1) if not line.startswith("#") else line for line in tests]
    return "\n".join(["TAP version 13", f"# {run.version}", f"1..{next(numbers) - 1}", *lines])


def _lines(run: Run) -> Iterator[str]:
    for record in run.records:
        standing = run.standing(record)
        name, why = f"{record.case} ({record.client})".replace("#", r"\#"), record.why
        if standing in UNEXPECTED:
            yield f"not ok {name}"
            why = why or [_SURPRISE]
        elif standing is Standing.EXPECTED:
            yield f"not ok {name} # TODO {why[0]}"
        elif standing is Standing.SKIPPED:
            yield f"ok {name} # SKIP {why[0]}"
        else:
            yield f"ok {name}"
        if standing is not Standing.SKIPPED:
            yield from (f"# {harmless(one)}" for one in why)
    for client, rule in run.unbroken:
        yield f"not ok {rule} ({client})"
        yield f"# {_UNBROKEN}"
