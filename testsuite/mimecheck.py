# SPDX-License-Identifier: ISC
"""What TR-8 promises of a message and its recoded form, for any message and any server.

Two judges read source and result: Python's `email`, for trees that it reads as the manual page does, and the reader in
mocksrv.judge.mime with what mimerules.py says, for all others.
"""

import email
import email.header
import itertools
import re
from collections.abc import Iterable, Iterator
from email.message import Message

from mocksrv.case.octets import canonical, dot_stuffed
from mocksrv.judge import mime
from mocksrv.judge.mime import Entity, Field
from testsuite import mimerules
from testsuite.mimerules import Server
from testsuite.pure import LINE_MAX_TEXT, QP_LINE_MAX, Recoded, recode
from testsuite.test_encoder import received

SERVERS = [Server(eightbitmime, smtputf8) for eightbitmime in (False, True) for smtputf8 in (False, True)]
REFUSED = "cannot take this message: "
MARK, VERSION = "x-mime-autoconverted", "mime-version"
TYPE, ENCODING = "content-type", "content-transfer-encoding"
ADDED = (MARK, VERSION, TYPE, ENCODING)


def run(message: bytes, server: Server, rooms: Iterable[int] | None = None) -> Recoded:
    """recode() for a server."""
    return recode(message, server.eightbitmime, server.smtputf8, rooms)


def result_of(recoded: Recoded) -> bytes:
    """The message that arrives, its lines in order and its dots no longer doubled."""
    assert recoded.trouble == ""
    return received(recoded.wire + b".\r\n")


def check(message: bytes, server: Server) -> Recoded:
    """Everything that TR-8 promises for a message and a server."""
    source, recoded = mime.read(canonical(message)), run(message, server)
    expected = mimerules.troubles(source, server)
    if expected or recoded.trouble:
        assert recoded.trouble in {f"{REFUSED}{trouble}." for trouble in expected}
        assert recoded.wire == b""
        return recoded
    octets = result_of(recoded)
    result = mime.read(octets)
    assert recoded.size == len(octets)
    check_legal(result, octets, server, recoded)
    if mimerules.needs_change(source, server):
        check_entity(source, result, server, recoded)
    else:
        assert recoded.wire + b".\r\n" == dot_stuffed(message)
    check_repeated(octets, server, recoded)
    return recoded


def check_leaves(message: bytes, server: Server) -> None:
    """The shape of any message stays, and each leaf means the same; header fields may be wilder than check() knows."""
    source, recoded = mime.read(canonical(message)), run(message, server)
    if recoded.trouble:
        return
    result = mime.read(result_of(recoded))
    for one, other in itertools.zip_longest(everything_in(source), everything_in(result)):
        assert len(one.inside) == len(other.inside)
        assert one.kind == other.kind or not one.inside  # a boundary that occurs nowhere may become another one
        if one.kind == "leaf" and server.takes(one.body):
            assert other.body == one.body
        elif one.kind == "leaf":
            check_leaf(one, other, server)


def check_legal(result: Entity, octets: bytes, server: Server, recoded: Recoded) -> None:
    """The server accepts the result; the flags say what it has."""
    assert max(map(len, mime.split(octets)), default=0) <= LINE_MAX_TEXT
    assert b"\0" not in octets
    assert mimerules.troubles(result, server) == set()
    assert all(server.takes(one.body) for one in everything_in(result) if one.kind == "leaf")
    assert recoded.eightbit == (not octets.isascii())
    utf8 = any(one.is_eightbit() and one.is_utf8() for entity in everything_in(result) for one in entity.fields)
    assert recoded.utf8_header == (server.smtputf8 and not server.eightbitmime and utf8)


def check_repeated(octets: bytes, server: Server, recoded: Recoded) -> None:
    """Recoding the result again changes nothing."""
    again = run(octets, server)
    assert again.wire == recoded.wire
    assert (again.quoted_printable, again.trouble) == (False, "")


def everything_in(entity: Entity) -> Iterator[Entity]:
    """The entity, and all entities in it."""
    yield entity
    for inner in entity.inside:
        yield from everything_in(inner)


def check_entity(source: Entity, result: Entity, server: Server, recoded: Recoded) -> None:
    """Shape, fields and contents of one entity, and of those in it."""
    assert (result.kind, result.numbers, len(result.inside)) == (source.kind, source.numbers, len(source.inside))
    check_header(source, result, server, recoded)
    assert result.has_blank or not source.all_lines()
    if source.kind == "leaf" and server.takes(source.body):
        assert result.body == source.body
    elif source.kind == "leaf":
        check_leaf(source, result, server)
    boundaries = [(*source.around, source.boundary), source.around]  # for the preamble, and for the epilogue
    assert result.outside == [mimerules.masked(text, server, known) for text, known in zip(source.outside, boundaries)]
    assert result.delimiters == source.delimiters
    for one, other in zip(source.inside, result.inside):
        check_entity(one, other, server, recoded)


