# SPDX-License-Identifier: ISC
"""A server that hangs up in the middle of a big message. testsuite/torture has all other places and faults."""

import pytest

from mocksrv.world import sandbox
from testsuite.peer import MESSAGE, Peer, qremote

pytestmark = [
    pytest.mark.spec("SYN-2", "SYN-3", "RES-1", "RES-7"),
    pytest.mark.skipif(sandbox.available() is not None, reason=f"{sandbox.available()}"),
]

BIG = (b"x" * 70 + b"\n") * 5000
HUGE = BIG * 40  # more than the kernel takes for a peer that does not read


def hung_up_on(deaf: int, half: bool, reply: str | None, message: bytes = BIG) -> str:
    """The message report of a delivery to a server that hangs up in the middle of a big message."""
    with Peer(replies={"early": reply} if reply else {}, deaf=deaf, half=half) as peer:
        outcome = qremote(message=message)
    assert not peer.accepted
    return outcome.report


@pytest.mark.parametrize("half", [False, True], ids=["close", "half-close"])
@pytest.mark.parametrize("deaf", [0, 1, 60000, 70000, 300000])
def test_the_server_hangs_up_in_the_middle_of_a_message(deaf: int, half: bool) -> None:
    """No endless loop, and no success."""
    report = sandbox.run(hung_up_on, deaf, half, None)
    assert report.startswith("Z") and "(#4.4.2)" in report


@pytest.mark.spec("EXT-8")
@pytest.mark.parametrize("half", [False, True], ids=["close", "half-close"])
@pytest.mark.parametrize("deaf", [1, 60000, 70000, 300000])
def test_the_server_says_why_it_hangs_up(deaf: int, half: bool) -> None:
    """A refusal in the middle of a message is read and reported, even if the connection breaks right after it."""
    report = sandbox.run(hung_up_on, deaf, half, "552 5.3.4 too big")
    assert report.startswith("D") and "(#5.3.4)" in report and "Remote host said: 552 5.3.4 too big\n" in report


def test_a_server_that_takes_half_a_message() -> None:
    """A 2xx before the end was sent is no success."""
    report = sandbox.run(hung_up_on, 1, False, "250 2.0.0 that will do", HUGE)
    assert report.startswith("Z") and "(#4.5.0)" in report


def test_the_harness_sees_the_whole_message() -> None:
    """What the server of these tests calls the message is the message."""
    with_dots = MESSAGE.replace(b"\n", b"\r\n").replace(b"\r\n.", b"\r\n..") + b".\r\n"
    assert sandbox.run(message_seen) == with_dots


def message_seen() -> bytes:
    """What arrives without any fault."""
    with Peer() as peer:
        assert qremote().letters == "rK"
    return peer.accepted[0].message
