# SPDX-License-Identifier: ISC
"""What must be true of every run, whatever failed: the promises of man/Qremote.8, as far as a fault leaves them."""

import re
from collections.abc import Iterator

from testsuite.torture.errnos import is_harmless
from testsuite.torture.runs import MODES, Run
from testsuite.torture.world import TIMED_OUT, Result, Session

# By the clock of the program: two connections to each of two servers, each with one wait of 30 seconds, and three
# questions to a DNS server that is silent.
DEADLINE = 240.0
_RECORDS = re.compile(rb"(?:(?:r|[hs][^\0]+\n)\0)*[KZD][^\0]+\n\0")
_DANE = b", verified by DANE)"
_WARNING = "Possible duplicate!"


def violations(run: Run, result: Result, usual: Result) -> Iterator[str]:
    """Each broken promise; `usual` is the result without a fault."""
    if result.status is None:
        yield "it hangs"
    elif result.status != 0:
        yield f"the exit status is {result.status} (SYN-2)"
    if result.stderr:
        yield f"descriptor 2: {result.stderr!r} (SYN-3)"
    if result.seconds > DEADLINE:
        yield f"it took {result.seconds:.0f} seconds"
    if _RECORDS.fullmatch(result.stdout) is None:
        yield "not some recipient reports and one message report (RES-1)"
    else:
        yield from _judge_reports(run, result, usual)
        yield from _judge_envelopes(result, usual)
    if result.table is not None:
        yield from _judge_table(run, result, result.table)


def letters(result: Result) -> str:
    """The letters of the reports, the message report's last."""
    return "".join(chr(record[0]) for record in result.stdout.split(b"\0")[:-1])


def _judge_reports(run: Run, result: Result, usual: Result) -> Iterator[str]:
    said, wanted = letters(result), letters(usual)
    report = result.stdout.split(b"\0")[-2].decode()
    accepted = [one for one in result.sessions if one.accepted_at is not None]
    if said[-1] == "D":
        yield "a fault is no reason for a bounce"
    if not wanted[:-1].startswith(said[:-1]):
        yield f"the recipient reports {said[:-1]} are not the beginning of {wanted[:-1]} (RES-4)"
    if len(accepted) > 1:
        yield "accepted twice (RES-7)"
    if any(one.message is not None for one in result.sessions[:-1]):
        yield "another connection after a server had the whole message (RES-7)"
    if said[-1] == "K":
        if not accepted:
            yield "K, but no server accepted the message (RES-7)"
        if said != wanted:
            yield f"the letters are {said}, not {wanted}"
        if (_DANE in usual.stdout) != (_DANE in result.stdout):
            yield "a fault switches DANE off (DAN-6)"
    elif any(_was_read(one, result) for one in accepted) and not _could_not_decrypt(run, result):
        yield "no K, though the server's 2xx was received"
    elif any(one.message is not None for one in result.sessions) and _WARNING not in report:
        yield "a server has the whole message, and nothing warns of a duplicate (RES-7)"
    # The server may hang up before it hears the BDAT, which the program sends as soon as it has the replies to RCPT.
    before = "RCPT" if any("BDAT" in one.commands for one in usual.sessions) else "DATA"
    if _WARNING in report and not any(before in one.commands for one in result.sessions):
        yield "the message was not sent, yet a warning of a duplicate"
    for one in accepted:
        yield from _judge_message(one, usual)
    if is_harmless(run.call, run.what, result.log.origin) and said != wanted:
        yield f"{run.what} is no failure, yet the letters are {said}, not {wanted}"
    if not result.log.failed and run.call != "octets" and said != wanted:
        yield f"nothing failed, yet the letters are {said}, not {wanted}"


def _was_read(session: Session, result: Result) -> bool:
    """Whether the program received all of the 2xx."""
    return session.accepted_at is not None and result.log.received.get(session.port, 0) >= session.accepted_at


def _could_not_decrypt(run: Run, result: Result) -> bool:
    """Whether it may have received the reply without being able to read it."""
    tls = MODES[run.mode].tls or any("STARTTLS" in one.commands for one in result.sessions)
    return run.call in ("malloc", "mmap", "brk") and tls


def _judge_envelopes(result: Result, usual: Result) -> Iterator[str]:
    """Whether all that comes before MAIL was done."""
    known = [one.commands for one in usual.sessions if "MAIL" in one.commands]
    for commands in (one.commands for one in result.sessions if "MAIL" in one.commands):
        if not known:
            yield "MAIL to a server that cannot be trusted (TLS-4, DAN-4)"
        elif "AUTH" in known[0] and "AUTH" not in commands:
            yield "MAIL without AUTH (AUT-1)"


def _judge_table(run: Run, result: Result, table: bytes) -> Iterator[str]:
    """Whether nothing but the count and the time of its first entry has changed, and nothing without a lock."""
    if (table[:4], table[16:]) != (TIMED_OUT[:4], TIMED_OUT[16:]):
        yield "the table of hosts that timed out is damaged (TPO-2)"
    if run.call == "flock" and result.log.failed and table != TIMED_OUT:
        yield "the table of hosts that timed out was not locked, and is written (TPO-3)"


def _judge_message(session: Session, usual: Result) -> Iterator[str]:
    known = next((one for one in usual.sessions if one.message is not None), None)
    if known and (session.message, session.people) != (known.message, known.people):
        yield f"the server accepted another message: {session.message!r} for {session.people!r}"
