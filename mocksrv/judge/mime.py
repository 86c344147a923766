# SPDX-License-Identifier: ISC
"""A reader of MIME messages (RFC 2045, RFC 2046), for canonical messages: lines that end with CR LF.

In some things it follows the RFCs where Python's `email` does not: consecutive delimiters, comments in Content-Type,
white space at the end of quoted-printable lines, white space before a colon.
"""

import base64
import re
from collections.abc import Iterator
from dataclasses import dataclass, field

LONGEST, DEEPEST, LONGEST_BOUNDARY = 998, 100, 994
IDENTITY = ("", "7bit", "8bit", "binary")
_ENCODINGS = (*IDENTITY, "quoted-printable", "base64")
_TOKEN = re.compile(rb'[^\x00-\x20()<>@,;:\\"/\[\]?=\x7f]*')
_QUOTED = re.compile(rb'"((?:[^"\\]|\\.)*)"?', re.DOTALL)
_BARE = re.compile(rb"[^\x00-\x20;(]*")
# A mailbox leaves lines that begin with `From ` in headers; nobody ends a header there.
_FIELD = re.compile(rb"([!-9;-~]+)[ \t]*:(.*)|(>?From )(.*)", re.DOTALL)
_WORD = re.compile(rb"=\?([^?\s]+)\?([bqBQ])\?([^?\s]*)\?=")
_BETWEEN_WORDS = re.compile(rb"(" + _WORD.pattern + rb")[ \t]+(?=" + _WORD.pattern + rb")")
_BASE64 = re.compile(rb"[A-Za-z0-9+/= \t]*")


@dataclass
class Field:
    """A header field, its lines as they stand there, and its body in one line. A `From ` line is called "from "."""

    name: str
    lines: list[bytes]

    @property
    def body(self) -> bytes:
        """What follows the colon, unfolded."""
        found = _FIELD.fullmatch(b"".join(self.lines))
        assert found
        return found[2] if found[1] else found[4]

    def is_long(self) -> bool:
        """Whether it has to be folded."""
        return any(len(line) > LONGEST for line in self.lines)

    def is_eightbit(self) -> bool:
        """Whether it has octets that are not ASCII."""
        return not all(map(bytes.isascii, self.lines))

    def is_utf8(self) -> bool:
        """Whether all of it is UTF-8."""
        return is_utf8(b"\n".join(self.lines))


@dataclass
class Entity:
    """A message or a part, with everything in it."""

    numbers: tuple[int, ...]  # of the parts that it is in, the outermost first
    depth: int  # how many multiparts and messages are around it
    is_message: bool
    fields: list[Field] = field(default_factory=list)
    has_blank: bool = False
    body: list[bytes] = field(default_factory=list)
    kind: str = "leaf"  # or "multipart", "message"
    main_type: str = ""
    subtype: str = ""
    boundary: bytes = b""
    encoding: str = ""
    inside: list["Entity"] = field(default_factory=list)
    delimiters: list[bytes] = field(default_factory=list)
    outside: list[list[bytes]] = field(default_factory=list)  # preamble, epilogue
    around: tuple[bytes, ...] = ()  # the boundaries of the multiparts that it is in

    @property
    def place(self) -> str:
        """How Qremote's reports name it."""
        return "part " + ".".join(map(str, self.numbers)) if self.numbers else "its body"

    def first(self, name: str) -> bytes | None:
        """The body of its first field of that name."""
        return next((one.body for one in self.fields if one.name == name), None)

    def has(self, name: str) -> bool:
        """Whether it has a field of that name."""
        return any(one.name == name for one in self.fields)

    def all_lines(self) -> list[bytes]:
        """All octets of the entity."""
        header = [line for one in self.fields for line in one.lines]
        return header + [b""] * self.has_blank + self.body


def is_utf8(octets: bytes) -> bool:
    """Whether the octets are well-formed UTF-8."""
    try:
        octets.decode()
    except UnicodeDecodeError:
        return False
    return True


def split(message: bytes) -> list[bytes]:
    """The lines of a canonical message."""
    assert not message or message.endswith(b"\r\n")
    return message.split(b"\r\n")[:-1]


def read(message: bytes) -> Entity:
    """The tree of a canonical message."""
    return _read_entity(split(message), Entity((), 0, True), False)


