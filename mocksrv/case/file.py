# SPDX-License-Identifier: ISC
"""One case file: text -> `Case`. qremote-case(5) describes the format."""

import ipaddress
import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from mocksrv.audit import RULES, Grade
from mocksrv.case import corpus
from mocksrv.case.certs import Recipes
from mocksrv.case.dnslog import parse_question
from mocksrv.case.octets import encode, unescape
from mocksrv.case.script import CaseError, parse_dialogue, parse_endpoint
from mocksrv.case.steps import Dialogue
from mocksrv.case.templates import case_text
from mocksrv.case.zone import Zone, ZoneError, parse_zone

DNS_PORT = 53
_HEADER = re.compile(r"-- (\S+)(?: (.*\S))? --")
_META = ("spec", "rfc", "grade", "address", "order", "scope")
_EXPECT = re.compile(r"expect-(?P<client>[a-z0-9.-]+)")
OUTCOMES = ("delivered", "refused", "deferred")
FAILED = "failed"  # the outcome of a client that does not say whether it makes sense to try again
_ELSEWHERE = "elsewhere"
_SCOPES = ("exact", "qmail")
_MANNERS = ("absent", "directory", "unreadable", "private")
_ONCE = ("run", "dns-log", "message", "report", "exit")


@dataclass(frozen=True)
class Section:
    """A section as written in the file: its header's line number and argument, and the lines below it."""

    name: str
    argument: str
    line: int
    body: list[str]

    def content(self) -> list[str]:
        """The lines without the blank ones at the end."""
        end = len(self.body)
        while end and not self.body[end - 1].strip():
            end -= 1
        return self.body[:end]


@dataclass(frozen=True)
class Control:
    """A control file: its octets, and whether others may not read it, or (`manner`) why nobody can."""

    octets: bytes = b""
    manner: str | None = None


@dataclass(frozen=True)
class Leeway:
    """How much a client is bound not to differ from the case: to have another outcome, or to connect where the case
    allows no connection (`elsewhere`). It is so only for what is named, and for both if neither is."""

    grade: Grade
    outcomes: tuple[str, ...]  # for each recipient, or one for all
    elsewhere: bool
    reason: str

    @property
    def covers_connections(self) -> bool:
        """Whether this is about connections that the case does not allow."""
        return self.elsewhere or not self.outcomes

    def covers(self, told: tuple[str, ...]) -> bool:
        """Whether this is about such outcomes, other than those of the case."""
        return same(told, for_each(self.outcomes, len(told))) if self.outcomes else bool(told) and not self.elsewhere


@dataclass(frozen=True)
class Expectation:
    """How a client differs from the case: the outcome for each recipient (or one for all), if that differs; whether
    it connects where the case allows no connection; the rules of the auditor that it breaks, or may break; and why
    that is right."""

    outcomes: tuple[str, ...]
    elsewhere: bool
    rules: tuple[str, ...]
    tolerated: tuple[str, ...]
    reason: str


@dataclass(frozen=True)
class NameServer:
    """A zone and the address and port at which it is served."""

    address: str
    port: int
    zone: Zone


@dataclass(frozen=True)
class Case:
    """A whole case. `report` is None if the file has none yet; `sections` are for rewriting the file."""

    path: Path
    title: str
    meta: dict[str, list[str]]
    prose: list[str]
    run: str
    servers: list[NameServer]
    message: bytes
    control: dict[str, Control]
    dialogues: list[Dialogue]
    report: bytes | None
    exit: int
    sections: list[Section]
    dns_log: list[str] | None = None  # None: any question may be asked about names that a zone has

    @property
    def topic(self) -> str:
        """The folder that it is in."""
        return self.path.absolute().parent.name

    @property
    def id(self) -> str:
        """Its name for everybody, wherever its file is: TOPIC/NAME."""
        return f"{self.topic}/{self.path.stem}"

    @property
    def scope(self) -> str | None:
        """Its limit, if it has one. `exact`: octet for octet only; `qmail`: clients with qmail-remote's interface."""
        return next(iter(self.meta.get("scope", [])), None)

    @property
    def grade(self) -> Grade:
        """How much clients are bound to its outcome and its connections, where `leeway` says nothing."""
        return Grade.MUST if "rfc" in self.meta else Grade.CHOICE  # whoever says that a client is wrong names an RFC

    @property
    def leeway(self) -> Leeway | None:
        """How much clients are bound to the case, if it says so."""
        words = " ".join(self.meta.get("grade", []))
        return _leeway(words) if words else None

    def expectation(self, client: str) -> Expectation | None:
        """What the case expects of this client in particular."""
        words = " ".join(self.meta.get(f"expect-{client}", []))
        return _expectation(words) if words else None

    @property
    def ordered(self) -> bool:
        """Whether the dialogues must happen in the order of the file."""
        return self.meta.get("order") != ["any"]


def for_each(outcomes: tuple[str, ...], count: int) -> tuple[str, ...]:
    """Outcomes for so many recipients, if one stands for all."""
    return outcomes * count if len(outcomes) == 1 else outcomes