def check_leaf(source: Entity, result: Entity, server: Server) -> None:
    """A changed body still means the same, as far as it can be encoded."""
    if source.encoding == "base64":
        assert result.body == mimerules.wrapped(source.body, server, source.around)
        return
    if mimerules.is_masked(source):
        assert result.body == mimerules.masked(source.body, server, source.around)
        return
    assert mime.content(result) == mime.content(source)
    assert result.encoding == "quoted-printable"
    is_mended = source.encoding == "quoted-printable"
    for line in result.body:
        assert len(line) <= QP_LINE_MAX and not line.startswith(b"--")
        assert re.fullmatch(rb"([\t -<>-~]|=[0-9A-Fa-f]{2})*=?", line) and not line.endswith((b" ", b"\t"))
        assert is_mended or re.fullmatch(rb"([^=]|=[0-9A-F]{2})*=?", line)


def check_header(source: Entity, result: Entity, server: Server, recoded: Recoded) -> None:
    """Each field is the same, except for folding and encoding."""
    new_encoding = mimerules.gets_new_encoding(source, server)
    for one, other in itertools.zip_longest(source.fields, result.fields[: len(source.fields)]):
        if one.name == ENCODING and new_encoding:
            assert (other.name, other.body.strip()) == (ENCODING, encoding_of(source, server))
        elif mimerules.becomes_words(one, server):
            check_words(one, other)
        elif one.is_long():
            assert (other.name, other.body) == (one.name, one.body)
            assert all(line.strip(b" \t") for line in other.lines[1:] if line not in one.lines)
        else:
            assert other == one
    added = result.fields[len(source.fields) :]
    names = {one.name for one in added}
    assert len(names) == len(added)
    assert names == names_added(source, server, recoded)
    check_added(source, {one.name: one.body.strip() for one in added}, server)


def check_words(one: Field, other: Field) -> None:
    """A reader sees the same, and the form is that of RFC 2047."""
    assert other.name == one.name and not other.is_eightbit()
    assert mime.readable(other, one.is_utf8()) == mime.readable(one, one.is_utf8())
    if one.name not in mimerules.ADDRESSES:
        assert decoded(other.body) == decoded(one.body)
    charset = b"utf-8" if one.is_utf8() else b"unknown-8bit"
    for line in other.lines:
        assert line.strip()
        for word in re.findall(rb"=\?" + charset + rb"\?Q\?[^? ]+\?=", line):
            assert len(line) <= 76 and len(word) <= 75


def decoded(body: bytes) -> bytes:
    """What Python shows of an unstructured field, as octets in charsets of their own."""
    pieces = email.header.decode_header(body.decode("latin-1"))
    octets = (piece if isinstance(piece, bytes) else piece.encode("latin-1") for piece, _ in pieces)
    return b"".join(octets).strip()


def names_added(source: Entity, server: Server, recoded: Recoded) -> set[str]:
    """The fields that an entity gets."""
    is_identity = source.kind == "leaf" and source.encoding in mime.IDENTITY and not mimerules.is_masked(source)
    is_quoted = is_identity and not server.takes(source.body)
    expected = {MARK} if recoded.quoted_printable and source.depth == 0 else set()
    if is_quoted and not source.has(TYPE):
        expected.add(TYPE)
    if mimerules.gets_new_encoding(source, server) and not source.has(ENCODING):
        expected.add(ENCODING)
    is_mime = is_quoted or source.has(TYPE) or source.has(ENCODING)
    return expected | {VERSION} if source.is_message and is_mime and not source.has(VERSION) else expected


def encoding_of(source: Entity, server: Server) -> bytes:
    """The Content-Transfer-Encoding that an entity gets."""
    if source.kind == "leaf":
        return b"quoted-printable"
    return b"8bit" if server.may_keep_eightbit else b"7bit"


def check_added(source: Entity, added: dict[str, bytes], server: Server) -> None:
    """What the added fields say."""
    # The mark is only in the top header, so that this is the whole message.
    before = b"7bit" if all(map(bytes.isascii, source.all_lines())) else b"8bit"
    charset = b"utf-8" if mime.is_utf8(b"\n".join(source.body)) else b"unknown-8bit"
    expected = {
        MARK: b"from " + before + b" to quoted-printable by client.example",
        VERSION: b"1.0",
        TYPE: b"text/plain; charset=" + charset,
        ENCODING: encoding_of(source, server),
    }
    assert added == {name: expected[name] for name in added}


def described(octets: bytes) -> list[object]:
    """What `email` makes of a message: of each entity its shape, its fields and its decoded content."""
    return _described(email.message_from_bytes(octets))


def _described(message: Message) -> list[object]:
    """The same for an entity."""
    # Folding right after the colon leaves a space that `email` does not drop.
    bodies = [(name.lower(), re.sub(r"\r\n(?=[ \t])", "", body)) for name, body in message.raw_items()]
    fields = [(name, decoded(body.encode("ascii", "surrogateescape"))) for name, body in bodies]
    found: list[object] = [field for field in fields if field[0] not in ADDED]
    found += [message.get_content_type(), message.get_boundary()]
    # There long lines may have been cut, and illegal octets replaced by `?`.
    texts = (message.preamble or "", message.epilogue or "")
    found += [re.sub("[^\x01-\x7f]", "?", text.replace("\r\n ", "")) for text in texts]
    if not message.is_multipart():
        return [*found, message.get_payload(decode=True)]
    return found + [_described(part) for part in message.get_payload()]
