# SPDX-License-Identifier: ISC
"""words.c: fields with 8-bit octets become encoded-words that Python's `email` reads as the original."""

import ctypes
import email.header
import email.utils
import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from testsuite.mimetrees import Draw
from testsuite.pure import LINE_MAX_TEXT, Field, Lines, Octets, Words, lib

WORD = re.compile(rb"=\?(utf-8|unknown-8bit)\?Q\?((?:[A-Za-z0-9!*+/_-]|=[0-9A-F]{2})+)\?=")


TROUBLES = ("", "place", "long")


class Stuck(Exception):
    """No encoded-word is allowed where one is needed; or a line is too long."""


def encode(field: bytes) -> list[bytes]:
    """The lines that words_next() makes of a field."""
    memory, lines, taken, words, found = Octets(field), Lines(), Field(), Words(), []
    lib.lines_open(ctypes.byref(lines), memory.span)
    assert lib.header_take_field(ctypes.byref(lines), ctypes.byref(taken))
    lib.words_open(ctypes.byref(words), ctypes.byref(taken))
    while True:
        out = ctypes.create_string_buffer(b"\xa5" * (LINE_MAX_TEXT + 9))
        length = lib.words_next(ctypes.byref(words), out)
        assert out.raw[LINE_MAX_TEXT + 1 : -1] == b"\xa5" * 8, "written beyond the room"
        if words.trouble:
            raise Stuck(TROUBLES[words.trouble])
        if length == 0:
            return found
        found.append(out.raw[:length])


def checked(field: bytes) -> bytes:
    """The same in one line; fails if it violates RFC 2047 or RFC 5322."""
    lines = encode(field)
    whole = b"".join(lines)
    is_utf8 = not re.search("[\udc80-\udcff]", field.decode("utf-8", "surrogateescape"))
    assert whole.isascii() and not re.search(rb"[\r\n]", whole)
    for number, line in enumerate(lines):
        assert line.strip() and len(line) <= LINE_MAX_TEXT
        assert number == 0 or line.startswith((b" ", b"\t"))
        words = [word for word in WORD.finditer(line) if word[0] not in field]
        assert not words or len(line) <= 76
        for word in words:
            assert len(word[0]) <= 75 and (word[1] == b"utf-8") == is_utf8
            text = re.sub(rb"=(..)", lambda one: bytes.fromhex(one[1].decode()), word[2].replace(b"_", b" "))
            assert not is_utf8 or text.decode()
    return whole


def shown(body: bytes) -> bytes:
    """What `email` shows of an unfolded unstructured body, whatever the charsets."""
    pieces = email.header.decode_header(body.decode("latin-1"))
    return b"".join(one if isinstance(one, bytes) else one.encode("latin-1") for one, _ in pieces)


TEXT = st.sampled_from(
    ["a", "Re:", "grün", "ü", "ö" * 40, "日本語" * 20, "😀", "x" * 30, "ü=?_", "a_b", '"ü"', "(ü", "=?utf-8?Q?a?=", "=?x", "?="]
).map(str.encode) | st.sampled_from([b"\xe9", b"t\xe9l", b"\xff" * 99, b"w" * 90, b"\x1b$B", b"=?utf-8?b?YQ==?=", b"x=?utf-8?q?a?="])
WHITE = st.sampled_from([b" ", b" ", b" ", b"  ", b"\t", b"\n ", b" \r\n\t ", b" " * 80])


@st.composite
def texts(draw: Draw) -> bytes:
    """Words and white space between them."""
    words = draw(st.lists(TEXT, min_size=1, max_size=12))
    return b"".join(draw(WHITE) + word for word in words) + draw(st.just(b"") | WHITE)


