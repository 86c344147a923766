# SPDX-License-Identifier: ISC
"""The pure floors of Qremote (build/libpure.so) as Python functions: the structs of the headers, and thin wrappers.

test_pure.py compares the structs with the compiler's layout of the headers.
"""

import ctypes
import socket
from collections.abc import Iterable
from ctypes import (
    POINTER, Structure, byref, c_bool, c_char, c_char_p, c_int, c_size_t, c_uint, c_uint8, c_uint16, c_uint32, c_uint64,
    c_int64, c_ssize_t, c_void_p, CFUNCTYPE,
)  # fmt: skip
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent
LIBRARY = ROOT / "build/libpure.so"

NAME_SIZE, MAXDNAME = 256, 1025
REPLY_LINE_MAX, REPLY_LINES_MAX, REPLY_MAX, REPLY_ENHANCED_SIZE = 4096, 1000, 65536, 12
REPORT_REPLY_MAX, REPORT_MAX = 5000, 6700
EXCHANGERS_MAX = CANDIDATES_MAX = 100
ALIASES_MAX, CHAIN_MAX = 8, 9
(DNS_FOUND, DNS_NO_DATA, DNS_NO_NAME, DNS_ALIAS, DNS_NOWHERE, DNS_NULL_MX, DNS_NO_ANSWER, DNS_NO_MEMORY) = range(8)
REPLY_INCOMPLETE, REPLY_COMPLETE, REPLY_MALFORMED = range(3)
STREAM_OUT, STREAM_IN = 65536, 8192
STREAM_AGAIN, STREAM_FAILED = -1, -2
STREAM_READABLE, STREAM_WRITABLE = 1, 2
LINE_MAX_TEXT, QP_LINE_MAX, BOUNDARY_MAX, ENCODER_ROOM_MIN = 998, 76, 994, 80
NEST_MAX, NEST_BOUNDARIES_MAX, NEST_PLACE_SIZE = 100, 8192, 80
EHLO_MECHANISMS = 4
ROUTE_TLS_MAY, ROUTE_TLS_MUST, ROUTE_TLS_VERIFY, ROUTE_TLS_OFF = range(4)
ENCODING_7BIT, ENCODING_8BIT, ENCODING_BINARY, ENCODING_QUOTED_PRINTABLE, ENCODING_BASE64 = range(5)
SUITES = 66
CIPHERS_WIDE, CIPHERS_NARROW = range(2)
STREAM_OK, STREAM_END, STREAM_TIMEOUT, STREAM_BROKEN = range(4)


class Span(Structure):  # text.h
    _fields_ = [("data", c_void_p), ("length", c_size_t)]


class Buf(Structure):  # buf.h
    _fields_ = [("data", c_void_p), ("length", c_size_t), ("capacity", c_size_t), ("failed", c_bool)]

    def octets(self) -> bytes:
        """A copy of the buffer's contents."""
        return ctypes.string_at(self.data, self.length) if self.length else b""


class Lines(Structure):  # lines.h
    _fields_ = [
        ("at", c_void_p), ("end", c_void_p), ("line_end", c_void_p), ("searched", c_void_p), ("next_cr", c_void_p),
    ]  # fmt: skip


class LineFacts(Structure):  # lines.h
    _fields_ = [("size", c_uint64), ("long_line", c_bool), ("eightbit", c_bool), ("nul", c_bool)]


class Field(Structure):  # header.h
    _fields_ = [("octets", Span), ("name", Span), ("body", Span)]


class ContentType(Structure):  # header.h
    _fields_ = [
        ("multipart", c_bool), ("digest", c_bool), ("message", c_bool), ("rfc822", c_bool),
        ("boundary_length", c_size_t), ("boundary", c_char * BOUNDARY_MAX),
    ]  # fmt: skip


class Level(Structure):  # nest.h
    _fields_ = [("boundary", c_size_t), ("boundary_length", c_size_t), ("digest", c_bool), ("part", c_uint)]


class Nest(Structure):  # nest.h
    _fields_ = [
        ("depth", c_size_t), ("levels", Level * NEST_MAX), ("boundaries", c_char * NEST_BOUNDARIES_MAX),
        ("sorted", c_size_t), ("order", c_uint8 * NEST_MAX),
    ]  # fmt: skip


