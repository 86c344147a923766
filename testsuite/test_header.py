# SPDX-License-Identifier: ISC
"""header.c: fields are found, folded and understood as they are in real mail."""

import ctypes
import email.message
import re

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from mocksrv.case.octets import canonical
from mocksrv.judge.mime import LONGEST
from testsuite.mimerules import can_be_folded
from testsuite.mimetrees import Draw
from testsuite.pure import (
    BOUNDARY_MAX, ENCODING_7BIT, ENCODING_8BIT, ENCODING_BASE64, ENCODING_BINARY, ENCODING_QUOTED_PRINTABLE,
    ContentType, Field, Lines, Octets, Span, lib,
)  # fmt: skip
from testsuite.tables import rows

FLAGS = ("multipart", "digest", "message", "rfc822")


def octets_of(span: Span) -> bytes:
    """A copy of them."""
    return ctypes.string_at(span.data, span.length) if span.length else b""


def take_fields(header: bytes) -> tuple[list[tuple[bytes, bytes, bytes]], bytes]:
    """All fields that header_take_field() finds, as name, body and octets, and the rest."""
    memory, lines, field, found = Octets(header), Lines(), Field(), []
    lib.lines_open(ctypes.byref(lines), memory.span)
    while lib.header_take_field(ctypes.byref(lines), ctypes.byref(field)):
        found.append((octets_of(field.name), octets_of(field.body), octets_of(field.octets)))
    left = lines.end - lines.at
    return found, header[len(header) - left :]


def read_type(body: bytes) -> tuple[str, bytes]:
    """header_read_type(): the flags, and the boundary."""
    kind, memory = ContentType(), Octets(body)
    ctypes.memset(ctypes.byref(kind), 0xA5, ctypes.sizeof(kind))
    lib.header_read_type(memory.span, ctypes.byref(kind))
    start = ctypes.addressof(kind) + ContentType.boundary.offset
    return ",".join(flag for flag in FLAGS if getattr(kind, flag)) or "-", ctypes.string_at(start, kind.boundary_length)


def fold(line: bytes, is_first: bool) -> list[bytes] | None:
    """The pieces that header_fold() cuts a line into; None if it cannot."""
    memory, pieces = Octets(line), []
    rest = Span(memory.span.data, memory.span.length)
    while rest.length > 0:
        piece = lib.header_fold(ctypes.byref(rest), is_first)
        if not piece.data:
            return None
        pieces.append(octets_of(piece))
        is_first = False
    return pieces


@pytest.mark.spec("TR-8")
@pytest.mark.parametrize(("body", "flags", "boundary"), rows("content-types"))
def test_examples_of_types(body: bytes, flags: bytes, boundary: bytes) -> None:
    """What is written in the table."""
    assert read_type(body) == (flags.decode(), boundary)


@pytest.mark.spec("TR-8")
@pytest.mark.parametrize("length", [1, 70, BOUNDARY_MAX - 1, BOUNDARY_MAX, BOUNDARY_MAX + 1, 5000])
def test_a_boundary_fits_into_a_delimiter(length: int) -> None:
    """In any form, one that is too long counts as none."""
    boundary = (b"b" * length + b"1234567890")[-length:]
    expected = boundary if length <= BOUNDARY_MAX else b""
    half = length // 2
    for value in (
        b"=" + boundary,
        b'="' + b"".join(b"\\%c" % octet for octet in boundary) + b'"',
        b"*=''" + b"".join(b"%%%02x" % octet for octet in boundary),
        b"*1=" + boundary[half:] + b"; boundary*0*=''" + boundary[:half],
    ):
        assert read_type(b"multipart/mixed; boundary" + value) == ("multipart", expected)


# Comments and white space, as they may be between any two words.
GAPS = st.sampled_from(
    [b"", b"", b" ", b"\t", b"\r\n ", b"\n\t", b"(c)", b" (a (b) \\) c)\r\n ", b'(")', b"(; boundary=no)", b"(\\()"]
)
OTHERS = st.sampled_from([b"charset=x", b'x="; boundary=no"', b"boundaries=no"])
ODD_OTHERS = OTHERS | st.sampled_from([b"boundary*7=no", b'y="\\";"', b"z=", b"boundary"])
BOUNDARY = st.text("abYZ09'()+_,-./:=?% \\\";*", min_size=1, max_size=12).map(str.encode)


def quoted(text: bytes) -> bytes:
    """As a quoted string."""
    return b'"' + re.sub(rb'(["\\])', rb"\\\1", text) + b'"'


def extended(text: bytes) -> bytes:
    """As an extended value, its charset not included."""
    return re.sub(rb"[^A-Za-z0-9]", lambda found: b"%%%02X" % found[0][0], text)


