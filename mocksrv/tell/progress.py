# SPDX-License-Identifier: ISC
"""How far a long run is: a bar and an estimate on a terminal, and a line for each tenth elsewhere."""

import shutil
import time
from collections.abc import Callable
from typing import TextIO

_WIDTH = 20  # of the bar
_PAUSE = 0.1  # seconds between two bars


class Progress:
    """The progress of a run of `total` steps, on a stream; lines that are said meanwhile stand above the bar."""

    def __init__(self, total: int, stream: TextIO, clock: Callable[[], float] = time.monotonic) -> None:
        self._total, self._stream, self._clock = total, stream, clock
        self._begun = self._drawn = clock()
        self._bar, self._tenth = stream.isatty(), 0

    def step(self, done: int, note: str = "") -> None:
        """So many steps are done; `note` says what happens now."""
        if not self._bar:
            if (tenth := 10 * done // self._total) > self._tenth and done < self._total:
                self._tenth = tenth
                self.say(f"{100 * done // self._total:3} %  {self._state(done)}")
        elif done == self._total or self._clock() - self._drawn >= _PAUSE:
            self._drawn = self._clock()
            filled = _WIDTH * done // self._total
            line = f"[{'#' * filled:{_WIDTH}}] {self._state(done)}  {note}"
            self._put(f"{line[: shutil.get_terminal_size().columns - 1]}")

    def say(self, line: str) -> None:
        """Writes a line, which stays."""
        self._put(f"{line}\n")

    def end(self) -> None:
        """Takes the bar away."""
        self._put("")

    def _state(self, done: int) -> str:
        left = (self._clock() - self._begun) * (self._total - done) / max(done, 1)
        return f"{done} of {self._total}, about {left:.0f} s left"

    def _put(self, text: str) -> None:
        self._stream.write(f"\r\x1b[K{text}" if self._bar else text)
        self._stream.flush()
