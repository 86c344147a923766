# SPDX-License-Identifier: ISC
"""stream.c over a scripted transport: rare behaviour of the kernel happens on demand."""

import ctypes
from collections import deque
from ctypes import byref, c_size_t

import pytest
from hypothesis import given
from hypothesis import strategies as st

from testsuite import pure
from testsuite.pure import lib

TIMEOUT = 1000  # milliseconds of the scripted clock


class Wire:
    """A stream, and both ends of what is below it. Octets in `arrivals` come one element a read; b"" is the end."""

    def __init__(self, arrivals: list[bytes] | None = None, takes: list[int] | None = None, reads_all: bool = False) -> None:
        self.arrivals = deque(arrivals or [])
        self.takes = deque(takes or [])  # what each write accepts: a number of octets, AGAIN or FAILED; then everything
        self.written: list[bytes] = []
        self.waits: list[tuple[int, int]] = []  # what was waited for, and the deadline
        self.clock = 0
        self.possible: deque[int] = deque()  # the result of each wait; then input, or the deadline
        self._callbacks = (
            pure.READ(self._read), pure.WRITE(self._write), pure.WAIT(self._wait), pure.NOW(lambda _: self.clock),
        )  # fmt: skip
        self._transport = pure.Transport(*self._callbacks, reads_all)
        self.stream = pure.Stream()
        lib.stream_open(byref(self.stream), byref(self._transport), None, TIMEOUT)

    def _read(self, _context: int, data: int, room: int) -> int:
        if not self.arrivals:
            return pure.STREAM_AGAIN
        octets = self.arrivals.popleft()
        ctypes.memmove(data, octets, min(len(octets), room))
        if len(octets) > room:
            self.arrivals.appendleft(octets[room:])
        return min(len(octets), room)

    def _write(self, _context: int, data: int, length: int) -> int:
        length = min(self.takes.popleft(), length) if self.takes else length
        if length > 0:
            self.written.append(ctypes.string_at(data, length))
        return length

    def _wait(self, _context: int, want: int, deadline: int) -> int:
        self.waits.append((want, deadline))
        if self.possible:
            return self.possible.popleft() & want
        return want & pure.STREAM_READABLE if self.arrivals else 0

    def put(self, octets: bytes) -> bool:
        """Whether they fit."""
        return lib.stream_put(byref(self.stream), octets, len(octets))

    def advance(self) -> bool:
        """One step."""
        return lib.stream_advance(byref(self.stream))

    def unread(self) -> bytes:
        """What was received and not consumed."""
        length = c_size_t()
        return ctypes.string_at(lib.stream_input(byref(self.stream), byref(length)), length.value)


def test_what_is_put_leaves_with_one_write() -> None:
    """However many pieces there were."""
    wire = Wire()
    assert wire.put(b"MAIL\r\n") and wire.put(b"RCPT\r\n") and wire.put(b"DATA\r\n")
    assert wire.written == []
    assert wire.advance()
    assert wire.written == [b"MAIL\r\nRCPT\r\nDATA\r\n"]
    assert lib.stream_pending(byref(wire.stream)) == 0


def test_what_does_not_fit_is_not_put_at_all() -> None:
    """Half a command would be sent as if it were one."""
    wire = Wire()
    assert wire.put(b"a" * (pure.STREAM_OUT - 1))
    assert not wire.put(b"bc")
    assert wire.put(b"b")
    assert wire.advance()
    assert wire.written == [b"a" * (pure.STREAM_OUT - 1) + b"b"]


def test_it_reads_when_it_cannot_write() -> None:
    """Otherwise two sides that both write first would wait for each other."""
    wire = Wire([b"250 ok\r\n"], takes=[3, pure.STREAM_AGAIN])
    wire.put(b"abcdef")
    assert wire.advance() and wire.advance()
    assert wire.waits[0][0] == pure.STREAM_READABLE | pure.STREAM_WRITABLE
    assert wire.unread() == b"250 ok\r\n"
    assert wire.advance()
    assert b"".join(wire.written) == b"abcdef"


def test_the_clock_starts_anew_when_something_was_written() -> None:
    """And not when something was read: a server that sends slowly gets no more time for its reply."""
    wire = Wire([b"2", b"5"], takes=[1, pure.STREAM_AGAIN])
    wire.put(b"ab")
    wire.clock = 400
    assert wire.advance()
    assert wire.stream.deadline == 400 + TIMEOUT
    wire.clock = 700
    assert wire.advance() and wire.unread() == b"2"
    assert wire.stream.deadline == 400 + TIMEOUT


def test_the_deadline_is_an_error_that_stays() -> None:
    """After it nothing is written or waited for."""
    wire = Wire()
    assert not wire.advance()
    assert wire.stream.error == pure.STREAM_TIMEOUT
    assert not wire.put(b"QUIT\r\n")
    assert not wire.advance()
    assert len(wire.waits) == 1 and wire.written == []


