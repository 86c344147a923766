"""mime.c, entity.c, nest.c and body.c: what is recoded means what it meant, and is legal; what cannot be, is told.

Two judges read source and result: Python's `email`, for trees that it reads as the manual page does, and the reader in
mimereader.py, for all others.
"""

import email
import itertools
import re
from collections.abc import Iterator
from email.message import Message
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mocksrv.octets import canonical, dot_stuffed
from testsuite import mimereader, mimetrees
from testsuite.mimereader import Entity, Server
from testsuite.pure import BODY_ROOM_MIN, LINE_MAX_TEXT, QP_LINE_MAX, ROOT, Recoded, recode
from testsuite.test_body import received

MESSAGES = ROOT / "fixtures/messages"
SERVERS = [Server(eightbitmime, smtputf8) for eightbitmime in (False, True) for smtputf8 in (False, True)]
ANY_SERVER = st.sampled_from(SERVERS)
REFUSED = "cannot be sent this message: "
MARK, VERSION = "x-mime-autoconverted", "mime-version"
TYPE, ENCODING = "content-type", "content-transfer-encoding"
ADDED = (MARK, VERSION, TYPE, ENCODING)
# Rooms around the one that brings progress, and the sizes of a line of quoted-printable.
ROOMS = st.lists(st.sampled_from([0, 1, 2, 3, 76, 77, 78, 79, BODY_ROOM_MIN, 81, 160, 1000, 5000]), max_size=6)


def run(message: bytes, server: Server, rooms: Iterator[int] | None = None) -> Recoded:
    """recode() for a server."""
    return recode(message, server.eightbitmime, server.smtputf8, rooms)


def result_of(recoded: Recoded) -> bytes:
    """The message that arrives, its lines in order and its dots no longer doubled."""
    assert recoded.trouble == ""
    return received(recoded.wire + b".\r\n")


def check(message: bytes, server: Server) -> Recoded:
    """All that TR-8 promises for a message and a server."""
    source, recoded = mimereader.read(canonical(message)), run(message, server)
    expected = mimereader.troubles(source, server)
    if expected or recoded.trouble:
        assert recoded.trouble in {f"{REFUSED}{trouble}." for trouble in expected}
        assert recoded.wire == b""
        return recoded
    octets = result_of(recoded)
    result = mimereader.read(octets)
    assert recoded.size == len(octets)
    check_legal(result, octets, server, recoded)
    if mimereader.needs_change(source, server):
        check_entity(source, result, server, recoded)
    else:
        assert recoded.wire + b".\r\n" == dot_stuffed(message)
    check_repeated(octets, server, recoded)
    return recoded


def check_legal(result: Entity, octets: bytes, server: Server, recoded: Recoded) -> None:
    """A server takes the result; the flags say what it has."""
    assert max(map(len, mimereader.split(octets)), default=0) <= LINE_MAX_TEXT
    assert b"\0" not in octets
    assert mimereader.troubles(result, server) == set()
    assert all(server.takes(one.body) for one in everything_in(result) if one.kind == "leaf")
    assert recoded.eightbit == (not octets.isascii())
    utf8 = any(one.is_eightbit() and one.is_utf8() for entity in everything_in(result) for one in entity.fields)
    assert recoded.utf8_header == (server.smtputf8 and utf8)


def check_repeated(octets: bytes, server: Server, recoded: Recoded) -> None:
    """Once recoded, there is nothing more to be done."""
    again = run(octets, server)
    assert again.wire == recoded.wire
    assert (again.quoted_printable, again.trouble) == (False, "")


def everything_in(entity: Entity) -> Iterator[Entity]:
    """The entity, and all in it."""
    yield entity
    for inner in entity.inside:
        yield from everything_in(inner)


def check_entity(source: Entity, result: Entity, server: Server, recoded: Recoded) -> None:
    """Shape, fields and contents of one entity, and of those in it."""
    assert (result.kind, result.numbers, len(result.inside)) == (source.kind, source.numbers, len(source.inside))
    added = check_header(source, result, server, recoded)
    needs_blank = added or (mimereader.is_recoded(source, server) and source.encoding != "base64" and source.kind != "multipart")
    assert result.has_blank == (source.has_blank or needs_blank)
    if server.takes(source.body):
        assert result.body == source.body
    elif source.kind == "leaf":
        check_leaf(source, result)
    assert (result.outside, result.delimiters) == (source.outside, source.delimiters)
    for one, other in zip(source.inside, result.inside):
        check_entity(one, other, server, recoded)


