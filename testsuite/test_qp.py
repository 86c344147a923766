# SPDX-License-Identifier: ISC
"""qp.c: any line becomes quoted-printable that means the same, and broken quoted-printable is repaired."""

import binascii
import quopri
import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mocksrv.judge.mime import decode_quoted_printable
from testsuite.pure import QP_LINE_MAX, quoted_printable


def without_line_ends(bits: list[bytes]) -> bytes:
    """One line."""
    return b"".join(bits).translate(None, b"\r\n")


# Runs of plain octets that end around the last columns, and what decides what happens there.
RUNS = st.sampled_from([b"x" * length for length in range(60, 80)])
BITS = st.sampled_from(
    [b"=", b" ", b"\t", b"-", b"--", b".", b"\xe9", b"\0", b"\x7f", b"~", b"=41", b"=c3", b"=4", b"=\t", b"=ZZ"]
)
LINES = st.lists(RUNS | BITS | st.binary(max_size=9), max_size=9).map(without_line_ends)
# What may be in quoted-printable.
WELL_FORMED = re.compile(rb"(?:[\t -<>-~]|=[0-9A-Fa-f]{2})*=?")


def encode(line: bytes) -> list[bytes]:
    """qp_encode(), with what holds for any line."""
    lines = quoted_printable(line)
    check_lines(lines)
    return lines


def mend(line: bytes) -> list[bytes]:
    """qp_mend(), with what holds for any line. It is not shown white space at the end (encoder.c leaves that out)."""
    lines = quoted_printable(line.rstrip(b" \t"), mend=True)
    check_lines(lines)
    return lines


def check_lines(lines: list[bytes]) -> None:
    """Each is well-formed, not too long, and no beginning of a delimiter; all but the last have a soft line break."""
    for line in lines:
        assert len(line) <= QP_LINE_MAX
        assert WELL_FORMED.fullmatch(line)
        assert not line.startswith(b"--")
    for line in lines[:-1]:
        assert line.endswith(b"=")
    for line, following in zip(lines, lines[1:]):
        # What did not fit has one column or three; the break took one, unless it is all that was left.
        unit = 3 if following.startswith(b"=") and not following.startswith(b"=2D") else 1
        assert len(line) - 1 + unit > QP_LINE_MAX - (unit < len(following)) or b"=2D" in following


def joined(lines: list[bytes]) -> bytes:
    """The lines as one, without the breaks between them, and without the hyphens encoded for them."""
    whole = b"".join(line.removesuffix(b"=") for line in lines[:-1]) + lines[-1]
    return whole.replace(b"=2D", b"-")


@pytest.mark.spec("TR-8")
@given(LINES)
@example(b"")
@example(b"x" * 76)
@example(b"x" * 77)
@example(b"x" * 75 + b" ")
@example(b"x" * 73 + b" ")
@example(b"x" * 75 + b"--")
@example(b"-- ")
def test_an_encoded_line_means_the_line(line: bytes) -> None:
    """Three readers decode it to what it was; only what has to be is encoded."""
    lines = encode(line)
    octets = b"\r\n".join(lines)
    assert decode_quoted_printable(lines) == line + b"\r\n"
    assert binascii.a2b_qp(octets) == quopri.decodestring(octets) == line
    assert not lines[-1].endswith(b"=") and all(lines[1:])
    assert not any(one.endswith((b" ", b"\t")) for one in lines)
    plain = re.sub(rb"[^\t -<>-~]|[ \t]\Z", lambda found: b"=%02X" % found[0][0], line)
    assert joined(lines) == plain


@pytest.mark.spec("TR-8")
@given(LINES)
@example(b"x" * 74 + b"=41")
@example(b"x" * 73 + b"=41")
@example(b"x" * 73 + b"=41 ")
@example(b"x" * 75 + b"=")
@example(b"x" * 76 + b"= ")
@example(b"x" * 74 + b" " * 6)
@example(b" " * 99)
@example(b"= =")
@example(b"==41=")
def test_a_mended_line_means_what_it_meant(line: bytes) -> None:
    """Nothing is encoded twice: valid text stays, the rest is encoded; white space at the end has no meaning."""
    lines = mend(line)
    assert decode_quoted_printable(lines) == decode_quoted_printable([line])
    text = line.rstrip(b" \t")
    soft = b"=" if text.endswith(b"=") else b""
    stray = rb"(=[0-9A-Fa-f]{2})|[^\t -<>-~]|="
    expected = re.sub(stray, lambda found: found[1] or b"=%02X" % found[0][0], text.removesuffix(b"=")) + soft
    assert joined(lines) == expected.replace(b"=2D", b"-")
    assert all(lines[1:])


@pytest.mark.spec("TR-8")
@given(LINES)
def test_what_was_mended_or_encoded_needs_no_mending(line: bytes) -> None:
    """Doing it again changes nothing."""
    for one in [*encode(line), *mend(line)]:
        assert mend(one) == [one]


@pytest.mark.parametrize(
    ("line", "mended"),
    [
        (b"=4g", [b"=3D4g"]), (b"=c3=BC", [b"=c3=BC"]), (b"a=", [b"a="]), (b"a= \t", [b"a="]), (b"=", [b"="]),
        (b"=4", [b"=3D4"]), (b"=4G", [b"=3D4G"]), (b"=G4", [b"=3DG4"]), (b"==", [b"=3D="]), (b"==41", [b"=3D=41"]),
        (b"\xe9=E9", [b"=E9=E9"]), (b"--", [b"=2D-"]), (b"-=2D", [b"-=2D"]), (b"x" * 77, [b"x" * 75 + b"=", b"xx"]),
        (b"x" * 76 + b"=", [b"x" * 75 + b"=", b"x="]), (b"x" * 75 + b"=", [b"x" * 75 + b"="]),
        (b"x" * 73 + b"=41", [b"x" * 73 + b"=41"]), (b"x" * 74 + b"=41", [b"x" * 74 + b"=", b"=41"]),
        (b"x" * 73 + b"=41=", [b"x" * 73 + b"=", b"=41="]), (b"x" * 72 + b"=41=", [b"x" * 72 + b"=41="]),
        (b"x" * 75 + b"--", [b"x" * 75 + b"=", b"=2D-"]), (b"\0\x1f\x7f\t~ !", [b"=00=1F=7F\t~ !"]),
    ],
)  # fmt: skip
def test_examples_of_mending(line: bytes, mended: list[bytes]) -> None:
    """One for each rule."""
    assert mend(line) == mended


@pytest.mark.parametrize("octet", range(256))
def test_every_octet_in_every_place(octet: int) -> None:
    """Also within the words that are examined at once: each octet is judged by itself."""
    one = bytes([octet])
    is_plain = one == b"\t" or (b" " <= one <= b"~" and one != b"=")
    for place in range(18):
        line = b"y" * place + one + b"z" * (17 - place)
        if one in (b"\r", b"\n") or (place == 17 and one in (b" ", b"\t")):
            continue
        encoded = b"y" * place + (one if is_plain else b"=%02X" % octet) + b"z" * (17 - place)
        assert encode(line) == [encoded]
        assert mend(line) == [line if one == b"=" and place == 17 else encoded]