@pytest.mark.spec("TR-8")
@given(st.sampled_from([b"Subject:", b"X:", b"Content-Description :", b"X-" + b"y" * 70 + b":", b"From "]), texts())
@example(b"Subject:", " =?utf-8?Q?a?= ü =?utf-8?Q?b?= ü ü".encode())
@example(b"Subject:", b"\xe9 " + b"w" * 995)
def test_unstructured_text_reads_as_before(name: bytes, text: bytes) -> None:
    """Octet for octet, except for white space at both ends."""
    whole = checked(name + text + b"\n")
    assert whole.startswith(name)
    assert shown(whole[len(name) :]).strip() == shown(re.sub(rb"[\r\n]", b"", text)).strip()
    # Words in ASCII stay as they are.
    left = re.sub(rb"=\?\S*\?=", b"", whole[len(name) :]).split()
    plain = b" ".join(one for one in text.split() if one.isascii())
    assert left == re.sub(rb"=\?\S*\?=", b"", plain).split()


NAMES = ["Jörg", "Jörg Müller", "Dr. Ö", "plain", "Anna 'Ü' Ä", "ö" * 50, "a.b Ü", "=?utf-8?q?a?= Ü"]
QUOTED = ["Müller, Jörg", 'J "X" Ö', "a\\b ü", "(x) Ö <a@b>", "plain, too", "ü" * 99]


@st.composite
def mailboxes(draw: Draw) -> tuple[str, str, str]:
    """A mailbox, its display name, its address."""
    address = draw(st.sampled_from(["a@b.example", '"x y"@b.example', "long" * 16 + "@example.org"]))
    kind = draw(st.sampled_from(["bare", "name", "quoted", "comment"]))
    space = draw(st.sampled_from([" ", "", "  ", "\n\t"]))
    if kind == "bare":
        return address, "", address
    if kind == "comment":
        name = draw(st.sampled_from(["Jörg", "J Ö", "plain", "ü" * 60]))
        return f"{address} ({name})", name, address
    name = draw(st.sampled_from(NAMES if kind == "name" else QUOTED))
    written = '"' + re.sub(r'(["\\])', r"\\\1", name) + '"' if kind == "quoted" else name
    return f"{written}{space}<{address}>", name, address


def names_and_addresses(body: str) -> list[tuple[bytes, str]]:
    """As `email` reads them."""
    return [(shown(name.encode()), address) for name, address in email.utils.getaddresses([body])]


@pytest.mark.spec("TR-8")
@given(
    st.sampled_from(["From", "to", "Reply-To", "Resent-Cc"]), st.lists(mailboxes(), min_size=1, max_size=6),
    st.sampled_from([", ", ",", ",\n ", " , "]), st.booleans(),
)  # fmt: skip
def test_addresses_read_as_before(field: str, boxes: list[tuple[str, str, str]], comma: str, group: bool) -> None:
    """Each with its display name, quoted before or not; text in brackets stays."""
    body = comma.join(written for written, _, _ in boxes)
    body = f"Team Ü: {body};" if group else body
    whole = checked(f"{field}: {body}\n".encode()).decode()
    expected = [(shown(name.encode()), address) for _, name, address in boxes]
    assert names_and_addresses(whole.partition(":")[2]) == expected
    assert not any("=?" in quoted for quoted in re.findall(r'"(?:[^"\\]|\\.)*"', whole))