def check_leaf(source: Entity, result: Entity) -> None:
    """A body that had to be changed still means the same."""
    assert mimereader.content(result) == mimereader.content(source)
    if source.encoding == "base64":
        expected = []
        for line in source.body:
            width = QP_LINE_MAX if mimereader.is_base64(line) else len(line) or 1
            expected += [line[at : at + width] for at in range(0, len(line), width)] or [b""]
        assert result.body == expected
        return
    assert result.encoding == "quoted-printable"
    is_mended = source.encoding == "quoted-printable"
    for line in result.body:
        assert len(line) <= QP_LINE_MAX and not line.startswith(b"--")
        assert re.fullmatch(rb"([\t -<>-~]|=[0-9A-Fa-f]{2})*=?[ \t]*" if is_mended else rb"([\t -<>-~]|=[0-9A-F]{2})*=?", line)
        assert is_mended or not line.endswith((b" ", b"\t"))


def check_header(source: Entity, result: Entity, server: Server, recoded: Recoded) -> bool:
    """Each field is the same, though perhaps folded, but for its encoding. Returns whether some were added."""
    new_encoding = mimereader.gets_new_encoding(source, server)
    for one, other in itertools.zip_longest(source.fields, result.fields[: len(source.fields)]):
        if one.name == ENCODING and new_encoding:
            assert (other.name, other.body.strip()) == (ENCODING, encoding_of(source, server))
        elif one.is_long():
            assert (other.name, other.body) == (one.name, one.body)
            assert all(line.strip(b" \t") for line in other.lines[1:] if line not in one.lines)
        else:
            assert other == one
    added = result.fields[len(source.fields) :]
    names = {one.name for one in added}
    assert len(names) == len(added)
    assert names == names_added(source, server, recoded, names)
    check_added(source, {one.name: one.body.strip() for one in added}, server)
    return bool(added)


def names_added(source: Entity, server: Server, recoded: Recoded, names: set[str]) -> set[str]:
    """The fields that an entity gets. Where nothing was encoded in a message, but something wrapped, folded or mended,
    the page leaves MIME-Version open."""
    is_quoted = [
        one.kind == "leaf" and one.encoding in mimereader.IDENTITY and not server.takes(one.body) for one in everything_in(source)
    ]
    expected = {MARK} if recoded.quoted_printable and source.depth == 0 else set()
    if source.is_message and not source.has(VERSION):
        is_open = mimereader.is_recoded(source, server)
        expected |= {VERSION} if any(is_quoted) or (is_open and VERSION in names) else set()
    if source.kind == "leaf" and is_quoted[0] and not source.has(TYPE):
        expected.add(TYPE)
    if mimereader.gets_new_encoding(source, server) and not source.has(ENCODING):
        expected.add(ENCODING)
    return expected


def encoding_of(source: Entity, server: Server) -> bytes:
    """The Content-Transfer-Encoding that an entity gets."""
    if source.kind == "leaf":
        return b"quoted-printable"
    return b"8bit" if server.may_keep_eightbit else b"7bit"


def check_added(source: Entity, added: dict[str, bytes], server: Server) -> None:
    """What the added fields say."""
    # The mark is only in the top header, so that this is the whole message.
    before = b"7bit" if all(map(bytes.isascii, source.all_lines())) else b"8bit"
    charset = b"utf-8" if mimereader.is_utf8(b"\n".join(source.body)) else b"unknown-8bit"
    expected = {
        MARK: b"from " + before + b" to quoted-printable by client.example",
        VERSION: b"1.0",
        TYPE: b"text/plain; charset=" + charset,
        ENCODING: encoding_of(source, server),
    }
    assert added == {name: expected[name] for name in added}


@pytest.mark.spec("TR-4", "TR-5", "TR-7", "TR-8", "TR-9")
@given(mimetrees.messages(wild=True), ANY_SERVER)
def test_what_is_recoded_means_what_it_meant(message: bytes, server: Server) -> None:
    """Trees of all kinds: they are legal, and mean the same part by part, or the trouble is one that they have."""
    check(message, server)


@given(mimetrees.HEAPS, ANY_SERVER)
def test_no_message_is_too_strange(message: bytes, server: Server) -> None:
    """What stands in no order is read as the page says, too."""
    check(message, server)


