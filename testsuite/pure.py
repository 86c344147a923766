"""The pure floors of Qremote (build/libpure.so) as Python functions: the structs of the headers, and thin wrappers.

test_pure.py compares the structs with what the compiler makes of the headers.
"""

import ctypes
import socket
from collections.abc import Iterable
from ctypes import (
    POINTER, Structure, byref, c_bool, c_char, c_char_p, c_int, c_size_t, c_uint8, c_uint16, c_uint32, c_uint64,
    c_int64, c_ssize_t, c_void_p, CFUNCTYPE,
)  # fmt: skip
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent
LIBRARY = ROOT / "build/libpure.so"

NAME_SIZE = 256
REPLY_LINE_MAX, REPLY_LINES_MAX, REPLY_MAX, REPLY_ENHANCED_SIZE = 4096, 1000, 65536, 12
REPORT_REPLY_MAX, REPORT_MAX = 5000, 6200
EXCHANGERS_MAX = CANDIDATES_MAX = 100
REPLY_INCOMPLETE, REPLY_COMPLETE, REPLY_MALFORMED = range(3)
STREAM_OUT, STREAM_IN = 65536, 8192
STREAM_AGAIN, STREAM_FAILED = -1, -2
STREAM_READABLE, STREAM_WRITABLE = 1, 2
STREAM_OK, STREAM_END, STREAM_TIMEOUT, STREAM_BROKEN = range(4)


class Span(Structure):  # text.h
    _fields_ = [("data", c_void_p), ("length", c_size_t)]


class Buf(Structure):  # buf.h
    _fields_ = [("data", c_void_p), ("length", c_size_t), ("capacity", c_size_t), ("failed", c_bool)]

    def octets(self) -> bytes:
        """A copy of what is in the buffer."""
        return ctypes.string_at(self.data, self.length) if self.length else b""


class BodyFacts(Structure):  # body.h
    _fields_ = [("size", c_uint64), ("longest_line", c_size_t), ("eightbit", c_bool), ("nul", c_bool)]


class Body(Structure):  # body.h
    _fields_ = [("at", c_void_p), ("end", c_void_p), ("next_cr", c_void_p), ("in_line", c_bool), ("size", c_uint64)]


class Reply(Structure):  # reply.h
    _fields_ = [("code", c_int), ("lines", c_size_t), ("length", c_size_t), ("text", c_char * REPLY_MAX)]

    def octets(self) -> bytes:
        """All lines that were read."""
        return ctypes.string_at(ctypes.addressof(self) + Reply.text.offset, self.length)


class Report(Structure):  # report.h
    _fields_ = [("letter", c_char), ("code", c_char * REPLY_ENHANCED_SIZE), ("text", Buf)]


class Capabilities(Structure):  # ehlo.h
    _fields_ = [
        ("pipelining", c_bool), ("eightbitmime", c_bool), ("smtputf8", c_bool), ("size", c_bool),
        ("size_limit", c_uint64),
    ]  # fmt: skip


class Address(Structure):  # address.h
    _fields_ = [("family", c_int), ("octets", c_uint8 * 16)]


class Route(Structure):  # route.h
    _fields_ = [("line", c_size_t), ("relay", Span), ("port", c_uint16)]


class Exchanger(Structure):  # exchangers.h
    _fields_ = [
        ("name", c_char * NAME_SIZE), ("preference", c_uint16), ("draw", c_uint32),
        ("ipv6", Buf), ("ipv4", Buf), ("unknown", c_bool),
    ]  # fmt: skip


class Exchangers(Structure):  # exchangers.h
    _fields_ = [("list", POINTER(Exchanger)), ("count", c_size_t)]


class Candidate(Structure):  # exchangers.h
    _fields_ = [("name", c_char_p), ("address", Address)]


class Recipient(Structure):  # envelope.h
    _fields_ = [("argument", c_char_p), ("path", Buf), ("utf8", c_bool), ("report", Report)]


