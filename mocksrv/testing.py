# SPDX-License-Identifier: ISC
"""`mocksrv test`: many cases with many clients; the exit status tells whether anything unexpected happened."""

import argparse
import sys
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

from mocksrv.adapters import ADAPTERS
from mocksrv.audit import Grade
from mocksrv.case.corpus import CASES
from mocksrv.case.file import Case, read_case
from mocksrv.case.octets import harmless
from mocksrv.case.script import CaseError
from mocksrv.case.templates import find_cases
from mocksrv.judge import baseline, clients, suite
from mocksrv.judge.baseline import UNEXPECTED, Baseline, Run
from mocksrv.judge.suite import Record
from mocksrv.tell import exports, page, table, totals
from mocksrv.tell.progress import Progress
from mocksrv.world.home import default_program


def add_test(commands: Any) -> None:
    """Adds `test`."""
    parser = commands.add_parser("test", help="play many cases with many clients, for tables and for CI")
    parser.set_defaults(run=_test)
    add = parser.add_argument
    add("clients", nargs="*", metavar="CLIENT", help="default: Qremote, and every adapter")
    add("--cases", type=Path, action="append", metavar="PLACE", help="a folder or a file (default: the corpus)")
    what = "cases of this topic, clause, RFC[#SECTION], grade or pattern"
    add("--only", type=_words, action="append", default=[], metavar="WHAT,...", help=what)
    jobs = "deliveries at a time (default: %(default)s)"
    add("-j", dest="jobs", type=_number, default=suite.WORKERS, metavar="N", help=jobs)
    add("--strict", action="store_true", help="what is graded should or robustness counts, too")
    add("--baseline", type=Path, metavar="FILE", help="the failures that are expected")
    add("--write-baseline", type=Path, metavar="FILE", help="write the failures of this run as a baseline")
    add("--out", type=Path, metavar="FOLDER", help="write tables there, and a page for each delivery")
    add("--junit", type=Path, metavar="FILE", help="write the results as XML")
    add("--json", type=Path, metavar="FILE", help="write the results as JSON")
    add("--tap", action="store_true", help="print the results in the Test Anything Protocol, and all else as errors")


def _words(text: str) -> list[str]:
    return text.split(",")


def _number(text: str) -> int:
    if not text.isascii() or not text.isdigit() or not 0 < int(text) <= 1000:
        raise argparse.ArgumentTypeError(f"expected a number from 1 to 1000, not {text}")
    return int(text)


def _test(options: argparse.Namespace) -> int:
    told = options.clients or [*([str(default_program())] if default_program().exists() else []), *ADAPTERS]
    found = [clients.find(one) for one in dict.fromkeys(told)]
    absent = [f"{client.name}: {why}" for client in found if (why := client.missing())]
    present = [client for client in found if client.missing() is None]
    if not present:
        raise CaseError("; ".join(absent))
    least = Grade.ROBUSTNESS if options.strict else Grade.MUST
    expected = baseline.read(options.baseline, least) if options.baseline else Baseline(least)
    out: Path | None = options.out
    for file in filter(None, (out and out / "any", options.junit, options.json, options.write_baseline)):
        file.parent.mkdir(parents=True, exist_ok=True)  # or fail before everything is played
    cases = _cases(options.cases or [CASES])
    chosen = [case for case in cases if all(any(suite.is_about(case, one) for one in words) for words in options.only)]
    if not chosen:
        raise CaseError(f"no case is about {' and '.join(map(' or '.join, options.only))}")
    stream = sys.stderr if options.tap else sys.stdout
    begun = time.monotonic()
    teller = _Teller(expected, Progress(len(chosen) * len(present), stream))
    keep = partial(table.keep, out) if out else None
    try:
        records = suite.play(chosen, present, keep, teller.tell, options.jobs)
    finally:
        teller.end()
    whole = len(chosen) == len(cases)
    run = Run(suite.version(cases), records, absent, expected, whole, time.monotonic() - begun)
    _write(run, options)
    _say(stream, [*totals.summary(run), *_strangers(options.baseline, expected, cases), totals.last_line(run)])
    if all(record.skipped is not None for record in records):
        raise CaseError("nothing was played")
    return 1 if run.unexpected and not options.write_baseline else 0


def _cases(places: list[Path]) -> list[Case]:
    """All cases, without those that are found twice. Raises CaseError."""
    cases: dict[str, Case] = {}
    for place in places:
        found = find_cases(place)
        if not found:
            raise CaseError(f"no cases in {place}")
        for path in found:
            case = read_case(path)
            other = cases.setdefault(case.id, case).path
            if other.resolve() != path.resolve():
                raise CaseError(f"{path}: another case has this topic and name: {other}")
    return list(cases.values())


class _Teller:
    """Tells how far it is, and what is unexpected as soon as it is known; of the first, all of it."""

    def __init__(self, expected: Baseline, progress: Progress) -> None:
        self._expected, self._progress = expected, progress
        self._done = self._unexpected = 0

    def tell(self, record: Record) -> None:
        """A record is there."""
        self._done += 1
        if (standing := self._expected.standing(record)) in UNEXPECTED:
            self._unexpected += 1
            why = self._expected.news(record) or ["take it out of the baseline"]
            what = f"{standing.value}: {record.case} ({record.client})"
            first = [what, *(f"  {one}" for one in why), f"  {record.again}"]
            lines = first if self._unexpected == 1 else [f"{what}: {why[0]}"]
            self._progress.say("\n".join(map(harmless, lines)))
        self._progress.step(self._done, harmless(f"{record.case} ({record.client})"))

    def end(self) -> None:
        """Nothing follows."""
        self._progress.end()


def _strangers(file: Path | None, expected: Baseline, cases: list[Case]) -> Iterator[str]:
    """The lines of the baseline that are about no case."""
    known = {case.id for case in cases}
    for one in expected.clients.values():
        yield from (f"{file}:{line}: there is no case {case}" for case, line in one.cases.items() if case not in known)


def _write(run: Run, options: argparse.Namespace) -> None:
    rows = totals.rows(run.records)
    if options.out:
        page.write(options.out / "peers.html", table.as_html(rows, run.absent))
        _put(options.out / "peers.txt", totals.as_text(run))
    if options.junit:
        _put(options.junit, exports.junit(run))
    if options.json:
        _put(options.json, exports.as_json(run))
    if options.write_baseline:
        remark = f"failures that are expected with {run.version}; see `--baseline` in mocksrv(1)"
        _put(options.write_baseline, baseline.text(run.records, run.baseline.least, remark))
    if options.tap:
        _say(sys.stdout, [exports.tap(run)])


def _put(path: Path, text: str) -> None:
    path.write_text(text, "utf-8", "backslashreplace")


def _say(stream: Any, blocks: list[str]) -> None:
    """Prints blocks of lines that may hold any octets."""
    print("\n".join(harmless(line) for line in "\n\n".join(blocks).split("\n")), file=stream, flush=True)
