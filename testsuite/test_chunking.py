# SPDX-License-Identifier: ISC
"""BDAT where a case cannot say it: sizes around the out buffer, and what leaves after a refusal (RFC 3030)."""

import re
import socket
import threading
from pathlib import Path
from typing import BinaryIO

import pytest

from mocksrv.case.file import read_case
from mocksrv.tell.show import explain
from mocksrv.world import sandbox
from mocksrv.world.home import default_program
from mocksrv.world.run import check
from testsuite.peer import PATIENCE, Outcome, furnish, qremote, serving

pytestmark = [
    pytest.mark.skipif(sandbox.available() is not None, reason=f"{sandbox.available()}"),
    pytest.mark.spec("EXT-5"),
]

BUFFER = 65536  # STREAM_OUT
HUGE = (b"x" * 62 + b"\n") * 400_000  # more than any kernel takes for a peer that does not read

CHUNKS = """Chunks of {octets} octets in all
-- run --
Qremote [192.0.2.25] alice@sender.example bob@example.org
-- control/chunksizeremote --
{chunk}
-- message --
{message}
-- dialogue 192.0.2.25 --
S: 220 mx.example.org
C: EHLO {{helo}}
S: 250-mx.example.org
S: 250-PIPELINING
S: 250 CHUNKING
C: MAIL FROM:<alice@sender.example>
C: RCPT TO:<bob@example.org>
S: 250 ok
S: 250 ok
{chunks}{replies}C: QUIT
-- report --
r\\0
K[192.0.2.25] accepted message (chunked).
Remote host said: 250 queued
\\0
"""


def cut(size: int, chunk: int) -> list[tuple[str, int, int]]:
    """The BDAT commands for a message of so many octets, and where their chunks begin and end."""
    ends = [min(start + (chunk or size), size) for start in range(0, size, chunk or size)]
    return [(f"BDAT {end - start}{' LAST' * (end == size)}", start, end) for start, end in zip([0, *ends], ends)]


def octets(size: int, chunk: int) -> int:
    """The octets of all commands and chunks."""
    return sum(len(command) + 2 + end - start for command, start, end in cut(size, chunk))


@pytest.mark.parametrize("chunk", [0, 7000, 65000])
@pytest.mark.parametrize("more", [-1, 0, 1, 2])
def test_chunks_that_just_fit_the_out_buffer(tmp_path: Path, more: int, chunk: int) -> None:
    """Whether the last octet fits or not, what leaves is the same."""
    size = next(one for one in range(BUFFER, 0, -1) if octets(one, chunk) == BUFFER + more)
    message = "\n".join(["Subject: hi", "", "x" * (size - 17)])
    lines = "".join(f"C: {command}\nC= {{message[{start}:{end}]}}\n" for command, start, end in cut(size, chunk))
    replies = "S: 250 ok\n" * (len(cut(size, chunk)) - 1) + "S: 250 queued\n"
    case = tmp_path / "chunks.case"
    case.write_text(
        CHUNKS.format(octets=BUFFER + more, chunk=chunk or "", message=message, chunks=lines, replies=replies)
    )
    result = check(read_case(case), default_program())
    assert result.passed, explain(result)


def refused_early(chunk: str, reply: bytes) -> tuple[Outcome, bytes]:
    """A server that refuses after some octets of a huge message, and then takes in whatever still comes."""
    received = bytearray()

    def serve(connection: socket.socket, stream: BinaryIO) -> None:
        connection.sendall(b"220 mx\r\n")
        stream.readline()
        connection.sendall(b"250-mx\r\n250-PIPELINING\r\n250 CHUNKING\r\n")
        stream.readline()
        stream.readline()
        connection.sendall(b"250 ok\r\n250 ok\r\n")
        received.extend(stream.read(1000))
        connection.sendall(reply)
        while octets := stream.read1(1 << 16):  # type: ignore[attr-defined]
            received.extend(octets)

    furnish(sandbox.SCRATCH / "qmail", chunksizeremote=chunk)
    with serving(serve):
        outcome = qremote(message=HUGE)
    return outcome, bytes(received)