def described(octets: bytes) -> list[object]:
    """What `email` makes of a message: of each entity its shape, its fields and its decoded content."""
    return _described(email.message_from_bytes(octets))


def _described(message: Message) -> list[object]:
    # Folding right behind the colon leaves a blank that `email` does not drop.
    fields = [(name.lower(), re.sub(r"\r\n(?=[ \t])", "", body).strip()) for name, body in message.raw_items()]
    found: list[object] = [field for field in fields if field[0] not in ADDED]
    found += [message.get_content_type(), message.get_boundary(), message.preamble or "", message.epilogue or ""]
    if not message.is_multipart():
        return [*found, message.get_payload(decode=True)]
    return found + [_described(part) for part in message.get_payload()]


@pytest.mark.spec("TR-8")
@given(mimetrees.messages(wild=False), ANY_SERVER)
def test_another_reader_agrees(message: bytes, server: Server) -> None:
    """Python's `email` decodes the result to what it decodes the source to, part by part.

    It gets the source in its canonical form, since it keeps lone CRs where they arrive as CR LF.
    """
    recoded = run(message, server)
    if not recoded.trouble:
        assert described(result_of(recoded)) == described(canonical(message))


@pytest.mark.spec("EXT-2", "TR-8")
@given(mimetrees.messages(wild=True) | mimetrees.HEAPS, ANY_SERVER, ROOMS)
def test_no_room_changes_the_octets(message: bytes, server: Server, rooms: list[int]) -> None:
    """Whatever room there is each time, the same octets leave, as many as were announced."""
    recoded = run(message, server)
    if not recoded.trouble:
        assert run(message, server, itertools.cycle([*rooms, BODY_ROOM_MIN])) == recoded


# Why `email` must not judge these: it does not read comments in parameters, nor quoted pairs in boundaries; it keeps white
# space at the end of quoted-printable lines; it looks for a header in what an embedded message has in base64.
NOT_FOR_EMAIL = {"comments.eml", "boundary-quoted-pair.eml", "embedded-base64.eml"}
NOT_FOR_EMAIL |= {"cr-quoted-printable.eml", "quoted-printable-broken.eml"}


def corpus() -> list[tuple[str, str]]:
    """The messages of the corpus, and what its README says of each."""
    found = re.findall(r"^(\S+\.eml) +(.*)", (MESSAGES / "README").read_text(), re.M)
    assert len(found) == len(set(dict(found))) == len(list(MESSAGES.glob("*.eml"))) > 100
    return found


@pytest.mark.spec("TR-4", "TR-5", "TR-7", "TR-8", "EXT-7")
@pytest.mark.parametrize(("name", "remark"), corpus(), ids=str)
def test_the_corpus(name: str, remark: str) -> None:
    """Only what the README marks cannot be sent; SMTPUTF8 helps where raw UTF-8 stands in a field, and nowhere else."""
    message = (MESSAGES / name).read_bytes()
    for server in SERVERS:
        recoded = check(message, server)
        helped = server.eightbitmime or (server.smtputf8 and "raw UTF-8" in remark)
        assert bool(recoded.trouble) == ("[DATA]" in remark or ("[7bit]" in remark and not helped))
        if not recoded.trouble and name not in NOT_FOR_EMAIL:
            assert described(result_of(recoded)) == described(canonical(message))
        if "[7bit]" not in remark:
            assert recoded.utf8_header is False