@st.composite
def boundary_parameters(draw: Draw) -> tuple[bytes, list[bytes]]:
    """A boundary, and parameters that hold it."""
    boundary = draw(BOUNDARY).rstrip(b" ") or b"b"
    cut = draw(st.integers(0, len(boundary)))
    first, last = boundary[:cut], boundary[cut:]
    style = draw(st.sampled_from(["quoted", "bare", "extended", "sections", "mixed sections"]))
    if style == "quoted" or (style == "bare" and (re.search(rb'[ ;(]|^"', boundary))):
        return boundary, [b"boundary=" + quoted(boundary)]
    if style == "bare":
        return boundary, [b"boundary=" + boundary]
    if style == "extended":
        return boundary, [b"BOUNDARY*=us-ascii'en'" + extended(boundary)]
    if style == "sections":
        return boundary, draw(st.permutations([b"boundary*0=" + quoted(first), b"boundary*1=" + quoted(last)]))
    outer = [b"boundary*0*=''" + extended(first[:1]), b"boundary*2*=" + extended(last)]
    return boundary, draw(st.permutations([*outer, b"boundary*1=" + quoted(first[1:])]))


@st.composite
def types(draw: Draw, gaps: st.SearchStrategy[bytes], others: st.SearchStrategy[bytes]) -> tuple[bytes, bytes]:
    """The body of a Content-Type field of a multipart, and its boundary."""
    boundary, parameters = draw(boundary_parameters())
    for other in draw(st.lists(others, max_size=2)):
        parameters = [other, *parameters] if draw(st.booleans()) else [*parameters, other]
    words = [b"multipart", b"/", b"Mixed"]
    for parameter in parameters:
        name, equals, value = parameter.partition(b"=")
        words += [b";", name, equals, value]
    return b"".join(draw(gaps) + word for word in words) + draw(gaps), boundary


@pytest.mark.spec("TR-8")
@given(types(GAPS, ODD_OTHERS))
def test_a_boundary_is_found_however_it_is_written(written: tuple[bytes, bytes]) -> None:
    """Quoted or not, continued and extended, with comments and other parameters around it."""
    body, boundary = written
    assert read_type(body) == ("multipart", boundary)


@pytest.mark.spec("TR-8")
@given(types(st.sampled_from([b"", b" "]), OTHERS))
def test_python_finds_the_same_boundary(written: tuple[bytes, bytes]) -> None:
    """`email` agrees, for what it understands: no comments, no quoted pairs, no half parameters."""
    body, boundary = written
    assume(not re.search(rb"[\\\"';%]", boundary))
    message = email.message.Message()
    message["Content-Type"] = body.decode()
    assert message.get_boundary() == read_type(body)[1].decode()


@pytest.mark.spec("TR-8")
@pytest.mark.parametrize(
    ("body", "encoding"),
    [
        (b"", ENCODING_7BIT), (b" \t", ENCODING_7BIT), (b" (8bit)", ENCODING_7BIT), (b" 7bit", ENCODING_7BIT),
        (b"7BIT\r\n", ENCODING_7BIT), (b" 8bit", ENCODING_8BIT), (b"8BiT", ENCODING_8BIT),
        (b"\r\n\t8bit\r\n", ENCODING_8BIT), (b" (x (y)) 8bit(z)", ENCODING_8BIT), (b" binary", ENCODING_BINARY),
        (b" quoted-printable", ENCODING_QUOTED_PRINTABLE), (b"Quoted-Printable ", ENCODING_QUOTED_PRINTABLE),
        (b" base64", ENCODING_BASE64), (b" BASE64 (x)", ENCODING_BASE64), (b" base64; x=y", ENCODING_BASE64),
        (b" 8bit base64", ENCODING_8BIT), (b" x-uuencode", ENCODING_BINARY), (b" 8bits", ENCODING_BINARY),
        (b" 8", ENCODING_BINARY), (b" base-64", ENCODING_BINARY), (b" quoted", ENCODING_BINARY),
        (b" utf-8", ENCODING_BINARY), (b" binar\xff", ENCODING_BINARY), (b" bas\0", ENCODING_BINARY),
    ],
)  # fmt: skip
def test_examples_of_encodings(body: bytes, encoding: int) -> None:
    """The first token decides; an unknown one counts as binary."""
    memory = Octets(body)
    assert lib.header_read_encoding(memory.span) == encoding


FIELD_NAMES = st.sampled_from([b"Subject", b"X", b"!#$~", b"--b", b"0"])
LINE_ENDS = st.sampled_from([b"\n", b"\r\n", b"\r"])
FROM_LINES = st.builds(
    lambda mark, rest, end: (mark, rest + end, mark + rest + end),
    st.sampled_from([b"From ", b">From "]), st.sampled_from([b"", b"a@b Wed Nov 13 15:46:34 2024", b"x", b"\xe9: y"]), LINE_ENDS,
)  # fmt: skip
VALUES = st.sampled_from([b"", b" ", b"a", b" a: b", b":", b"\xe9\0"])