class Delimiter(Structure):  # nest.h
    _fields_ = [("level", c_size_t), ("closing", c_bool)]


class Recoding(Structure):  # entity.h
    _fields_ = [
        ("message", Span), ("message_eightbit", c_bool), ("eightbitmime", c_bool), ("smtputf8", c_bool),
        ("helohost", c_char_p), ("needed", c_bool), ("quoted_printable", c_bool), ("utf8_header", c_bool), ("eightbit", c_bool),
        ("trouble", c_char * 300),
    ]  # fmt: skip


class Entity(Structure):  # entity.h
    _fields_ = [
        ("header_end", c_void_p), ("body", c_void_p), ("end", c_void_p), ("manner", c_int), ("depth", c_size_t),
        ("encoding", c_void_p), ("text_length", c_size_t), ("text", c_char * 800),
    ]  # fmt: skip


class Unit(Structure):  # words.h
    _fields_ = [("white", Span), ("plain", Span), ("encoded", Span), ("has_encoded", c_bool)]


class Words(Structure):  # words.h
    _fields_ = [
        ("rest", Span), ("unit", Unit), ("pending", c_bool), ("grammar", c_int), ("depth", c_size_t),
        ("mailbox_end", c_void_p), ("address_end", c_void_p), ("utf8", c_bool), ("trouble", c_int),
    ]  # fmt: skip


class Piece(Structure):  # mime.h
    _fields_ = [("octets", Span), ("manner", c_int)]


class Mime(Structure):  # mime.h
    _fields_ = [
        ("recoding", POINTER(Recoding)), ("rest", Lines), ("place", c_int), ("entity", Entity),
        ("nest", Nest), ("field", Field), ("in_words", c_bool), ("words", Words), ("cut", Lines), ("line", Span), ("line_is_first", c_bool),
        ("line_is_base64", c_bool), ("text", c_char * (LINE_MAX_TEXT + 2)),
    ]  # fmt: skip


class Encoder(Structure):  # encoder.h
    _fields_ = [
        ("mime", POINTER(Mime)), ("rest", Lines), ("manner", c_int), ("dots", c_bool), ("in_line", c_bool),
        ("text_end", c_void_p), ("owes_lf", c_bool), ("done", c_bool), ("size", c_uint64),
    ]  # fmt: skip


class Reply(Structure):  # reply.h
    _fields_ = [("code", c_int), ("lines", c_size_t), ("skipped", c_bool), ("length", c_size_t), ("text", c_char * REPLY_MAX)]

    def octets(self) -> bytes:
        """All lines that were read."""
        return ctypes.string_at(ctypes.addressof(self) + Reply.text.offset, self.length)


class Report(Structure):  # report.h
    _fields_ = [("letter", c_char), ("code", c_char * REPLY_ENHANCED_SIZE), ("text", Buf)]


class Capabilities(Structure):  # ehlo.h
    _fields_ = [
        ("pipelining", c_bool), ("eightbitmime", c_bool), ("smtputf8", c_bool), ("starttls", c_bool),
        ("chunking", c_bool),
        ("binarymime", c_bool), ("size", c_bool), ("size_limit", c_uint64), ("auth", c_bool),
        ("mechanisms", c_bool * EHLO_MECHANISMS),
    ]  # fmt: skip


class Form(Structure):  # form.h
    _fields_ = [
        ("chunked", c_bool), ("recoded", c_bool), ("smtputf8", c_bool), ("size", c_uint64), ("body", c_char_p),
        ("how", c_char_p), ("recoding", Recoding),
    ]  # fmt: skip


class Address(Structure):  # address.h
    _fields_ = [("family", c_int), ("octets", c_uint8 * 16)]


class Tcpto(Structure):  # tcpto.h
    _fields_ = [("count", c_size_t), ("records", c_uint8 * 1024)]


class Sources(Structure):  # address.h
    _fields_ = [("ipv4", Address), ("ipv6", Address)]


class Families(Structure):  # address.h
    _fields_ = [("order", c_int * 2)]


class DnsServer(Structure):  # address.h
    _fields_ = [("address", Address), ("port", c_uint16), ("trusted", c_bool)]


