"""Whether the message that arrived is the one that was given, though a client may have put it in another form.

A client may put trace fields in front and complete the header, recode parts, and fold fields anew. It may not change
what a reader is shown, nor drop a field.
"""

import email
import email.message
import re

from mocksrv.octets import canonical, decode

_HEADER = re.compile(rb"(?:[!-9;-~]+[ \t]*:[^\r\n]*\r\n(?:[ \t][^\r\n]*\r\n)*)*")
# What recoding may change, add or take away; and what may be taken away (RFC 5321, section 4.4; RFC 5322, section 3.6.3).
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
    """Names and values without white space: where a field is folded, and whether a blank stands behind a comma, may change."""
    found = re.findall(rb"(?m)^([!-9;-~]+)[ \t]*:((?:[^\r\n]|\r\n[ \t])*)", header)
    return [(name.lower(), b"".join(value.split())) for name, value in found]


def _first_lost(given: list[tuple[bytes, bytes]], arrived: list[tuple[bytes, bytes]]) -> bytes | None:
    rest = iter(arrived)
    wanted = (field for field in given if field[0] not in _FREE)
    return next((field[0] for field in wanted if field not in rest), None)


def _leaves(message: bytes) -> list[tuple[str, bytes]]:
    """Type and decoded content of every part that has no parts."""
    found = email.message_from_bytes(message).walk()
    return [(part.get_content_type(), _content(part)) for part in found if not part.is_multipart()]


def _content(part: "email.message.Message[str, str]") -> bytes:
    payload = part.get_payload(decode=True)
    content = payload if isinstance(payload, bytes) else b""
    return canonical(content).rstrip(b"\r\n") if part.get_content_maintype() == "text" else content