class Envelope(Structure):  # envelope.h
    _fields_ = [
        ("sender", Buf), ("sender_utf8", c_bool), ("recipients", POINTER(Recipient)), ("count", c_size_t),
        ("results", Buf),
    ]  # fmt: skip


# What a transport's functions look like (stream.h).
READ = CFUNCTYPE(c_ssize_t, c_void_p, c_void_p, c_size_t)
WRITE = CFUNCTYPE(c_ssize_t, c_void_p, c_void_p, c_size_t)
WAIT = CFUNCTYPE(c_int, c_void_p, c_int, c_int64)
NOW = CFUNCTYPE(c_int64, c_void_p)


class Transport(Structure):  # stream.h
    _fields_ = [("read", READ), ("write", WRITE), ("wait", WAIT), ("now", NOW)]


class Stream(Structure):  # stream.h
    _fields_ = [
        ("transport", POINTER(Transport)), ("context", c_void_p), ("timeout", c_int64), ("deadline", c_int64),
        ("error", c_int), ("in_start", c_size_t), ("in_end", c_size_t), ("out_start", c_size_t), ("out_end", c_size_t),
        ("in", c_char * STREAM_IN), ("out", c_char * STREAM_OUT),
    ]  # fmt: skip


STRUCTS: dict[str, type[Structure]] = {
    "span": Span, "buf": Buf, "body_facts": BodyFacts, "body": Body, "reply": Reply, "report": Report,
    "capabilities": Capabilities, "address": Address, "route": Route, "exchanger": Exchanger,
    "exchangers": Exchangers, "candidate": Candidate, "recipient": Recipient, "envelope": Envelope,
    "stream_transport": Transport, "stream": Stream,
}  # fmt: skip

_P = POINTER
_PROTOTYPES: dict[str, tuple[type | None, list[type]]] = {
    "buf_add": (None, [_P(Buf), c_char_p, c_size_t]),
    "buf_free": (None, [_P(Buf)]),
    "mem_array": (c_void_p, [c_size_t, c_size_t]),
    "text_printable": (None, [_P(Buf), Span, c_bool, c_size_t]),
    "stream_open": (None, [_P(Stream), _P(Transport), c_void_p, c_int64]),
    "stream_put": (c_bool, [_P(Stream), c_char_p, c_size_t]),
    "stream_pending": (c_size_t, [_P(Stream)]),
    "stream_advance": (c_bool, [_P(Stream)]),
    "stream_input": (c_void_p, [_P(Stream), _P(c_size_t)]),
    "stream_consume": (None, [_P(Stream), c_size_t]),
    "stream_has_input": (c_bool, [_P(Stream)]),
    "stream_salvage": (None, [_P(Stream)]),
    "stream_try_write": (None, [_P(Stream)]),
    "body_examine": (BodyFacts, [Span]),
    "body_open": (None, [_P(Body), Span]),
    "body_encode": (c_size_t, [_P(Body), c_void_p, c_size_t]),
    "body_is_done": (c_bool, [_P(Body)]),
    "reply_begin": (None, [_P(Reply)]),
    "reply_feed": (c_int, [_P(Reply), Span, _P(c_size_t)]),
    "reply_class": (c_int, [_P(Reply)]),
    "reply_enhanced": (c_bool, [_P(Reply), c_char_p]),
    "ehlo_parse": (Capabilities, [_P(Reply)]),
    "report_write": (None, [_P(Report), c_char, c_char_p, c_char_p, c_char_p]),
    "report_add_reply": (None, [_P(Report), _P(Reply)]),
    "report_move": (None, [_P(Report), _P(Report)]),
    "report_emit": (None, [_P(Buf), _P(Report)]),
    "report_free": (None, [_P(Report)]),
    "address_of": (Address, [c_int, c_char_p]),
    "address_print": (None, [_P(Address), c_char_p]),
    "address_parse": (c_bool, [Span, _P(Address)]),
    "address_parse_literal": (c_bool, [Span, _P(Address)]),
    "address_is_smtp_literal": (c_bool, [Span]),
    "address_is_self": (c_bool, [_P(Address)]),
    "name_copy": (c_bool, [Span, c_char_p]),
    "mailbox_encode": (c_bool, [_P(Buf), Span, _P(c_bool)]),
    "route_find": (c_char_p, [Span, Span, _P(Route)]),
    "exchangers_order": (None, [_P(Exchangers)]),
    "exchangers_drop_self": (c_bool, [_P(Exchangers), _P(Address), c_size_t]),
    "exchangers_candidates": (c_size_t, [_P(Exchangers), _P(Candidate)]),
    "exchangers_unknown": (c_char_p, [_P(Exchangers)]),
    "exchangers_free": (None, [_P(Exchangers)]),
    "envelope_build": (c_bool, [_P(Envelope), c_char_p, _P(c_char_p), c_size_t, _P(Report)]),
    "envelope_open_count": (c_size_t, [_P(Envelope)]),
    "envelope_needs_utf8": (c_bool, [_P(Envelope)]),
    "envelope_reserve": (c_bool, [_P(Envelope)]),
    "envelope_emit": (None, [_P(Envelope), _P(Report)]),
    "envelope_free": (None, [_P(Envelope)]),
}

