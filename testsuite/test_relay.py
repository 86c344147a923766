# SPDX-License-Identifier: ISC
"""A real Postfix that forwards mail by LMTP, as to a Dovecot that offers 8BITMIME but not SMTPUTF8."""

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.lmtp import LMTP

from mocksrv.case.octets import canonical
from mocksrv.world import sandbox
from testsuite.mtas import DOMAIN, Offers, Postfix, missing
from testsuite.peer import ADDRESS, HOST, SENDER, Outcome, qremote
from testsuite.test_aiosmtpd import Handler

pytestmark = pytest.mark.skipif(missing() is not None, reason=f"{missing()}")

LMTP_PORT = 24
MESSAGE = "From: Jörg <joerg@sender.example>\nSubject: Grüße\n\nHello.\n".encode()


class Relay(Postfix):
    """Postfix whose boxes are elsewhere."""

    _MAIN = f"{Postfix._MAIN}virtual_transport = lmtp:inet:[{ADDRESS}]:{LMTP_PORT}\n"
    _MASTER = f"{Postfix._MASTER}lmtp unix - - n - - lmtp\n"


class Boxes(Controller):
    """The server with the boxes."""

    def factory(self) -> LMTP:
        """It accepts 8-bit octets, but does not know SMTPUTF8."""
        return LMTP(self.handler, hostname="boxes.example.org", enable_SMTPUTF8=False)


def deliver(offers: Offers) -> tuple[Outcome, list[bytes]]:
    """What Qremote reported, and what arrived in the box."""
    handler = Handler()
    boxes = Boxes(handler, ADDRESS, LMTP_PORT)
    with Relay(["bob"], offers) as server:
        boxes.start()
        try:
            outcome = qremote(HOST, SENDER, f"bob@{DOMAIN}", message=MESSAGE)
            server.settle()
        finally:
            boxes.stop()
    return outcome, [bytes(one.content or b"") for one in handler.envelopes]


@pytest.mark.spec("EXT-7", "TR-8")
@pytest.mark.parametrize("chunking", [True, False])
def test_raw_utf_8_in_a_field_passes_a_server_without_smtputf8(chunking: bool) -> None:
    """Postfix offers SMTPUTF8. If MAIL asked for it, Postfix could not forward the mail, and would bounce it."""
    outcome, arrived = sandbox.run(deliver, Offers(chunking=chunking), all_users=True)
    assert outcome.letters == "rK"
    assert [one.endswith(canonical(MESSAGE)) for one in arrived] == [True]
