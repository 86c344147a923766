# SPDX-License-Identifier: ISC
"""Rules: each has an ID, its section of an RFC, one sentence, and a function that finds its breaches.

An audit applies every rule to the whole conversation; the order of the table is the order in which they are defined.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import IntEnum

from mocksrv.audit.conversation import Conversation
from mocksrv.audit.turns import Turn
from mocksrv.case.octets import visible

_EVIDENCE = 72  # octets that a finding shows at most


class Grade(IntEnum):
    """How much a client is bound to something, from least to most. Only who breaks a MUST is wrong."""

    CHOICE = 1  # the RFCs leave it open: only worth knowing
    ROBUSTNESS = 2  # no RFC demands it, but mail is lost or doubled without it
    SHOULD = 3  # a SHOULD, or a clear recommendation
    MUST = 4  # a MUST, or a grammar that leaves no choice

    @property
    def word(self) -> str:
        """As people read and write it."""
        return self.name.lower()

    @property
    def remark(self) -> str:
        """A note for people after what is of this grade, unless it is a MUST."""
        return "" if self is Grade.MUST else f" ({self.word})"

    @property
    def label(self) -> str:
        """What is said before a difference of this grade."""
        return "wrong" if self is Grade.MUST else self.word


@dataclass(frozen=True)
class Rule:
    """A duty of the client. `rfc` is NUMBER#SECTION, or several of them."""

    id: str
    rfc: str
    sentence: str
    grade: Grade = Grade.MUST

    @property
    def remark(self) -> str:
        """A note after its name or sentence, for people: its grade, unless it is a MUST."""
        return self.grade.remark


@dataclass(frozen=True)
class Finding:
    """A breach: where (the event of the tape, the octet in it, the line of its text or 0), and what was seen."""

    rule: Rule
    event: int
    offset: int
    line: int
    evidence: bytes
    what: str


@dataclass(frozen=True)
class Seen:
    """What a rule saw: octets from `at` in the client's stream; with `event`, something missing at that event."""

    at: int
    octets: bytes
    what: str
    event: int | None = None

    @property
    def evidence(self) -> bytes:
        """The octets, or their beginning if there are many."""
        return self.octets if len(self.octets) <= _EVIDENCE else self.octets[: _EVIDENCE - 3] + b"..."


Check = Callable[[Conversation], Iterator[Seen]]
RULES: dict[str, Rule] = {}
CHECKS: dict[str, Check] = {}


def rule(name: str, rfc: str, sentence: str, grade: Grade = Grade.MUST) -> Callable[[Check], Check]:
    """Makes a function a rule."""

    def enter(check: Check) -> Check:
        assert name not in RULES, name
        RULES[name] = Rule(name, rfc, sentence, grade)
        CHECKS[name] = check
        return check

    return enter


def seen(turn: Turn, what: str) -> Seen:
    """With the whole turn as the evidence."""
    return Seen(turn.start, turn.octets, what)


def astray(talk: Conversation, name: str) -> Iterator[Seen]:
    """The finding of the conversation itself, if it went astray by breaking this rule."""
    if talk.astray and talk.astray.why == name:
        start = talk.astray.start
        end = talk.stream.find(b"\n", start) + 1 or len(talk.stream)
        yield Seen(start, talk.stream[start:end], talk.astray.what)


def shown(octets: bytes) -> str:
    """Octets within a sentence."""
    return f"`{visible(octets if len(octets) <= _EVIDENCE else octets[: _EVIDENCE - 3] + b'...')}`"
