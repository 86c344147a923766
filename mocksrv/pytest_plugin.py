"""pytest plugin: every `*.case` file is two tests of the program under test (`home.default_program`).

One is at the exact level, the other, unless the case is about the exact octets, at that of the RFCs.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from mocksrv import bless, clients, rfc, show, verdicts
from mocksrv.case import read_case
from mocksrv.home import default_program
from mocksrv.script import CaseError
from mocksrv.world import Result, check


class CaseFailed(Exception):
    """A case that did not pass; its only argument is the explanation."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """Adds `--bless`."""
    what = "rewrite C lines, report and exit of cases from what the program does (never where CI is set)"
    parser.getgroup("mocksrv").addoption("--bless", action="store_true", help=what)


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    """Collects case files."""
    return _CaseFile.from_parent(parent, path=file_path) if file_path.suffix == ".case" else None


class _CaseFile(pytest.File):
    def collect(self) -> Iterator[pytest.Item]:
        yield _CaseItem.from_parent(self, name=self.path.stem)
        if not self.config.getoption("bless"):
            yield _RfcItem.from_parent(self, name=f"{self.path.stem}[rfc]")


class _CaseItem(pytest.Item):
    def runtest(self) -> None:
        result = self._result()
        if result.skipped:
            pytest.skip(result.skipped)
        if not result.passed:
            raise CaseFailed(self._explain(result))

    def _explain(self, result: Result) -> str:
        return show.explain(result)

    def _result(self) -> Result:
        if self.config.getoption("bless"):
            return bless.bless(self.path, default_program())
        return check(read_case(self.path), default_program())

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: object = None) -> str:
        if isinstance(excinfo.value, (CaseFailed, CaseError, bless.Refused)):
            return str(excinfo.value)
        return str(super().repr_failure(excinfo))

    def reportinfo(self) -> tuple[Path, int, str]:
        return self.path, 0, self.name


class _RfcItem(_CaseItem):
    def _result(self) -> Result:
        return rfc.check(read_case(self.path), clients.find(str(default_program())))

    def _explain(self, result: Result) -> str:
        assert isinstance(result, rfc.Verdict)
        return verdicts.as_text(result)
