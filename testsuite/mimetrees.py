# SPDX-License-Identifier: ISC
"""Strategies for messages: trees of MIME entities, and heaps of parts of such trees.

A tree is a list of lines. A tame one is what `email` and the manual page read alike; a wild one has also what only the
reader in mocksrv.judge.mime reads as the page says, and what cannot be made legal.
"""

import base64
import binascii
import itertools
from collections.abc import Callable

from hypothesis import strategies as st

Draw = Callable[[st.SearchStrategy], object]
Lines = list[bytes]


def _without_line_ends(octets: bytes) -> bytes:
    """One line. (Hypothesis reads the source of a lambda anew each time, which takes longer than all the rest.)"""
    return octets.translate(None, b"\r\n")


LONG = (b"x" * 999, b"word " * 250, b"." * 1200, b"-" * 1000, "ü".encode() * 600, b"=" * 1001, b"tab\t" * 249 + b"abc")
# Lines of text: delimiters, dots and `=` where quoted-printable could break them, 8-bit, controls, white space.
TEXT = st.sampled_from(
    [
        b"", b"plain", b".", b"..x", b"--", b"--b", b"--bb", b"--b--", b"-- ", b"From x", b"a: b", b"=", b"=41", b"x=",
        b"end \t", b" ", b"\t", "grün".encode(), b"\xe9t\xe9", b"\xff ", b"\x0c\x1b\x7f", b"\0", b"a\0b",
        b"w" * 73 + b"--b", b"w" * 75 + b"--b", b"w" * 72 + b"\xe9--b", b"e" * 74 + b".", b"e" * 75 + b"..",
        b"s" * 75 + b"  ", b"\xe9" * 30, b"y" * 998, *LONG,
    ]
)  # fmt: skip
OCTETS = st.binary(max_size=90).map(_without_line_ends)
TEXTS = st.lists(TEXT | OCTETS, max_size=5)
# Lines that any server accepts, and that mean the same in quoted-printable.
LEGAL_TEXTS = st.lists(st.sampled_from([b"", b"plain", b".", b"--", b"w" * 76, b"a: b"]), max_size=3)
# Stray octets and line breaks in quoted-printable, in addition to TEXT.
QUOTED_PRINTABLE = st.sampled_from(
    [
        b"=C3=BC", b"=c3=bc", b"=4", b"= ", b"=\t \t", b"==", b"==41", b"=ZZ", b"soft=", b"soft= ", b"--=", b"--=62",
        b"q" * 74 + b"=C3=BC", b"q" * 73 + b"=41", b"q" * 72 + b"=41=", b"q" * 75 + b"=", b"q" * 76 + b"=",
        b"q" * 74 + b" " * 6, b" " * 100, b"=C3=BC" * 200, b"q" * 72 + b"= \xe9",
    ]
)  # fmt: skip

FIELDS = st.sampled_from(
    [
        [b"Subject: hello"], [b"Received: from a", b"\tby b", b" \t", b" with c"], [b"To:" + b" bob@example.org," * 90],
        [b"X-Empty:"], [b"References:" + b" <a@b>" * 200, b" " + b"<c@d> " * 200], [b"X-Long: " + b"x" * 990],
        [b"X-Gap: " + b"g" * 600 + b" " * 300 + b"g" * 600],
    ]
)  # fmt: skip
WILD_FIELDS = FIELDS | st.sampled_from(
    [
        ["Subject: grün".encode()], ['From: "Jörg (x)" <j@x>, Dr. Ö <o@x>'.encode()], ["To: jörg@x".encode()],
        [b"Subject: =?utf-8?q?a?= \xe9 =?utf-8?b?YQ==?= \xe9"], ["X-Folded: ü".encode(), b" \xc3\xbc  b", " \tö ".encode()],
        [b"Received: from \xe9"], [b"Subject: \xe9t\xe9"], [b"X-Nul: \0"], [b"X-Word: " + b"w" * 999],
        [b"Subject : spaced"], [b"From a@b Wed Nov 13 15:46:34 2024"], [b">From x"], [b"X-Gap: a" + b" " * 1100 + b"b"], ["X-Both: ü ".encode() * 200], [b"no field"],
        [b"mime-version: 1.0"], [b"x--b: " + b"--b " * 300], [b"X-End: " + b"e" * 985 + b" " * 20], [b" continued"],
        [b"b" * 60 + b": \0"],
    ]
)  # fmt: skip
TYPES = st.sampled_from(
    [
        [], [b"Content-Type: text/plain; charset=utf-8"], [b"Content-Type: text/html"],
        [b"Content-Type:", b" application/octet-stream"],
    ]
)  # fmt: skip
WILD_TYPES = TYPES | st.sampled_from(
    [
        [b"Content-Type: nonsense"], [b"content-type: TEXT/plain (message/rfc822)", b" ; charset=x"],
        [b"Content-Type: message/delivery-status"], [b"Content-Type: message/Global"], [b"Content-Type: message/rfc822"],
        [b"Content-Type: multipart/mixed"], [b"Content-Type: text/plain", b"Content-Type: multipart/mixed; boundary=b"],
    ]
)  # fmt: skip
# Some are beginnings of others, and look like close delimiters of others.
WILD_BOUNDARIES = st.sampled_from([b"b", b"bb", b"b--", b"b-", b"=_b", b"a b", b"b:", b"b?"])
# No text looks like these: `email` takes consecutive delimiters for one.
BOUNDARIES = st.sampled_from([b"=_b", b"=_bb", b"a b", b"=_b-"])
# In the wild ones a CR and the LF of an empty line may come together.
ENDS = st.sampled_from([[b"\n"], [b"\r\n"], [b"\r"], [b"\r\n", b"\n"], [b"\n", b"\r", b"\r\n"]])
WILD_ENDS = ENDS | st.sampled_from([[b"\n", b"\r"], [b"\n", b"\r\n", b"\r"]])


