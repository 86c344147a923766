# SPDX-License-Identifier: ISC
"""mime.c, entity.c, nest.c and encoder.c: a recoded message is legal and keeps its meaning, or a report says why not."""

import ctypes
import itertools
import re
import subprocess

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

# Before the import, so that its assertions show what they compare.
pytest.register_assert_rewrite("testsuite.mimecheck")

from mocksrv.case.octets import canonical
from mocksrv.judge import mime
from mocksrv.judge.mime import is_base64
from testsuite import mimetrees, pure
from testsuite.mimecheck import REFUSED, SERVERS, check, described, result_of, run
from testsuite.mimerules import Server
from testsuite.pure import ENCODER_ROOM_MIN, ROOT, Octets, lib

MESSAGES = ROOT / "fixtures/messages"
ANY_SERVER = st.sampled_from(SERVERS)
# Rooms around the one that brings progress, and the sizes of a line of quoted-printable.
ROOMS = st.lists(st.sampled_from([0, 1, 2, 3, 76, 77, 78, 79, ENCODER_ROOM_MIN, 81, 160, 1000, 5000]), max_size=6)
# These find most; `settings.default` is what the profile says.
MANY = settings(max_examples=4 * settings.default.max_examples)


REWRITTEN = b"".join(b"X-Field-%d: of many\n" % number for number in range(20)) + (
    b"X-Long:" + b" y" * 600 + b"\nX-Words: \xe4 x \xe4\nTo: \xe4 (\xe4) <a@b>, \xe4 <c@d>\n"
    b"Content-Type: multipart/mixed; boundary=b\n\n\xe4 " + b"x" * 1200 + b"\n--b\nX: y\n\n\xe4\n--b\n"
    b"Content-Transfer-Encoding: base64\n\n" + b"A" * 1000 + b"\n\xe4\n--b--\n"
)


@pytest.mark.spec("IN-4")
@pytest.mark.parametrize("later", [b"\n", b"x", b" ", b"a: b\n", b"--b\n", b"--b--\n", b"\0", b"(", b"<", b"\xe4"])
def test_a_file_that_is_rewritten_meanwhile_leads_nowhere_else(later: bytes) -> None:
    """The output is nonsense, and the caller drops it; but all of it was in the file, or is our own."""
    other = (later * len(REWRITTEN))[: len(REWRITTEN)]
    for when in range(70):
        wire = pure.recode_while_rewritten(REWRITTEN, other, ENCODER_ROOM_MIN, when)
        assert set(wire) <= set(REWRITTEN + other) | set(range(0x20, 0x7F)) | {9, 10, 13}


@pytest.mark.spec("TR-4", "TR-5", "TR-7", "TR-8", "TR-9")
@MANY
@given(mimetrees.messages(wild=True), ANY_SERVER)
def test_what_is_recoded_means_what_it_meant(message: bytes, server: Server) -> None:
    """Trees of all kinds: the result is legal, and means the same part by part; or the trouble is one that they have.

    Also all else that mimecheck.check() looks at.
    """
    check(message, server)


@MANY
@given(mimetrees.HEAPS, ANY_SERVER)
def test_no_message_is_too_strange(message: bytes, server: Server) -> None:
    """Text without any order is read as the page says, too."""
    check(message, server)


@pytest.mark.spec("TR-8")
@MANY
@given(mimetrees.messages(wild=False), ANY_SERVER)
def test_another_reader_agrees(message: bytes, server: Server) -> None:
    """Python's `email` decodes the result to what it decodes the source to, part by part.

    It gets the source in its canonical form, since it keeps lone CRs where they arrive as CR LF.
    """
    recoded = run(message, server)
    if not recoded.trouble:
        assert described(result_of(recoded)) == described(canonical(message))


@pytest.mark.spec("EXT-2", "TR-8")
@MANY
@given(mimetrees.messages(wild=True) | mimetrees.HEAPS, ANY_SERVER, ROOMS)
def test_no_room_changes_the_octets(message: bytes, server: Server, rooms: list[int]) -> None:
    """With any sequence of rooms, the same octets are written, as many as were announced."""
    recoded = run(message, server)
    if not recoded.trouble:
        assert run(message, server, itertools.cycle([*rooms, ENCODER_ROOM_MIN])) == recoded


