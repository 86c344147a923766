# SPDX-License-Identifier: ISC
"""Octets: how cases write them, how people read them, and the forms in which a message is sent."""

import re

# Case files are UTF-8, yet any octet must survive a round trip through `str`.
_CODEC = ("utf-8", "surrogateescape")
_ESCAPES = {"r": b"\r", "n": b"\n", "0": b"\0", "\\": b"\\"}
_NAMES = {0x0D: r"\r", 0x0A: r"\n", 0x00: r"\0", 0x5C: r"\\"}
_ESCAPE = re.compile(r"\\(x[0-9a-fA-F]{2}|.?)", re.DOTALL)


def encode(text: str) -> bytes:
    """The octets of a text that `decode` made."""
    return text.encode(*_CODEC)


def decode(octets: bytes) -> str:
    """Octets as text; those that are not UTF-8 become lone surrogates, which `encode` turns back."""
    return octets.decode(*_CODEC)


def unescape(text: str) -> bytes:
    r"""Octets from text with `\r \n \0 \\ \xHH`. Raises ValueError on any other backslash."""
    done, parts = 0, []
    for found in _ESCAPE.finditer(text):
        name = found[1]
        parts.append(encode(text[done : found.start()]))
        if name.startswith("x") and len(name) == 3:
            parts.append(bytes.fromhex(name[1:]))
        elif name in _ESCAPES:
            parts.append(_ESCAPES[name])
        else:
            raise ValueError(rf"no such escape: \{name} (there are \r \n \0 \\ \xHH)")
        done = found.end()
    return b"".join(parts) + encode(text[done:])


def visible(octets: bytes) -> str:
    """Octets as text that `unescape` turns back, with nothing invisible in it."""
    return "".join(_visible_character(character) for character in decode(octets))


def harmless(line: str) -> str:
    """A line for people: unchanged if it is printable, otherwise with escapes, so that it cannot command a terminal."""
    return line if line.isprintable() else visible(encode(line))


def _visible_character(character: str) -> str:
    if character.isprintable() and character != "\\":
        return character
    return "".join(_NAMES.get(octet, f"\\x{octet:02x}") for octet in encode(character))


def split_lines(octets: bytes) -> list[bytes]:
    """The lines, each with its LF; the last one may lack it. A CR does not end a line."""
    return re.findall(rb"[^\n]*\n|[^\n]+", octets)


def canonical(message: bytes) -> bytes:
    """The message with CRLF line ends: CR, LF and CRLF each become CRLF, and a missing last one is added."""
    lines = re.sub(rb"\r\n|\r|\n", b"\r\n", message)
    return lines if not lines or lines.endswith(b"\r\n") else lines + b"\r\n"


def dot_stuffed(message: bytes) -> bytes:
    """What DATA sends: the canonical message, leading dots doubled, and the lone dot that ends it."""
    return re.sub(rb"(?m)^\.", b"..", canonical(message)) + b".\r\n"


def first_difference(one: bytes, other: bytes) -> int:
    """The index of the first octet in which the two differ; the shorter length if one is a prefix of the other."""
    shorter = min(len(one), len(other))
    if one[:shorter] == other[:shorter]:
        return shorter
    return next(index for index in range(shorter) if one[index] != other[index])