MIXED = b"Content-Type: multipart/mixed; boundary=b\n"
NO_8BITMIME = "has 8-bit octets, and 8BITMIME is not offered"
UNFOLDABLE = "has a line of more than 998 octets that cannot be folded"
OUTSIDE = "has text outside its parts, which cannot be encoded"
TROUBLES = [
    (b"Subject: \0\n\n", "the field Subject has a NUL"),
    (b"sUBject : \xe9\n", f"the field sUBject {NO_8BITMIME}"),
    (b"A: x\nB: \xff\nC: \0\n\n\0", f"the field B {NO_8BITMIME}"),
    (b"X: \0\xe9" + b" x" * 500, "the field X has a NUL"),
    # It could be folded, but that would not help.
    (b"X: \xe9" + b" x" * 500, f"the field X {NO_8BITMIME}"),
    (b"X:" + b"x" * 997, f"the field X {UNFOLDABLE}"),
    (b"X:" + b"x" * 996 + b" " * 3, f"the field X {UNFOLDABLE}"),
    (b"X: a\n " + b"x" * 998, f"the field X {UNFOLDABLE}"),
    (b"X: a\n" + b" " * 998 + b"x", f"the field X {UNFOLDABLE}"),
    (b"X" * 51 + b":\0\n", f"the field {'X' * 50} has a NUL"),
    (b"X" * 998 + b": x\n", f"the field {'X' * 50} {UNFOLDABLE}"),
    (b"Content-Transfer-Encoding: \xe9\n\nx", f"the field Content-Transfer-Encoding {NO_8BITMIME}"),
    (b"Content-Type: message/rfc822\n\nTo: \0\n", "the field To of its body has a NUL"),
    (MIXED + b"\n--b\n--b\nX: \0", "the field X of part 2 has a NUL"),
    (MIXED + b"\n--b\nContent-Type: message/rfc822\n\nX: \xe9\n", f"the field X of part 1 {NO_8BITMIME}"),
    (MIXED + b"\n--b\n--b\n" + MIXED.replace(b"=b", b"=c") + b"\n--c\nX:\0\n", "the field X of part 2.1 has a NUL"),
    (MIXED + b"\n--b\n\n--b\n" + MIXED.replace(b"=b", b"=c") + b"\n--c\n\n--c--\n--b\nX:\0", "the field X of part 3 has a NUL"),
    (MIXED + b"\n\xe9\n--b\n", f"its body {OUTSIDE}"),
    (MIXED + b"\n--b\n--b--\n" + b"x" * 999, f"its body {OUTSIDE}"),
    (MIXED + b"\n--b--\n\0", f"its body {OUTSIDE}"),
    (MIXED + b"\n--b\n--b\n" + MIXED.replace(b"=b", b"=c") + b"\n--c\n--c--\n\0\n--b--", f"part 2 {OUTSIDE}"),
    (MIXED + b"\n--b" + b" " * 999 + b"\n", "its body has a delimiter that cannot be sent"),
    (MIXED.replace(b"=b", b"*=''%00") + b"\n--\0\n", "its body has a delimiter that cannot be sent"),
    (MIXED.replace(b"=b", b"*=''%E9") + b"\n--\xe9--\n", "its body has a delimiter that cannot be sent"),
    (MIXED + b"\n\xe9", "its body is a multipart without a delimiter"),
    (MIXED + b"\n--b\n" + MIXED.replace(b"=b", b"=c") + b"\n\xe9\n--b", "part 1 is a multipart without a delimiter"),
    (b"Content-Type: multipart/mixed\n\n\xe9", "its body is a multipart without a usable boundary"),
    (MIXED.replace(b"=b", b"=" + b"b" * 989) + b"\n--" + b"b" * 989 + b"\n", f"the field Content-Type {UNFOLDABLE}"),
    (MIXED.replace(b"=b", b"=" + b"b" * 995) + b"\n--" + b"b" * 995 + b"\n\xe9", "its body is a multipart without a usable boundary"),
    (MIXED.replace(b"=b", b'=" "') + b"\n\xe9", "its body is a multipart without a usable boundary"),
    (b"Content-Type: message/delivery-status\n\n\xe9", "its body is of a type that must not be encoded"),
    (MIXED + b"\n--b\nContent-Type: message/partial\n\n\0", "part 1 is of a type that must not be encoded"),
    (b"Content-Transfer-Encoding: x-uuencode\n\n\xe9", "its body has an unknown Content-Transfer-Encoding"),
    (MIXED + b"\n--b\nContent-Transfer-Encoding: 8\n\n\0", "part 1 has an unknown Content-Transfer-Encoding"),
    (b"Content-Type: message/rfc822\nContent-Transfer-Encoding: 8\n\n\0", "its body has an unknown Content-Transfer-Encoding"),
    (b"Content-Transfer-Encoding: base64\n\n\xe9", "its body has octets that are no base64"),
    (b"Content-Transfer-Encoding: base64\n\nAAAA\0", "its body has octets that are no base64"),
    (b"Content-Transfer-Encoding: base64\n\nAAAA\n" + b"-" * 999, "its body has octets that are no base64"),
]  # fmt: skip


