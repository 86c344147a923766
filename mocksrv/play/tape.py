# SPDX-License-Identifier: ISC
r"""The record of a connection: what was said, in the order in which the server heard and said it.

Its text has the form of a `dialogue` section of a case, without holes: `C: text` and `S: text` for lines that end with
CR LF, `C= text` and `S= text` for other octets, and marks for other events:

    @starttls    the handshake was completed; what follows was said within TLS
    @close       the server hung up
    @hangup      the client hung up
    @reset       the client broke the connection

Octets between two lines of the other side may have come in any number of pieces.
"""

import re
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path

from mocksrv.case.octets import decode, encode, split_lines, unescape, visible
from mocksrv.case.script import CaseError, parse_endpoint
from mocksrv.case.steps import SMTP_PORT

CLIENT, SERVER = "C", "S"
STARTTLS, CLOSE, HANGUP, RESET = "@starttls", "@close", "@hangup", "@reset"
_HEADER = re.compile(r"-- dialogue (\S+)(?: \[(\S+)\])? --")
_FORM = "`-- dialogue HOST[:PORT] [[ADDRESS]] --`"
_CR = "expected lines that end with LF, not with CR LF"
_LINE = re.compile(r"([CS])([:=])(?: (.*))?", re.DOTALL)
_TAKING = re.compile(rb"(?m)^2\d\d(?!-)[^\n]*\n")  # a last line, with its end
_MARKS = (STARTTLS, CLOSE, HANGUP, RESET)


@dataclass(frozen=True)
class Event:
    """One thing that happened: `kind` is CLIENT or SERVER, which said `octets`, or one of the marks.

    `line` is its line in the text, 0 if it was not read from a text; `at` is when it happened, in seconds of any clock.
    """

    kind: str
    octets: bytes = b""
    line: int = 0
    at: float = field(default=0.0, compare=False)


@dataclass(frozen=True)
class Delivery:
    """One complete message that a client handed over, and the server's `reply` to it."""

    sender: bytes
    recipients: tuple[bytes, ...]
    message: bytes  # without dot-stuffing
    reply: bytes

    @property
    def taken(self) -> bool:
        """Whether the server is now responsible for it: an incomplete reply accepts nothing."""
        return self.reply.startswith(b"2") and _TAKING.search(self.reply) is not None


@dataclass
class Tape:
    """What happened on one connection to a host; `remarks` are notes of the server for people."""

    host: str
    port: int
    address: str = ""
    events: list[Event] = field(default_factory=list)
    deliveries: list[Delivery] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)

    def heard(self, octets: bytes) -> None:
        """The client said something."""
        self._add(CLIENT, octets)

    def said(self, octets: bytes) -> None:
        """The server said something."""
        self._add(SERVER, octets)

    def mark(self, kind: str) -> None:
        """Another event: one of the marks."""
        self.events.append(Event(kind, at=time.monotonic()))

    @property
    def ended(self) -> bool:
        """Whether the client has left."""
        return any(event.kind in (HANGUP, RESET) for event in self.events)

    @property
    def over(self) -> bool:
        """Whether either side has left."""
        return any(event.kind in (CLOSE, HANGUP, RESET) for event in self.events)

    def _add(self, kind: str, octets: bytes) -> None:
        if octets:
            self.events.append(Event(kind, octets, at=time.monotonic()))


def written(tapes: Iterable[Tape]) -> str:
    """Tapes as text, which `read_tapes` turns back (then with one event for each line)."""
    return "".join(f"{line}\n" for tape in tapes for line in (_header(tape), *event_lines(tape.events)))


def event_lines(events: Iterable[Event]) -> Iterator[str]:
    """One line of text for each line that was said, and for each mark."""
    for kind, group in groupby(events, key=lambda event: event.kind):
        if kind in _MARKS:
            yield from (kind for _ in group)
        else:
            octets = b"".join(event.octets for event in group)
            yield from (f"{kind}{_text(line)}" for line in split_lines(octets))


def read_tapes(path: Path) -> list[Tape]:
    """The tapes in a file. Raises CaseError, or OSError if the file cannot be read."""
    tapes: list[Tape] = []
    for number, line in enumerate(decode(path.read_bytes()).removesuffix("\n").split("\n"), 1):
        try:
            if found := _HEADER.fullmatch(line):
                tapes.append(Tape(*parse_endpoint(found[1], SMTP_PORT), found[2] or ""))
            elif line.startswith("--"):
                raise ValueError(_CR if line.endswith("\r") else f"expected {_FORM}")
            elif line.strip() and not line.startswith("#"):
                if not tapes:
                    raise ValueError(f"expected {_FORM} before this line")
                tapes[-1].events.append(_event(line, number))
        except ValueError as error:
            raise CaseError(f"{path}:{number}: {error}") from error
    if not tapes:
        raise CaseError(f"{path}:1: no {_FORM} in this file")
    return tapes


def _event(line: str, number: int) -> Event:
    if line.strip() in _MARKS:
        return Event(line.strip(), line=number)
    found = _LINE.fullmatch(line)
    if found is None:
        marks = ", ".join(f"`{mark}`" for mark in _MARKS)
        raise ValueError(f"expected `S: `, `C: `, `S= `, `C= `, {marks} or `# note`")
    text = found[3] or ""
    return Event(found[1], unescape(text) if found[2] == "=" else encode(text) + b"\r\n", number)


def _header(tape: Tape) -> str:
    host = f"[{tape.host}]" if ":" in tape.host and tape.port != SMTP_PORT else tape.host
    port = "" if tape.port == SMTP_PORT else f":{tape.port}"
    return f"-- dialogue {host}{port}{f' [{tape.address}]' if tape.address else ''} --"


def _text(line: bytes) -> str:
    shown = visible(line)
    plain = decode(line.removesuffix(b"\r\n"))
    return f": {plain}" if shown == plain + r"\r\n" else f"= {shown}"