def same(told: tuple[str, ...], right: tuple[str, ...]) -> bool:
    """Whether a client tells the right outcomes. Who cannot tell `refused` from `deferred` need not."""
    pairs = zip(told, right)
    return len(told) == len(right) and all(one == other or (one == FAILED and other != "delivered") for one, other in pairs)


def read_case(path: Path) -> Case:
    """The case of that path. Raises CaseError, or OSError if its file cannot be read."""
    return _Reader(path, case_text(path)).case()


def _expectation(text: str) -> Expectation:
    """From `OUTCOME ... [elsewhere] RULE[?] ...: reason`. Raises ValueError."""
    said, colon, reason = text.partition(": ")
    words = said.split()
    rules = tuple(word for word in words if word not in (*OUTCOMES, _ELSEWHERE))
    if not colon or not words or not reason.strip() or not all(re.fullmatch(r"[A-Z0-9-]+\??", rule) for rule in rules):
        raise ValueError(f"expected `[{'|'.join(OUTCOMES)}] ... [{_ELSEWHERE}] [RULE[?]] ...: why that is right`")
    for rule in rules:
        if rule.removesuffix("?") not in RULES:
            raise ValueError(f"the auditor has no rule {rule} (`mocksrv audit --rules` lists them)")
    outcomes = tuple(word for word in words if word in OUTCOMES)
    tolerated = tuple(rule.removesuffix("?") for rule in rules if rule.endswith("?"))
    broken = tuple(rule for rule in rules if not rule.endswith("?"))
    return Expectation(outcomes, _ELSEWHERE in words, broken, tolerated, reason.strip())


def _leeway(text: str) -> Leeway:
    """From `GRADE [OUTCOME ...] [elsewhere]: reason`. Raises ValueError."""
    said, _, reason = text.partition(": ")
    word, *others = said.split() or [""]
    grades = {grade.word: grade for grade in Grade}
    if word not in grades or not {*others} <= {*OUTCOMES, _ELSEWHERE} or not reason.strip():
        raise ValueError(f"expected `{'|'.join(grades)} [{'|'.join(OUTCOMES)}] ... [{_ELSEWHERE}]: why`")
    outcomes = tuple(one for one in others if one in OUTCOMES)
    return Leeway(grades[word], outcomes, _ELSEWHERE in others, reason.strip())


