# SPDX-License-Identifier: ISC
"""The lines of a dialogue as steps: what the server says, what the client must say, and directives."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from mocksrv.case import pattern
from mocksrv.case.terms import Terms

SMTP_PORT = 25


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
        """From `A..B`. Raises ValueError."""
        low, high = map(float, text.split(".."))
        if low > high:
            raise ValueError(f"expected a time from A to B, not {text}")
        return Within(low, high)


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
    """The server reads and discards this many octets."""

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
    """The server closes the connection; within TLS with close_notify, without it (`abrupt`), or with an `alert`."""

    how: str | None


@dataclass(frozen=True, kw_only=True)
class HalfClose(Step):
    """The server ends its direction of the connection, and goes on listening."""


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


@dataclass(frozen=True, kw_only=True)
class Either(Step):
    """Alternatives: the first branch that fits what the client says. An empty branch always fits, and is the last."""

    branches: tuple[tuple[Any, ...], ...]  # of steps, the first of which is a Hear

    @property
    def optional(self) -> bool:
        """Whether it may be passed over."""
        return () in self.branches


@dataclass(frozen=True, kw_only=True)
class Mark(Step):
    """A line that begins, continues or ends a block; `times` is the number of @repeat. Nothing happens there."""

    times: int | None = None

    @property
    def word(self) -> str:
        """Which one."""
        return self.source.split()[0]


@dataclass(frozen=True, kw_only=True)
class Dialogue:
    """One connection to `host`, or, if `never`, none. `line` is its header, `end` its last line with content.

    In `steps`, the lines of @repeat are written out; `marks` has the lines of blocks that are not steps.
    """

    host: str
    port: int
    never: bool
    steps: tuple[Step, ...]
    line: int
    end: int
    marks: tuple[Mark, ...] = ()

    def walk(self) -> Iterator[Step]:
        """All steps, also those of all branches, as often as they are repeated."""
        return walk(self.steps)

    def lines(self) -> list[Step]:
        """The lines of the file, each once."""
        once = {step.line: step for step in (*self.walk(), *self.marks)}
        return [once[line] for line in sorted(once)]

    def replaced(self, new: Step) -> "Dialogue":
        """The dialogue with another step in its line."""
        return replace(self, steps=_replaced(self.steps, new))

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


def walk(steps: Iterable[Step]) -> Iterator[Step]:
    """Steps, and after each block those of its branches."""
    for step in steps:
        yield step
        if isinstance(step, Either):
            for branch in step.branches:
                yield from walk(branch)


def ends(step: Step) -> bool:
    """Whether the dialogue is over after a step, in all of its branches."""
    if isinstance(step, Either):
        return all(branch and ends(branch[-1]) for branch in step.branches)
    return isinstance(step, (Stall, Close, Reset, Refuse, NoAnswer)) or isinstance(step, Starttls) and step.terms.fails


def _replaced(steps: tuple[Step, ...], new: Step) -> tuple[Step, ...]:
    return tuple(
        new if step.line == new.line
        else replace(step, branches=tuple(_replaced(branch, new) for branch in step.branches))
        if isinstance(step, Either)
        else step
        for step in steps
    )  # fmt: skip