# Why `email` must not judge these: it does not read comments in parameters, nor quoted pairs in boundaries; it keeps
# white space at the end of quoted-printable lines; it looks for a header in an embedded message that is base64; it decodes
# uuencode, which MIME does not know; `>From ` ends a header for it, and message/global is
# a message.
NOT_FOR_EMAIL = {"comments.eml", "boundary-quoted-pair.eml", "embedded-base64.eml"}
NOT_FOR_EMAIL |= {"cr-quoted-printable.eml", "quoted-printable-broken.eml"}
# Octets that become `?` are lost; a display name may lose its quotes.
NOT_FOR_EMAIL |= {"base64-footer-8bit.eml", "bounce-status-8bit.eml", "delivery-status-8bit.eml", "epilogue-8bit.eml"}
NOT_FOR_EMAIL |= {"preamble-8bit.eml", "preamble.eml", "preamble-long.eml", "boundary-inner-dashes.eml"}
NOT_FOR_EMAIL |= {"message-global.eml", "names-utf-8.eml"}
NOT_FOR_EMAIL |= {"embedded-from-line.eml", "uuencode-8bit.eml", "uuencode-long-line.eml"}


def corpus() -> list[tuple[str, str]]:
    """The messages of the corpus, and what its README says of each."""
    found = re.findall(r"^(\S+\.eml) +(.*)", (MESSAGES / "README").read_text(), re.M)
    assert len(found) == len(set(dict(found))) == len(list(MESSAGES.glob("*.eml"))) > 100
    return found


@pytest.mark.spec("TR-4", "TR-5", "TR-7", "TR-8", "EXT-7")
@pytest.mark.parametrize(("name", "remark"), corpus(), ids=str)
def test_the_corpus(name: str, remark: str) -> None:
    """Only what the README marks cannot be sent; SMTPUTF8 helps only with raw UTF-8 in a field."""
    message = (MESSAGES / name).read_bytes()
    for server in SERVERS:
        recoded = check(message, server)
        helped = server.eightbitmime or (server.smtputf8 and "raw UTF-8" in remark)
        assert bool(recoded.trouble) == ("[DATA]" in remark or ("[7bit]" in remark and not helped))
        if not recoded.trouble and name not in NOT_FOR_EMAIL:
            assert described(result_of(recoded)) == described(canonical(message))
        wanted = server.smtputf8 and not server.eightbitmime and "raw UTF-8" in remark
        assert recoded.utf8_header == wanted


