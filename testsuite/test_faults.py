# SPDX-License-Identifier: ISC
"""Whatever fails, and wherever the server hangs up: one well-formed message report, and never a false `K`.

Nor a false `Z` or `D`: the mail would come twice. All faults of one kind are tried in one sandbox.
"""

import errno
import itertools
from pathlib import Path

import pytest

from mocksrv.world import sandbox
from mocksrv.world.nameserver import DnsServer
from testsuite.peer import ADDRESS, MESSAGE, RECIPIENT, SENDER, Outcome, Peer, qremote

pytestmark = [
    pytest.mark.spec("SYN-2", "SYN-3", "RES-1", "RES-7"),
    pytest.mark.skipif(sandbox.available() is not None, reason=f"{sandbox.available()}"),
]

ZONE = f"example.org. MX 10 mx.example.org.\nmx.example.org. A {ADDRESS}\n"
ARGUMENTS = (SENDER, RECIPIENT, "carol@example.org")
REFUSAL = {"RCPT TO:<carol": "550 5.1.1 no such user"}
LETTERS = "rhK"  # of a delivery without faults
# What a server offers: the message then goes by DATA, or by BDAT.
BY_DATA, BY_BDAT = ("PIPELINING", "8BITMIME", "SIZE"), ("PIPELINING", "CHUNKING")
BIG = (b"x" * 70 + b"\n") * 5000
HUGE = BIG * 40  # more than the kernel takes for a peer that does not read

# Calls, and their errors. After these only a true report is promised.
FAULTS = [
    ("malloc", errno.ENOMEM), ("read", errno.EIO), ("recv", errno.ECONNRESET), ("send", errno.EPIPE),
    ("write", errno.ENOSPC), ("connect", errno.ECONNREFUSED), ("connect", errno.ENETUNREACH), ("socket", errno.EMFILE),
    ("open", errno.EMFILE), ("open", errno.EACCES), ("fstat", errno.EIO), ("mmap", errno.ENOMEM),
    ("lseek", errno.ESPIPE), ("poll", errno.ENOMEM), ("fcntl", errno.EMFILE),
    ("dup", errno.EBUSY), ("getrandom", errno.ENOSYS),
]  # fmt: skip
# A careful program survives these: the message is still sent. 0: all calls move at most one octet.
NO_FAULTS = [
    ("read", errno.EINTR), ("recv", errno.EINTR), ("send", errno.EINTR), ("write", errno.EINTR), ("poll", errno.EINTR),
    ("recv", errno.EAGAIN), ("send", errno.EAGAIN), ("read", 0), ("send", 0), ("write", 0),
]  # fmt: skip
# If a connection breaks before the last reply was read, the server may have accepted the message.
HIDING = ("recv", "poll")


def deliver(
    library: Path, kind: str, nth: int, number: int, offers: tuple[str, ...] = BY_DATA
) -> tuple[Outcome, Peer, int]:
    """One delivery in which a call fails; and how many calls of that kind there were."""
    host = "example.org" if number else f"[{ADDRESS}]"  # no DNS with datagrams of one octet
    log = sandbox.SCRATCH / "calls"
    log.unlink(missing_ok=True)
    variables = {
        "LD_PRELOAD": str(library), "FAULT": f"{kind}:{nth}:{number}", "FAULT_LOG": str(log),
        "QREMOTE_TRACE": str(sandbox.SCRATCH / "trace"),
    }  # fmt: skip
    with Peer(offers, REFUSAL) as peer:
        outcome = qremote(host, *ARGUMENTS, variables=variables)
    calls = log.read_text()
    if Path(calls).name.startswith("libcares."):  # 1.34 has a place where it does not look at what it got (SYN-2)
        assert outcome.stdout == b"ZQremote or a library crashed: memory may be short. (#4.3.0)\n\0", outcome
        return outcome, peer, nth
    return outcome, peer, int(calls)


def judge(outcome: Outcome, peer: Peer, hidden: bool) -> None:
    """The report and the server agree on whether the mail was delivered."""
    report = outcome.report
    taken = len(peer.accepted)
    assert taken <= 1, "delivered twice"
    if not taken:
        assert not report.startswith("K"), f"not delivered, yet {report}"
    elif not (hidden and report.startswith("Z") and "Possible duplicate!" in report):
        assert outcome.letters == LETTERS, f"delivered, yet {outcome}"


def every_fault(library: Path, kind: str, number: int, harmless: bool, offers: tuple[str, ...]) -> int:
    """Lets the first call fail, then the second, until none is left. Returns how many there were."""
    with DnsServer(ZONE) as server:
        server.start()
        for nth in itertools.count(1):
            outcome, peer, calls = deliver(library, kind, nth, number, offers)
            try:
                judge(outcome, peer, kind in HIDING and nth <= calls)
                assert outcome.letters == LETTERS or (nth <= calls and not harmless), "not delivered without a reason"
            except AssertionError as error:
                error.add_note(f"{kind} {nth} of {calls}: {errno.errorcode.get(number, 'short')}: {outcome}")
                raise
            if nth > calls or number == 0:
                return calls
    raise AssertionError