class _Reader:
    """Collects the sections of one file. Errors name the file and the line."""

    def __init__(self, path: Path, text: str) -> None:
        self._path = path
        # Only LF ends a line: `splitlines` would also cut at characters that mail may hold.
        lines = text.removesuffix("\n").split("\n")
        if lines[0].endswith("\r"):
            self._fail(1, "expected lines that end with LF, not with CR LF")
        self._head, self._sections = self._split(lines)

    def case(self) -> Case:
        title, meta, prose = self._read_head()
        if self._one("run") is None:
            self._fail(1, "there is no `-- run --` section")
        dialogues = [
            parse_dialogue(str(self._path), one.line, one.argument, one.content()) for one in self._named("dialogue")
        ]
        return Case(
            path=self._path, title=title, meta=meta, prose=prose, run=self._run(), servers=list(self._servers()),
            message=self._message(), control=dict(self._controls()), dialogues=dialogues, report=self._report(),
            exit=self._exit(), sections=self._sections, dns_log=self._dns_log(),
        )  # fmt: skip

    def _fail(self, line: int, what: str) -> NoReturn:
        raise CaseError(f"{self._path}:{line}: {what}")

    def _split(self, lines: list[str]) -> tuple[list[str], list[Section]]:
        head: list[str] = []
        sections: list[Section] = []
        for number, line in enumerate(lines, 1):
            if found := _HEADER.fullmatch(line):
                sections.append(self._section(found[1], found[2] or "", number))
            elif line.startswith("--") and not sections:
                self._fail(number, "expected `-- NAME [ARGUMENT] --`, or no line that begins with --")
            else:
                (sections[-1].body if sections else head).append(line)
        names = [section.name for section in sections]
        for index, section in enumerate(sections):
            if section.name in _ONCE and section.name in names[:index]:
                self._fail(section.line, f"a second `{section.name}` section")
        return head, sections

    def _section(self, name: str, argument: str, line: int) -> Section:
        takes_argument = name in ("dns", "message", "dialogue") or name.startswith("control/")
        if not takes_argument and name not in _ONCE:
            known = "run, dns, dns-log, message, control/FILE, dialogue, report, exit"
            self._fail(line, f"no such section: {name} (there are {known})")
        if argument and not takes_argument:
            self._fail(line, f"`{name}` takes no argument")
        return Section(name, argument, line, [])

    def _named(self, name: str) -> list[Section]:
        return [section for section in self._sections if section.name == name]

    def _one(self, name: str) -> Section | None:
        return next(iter(self._named(name)), None)

    def _read_head(self) -> tuple[str, dict[str, list[str]], list[str]]:
        title, *rest = self._head or [""]
        if not title.strip():
            self._fail(1, "the first line must be a title")
        meta: dict[str, list[str]] = {}
        for number, line in enumerate(rest, 2):
            if not line.strip():
                return title, meta, rest[number - 1 :]
            key, colon, value = line.partition(":")
            if not colon or (key not in _META and not _EXPECT.fullmatch(key)):
                known = ", ".join(f"`{one}: `" for one in (*_META, "expect-CLIENT"))
                self._fail(number, f"expected one of {known} or a blank line")
            if key in meta:
                self._fail(number, f"a second `{key}`")
            meta[key] = value.split()
            self._check_meta(number, key, meta[key])
        return title, meta, []

    def _check_meta(self, line: int, key: str, values: list[str]) -> None:
        if not values:
            self._fail(line, f"`{key}:` needs a value")
        for name, known in (("order", ("any",)), ("scope", _SCOPES)):
            if key == name and (len(values) != 1 or values[0] not in known):
                self._fail(line, f"expected `{name}: {'|'.join(known)}`")
        if key == "grade" or _EXPECT.fullmatch(key):
            try:
                (_leeway if key == "grade" else _expectation)(" ".join(values))
            except ValueError as error:
                self._fail(line, str(error))
        if key == "rfc" and not all(re.fullmatch(r"\d+(#[A-Z0-9]+(\.\d+)*)?", value) for value in values):
            self._fail(line, "expected `rfc: NUMBER[#SECTION] ...`")
        if key == "address":
            for value in values:
                try:
                    ipaddress.ip_address(value)
                except ValueError as error:
                    self._fail(line, str(error))

    def _run(self) -> str:
        section = self._one("run")
        assert section is not None
        lines = [(number, line) for number, line in enumerate(section.body, section.line + 1) if line.strip()]
        if len(lines) != 1:
            self._fail(section.line, "`run` must have one line")
        ((number, line),) = lines
        try:
            shlex.split(line)  # as is done later to find the recipients
        except ValueError as error:
            self._fail(number, str(error))
        return line

    def _servers(self) -> Iterator[NameServer]:
        for section in self._named("dns"):
            try:
                address, port = parse_endpoint(section.argument or "127.0.0.1", DNS_PORT)
                zone = parse_zone(self._zone_lines(section))
                yield NameServer(str(ipaddress.ip_address(address)), port, zone)
            except ZoneError as error:
                self._fail(error.line, error.what)
            except ValueError as error:
                self._fail(section.line, str(error))

    def _zone_lines(self, section: Section) -> Iterator[tuple[int, str]]:
        for number, line in enumerate(section.body, section.line + 1):
            try:
                yield number, Recipes(self._path).tlsa(line)
            except ValueError as error:
                raise ZoneError(number, str(error)) from error

    def _dns_log(self) -> list[str] | None:
        section = self._one("dns-log")
        if section is None:
            return None
        log: list[str] = []
        for number, line in enumerate(section.body, section.line + 1):
            try:
                log += [parse_question(line)] if line.strip() else []
            except ValueError as error:
                self._fail(number, str(error))
        return log

    def _message(self) -> bytes:
        section = self._one("message")
        if section is None:
            return b""
        if not section.argument:
            return b"".join(encode(line) + b"\n" for line in section.body)
        if section.content():
            self._fail(section.line + 1, "a message has a file or lines, not both")
        file = corpus.find(self._path, f"messages/{section.argument}")
        if not file.is_file():
            self._fail(section.line, f"no such file: messages/{section.argument}")
        return file.read_bytes()

    def _controls(self) -> Iterator[tuple[str, Control]]:
        for section in self._sections:
            if not section.name.startswith("control/"):
                continue
            name = section.name.removeprefix("control/")
            if not name or name.startswith("/") or ".." in name.split("/"):
                self._fail(section.line, f"not a name below the control directory: {name}")
            manner, _, pieces = section.argument.partition(" ")
            if manner == "pem" and pieces:
                yield name, Control(self._pem(section, pieces))
                continue
            if manner and section.argument not in _MANNERS:
                self._fail(section.line, f"expected `-- {section.name} [{'|'.join(_MANNERS)}|pem NAME ...] --`")
            if manner and manner != "private" and section.content():
                self._fail(section.line + 1, f"a control file that is {manner} has no lines")
            octets = b"".join(encode(line) + b"\n" for line in section.body)
            yield name, Control(octets, manner or None)

    def _pem(self, section: Section, pieces: str) -> bytes:
        """The lines of a control file, and certificates and keys after them."""
        try:
            pem = Recipes(self._path).pem(pieces)
        except ValueError as error:
            self._fail(section.line, str(error))
        return b"".join(encode(line) + b"\n" for line in section.content()) + pem

    def _report(self) -> bytes | None:
        section = self._one("report")
        if section is None:
            return None
        report = b""
        for number, line in enumerate(section.content(), section.line + 1):
            try:
                octets = unescape(line)
            except ValueError as error:
                self._fail(number, str(error))
            report += octets if octets.endswith(b"\0") else octets + b"\n"
        return report

    def _exit(self) -> int:
        section = self._one("exit")
        if section is None:
            return 0
        text = "\n".join(section.content())
        if not re.fullmatch(r"\d{1,3}", text) or int(text) > 255:
            self._fail(section.line, "`exit` must have one line, a number up to 255")
        return int(text)
