"""Rules: each has an ID, the section of the RFC that says it, one sentence, and a function that finds its breaches.

An audit asks every rule about the whole conversation; the order of the table is the order in which they are defined.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from mocksrv.audit.conversation import Conversation
from mocksrv.audit.turns import Turn
from mocksrv.octets import visible

_EVIDENCE = 72  # octets that a finding shows at most


@dataclass(frozen=True)
class Rule:
    """A duty of the client. `rfc` is NUMBER#SECTION, or several of them.

    With `advice` the RFC tells how it is done without demanding it: to do otherwise is worth knowing, and no breach.
    """

    id: str
    rfc: str
    sentence: str
    advice: bool = False

    @property
    def remark(self) -> str:
        """What is said behind it, for people: that it is no duty, if it is none."""
        return " (advice)" if self.advice else ""


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
    """What a rule saw: octets from `at` in the client's stream or, if `event` is given, something that was not said."""

    at: int
    octets: bytes
    what: str
    event: int | None = None

    @property
    def evidence(self) -> bytes:
        """The octets, but not too many."""
        return self.octets if len(self.octets) <= _EVIDENCE else self.octets[: _EVIDENCE - 3] + b"..."


Check = Callable[[Conversation], Iterator[Seen]]
RULES: dict[str, Rule] = {}
CHECKS: dict[str, Check] = {}


def rule(name: str, rfc: str, sentence: str, advice: bool = False) -> Callable[[Check], Check]:
    """Makes a function a rule."""

    def enter(check: Check) -> Check:
        assert name not in RULES, name
        RULES[name] = Rule(name, rfc, sentence, advice)
        CHECKS[name] = check
        return check

    return enter


def seen(turn: Turn, what: str) -> Seen:
    """The whole turn is the evidence."""
    return Seen(turn.start, turn.octets, what)


def astray(talk: Conversation, name: str) -> Iterator[Seen]:
    """What the conversation says of itself if it went astray against this rule."""
    if talk.astray and talk.astray.why == name:
        start = talk.astray.start
        end = talk.stream.find(b"\n", start) + 1 or len(talk.stream)
        yield Seen(start, talk.stream[start:end], talk.astray.what)


def shown(octets: bytes) -> str:
    """Octets within a sentence."""
    return f"`{visible(octets if len(octets) <= _EVIDENCE else octets[: _EVIDENCE - 3] + b'...')}`"