MIXED = b"Content-Type: multipart/mixed; boundary=b\n"
INNER = MIXED.replace(b"=b", b"=c")
DIGEST = b"Content-Type: multipart/digest; boundary=b\n"
RFC822 = b"Content-Type: message/rfc822\n"
CTE = b"Content-Transfer-Encoding: "
NO_8BITMIME = "has 8-bit octets, and the server does not offer 8BITMIME"
UNFOLDABLE = "has a line of more than 998 octets that cannot be folded"
TROUBLES = [
    (b"Subject: \0\n\n", "the field Subject has a NUL"),
    (b"rECeived : \xe9\n", f"the field rECeived {NO_8BITMIME}"),
    (b"A: x\nDate: \xff\nC: \0\n\n\0", f"the field Date {NO_8BITMIME}"),
    (b"From: <\xe9@x>\n", f"the field From {NO_8BITMIME}"),
    (b"Resent-To: \xe9@x\n", f"the field Resent-To {NO_8BITMIME}"),
    (b"X: \xe9 " + b"w" * 998, f"the field X {UNFOLDABLE}"),
    (b"X" * 998 + b": \xe9", f"the field {'X' * 50} {UNFOLDABLE}"),
    (b"X: \0\xe9" + b" x" * 500, "the field X has a NUL"),
    (b"X:" + b"x" * 997, f"the field X {UNFOLDABLE}"),
    (b"X:" + b"x" * 996 + b" " * 3, f"the field X {UNFOLDABLE}"),
    (b"X: a\n " + b"x" * 998, f"the field X {UNFOLDABLE}"),
    (b"X: a\n" + b" " * 998 + b"x", f"the field X {UNFOLDABLE}"),
    (b"X" * 51 + b":\0\n", f"the field {'X' * 50} has a NUL"),
    (b"X" * 998 + b": x\n", f"the field {'X' * 50} {UNFOLDABLE}"),
    (CTE + b"\xe9\n\nx", f"the field Content-Transfer-Encoding {NO_8BITMIME}"),
    (RFC822 + b"\nTo: \0\n", "the field To of its body has a NUL"),
    (MIXED + b"\n--b\n--b\nX: \0", "the field X of part 2 has a NUL"),
    (MIXED + b"\n--b\nContent-Type: message/rfc822\n\nDate: \xe9\n", f"the field Date of part 1 {NO_8BITMIME}"),
    (MIXED + b"\n--b\n--b\n" + INNER + b"\n--c\nX:\0\n", "the field X of part 2.1 has a NUL"),
    (MIXED + b"\n--b\n\n--b\n" + INNER + b"\n--c\n\n--c--\n--b\nX:\0", "the field X of part 3 has a NUL"),
    (MIXED + b"\n--b" + b" " * 999 + b"\n", "its body has a delimiter that cannot be sent"),
    (MIXED.replace(b"=b", b"*=''%00") + b"\n--\0\n", "its body has a delimiter that cannot be sent"),
    (MIXED.replace(b"=b", b"*=''%E9") + b"\n--\xe9--\n", "its body has a delimiter that cannot be sent"),
    (MIXED + b"\n\xe9", "its body is a multipart without a delimiter"),
    (MIXED + b"\n--b\n" + INNER + b"\n\xe9\n--b", "part 1 is a multipart without a delimiter"),
    (b"Content-Type: multipart/mixed\n\n\xe9", "its body is a multipart without a usable boundary"),
    (MIXED.replace(b"=b", b"=" + b"b" * 989) + b"\n--" + b"b" * 989 + b"\n", f"the field Content-Type {UNFOLDABLE}"),
    (
        MIXED.replace(b"=b", b"=" + b"b" * 995) + b"\n--" + b"b" * 995 + b"\n\xe9",
        "its body is a multipart without a usable boundary",
    ),
    (MIXED.replace(b"=b", b'=" "') + b"\n\xe9", "its body is a multipart without a usable boundary"),
]  # fmt: skip


@pytest.mark.spec("TR-8")
@pytest.mark.parametrize(("message", "trouble"), TROUBLES, ids=range(len(TROUBLES)))
def test_what_cannot_be_sent_is_named(message: bytes, trouble: str) -> None:
    """The field or the part, and what is wrong with it; of several, the first."""
    assert check(message, Server(False, False)).trouble == f"{REFUSED}{trouble}."
    check(message, Server(True, True))