def _read_entity(lines: list[bytes], entity: Entity, in_digest: bool) -> Entity:
    """Fills in what the lines say, for the entity and everything in it."""
    _read_header(lines, entity)
    kind = _read_type(entity.first("content-type"), in_digest)
    entity.main_type, entity.subtype, entity.boundary = kind
    encoding = entity.first("content-transfer-encoding") or b""
    entity.encoding = (_token(encoding, _skip_comments(encoding, 0))[0]).decode("latin-1").lower()
    if entity.encoding not in _ENCODINGS:  # as good as none
        entity.encoding = "binary"
    if entity.depth < DEEPEST and entity.boundary:
        entity.kind = "multipart"
        _read_parts(entity)
    elif entity.depth < DEEPEST and kind[:2] == ("message", "rfc822") and entity.encoding in IDENTITY:
        entity.kind = "message"
        embedded = Entity(entity.numbers, entity.depth + 1, True, around=entity.around)
        entity.inside = [_read_entity(entity.body, embedded, False)]
    return entity


def _read_header(lines: list[bytes], entity: Entity) -> None:
    """A header ends at a blank line, or before a line that is not a header field."""
    at = 0
    while at < len(lines) and lines[at]:
        found = _FIELD.match(lines[at])
        if lines[at][0] in b" \t" and at > 0:
            entity.fields[-1].lines.append(lines[at])
        elif found:
            entity.fields.append(Field((found[1] or found[3]).decode().lower(), [lines[at]]))
        else:
            break
        at += 1
    entity.has_blank = at < len(lines) and not lines[at]
    entity.body = lines[at + entity.has_blank :]


def delimiter(boundary: bytes) -> re.Pattern[bytes]:
    """The lines that are delimiters of this boundary; the last one has the group."""
    return re.compile(rb"--" + re.escape(boundary) + rb"(--)?[ \t]*")


def _read_parts(entity: Entity) -> None:
    """Cuts a body at the delimiters. Those of inner multiparts do not count, so outer ones are tested first."""
    pattern = delimiter(entity.boundary)
    pieces: list[list[bytes]] = [[]]
    closed = False
    for line in entity.body:
        found = None if closed else pattern.fullmatch(line)
        if not found:
            pieces[-1].append(line)
            continue
        entity.delimiters.append(line)
        pieces.append([])
        closed = bool(found[1])
    epilogue = [pieces.pop()] if closed else []
    entity.outside = [pieces[0], *epilogue]
    is_digest = entity.subtype == "digest"
    for number, piece in enumerate(pieces[1:], 1):
        part = Entity((*entity.numbers, number), entity.depth + 1, False, around=(*entity.around, entity.boundary))
        entity.inside.append(_read_entity(piece, part, is_digest))


def _skip_comments(text: bytes, at: int) -> int:
    """The position of the next octet that is neither white space nor in a comment."""
    depth = 0
    while at < len(text):
        octet = text[at : at + 1]
        if depth and octet == b"\\":
            at += 1
        elif octet == b"(":
            depth += 1
        elif depth and octet == b")":
            depth -= 1
        elif not depth and octet not in b" \t\r\n":
            return at
        at += 1
    return len(text)


def _token(text: bytes, at: int) -> tuple[bytes, int]:
    """The token at this position, and the position of what follows it."""
    found = _TOKEN.match(text, at)
    assert found
    return found[0], _skip_comments(text, found.end())


def _parameters(text: bytes, at: int) -> list[tuple[str, bytes]]:
    """The parameters after semicolons outside of quoted strings and comments; values are decoded as RFC 2231 says."""
    found = []
    while (at := _skip_comments(text, at)) < len(text):
        octet = text[at : at + 1]
        quoted = _QUOTED.match(text, at)
        if octet != b";":
            at = quoted.end() if quoted else at + 1
            continue
        attribute, at = _token(text, _skip_comments(text, at + 1))
        if text[at : at + 1] != b"=":
            continue
        at = _skip_comments(text, at + 1)
        value = _QUOTED.match(text, at)
        if value:
            plain = re.sub(rb"\\(.)", rb"\1", value[1])
        else:
            value = _BARE.match(text, at)
            assert value
            plain = value[0]
        at = value.end()
        name = attribute.decode("latin-1").lower()
        if name.endswith("*"):
            plain = _extended(plain, name.count("*") == 1 or "*0*" in name)
        found.append((name.removesuffix("*"), plain))
    return found


