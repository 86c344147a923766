# SPDX-License-Identifier: ISC
"""The argument of MAIL and RCPT: `FROM:<path> parameters`. Reads any octets, and notes how they break the syntax."""

import re
from dataclasses import dataclass

_KEYWORD = re.compile(rb"(?:FROM|TO)(\s*):(\s*)", re.IGNORECASE)
_PATH = re.compile(rb'<(?:"(?:[^"\\]|\\.)*"|[^">])*>', re.DOTALL)


@dataclass(frozen=True)
class Envelope:
    """`path` is the text between the brackets, None without them; `words` are the parameters as they are written."""

    path: bytes | None
    spaced: bool  # whether there is a space next to the colon
    joined: bool  # whether something follows the path without a space
    words: tuple[bytes, ...]

    @property
    def mailbox(self) -> bytes:
        """The path without its source route."""
        path = self.path or b""
        return path.partition(b":")[2] if self.routed else path

    @property
    def routed(self) -> bool:
        """Whether the path is a source route."""
        path = self.path or b""
        return path.startswith(b"@") and b":" in path

    @property
    def local(self) -> bytes:
        """The text before the last @, or all of it if there is none."""
        return self.mailbox.rpartition(b"@")[0] if b"@" in self.mailbox else self.mailbox

    @property
    def domain(self) -> bytes | None:
        """The text after the last @; None if there is none."""
        return self.mailbox.rpartition(b"@")[2] if b"@" in self.mailbox else None

    @property
    def parameters(self) -> list[tuple[bytes, bytes | None]]:
        """Keywords, in upper case, and values as they are written."""
        pairs = (word.partition(b"=") for word in self.words if word)
        return [(keyword.upper(), value if equals else None) for keyword, equals, value in pairs]

    def has(self, keyword: bytes) -> bool:
        """Whether there is such a parameter."""
        return any(keyword == one for one, _ in self.parameters)

    def value(self, keyword: bytes) -> bytes:
        """The value of a parameter, in upper case; empty if there is none."""
        return next((value.upper() for one, value in self.parameters if one == keyword and value), b"")


def parse_envelope(argument: bytes) -> Envelope:
    """Reads the text after the verb."""
    argument = argument.rstrip(b" \t")  # CMD-SPACE is about white space at the end
    keyword = _KEYWORD.match(argument)
    if keyword is None:
        return Envelope(None, False, False, ())
    spaced = bool(keyword[1] or keyword[2])
    rest = argument[keyword.end() :]
    found = _PATH.match(rest)
    if found is None:
        return Envelope(None, spaced, False, tuple(rest.split(b" ")[1:]))
    tail = rest[found.end() :]
    joined = bool(tail) and not tail.startswith(b" ")
    words = (tail if joined else tail[1:]).split(b" ") if tail else []
    return Envelope(found[0][1:-1], spaced, joined, tuple(words))
