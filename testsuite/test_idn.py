# SPDX-License-Identifier: ISC
"""The module with libidn2: it is loaded for names beyond ASCII, and for nothing else."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from mocksrv.world import sandbox
from mocksrv.world.home import default_program
from testsuite.peer import SENDER, qremote
from testsuite.test_dns import copy_module, with_program

pytestmark = pytest.mark.skipif(sandbox.available() is not None, reason=f"{sandbox.available()}")

LONG = "\N{LATIN SMALL LETTER E WITH ACUTE}" * 60000


def copy_both(directory: Path) -> None:
    copy_module(directory)
    shutil.copy(default_program().with_name("qremote-idn.so"), directory)


def spoil_module(directory: Path) -> None:
    copy_module(directory)
    (directory / "qremote-idn.so").write_bytes(b"no module")


@pytest.mark.spec("IDN-8")
@pytest.mark.parametrize("prepare", [copy_module, spoil_module])
@pytest.mark.parametrize(
    ("host", "sender", "recipient", "route"),
    [
        ("bücher.example", SENDER, "bob@example.org", ""),
        ("example.org", SENDER, "bob@bücher.example", ""),
        ("example.org", "alice@bücher.example", "bob@example.org", ""),
        ("example.org", SENDER, "bob@example.org", ":mx.bücher.example\n"),
    ],
    ids=["host", "recipient", "sender", "relay"],
)
def test_a_missing_module_delays(
    prepare: Callable[[Path], None], host: str, sender: str, recipient: str, route: str
) -> None:
    """Nobody gets the mail, and nobody is told that an address is wrong."""
    outcome = sandbox.run(with_program, prepare, host, sender, recipient, route)
    assert outcome.letters == "Z" and "Qremote cannot load its IDN module: " in outcome.report, outcome
    assert "(#4.3.0)" in outcome.report


@pytest.mark.spec("IDN-8")
@pytest.mark.parametrize(
    ("prepare", "recipient"), [(copy_module, "josé@example.org"), (copy_both, "josé@bücher.example")], ids=["ASCII", "not ASCII"]
)
def test_the_module_is_needed_for_a_domain(prepare: Callable[[Path], None], recipient: str) -> None:
    """A local part beyond ASCII needs none."""
    outcome = sandbox.run(with_program, prepare, "example.org", SENDER, recipient, "")
    assert outcome.letters == "hD" and "needs SMTPUTF8" in outcome.stdout.decode(), outcome


@pytest.mark.spec("IDN-6")
@pytest.mark.parametrize(("host", "recipient", "code"), [(LONG, "bob@example.org", "5.1.2"), ("example.org", f"bob@{LONG}", "5.1.3")], ids=["host", "recipient"])
def test_endless_names(host: str, recipient: str, code: str) -> None:
    """They are refused before anything is done with them."""
    outcome = sandbox.run(qremote, host, SENDER, recipient)
    assert f"(#{code})" in outcome.report and outcome.letters[-1] == "D", outcome
