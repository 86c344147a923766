"""The harness must have teeth: one wrong octet in any expectation of any case makes it fail."""

from pathlib import Path

import pytest

from mocksrv import sandbox, teeth
from mocksrv.case import read_case
from mocksrv.home import default_program

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
OURS = sorted(HERE.glob("cases/*.case"))
CORPUS = sorted((ROOT / "fixtures/cases").rglob("*.case"))

pytestmark = pytest.mark.skipif(sandbox.available() is not None, reason=f"sandbox: {sandbox.available()}")


def test_what_a_handshake_must_come_to_is_an_expectation() -> None:
    """As much of it as the case says."""
    case = read_case(HERE / "cases/starttls-client-certificate.case")
    found = [what.rpartition(" (")[2] for what, _ in teeth.mutant_dialogues(case) if "@starttls cert=mx ask=" in what]
    assert found == ["sni)", "its end)", "suite)", "ask)"]
    case = read_case(HERE / "cases/starttls-rejected.case")
    found = [what.rpartition(" (")[2] for what, _ in teeth.mutant_dialogues(case) if "cert=expired" in what]
    assert found == ["sni)", "its end)", "alert)"]


@pytest.mark.parametrize("path", OURS + CORPUS, ids=lambda path: str(path.relative_to(ROOT)))
def test_one_wrong_octet_is_found(path: Path) -> None:
    """For each C line, hole and report of the case."""
    program = HERE / "client.py" if path in OURS else default_program()
    if found := sandbox.run(teeth.toothless, read_case(path), program, timeout=300):
        pytest.fail("\n".join(found), pytrace=False)