class Route(Structure):  # route.h
    _fields_ = [
        ("line", c_size_t), ("relay", Span), ("port", c_uint16), ("tls", c_int), ("clientcert", Span),
        ("sources", Sources), ("families", Families), ("ignored", Capabilities),
        ("user", Span), ("password", Span),
    ]  # fmt: skip


class Parts(Structure):  # suites.h
    _fields_ = [("key", c_uint16), ("enc", c_uint16), ("mac", c_uint16)]


class Suite(Structure):  # suites.h
    _fields_ = [("parts", Parts), ("name", c_char * 32), ("iana", c_char * 48)]


class CipherlistFault(Structure):  # cipherlist.h
    _fields_ = [("line", c_size_t), ("word", Span), ("wrong", c_char_p)]


class Cipherlist(Structure):  # cipherlist.h
    _fields_ = [("has", c_bool * SUITES), ("first", c_size_t), ("profile", c_char_p)]


class Ciphers(Structure):  # ciphers.h
    _fields_ = [("priority", Span), ("list", Cipherlist)]


class Chain(Structure):  # answer.h
    _fields_ = [("names", c_char * NAME_SIZE * CHAIN_MAX), ("aliases", c_size_t)]


class Answer(Structure):  # answer.h
    _fields_ = [
        ("start", c_void_p), ("end", c_void_p), ("records", c_void_p), ("count", c_size_t), ("at", c_void_p),
        ("left", c_size_t),
    ]  # fmt: skip


class Record(Structure):  # answer.h
    _fields_ = [("type", c_uint), ("owner", c_char * MAXDNAME), ("data", c_void_p), ("length", c_size_t)]


class Tlsa(Structure):  # tlsa.h
    _fields_ = [("usage", c_uint), ("selector", c_uint), ("matching", c_uint), ("data", Span)]


class Dane(Structure):  # exchangers.h
    _fields_ = [("unknown", c_bool), ("base", c_char * NAME_SIZE), ("records", Buf)]


class Exchanger(Structure):  # exchangers.h
    _fields_ = [
        ("name", c_char * NAME_SIZE), ("preference", c_uint16), ("draw", c_uint32),
        ("addresses", Buf), ("unknown", c_bool), ("dane", POINTER(Dane)),
    ]  # fmt: skip


class Exchangers(Structure):  # exchangers.h
    _fields_ = [
        ("list", POINTER(Exchanger)), ("count", c_size_t), ("authentic", c_bool), ("domain", c_char * NAME_SIZE),
        ("alias", c_char * NAME_SIZE),
    ]  # fmt: skip


class Candidate(Structure):  # exchangers.h
    _fields_ = [("name", c_char_p), ("dane", POINTER(Dane)), ("address", Address)]


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
    _fields_ = [("read", READ), ("write", WRITE), ("wait", WAIT), ("now", NOW), ("reads_all", c_bool)]


class Stream(Structure):  # stream.h
    _fields_ = [
        ("transport", POINTER(Transport)), ("context", c_void_p), ("timeout", c_int64), ("deadline", c_int64),
        ("error", c_int), ("drained", c_bool), ("in_start", c_size_t), ("in_end", c_size_t),
        ("out_start", c_size_t), ("out_end", c_size_t), ("in", c_char * STREAM_IN), ("out", c_char * STREAM_OUT),
    ]  # fmt: skip


STRUCTS: dict[str, type[Structure]] = {
    "span": Span, "buf": Buf, "lines": Lines, "line_facts": LineFacts, "field": Field,
    "content_type": ContentType, "level": Level, "nest": Nest, "delimiter": Delimiter,
    "unit": Unit, "words": Words, "recoding": Recoding, "entity": Entity, "piece": Piece, "mime": Mime, "encoder": Encoder, "form": Form,
    "reply": Reply, "report": Report,
    "capabilities": Capabilities, "address": Address, "families": Families, "sources": Sources, "dns_server": DnsServer, "route": Route, "parts": Parts, "suite": Suite,
    "cipherlist_fault": CipherlistFault, "cipherlist": Cipherlist,
    "ciphers": Ciphers, "chain": Chain, "answer": Answer, "record": Record, "tlsa": Tlsa, "dane": Dane, "exchanger": Exchanger,
    "exchangers": Exchangers, "candidate": Candidate, "recipient": Recipient, "envelope": Envelope,
    "stream_transport": Transport, "stream": Stream,
}  # fmt: skip

