# SPDX-License-Identifier: ISC
"""Whether the message that arrived is the one that was given, though a client may have changed its form.

A client may add trace fields and complete the header, recode parts, and refold fields. It must not change what a
reader sees, nor drop a field. The same goes for parts, and for messages within the message.
"""

import binascii
import re
from collections.abc import Iterator
from dataclasses import dataclass

from mocksrv.case.octets import canonical
from mocksrv.judge import mime
from mocksrv.judge.mime import Entity, Field

# What recoding may change or add; and what may be taken away (RFC 5321, section 4.4; RFC 5322, section 3.6.3).
# `From ` lines are no fields, and many leave them out or make fields of them.
_FROM_LINES = {"from ", ">from "}
_FREE = {"mime-version", "content-transfer-encoding", "content-type", "return-path", "bcc"} | _FROM_LINES
# RFC 5322, section 3.6, and RFC 2045: of which a second one would be at odds with the first.
_ONCE = {
    "date", "from", "sender", "reply-to", "to", "cc", "message-id", "in-reply-to", "references", "subject",
    "content-type", "content-transfer-encoding",
}  # fmt: skip
_ADDRESSES = {"from", "sender", "reply-to", "to", "cc", "bcc"}
_TEXTS = {"subject", "comments", "content-description"}  # where parentheses are no comments
_PLAIN = ("text", "plain")


@dataclass(frozen=True)
class Difference:
    """What differs; and its octets, without their encoding, where there are some to compare."""

    what: str
    given: bytes | None = None
    arrived: bytes | None = None


def difference(given: bytes, arrived: bytes) -> Difference | None:
    """How the message that arrived differs; None if it does not."""
    given, arrived = canonical(given), canonical(arrived)
    return None if given == arrived else next(_differences(mime.read(given), mime.read(arrived)), None)


def is_regular(message: bytes) -> bool:
    """Whether there is a right way to send it: it has no NUL, no CR alone, no long line, no 8-bit octets where nothing
    can be encoded; and a header, if it has a blank line, without `From ` lines and second fields of a kind."""
    if re.search(rb"\0|\r(?!\n)", message) or max(map(len, re.split(rb"\r?\n", message))) > mime.LONGEST:
        return False
    entity = mime.read(canonical(message))
    # RFC 5322, section 3.6. Who completes an empty header may take the blank line for a part of the text.
    return bool(entity.fields or not entity.has_blank) and all(map(_is_regular, _entities(entity)))


def may_be_refused(message: bytes, eight_bits: bool) -> bool:
    """Whether a client need not send it: RFC 5322 or 2045 does not allow it, or it needs 8 bits, which are not offered,
    and nobody has to be able to encode it (RFC 6152, section 3)."""
    strange = not is_regular(message) or not all(map(_is_allowed, _entities(mime.read(canonical(message)))))
    return strange or not (eight_bits or message.isascii())


def _is_allowed(entity: Entity) -> bool:
    """Whether its header is ASCII and ends with a blank line, and whether what it holds as a message/global or the like
    is ASCII, too."""
    fields = [line for field in entity.fields for line in field.lines]
    held = entity.body if (entity.main_type, entity.kind) == ("message", "leaf") else []
    return (entity.has_blank or not entity.body) and all(map(bytes.isascii, [*fields, *held]))


def _is_regular(entity: Entity) -> bool:
    stuck = not entity.inside and not mime.may_be_encoded(entity) and not all(map(bytes.isascii, entity.body))
    names = [field.name for field in entity.fields]
    return not stuck and _FROM_LINES.isdisjoint(names) and all(names.count(one) < 2 for one in _ONCE)


def _entities(entity: Entity) -> Iterator[Entity]:
    yield entity
    for part in entity.inside:
        yield from _entities(part)


def _differences(one: Entity, other: Entity) -> Iterator[Difference]:
    where = f" in {one.place}" if one.numbers else ""
    lost = _first_lost(one.fields, other.fields)
    if lost is not None:
        what = f"the field {lost.name} is gone, changed or out of order{where}"
        instead = next((field for field in other.fields if field.name == lost.name), Field(lost.name, []))
        yield Difference(what, b"".join(lost.lines), b"".join(instead.lines))
    for name in _ONCE:
        if 0 < _count(one, name) < _count(other, name):
            yield Difference(f"the field {name} arrived more than once{where}")
    if lost_type := _lost_type(one, other):
        yield Difference(f"the {lost_type} is gone or changed{where}")
    if len(one.inside) != len(other.inside):
        yield Difference(f"{len(other.inside)} parts arrived{where}, {len(one.inside)} were given")
    for part, came in zip(one.inside, other.inside):
        yield from _differences(part, came)
    if not (one.inside or other.inside or _same_content(one, other)):
        what = f"the content of {one.place} differs" if one.numbers else "the body differs"
        yield Difference(what, _content(one), _content(other))