lib = ctypes.CDLL(str(LIBRARY))
for _name, (_result, _arguments) in _PROTOTYPES.items():
    getattr(lib, _name).restype, getattr(lib, _name).argtypes = _result, _arguments


class Octets:
    """Octets in memory that ends where they end, so that `span` stays valid as long as this object lives."""

    def __init__(self, octets: bytes) -> None:
        self._memory = ctypes.create_string_buffer(octets, max(1, len(octets)))
        self.span = Span(ctypes.addressof(self._memory), len(octets))


@dataclass(frozen=True)
class Fed:
    """What reply_feed() made of some octets."""

    state: int
    used: int
    code: int
    lines: int
    text: bytes


def examine(message: bytes) -> BodyFacts:
    """body_examine()"""
    memory = Octets(message)
    return lib.body_examine(memory.span)


def encode(message: bytes, rooms: Iterable[int]) -> bytes:
    """All that body_encode() writes if it is given these rooms, one after the other. Fails if it writes beyond them."""
    memory, body, written = Octets(message), Body(), b""
    lib.body_open(byref(body), memory.span)
    for room in rooms:
        if lib.body_is_done(byref(body)):
            return written
        out = ctypes.create_string_buffer(b"\xa5" * (room + 8))
        length = lib.body_encode(byref(body), ctypes.addressof(out), room)
        assert length <= room and out.raw[room:-1] == b"\xa5" * 8, "written beyond the room"
        assert room < 2 or length > 0, "no progress"
        written += out.raw[:length]
    assert lib.body_is_done(byref(body)), "not done"
    return written


def feed(pieces: Iterable[bytes]) -> tuple[Fed, Reply]:
    """Feeds a reply as session.c does: what is not used stays in front of the next piece. Ends with the reply."""
    reply, used, state, total, rest = Reply(), c_size_t(), REPLY_INCOMPLETE, 0, b""
    lib.reply_begin(byref(reply))
    for piece in pieces:
        rest += piece
        memory = Octets(rest)
        state = lib.reply_feed(byref(reply), memory.span, byref(used))
        assert used.value <= len(rest), "used octets that were not there"
        total, rest = total + used.value, rest[used.value :]
        if state != REPLY_INCOMPLETE:
            break
    return Fed(state, total, reply.code, reply.lines, reply.octets()), reply


def read_reply(octets: bytes) -> Reply:
    """The reply in some octets, which must hold one."""
    fed, reply = feed([octets])
    assert fed.state == REPLY_COMPLETE, fed
    return reply


def address(text: str) -> Address:
    """An address from its text."""
    family = socket.AF_INET6 if ":" in text else socket.AF_INET
    return lib.address_of(family, socket.inet_pton(family, text))


def address_text(value: Address) -> str:
    """The text of an address."""
    text = ctypes.create_string_buffer(46)
    lib.address_print(byref(value), text)
    return text.value.decode()
