# SPDX-License-Identifier: ISC
"""The rules of TR-8 for a message, independent of src/, on top of the reader in mocksrv.judge.mime.

mimecheck.py judges with it what Python's `email` reads otherwise than the manual page. Everything here works on canonical
messages: lines that end with CR LF.
"""

import re
from bisect import bisect_left
from collections.abc import Iterable
from dataclasses import dataclass

from mocksrv.judge.mime import IDENTITY, LONGEST, Entity, Field, delimiter, is_base64, may_be_encoded

SHORT = 76
UNFOLDABLE = "has a line of more than 998 octets that cannot be folded"
ADDRESSES = {"from", "to", "cc", "reply-to", "resent-to", "references"}  # those that tests have
STRUCTURED = {"content-type", "content-transfer-encoding", "content-disposition", "mime-version", "date"}
_NO_DELIMITER = "is a multipart without a delimiter"


@dataclass(frozen=True)
class Server:
    """What a server accepts."""

    eightbitmime: bool
    smtputf8: bool

    @property
    def may_keep_eightbit(self) -> bool:
        """Whether 8-bit octets may remain, at least in header fields."""
        return self.eightbitmime or self.smtputf8

    def takes(self, lines: list[bytes]) -> bool:
        """Whether these lines are legal in a body."""
        short = all(len(line) <= LONGEST and b"\0" not in line for line in lines)
        return short and (self.eightbitmime or all(map(bytes.isascii, lines)))


def can_be_folded(line: bytes, is_first: bool) -> bool:
    """Whether there is any way to cut the line before white space so that each piece fits and none is white space only.

    All ways are tried: `reached` holds, in order, the places where a piece may end. Of those that end at one
    place none has more than white space if the longest that fits has not. The first line is not cut before its colon.
    """
    least = line.index(b":") + 1 if is_first else 1
    places = [at for at in range(least, len(line)) if line[at] in b" \t"]
    reached = [0]
    for at in [*places, len(line)]:
        longest = bisect_left(reached, at - LONGEST)
        if longest < len(reached) and line[reached[longest] : at].strip(b" \t"):
            reached.append(at)
    return reached[-1] == len(line)


def troubles(entity: Entity, server: Server) -> set[str]:
    """Everything that keeps the message from being made legal, as TR-8 lists it; the report may name any of it."""
    found = {f"{entity.place} {what}" for what in _body_troubles(entity, server)}
    where = f" of {entity.place}" if entity.depth else ""
    for one in entity.fields:
        if one.name == "content-transfer-encoding" and gets_new_encoding(entity, server):
            continue
        what = _field_trouble(one, server)
        if what:
            found.add(f"the field {one.lines[0][: len(one.name)].decode()[:50]}{where} {what}")
    for inner in entity.inside:
        found |= troubles(inner, server)
    return found


def _field_trouble(one: Field, server: Server) -> str:
    """A long line is no trouble if it can be folded."""
    if any(b"\0" in line for line in one.lines):
        return "has a NUL"
    if becomes_words(one, server):
        if not has_room_for_words(one):
            return "has 8-bit octets, and the server does not offer 8BITMIME"
        return UNFOLDABLE if has_long_words(one) else ""
    if all(can_be_folded(line, line is one.lines[0]) for line in one.lines if len(line) > LONGEST):
        return ""
    return UNFOLDABLE


def becomes_words(one: Field, server: Server) -> bool:
    """Whether a field cannot keep its 8-bit octets there."""
    return one.is_eightbit() and not (server.eightbitmime or (server.smtputf8 and one.is_utf8()))


