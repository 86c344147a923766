# SPDX-License-Identifier: ISC
"""Plays one dialogue over one accepted connection: straight-line, blocking, on the thread of its caller."""

import contextlib
import socket
import struct
import time
from collections import deque
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import NoReturn

from mocksrv.case.octets import first_difference, visible
from mocksrv.case.pattern import LONGEST_LINE, Facts
from mocksrv.case.steps import (
    Close, Delay, Drip, Either, HalfClose, Hear, KeyUpdate, Read, Renegotiate, Reset, Say, Split, Stall,
    Starttls, Step, ends, walk,
)  # fmt: skip
from mocksrv.play.tape import CLOSE, HANGUP, RESET, STARTTLS
from mocksrv.play.tls import Handshake, Secured
from mocksrv.play.transcript import Failure, Mismatch, Transcript
from mocksrv.play.transport import Breach, Plain

WAIT = 10.0  # seconds for the client's next action
# Seconds for which the server listens before it speaks. A client that does not wait writes the next command right after
# the last, and loopback delivers within microseconds; more would only make every case slower.
QUIET = 0.005
# Seconds for the rest of a wrong line to arrive, so that a failure can show it whole.
_REST = 0.005
_GLANCE = 0.01  # seconds between two looks at a connection that cannot be polled


@dataclass
class Manner:
    """How the next S group leaves."""

    delay: float = 0.0
    drip: Drip | None = None
    split: bool = False