def _extended(value: bytes, is_first: bool) -> bytes:
    """An extended value (RFC 2231 section 4) without charset and language, its %XX decoded."""
    if is_first and value.count(b"'") >= 2:
        value = value.split(b"'", 2)[2]
    return re.sub(rb"%([0-9A-Fa-f]{2})", lambda found: bytes.fromhex(found[1].decode()), value)


def _read_type(body: bytes | None, in_digest: bool) -> tuple[str, str, bytes]:
    """Type, subtype and boundary of a Content-Type field; empty if they cannot be understood."""
    if body is None:
        return ("message", "rfc822", b"") if in_digest else ("", "", b"")
    main_type, at = _token(body, _skip_comments(body, 0))
    if body[at : at + 1] != b"/":
        return "", "", b""
    subtype, at = _token(body, _skip_comments(body, at + 1))
    boundary = b""
    if main_type.lower() == b"multipart":
        values: dict[str, bytes] = {}
        for name, value in _parameters(body, at):
            values.setdefault(name, value)
        sections = [values.get(f"boundary*{number}") for number in range(100)]
        pieces = sections[: sections.index(None)] if None in sections else sections
        boundary = values["boundary"] if "boundary" in values else b"".join(filter(None, pieces))
        boundary = b"" if len(boundary) > LONGEST_BOUNDARY else boundary.rstrip(b" \t")
    return main_type.decode("latin-1").lower(), subtype.decode("latin-1").lower(), boundary


def decode_quoted_printable(lines: list[bytes]) -> bytes:
    """RFC 2045 section 6.7: white space at the end is dropped, `=` at the end joins, `=` without digits stays.

    Python's binascii keeps the white space.
    """
    text = b""
    for line in lines:
        line = line.rstrip(b" \t")
        soft = line.endswith(b"=")
        plain = line.removesuffix(b"=")
        text += re.sub(rb"=([0-9A-Fa-f]{2})", lambda found: bytes.fromhex(found[1].decode()), plain)
        text += b"" if soft else b"\r\n"
    return text


def content(entity: Entity) -> bytes:
    """The content of a leaf. Of base64 only the line ends are removed, since a footer may follow it."""
    if entity.encoding == "quoted-printable":
        return decode_quoted_printable(entity.body)
    if entity.encoding == "base64":
        return b"".join(entity.body)
    return b"".join(line + b"\r\n" for line in entity.body)


def parameters(entity: Entity) -> dict[str, bytes]:
    """The parameters of its Content-Type, without white space in them; the first one of each name counts."""
    found: dict[str, bytes] = {}
    for name, value in _parameters(entity.first("content-type") or b"", 0):
        found.setdefault(name, b"".join(value.split()))
    return found


def encoded_words(body: bytes) -> Iterator[re.Match[bytes]]:
    """What has the form of an encoded-word (RFC 2047 section 2)."""
    return _WORD.finditer(body)


def _decoded_word(found: re.Match[bytes], to_utf8: bool) -> bytes:
    """What an encoded-word stands for, in its own charset or in UTF-8; as it is written where that is not possible."""
    charset, encoding, text = found.groups()
    octets = re.sub(rb"=([0-9A-Fa-f]{2})", lambda one: bytes.fromhex(one[1].decode()), text.replace(b"_", b" "))
    try:
        if encoding in b"bB":
            octets = base64.b64decode(text + b"=" * (-len(text) % 4))
        return octets.decode(charset.decode("latin-1")).encode() if to_utf8 else octets
    except LookupError:
        return octets
    except ValueError:
        return found[0]


def readable(field: Field, to_utf8: bool) -> bytes:
    """What a reader is shown of a field: encoded-words (RFC 2047) are decoded.

    Quotes are left out, and so is white space that does not tell words apart.
    """
    text = _WORD.sub(lambda one: _decoded_word(one, to_utf8), _BETWEEN_WORDS.sub(rb"\1", field.body))
    return re.sub(rb" ?([()<>,;:]) ?", rb"\1", b" ".join(re.sub(rb'["\\]', b"", text).split()))


def may_be_encoded(entity: Entity) -> bool:
    """Whether a Content-Transfer-Encoding may change its octets (RFC 2045 section 6.4; RFC 6532 section 3.5)."""
    return entity.main_type not in ("message", "multipart") or entity.subtype.split("-")[0] == "global"


def is_base64(line: bytes) -> bool:
    """Whether it holds only base64 and white space."""
    return bool(_BASE64.fullmatch(line))