@pytest.mark.spec("TR-8")
@pytest.mark.parametrize(
    ("field", "lines"),
    [
        ("Subject: Grüße", ["Subject: =?utf-8?Q?Gr=C3=BC=C3=9Fe?="]),
        ("X:ü", ["X: =?utf-8?Q?=C3=BC?="]),
        ("Subject: a  ü", ["Subject: a =?utf-8?Q?_=C3=BC?="]),
        ("Subject: ü =?utf-8?q?b?=", ["Subject: =?utf-8?Q?=C3=BC_?= =?utf-8?q?b?="]),
        ("Subject: =?utf-8?q?b?= ü", ["Subject: =?utf-8?q?b?= =?utf-8?Q?_=C3=BC?="]),
        ("Subject: Re:=?utf-8?q?b?= ü", ["Subject: Re:=?utf-8?q?b?= =?utf-8?Q?_=C3=BC?="]),
        ("Subject: ü =?utf-8?q?b?=: c", ["Subject: =?utf-8?Q?=C3=BC_?= =?utf-8?q?b?=: c"]),
        ("X: ä\n  ö b ü", ["X: =?utf-8?Q?=C3=A4__=C3=B6?= b =?utf-8?Q?=C3=BC?="]),
        ('To: "Ü, J" <j@x>,a@b', ["To: =?utf-8?Q?=C3=9C=2C_J?= <j@x>, a@b"]),
        ("To: Jörg Müller <j@x>", ["To: =?utf-8?Q?J=C3=B6rg_M=C3=BCller?= <j@x>"]),
        ('To: J. "Ö" Müller <j@x>', ["To: J. =?utf-8?Q?=C3=96_M=C3=BCller?= <j@x>"]),
        ("To: Jörg<j@x>", ["To: =?utf-8?Q?J=C3=B6rg?= <j@x>"]),
        ("To: j@x (J. (x) \\)Ü)", ["To: j@x (J. (x) =?utf-8?Q?=29=C3=9C?=)"]),
        ("To: Ö(Ü)<j@x>", ["To: =?utf-8?Q?=C3=96?= (=?utf-8?Q?=C3=9C?=)<j@x>"]),
        ("To: j@x (ü", ["To: j@x (=?utf-8?Q?=C3=BC?="]),
        ("Date: 7 Mar (ü", ["Date: 7 Mar (=?utf-8?Q?=C3=BC?="]),
        ('From: "Jörg <j@x>', ["From: =?utf-8?Q?J=C3=B6rg?= <j@x>"]),
        ("From: (Jörg (Ü) B-( <j@x>", ["From: (=?utf-8?Q?J=C3=B6rg?= (=?utf-8?Q?=C3=9C?=) B-( <j@x>"]),
        ("From: (ä) ö (ü <j@x>", ["From: (=?utf-8?Q?=C3=A4?=) =?utf-8?Q?=C3=B6?=", " (=?utf-8?Q?=C3=BC?= <j@x>"]),
        ("To: Verteiler Süd", ["To: Verteiler =?utf-8?Q?S=C3=BCd?="]),
        ("To: Süd:a@b;", ["To: =?utf-8?Q?S=C3=BCd?= :a@b;"]),
        ("To: a@[IPv6:::1] (ü)", ["To: a@[IPv6:::1] (=?utf-8?Q?=C3=BC?=)"]),
        ("List-Id: Zäune <z.example>", ["List-Id: =?utf-8?Q?Z=C3=A4une?= <z.example>"]),
        ("List-Post: NO (für Gäste)", ["List-Post: NO (=?utf-8?Q?f=C3=BCr_G=C3=A4ste?=)"]),
        ("Keywords: grün, blau", ["Keywords: =?utf-8?Q?gr=C3=BCn?= , blau"]),
        ("Date: 7 Mar 06 10:07 +0100 (westeuropäisch)", ["Date: 7 Mar 06 10:07 +0100 (=?utf-8?Q?westeurop=C3=A4isch?=)"]),
        ("Content-Type: a/b;c=d:e(ü);f", ["Content-Type: a/b;c=d:e(=?utf-8?Q?=C3=BC?=);f"]),
        ("To: ü@ <j@x>", ["To: =?utf-8?Q?=C3=BC=40?= <j@x>"]),
        ('To: "ü@" J. ü@x (c) <j@x>', ["To: =?utf-8?Q?=C3=BC=40?= J. =?utf-8?Q?=C3=BC=40x?= (c) <j@x>"]),
        ('To: "ü@x"', ["To: =?utf-8?Q?=C3=BC=40x?="]),
        ("To: a@b,c@d, (ü)", ["To: a@b, c@d, (=?utf-8?Q?=C3=BC?=)"]),
        ('To: J."Ö"M <j@x>', ["To: =?utf-8?Q?J=2E=C3=96M?= <j@x>"]),
        ("To: (=?utf-8?q?a?= Ö) <j@x>", ["To: (=?utf-8?q?a?= =?utf-8?Q?_=C3=96?=) <j@x>"]),
        ("To: j@x (Ö =?utf-8?q?a?=)", ["To: j@x (=?utf-8?Q?=C3=96_?= =?utf-8?q?a?=)"]),
        ("Date: 7 Mar (ü =?utf-8?q?a?= b)", ["Date: 7 Mar (=?utf-8?Q?=C3=BC_?= =?utf-8?q?a?= b)"]),
        ("To: Jörg (j@home, <x>) <j@x>", ["To: =?utf-8?Q?J=C3=B6rg?= (j@home, <x>) <j@x>"]),
        ("To: j@x (ü\\\n  x)", ["To: j@x (=?utf-8?Q?=C3=BC?=  x)"]),
        ("Keywords: ü\\", ["Keywords: =?utf-8?Q?=C3=BC?="]),
        ("In-Reply-To: Jörgs Brief <a@b>", ["In-Reply-To: =?utf-8?Q?J=C3=B6rgs?= Brief <a@b>"]),
    ],
)
def test_examples(field: str, lines: list[str]) -> None:
    """One for each rule."""
    checked(f"{field}\n".encode())
    assert encode(f"{field}\n".encode()) == [line.encode() for line in lines]


