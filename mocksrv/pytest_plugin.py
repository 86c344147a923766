# SPDX-License-Identifier: ISC
"""pytest plugin: every case is two tests of the program under test (`home.default_program`).

One plays it octet for octet; the other plays it by the RFCs, unless the case is only about the exact octets.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mocksrv.judge import clients, rfc

from mocksrv.case.file import read_case
from mocksrv.case.script import CaseError
from mocksrv.case.templates import TEMPLATE, made_by
from mocksrv.tell import bless, show, verdicts
from mocksrv.world.home import default_program
from mocksrv.world.run import Result, check


class CaseFailed(Exception):
    """A case that did not pass; its only argument is the explanation."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """Adds `--bless`."""
    what = "rewrite C lines, report and exit of cases from what the program does (never where CI is set)"
    parser.getgroup("mocksrv").addoption("--bless", action="store_true", help=what)


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
