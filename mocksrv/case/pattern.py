# SPDX-License-Identifier: ISC
"""One C line of a dialogue: what the client must send, exactly except for its holes.

    C: MAIL FROM:<{who:addr}> SIZE={n:int}

`{helo}` and the message holes stand for octets that are known when the case runs (`Facts`). A typed hole takes any
text of its form, and the same text (params: the same set) wherever its name occurs again.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

from mocksrv.case.octets import canonical, dot_stuffed, encode, unescape

_KINDS = {
    "int": rb"[0-9]+",
    "token": rb"[!-~]+",
    "addr": rb'(?:"(?:[^"\\\r\n]|\\[^\r\n])*"|[^\s<>"])*',  # between the angle brackets
    "b64": rb"[A-Za-z0-9+/]+={0,2}",
    "params": rb"(?: [A-Za-z0-9][A-Za-z0-9-]*(?:=[^\s=]+)?)*",  # each with the space before it
}
LONGEST_LINE = 65536  # octets
_HOLE = re.compile(
    r"\{(?:(?P<helo>helo)|message(?:\[(?P<start>\d*):(?P<stop>\d*)\])?|(?P<name>[a-z]\w*):(?P<kind>\w+))\}", re.ASCII
)


@dataclass(frozen=True)
class Facts:
    """The values of the holes without a name: the client's own name and the file `message`, unchanged."""

    helo: bytes
    message: bytes

    @cached_property
    def body(self) -> bytes:
        """The message as BDAT carries it."""
        return canonical(self.message)

    @cached_property
    def data(self) -> bytes:
        """The message as DATA carries it, with the final dot."""
        return dot_stuffed(self.message)


@dataclass(frozen=True)
class Literal:
    """Fixed octets."""

    octets: bytes


@dataclass(frozen=True)
class Helo:
    """`{helo}`."""


@dataclass(frozen=True)
class Data:
    """`{message}`: the dot-stuffed message and the final dot."""


@dataclass(frozen=True)
class Slice:
    """`{message[start:stop]}`: some octets of the canonical message."""

    start: int | None
    stop: int | None


@dataclass(frozen=True)
class Hole:
    """`{name:kind}`: any text of that kind."""

    name: str
    kind: str


Part = Literal | Helo | Data | Slice | Hole


@dataclass(frozen=True)
class Pattern:
    """The parts of one C line, in order."""

    parts: tuple[Part, ...]

    @property
    def is_open(self) -> bool:
        """Whether it has a typed hole, so that only the end of the line shows where its octets end."""
        return any(isinstance(part, Hole) for part in self.parts)

    def fixed(self, facts: Facts) -> bytes:
        """The exact octets of a pattern that is not open."""
        return b"".join(fixed_octets(part, facts) for part in self.parts)

    def match(self, octets: bytes, facts: Facts, bound: dict[str, bytes]) -> bool:
        """Whether `octets` match as a whole. Names that match for the first time are added to `bound`."""
        found = self._regex(facts, bound).fullmatch(octets)
        if found is None:
            return False
        values = dict(bound)
        for hole, text in zip((part for part in self.parts if isinstance(part, Hole)), found.groups()):
            value = b" ".join(sorted(text.upper().split())) if hole.kind == "params" else text
            if values.setdefault(hole.name, value) != value or not re.fullmatch(_KINDS[hole.kind], text):
                return False
        bound.update(values)
        return True

    def leads(self, octets: bytes, facts: Facts, bound: dict[str, bytes]) -> bool | None:
        """Whether `octets` begin with a match; None if it takes more of them to know. Adds nothing to `bound`."""
        if self.is_open:
            line, end, _ = octets.partition(b"\n")
            if not end and len(line) <= LONGEST_LINE:
                return None
            return self.match(line + end, facts, dict(bound))
        fixed = self.fixed(facts)
        return octets.startswith(fixed) or (None if fixed.startswith(octets) else False)

    def _regex(self, facts: Facts, bound: dict[str, bytes]) -> re.Pattern[bytes]:
        """One group for each typed hole. A name that is bound already matches only its own text."""
        text, names = b"", set[str]()
        for part in self.parts:
            if not isinstance(part, Hole):
                text += re.escape(fixed_octets(part, facts))
            elif part.kind == "params":  # their order may differ
                text += b"(" + _KINDS[part.kind] + b")"
            elif part.name in bound:
                text += b"(" + re.escape(bound[part.name]) + b")"
            elif part.name in names:
                text += b"((?P=" + part.name.encode() + b"))"
            else:
                text += b"(?P<" + part.name.encode() + b">" + _KINDS[part.kind] + b")"
                names.add(part.name)
        return re.compile(text)


def fixed_octets(part: Part, facts: Facts) -> bytes:
    """The octets of a part that is not a typed hole."""
    match part:
        case Literal(octets):
            return octets
        case Helo():
            return facts.helo
        case Data():
            return facts.data
        case Slice(start, stop):
            return facts.body[start:stop]
    raise TypeError(f"{part} is open")


def parse_line(text: str) -> Pattern:
    """The pattern of `C: text`. Adds CRLF, but not to a message hole. Raises ValueError saying what is wrong."""
    parts = _parts(text, encode)
    if any(isinstance(part, (Data, Slice)) for part in parts):
        if len(parts) > 1:
            raise ValueError("a message hole must be alone in its line (or in a C= line)")
        return Pattern(parts)
    return Pattern(_joined((*parts, Literal(b"\r\n"))))


def parse_exact(text: str) -> Pattern:
    """The pattern of `C= text`: escapes are read, nothing is added. Raises ValueError saying what is wrong."""
    pattern = Pattern(_parts(text, unescape))
    last = pattern.parts[-1] if pattern.parts else None
    if pattern.is_open and not (isinstance(last, Literal) and last.octets.endswith(b"\n")):
        raise ValueError(r"a C= line with a typed hole must end with \n, which shows where it ends")
    return pattern


def _parts(text: str, literal: Callable[[str], bytes]) -> tuple[Part, ...]:
    done: int = 0
    parts: list[Part] = []
    for found in _HOLE.finditer(text):
        parts += [Literal(_literal(text[done : found.start()], literal)), _hole(found)]
        done = found.end()
    parts.append(Literal(_literal(text[done:], literal)))
    return tuple(part for part in parts if part != Literal(b""))


def _literal(text: str, literal: Callable[[str], bytes]) -> bytes:
    if "{" in text:
        known = "{helo} {message} {message[a:b]} " + " ".join(f"{{name:{kind}}}" for kind in _KINDS)
        raise ValueError(rf"'{{' does not begin a hole: there are {known} (a brace itself is \x7b in a C= line)")
    return literal(text)


def _hole(found: re.Match[str]) -> Part:
    if found["helo"]:
        return Helo()
    if found["name"] is None:
        start, stop = found["start"], found["stop"]
        return Data() if start is None else Slice(int(start or 0), int(stop) if stop else None)
    if found["kind"] not in _KINDS:
        raise ValueError(f"no such kind of hole: {found['kind']} (there are {', '.join(_KINDS)})")
    return Hole(found["name"], found["kind"])


def _joined(parts: tuple[Part, ...]) -> tuple[Part, ...]:
    """The parts, the last two joined if both are literal: then a mutation changes the text, not the line end."""
    match parts:
        case (*front, Literal(one), Literal(other)):
            return (*front, Literal(one + other))
    return parts
