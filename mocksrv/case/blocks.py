# SPDX-License-Identifier: ISC
"""The lines of a dialogue -> steps within blocks: @either, @or, @optional, @repeat, @end."""

from collections import deque
from collections.abc import Callable
from typing import NoReturn

from mocksrv.case.steps import Either, Hear, Mark, Step, walk

MOST = 10000  # steps in a dialogue: a few nested repetitions would fill the memory
_TIMES = 1000

Fail = Callable[[int, str], NoReturn]


def structured(fail: Fail, lines: list[Step]) -> tuple[list[Step], list[Mark]]:
    """The steps, with repetitions written out, and the marks that are not steps themselves."""
    reader = _Reader(fail, lines)
    return reader.sequence(None), reader.marks


class _Reader:
    """Takes the lines one by one."""

    def __init__(self, fail: Fail, lines: list[Step]) -> None:
        self._fail = fail
        self._left = deque(lines)
        self.marks: list[Mark] = []

    def sequence(self, opening: Mark | None) -> list[Step]:
        """The steps up to the @or or @end of the block that `opening` began; without one, to the end."""
        steps: list[Step] = []
        while self._left:
            line = self._left[0]
            if not isinstance(line, Mark):
                steps.append(self._left.popleft())
            elif line.word not in ("@or", "@end"):
                self._left.popleft()
                steps += self._block(line)
            elif opening is None:
                self._fail(line.line, f"{line.word} without a block")
            else:
                return steps
        if opening is not None:
            self._fail(opening.line, f"{opening.source} has no @end")
        return steps

    def _block(self, opening: Mark) -> list[Step]:
        """The steps of a block: an Either, or repeated steps."""
        branches = [self._branch(opening, opening)]
        while (mark := self._closing()).word == "@or":
            if opening.word != "@either":
                self._fail(mark.line, f"@or belongs to @either, but this is {opening.source} (line {opening.line})")
            branches.append(self._branch(opening, mark))
        if opening.word == "@repeat":
            self.marks.append(opening)
            return self._repeated(opening, branches[0])
        for branch in branches:
            if not isinstance(branch[0], Hear):
                self._fail(branch[0].line, f"a branch of {opening.word} must begin with a C line")
        if opening.word == "@optional":
            branches.append([])
        elif len(branches) == 1:
            self._fail(opening.line, "@either has no @or: one branch is no choice")
        return [
            Either(
                line=opening.line, source=opening.source, notes=opening.notes,
                branches=tuple(tuple(branch) for branch in branches),
            )
        ]  # fmt: skip

    def _branch(self, opening: Mark, mark: Mark) -> list[Step]:
        """The steps after a mark of a block."""
        steps = self.sequence(opening)
        if not steps:
            self._fail(mark.line, f"no lines follow {mark.source}")
        return steps

    def _closing(self) -> Mark:
        """The @or or @end where a sequence ended."""
        mark = self._left.popleft()
        assert isinstance(mark, Mark)
        self.marks.append(mark)
        return mark

    def _repeated(self, opening: Mark, steps: list[Step]) -> list[Step]:
        times = opening.times or 0
        if not 1 <= times <= _TIMES:
            self._fail(opening.line, f"@repeat takes a number from 1 to {_TIMES}")
        if times * sum(1 for _ in walk(steps)) > MOST:
            self._fail(opening.line, f"{opening.source} makes more than {MOST} steps")
        return steps * times