# Things that went wrong, or easily could.
EXAMPLES = {
    # The new fields of an embedded message without header must not become those of the part.
    "digest part without header and blank line": DIGEST + b"\n--b\n\xe9\n--b--\n",
    "message part without blank line": MIXED + b"\n--b\nContent-Type: message/rfc822\n\xe9\n--b--\n",
    "message part without blank line, CTE 8bit":
        MIXED + b"\n--b\nContent-Type: message/rfc822\n" + CTE + b"8bit\n\xe9\n--b--\n",
    "headers only, multipart without blank line": MIXED + b"--b\n\n\xe9\n--b--\n",
    # White space at the end of a line has no meaning, and must not come before a soft line break.
    "white space at the end of quoted-printable":
        CTE + b"quoted-printable\n\n" + b"q" * 74 + b" " * 6 + b"\n=E9\xe9\n",
    "nothing but white space in quoted-printable": CTE + b"quoted-printable\n\n\xe9\n" + b" " * 200,
    "a legal multipart beside an illegal part":
        MIXED + b"\n--b\n" + CTE + b"binary\n" + INNER + b"\n--c\n\n--b\n\n\xe9",
    "white space after the close delimiter": MIXED + b"\n--b \n\n\xe9\n--b-- \t\n--b\n",
    "a header that ends at a delimiter with a colon":
        MIXED.replace(b"=b", b'="b:"') + b"\n--b:\n" + CTE + b"base64\n--b:\n\n\xe9\n--b:--\n",
    "a boundary with a colon": MIXED.replace(b"=b", b'="b:"') + b"--b:\n\xe9\n--b:--\n",
    "UTF-8 in a field, and not UTF-8 in the next": b"A: gr\xc3\xbcn\nB: \xe9\n\n" + b"x" * 999,
    "two encodings": CTE + b"8bit\n" + CTE + b"base64\n\n\xe9\n",
    "two types": b"Content-Type: text/plain\n" + MIXED + b"\n--b\n\xe9\n",
    "encodings that nobody knows": MIXED + CTE + b"8-bit\n\n--b\n" + CTE + b"utf-8\n\n\xe9\n--b\n" + RFC822 + CTE + b"8\n\nX: y\n\n\0",
    "lines that a mailbox left in the header":
        b"From a@b Wed Nov 13 15:46:34 2024\n>From c\n" + MIXED + b"\n--b\n" + RFC822 + b"\nFrom: x\n"
        b"From d: e\n" + CTE + b"8bit\n\n\xe9\n--b\nFrom f\n\n\xe9\n",
    "text in front of the parts": MIXED + b"\n\xe9\n--b\n",
    "a long line after the parts": MIXED + b"\n--b\n--b--\n" + b"x" * 998 + b"--b--" + b"y" * 2000,
    "a NUL after the parts": MIXED + b"\n--b--\n\0",
    "text after the parts of a part": MIXED + b"\n--b\n--b\n" + INNER + b"\n--c\n--c--\n\0\n--b--",
    "a delivery report": b"Content-Type: message/delivery-status\n\nA: \xe9" + b" x" * 999 + b"\n\nB: \xc3\xbc\n",
    "part of a message": MIXED + b"\n--b\nContent-Type: message/partial\n\n\0",
    "global messages": b"".join(
        MIXED.replace(b"=b", b"=" + kind) + b"\n--" + kind + b"\nContent-Type: message/" + kind + b"\n\n\xc3\xbc\n"
        for kind in (b"global", b"global-headers", b"globally")
    ),
    "what is no base64": CTE + b"base64\n\nAAAA\0\n\xe9\n" + b"-" * 2000 + b"\n" + b"A" * 2000 + b"\n\n" + b"?" * 99,
    "an empty type": b"Content-Type:\n\n\xe9",
    "an empty encoding": CTE + b"(none)\n\n\xe9",
    "a long encoding": CTE + b"8bit (" + b"x" * 999 + b")\n\n\xe9",
    "base64 of blanks": CTE + b"base64\n\n" + b" " * 1000 + b"\nAAAA",
    "base64 without a blank line": CTE + b"base64\n" + b"A" * 1000 + b"\n" + b"-" * 80,
    "base64 of 76, 77, 152 and 153":
        CTE + b"base64\n\n" + b"\n".join(b"A" * n for n in (76, 77, 152, 153, 0, 999)),
    "a multipart in base64": MIXED + CTE + b"base64\n\n--b\n\n\xe9\n",
    "delimiters in a row": MIXED + b"\n--b\n--b\n\n--b\n\xe9\n--b\n--b--\n--b--\n--b\n",
    "an inner delimiter after the outer one": MIXED + b"\n--b\n" + INNER + b"\n--c\n--b\n--c\n\xe9\n",
    "an inner close delimiter after the outer one": MIXED + b"\n--b\n" + INNER + b"\n--c\n\n--b--\n--c--\n",
    "digest in a message in a digest":
        DIGEST + b"\n--b\n\n" + DIGEST.replace(b"=b", b"=c") + b"\n--c\n\nA: b\n\n\xe9\n--b\n",
    "digest that says otherwise":
        DIGEST + b"\n--b\nContent-Type: text/plain\n\nA: b\n\n\xe9\n--b\nA: b\n\n\xe9: b",
    "fields of 998, 999 and 1000": b"".join(b"X: " + b"y" * n + b" z" * 3 + b"\n" for n in (989, 990, 991)),
    "a long name that just fits": b"X" * 997 + b": y\n",
    "folded thrice": b"X:" + b" y" * 1600 + b"\n\t" + b"z\t" * 1600 + b"\nY: z\n",
    # Labels and blank lines that change, whatever is in the bodies.
    "a legal multipart in a part before an illegal one":
        MIXED + b"\n--b\n" + INNER + b"\n--c\n"
        + CTE + b"8bit\n" + MIXED.replace(b"=b", b"=d") + b"\n--d\n\n--b\n\n\xe9",
    "a field that would close the parts of its own entity":
        CTE + b"8bit\n" + MIXED.replace(b"=b", b'="b:"') + b"--b:--\n\n--b:\n"
        + CTE + b"8bit\n" + INNER + b"\n--c\n\n\xe9",
    "a field to fold right before parts that are illegal":
        RFC822 + CTE + b"8bit\n\n" + CTE + b"8bit\n" + MIXED + b"X:" + b" y" * 500 + b"\n--b\n\n\xe9\n--b--\n",
    "a field to fold, and no body":
        RFC822 + CTE + b"8bit\n\n" + CTE + b"8bit\n" + RFC822 + b"X:" + b" y" * 500 + b"\n",
}  # fmt: skip