def _quoted_printable(lines: Lines, keep_soft_breaks: bool) -> Lines:
    """Text as quoted-printable, with correct soft line breaks or with none."""
    encoded = binascii.b2a_qp(b"\n".join(lines))
    return (encoded if keep_soft_breaks else encoded.replace(b"=\n", b"")).split(b"\n")


def _base64(lines: Lines, width: int) -> Lines:
    """Text as base64, in lines of that width."""
    encoded = base64.b64encode(b"\n".join(lines))
    return [encoded[at : at + width] for at in range(0, len(encoded), width)]


def _encoding(name: str) -> Lines:
    """The field that names the encoding, if any."""
    return [b"Content-Transfer-Encoding: " + name.encode()] if name else []


@st.composite
def leafs(draw: Draw, wild: bool) -> Lines:
    """A header, a body in some encoding."""
    is_odd = wild and draw(st.integers(0, 3)) == 0
    header = draw(st.lists(WILD_FIELDS if is_odd else FIELDS, max_size=2)) + [draw(WILD_TYPES if is_odd else TYPES)]
    encodings = ["", "", "7bit", "8bit", "binary", "quoted-printable", "base64"]
    odd_encodings = ["x-uuencode", "8-bit", "utf-8", "8BIT (really)", "QUOTED-printable"] * is_odd
    name = draw(st.sampled_from(encodings + odd_encodings))
    body: Lines = draw(TEXTS)
    if name.lower() == "quoted-printable" and wild:
        body = body + draw(st.lists(QUOTED_PRINTABLE, max_size=4))
    elif name == "quoted-printable":
        body = _quoted_printable(body, draw(st.booleans()))
    elif name == "base64":
        footer = draw(TEXTS if is_odd else LEGAL_TEXTS) if wild else []
        body = _base64([*body, draw(st.sampled_from(LONG))], draw(st.sampled_from([60, 77, 998, 1000, 9999]))) + footer
    header.insert(draw(st.integers(0, len(header))), _encoding(name))
    blank = [] if is_odd and draw(st.booleans()) else [b""]
    return [line for one in header for line in one] + blank + body


def _boundary_parameter(boundary: bytes, style: int) -> Lines:
    """The same boundary, said in several ways; the last two are not read by `email`."""
    escaped = b"".join(b"%%%02X" % octet for octet in boundary)
    half = len(boundary) // 2
    quoted = b'"' + boundary + b'"'
    return [
        [b"; boundary=" + quoted],
        [b";", b"\tBOUNDARY=" + quoted + b"; x=y"],
        [b"; boundary*0=\"" + boundary[:half] + b"\"; boundary*1=\"" + boundary[half:] + b'"'],
        [b"; boundary*=us-ascii'en'" + escaped],
        [b" (comment; boundary=no \\) (nested))", b" ; (x) boundary (y) = (z) " + quoted + b"(;)"],
        [b"; boundary*1*=" + escaped[3 * half :] + b"; boundary*0=\"" + boundary[:half] + b'"; boundary*3=no'],
    ][style]  # fmt: skip


