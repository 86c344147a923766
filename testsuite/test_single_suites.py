# SPDX-License-Identifier: ISC
"""Cipher lists, and servers with a single suite each: what is negotiated, and when the mail is sent in the clear.

Qremote speaks GnuTLS, the servers OpenSSL, and `openssl ciphers` says which suites a list has. The whole matrix of lists
and servers takes minutes, so each list meets every fifth server, and each server every fifth list; STEP = 1 is the whole.
"""

import io
import re
import socket
import threading

import pytest

from mocksrv.case.certs import Recipes
from mocksrv.case.steps import Dialogue, Starttls
from mocksrv.case.terms import parse_terms
from mocksrv.serve.oneline import Line
from mocksrv.serve.server import Role, Server
from mocksrv.serve.teller import Teller
from mocksrv.world import sandbox
from testsuite.cipherlists import IANA, LISTS, TLS13
from testsuite.peer import RECIPIENT, SENDER, Outcome, furnish, qremote
from testsuite.pure import ROOT
from testsuite.tlstools import openssl_suites

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sandbox.available() is not None, reason=f"{sandbox.available()}"),
    pytest.mark.spec("TLS-3", "TLS-5", "RES-9"),
]

RECIPES = Recipes(ROOT / "fixtures/cases/tls")
# One of each kind, with the certificates of the recipes: there is none for DSS.
SERVERS = """
    TLS_AES_256_GCM_SHA384 TLS_AES_128_CCM_SHA256 ECDHE-ECDSA-AES256-GCM-SHA384 ECDHE-RSA-AES256-GCM-SHA384
    DHE-RSA-AES256-GCM-SHA384 ECDHE-ECDSA-CHACHA20-POLY1305 DHE-RSA-CHACHA20-POLY1305 ECDHE-ECDSA-AES256-CCM
    DHE-RSA-AES256-CCM ECDHE-RSA-AES128-GCM-SHA256 DHE-RSA-AES128-GCM-SHA256 ECDHE-ECDSA-AES128-CCM
    ECDHE-RSA-AES256-SHA384 DHE-RSA-AES256-SHA256 ECDHE-RSA-CAMELLIA256-SHA384 ECDHE-ECDSA-AES128-SHA256
    DHE-RSA-AES128-SHA256 ECDHE-ECDSA-AES256-SHA ECDHE-RSA-AES128-SHA DHE-RSA-CAMELLIA128-SHA AES256-GCM-SHA384
    AES128-CCM AES256-SHA256 CAMELLIA128-SHA256 AES128-SHA
""".split()
STEP = 5
NOTHING = "in the clear, since TLS failed: the server accepts nothing that control/tlsclientciphers allows"


def address(number: int) -> str:
    """Where a server is."""
    return f"192.0.2.{100 + number}"


def server(suite: str, number: int) -> Server:
    """A server with a single suite, which accepts mail with and without TLS."""
    version = "1.3" if suite in TLS13 else "1.2"
    words = f"cert={'mx' if 'ECDSA' in suite else 'mx-rsa'} sni=none version={version} ciphers={suite}"
    step = Starttls(line=0, source=f"@starttls {words}", terms=parse_terms(RECIPES, words))
    dialogue = Dialogue(host="mx.example.org", port=25, never=False, steps=(), line=0, end=0)
    role = Role(dialogue, Line(starttls=step).policy())
    return Server(socket.create_server((address(number), 25)), [role], Teller(io.StringIO(), quiet=True), None, None)


def deliveries(file: str, suites: list[str]) -> list[tuple[Outcome, int]]:
    """A mail to a server of each suite; and how many connections it took."""
    furnish(sandbox.SCRATCH / "qmail", tlsclientciphers=f"{file}\n")
    servers = [server(suite, number) for number, suite in enumerate(suites)]
    threads = [threading.Thread(target=one.run, daemon=True) for one in servers]
    for thread in threads:
        thread.start()
    outcomes = [qremote(f"[{address(number)}]", SENDER, RECIPIENT) for number in range(len(servers))]
    for one, thread in zip(servers, threads, strict=True):
        one.stop()
        thread.join()
    return [(outcome, one.totals.connections) for outcome, one in zip(outcomes, servers, strict=True)]


@pytest.mark.parametrize(("number", "string"), enumerate(LISTS))
def test_single_suites(number: int, string: str) -> None:
    """Listed suites are negotiated at once; all others end in the clear, after at most one narrower offer."""
    printed = openssl_suites(string)
    listed = {suite.name for suite in printed}
    if re.search("TLS_", string) is None and any(suite.iana not in TLS13 for suite in printed):
        listed |= set(TLS13[:3])
    suites = SERVERS[number % STEP :: STEP]
    for suite, (outcome, connections) in zip(suites, sandbox.run(deliveries, string, suites), strict=True):
        assert outcome.letters == "rK", (suite, outcome)
        if suite in listed:
            version = "TLS1.3" if suite in TLS13 else "TLS1.2"
            assert f"accepted message ({version} {IANA[suite]})." in outcome.report and connections == 1, suite
        else:
            assert f"accepted message ({NOTHING})." in outcome.report and connections in (2, 3), suite