@pytest.mark.spec("EXT-8")
@pytest.mark.parametrize("chunk", ["", "1000000"])
@pytest.mark.parametrize(("reply", "letter"), [(b"552 5.3.4 too big\r\n", "D"), (b"452 4.3.1 full\r\n", "Z")])
def test_nothing_leaves_after_a_refusal(chunk: str, reply: bytes, letter: str) -> None:
    """Of a message that was refused the server never sees the end, nor a LAST chunk that is not the only one."""
    outcome, received = sandbox.run(refused_early, chunk, reply)
    assert outcome.letters == "r" + letter
    assert b"Remote host said: " + reply.replace(b"\r", b"") in outcome.stdout
    assert len(received) < len(HUGE) // 2
    commands = re.findall(rb"BDAT \d+(?: LAST)?\r\n", received)
    assert commands[0] == (b"BDAT %d LAST\r\n" % (len(HUGE) + len(HUGE) // 63) if not chunk else b"BDAT 1000000\r\n")
    assert not any(b"LAST" in command for command in commands[1:])
    assert b"QUIT" not in received


def accepted_early(reply: bytes, after: bytes, *offers: bytes) -> tuple[Outcome, int]:
    """A server that answers a message of which it has read next to nothing, and ends its reply `after` it read all.

    Returns also how much there was to read when the client had ended, if nothing comes after.
    """
    rest = 0
    ended = threading.Event()

    def serve(connection: socket.socket, stream: BinaryIO) -> None:
        nonlocal rest
        connection.sendall(b"220 mx\r\n")
        stream.readline()
        connection.sendall(b"".join(b"250-%b\r\n" % one for one in (b"mx", *offers)) + b"250 HELP\r\n")
        for _ in range(2):
            stream.readline()
            connection.sendall(b"250 ok\r\n")
        if stream.readline() == b"DATA\r\n":
            connection.sendall(b"354 go\r\n")
            stream.readline()
        connection.sendall(reply)
        while after and rest < 900 * 65:
            rest += len(stream.read1(1 << 16))  # type: ignore[attr-defined]
        connection.sendall(after)
        ended.wait(PATIENCE)  # whoever reads on makes room for the rest
        while octets := stream.read1(1 << 16):  # type: ignore[attr-defined]
            rest += len(octets)

    with serving(serve, room=4096):
        outcome = qremote(message=b"Subject: early\n" + (b"x" * 63 + b"\n") * 900)
        ended.set()
    return outcome, rest


@pytest.mark.spec("RES-7", "RES-8")
@pytest.mark.parametrize("offers", [(), (b"CHUNKING",)])
def test_a_message_that_has_not_left_is_not_accepted(offers: tuple[bytes, ...]) -> None:
    """It is in the out buffer, but not all of it on its way: 250 is too early."""
    outcome, rest = sandbox.run(accepted_early, b"250 2.0.0 queued\r\n", b"", *offers)
    assert rest < 50000
    assert outcome.letters == "rZ" and "sent an unexpected reply to the message. (#4.5.0)" in outcome.report


@pytest.mark.spec("RES-7", "RES-8")
@pytest.mark.parametrize("offers", [(), (b"CHUNKING",)])
def test_a_reply_that_begins_before_the_end_is_no_acceptance(offers: tuple[bytes, ...]) -> None:
    """Even if its last line comes after the message; the server may have it, though."""
    outcome, _ = sandbox.run(accepted_early, b"250-2.0.0 wait\r\n", b"250 2.0.0 queued\r\n", *offers)
    assert outcome.letters == "rZ" and "sent an unexpected reply to the message." in outcome.report
    assert "Possible duplicate!" in outcome.report


def answered_chunk_by_chunk() -> tuple[Outcome, list[int]]:
    """A server that answers each chunk as soon as it has it, over a connection with little room; and the chunks."""
    chunks: list[int] = []

    def serve(connection: socket.socket, stream: BinaryIO) -> None:
        connection.sendall(b"220 mx\r\n")
        stream.readline()
        connection.sendall(b"250-mx\r\n250-PIPELINING\r\n250 CHUNKING\r\n")
        while line := stream.readline():
            if line.startswith(b"BDAT"):
                chunks.append(len(stream.read(int(line.split()[1]))))
            connection.sendall(b"250 ok\r\n")

    furnish(sandbox.SCRATCH / "qmail", chunksizeremote="50000")
    with serving(serve, room=4096):
        outcome = qremote(message=b"x" * 199998 + b"\n")
    return outcome, chunks


@pytest.mark.spec("CTL-9")
def test_replies_that_come_amid_the_next_chunk() -> None:
    """Each is for its own chunk, wherever the client is by then."""
    outcome, chunks = sandbox.run(answered_chunk_by_chunk)
    assert (outcome.letters, chunks) == ("rK", [50000] * 4)


def taken_for_commands(recipient: bytes) -> tuple[Outcome, list[bytes]]:
    """A server that refuses BDAT and does not read the chunk: each line that comes is a command to it; and the lines."""
    heard: list[bytes] = []
    answers = {b"EHLO": b"250-mx\r\n250-PIPELINING\r\n250 CHUNKING\r\n", b"MAIL": b"250 ok\r\n", b"RCPT": recipient}

    def serve(connection: socket.socket, stream: BinaryIO) -> None:
        connection.sendall(b"220 mx\r\n")
        while line := stream.readline():
            heard.append(line[:4].strip())
            connection.sendall(answers.get(heard[-1], b"503 5.5.1 bad sequence\r\n"))

    with serving(serve):
        outcome = qremote(message=b"RSET\nMAIL FROM:<ceo@example.org>\nRCPT TO:<victim@example.org>\nDATA\n")
    return outcome, heard


@pytest.mark.spec("RES-8")
def test_a_chunk_is_not_taken_for_commands() -> None:
    """It does not leave before a recipient was accepted; a BDAT refused then is temporary."""
    outcome, heard = sandbox.run(taken_for_commands, b"550 5.1.1 no such user\r\n")
    assert (outcome.letters, heard) == ("hD", [b"EHLO", b"MAIL", b"RCPT", b"QUIT"])
    outcome, heard = sandbox.run(taken_for_commands, b"250 ok\r\n")
    assert outcome.letters == "rZ" and "CHUNKING, but refused BDAT. (#4.5.1)" in outcome.report