@pytest.mark.spec("TR-8")
@pytest.mark.parametrize("message", EXAMPLES.values(), ids=EXAMPLES)
@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"], ids=["LF", "CRLF", "CR"])
def test_examples(message: bytes, end: bytes) -> None:
    """Every promise holds for them."""
    for server in SERVERS:
        check(message.replace(b"\n", end), server)


ASKING = MIXED.replace(b"=b", b'="b?"') + b"MIME-Version: 1.0\n\n"


@pytest.mark.spec("TR-8")
@pytest.mark.parametrize(
    "message",
    [
        ASKING + b"--b\xe9\n--b?\n\nx\n--b?--\n",
        ASKING + b"--b\0--\n--b?\n\nx\n--b?--\n",
        MIXED + b"\n--b" + b" " * 1000 + b"x\n--b\n\nx\n--b--\n",
        ASKING + b"--b?\nContent-Type: message/delivery-status\n\nA: b\n--b\xe9--\n--b?\n\nx\n--b?--\n",
        ASKING + b"--b?\n" + CTE + b"base64\n\nAAAA\n--b\0 \n--b?\n\nx\n--b?--\n",
    ],
)
def test_text_that_cannot_be_encoded_becomes_no_delimiter(message: bytes) -> None:
    """Neither by an octet that becomes `?` nor where a line is cut."""
    parts = [len(mime.read(octets).inside) for octets in (canonical(message), result_of(run(message, Server(False, False))))]
    assert parts[0] == parts[1]


@pytest.mark.spec("TR-8")
@given(st.binary(max_size=3), st.text("AZaz09+/= \t", max_size=20).map(str.encode), st.integers(0, 20))
def test_base64_is_base64(odd: bytes, line: bytes, place: int) -> None:
    """In any place of a line one octet decides, and only those that RFC 2045 names, or white space, are right."""
    line = line[:place] + odd + line[place:]
    memory = Octets(line)
    assert lib.entity_is_base64(memory.span) == is_base64(line)


@pytest.mark.spec("TR-8")
def test_every_octet_in_base64() -> None:
    """The same for each octet, in each of the places of a word."""
    for octet in range(256):
        for place in range(9):
            line = b"A" * place + bytes([octet]) + b"z" * (8 - place)
            memory = Octets(line)
            assert lib.entity_is_base64(memory.span) == is_base64(line)
    text = b"\n".join(b"A" * 70 + bytes([octet]) + b"A" * 9 for octet in range(1, 128))
    check(CTE + b"base64\n\n" + b"A" * 999 + b"\n" + text, Server(False, False))


@pytest.mark.spec("TR-8")
def test_an_encoding_changes_only_where_something_was_recoded() -> None:
    """Raw UTF-8 in an embedded header that SMTPUTF8 makes legal is not recoded, so 7bit would be wrong."""
    message = RFC822 + CTE + b"8bit\n\nSubject: gr\xc3\xbcn\n\ntext\n"
    assert result_of(run(message, Server(False, True))) == canonical(message)