def _first_lost(given: list[Field], arrived: list[Field]) -> Field | None:
    rest = iter(arrived)
    wanted = (field for field in given if field.name not in _FREE)
    return next((field for field in wanted if not any(_same_field(field, other) for other in rest)), None)


def _same_field(given: Field, arrived: Field) -> bool:
    """Where a field is folded may change: there white space may come, as any may be more or less.

    What is not ASCII may become encoded-words.
    """
    if given.name == arrived.name and given.is_eightbit() and not arrived.is_eightbit():
        same = mime.readable(given, given.is_utf8()) == mime.readable(arrived, given.is_utf8())
        return same and _are_words_in_place(given, arrived)
    first, *more = (b" ".join(line.split()) for line in arrived.lines)
    pieces = [re.sub(rb"^[^:]*: ?", b"", first), *more]
    return given.name == arrived.name and bool(
        re.fullmatch(rb" ?".join(map(re.escape, pieces)), b" ".join(given.body.split()))
    )


def _are_words_in_place(given: Field, arrived: Field) -> bool:
    """Whether the encoded-words that are new have the form and the places that RFC 2047 sections 2 and 5 allow."""
    before, after = (rb"(?:^|\s)$", rb"\s|$") if given.name in _TEXTS else (rb"(?:^|[\s(])$", rb"[\s)]|$")
    for word in mime.encoded_words(arrived.body):
        apart = re.search(before, arrived.body[: word.start()]) and re.match(after, arrived.body[word.end() :])
        if word[0] not in given.body and (len(word[0]) > 75 or not apart):
            return False
    is_list = given.name.removeprefix("resent-") in _ADDRESSES
    return not is_list or _fixed_texts(given.body) == _fixed_texts(arrived.body)


def _fixed_texts(addresses: bytes) -> list[bytes]:
    """Of a list of addresses what may not be encoded: each address, and what stands in quotes if it has `=?`."""
    found = [quoted for quoted in re.findall(rb'"[^"]*"', addresses) if b"=?" in quoted]
    outside = re.sub(rb'"[^"]*"|\([^()]*\)', b" ", addresses)
    for element in re.split(rb"[,;]", outside):
        brackets = re.search(rb"<[^>]*>", element)
        bare = re.sub(rb"^[^@]*:", b"", element) if b"@" in element else b""
        found.append(b"".join((brackets[0] if brackets else bare).split()))
    return [one for one in found if one]


def _count(entity: Entity, name: str) -> int:
    return sum(field.name == name for field in entity.fields)


def _lost_type(one: Entity, other: Entity) -> str | None:
    """The type, or its parameter, that has changed. What was left out may have been added."""
    known, now = (one.main_type, one.subtype), (other.main_type, other.subtype)
    if known != now and (known, now) != (("", ""), _PLAIN):
        return f"type {'/'.join(known if any(known) else _PLAIN)}"
    given, arrived = mime.parameters(one), mime.parameters(other)
    names = (name for name in given if not name.startswith("boundary"))
    return next((f"parameter {name} of the type" for name in names if arrived.get(name) != given[name]), None)


def _same_content(one: Entity, other: Entity) -> bool:
    given, arrived = _content(one), _content(other)
    encodings = {one.encoding, other.encoding}
    if encodings <= {*mime.IDENTITY} and not mime.may_be_encoded(one):
        given, arrived = _masked(given), _masked(arrived)
    if len(encodings) == 1 or encodings <= {*mime.IDENTITY}:
        return given == arrived
    if not encodings <= {*mime.IDENTITY, "quoted-printable", "base64"}:
        return False
    # A line end before a delimiter belongs to the delimiter; at the end of the message it belongs to the text.
    return given in (arrived, arrived + b"\r\n") or given + b"\r\n" == arrived


def _masked(octets: bytes) -> bytes:
    """Where nothing can be encoded, what a server does not take may become `?`, and a long line two."""
    return re.sub(rb"[\0\x80-\xff]", b"?", octets.replace(b"\r\n ", b""))


def _content(entity: Entity) -> bytes:
    """The decoded content of a leaf."""
    content = mime.content(entity)
    content = _decoded(content) if entity.encoding == "base64" else content
    text = entity.main_type in ("", "text") or entity.encoding != "base64"
    return canonical(content) if text else content


def _decoded(base64: bytes) -> bytes:
    """Base64 decoded; unchanged if it is not valid base64."""
    digits = re.sub(rb"[^A-Za-z0-9+/]", b"", base64)
    try:
        return binascii.a2b_base64(digits + b"=" * (-len(digits) % 4))
    except binascii.Error:
        return base64
