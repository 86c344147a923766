# SPDX-License-Identifier: ISC
"""Prints what happens on many connections, while it happens: each line with the number of its connection.

What clients send is printed with escapes for anything invisible, so that it cannot command the terminal.
"""

import os
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from typing import TextIO

from mocksrv.case.octets import harmless, split_lines, visible
from mocksrv.play import player
from mocksrv.play.tape import CLIENT, CLOSE, HANGUP, RESET, Event, Tape, event_lines
from mocksrv.play.transport import Breach
from mocksrv.tell.show import COLOURS, wants_colours

REMARK, FINDING = "remark", "finding"
MOST_OCTETS = 1 << 28  # of a client, in one session
_FIRST, _LAST = 10, 10  # lines that are shown of what one side says in a row; the others are counted
_HEAD, _TAIL = 300, 40  # octets that are shown of a line
_MERGED = 4096
_COLOURS = {**COLOURS, REMARK: "33", FINDING: "1;31"}  # yellow, bold red


class Teller:
    """Writes whole lines for all sessions; when quiet, only what is wrong, and lines that belong to no session."""

    def __init__(self, stream: TextIO, quiet: bool) -> None:
        self._stream, self._quiet = stream, quiet
        self._broken: Callable[[], None] = lambda: None
        self._lock = threading.Lock()
        self._coloured = wants_colours(stream)

    def on_broken(self, react: Callable[[], None]) -> None:
        """Sets what to do when nobody reads the output any more."""
        self._broken = react

    def say(self, *lines: str, kind: str = "", number: int | None = None, wrong: bool = False) -> None:
        """Writes lines that belong together, with escapes for anything invisible."""
        if self._quiet and number is not None and not wrong:
            return
        prefix = "" if number is None else f"{number:<4} "
        colour = _COLOURS.get(kind) if self._coloured else None
        before, after = (f"\x1b[{colour}m", "\x1b[m") if colour else ("", "")
        with self._lock:
            try:
                self._stream.write("".join(f"{prefix}{before}{harmless(line)}{after}\n" for line in lines))
                self._stream.flush()
            except OSError:  # `serve | head`
                with open(os.devnull, "w") as nowhere:  # for what is still in the buffer at the end
                    os.dup2(nowhere.fileno(), self._stream.fileno())
                self._broken()


class LiveTape(Tape):
    """A tape that is printed while it is written, and that has a limit, beyond which it raises Breach."""

    def __init__(self, host: str, port: int, address: str, tell: Callable[[str, list[str]], None]) -> None:
        super().__init__(host, port, address)
        self._tell = tell
        self._excerpt = Excerpt("")
        self._heard = self._unread = 0
        self._closed: float | None = None  # when the server hung up
        self._left = False  # whether the client has

    def heard(self, octets: bytes) -> None:
        """Raises Breach above the limit, TimeoutError if the client goes on long after the server hung up."""
        self._heard += len(octets)
        if self._heard > MOST_OCTETS:
            raise Breach(f"the client sent more than {MOST_OCTETS} octets in one session")
        if self._closed is not None:
            if time.monotonic() - self._closed > player.WAIT:
                raise TimeoutError
            self._unread += len(octets)
            if self._unread > _MERGED:
                return
        last = self.events[-1] if self.events else None
        if last and last.kind == CLIENT and len(last.octets) + len(octets) <= _MERGED:
            self.events[-1] = Event(CLIENT, last.octets + octets)  # one octet at a time would fill the memory
            self._show(CLIENT, octets)
        else:
            super().heard(octets)

    def mark(self, kind: str) -> None:
        """Each side leaves only once."""
        if kind == CLOSE and self._closed is not None or kind in (HANGUP, RESET) and self._left:
            return
        if kind == CLOSE:
            self._closed = time.monotonic()
        self._left |= kind in (HANGUP, RESET)
        self.finish()
        super().mark(kind)
        self._tell("", [kind])

    def finish(self) -> None:
        """Prints what has been held back."""
        self._tell(self._excerpt.kind, self._excerpt.end())

    def _add(self, kind: str, octets: bytes) -> None:
        super()._add(kind, octets)
        self._show(kind, octets)

    def _show(self, kind: str, octets: bytes) -> None:
        if not octets:
            return
        if kind != self._excerpt.kind:
            self.finish()
            self._excerpt = Excerpt(kind)
        self._tell(kind, self._excerpt.feed(octets))


class Excerpt:
    """The first and the last lines of what one side says: the first at once, the last at the end."""

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self._shown = 0
        self._skipped = 0
        self._last: deque[str] = deque()
        self._line = b""  # the unfinished line: its beginning and its end
        self._length = 0

    def feed(self, octets: bytes) -> list[str]:
        """Takes in more octets. Returns the lines that can be printed now."""
        lines = split_lines(octets)
        now: list[str] = []
        # Lines in the middle would be dropped again by those that follow.
        for line in lines[: _FIRST + 1]:
            now += self._take(line)
        rest = lines[_FIRST + 1 :]
        self._skipped += max(0, len(rest) - _LAST - 1)
        for line in rest[-_LAST - 1 :]:
            now += self._take(line)
        return now

    def end(self) -> list[str]:
        """The lines that remain to be printed."""
        self._keep_whole()
        told = [f"{self.kind}: ... {self._skipped} lines ..."] if self._skipped else []
        told += self._last
        self._last.clear()
        self._skipped = 0
        return told

    def _take(self, part: bytes) -> Iterator[str]:
        """A line, or a part of one."""
        self._length += len(part)
        self._line += part
        if len(self._line) > 2 * (_HEAD + _TAIL):
            self._line = self._line[:_HEAD] + self._line[-_TAIL:]
        if part.endswith(b"\n"):
            self._keep_whole()
            while self._shown < _FIRST and self._last:
                self._shown += 1
                yield self._last.popleft()

    def _keep_whole(self) -> None:
        """Ends the current line."""
        if self._length:
            self._last.append(self._told())
            self._line, self._length = b"", 0
        if len(self._last) > _LAST and self._shown >= _FIRST:
            self._last.popleft()
            self._skipped += 1

    def _told(self) -> str:
        """The line as on a tape; of a long one, its beginning and its end."""
        if self._length <= _HEAD + _TAIL:
            return next(event_lines([Event(self.kind, self._line)]))
        middle = self._length - _HEAD - _TAIL
        return f"{self.kind}= {visible(self._line[:_HEAD])} ... {middle} octets ... {visible(self._line[-_TAIL:])}"
