"""Whether the message that arrived is the one that was given, though a client may have put it in another form.

A client may put trace fields in front and complete the header, recode parts, and fold fields anew. It may not change
what a reader is shown, nor drop a field.
"""

import email
import email.message
import re

from mocksrv.octets import canonical, decode

# What recoding may change, add or take away.
_FORM = {"mime-version", "content-transfer-encoding", "content-type"}


def difference(given: bytes, arrived: bytes) -> str | None:
    """What is not the same in the message that arrived; None if nothing is."""
    given, arrived = canonical(given), canonical(arrived)
    if arrived.endswith(given) and _is_header(arrived[: len(arrived) - len(given)]):
        return None
    lost = _first_lost(_fields(given), _fields(arrived))
    if lost is not None:
        return f"the field {decode(lost)} is gone, changed or out of order"
    if _body(given) == _body(arrived):
        return None
    one, other = _leaves(given), _leaves(arrived)
    if len(one) != len(other):
        return f"{len(other)} parts arrived; it has {len(one)}"
    for number, (part, came) in enumerate(zip(one, other), 1):
        if part != came:
            return f"the content of part {number} differs" if len(one) > 1 else "the body differs"
    return None


def _is_header(octets: bytes) -> bool:
    return re.fullmatch(rb"(?:[!-9;-~]+[ \t]*:[^\r\n]*\r\n(?:[ \t][^\r\n]*\r\n)*)*", octets) is not None


def _fields(message: bytes) -> list[tuple[bytes, bytes]]:
    """Names and unfolded values of the header."""
    header = message.partition(b"\r\n\r\n")[0]
    found = re.findall(rb"(?m)^([!-9;-~]+)[ \t]*:((?:[^\r\n]|\r\n[ \t])*)", header + b"\r\n")
    return [(name.lower(), b" ".join(value.split())) for name, value in found]


def _first_lost(given: list[tuple[bytes, bytes]], arrived: list[tuple[bytes, bytes]]) -> bytes | None:
    rest = iter(arrived)
    wanted = (field for field in given if field[0].decode() not in _FORM)
    return next((field[0] for field in wanted if field not in rest), None)


def _body(message: bytes) -> bytes:
    return message.partition(b"\r\n\r\n")[2]


def _leaves(message: bytes) -> list[tuple[str, bytes]]:
    """Type and decoded content of every part that has no parts."""
    found = email.message_from_bytes(message).walk()
    return [(part.get_content_type(), _content(part)) for part in found if not part.is_multipart()]


def _content(part: "email.message.Message[str, str]") -> bytes:
    payload = part.get_payload(decode=True)
    content = payload if isinstance(payload, bytes) else b""
    return canonical(content).rstrip(b"\r\n") if part.get_content_maintype() == "text" else content
