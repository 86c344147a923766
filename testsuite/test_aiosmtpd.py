# SPDX-License-Identifier: ISC
"""End to end against aiosmtpd, a server that none of us wrote: the message arrives, and the reports are true."""

import re
from collections.abc import Sequence
from pathlib import Path

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session

from mocksrv.case.octets import canonical
from mocksrv.world import sandbox
from mocksrv.world.nameserver import DnsServer
from testsuite.peer import ADDRESS, RECIPIENT, SENDER, Outcome, qremote
from testsuite.pure import recode

pytestmark = pytest.mark.skipif(sandbox.available() is not None, reason=f"{sandbox.available()}")

MESSAGES = Path(__file__).parent.parent / "fixtures/messages"
ZONE = f"example.org. MX 20 mx.example.org.\nmx.example.org. A {ADDRESS}\n"
# 192.0.2.26 is reachable, but nobody listens there: the second exchanger must be used.
DEAD = "example.org. MX 10 dead.example.org.\ndead.example.org. A 192.0.2.26\n"
Delivery = tuple[Outcome, list[Envelope]]
SHORT = b"Subject: hi\n\nhello\n"


class Handler:
    """Accepts everything, except recipients whose names give the reply."""

    def __init__(self) -> None:
        self.envelopes: list[Envelope] = []

    async def handle_RCPT(self, _s: SMTP, _se: Session, envelope: Envelope, address: str, options: list[str]) -> str:
        """Refuses `no...` for good and `later...` for now."""
        if address.startswith("no"):
            return "550 5.1.1 no such user"
        if address.startswith("later"):
            return "450 4.2.1 mailbox busy"
        envelope.rcpt_tos.append(address)
        envelope.rcpt_options.extend(options)
        return "250 2.1.5 ok"

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:
        """Keeps everything."""
        self.envelopes.append(envelope)
        return "250 2.0.0 taken"


def delivered(arguments: Sequence[str], message: bytes, zone: str = ZONE, **settings: object) -> Delivery:
    """One delivery, and the envelopes, with their content, that arrived. `settings` are aiosmtpd's."""
    return sandbox.call(_deliver, arguments, message, zone, settings)


def _deliver(arguments: Sequence[str], message: bytes, zone: str, settings: dict[str, object]) -> Delivery:
    handler = Handler()
    controller = Controller(handler, ADDRESS, 25, **settings)
    controller.start()
    try:
        with DnsServer(zone) as server:
            server.start()
            outcome = qremote("example.org", *arguments, message=message)
    finally:
        controller.stop()
    return outcome, handler.envelopes


def arrives(message: bytes, eightbitmime: bool) -> bytes | None:
    """What a server without CHUNKING gets; None if it cannot be made legal (see test_recoding.py)."""
    recoded = recode(message, eightbitmime, smtputf8=eightbitmime)
    return None if recoded.trouble else re.sub(rb"(?m)^\.", b"", recoded.wire)


@pytest.mark.spec("IN-1", "TR-1", "TR-2", "TR-3", "TR-4", "TR-5", "TR-7", "EXT-2", "EXT-4", "EXT-7", "RES-9")
@pytest.mark.parametrize("eightbitmime", [True, False], ids=["8bitmime", "7bit"])
@pytest.mark.parametrize("file", sorted(path.name for path in MESSAGES.glob("*.eml")))
def test_every_message_arrives(file: str, eightbitmime: bool) -> None:
    """In its canonical form or recoded, with its envelope, and `K` is reported once; or nothing arrives."""
    message = (MESSAGES / file).read_bytes()
    recipients = [RECIPIENT, "carol@example.org"]
    settings = {"decode_data": not eightbitmime, "enable_SMTPUTF8": eightbitmime}
    outcome, envelopes = delivered((SENDER, *recipients), message, ZONE, **settings)
    expected = arrives(message, eightbitmime)
    if expected is None:
        assert (outcome.letters, envelopes) == ("D", []) and "(#5.6.3)" in outcome.report
        return
    how = " (quoted-printable)" if b"\nX-MIME-Autoconverted: " in b"\n" + expected else ""
    assert outcome.letters == "rrK"
    assert outcome.report == f"Kmx.example.org [{ADDRESS}] accepted message{how}.\nRemote host said: 250 2.0.0 taken\n"
    (envelope,) = envelopes
    content = envelope.content if isinstance(envelope.content, bytes) else str(envelope.content).encode()
    assert content == expected
    assert (envelope.mail_from, envelope.rcpt_tos) == (SENDER, recipients)
    size, *options = envelope.mail_options
    assert size == f"SIZE={len(expected)}"
    assert ("BODY=8BITMIME" in options) == (not expected.isascii())


