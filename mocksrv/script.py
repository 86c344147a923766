"""The lines of a `dialogue` section as steps: what the server says, what the client must say, and directives."""

import ipaddress
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from mocksrv import pattern
from mocksrv.certs import Recipes
from mocksrv.octets import encode, unescape
from mocksrv.terms import Terms, parse_terms

SMTP_PORT = 25
_Values = dict[str, Callable[[str], object]]
IPAddress = ipaddress.IPv4Address | ipaddress.IPv6Address


class CaseError(Exception):
    """A case that cannot be read or played, as `FILE:LINE: what is wrong`."""


@dataclass(frozen=True)
class Within:
    """A time that may pass: from `low` to `high` seconds."""

    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.low:g}..{self.high:g} s"

    def __contains__(self, seconds: float) -> bool:
        return self.low <= seconds <= self.high

    @staticmethod
    def parse(text: str) -> "Within":
        """From `A..B`."""
        low, high = text.split("..")
        return Within(float(low), float(high))


@dataclass(frozen=True, kw_only=True)
class Step:
    """One line of a dialogue; `source` is its text, `notes` are the `#` lines before it."""

    line: int
    source: str
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Say(Step):
    """S: the server sends these octets."""

    octets: bytes


@dataclass(frozen=True, kw_only=True)
class Hear(Step):
    """C: the client must send this."""

    pattern: pattern.Pattern


@dataclass(frozen=True, kw_only=True)
class Delay(Step):
    """The next S group leaves only after `seconds`."""

    seconds: float


@dataclass(frozen=True, kw_only=True)
class Drip(Step):
    """The next S group leaves `octets` at a time, every `seconds`; with `within` the client must hang up meanwhile."""

    octets: int
    seconds: float
    within: Within | None


@dataclass(frozen=True, kw_only=True)
class Split(Step):
    """The next S group leaves octet by octet, each in a segment of its own, without waiting."""


@dataclass(frozen=True, kw_only=True)
class Stall(Step):
    """The server falls silent; the client must hang up within this time and send nothing before."""

    within: Within


@dataclass(frozen=True, kw_only=True)
class Read(Step):
    """The server reads and discards so many octets."""

    octets: int


@dataclass(frozen=True, kw_only=True)
class Starttls(Step):
    """A TLS handshake; what follows is within TLS."""

    terms: Terms


@dataclass(frozen=True, kw_only=True)
class KeyUpdate(Step):
    """TLS 1.3: the server changes its keys and, with `ask`, asks the client to do so, too."""

    ask: bool | None


@dataclass(frozen=True, kw_only=True)
class Renegotiate(Step):
    """TLS 1.2: the server asks for another handshake."""


@dataclass(frozen=True, kw_only=True)
class Close(Step):
    """The server closes the connection. Within TLS it says so before: not with `abrupt`, or with an `alert`."""

    how: str | None


@dataclass(frozen=True, kw_only=True)
class Reset(Step):
    """The server resets the connection."""


@dataclass(frozen=True, kw_only=True)
class Refuse(Step):
    """Nobody listens: the connection is refused at once."""


@dataclass(frozen=True, kw_only=True)
class NoAnswer(Step):
    """The connection hangs; the client must give it up within this time."""

    within: Within


_MANNERS = (Delay, Drip, Split)
_ENDS = (Stall, Close, Reset, Refuse, NoAnswer)
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
    "reset": (Reset, "", ""),
    "refuse": (Refuse, "", ""),
    "no-answer": (NoAnswer, _RANGE, "within=A..B"),
}
_VALUES: _Values = {
    "seconds": float, "octets": int, "within": Within.parse, "ask": bool, "how": str,
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Dialogue:
    """One connection to `host`, or, if `never`, none. `line` is its header, `end` its last line with content."""

    host: str
    port: int
    never: bool
    steps: tuple[Step, ...]
    line: int
    end: int

    @property
    def refused(self) -> bool:
        """Whether nobody listens."""
        return any(isinstance(step, Refuse) for step in self.steps)

    @property
    def unanswered(self) -> NoAnswer | None:
        """How long the client may wait for a connection that hangs, if it hangs."""
        return next((step for step in self.steps if isinstance(step, NoAnswer)), None)

    @property
    def where(self) -> str:
        """The host for people, with a port that is not 25."""
        return self.host if self.port == SMTP_PORT else f"{self.host} port {self.port}"


def parse_dialogue(path: str, line: int, argument: str, body: list[str]) -> Dialogue:
    """The dialogue of a section of the file `path` whose header stands in `line`. Raises CaseError."""
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
    steps: list[Step] = []
    notes: list[str] = []
    for number, text in enumerate(body, line + 1):
        if text.startswith("#"):
            notes.append(text.removeprefix("#").strip())
        elif text.strip():
            try:
                steps.append(_parse_step(text, number, tuple(notes), values))
            except ValueError as error:
                fail(number, str(error))
            notes = []
    _check(fail, steps, never, line)
    _check_tls(fail, steps)
    return Dialogue(
        host=host, port=port, never=never, steps=tuple(steps), line=line, end=steps[-1].line if steps else line
    )


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


def _fail(path: str, line: int, what: str) -> None:
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


def _check(fail: partial[None], steps: list[Step], never: bool, line: int) -> None:
    """Each directive must stand where it means something."""
    if never and steps:
        fail(steps[0].line, "a dialogue that never happens has no lines")
    if not never and not steps:
        fail(line, "an empty dialogue")
    for step, following in zip(steps, [*steps[1:], None]):
        ends = isinstance(step, _ENDS) or isinstance(step, Starttls) and step.terms.fails
        if ends and following is not None:
            fail(following.line, f"nothing can follow {step.source}")
        if isinstance(step, (Refuse, NoAnswer)) and step is not steps[0]:
            fail(step.line, f"{step.source} stands alone in its dialogue")
        if isinstance(step, _MANNERS) and not isinstance(following, (Say, Starttls, *_MANNERS)):
            fail(step.line, f"{step.source} must come before an S line or @starttls")


def _check_tls(fail: partial[None], steps: list[Step]) -> None:
    """The same for what concerns TLS."""
    shaken: Starttls | None = None
    for step, following in zip(steps, [*steps[1:], None]):
        within_tls = shaken and not shaken.terms.cut
        if isinstance(step, Starttls):
            if shaken:
                fail(step.line, f"a second @starttls (the first is in line {shaken.line})")
            if step.terms.cut and not isinstance(following, (Say, Stall, Close, Reset, *_MANNERS)):
                fail(step.line, "the handshake is cut: @close, @reset, @stall or an S line must follow, to say how")
            shaken = step
        elif isinstance(step, (KeyUpdate, Renegotiate)) or isinstance(step, Close) and step.how:
            if not within_tls:
                fail(step.line, f"{step.source} must stand within TLS")
        elif isinstance(step, (Hear, Read)) and shaken and shaken.terms.cut:
            fail(step.line, "nobody understands what the client says behind a handshake that was cut")
        if isinstance(step, Drip) and step.within and isinstance(following, Starttls):
            if following.terms.client != "rejects":
                fail(following.line, f"{step.source} means that the client does not wait: `client=rejects`")
