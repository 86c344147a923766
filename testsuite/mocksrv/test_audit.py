# SPDX-License-Identifier: ISC
"""The auditor's rules: tapes/ID.tape breaks one of them, and no other; its twin is nearly the same, but right."""

from pathlib import Path

import pytest

from mocksrv.audit import RULES, audit
from mocksrv.play.tape import Tape, read_tapes

TAPES = Path(__file__).parent / "tapes"


def _twins(name: str) -> dict[str, Tape]:
    return {tape.host.removesuffix(".example"): tape for tape in read_tapes(TAPES / f"{name}.tape")}


def test_every_rule_has_its_tape() -> None:
    assert {path.stem for path in TAPES.glob("*.tape")} == {*RULES}


@pytest.mark.parametrize("name", RULES)
def test_a_breach_is_found(name: str) -> None:
    """Exactly this one is found. Without the rule nothing is found, so this rule finds it."""
    broken = _twins(name)["broken"]
    assert [finding.rule.id for finding in audit(broken)] == [name]
    assert audit(broken, RULES.keys() - {name}) == []


@pytest.mark.parametrize("name", RULES)
def test_what_is_nearly_one_is_none(name: str) -> None:
    assert audit(_twins(name)["mended"]) == []