@pytest.mark.parametrize("offers", [BY_DATA, BY_BDAT], ids=["data", "bdat"])
@pytest.mark.parametrize(("kind", "number"), FAULTS, ids=lambda value: errno.errorcode.get(value, value))
def test_the_nth_call_fails(library: Path, kind: str, number: int, offers: tuple[str, ...]) -> None:
    """Every n, until the delivery has no nth call."""
    assert sandbox.run(every_fault, library, kind, number, False, offers) > 0


@pytest.mark.parametrize("offers", [BY_DATA, BY_BDAT], ids=["data", "bdat"])
@pytest.mark.parametrize(("kind", "number"), NO_FAULTS, ids=lambda value: errno.errorcode.get(value, value))
def test_the_nth_call_is_interrupted(library: Path, kind: str, number: int, offers: tuple[str, ...]) -> None:
    """Interruptions and short reads and writes change nothing."""
    assert sandbox.run(every_fault, library, kind, number, True, offers) > 0


@pytest.mark.spec("IN-2", "RES-8")
@pytest.mark.parametrize(("kind", "number"), [("mmap", errno.ENOMEM), ("socket", errno.EMFILE)])
def test_local_trouble_is_called_so(library: Path, kind: str, number: int) -> None:
    """The message cannot be mapped, or there is no socket: neither is the server's fault."""
    report = sandbox.run(report_of_the_last_fault, library, kind, number)
    assert report.startswith("Z") and "(#4.3.0)" in report


def report_of_the_last_fault(library: Path, kind: str, number: int) -> str:
    """The message report of a delivery in which the last call of a kind fails."""
    with DnsServer(ZONE) as server:
        server.start()
        _, _, calls = deliver(library, kind, 0, number)
        outcome, _, _ = deliver(library, kind, calls, number)
    return outcome.report


def test_a_library_that_crashes_at_its_end(library: Path) -> None:
    """What was reported stays, and nothing is added."""
    assert sandbox.run(bad_end, library) == LETTERS


def bad_end(library: Path) -> str:
    """The letters of such a delivery."""
    return deliver(library, "end", 0, 0)[0].letters


@pytest.mark.spec("SYN-3")
def test_a_library_that_talks(library: Path) -> None:
    """What a library writes to descriptors 1 and 2 is lost: under qmail-rspawn both are the pipe of the reports."""
    assert sandbox.run(noise, library) == LETTERS


def noise(library: Path) -> str:
    """The letters of a delivery during which a library writes to descriptors 1 and 2."""
    with DnsServer(ZONE) as server:
        server.start()
        outcome, _, calls = deliver(library, "noise", 0, errno.EIO)
    assert calls > 0
    return outcome.letters


def every_cut(offers: tuple[str, ...], half: bool) -> int:
    """Lets the server hang up after each octet that it sends. Returns how many these were."""
    with Peer(offers, REFUSAL) as peer:
        assert qremote(f"[{ADDRESS}]", *ARGUMENTS).letters == LETTERS
    whole = peer.sessions[0].spoken
    for cut in range(whole):
        with Peer(offers, REFUSAL, cut=cut, half=half) as peer:
            outcome = qremote(f"[{ADDRESS}]", *ARGUMENTS)
        try:
            judge_cut(outcome, peer)
        except AssertionError as error:
            error.add_note(f"the server hung up after {cut} of {whole} octets: {outcome} {peer.sessions}")
            raise
    return whole


def judge_cut(outcome: Outcome, peer: Peer) -> None:
    """The truth, and, where the server had the whole message, a warning."""
    judge(outcome, peer, False)
    assert len(peer.sessions) == 1
    session = peer.sessions[0]
    if session.accepted:
        return
    assert outcome.report.startswith("Z") and "(#4.4.2)" in outcome.report
    assert LETTERS[:-1].startswith(outcome.letters[:-1])
    if session.end_read:
        assert "Possible duplicate!" in outcome.report
    if "DATA" not in session.commands and "CHUNKING" not in peer.offers:
        assert "duplicate" not in outcome.report


@pytest.mark.parametrize("half", [False, True], ids=["close", "half-close"])
@pytest.mark.parametrize(
    "offers", [(), ("PIPELINING",), ("CHUNKING",), ("PIPELINING", "CHUNKING")], ids="+".join
)
def test_the_server_hangs_up_after_each_octet(offers: tuple[str, ...], half: bool) -> None:
    """Every octet that the server sends."""
    assert sandbox.run(every_cut, ("SIZE", *offers), half) > 120


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