@pytest.mark.spec("MX-2")
def test_the_second_exchanger() -> None:
    """The first one does not answer."""
    outcome, envelopes = delivered((SENDER, RECIPIENT), SHORT, ZONE + DEAD)
    assert outcome.letters == "rK"
    assert [one.content for one in envelopes] == [canonical(SHORT)]


def test_every_message_is_explained() -> None:
    """README has a line for each file."""
    explained = re.findall(r"^(\S+\.eml) ", (MESSAGES / "README").read_text(), re.M)
    assert sorted(explained) == sorted(path.name for path in MESSAGES.glob("*.eml"))


@pytest.mark.spec("IN-3")
def test_an_empty_message_arrives() -> None:
    """As no octets at all."""
    outcome, envelopes = delivered((SENDER, RECIPIENT), b"")
    assert outcome.letters == "rK"
    assert [one.content for one in envelopes] == [b""]


@pytest.mark.spec("ADR-1", "ADR-2")
@pytest.mark.parametrize("sender", ["", "#@[]"])
def test_the_empty_sender(sender: str) -> None:
    """Bounces have an empty path."""
    outcome, envelopes = delivered((sender, RECIPIENT), SHORT)
    assert outcome.letters == "rK"
    assert [one.mail_from for one in envelopes] == ["<>"]  # so aiosmtpd writes it


@pytest.mark.spec("ADR-2")
def test_a_quoted_local_part() -> None:
    """aiosmtpd reads the quoted form of what qmail passes without quotes."""
    outcome, envelopes = delivered((SENDER, "two words@example.org"), SHORT)
    assert outcome.letters == "rK"
    assert envelopes[0].rcpt_tos == ['"two words"@example.org']


@pytest.mark.spec("RES-2", "RES-4")
def test_refused_recipients() -> None:
    """Each is reported in its place; the others get the message."""
    recipients = ("no@example.org", RECIPIENT, "later@example.org", "carol@example.org")
    outcome, envelopes = delivered((SENDER, *recipients), SHORT)
    assert outcome.letters == "hrsrK"
    assert envelopes[0].rcpt_tos == [RECIPIENT, "carol@example.org"]


@pytest.mark.spec("RES-1", "RES-8")
@pytest.mark.parametrize(
    ("recipients", "letters"), [(["no@a.example", "no@b.example"], "hhD"), (["no@a.example", "later@b.example"], "hsZ")]
)
def test_all_recipients_refused(recipients: list[str], letters: str) -> None:
    """Still one message report, and nothing is sent."""
    outcome, envelopes = delivered((SENDER, *recipients), SHORT)
    assert outcome.letters == letters
    assert envelopes == []


@pytest.mark.spec("EXT-2")
def test_the_size_limit() -> None:
    """A message of exactly the limit is sent, one with an octet more is not."""
    limit = len(canonical(SHORT))
    assert delivered((SENDER, RECIPIENT), SHORT, data_size_limit=limit)[0].letters == "rK"
    outcome, envelopes = delivered((SENDER, RECIPIENT), SHORT, data_size_limit=limit - 1)
    assert envelopes == []
    assert outcome.letters == "D" and "(#5.3.4)" in outcome.report


@pytest.mark.spec("ADR-4", "EXT-7")
def test_smtputf8() -> None:
    """A non-ASCII address is sent unchanged to a server that offers SMTPUTF8."""
    outcome, envelopes = delivered(("jörg@sender.example", "müller@example.org"), SHORT, enable_SMTPUTF8=True)
    assert outcome.letters == "rK"
    (envelope,) = envelopes
    assert (envelope.mail_from, envelope.rcpt_tos) == ("jörg@sender.example", ["müller@example.org"])
    assert "SMTPUTF8" in envelope.mail_options


@pytest.mark.spec("ADR-4")
def test_without_smtputf8() -> None:
    """Only the recipients that need it are refused; temporarily, if an exchanger could not be asked."""
    for zone, letters, code in ((ZONE, "hrK", b"(#5.6.7)"), (ZONE + DEAD, "srK", b"(#4.6.7)")):
        outcome, envelopes = delivered((SENDER, "müller@example.org", RECIPIENT), SHORT, zone, enable_SMTPUTF8=False)
        assert outcome.letters == letters and code in outcome.stdout
        assert [one.rcpt_tos for one in envelopes] == [[RECIPIENT]]
