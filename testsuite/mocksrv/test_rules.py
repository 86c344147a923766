# SPDX-License-Identifier: ISC
"""The five rules and the directives: the honest client passes (cases/), and each kind of wrong one is caught here."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from mocksrv.world.run import Result

Play = Callable[[str], Result]
CASES = Path(__file__).parent / "cases"

# A case, how the client misbehaves in it (or how the case is changed), and what must be said about it.
WRONG = [
    ("pipelined", "split", "line 23: nothing .more. came in 3 s"),  # R1
    ("lockstep", "unasked", "line 22: the client sent data before the server's turn"),  # R3
    ("pipelined", "case", "line 22: the client sent something else"),  # R4
    ("pipelined", "report", "line 33: the reports differ"),
    ("pipelined", "extra", "line 31: the client sent data before the server's turn"),  # R5
    ("pipelined", "after", "line 32: the client sent data after the end of the dialogue"),
    ("pipelined", "no-quit", "line 32: the client hung up"),
    ("pipelined", "linger", "line 32: the client did not hang up in 3 s"),
    ("pipelined", "connect", "connects to 192.0.2.99 port 4711, but no dialogue is left"),
    ("next-server", "connect", "connects to 192.0.2.99 port 4711, but no dialogue is left"),
    ("pipelined", "foreign", "a question about a name that the zone does not have: elsewhere.example. A"),
    ("pipelined", "stderr", "wrote to descriptor 2"),
    ("pipelined", "exit", "the exit status is 3, not 0"),
    ("pipelined", "holds", "output is still open after its end"),
    ("blocks", "case", "line 30: the client sent something else .the optional block in line 26 was passed over."),
    ("blocks", "split", "line 32: nothing .more. came in 3 s; what would fit: `C: RCPT TO:<carol@"),  # R1
    ("blocks", "after", "line 53: the client sent data after the end of the dialogue"),
    ("blocks", "no-quit", None),
    ("blocks", "linger", "line 53: the client did not hang up in 3 s"),
    ("half-close", "case", "line 17: the client sent something else"),
    ("half-close", "extra", "line 24: the client sent data after the end of the dialogue"),
    ("half-close", "after", "line 44: the client sent data after the end of the dialogue"),
    ("half-close", "no-quit", "line 44: the client hung up"),
    ("dns-log", "foreign", "line 12: the questions to the DNS differ"),
    # The same within TLS, and on the way there.
    ("starttls", "split", "line 28: nothing .more. came in 3 s"),
    ("starttls", "case", "line 27: the client sent something else"),
    ("starttls", "extra", "line 34: the client sent data before the server's turn"),
    ("starttls", "after", "line 35: the client sent data after the end of the dialogue"),
    ("starttls", "no-quit", "line 35: the client hung up"),
    ("starttls", "linger", "line 35: the client did not hang up in 3 s"),
    ("starttls", "greedy", "line 21: the client sent data before the server's turn"),
    ("starttls", "in-the-clear", "line 22: the client sent this in the clear, where only TLS records are allowed"),
    ("starttls", "sni", "line 22: the client's SNI is MX.EXAMPLE.ORG; expected: mx.example.org"),
    ("starttls", "no-sni", "line 22: the client's SNI is none; expected: mx.example.org"),
    ("starttls-rejected", "trust", "line 26: the handshake was completed .*; the client had to reject it"),
    ("starttls-rejected", "clear-quit", "line 26: the client sent this in the clear"),
]

# A case, what is changed in it, and what must be said about it (None: nothing).
STALL = "stall within=0.2..20"
HANG = "no-answer within=0.2..20"
CHANGED = [
    ("pipelined", "hi\n\n.a", "hi\n\na", None),
    ("pipelined", "C: QUIT\n", "C: QUIT\n-- dialogue 192.0.2.26 --\n@refuse\n", "no connection to 192.0.2.26"),
    ("pipelined", "C: QUIT\n", "C: QUIT\n-- exit --\n7\n", "the exit status is 0, not 7"),
    ("pipelined", "e mx.example.org", "e 192.0.2.25:26", "connects to 192.0.2.25 port 25; next is 192.0.2.25 port 26"),
    ("next-server", "S: 550 no\n", "@close\n", "192.0.2.66 port 25, which must never happen"),
    ("next-server", HANG, "no-answer within=50..60", r"waited \d.\d+ s for the connection"),
    ("next-server", HANG, "no-answer within=0.1..0.2", r"waited \d.\d+ s for the connection"),
    ("next-server", STALL, "stall within=50..60", r"hung up after \d.\d+ s; it had to within 50..60 s"),
    ("next-server", STALL, "stall within=0..0.1", "the client is still there"),
    ("next-server", "@refuse", "S: 250 hello", "the client sent data after the end of the dialogue"),
    ("lockstep", "@drip 9 0.001s", "@drip 9 0.001s within=0..1", "the client waited to the end"),
    ("lockstep", "@delay 0.02s\n", "@delay 0.02s\n@drip 1 0.01s\n", None),
    ("mid-message", "@read 13", "@read 100", "nothing .more. came"),
    ("mid-message", "too much\n@close", "too much\n@stall within=0..9", "sent data before the server's turn"),
    ("blocks", "C: HELO", "C: EHLO", "line 32: nothing .more. came in 3 s; what would fit: .C: RCPT"),
    ("blocks", "@or\nC: EHLO", "@or\nC: ELHO", "line 14: .*: `C: HELO {helo}` .line 15. or `C: ELHO {helo}` .line 18."),
    ("blocks", "@repeat 2", "@repeat 1", "line 44: the client sent something else .the optional block in line 41"),
    ("blocks", "@repeat 2\n@either", "@repeat 3\n@either", "line 32: the client sent something else; what would fit"),
    ("blocks", "@repeat 7", "@repeat 6", "line 49: nothing .more. came"),
    ("blocks", "C: {what:token}", "C: MAIL {what:token}", "line 28: the client sent data before the server's turn"),
    ("half-close", "@half-close\nC: Q", "C: Q", None),
    ("dns-log", "b.example.org. A\n", "", "line 12: the questions to the DNS differ"),
    ("dns-log", "b.example.org. A\n", "b.example.org. A\n" * 2, "line 12: the questions to the DNS differ"),
    ("dns-log", "A tcp\n", "A\n", "line 12: the questions to the DNS differ"),
    ("dns-log", "b.example.org. AAAA\n", "b.example.org. AAAA tcp\n", "line 12: the questions to the DNS differ"),
    ("dns-log", "-- dialogue", "c.example.org. A\n-- dialogue", "line 12: the questions to the DNS differ"),
    ("starttls", "cert=mx-by-intermediate", "cert=mx-wildcard", None),
    ("starttls", "cert=mx-by-intermediate", "cert=expired", "ended the handshake with certificate_expired: it finds"),
    ("starttls", "cert=mx-by-intermediate", "cert=intermediate-missing", "the handshake with unknown_ca: it does"),
    ("starttls", "S: 250 PIPELINING", "S: 250 SIZE", "line 28: nothing .more. came in 3 s"),
    ("starttls", "C: EHLO {helo}\nS: 250-mx.example.org\nS: 250 P", "S: 250 P", "before the server's turn"),
    ("starttls", "C: QUIT", "C: QUIT\nS: 221 bye", None),
    ("starttls", "pem ca --", "pem other-ca --", "ended the handshake with unknown_ca"),
    ("starttls-faults", "within=0.3..20", "within=50..60", r"hung up after \d.\d+ s; it had to within 50..60 s"),
    ("starttls-faults", "within=0.3..20", "within=0..0.1", "the client is still there"),
    ("starttls-client-certificate", "ask=client.chain", "ask=other-client", "sent .CN=client.example,O=client."),
    ("starttls-client-certificate", "client.chain client.key", "client other-client.key", "hung up during"),
]


@pytest.mark.parametrize(("case", "misbehaviour", "verdict"), WRONG)
def test_a_client_that_is_wrong_fails(play: Play, case: str, misbehaviour: str, verdict: str | None) -> None:
    text = (CASES / f"{case}.case").read_text()
    _expect(play(text.replace("Qremote", f"MISBEHAVE={misbehaviour} Qremote")), verdict)


def test_a_client_that_speaks_first_fails(play: Play) -> None:
    """However busy the machine is between its connection and its first command."""
    text = (CASES / "lockstep.case").read_text().replace("@split\n", "@delay 5s\n", 1)
    _expect(play(text.replace("Qremote", "MISBEHAVE=early Qremote")), "line 16: the client sent data before the serv")


@pytest.mark.parametrize(("case", "old", "new", "verdict"), CHANGED)
def test_a_case_that_says_otherwise_fails(play: Play, case: str, old: str, new: str, verdict: str | None) -> None:
    text = (CASES / f"{case}.case").read_text()
    assert old in text
    _expect(play(text.replace(old, new, 1)), verdict)


def _expect(result: Result, verdict: str | None) -> None:
    found = "\n".join(f"line {failure.line}: {failure.what}" for failure in result.failures)
    assert re.search(verdict, found) if verdict else not found, found
