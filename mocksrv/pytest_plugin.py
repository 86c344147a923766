# SPDX-License-Identifier: ISC
"""pytest plugin: every case is two tests of the program under test (`home.default_program`).

One plays it octet for octet; the other plays it by the RFCs, unless the case is only about the exact octets.

With -q, it also tells which test of all runs, about how long it takes, and each failure when it happens.
"""

from collections.abc import Generator, Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from mocksrv.case.file import read_case
from mocksrv.case.script import CaseError
from mocksrv.case.templates import TEMPLATE, made_by
from mocksrv.judge import clients, rfc
from mocksrv.tell import bless, show, verdicts
from mocksrv.tell.progress import Progress
from mocksrv.world.home import default_program
from mocksrv.world.run import Result, check

_WIDTH = 200  # characters that are told of a failure when it happens


class CaseFailed(Exception):
    """A case that did not pass; its only argument is the explanation."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """Adds `--bless`."""
    what = "rewrite C lines, report and exit of cases from what the program does (never where CI is set)"
    parser.getgroup("mocksrv").addoption("--bless", action="store_true", help=what)


@pytest.hookimpl(trylast=True)  # after the terminal reporter
def pytest_configure(config: pytest.Config) -> None:
    """With -q, tells how far it is in place of a dot for each test; in a worker of pytest-xdist nobody reads it."""
    reporter = config.pluginmanager.getplugin("terminalreporter")
    if reporter is not None and config.option.verbose < 0 and not hasattr(config, "workerinput"):
        config.pluginmanager.register(_Teller(reporter, config.get_terminal_writer()))


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    """Collects case files, and templates of cases."""
    if file_path.suffix == ".case":
        return _CaseFile.from_parent(parent, path=file_path)
    return _Template.from_parent(parent, path=file_path) if file_path.name == TEMPLATE else None


class _CaseFile(pytest.File):
    def collect(self) -> Iterator[pytest.Item]:
        for case in self._cases():
            yield _CaseItem.from_parent(self, name=case.stem, case=case)
            if not self.config.getoption("bless"):
                yield _RfcItem.from_parent(self, name=f"{case.stem}[rfc]", case=case)

    def _cases(self) -> Iterator[Path]:
        yield self.path


class _Template(_CaseFile):
    def _cases(self) -> Iterator[Path]:
        return made_by(self.path)


class _CaseItem(pytest.Item):
    def __init__(self, case: Path, **others: Any) -> None:
        super().__init__(**others)
        self._case = case

    def runtest(self) -> None:
        result = self._result()
        if result.skipped:
            pytest.skip(result.skipped)
        if not result.passed:
            self.user_properties.append(("why", result.failures[0].what))
            raise CaseFailed(self._explain(result))

    def _explain(self, result: Result) -> str:
        return show.explain(result)

    def _result(self) -> Result:
        if self.config.getoption("bless"):
            return bless.bless(self._case, default_program())
        return check(read_case(self._case), default_program())

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: object = None) -> str:
        if isinstance(excinfo.value, (CaseFailed, CaseError, bless.Refused)):
            return str(excinfo.value)
        return str(super().repr_failure(excinfo))

    def reportinfo(self) -> tuple[Path, int, str]:
        return self.path, 0, self.name


class _RfcItem(_CaseItem):
    def _result(self) -> Result:
        return rfc.check(read_case(self._case), clients.find(str(default_program())))

    def _explain(self, result: Result) -> str:
        assert isinstance(result, rfc.Verdict)
        return verdicts.as_text(result)


class _Teller:
    """Tells how far a run is, and each failure in a line; pytest itself tells all about them at the end."""

    def __init__(self, reporter: Any, writer: Any) -> None:
        self._stream: Any = SimpleNamespace(write=writer.write, flush=writer.flush, isatty=lambda: reporter.isatty)
        self._progress = Progress(1, self._stream)
        self._done = 0

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        self._begin(len(session.items))

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_node_collection_finished(self, node: object, ids: Sequence[str]) -> None:
        self._begin(len(ids))

    def _begin(self, total: int) -> None:
        self._progress = Progress(max(total, 1), self._stream)

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        self._progress.step(self._done, nodeid)

    def pytest_runtest_logfinish(self, nodeid: str) -> None:
        self._done += 1
        self._progress.step(self._done, nodeid)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed:
            crash = getattr(report.longrepr, "reprcrash", None)
            why = crash.message if crash else dict(report.user_properties).get("why", report.longreprtext)
            self._progress.say(f"failed: {report.nodeid}: {str(why).strip().partition(chr(10))[0][:_WIDTH]}")

    @pytest.hookimpl(hookwrapper=True)
    def pytest_report_teststatus(self) -> Generator[None, Any, None]:
        """Takes the letter of each test away."""
        outcome = yield
        category, _, word = outcome.get_result()
        outcome.force_result((category, "", word))

    def pytest_sessionfinish(self) -> None:
        self._progress.end()