def nested(kinds: str, text: bytes, label: bytes = b"") -> bytes:
    """Entities in one another: `p` is a part, `m` a message, each with that label; and the text in the innermost."""
    message = b""
    for number, kind in enumerate(kinds):
        boundary = b"b%d" % number
        part = MIXED.replace(b"=b", b"=" + boundary) + label + b"\n--" + boundary + b"\n"
        message += part if kind == "p" else RFC822 + label + b"\n"
    return message + b"\n" + text


@pytest.mark.spec("TR-8")
@pytest.mark.parametrize("kinds", ["p", "m", "pm", "mmp"])
def test_a_hundred_levels(kinds: str) -> None:
    """A hundred levels around the innermost entity can be recoded; with one more it is too deep, unless it is legal."""
    kinds = (kinds * 101)[:101]
    recoded = check(nested(kinds[:100], b"\xe9\n"), Server(False, False))
    assert recoded.quoted_printable and recoded.wire.endswith(b"\r\n=E9\r\n")
    assert check(nested(kinds, b"legal\n"), Server(False, False)).trouble == ""
    recoded = run(nested(kinds, b"\xe9\n"), Server(False, False))
    assert re.fullmatch(f"{REFUSED}(part 1(\\.1)*\\.?|its body) is nested too deeply\\.", recoded.trouble)
    assert run(nested(kinds, b"\xe9\n"), Server(True, False)).trouble == ""


@pytest.mark.spec("TR-8")
def test_long_boundaries_in_one_another() -> None:
    """As long as a delimiter can be, several deep; each is the beginning of the next."""
    message = b""
    for length in range(987, 995):
        pieces = b"\n boundary*0=" + b"b" * 900 + b";\n boundary*1=" + b"b" * (length - 900)
        message += b"Content-Type: multipart/mixed;" + pieces + b"\n\n--" + b"b" * length + b"\n"
    recoded = check(message + b"\n\xe9\n", Server(False, False))
    assert recoded.wire.endswith(b"\r\n\r\n=E9\r\n")


@pytest.mark.spec("TR-8")
def test_folding_makes_no_delimiter() -> None:
    """A field of a part whose name and colon would be a delimiter if it were folded after them."""
    message = MIXED.replace(b"=b", b'="b:"') + b"\n--b:\n--b: " + b"w" * 995 + b"\n\nx\n--b:--\n"
    recoded = run(message, Server(True, True))
    assert recoded.trouble or described(result_of(recoded)) == described(canonical(message))