@st.composite
def multiparts(draw: Draw, children: st.SearchStrategy, wild: bool) -> Lines:
    """A multipart of some children, with everything that may be around them."""
    boundary = draw(WILD_BOUNDARIES if wild else BOUNDARIES)
    # `email` takes other things for a header than the page does, so it must not look for one in what is meant as text.
    subtype = draw(st.sampled_from([b"mixed", b"mixed", b"Alternative", b"signed"] + [b"digest"] * wild))
    kind = b"Content-Type: multipart/" + subtype
    first, *more = _boundary_parameter(boundary, draw(st.integers(0, 5 if wild else 2)))
    is_odd = wild and draw(st.integers(0, 5)) == 0
    fields = draw(st.lists(WILD_FIELDS if is_odd else FIELDS, max_size=1)) + [[kind + first, *more]]
    encodings = ["", "7bit", "8bit", "binary"] + ["quoted-printable", "x-b"] * is_odd
    fields.append(_encoding(draw(st.sampled_from(encodings))))
    lines = [line for one in fields for line in one]
    lines += [] if is_odd and draw(st.booleans()) else [b""]
    outside = TEXTS if is_odd else LEGAL_TEXTS
    lines += draw(outside)
    for part in draw(st.lists(children | st.just([]) if is_odd else children, min_size=not is_odd, max_size=3)):
        lines += [b"--" + boundary + b" \t" * is_odd, *part]
    if draw(st.integers(0, 3)):
        lines += [b"--" + boundary + b"--" + b"\t " * is_odd, *draw(outside)]
    return lines


@st.composite
def messages_in_parts(draw: Draw, children: st.SearchStrategy, wild: bool) -> Lines:
    """A message/rfc822 entity."""
    encoding = draw(st.sampled_from(["", "7bit", "8bit", "binary"] + ["base64", "quoted-printable"] * wild))
    blank = [] if wild and draw(st.integers(0, 9)) == 0 else [b""]
    return [*_encoding(encoding), b"Content-Type: message/rfc822", *blank, *draw(children)]


def trees(wild: bool) -> st.SearchStrategy[Lines]:
    """Entities in entities, as lines without their ends."""

    def grow(inner: st.SearchStrategy) -> st.SearchStrategy:
        """Adds a level around entities."""
        return multiparts(inner, wild) | messages_in_parts(inner, wild)

    return st.recursive(leafs(wild), grow, max_leaves=6)


def _joined(lines: Lines, ends: list[bytes], has_last_end: bool) -> bytes:
    """The lines with these ends, over and over."""
    pairs = list(zip(lines, itertools.cycle(ends)))
    whole = b"".join(line + end for line, end in pairs)
    return whole if has_last_end or not pairs else whole.removesuffix(pairs[-1][1])


def messages(wild: bool) -> st.SearchStrategy[bytes]:
    """Trees with all kinds of line ends, also with none at the end."""
    return st.builds(_joined, trees(wild), WILD_ENDS if wild else ENDS, st.booleans())


# Heaps: nothing in them needs to fit together.
_SCRAPS = st.sampled_from(
    [
        b"\n", b"\n", b"\r\n", b"\r", b"\n\n", b"\n\n", b" ", b":", b"\0", b"\xe9", "ü".encode(), b".", b"-", b"=",
        b"--b\n", b"\n--b\n", b"\n--b--\n", b"\n--c\n", b"--c--", b"--b--", b"\n--b \t\r", b"--", b"--bc\n",
        b"Content-Type: multipart/mixed; boundary=b\n", b"Content-Type: multipart/mixed; boundary=b\n\n--b\n",
        b'content-type: Multipart/Digest; boundary="c"\n', b"Content-Type: message/rfc822\n",
        b"Content-Type: text/plain\n", b"Content-Type: multipart/x; boundary=bc\n\n",
        b"Content-Type: multipart/mixed\n", b"Content-Type: ", b"Content-Type:\n", b"Content-Transfer-Encoding: 8bit\n",
        b"Content-Transfer-Encoding: binary\n", "Content-Transfer-Encoding: 8bit (ä)\n".encode(),
        b"Content-Transfer-Encoding: base64\n",
        b"Content-Transfer-Encoding: quoted-printable\n", b"Content-Transfer-Encoding:\n",
        b"content-transfer-encoding: x\n", b"Content-Transfer-Encoding: x (\0)\n", b"MIME-Version: 1.0\n", b"Subject: x\n", b"Subject", b"AAAA", b"=C3=BC",
        b"= \n", b"x" * 80, b"A" * 999, b"a " * 600, b" " * 80, b"\n" + b"z " * 500, b"n" * 998 + b"\n",
    ]
)  # fmt: skip
_STARTS = st.sampled_from(
    [
        b"", b"Content-Type: multipart/mixed; boundary=b\n\n--b\n",
        b"Content-Type: multipart/digest; boundary=c\n\n--c\n", b"Content-Type: message/rfc822\n",
        b"Content-Transfer-Encoding: base64\n\n", b"Content-Transfer-Encoding: quoted-printable\n\n",
    ]
)  # fmt: skip
HEAPS = st.builds(bytes.__add__, _STARTS, st.lists(_SCRAPS | st.binary(max_size=4), max_size=25).map(b"".join))
