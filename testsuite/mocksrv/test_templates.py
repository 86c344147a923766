# SPDX-License-Identifier: ISC
"""Templates: the cases made from them."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from mocksrv.case.file import read_case
from mocksrv.case.script import CaseError
from mocksrv.case.templates import TEMPLATE, find_cases, made_by
from mocksrv.tell.bless import Refused, bless
from mocksrv.tell.show import explain
from mocksrv.world.run import Result

ROOT = Path(__file__).parent.parent.parent
TEXT = """\
{name}: as it is
expect-qremote: TEXT-NUL?: why

-- run --
Qremote x.example a@x.example b@x.example
-- message {name}.eml --
-- dialogue x.example --
C: MAIL FROM:<a@x.example> SIZE={size}{body}
-- report --
"""


@pytest.fixture
def topic(tmp_path: Path) -> Path:
    """A corpus of three messages, with a template and a case."""
    (tmp_path / "fixtures/messages").mkdir(parents=True)
    for name, octets in (("ascii", b"a\nb"), ("eight", b"\xff\r\n"), ("other", b"")):
        (tmp_path / f"fixtures/messages/{name}.eml").write_bytes(octets)
    (tmp_path / "fixtures/messages/README").write_text("no message\n")
    topic = tmp_path / "fixtures/cases/topic"
    topic.mkdir(parents=True)
    (topic / TEMPLATE).write_text(TEXT)
    (topic / "other.case").write_text("Another\n\n-- run --\nQremote\n")
    return topic


def test_a_case_for_each_message_that_has_none(topic: Path) -> None:
    assert [path.name for path in made_by(topic / TEMPLATE)] == ["ascii.case", "eight.case"]
    assert find_cases(topic.parent) == [topic / name for name in ("ascii.case", "eight.case", "other.case")]
    assert read_case(topic / "other.case").title == "Another"


def test_what_is_filled_in(topic: Path) -> None:
    case = read_case(topic / "ascii.case")
    assert (case.title, case.message) == ("ascii: as it is", b"a\nb")
    assert case.dialogues[0].steps[0].source == "C: MAIL FROM:<a@x.example> SIZE=6"
    assert read_case(topic / "eight.case").dialogues[0].steps[0].source.endswith(" SIZE=3 BODY=8BITMIME")


def test_what_is_in_no_corpus_is_no_case(topic: Path) -> None:
    with pytest.raises(FileNotFoundError):
        read_case(topic / "missing.case")
    (topic / TEMPLATE).unlink()
    with pytest.raises(FileNotFoundError):
        read_case(topic / "ascii.case")


def test_a_fault_in_a_template_is_told_with_its_line(topic: Path) -> None:
    (topic / TEMPLATE).write_text(TEXT + "-- nonsense --\n")
    with pytest.raises(CaseError, match="ascii.case:10: no such section: nonsense"):
        read_case(topic / "ascii.case")


def test_a_failure_names_the_template(topic: Path) -> None:
    result = Result(read_case(topic / "ascii.case"), Path("client"))
    assert f"its text: {topic / TEMPLATE}" in explain(result)


def test_what_a_template_makes_is_not_blessed(topic: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CI", raising=False)
    with pytest.raises(Refused, match=f"ascii.case: it is made from {TEMPLATE}"):
        bless(topic / "ascii.case", Path("client"))


def test_a_template_is_collected(topic: Path) -> None:
    """Each case that it makes is two tests, at either level."""
    command = [sys.executable, "-m", "pytest", "-p", "mocksrv.pytest_plugin", "-p", "no:cacheprovider", "--collect-only"]
    told = subprocess.run(
        [*command, "-q", topic], cwd=ROOT, env=os.environ, capture_output=True, text=True, check=True
    )  # fmt: skip
    names = [line.partition("::")[2] for line in told.stdout.splitlines() if f"{TEMPLATE}::" in line]
    assert names == ["ascii", "ascii[rfc]", "eight", "eight[rfc]"]