_P = POINTER
_PROTOTYPES: dict[str, tuple[type | None, list[type]]] = {
    "buf_add": (None, [_P(Buf), c_char_p, c_size_t]),
    "buf_free": (None, [_P(Buf)]),
    "mem_array": (c_void_p, [c_size_t, c_size_t]),
    "text_printable": (c_bool, [_P(Buf), Span, c_bool, c_size_t]),
    "stream_open": (None, [_P(Stream), _P(Transport), c_void_p, c_int64]),
    "stream_put": (c_bool, [_P(Stream), c_char_p, c_size_t]),
    "stream_pending": (c_size_t, [_P(Stream)]),
    "stream_advance": (c_bool, [_P(Stream)]),
    "stream_input": (c_void_p, [_P(Stream), _P(c_size_t)]),
    "stream_consume": (None, [_P(Stream), c_size_t]),
    "stream_has_input": (c_bool, [_P(Stream)]),
    "stream_salvage": (None, [_P(Stream)]),
    "stream_try_write": (None, [_P(Stream)]),
    "lines_open": (None, [_P(Lines), Span]),
    "lines_examine": (LineFacts, [Span]),
    "header_take_field": (c_bool, [_P(Lines), _P(Field)]),
    "header_fold": (Span, [_P(Span), c_bool]),
    "words_open": (None, [_P(Words), _P(Field)]),
    "words_next": (c_size_t, [_P(Words), c_char_p]),
    "header_read_type": (None, [Span, _P(ContentType)]),
    "header_read_encoding": (c_int, [Span]),
    "entity_is_base64": (c_bool, [Span]),
    "qp_encode": (c_size_t, [_P(c_void_p), c_void_p, c_char_p]),
    "qp_mend": (c_size_t, [_P(c_void_p), c_void_p, c_char_p]),
    "mime_survey": (None, [_P(Recoding)]),
    "form_choose": (c_bool, [_P(Form), _P(Capabilities), Span, _P(LineFacts), c_char_p]),
    "form_open": (None, [_P(Form), _P(Encoder), _P(Mime)]),
    "encoder_open": (None, [_P(Encoder), Span, c_bool]),
    "encoder_open_recoded": (None, [_P(Encoder), _P(Mime), _P(Recoding)]),
    "encoder_recoded_size": (c_uint64, [_P(Recoding)]),
    "encoder_write": (c_size_t, [_P(Encoder), c_void_p, c_size_t]),
    "encoder_is_done": (c_bool, [_P(Encoder)]),
    "reply_begin": (None, [_P(Reply)]),
    "reply_feed": (c_int, [_P(Reply), Span, _P(c_size_t)]),
    "reply_class": (c_int, [_P(Reply)]),
    "reply_empty_line": (c_size_t, [Span]),
    "reply_is_unknown_command": (c_bool, [_P(Reply)]),
    "reply_enhanced": (c_bool, [_P(Reply), c_char_p]),
    "ehlo_parse": (Capabilities, [_P(Reply)]),
    "report_write": (None, [_P(Report), c_char, c_char_p, c_char_p, c_char_p]),
    "report_add_reply": (None, [_P(Report), _P(Reply)]),
    "report_give_up": (None, [_P(Report), c_char_p]),
    "report_move": (None, [_P(Report), _P(Report)]),
    "report_emit": (None, [_P(Buf), _P(Report)]),
    "report_free": (None, [_P(Report)]),
    "address_of": (Address, [c_int, c_char_p]),
    "address_print": (None, [_P(Address), c_char_p]),
    "address_parse": (c_bool, [Span, _P(Address)]),
    "address_parse_literal": (c_bool, [Span, _P(Address)]),
    "address_is_smtp_literal": (c_bool, [Span]),
    "address_is_self": (c_bool, [_P(Address)]),
    "families_parse": (c_bool, [Span, _P(Families)]),
    "name_copy": (c_bool, [Span, c_char_p]),
    "mailbox_encode": (c_bool, [_P(Buf), Span, _P(c_bool)]),
    "ehlo_add": (c_bool, [_P(Capabilities), Span]),
    "ehlo_add_mechanism": (c_bool, [_P(Capabilities), Span]),
    "ehlo_ignore": (None, [_P(Capabilities), _P(Capabilities)]),
    "routefile_read": (c_char_p, [Span, _P(Route)]),
    "route_find": (c_char_p, [Span, Span, _P(Route)]),
    "tcpto_find": (c_size_t, [_P(Tcpto), _P(Address)]),
    "tcpto_defers": (c_bool, [_P(Tcpto), c_size_t, c_uint32, c_uint32]),
    "tcpto_note": (c_size_t, [_P(Tcpto), _P(Address), c_bool, c_uint32]),
    "ciphers_default": (None, [_P(Ciphers)]),
    "ciphers_read": (c_bool, [_P(Ciphers), Span, _P(CipherlistFault)]),
    "ciphers_print": (None, [_P(Ciphers), c_int, _P(Buf)]),
    "ciphers_allow": (c_bool, [_P(Ciphers), Span]),
    "answer_read": (c_int, [_P(Answer), Span, c_uint, _P(Chain)]),
    "tlsa_add": (None, [_P(Buf), c_char_p, c_size_t]),
    "tlsa_next": (c_bool, [_P(Span), _P(Tlsa)]),
    "tlsa_any_usable": (c_bool, [Span]),
    "answer_next": (c_bool, [_P(Answer), c_uint, _P(Chain), _P(Record)]),
    "answer_name": (None, [_P(Answer), _P(Record), c_char_p]),
    "exchangers_order": (None, [_P(Exchangers)]),
    "exchangers_drop_self": (c_void_p, [_P(Exchangers), _P(Address), c_size_t]),
    "exchangers_candidates": (c_size_t, [_P(Exchangers), Families, _P(Candidate)]),
    "exchangers_unknown": (c_char_p, [_P(Exchangers)]),
    "exchangers_free": (None, [_P(Exchangers)]),
    "envelope_build": (None, [_P(Envelope), c_char_p, _P(c_char_p), c_size_t]),
    "envelope_check": (c_bool, [_P(Envelope), c_char_p, _P(Report)]),
    "envelope_open_count": (c_size_t, [_P(Envelope)]),
    "envelope_needs_utf8": (c_bool, [_P(Envelope)]),
    "envelope_reserve": (c_bool, [_P(Envelope)]),
    "envelope_emit": (None, [_P(Envelope), _P(Report)]),
    "envelope_free": (None, [_P(Envelope)]),
}