class Player:
    """One connection. `bound` holds what named holes matched, and is shared by the dialogues of a case."""

    judges_outcome = True  # whether reports and exit status must be as the case says

    def __init__(
        self, connection: socket.socket, transcript: Transcript, facts: Facts, bound: dict[str, bytes]
    ) -> None:
        self._socket = connection
        self._transport = Plain(connection)
        self._transcript, self._tape = transcript, transcript.tape
        self._facts = facts
        self._bound = bound
        self._received = bytearray()  # what has come and does not belong to a step yet
        self._ahead = deque(transcript.dialogue.steps)  # a branch that is chosen replaces its block
        self._last: Step | None = None  # the last one that was played
        self._omitted: list[int] = []  # the lines of optional blocks that were passed over since the last C line
        self._at = transcript.dialogue.line  # the line we are at
        self._bye = False  # whether the client's last line was QUIT
        self._amid = False  # whether `@read` left the client in the middle of something
        # When the server last spoke. The client's time begins after that, so a busy machine cannot make it look hasty.
        self._spoke = transcript.begun

    def play(self) -> None:
        """Plays to the end and closes the connection. Raises Mismatch."""
        self._socket.settimeout(WAIT)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            self._play_groups()
            if not isinstance(self._last, (Close, Reset, Stall)):
                self.expect_end()
            self._transcript.passed_over.update(step.line for step in self._transcript.dialogue.walk())
        except Mismatch:
            self._reset()
            raise
        except Breach as breach:
            self._tape.heard(breach.received or b"")
            self._reset()
            raise Mismatch(Failure(self._at, breach.what, None, breach.received)) from breach
        finally:
            self._socket.close()

    def _play_groups(self) -> None:
        manner = Manner()
        while self._ahead:
            first = self._ahead[0]
            if isinstance(first, Either):
                self._ahead.popleft()
                self._enter(first)
                continue
            group = self._next_group()
            self._at = group[0].line
            if burst := [step for step in group if isinstance(step, Hear)]:
                self.hear(burst)
            elif says := [step.octets for step in group if isinstance(step, Say)]:
                self._speak(b"".join(says), manner)
                manner = Manner()
                self._transcript.done.update(step.line for step in group)
            else:
                for step in group:
                    self._obey(step, manner)
                    self._transcript.done[step.line] += 1
                if isinstance(group[-1], Starttls):
                    manner = Manner()
            self._last = group[-1]
            if ends(self._last):  # what follows its block is for the other branches
                self._ahead.clear()

    def _next_group(self) -> list[Step]:
        """The steps of one kind that come next."""
        group = [self._ahead.popleft()]
        while self._ahead and type(self._ahead[0]) is type(group[0]):
            group.append(self._ahead.popleft())
        return group

    # Blocks

    def _enter(self, block: Either) -> None:
        """Replaces a block by the branch that fits."""
        self._at = block.line
        branch = self._choose(block)
        others = (step for other in block.branches if other is not branch for step in walk(other))
        self._transcript.passed_over.update(step.line for step in others)
        if branch:
            self._transcript.done[block.line] += 1
        else:
            self._transcript.passed_over.add(block.line)
            self._omitted.append(block.line)
        self._ahead.extendleft(reversed(branch))

    def _choose(self, block: Either) -> tuple[Step, ...]:
        """The first branch that fits what the client says. Waits for as few octets as possible."""
        wrong, over = "the client sent something else", False
        while True:
            for branch in block.branches:
                # A branch begins with a C line; the empty one fits whatever comes.
                fits = not branch or branch[0].pattern.leads(bytes(self._received), self._facts, self._bound)
                if fits:
                    return branch
                if fits is None and not over:
                    break
            else:
                self._rest()
                self._fail_choosing(block, wrong)
            try:
                octets = self._take_in()
            except TimeoutError:
                self._fail_choosing(block, f"nothing (more) came in {WAIT:g} s")
            except ConnectionError:
                octets = b""
            if not octets:
                wrong, over = f"the client hung up{self._transport.parting}", True

    def _fail_choosing(self, block: Either, what: str) -> NoReturn:
        fitting = [f"`{branch[0].source}` (line {branch[0].line})" for branch in block.branches if branch]
        fitting += ["what follows the block"] if block.optional else []
        self._fail(f"{what}; what would fit: {' or '.join(fitting)}", None, self._first_lines(b""))

    # The client's turn

    def hear(self, burst: list[Hear]) -> None:
        """Consumes a burst of C lines."""
        self._amid = False
        for step in burst:
            self._at = step.line
            if step.pattern.is_open:
                octets = self._hear_line(step)
            else:
                octets = step.pattern.fixed(self._facts)
                self._hear_exactly(octets)
            self._bye = octets.upper() == b"QUIT\r\n"
            self._omitted.clear()
            self._transcript.done[step.line] += 1

    def _hear_exactly(self, expected: bytes) -> None:
        checked = 0
        while True:
            fresh = self._received[checked : len(expected)]
            if fresh != expected[checked : checked + len(fresh)]:
                self._rest()
                self._fail("the client sent something else", expected, self._first_lines(expected))
            checked += len(fresh)
            if checked == len(expected):
                del self._received[:checked]
                return
            self._receive(expected)

    def _hear_line(self, step: Hear) -> bytes:
        while b"\n" not in self._received:
            if len(self._received) > LONGEST_LINE:
                self._fail("the client's line has no end", None, bytes(self._received[:1000]))
            self._receive(step.source.encode(errors="replace"))
        line = bytes(self._received[: self._received.index(b"\n") + 1])
        if not step.pattern.match(line, self._facts, self._bound):
            held = "".join(f" {{{name}}} is {visible(value)}." for name, value in self._bound.items())
            self._fail(f"the client's line does not fit.{held}", step.source[3:].encode(), line)
        del self._received[: len(line)]
        return line

    def _receive(self, expected: bytes) -> None:
        """Takes in what comes next. Fails if nothing comes."""
        try:
            octets = self._take_in()
        except TimeoutError:
            self._fail(f"nothing (more) came in {WAIT:g} s", expected, self._first_lines(expected))
        except OSError as error:
            self._fail(f"the connection broke: {error.strerror}", expected, self._first_lines(expected))
        if not octets:
            self._fail(f"the client hung up{self._transport.parting}", expected, self._first_lines(expected))

    def _take_in(self) -> bytes:
        """Receives the next octets, and returns them; nothing if the client has hung up."""
        try:
            octets = self._transport.receive()
        except ConnectionError:
            self._tape.mark(RESET)
            raise
        self._received += octets
        self._tape.heard(octets)
        if not octets and not self._tape.ended:
            self._tape.mark(HANGUP)
        return octets

    def _rest(self) -> None:
        """Takes in what is still on its way."""
        with contextlib.suppress(OSError, Breach):
            while self._transport.readable(_REST) and self._take_in():
                pass

    def _first_lines(self, expected: bytes) -> bytes:
        """What was received, up to the end of the line in which it differs from `expected`."""
        received = bytes(self._received)
        end = received.find(b"\n", first_difference(expected, received))
        return received if end < 0 else received[: end + 1]

    # The server's turn

    def _speak(self, octets: bytes, manner: Manner) -> None:
        if self._amid:
            time.sleep(manner.delay)
        elif self.expect_silence(max(QUIET, manner.delay), end_allowed=self._bye):  # the client need not wait for 221
            return
        sealed = self._transport.seal(octets)
        if sealed is not octets:  # the client cannot read a part of a record
            self._tape.said(octets)
        if manner.drip:
            self._drip(sealed, manner.drip)
            return
        for part in _parts(sealed, manner):
            self._utter(part)

    def _utter(self, octets: bytes, end_allowed: bool = False) -> None:
        self._spoke = time.monotonic()
        self._send(octets, end_allowed)
        if type(self._transport) is Plain:
            self._tape.said(octets)

    def _drip(self, octets: bytes, drip: Drip) -> None:
        start = self._spoke
        for index, part in enumerate(_parts(octets, Manner(drip=drip))):
            if index and self.expect_silence(drip.seconds, end_allowed=drip.within is not None):
                self._check_time(start, drip)
                return
            self._utter(part, end_allowed=drip.within is not None)
        if drip.within:
            self._fail(f"the client waited to the end; it had to hang up within {drip.within}")

    def _send(self, octets: bytes, end_allowed: bool = False) -> None:
        try:
            self._socket.sendall(octets)
        except TimeoutError:
            self._fail(f"the client does not read what the server says ({WAIT:g} s)")
        except OSError as error:
            if not (end_allowed or self._bye):
                self._fail(f"the client hung up while the server spoke: {error.strerror}")

    def _obey(self, step: Step, manner: Manner) -> None:
        match step:
            case Delay():
                manner.delay = step.seconds
            case Drip():
                manner.drip = step
            case Split():
                manner.split = True
            case Read():
                self._discard(step)
            case Stall():
                self._stall(step)
            case Starttls():
                self._shake_hands(step, manner)
            case KeyUpdate() | Renegotiate():
                self._change_keys(step)
            case HalfClose():
                self._half_close()
            case Close():
                self._close(step.how)
            case Reset():
                self._reset()

    def _shake_hands(self, step: Starttls, manner: Manner) -> None:
        if self._received:
            self._fail("the client sent data in the clear before the handshake", b"", bytes(self._received))
        leave = partial(self._leave_shaking, manner)
        try:
            handshake = Handshake(self._transport, step.terms, self._transcript.dialogue.host, leave)
            self._transport, self._transcript.notes[step.line] = handshake.secure()
        except TimeoutError:
            self._fail(f"the client fell silent during the handshake ({WAIT:g} s)")
        if not (step.terms.fails or step.terms.cut):
            self._tape.mark(STARTTLS)
        if step.terms.fails:
            with contextlib.suppress(OSError):
                self._socket.shutdown(socket.SHUT_WR)
        if manner.drip and manner.drip.within:
            self._check_time(self._spoke, manner.drip)

    def _leave_shaking(self, manner: Manner, flight: bytes) -> None:
        """Sends a flight of the handshake, until the client hangs up, which it may do at any time."""
        pause = manner.delay
        for part in _parts(flight, manner):
            if pause and self._transport.hangs_up(pause):
                return
            self._send(part, end_allowed=True)
            pause = manner.drip.seconds if manner.drip else 0.0

    def _change_keys(self, step: KeyUpdate | Renegotiate) -> None:
        self.expect_silence(QUIET)
        assert isinstance(self._transport, Secured)
        if isinstance(step, KeyUpdate):
            self._send(self._transport.key_update(bool(step.ask)))
        else:
            self._send(self._transport.renegotiate())

    def _stall(self, step: Stall) -> None:
        limit = step.within.high
        if not (self._hangs_up_unread(limit) if self._amid else self.expect_silence(limit, end_allowed=True)):
            self._fail(f"the client is still there; it had to hang up within {step.within}")
        self._check_time(self._spoke, step)

    def _check_time(self, since: float, step: Stall | Drip) -> None:
        seconds = time.monotonic() - since
        if step.within is None or seconds not in step.within:
            self._fail(f"the client hung up after {seconds:.2f} s; it had to within {step.within}")

    def _discard(self, step: Read) -> None:
        while len(self._received) < step.octets:
            self._receive(f"({step.octets} octets)".encode())
        del self._received[: step.octets]
        self._amid = True

    def _hangs_up_unread(self, seconds: float) -> bool:
        """Whether the client hangs up in time although we read nothing: a full window holds back its FIN."""
        ports = "{:04X} {:04X}".format(self._socket.getpeername()[1], self._socket.getsockname()[1])
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if ports not in _established():
                return True
            time.sleep(_GLANCE)
        return False

    def _close(self, how: str | None) -> None:
        """Sends FIN, and reads what the client still sends: unread octets could turn the close into a reset."""
        self._tape.mark(CLOSE)
        if farewell := self._transport.farewell(how):
            self._send(farewell, end_allowed=True)
        try:
            self._socket.shutdown(socket.SHUT_WR)
            while self._take_in():
                self._received.clear()
        except TimeoutError:
            self._fail(f"the client did not hang up in {WAIT:g} s although the server had")
        except OSError:
            pass  # the client has reset the connection

    def _half_close(self) -> None:
        if farewell := self._transport.half_close():
            self._send(farewell, end_allowed=True)
        with contextlib.suppress(OSError):  # the client has reset the connection
            self._socket.shutdown(socket.SHUT_WR)
        self._tape.mark(CLOSE)

    def _reset(self) -> None:
        self._tape.mark(CLOSE)
        with contextlib.suppress(OSError):
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self._socket.close()

    # What must not happen

    def expect_silence(self, seconds: float, end_allowed: bool = False) -> bool:
        """Fails if anything comes for so long. Returns whether the client hung up meanwhile, if that is allowed."""
        # Acknowledge at once: then Nagle's algorithm does not keep back what a client sends without waiting.
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)
        if not self._received:
            if not self._transport.readable(seconds):
                return False
            with contextlib.suppress(ConnectionError):
                self._take_in()
        if self._received:
            self._rest()
            self._fail("the client sent data before the server's turn", b"", bytes(self._received))
        if not end_allowed:
            self._fail(f"the client hung up before the server's turn{self._transport.parting}")
        return True

    def expect_end(self) -> None:
        """Fails unless the client hangs up without another octet."""
        self._at = self._transcript.dialogue.end
        if not self._received:
            try:
                self._take_in()
            except TimeoutError:
                self._fail(f"the client did not hang up in {WAIT:g} s")
            except ConnectionError:
                return  # it closed without reading the server's last words
        if self._received:
            self._rest()
            self._fail("the client sent data after the end of the dialogue", b"", bytes(self._received))

    def _fail(self, what: str, expected: bytes | None = None, received: bytes | None = None) -> NoReturn:
        if self._omitted:
            what += f" (the optional block in line {', '.join(map(str, self._omitted))} was passed over)"
        raise Mismatch(Failure(self._at, what, expected, received))


def _parts(octets: bytes, manner: Manner) -> list[bytes]:
    """The octets in the pieces in which they leave."""
    size = manner.drip.octets if manner.drip else 1 if manner.split else len(octets)
    return [octets[start : start + size] for start in range(0, len(octets), size or 1)]


def _established() -> set[str]:
    """The connections of this network namespace that neither end has closed, as `PORT PORT` in capital hexadecimal."""
    lines = [line for name in ("tcp", "tcp6") for line in Path("/proc/self/net", name).read_text().splitlines()[1:]]
    fields = [line.split() for line in lines]
    return {f"{local[-4:]} {remote[-4:]}" for _, local, remote, state, *_ in fields if state == "01"}