MEGABYTE = 1 << 20
LARGE = {
    "lines": (b"\n" + b"\xe9\n" * 1_000_000, b"=E9\r\n" * 1_000_000),
    "lines, CR": (b"\n" + b"\xe9\r" * 1_000_000, b"=E9\r\n" * 1_000_000),
    "empty parts": (MIXED + b"\n" + b"--b\n" * 100_000 + b"\n\xe9\n", b"\r\n=E9\r\n"),
    "parts": (MIXED + b"\n" + b"--b\n\n\xe9\n" * 100_000, b"\r\n=E9\r\n"),
    "multiparts without end": (MIXED + b"\n" + (b"--b\n" + MIXED + b"\n") * 100_000 + b"\n--b\n\n\xe9", b"\r\n=E9\r\n"),
    "parts of binary messages": (
        MIXED + b"\n" + (b"--b\n" + RFC822 + CTE + b"binary\n\n\n\xe9\n") * 30_000, b"\r\n=E9\r\n"
    ),
    "messages around a large text": ((RFC822 + b"\n") * 100 + b"\n" + b"\xe9 \n" * 100_000, b"=E9=20\r\n"),
    "binary messages around a large legal text": (
        (RFC822 + CTE + b"binary\n\n") * 100 + b"\n" + b"x\n" * 20_000 + b"\xe9", b"=E9\r\n"
    ),
    "what looks like delimiters": (MIXED + b"\n--b\n\n\xe9\n" + b"--bb\n--\n" * 300_000, b"=2D-bb\r\n=2D-\r\n"),
    "one line": (b"\n" + b"x" * 4 * MEGABYTE, b"x\r\n"),
    "one line of 8-bit": (b"\n" + b"\xe9" * MEGABYTE, b"=E9\r\n"),
    "one line of base64": (CTE + b"base64\n\n" + b"A" * 4 * MEGABYTE, b"A" * 4 + b"\r\n"),
    "quoted-printable and white space": (
        CTE + b"quoted-printable\n\n" + b"= " * 300_000 + b" " * 300_000 + b"x", b"x\r\n"
    ),
    "quoted-printable that ends with white space": (
        CTE + b"quoted-printable\n\n" + b"x " * 300_000 + b" " * 300_000 + b"\nx", b"x\r\n"
    ),
    "one long field": (b"X:" + b" yy" * MEGABYTE + b"\n", b"yy\r\n\r\n"),
    "words": (b"Subject:" + " ü".encode() * 300_000 + b" x\n\n", b" x\r\n\r\n"),
    "one word": (b"Subject: " + b"\xe9" * MEGABYTE + b" x\n\n", b"x\r\n\r\n"),
    "words and white space": ("X: ü".encode() + b" " * MEGABYTE + "ü".encode() + b" " * MEGABYTE + b"\n\n", b"?=\r\n\r\n"),
    "addresses": (b"To: a@b" + ", Jö <a@b>".encode() * 100_000 + b"\n\n", b"<a@b>\r\n\r\n"),
    "comments": (b"To: a@b" + " (ö)".encode() * 200_000 + b"\n\n", b")\r\n\r\n"),
    "comments within comments": (b"To: a@b " + "( ö".encode() * 200_000 + b"\n\n", b"?=\r\n\r\n"),
    "a long display name": (b"To: " + "ö@ a ".encode() * 200_000 + b"<a@b>\n\n", b"<a@b>\r\n\r\n"),
    "parentheses without an end": (b"To: " + "ü ( a, ".encode() * 200_000 + b"x\n\n", b"x\r\n\r\n"),
    "groups": (b"To: " + "ö: a @ b; ".encode() * 100_000 + b"\n\n", b"b;\r\n\r\n"),
    "groups within groups": (b"To: " + "ö: ".encode() * 100_000 + b"a:\n\n", b"a:\r\n\r\n"),
    "half a group": (b"To: x@" + b": a@" * 100_000 + ", ö: ".encode() + b"\n\n", b":\r\n\r\n"),
    "text outside": (MIXED + b"\n" + b"\xe9" * MEGABYTE + b" " * MEGABYTE + b"\n--b\n", b"\r\n--b\r\n"),
    "fields": (b"X: y\n" * 300_000 + b"\n\xe9", b"\r\n=E9\r\n"),
    "continuation": (b"X: y\n" + b" \n" * 300_000 + b"\n\xe9", b"\r\n=E9\r\n"),
    "an open comment": (b"Content-Type: " + b"(\n " * 300_000 + b"\n\n\xe9", b"\r\n=E9\r\n"),
    "parameters": (MIXED.replace(b";", b";\n a=b" * 100_000 + b";") + b"\n--b\n\n\xe9", b"\r\n=E9\r\n"),
    "sections": (
        MIXED.replace(b" boundary=b", b"".join(b"\n boundary*%d=b;" % n for n in range(100_000)))
        + b"\n--" + b"b" * 100 + b"\n\n\xe9", b"\r\n=E9\r\n"
    ),
}  # fmt: skip


@pytest.mark.spec("TR-8")
@pytest.mark.parametrize(("message", "end"), LARGE.values(), ids=LARGE)
def test_large_messages(message: bytes, end: bytes) -> None:
    """No work is repeated for earlier text; otherwise these would take minutes."""
    recoded = run(message, Server(False, False))
    assert recoded.trouble == "" and recoded.wire.endswith(end)


def test_a_field_that_ends_with_white_space() -> None:
    """The same if it cannot be folded, since a line of only white space would remain."""
    recoded = run(b"X:" + b" yy" * MEGABYTE + b" " * 2 * MEGABYTE, Server(False, False))
    assert recoded.trouble == f"{REFUSED}the field X {UNFOLDABLE}."


