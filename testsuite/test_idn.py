# SPDX-License-Identifier: ISC
"""The module with libidn2: it is loaded for names beyond ASCII, and for nothing else."""

import pytest

from mocksrv.world import sandbox
from mocksrv.world.nameserver import DnsServer
from testsuite import modules
from testsuite.peer import ADDRESS, SENDER, Outcome, Peer, furnish, qremote

pytestmark = pytest.mark.skipif(sandbox.available() is not None, reason=f"{sandbox.available()}")

LONG = "\N{LATIN SMALL LETTER E WITH ACUTE}" * 60000


def with_module(state: str, host: str, sender: str, recipient: str, routes: str = "") -> Outcome:
    modules.alone(dns="beside", idn=state)
    furnish(sandbox.SCRATCH / "qmail", smtproutes=routes)
    with DnsServer(f"example.org. MX 10 mx.example.org.\nmx.example.org. A {ADDRESS}\n") as server, Peer():
        server.start()
        return qremote(host, sender, recipient)


@pytest.mark.spec("IDN-8")
@pytest.mark.parametrize("state", ["missing", "spoilt", "of another build"])
@pytest.mark.parametrize(
    ("host", "sender", "recipient", "routes"),
    [
        ("bücher.example", SENDER, "bob@example.org", ""),
        ("example.org", SENDER, "bob@bücher.example", ""),
        ("example.org", "alice@bücher.example", "bob@example.org", ""),
        ("example.org", SENDER, "bob@example.org", ":mx.bücher.example\n"),
    ],
    ids=["host", "recipient", "sender", "relay"],
)
def test_a_missing_module_delays(state: str, host: str, sender: str, recipient: str, routes: str) -> None:
    """Nobody gets the mail, and nobody is told that an address is wrong."""
    modules.judge(sandbox.run(with_module, state, host, sender, recipient, routes), "IDN", state)


@pytest.mark.spec("IDN-8")
@pytest.mark.parametrize(
    ("state", "recipient"), [("missing", "josé@example.org"), ("beside", "josé@bücher.example")], ids=["ASCII", "not ASCII"]
)
def test_the_module_is_needed_for_a_domain(state: str, recipient: str) -> None:
    """A local part beyond ASCII needs none."""
    outcome = sandbox.run(with_module, state, "example.org", SENDER, recipient)
    assert outcome.letters == "hD" and "needs SMTPUTF8" in outcome.stdout.decode(), outcome


@pytest.mark.spec("IDN-6")
@pytest.mark.parametrize(("host", "recipient", "code"), [(LONG, "bob@example.org", "5.1.2"), ("example.org", f"bob@{LONG}", "5.1.3")], ids=["host", "recipient"])
def test_endless_names(host: str, recipient: str, code: str) -> None:
    """They are refused before anything is done with them."""
    outcome = sandbox.run(qremote, host, SENDER, recipient)
    assert f"(#{code})" in outcome.report and outcome.letters[-1] == "D", outcome