@pytest.mark.spec("TR-8")
@pytest.mark.parametrize(
    "field",
    [
        "To: jörg@x", "To: <jörg@x>", "To: J <j@ü>", 'To: "jörg"@x', "To: a@b, jörg@x;", "To: T: a@b, ü@x;",
        "To: jörg (x) @y", "To: a@[ü]", "To: ü@x, J <j@x>", "To: ü@x; <j@x>", "To: B <b@x> ü@x",
        "To: ü@x (J <j>)", "To: ü (<) @x", "To: a@b, ü@x (a, (b) <c)",
    ],
)  # fmt: skip
def test_an_address_stays_refused(field: str) -> None:
    """No part of an address may be an encoded-word."""
    with pytest.raises(Stuck, match="place"):
        encode(f"{field}\n".encode())


@pytest.mark.spec("TR-8")
@pytest.mark.parametrize(
    "field",
    [
        "Date: ü", "Content-Type: a/b; name=ü", 'Content-Disposition: inline; filename="(ü)"', "Message-ID: <ü@x>",
        "References: <(ü)@x>", "Resent-Date: (x) ü", "List-Help: <mailto:ü>", "Date: (ü) ü", "DKIM-Signature: i=ü",
    ],
)  # fmt: skip
def test_structured_fields_stay_refused(field: str) -> None:
    """Those of a fixed form have no free text but that of comments."""
    with pytest.raises(Stuck, match="place"):
        encode(f"{field}\n".encode())


@pytest.mark.spec("TR-8")
def test_received_stays_refused() -> None:
    """RFC 2047 section 5 wants no encoded-word there, not even in a comment."""
    with pytest.raises(Stuck, match="place"):
        encode("received: from x (HELO ü)\n".encode())


@pytest.mark.spec("TR-8")
@pytest.mark.parametrize("field", [b"X: \xe9 " + b"w" * 998, b"X" * 998 + b": \xe9", b"X: \xe9 a" + b" " * 999 + b"b"])
def test_long_words_stay_refused(field: bytes) -> None:
    """Text that is not encoded must fit into a line."""
    with pytest.raises(Stuck, match="long"):
        encode(field + b"\n")


@given(st.sampled_from([b"To:", b"Subject:", b"Date:"]), st.lists(
    st.sampled_from([*(bytes([octet]) for octet in b'"\\()<>,;:@ a\n\t'), b"\n ", b"\xc3\xbc", b"\xe9", b"=?a?q?b?="]), max_size=25
).map(b"".join))  # fmt: skip
def test_no_field_is_too_strange(name: bytes, body: bytes) -> None:
    """It ends, in legal lines, or it gets stuck."""
    field = name + re.sub(rb"\n(?=[^ \t])", b"", body).rstrip(b"\n") + b"\n"
    try:
        checked(field)
    except Stuck:
        assert name != b"Subject:"