@pytest.fixture(scope="module")
def counted(tmp_path_factory: pytest.TempPathFactory) -> ctypes.CDLL:
    """The pure floors, compiled so that they count what they do (effort.c)."""
    made = tmp_path_factory.mktemp("effort")
    names = re.findall(r"^[a-z][\w/]*$", (ROOT / "src/LAYERS").read_text().partition("---- pure")[2], re.M)
    compiler = ["cc", "-std=c11", "-D_GNU_SOURCE", "-U_FORTIFY_SOURCE", "-O1", "-fPIC", "-iquote", ROOT / "src"]
    subprocess.run([*compiler, "-c", "-o", made / "effort.o", ROOT / "testsuite/effort.c"], check=True)
    counting = ["-fsanitize-coverage=trace-pc"]
    counting += [f"-D{name}=counted_{name}" for name in ("memchr", "memcmp", "snprintf")]
    sources = [ROOT / "src" / f"{name}.c" for name in names]
    subprocess.run([*compiler, *counting, "-shared", "-o", made / "pure.so", *sources, made / "effort.o"], check=True)
    return pure.load(made / "pure.so")


def effort(counted: ctypes.CDLL, message: bytes, has_trouble: bool = False) -> int:
    """The work to recode a message for a server without 8BITMIME, or to find out that it is impossible."""
    count = ctypes.c_ulong.in_dll(counted, "effort")
    count.value = 0
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pure, "lib", counted)
        assert bool(run(message, Server(False, False)).trouble) == has_trouble
    return count.value


KINDS = ["p", "m", "pm", "mmp"]
# Long legal texts with something illegal at their end.
TEXTS = {
    "short lines": b"x\n" * 20_000 + b"\xe9\n",
    "a long line after short ones": b"x\n" * 20_000 + b"x" * 999,
    "long lines": (b"x" * 900 + b"\n") * 1000 + b"\xe9\n",
    "what looks like delimiters": b"--b?\n--b\n" * 10_000 + b"\xe9\n",
}


@pytest.mark.spec("TR-8")
@pytest.mark.slow
def test_a_hundred_levels_are_as_much_work_as_one(counted: ctypes.CDLL) -> None:
    """Not even twice as much, whatever is in them: no level reads inner levels again."""
    labels = [b"", CTE + b"8bit\n", CTE + b"binary\n"]
    for kinds, label, (name, text) in itertools.product(KINDS, labels, TEXTS.items()):
        one, hundred = (effort(counted, nested((kinds * 100)[:depth], text, label)) for depth in (1, 100))
        assert hundred < 2 * one, (kinds, label, name, hundred / one)


# Fields and delimiters that cannot be sent.
TROUBLED = {
    "fields": b"Date: \xe9\n" * 30_000,
    "delimiters": MIXED.replace(b"=b", b"*=''%E9") + b"\n" + b"--\xe9\n" * 30_000,
}  # fmt: skip


@pytest.mark.spec("TR-8")
@pytest.mark.parametrize("text", TROUBLED.values(), ids=TROUBLED)
def test_no_trouble_but_the_first_is_named(counted: ctypes.CDLL, text: bytes) -> None:
    """Naming a place a hundred levels deep is expensive."""
    one, most = (effort(counted, nested("p" * depth, b"").removesuffix(b"\n") + text, True) for depth in (1, 99))
    assert most < 1.5 * one, most / one


@pytest.mark.spec("TR-8")
def test_a_hundred_sections_are_as_much_work_as_one(counted: ctypes.CDLL) -> None:
    """The text before the sections of a boundary is not read again for each."""
    efforts = []
    for count in (1, 100):
        sections = b"".join(b"\n boundary*%d=b;" % number for number in range(count))
        header = MIXED.replace(b" boundary=b", b"\n a=b;" * 20_000 + sections)
        efforts.append(effort(counted, header + b"\n--" + b"b" * count + b"\n\n\xe9\n"))
    assert efforts[1] < 1.5 * efforts[0], efforts
