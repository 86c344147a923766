# SPDX-License-Identifier: ISC
"""The lines of a `dialogue` section as steps: what the server says, what the client must say, and directives."""

import ipaddress
import re
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, NoReturn

from mocksrv.case import pattern
from mocksrv.case.blocks import structured
from mocksrv.case.certs import Recipes
from mocksrv.case.octets import encode, unescape
from mocksrv.case.sense import check
from mocksrv.case.steps import (
    SMTP_PORT, Close, Delay, Dialogue, Drip, HalfClose, Hear, KeyUpdate, Mark, NoAnswer, Read, Refuse, Renegotiate,
    Reset, Say, Split, Stall, Starttls, Step, Within,
)  # fmt: skip
from mocksrv.case.terms import parse_terms

_Values = dict[str, Callable[[str], object]]
IPAddress = ipaddress.IPv4Address | ipaddress.IPv6Address


class CaseError(Exception):
    """A case that cannot be read or played, as `FILE:LINE: what is wrong`."""


_SECONDS = r"\d+(?:\.\d+)?"
_RANGE = rf"within=(?P<within>{_SECONDS}\.\.{_SECONDS})"
_DIRECTIVES: dict[str, tuple[type[Step], str, str]] = {
    "delay": (Delay, rf"(?P<seconds>{_SECONDS})s?", "T"),
    "drip": (Drip, rf"(?P<octets>[1-9]\d*) (?P<seconds>{_SECONDS})s?(?: {_RANGE})?", "N T [within=A..B]"),
    "split": (Split, "", ""),
    "stall": (Stall, _RANGE, "within=A..B"),
    "read": (Read, r"(?P<octets>[1-9]\d*)", "N"),
    "starttls": (Starttls, r"(?P<terms>.*)", ""),
    "key-update": (KeyUpdate, r"(?P<ask>ask)?", "[ask]"),
    "renegotiate": (Renegotiate, "", ""),
    "close": (Close, r"(?P<how>abrupt|alert)?", "[abrupt|alert]"),
    "half-close": (HalfClose, "", ""),
    "reset": (Reset, "", ""),
    "refuse": (Refuse, "", ""),
    "no-answer": (NoAnswer, _RANGE, "within=A..B"),
    "either": (Mark, "", ""),
    "or": (Mark, "", ""),
    "optional": (Mark, "", ""),
    "repeat": (Mark, r"(?P<times>\d+)", "N"),
    "end": (Mark, "", ""),
}
_VALUES: _Values = {
    "seconds": float, "octets": int, "within": Within.parse, "ask": bool, "how": str, "times": int,
}  # fmt: skip


def parse_dialogue(path: str, line: int, argument: str, body: list[str]) -> Dialogue:
    """The dialogue of a section of the file `path` whose header is in `line`. Raises CaseError."""
    fail = partial(_fail, path)
    words = argument.split()
    never = words[1:] == ["never"]
    if not words or len(words) > 1 + never:
        fail(line, "expected `-- dialogue HOST[:PORT] [never] --`")
    try:
        host, port = parse_endpoint(words[0], SMTP_PORT)
    except ValueError as error:
        fail(line, str(error))
    values = _VALUES | {"terms": partial(parse_terms, Recipes(Path(path)))}
    read: list[Step] = []
    notes: list[str] = []
    for number, text in enumerate(body, line + 1):
        if text.startswith("#"):
            notes.append(text.removeprefix("#").strip())
        elif text.strip():
            try:
                read.append(_parse_step(text, number, tuple(notes), values))
            except ValueError as error:
                fail(number, str(error))
            notes = []
    steps, marks = structured(fail, read)
    if never and read:
        fail(read[0].line, "a dialogue that must never happen has no lines")
    if not never and not read:
        fail(line, "an empty dialogue")
    check(fail, steps)
    return Dialogue(
        host=host, port=port, never=never, steps=tuple(steps), line=line, end=read[-1].line if read else line,
        marks=tuple(marks),
    )  # fmt: skip


def parse_endpoint(text: str, default_port: int) -> tuple[str, int]:
    """Host and port of `HOST`, `HOST:PORT`, `[V6]:PORT` or a bare IPv6 address. Raises ValueError."""
    if text.count(":") > 1 and not text.startswith("["):
        text = f"[{text}]"
    found = re.fullmatch(r"(?:\[(?P<literal>[^\]]*)\]|(?P<name>[^:\[\]]+))(?::(?P<port>\d{1,5}))?", text)
    port = int(found["port"] or default_port) if found else 0
    if found is None or not 0 < port < 65536:
        raise ValueError(f"not a HOST[:PORT]: {text}")
    if found["literal"] is not None:
        return str(ipaddress.ip_address(found["literal"])), port
    return found["name"].removesuffix(".").lower(), port


def _fail(path: str, line: int, what: str) -> NoReturn:
    raise CaseError(f"{path}:{line}: {what}")


def _parse_step(text: str, line: int, notes: tuple[str, ...], values: _Values) -> Step:
    found = re.fullmatch(r"([SC])([:=])(?: (.*))?", text, re.DOTALL)
    if found is None and text.startswith("@"):
        return _parse_directive(text, line, notes, values)
    if found is None:
        raise ValueError("expected `S: `, `C: `, `S= `, `C= `, `@directive` or `# comment`")
    speaker, exact, content = found[1], found[2] == "=", found[3] or ""
    if speaker == "S":
        octets = unescape(content) if exact else encode(content) + b"\r\n"
        return Say(line=line, source=text, notes=notes, octets=octets)
    parsed = pattern.parse_exact(content) if exact else pattern.parse_line(content)
    return Hear(line=line, source=text, notes=notes, pattern=parsed)


def _parse_directive(text: str, line: int, notes: tuple[str, ...], values: _Values) -> Step:
    name, _, arguments = text[1:].strip().partition(" ")
    if name not in _DIRECTIVES:
        raise ValueError(f"no such directive: @{name} (there are {' '.join('@' + known for known in _DIRECTIVES)})")
    kind, form, usage = _DIRECTIVES[name]
    found = re.fullmatch(form, arguments.strip())
    if found is None:
        raise ValueError(f"expected `{f'@{name} {usage}'.rstrip()}`")
    given = found.groupdict()
    read: dict[str, Any] = {key: None if value is None else values[key](value) for key, value in given.items()}
    return kind(line=line, source=text, notes=notes, **read)