@pytest.mark.spec("EXT-8")
def test_what_came_before_the_break_can_be_salvaged() -> None:
    """A server says why it refuses and resets: the write fails, and the reply still waits to be read."""
    wire = Wire([b"552 too ", b"much\r\n"], takes=[pure.STREAM_FAILED])
    wire.put(b"a long message")
    assert not wire.advance()
    assert wire.stream.error == pure.STREAM_BROKEN
    lib.stream_salvage(byref(wire.stream))
    assert wire.unread() == b"552 too much\r\n"


def test_the_end_comes_after_what_was_received() -> None:
    """It is noticed without waiting, too."""
    wire = Wire([b"220 hi\r\n", b""])
    assert wire.advance()
    lib.stream_consume(byref(wire.stream), 8)
    assert not lib.stream_has_input(byref(wire.stream))
    assert wire.stream.error == pure.STREAM_END
    assert len(wire.waits) == 1


def test_a_full_in_buffer_waits_for_its_reader() -> None:
    """Nothing is lost or overwritten; reading just stops."""
    flood = bytes(index % 251 for index in range(pure.STREAM_IN + 10))
    wire = Wire([flood])
    assert wire.advance()
    assert wire.unread() == flood[: pure.STREAM_IN]
    assert not lib.stream_advance(byref(wire.stream)) and wire.waits[-1][0] == 0
    lib.stream_consume(byref(wire.stream), 100)
    lib.stream_salvage(byref(wire.stream))
    assert wire.unread() == flood[100:]


def test_a_last_attempt_does_not_wait() -> None:
    """QUIT is written if the socket accepts it."""
    wire = Wire(takes=[pure.STREAM_AGAIN])
    wire.put(b"QUIT\r\n")
    lib.stream_try_write(byref(wire.stream))
    assert (wire.written, wire.waits) == ([], [])


@given(st.lists(st.binary(min_size=1, max_size=300)), st.lists(st.integers(min_value=1, max_value=200)))
def test_octets_leave_once_and_in_order(pieces: list[bytes], takes: list[int]) -> None:
    """However much the kernel accepts at a time."""
    wire = Wire(takes=takes)
    for piece in pieces:
        assert wire.put(piece)
    while lib.stream_pending(byref(wire.stream)):
        assert wire.advance()
    assert b"".join(wire.written) == b"".join(pieces)


@pytest.mark.spec("CTL-3")
def test_what_can_be_read_and_is_nothing_wins_no_time() -> None:
    """Within TLS, tickets and empty records are examples; a peer could send them for ever."""
    wire = Wire()
    wire.possible.extend([pure.STREAM_READABLE] * 3)
    assert wire.advance()
    wire.clock = TIMEOUT - 1
    assert wire.advance()
    wire.clock = TIMEOUT
    assert not wire.advance()
    assert wire.stream.error == pure.STREAM_TIMEOUT


@pytest.mark.parametrize("reads_all", [False, True], ids=["records", "octets"])
def test_it_looks_once_where_a_read_takes_all(reads_all: bool) -> None:
    """A second look would find nothing, and is a system call; but a record of TLS may be followed by another one."""
    wire = Wire([b"250 ok\r\n", b"250 more\r\n"], reads_all=reads_all)
    assert wire.advance()
    lib.stream_consume(byref(wire.stream), 8)
    assert lib.stream_has_input(byref(wire.stream)) is not reads_all
    assert wire.unread() or wire.advance()
    assert wire.unread() == b"250 more\r\n"


def test_it_looks_again_where_a_read_had_no_room_for_more() -> None:
    """Nothing is known of what comes after it."""
    wire = Wire([b"2" * pure.STREAM_IN + b"50 ok\r\n"], reads_all=True)
    assert wire.advance()
    lib.stream_consume(byref(wire.stream), pure.STREAM_IN)
    assert lib.stream_has_input(byref(wire.stream)) and wire.unread() == b"50 ok\r\n"
    lib.stream_consume(byref(wire.stream), 7)
    assert not lib.stream_has_input(byref(wire.stream))


@pytest.mark.spec("RES-7")
def test_it_looks_again_after_each_write() -> None:
    """What the peer says to the first half of a message is no reply to the whole."""
    wire = Wire([b"354 go\r\n"], reads_all=True)
    assert wire.advance()
    lib.stream_consume(byref(wire.stream), 8)
    assert wire.put(b"half of a message") and wire.advance()
    wire.arrivals.append(b"552 too much\r\n")
    assert lib.stream_has_input(byref(wire.stream)) and wire.unread() == b"552 too much\r\n"


def test_another_transport_is_looked_at_anew() -> None:
    """What the one had read tells nothing of the other."""
    wire, secured = Wire([b"220 go\r\n"], reads_all=True), Wire([b"250 ok\r\n"])
    assert wire.advance()
    lib.stream_consume(byref(wire.stream), 8)
    lib.stream_switch(byref(wire.stream), secured.stream.transport, None)
    assert lib.stream_has_input(byref(wire.stream)) and wire.unread() == b"250 ok\r\n"
