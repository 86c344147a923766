# SPDX-License-Identifier: ISC
"""The result of a dialogue: which lines were played, what went wrong, and the tape."""

import time
from collections import Counter
from dataclasses import dataclass, field

from mocksrv.audit.rules import Grade
from mocksrv.case.steps import Dialogue
from mocksrv.play.tape import Tape


@dataclass(frozen=True)
class Failure:
    """What the client did wrong, at which line of the case; and the octets, where there are some to compare."""

    line: int
    what: str
    expected: bytes | None = None
    received: bytes | None = None
    by_line: bool = False  # whether to compare them line by line
    grade: Grade = Grade.MUST
    rule: str | None = None  # of the auditor, that is broken


class Mismatch(Exception):
    """The client did not do what a step says."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure)
        self.failure = failure


@dataclass
class Transcript:
    """The result of a dialogue: how often each line was played, and which lines are in branches that were not taken.

    When blessing, also the lines that replace a line, by how often it had been played before.
    """

    dialogue: Dialogue
    address: str
    begun: float = field(default_factory=time.monotonic)  # when the client began to connect, as far as is known
    done: Counter[int] = field(default_factory=Counter)
    passed_over: set[int] = field(default_factory=set)
    edits: dict[tuple[int, int], list[str]] = field(default_factory=dict)
    notes: dict[int, str] = field(default_factory=dict)  # the result of a line, for people

    def __post_init__(self) -> None:
        self.tape = Tape(self.dialogue.host, self.dialogue.port, self.address)