def load(library: Path) -> ctypes.CDLL:
    """The functions of a library, with their prototypes."""
    loaded = ctypes.CDLL(str(library))
    for name, (result, arguments) in _PROTOTYPES.items():
        getattr(loaded, name).restype, getattr(loaded, name).argtypes = result, arguments
    return loaded


lib = load(LIBRARY)


class Octets:
    """Octets in memory that ends where they end, so that `span` stays valid as long as this object lives."""

    def __init__(self, octets: bytes) -> None:
        self._memory = ctypes.create_string_buffer(octets, max(1, len(octets)))
        self.span = Span(ctypes.addressof(self._memory), len(octets))

    def rewrite(self, octets: bytes) -> None:
        """Overwrites them, as if somebody wrote to the mapped file."""
        ctypes.memmove(self._memory, octets, len(octets))


@dataclass(frozen=True)
class Fed:
    """The result of reply_feed() for some octets."""

    state: int
    used: int
    code: int
    lines: int
    text: bytes


def examine(message: bytes) -> LineFacts:
    """lines_examine()"""
    memory = Octets(message)
    return lib.lines_examine(memory.span)


def encode(message: bytes, rooms: Iterable[int], dots: bool = True) -> bytes:
    """Everything that encoder_write() writes for an unchanged message, with these rooms in turn."""
    memory, encoder = Octets(message), Encoder()
    lib.encoder_open(byref(encoder), memory.span, dots)
    return _written(encoder, rooms, 1)


