"""What TR-8 says of a message, written down without a look at src/, on top of the reader in mocksrv.mime.

mimecheck.py judges with it what Python's `email` reads otherwise than the manual page. Everything here works on canonical
messages: lines that end with CR LF.
"""

from bisect import bisect_left
from dataclasses import dataclass

from mocksrv.mime import IDENTITY, LONGEST, Entity, Field, is_base64

_NO_DELIMITER = "is a multipart without a delimiter"


@dataclass(frozen=True)
class Server:
    """What a server takes."""

    eightbitmime: bool
    smtputf8: bool

    @property
    def may_keep_eightbit(self) -> bool:
        """Whether 8-bit octets may be left, if only in header fields."""
        return self.eightbitmime or self.smtputf8

    def takes(self, lines: list[bytes]) -> bool:
        """Whether these lines may stand in a body."""
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
    """All that keeps the message from being made legal, as TR-8 lists it; any of it may be the one that is told."""
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
    if one.is_eightbit() and not (server.eightbitmime or (server.smtputf8 and one.is_utf8())):
        return "has 8-bit octets, and 8BITMIME is not offered"
    if all(can_be_folded(line, line is one.lines[0]) for line in one.lines if len(line) > LONGEST):
        return ""
    return "has a line of more than 998 octets that cannot be folded"


def _body_troubles(entity: Entity, server: Server) -> set[str]:
    """What is wrong with a body, but for the entities in it."""
    if entity.kind == "message":
        return set()
    if entity.kind == "multipart":
        outside = "has text outside its parts, which cannot be encoded" if entity.delimiters else _NO_DELIMITER
        found = {outside for text in entity.outside if not server.takes(text)}
        return found if server.takes(entity.delimiters) else found | {"has a delimiter that cannot be sent"}
    if server.takes(entity.body):
        return set()
    identity = entity.encoding in IDENTITY
    if entity.main_type == "multipart":
        return {"is nested too deeply" if entity.boundary else "is a multipart without a usable boundary"}
    if entity.main_type == "message" and identity:
        return {"is nested too deeply" if entity.subtype == "rfc822" else "is of a type that must not be encoded"}
    if entity.encoding == "base64":
        cuttable = all(is_base64(line) for line in entity.body if len(line) > LONGEST)
        plain = all(line.isascii() and b"\0" not in line for line in entity.body)
        return set() if cuttable and plain else {"has octets that are no base64"}
    return set()


def needs_change(entity: Entity, server: Server) -> bool:
    """Whether a body has to be recoded, or a field folded: else the message goes as it is, whatever it says."""
    if entity.kind == "leaf" and not server.takes(entity.body):
        return True
    return any(map(Field.is_long, entity.fields)) or any(needs_change(one, server) for one in entity.inside)


def gets_new_encoding(entity: Entity, server: Server) -> bool:
    """Whether its Content-Transfer-Encoding is replaced or added, if the message needs a change at all."""
    if entity.kind == "leaf":
        return entity.encoding != "base64" and not server.takes(entity.body)
    return entity.encoding == "binary" or (entity.encoding == "8bit" and not server.may_keep_eightbit)