def written_field(name: bytes, white: bytes, values: list[bytes], end: bytes) -> tuple[bytes, bytes, bytes]:
    """Name, body and octets of a field of that many lines."""
    body = (end + b" ").join(values) + end
    return name, body, name + white + b":" + body


WRITTEN_FIELDS = st.builds(
    written_field, FIELD_NAMES, st.sampled_from([b"", b"", b" ", b"\t "]), st.lists(VALUES, min_size=1, max_size=3),
    LINE_ENDS,
)  # fmt: skip
# Lines that begin no field.
REST = st.sampled_from(
    [b"", b"\n", b"\r\nX: y\n", b"text\n", b": x\n", b"\xc3\xbc: x", b"a b: c", b"a\0: b", b"a\x7f: b", b"--b\nX: y", b"From", b"from x", b"From\tx", b">>From x"]
)


@pytest.mark.spec("TR-8")
@given(st.lists(WRITTEN_FIELDS | FROM_LINES, max_size=4), REST)
def test_fields_are_taken(fields: list[tuple[bytes, bytes, bytes]], rest: bytes) -> None:
    """Each with its continuation lines, whatever ends them, up to something that is not a field."""
    header = b"".join(octets for _, _, octets in fields)
    # These two would be one line end.
    assume(not (header.endswith(b"\r") and rest.startswith(b"\n")))
    assert take_fields(header + rest) == (fields, rest)


@given(st.lists(st.sampled_from([b"a", b"From ", b">", b":", b" ", b"\r", b"\n", b"\xe9", b"\0", b"\t"]), max_size=12).map(b"".join))
def test_any_octets_are_fields_or_not(octets: bytes) -> None:
    """Nothing is lost, and each field is in canonical form what RFC 5322 calls one."""
    fields, rest = take_fields(octets)
    assert b"".join(field for _, _, field in fields) + rest == octets
    for name, body, field in fields:
        assert re.fullmatch(rb"([!-9;-~]+[ \t]*:|>?From )[^\r\n]*(\r\n[ \t][^\r\n]*)*\r\n", canonical(field))
        assert field.startswith(name) and field.endswith(body)


# Words and gaps about as long as a line, so that folding is hard, and sometimes impossible.
WORDS = st.sampled_from([b"w" * length for length in (1, 2, 10, 300, 490, 500, 989, 990, 991, 995, 996, 997, 998)])
WHITE = st.sampled_from([b" " * length for length in (1, 1, 2, 3, 10, 300, 490, 990, 996, 997, 998)] + [b"\t", b" \t"])
# Everything up to the colon must stay together, even with white space in it.
STARTS = st.sampled_from(
    [b"X:", b"X: ", b"X :", b"X:a", b"X :" + b"w" * 996, b"X \t:" + b"w" * 995]
    + [b"X" * length + b":" for length in (990, 997, 998)]
)


@st.composite
def long_lines(draw: Draw) -> tuple[bytes, bool]:
    """A line of a field, and whether it is its first."""
    is_first = draw(st.booleans())
    pairs = draw(st.lists(st.tuples(WHITE, WORDS), min_size=1, max_size=6))
    start = draw(STARTS) if is_first else b""
    return start + b"".join(gap + word for gap, word in pairs) + draw(st.just(b"") | WHITE), is_first


@pytest.mark.spec("TR-8")
@given(long_lines())
@example((b"X :" + b"w" * 996 + b" w", True))
@example((b"X: w" + b" " * 998 + b"w", True))
def test_a_line_is_folded_wherever_it_can_be(written: tuple[bytes, bool]) -> None:
    """The pieces are the line, none is too long or white space only, and each but the first begins with white space."""
    line, is_first = written
    pieces = fold(line, is_first)
    assert (pieces is not None) == can_be_folded(line, is_first)
    if pieces is None:
        return
    assert b"".join(pieces) == line
    assert not is_first or b":" in pieces[0]
    for piece in pieces:
        assert len(piece) <= LONGEST and (len(line) <= LONGEST or piece.strip(b" \t"))
    for piece in pieces[1:]:
        assert piece.startswith((b" ", b"\t"))


@given(st.lists(st.integers(1, 99), min_size=30, max_size=60))
def test_a_line_is_not_folded_more_than_it_has_to_be(lengths: list[int]) -> None:
    """Between ordinary words each piece is so long that the next word would not fit."""
    pieces = fold(b"X:" + b"".join(b" " + b"w" * length for length in lengths), True)
    assert pieces
    for one, other in zip(pieces, pieces[1:]):
        assert len(one) + len(other.split()[0]) + 1 > LONGEST