def has_room_for_words(one: Field) -> bool:
    """Whether encoded-words may stand where the field has 8-bit octets: in free text, beside addresses, in comments."""
    if one.name in ADDRESSES:
        outside = re.sub(rb'"[^"]*"|\([^()]*\)', b"", one.body)
        elements = [re.sub(rb"^[^@<]*:", b"", element) for element in re.split(b"[,;]", outside)]  # no names of groups
        bare = [element for element in elements if b"@" in element and b"<" not in element]
        return all(map(bytes.isascii, bare)) and not re.search(rb"<[^>]*[\x80-\xff]", outside)
    if one.name in STRUCTURED:
        return re.sub(rb'("[^"]*")|\([^()]*\)', rb"\1", one.body).isascii()
    return one.name != "received"


def has_long_words(one: Field) -> bool:
    """Whether unchanged text does not fit into a line."""
    words = re.findall(rb"([ \t]*)([^ \t]+)", one.body)
    longest = max((len(white or b" ") + len(word) for white, word in words if word.isascii()), default=0)
    return max(longest, len(b"".join(one.lines)) - len(one.body)) > LONGEST


def _body_troubles(entity: Entity, server: Server) -> set[str]:
    """What is wrong with a body, without the entities in it."""
    if entity.kind == "message":
        return set()
    if entity.kind == "multipart":
        found = {_NO_DELIMITER} if not (entity.delimiters or server.takes(entity.body)) else set()
        return found if server.takes(entity.delimiters) else found | {"has a delimiter that cannot be sent"}
    if server.takes(entity.body):
        return set()
    if entity.main_type == "multipart":
        return {"is nested too deeply" if entity.boundary else "is a multipart without a usable boundary"}
    if (entity.main_type, entity.subtype) == ("message", "rfc822") and entity.encoding in IDENTITY:
        return {"is nested too deeply"}
    return set()


def masked(lines: list[bytes], server: Server, boundaries: Iterable[bytes]) -> list[bytes]:
    """The new form of text that cannot be encoded: the same, if the server accepts it. No line becomes a delimiter."""
    illegal = b"\0" if server.eightbitmime else bytes([0, *range(0x80, 0x100)])
    delimiters = [delimiter(boundary) for boundary in boundaries]
    found = []
    for line in lines:
        line = line.translate(bytes.maketrans(illegal, b"?" * len(illegal)))
        first, rest = line[:LONGEST], line[LONGEST:]
        if any(pattern.fullmatch(first) for pattern in delimiters):
            first = b"?" + first[1:]
        found += [first, *(b" " + rest[at : at + LONGEST - 1] for at in range(0, len(rest), LONGEST - 1))]
    return found


def wrapped(lines: list[bytes], server: Server, boundaries: Iterable[bytes]) -> list[bytes]:
    """The same in a base64 body, where lines that are base64 are short."""
    found = []
    for line in lines:
        pieces = [line[at : at + SHORT] for at in range(0, len(line), SHORT)] or [line]
        found += pieces if is_base64(line) else masked([line], server, boundaries)
    return found


def is_masked(entity: Entity) -> bool:
    """Whether its body must not be encoded."""
    return not may_be_encoded(entity) and entity.encoding in IDENTITY


def needs_change(entity: Entity, server: Server) -> bool:
    """Whether a body must be recoded, or a field folded or replaced; otherwise the message is sent unchanged."""
    texts = [entity.body] if entity.kind == "leaf" else entity.outside
    if not all(map(server.takes, texts)):
        return True
    is_replaced = gets_new_encoding(entity, server)
    changed = any(
        not server.takes(one.lines)
        if is_replaced and one.name == "content-transfer-encoding"
        else one.is_long() or becomes_words(one, server)
        for one in entity.fields
    )
    return changed or any(needs_change(one, server) for one in entity.inside)


def gets_new_encoding(entity: Entity, server: Server) -> bool:
    """Whether its Content-Transfer-Encoding is replaced or added, if the message needs a change at all."""
    if entity.kind == "leaf":
        return entity.encoding != "base64" and not is_masked(entity) and not server.takes(entity.body)
    return entity.encoding == "binary" or (entity.encoding == "8bit" and not server.may_keep_eightbit)