def _written(encoder: Encoder, rooms: Iterable[int], least: int) -> bytes:
    """The output. Fails if it exceeds the rooms, or if a room of at least `least` brings no progress."""
    written = b""
    for room in rooms:
        if lib.encoder_is_done(byref(encoder)):
            return written
        out = ctypes.create_string_buffer(b"\xa5" * (room + 8))
        length = lib.encoder_write(byref(encoder), ctypes.addressof(out), room)
        assert length <= room and out.raw[room:-1] == b"\xa5" * 8, "written beyond the room"
        assert room < least or length > 0 or lib.encoder_is_done(byref(encoder)), "no progress"
        written += out.raw[:length]
    assert lib.encoder_is_done(byref(encoder)), "not done"
    return written


@dataclass(frozen=True)
class Recoded:
    """The result of recoding a message for a server: the octets after DATA without the final dot, or the trouble."""

    wire: bytes
    size: int
    quoted_printable: bool
    utf8_header: bool
    eightbit: bool
    trouble: str


def recode(
    message: bytes, eightbitmime: bool = False, smtputf8: bool = False, rooms: Iterable[int] | None = None
) -> Recoded:
    """The message as mime.c and encoder.c recode it for a server with these offers; HELOHOST is client.example."""
    memory = Octets(message)
    recoding = Recoding(
        message=memory.span, message_eightbit=not message.isascii(), eightbitmime=eightbitmime, smtputf8=smtputf8,
        helohost=b"client.example",
    )  # fmt: skip
    lib.mime_survey(byref(recoding))
    trouble, wire, size = recoding.trouble.decode(errors="replace"), b"", 0
    found = recoding.quoted_printable, recoding.utf8_header, recoding.eightbit, trouble
    if not trouble and not recoding.needed:
        wire, size = encode(message, [2 * len(message) + 2]), examine(message).size
    elif not trouble:
        size = lib.encoder_recoded_size(byref(recoding))
        encoder, mime = Encoder(), Mime()
        lib.encoder_open_recoded(byref(encoder), byref(mime), byref(recoding))
        wire = _written(encoder, [3 * size + 100000] if rooms is None else rooms, ENCODER_ROOM_MIN)
        assert encoder.size == size, "another number of octets than was announced"
        assert found == (recoding.quoted_printable, recoding.utf8_header, recoding.eightbit, ""), "not repeatable"
    return Recoded(wire, size, *found)


def recode_while_rewritten(message: bytes, later: bytes, room: int, when: int) -> bytes:
    """What leaves if the file holds something else, of the same length, once it was given `when` rooms of this size."""
    assert len(message) == len(later)
    memory = Octets(message)
    recoding = Recoding(message=memory.span, message_eightbit=True, helohost=b"client.example")
    lib.mime_survey(byref(recoding))
    assert not recoding.trouble
    encoder, mime = Encoder(), Mime()
    lib.encoder_open_recoded(byref(encoder), byref(mime), byref(recoding))
    wire, out = b"", ctypes.create_string_buffer(room)
    for step in range(100000):
        if lib.encoder_is_done(byref(encoder)):
            return wire
        if step == when:
            memory.rewrite(later)
        length = lib.encoder_write(byref(encoder), ctypes.addressof(out), room)
        wire += out.raw[:length]
    raise AssertionError("no end")


def feed(pieces: Iterable[bytes]) -> tuple[Fed, Reply]:
    """Feeds a reply as session.c does: unused octets are kept for the next piece. Ends with the reply."""
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


def quoted_printable(line: bytes, mend: bool = False) -> list[bytes]:
    """The lines that qp_encode() or qp_mend() makes of one. Fails if they exceed their room, or make no progress."""
    memory, write = Octets(line), lib.qp_mend if mend else lib.qp_encode
    lines: list[bytes] = []
    start: int = memory.span.data
    at, end = c_void_p(start), start + len(line)
    while not lines or at.value != end:
        before = at.value or 0
        out = ctypes.create_string_buffer(b"\xa5" * (QP_LINE_MAX + 8))
        length = write(byref(at), end, out)
        assert length <= QP_LINE_MAX and out.raw[QP_LINE_MAX + 2 : -1] == b"\xa5" * 6, "written beyond the room"
        assert before < (at.value or 0) <= end or before == end, "no progress, or beyond the end"
        lines.append(out.raw[:length])
    return lines
