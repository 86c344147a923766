# SPDX-License-Identifier: ISC
"""reply.c: every valid reply is read exactly, however it arrives, and nothing else is taken for one."""

import ctypes
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from testsuite.pure import (
    REPLY_COMPLETE, REPLY_INCOMPLETE, REPLY_LINE_MAX, REPLY_LINES_MAX, REPLY_MALFORMED, REPLY_MAX, Fed, feed, lib,
    read_reply,
)  # fmt: skip
from testsuite.tables import rows

pytestmark = pytest.mark.spec("EXT-8")


def as_line(octets: bytes) -> bytes:
    """Octets without a line end, or anything that could become one."""
    return octets.replace(b"\n", b"?").rstrip(b"\r")


def as_reply(octets: bytes) -> tuple[int, list[bytes], bytes]:
    """Octets in the form of what replies() gives."""
    return 0, [], octets


CODES = st.integers(200, 599)
TEXTS = st.binary(max_size=20).map(as_line)
ENDS = st.sampled_from([b"\r\r\n", b"\r\n", b"\n"])
# What a hostile or broken server may send: pieces of replies in any order.
GARBAGE = st.lists(
    st.sampled_from([b"250-a\n", b"550-b\n", b"250", b"250-", b"250 ", b"354 go", b"199 "])
    | st.sampled_from([b"600 ", b"25", b"2x0 ", b"250_", b"250\t", b"\r", b"\n", b"\r\n", b"\0"])
    | st.binary(max_size=4)
).map(b"".join)


def whole(octets: bytes) -> Fed:
    """The result for octets that arrive all at once."""
    return feed([octets])[0]


@st.composite
def replies(draw: st.DrawFn) -> tuple[int, list[bytes], bytes]:
    """A code, the lines without their ends, and the octets as they are sent."""
    code = draw(CODES)
    start = b"%d" % code
    texts = draw(st.lists(TEXTS, max_size=4))
    last = draw(st.just(b"") | TEXTS.map(b" ".__add__))
    lines = [*(start + b"-" + text for text in texts), start + last]
    return code, lines, b"".join(line + draw(ENDS) for line in lines)


@given(replies(), GARBAGE)
def test_a_valid_reply_is_read_back_exactly(reply: tuple[int, list[bytes], bytes], after: bytes) -> None:
    """Its code, its lines, its octets; later octets are left for the next reply."""
    code, lines, octets = reply
    text = b"".join(line + b"\n" for line in lines)
    assert whole(octets + after) == Fed(REPLY_COMPLETE, len(octets), code, len(lines), text)
    assert lib.reply_class(ctypes.byref(read_reply(octets))) == code // 100


@given(replies())
def test_a_reply_is_not_complete_before_its_last_octet(reply: tuple[int, list[bytes], bytes]) -> None:
    """Every shorter beginning asks for more."""
    _, _, octets = reply
    for length in range(len(octets)):
        assert whole(octets[:length]).state == REPLY_INCOMPLETE


@given(replies() | GARBAGE.map(as_reply), st.lists(st.integers(1, 5)))
def test_no_split_changes_the_result(reply: tuple[int, list[bytes], bytes], sizes: list[int]) -> None:
    """Octets that arrive in pieces give the same result as all at once."""
    octets = reply[2]
    pieces, at = [], 0
    for size in sizes:
        pieces.append(octets[at : at + size])
        at += size
    assert feed([*pieces, octets[at:]])[0] == whole(octets)


@given(GARBAGE)
def test_garbage_never_passes(octets: bytes) -> None:
    """A reply is complete only if a line-by-line reader of RFC 5321's grammar agrees."""
    code, expected, used = None, REPLY_INCOMPLETE, 0
    for number, line in enumerate(octets.split(b"\n")[:-1]):
        used += len(line) + 1
        line = line.removesuffix(b"\r").removesuffix(b"\r")
        if not line and not number:
            continue
        digits, mark = line[:3], line[3:4]
        if not re.match(rb"[2-5][0-9][0-9]([ \t-]|\Z)", line) or code not in (None, digits):
            expected = REPLY_MALFORMED
        elif mark != b"-":
            expected = REPLY_COMPLETE
        if expected != REPLY_INCOMPLETE:
            break
        code = digits
    fed = whole(octets)
    assert (fed.state, fed.used) == (expected, used)


@pytest.mark.parametrize("end", [b"\r\n", b"\n"])
def test_the_longest_line(end: bytes) -> None:
    """A line of 4,096 octets without its end is read; one of 4,097 is refused at once."""
    line = b"250 " + b"a" * (REPLY_LINE_MAX - 4)
    assert REPLY_LINE_MAX == 4096
    assert whole(line + end).text == line + b"\n"
    assert whole(line + b"a" + end).state == REPLY_MALFORMED
    assert whole(line + b"\r").state == REPLY_INCOMPLETE
    assert whole(line + b"aa").state == REPLY_MALFORMED


def test_the_most_lines() -> None:
    """1,000 lines are read, 1,001 are not."""
    assert REPLY_LINES_MAX == 1000
    assert whole(b"250-a\r\n" * 999 + b"250 z\r\n").lines == 1000
    assert whole(b"250-a\r\n" * 1000 + b"250 z\r\n").state == REPLY_MALFORMED


def test_the_longest_reply() -> None:
    """65,536 octets, each line end counted as one, are read, 65,537 are not."""
    line = b"250-" + b"a" * (4096 - 5) + b"\n"
    assert len(line) * 16 == REPLY_MAX == 65536
    last = line.replace(b"-", b" ")
    assert whole(line * 15 + last).text == line * 15 + last
    assert whole(line * 15 + last[:-1] + b"a\n").state == REPLY_MALFORMED


@pytest.mark.spec("RES-5")
@pytest.mark.parametrize(("line", "expected"), rows("enhanced-codes"))
def test_enhanced_codes(line: bytes, expected: bytes) -> None:
    """The enhanced status code (RFC 3463) of a reply; `-`: it has none of its own class."""
    code = ctypes.create_string_buffer(b"unset", 12)
    found = lib.reply_enhanced(ctypes.byref(read_reply(line + b"\r\n")), code)
    assert (code.value if found else b"-") == expected
