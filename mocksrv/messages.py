"""Whether the message that arrived is the one that was given, though a client may have put it in another form.

A client may put trace fields in front and complete the header, recode parts, and fold fields anew. It may not change
what a reader is shown, nor drop a field.
"""

import binascii
import re
from collections.abc import Iterator

from mocksrv import mime
from mocksrv.mime import Entity
from mocksrv.octets import canonical, decode

_HEADER = re.compile(rb"(?:[!-9;-~]+[ \t]*:[^\r\n]*\r\n(?:[ \t][^\r\n]*\r\n)*)*")
# What recoding may change or add; and what may be taken away (RFC 5321, section 4.4; RFC 5322, section 3.6.3).
_FREE = {b"mime-version", b"content-transfer-encoding", b"content-type", b"return-path", b"bcc"}


def difference(given: bytes, arrived: bytes) -> str | None:
    """What is not the same in the message that arrived; None if nothing is."""
    given, arrived = canonical(given), canonical(arrived)
    if arrived.endswith(given) and _is_header(arrived[: len(arrived) - len(given)]):
        return None
    (header, body), (arrived_header, arrived_body) = _split(given), _split(arrived)
    lost = _first_lost(_fields(header), _fields(arrived_header))
    if lost is not None:
        return f"the field {decode(lost)} is gone, changed or out of order"
    if body == arrived_body:
        return None
    one, other = _leaves(given), _leaves(arrived)
    if len(one) != len(other):
        return f"{len(other)} parts arrived; it has {len(one)}"
    for number, (part, came) in enumerate(zip(one, other), 1):
        if part != came:
            return f"the content of part {number} differs" if len(one) > 1 else "the body differs"
    return None


def _is_header(octets: bytes) -> bool:
    return _split(octets) == (octets, b"")


def _split(message: bytes) -> tuple[bytes, bytes]:
    """The fields in front, and what stands behind them and the empty line, if there is one."""
    found = _HEADER.match(message)
    header = found[0] if found else b""
    return header, message[len(header) :].removeprefix(b"\r\n")


def _fields(header: bytes) -> list[tuple[bytes, bytes]]:
    """Names and values without white space, for where a field is folded may change."""
    found = re.findall(rb"(?m)^([!-9;-~]+)[ \t]*:((?:[^\r\n]|\r\n[ \t])*)", header)
    return [(name.lower(), b"".join(value.split())) for name, value in found]


def _first_lost(given: list[tuple[bytes, bytes]], arrived: list[tuple[bytes, bytes]]) -> bytes | None:
    rest = iter(arrived)
    wanted = (field for field in given if field[0] not in _FREE)
    return next((field[0] for field in wanted if field not in rest), None)


def _leaves(message: bytes) -> list[tuple[str, bytes]]:
    """Type and decoded content of every part that has no parts."""
    return list(_leaves_of(mime.read(message)))


def _leaves_of(entity: Entity) -> Iterator[tuple[str, bytes]]:
    if entity.inside:
        yield from (leaf for one in entity.inside for leaf in _leaves_of(one))
        return
    content = mime.content(entity)
    if entity.encoding == "base64":
        content = _decoded(content)
    # A line end before a delimiter belongs to the delimiter; before the end of the message to the text.
    kind = f"{entity.main_type}/{entity.subtype}" if entity.main_type else "text/plain"  # RFC 2045, section 5.2
    text = kind.startswith("text/") or entity.encoding != "base64"
    yield kind, canonical(content).rstrip(b"\r\n") if text else content


def _decoded(base64: bytes) -> bytes:
    """What base64 stands for; as it is, if it is none."""
    digits = re.sub(rb"[^A-Za-z0-9+/]", b"", base64)
    try:
        return binascii.a2b_base64(digits + b"=" * (-len(digits) % 4))
    except binascii.Error:
        return base64
