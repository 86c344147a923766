# SPDX-License-Identifier: ISC
"""Cases must detect faults: one wrong octet in any expectation of any case makes it fail. `make teeth` plays them all."""

from pathlib import Path

import pytest

from mocksrv.case.file import Case, read_case
from mocksrv.case.templates import TEMPLATE, made_by
from mocksrv.judge import teeth
from mocksrv.world import sandbox
from mocksrv.world.home import default_program
from mocksrv.world.run import play

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
OURS = sorted(HERE.glob("cases/*.case"))
CASES = ROOT / "fixtures/cases"
# The cases of a template differ only in the message: one of them is enough.
CORPUS = [*sorted(CASES.rglob("*.case")), *(next(made_by(template)) for template in CASES.rglob(TEMPLATE))]
SAMPLE = 2  # C lines of each case, in make check

pytestmark = pytest.mark.skipif(sandbox.available() is not None, reason=f"sandbox: {sandbox.available()}")


def _mutants(case: Case, line: str) -> list[str]:
    """What each mutant of a handshake changes."""
    mutants = teeth.mutant_dialogues(case, range(1000))
    return [what.rpartition(" (")[2] for what, _ in mutants if line in what]


def test_only_what_was_played_can_bite() -> None:
    """Of blocks, the branches that were taken; what is repeated, once."""
    case = read_case(HERE / "cases/blocks.case")
    original = sandbox.run(play, case, HERE / "client.py", timeout=60)
    played = original.transcripts[0].done
    found = [what.partition(":")[0] for what, _ in teeth.mutant_dialogues(case, played)]
    assert list(dict.fromkeys(found)) == [f"line {line}" for line in (18, 30, 35, 37, 44, 49, 52)]
    mutant = dict(teeth.mutant_dialogues(case, played))["line 35: C: RCPT TO:<bob@example.org>"]
    wrong = [step for step in mutant.dialogues[0].walk() if step.line == 35]
    assert len(wrong) == 2 and not any(step in case.dialogues[0].walk() for step in wrong)


def test_questions_are_an_expectation() -> None:
    """Each of them, and that there are no others."""
    case = read_case(HERE / "cases/dns-log.case")
    found = [what for what, _ in teeth.mutant_outcomes(case) if "dns-log" in what]
    assert len(found) == 1 + len(case.dns_log or [])


def test_what_a_handshake_must_come_to_is_an_expectation() -> None:
    """As much of it as the case says."""
    case = read_case(HERE / "cases/starttls-client-certificate.case")
    found = _mutants(case, "@starttls cert=mx ask=")
    assert found == ["sni)", "its end)", "suite)", "ask)"]
    case = read_case(HERE / "cases/starttls-rejected.case")
    found = _mutants(case, "cert=expired")
    assert found == ["sni)", "its end)", "alert)"]


def _bite(path: Path, most: int) -> None:
    program = HERE / "client.py" if path in OURS else default_program()
    if found := sandbox.call(teeth.toothless, read_case(path), program, most, timeout=300):
        pytest.fail("\n".join(found), pytrace=False)


def _id(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("path", OURS + CORPUS, ids=_id)
def test_one_wrong_octet_is_found(path: Path) -> None:
    """In some C lines of the case, and in each of its reports."""
    _bite(path, 0 if path in OURS else SAMPLE)


@pytest.mark.teeth
@pytest.mark.parametrize("path", CORPUS, ids=_id)
def test_any_wrong_octet_is_found(path: Path) -> None:
    """In each C line of the case."""
    _bite(path, 0)