@pytest.mark.spec("TR-8")
@pytest.mark.parametrize(("message", "trouble"), TROUBLES, ids=range(len(TROUBLES)))
def test_what_cannot_be_sent_is_named(message: bytes, trouble: str) -> None:
    """The field or the part, and what is wrong with it. Of several the first counts."""
    assert check(message, Server(False, False)).trouble == f"{REFUSED}{trouble}."
    check(message, Server(True, True))


# What went wrong, or easily could.
EXAMPLES = {
    # The new fields of an embedded message without header must not become those of the part.
    "digest part without header and blank line": b"Content-Type: multipart/digest; boundary=b\n\n--b\n\xe9\n--b--\n",
    "message part without blank line": MIXED + b"\n--b\nContent-Type: message/rfc822\n\xe9\n--b--\n",
    "message part without blank line, CTE 8bit":
        MIXED + b"\n--b\nContent-Type: message/rfc822\nContent-Transfer-Encoding: 8bit\n\xe9\n--b--\n",
    "headers only, multipart without blank line": MIXED + b"--b\n\n\xe9\n--b--\n",
    # White space at the end of a line says nothing, and must not stand before a soft line break.
    "white space at the end of quoted-printable":
        b"Content-Transfer-Encoding: quoted-printable\n\n" + b"q" * 74 + b" " * 6 + b"\n=E9\xe9\n",
    "nothing but white space in quoted-printable": b"Content-Transfer-Encoding: quoted-printable\n\n\xe9\n" + b" " * 200,
    "a boundary with a colon": MIXED.replace(b"=b", b'="b:"') + b"--b:\n\xe9\n--b:--\n",
    "two encodings": b"Content-Transfer-Encoding: 8bit\nContent-Transfer-Encoding: base64\n\n\xe9\n",
    "two types": b"Content-Type: text/plain\n" + MIXED + b"\n--b\n\xe9\n",
    "an empty type": b"Content-Type:\n\n\xe9",
    "an empty encoding": b"Content-Transfer-Encoding: (none)\n\n\xe9",
    "a long encoding": b"Content-Transfer-Encoding: 8bit (" + b"x" * 999 + b")\n\n\xe9",
    "base64 of blanks": b"Content-Transfer-Encoding: base64\n\n" + b" " * 1000 + b"\nAAAA",
    "base64 without a blank line": b"Content-Transfer-Encoding: base64\n" + b"A" * 1000 + b"\n" + b"-" * 80,
    "base64 of 76, 77, 152 and 153":
        b"Content-Transfer-Encoding: base64\n\n" + b"\n".join(b"A" * n for n in (76, 77, 152, 153, 0, 999)),
    "a multipart in base64": MIXED + b"Content-Transfer-Encoding: base64\n\n--b\n\n\xe9\n",
    "delimiters in a row": MIXED + b"\n--b\n--b\n\n--b\n\xe9\n--b\n--b--\n--b--\n--b\n",
    "an inner delimiter behind the outer one": MIXED + b"\n--b\n" + MIXED.replace(b"=b", b"=c") + b"\n--c\n--b\n--c\n\xe9\n",
    "an inner close behind the outer one": MIXED + b"\n--b\n" + MIXED.replace(b"=b", b"=c") + b"\n--c\n\n--b--\n--c--\n",
    "digest in a message in a digest":
        b"Content-Type: multipart/digest; boundary=b\n\n--b\n\nContent-Type: multipart/digest; boundary=c\n\n--c\n\nA: b\n\n\xe9\n--b\n",
    "digest that says otherwise":
        b"Content-Type: multipart/digest; boundary=b\n\n--b\nContent-Type: text/plain\n\nA: b\n\n\xe9\n--b\nA: b\n\n\xe9: b",
    "a long name that just fits": b"X" * 997 + b": y\n",
    "folded thrice": b"X:" + b" y" * 1600 + b"\n\t" + b"z\t" * 1600 + b"\nY: z\n",
}  # fmt: skip


@pytest.mark.spec("TR-8")
@pytest.mark.parametrize("message", EXAMPLES.values(), ids=EXAMPLES)
@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"], ids=["LF", "CRLF", "CR"])
def test_examples(message: bytes, end: bytes) -> None:
    """All that is promised holds for them."""
    for server in SERVERS:
        check(message.replace(b"\n", end), server)


@pytest.mark.spec("TR-8")
def test_an_encoding_changes_only_where_something_was_recoded() -> None:
    """Raw UTF-8 in an embedded header that SMTPUTF8 makes legal is nothing recoded: 7bit would be wrong."""
    message = b"Content-Type: message/rfc822\nContent-Transfer-Encoding: 8bit\n\nSubject: gr\xc3\xbcn\n\ntext\n"
    assert result_of(run(message, Server(False, True))) == canonical(message)


