# SPDX-License-Identifier: ISC
"""encoder.c: no message can end DATA early (SMTP smuggling), and every message arrives in its canonical form."""

import itertools
import re
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from testsuite.pure import encode, examine

ALPHABET = b"\r\n.a"
LONGEST = 7
# Line ends, dots and their neighbours make up most of what can go wrong.
MESSAGES = st.lists(
    st.sampled_from([b"\r", b"\n", b"\r\n", b".", b"a", b"\0", b"\x80", b"\xff"]) | st.binary(max_size=3)
).map(b"".join)


def canonical(message: bytes) -> bytes:
    """TR-2 and TR-3, octet by octet, written independently of encoder.c and mocksrv."""
    lines, line, after_cr = [], bytearray(), False
    for octet in message:
        if octet == 0x0A and after_cr:
            after_cr = False
            continue
        after_cr = octet == 0x0D
        if octet in (0x0A, 0x0D):
            lines.append(bytes(line))
            line.clear()
        else:
            line.append(octet)
    if line:
        lines.append(bytes(line))
    return b"".join(line + b"\r\n" for line in lines)


def enough(message: bytes) -> int:
    """Room for everything sent for a message: each octet may become two, and its last line may get an end."""
    return 2 * len(message) + 2


def at_once(message: bytes) -> bytes:
    """What is sent for a message if there is room for all of it."""
    return encode(message, [enough(message)])


def received(wire: bytes) -> bytes:
    """How a server reads the octets after DATA (RFC 5321 section 4.5.2). Fails if they are malformed."""
    stream = b"\r\n" + wire
    assert stream.find(b"\r\n.\r\n") == len(stream) - 5, f"ends early, or not at all: {wire!r}"
    assert not re.search(rb"\r(?!\n)|(?<!\r)\n", wire), f"a bare CR or LF: {wire!r}"
    lines = wire.split(b"\r\n")[:-2]
    return b"".join(line.removeprefix(b".") + b"\r\n" for line in lines)


def check(message: bytes, wire: bytes) -> None:
    """Everything that is promised for a message and the octets that are sent for it."""
    assert received(wire + b".\r\n") == canonical(message), message
    doubled = sum(line.startswith(b".") for line in canonical(message).split(b"\r\n"))
    assert examine(message).size == len(wire) - doubled, message


def every_message() -> Iterator[bytes]:
    """Every string of at most LONGEST octets of the alphabet."""
    for length in range(LONGEST + 1):
        yield from map(bytes, itertools.product(ALPHABET, repeat=length))


@pytest.mark.spec("TR-1", "TR-2", "TR-3")
def test_no_message_of_seven_octets_ends_data_early() -> None:
    """The proof of TR-3, with one big buffer."""
    count = 0
    for message in every_message():
        check(message, at_once(message))
        count += 1
    assert count == 21845


@pytest.mark.spec("TR-3")
@pytest.mark.parametrize("room", [1, 2, 3, 4, 5])
def test_no_buffer_end_ends_data_early(room: int) -> None:
    """The same if the out buffer is full at every place."""
    for message in every_message():
        wire = encode(message, [room] * (2 * LONGEST + 3))
        assert wire == at_once(message), message


@pytest.mark.spec("TR-1", "TR-2", "TR-3")
@given(MESSAGES)
def test_any_message_arrives_as_its_canonical_form(message: bytes) -> None:
    """Also with NULs and 8-bit octets, which mean nothing special here."""
    check(message, at_once(message))


@given(MESSAGES, st.lists(st.integers(0, 9)))
def test_no_split_changes_the_octets(message: bytes, rooms: list[int]) -> None:
    """With any sequence of rooms, even empty ones, the same octets are written, and never beyond the room."""
    assert encode(message, [*rooms, enough(message)]) == at_once(message)


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r", b"\n\r", b"\r\r\n"])
def test_line_ends_far_apart(end: bytes) -> None:
    """CRs are searched for 16,384 octets at a time."""
    for length in (*range(16380, 16388), 32767, 32768):
        message = end.join([b"a" * length] * 3)
        check(message, at_once(message))
        check(end + message, at_once(end + message))


@pytest.mark.spec("EXT-2")
@given(MESSAGES, st.integers(1, 1000))
def test_facts(message: bytes, times: int) -> None:
    """lines_examine() tells the truth about a message, be it small or large."""
    message *= times
    facts = examine(message)
    assert facts.size == len(canonical(message))
    assert facts.long_line == (max(map(len, canonical(message).split(b"\r\n"))) > 998)
    assert facts.eightbit == any(octet > 127 for octet in message)
    assert facts.nul == (b"\0" in message)


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r", b""])
@pytest.mark.parametrize("length", [997, 998, 999, 70000])
def test_long_lines_are_measured_without_their_end(length: int, end: bytes) -> None:
    """A last line without an end counts like any other, and a doubled dot does not (TR-5)."""
    for first in (b"a", b"."):
        for before in (b"", b"short" + (end or b"\n"), b"short\r" * 170):
            facts = examine(before + first + b"b" * (length - 1) + end + b"short" * bool(end))
            assert facts.long_line == (length > 998)