def nested(kinds: str, text: bytes) -> bytes:
    """Entities in one another: `p` is a part, `m` a message; and the text in the innermost."""
    message = b""
    for number, kind in enumerate(kinds):
        boundary = b"b%d" % number
        message += MIXED.replace(b"=b", b"=" + boundary) + b"\n--" + boundary + b"\n" if kind == "p" else b"Content-Type: message/rfc822\n\n"
    return message + b"\n" + text


@pytest.mark.spec("TR-8")
@pytest.mark.parametrize("kinds", ["p", "m", "pm", "mmp"])
def test_a_hundred_levels(kinds: str) -> None:
    """A hundred around the innermost can be recoded; with one more it must be legal, or is too deep."""
    kinds = (kinds * 101)[:101]
    recoded = check(nested(kinds[:100], b"\xe9\n"), Server(False, False))
    assert recoded.quoted_printable and recoded.wire.endswith(b"\r\n=E9\r\n")
    assert check(nested(kinds, b"legal\n"), Server(False, False)).trouble == ""
    recoded = run(nested(kinds, b"\xe9\n"), Server(False, False))
    assert re.fullmatch(f"{REFUSED}(part 1(\\.1)*\\.?|its body) is nested too deeply\\.", recoded.trouble)
    assert run(nested(kinds, b"\xe9\n"), Server(True, False)).trouble == ""


@pytest.mark.spec("TR-8")
def test_long_boundaries_in_one_another() -> None:
    """As long as a delimiter can be, several deep; each begins the next."""
    message = b""
    for length in range(987, 995):
        pieces = b"\n boundary*0=" + b"b" * 900 + b";\n boundary*1=" + b"b" * (length - 900)
        message += b"Content-Type: multipart/mixed;" + pieces + b"\n\n--" + b"b" * length + b"\n"
    recoded = check(message + b"\n\xe9\n", Server(False, False))
    assert recoded.wire.endswith(b"\r\n\r\n=E9\r\n")


@pytest.mark.spec("TR-8")
def test_folding_makes_no_delimiter() -> None:
    """A field of a part whose name and colon are a delimiter, if nothing stands behind it: no folding is right."""
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
        MIXED + b"\n" + b"--b\nContent-Type: message/rfc822\nContent-Transfer-Encoding: binary\n\n\n\xe9\n" * 30_000, b"\r\n=E9\r\n"
    ),
    "messages around a large text": (b"Content-Type: message/rfc822\n\n" * 100 + b"\n" + b"\xe9 \n" * 100_000, b"=E9=20\r\n"),
    "what looks like delimiters": (MIXED + b"\n--b\n\n\xe9\n" + b"--bb\n--\n" * 300_000, b"=2D-bb\r\n=2D-\r\n"),
    "one line": (b"\n" + b"x" * 4 * MEGABYTE, b"x\r\n"),
    "one line of 8-bit": (b"\n" + b"\xe9" * MEGABYTE, b"=E9\r\n"),
    "one line of base64": (b"Content-Transfer-Encoding: base64\n\n" + b"A" * 4 * MEGABYTE, b"A" * 4 + b"\r\n"),
    "quoted-printable and white space": (
        b"Content-Transfer-Encoding: quoted-printable\n\n" + b"= " * 300_000 + b" " * 300_000 + b"x", b"x\r\n"
    ),
    "quoted-printable that ends with white space": (
        b"Content-Transfer-Encoding: quoted-printable\n\n" + b"x " * 300_000 + b" " * 300_000 + b"\nx", b"x\r\n"
    ),
    "one long field": (b"X:" + b" yy" * MEGABYTE + b"\n", b"yy\r\n"),
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
    """No work is done twice for what stands before: else these would take minutes."""
    recoded = run(message, Server(False, False))
    assert recoded.trouble == "" and recoded.wire.endswith(end)


def test_a_field_that_ends_with_white_space() -> None:
    """The same where it cannot be folded, since a line of white space would be left."""
    recoded = run(b"X:" + b" yy" * MEGABYTE + b" " * 2 * MEGABYTE, Server(False, False))
    assert recoded.trouble == f"{REFUSED}the field X {UNFOLDABLE}."
