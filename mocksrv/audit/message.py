# SPDX-License-Identifier: ISC
"""Rules about the message, sent by DATA or by BDAT."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from mocksrv.audit.conversation import Conversation
from mocksrv.audit.order import untimely
from mocksrv.audit.rules import Grade, Seen, astray, rule
from mocksrv.audit.turns import Command, Text, Transaction

_BARE_CR = re.compile(rb"\r(?!\n)")
_BARE_LF = re.compile(rb"(?<!\r)\n")
_NUL = re.compile(rb"\0+")
_EIGHT_BIT = re.compile(rb"[\x80-\xff]+")
# Fields, and lines that continue them; `From ` lines that a mailbox left there.
_HEADER = re.compile(rb"(?:[!-9;-~]+[ \t]*:[^\n]*\n|>?From [^\n]*\n|[ \t][^\n]*\n)*")
_SINGLE_DOT = re.compile(rb"^\.(?=[^.\r\n])", re.MULTILINE)
# A line of more than 1000 octets, with CR LF; the first of two dots does not count where they are doubled.
_LONG_LINE = re.compile(rb"^[^\n]{1000,}\n?", re.MULTILINE)
_LONG_DOTTED_LINE = re.compile(rb"^(?:\.|(?!\.))[^\n]{1000,}\n?", re.MULTILINE)
_AROUND = 30  # octets that are shown on each side of what is wrong


@dataclass(frozen=True)
class Message:
    """A message as it was sent, and the places of its pieces in the client's stream."""

    transaction: Transaction | None
    pieces: tuple[tuple[int, bytes], ...]
    dotted: bool  # whether dots are doubled, because it went by DATA
    cut: bool  # whether its end did not come, or is unknown

    @cached_property
    def octets(self) -> bytes:
        """All of it."""
        return b"".join(octets for _, octets in self.pieces)

    @cached_property
    def body(self) -> int:
        """Where the header ends."""
        found = _HEADER.match(self.octets)
        return found.end() if found else 0

    @property
    def mail(self) -> Command | None:
        """Its MAIL, if that was not refused."""
        return self.transaction.mail if self.transaction else None

    @property
    def binary(self) -> bool:
        """Whether it need not consist of lines."""
        return self.transaction is not None and self.transaction.body == b"BINARYMIME"

    def find(self, pattern: re.Pattern[bytes], what: str, start: int = 0, end: int | None = None) -> Iterator[Seen]:
        """One finding for all places of a kind in a message: the first, and how many more there are."""
        end = len(self.octets) if end is None else end
        places = [found.start() for found in pattern.finditer(self.octets, start, end)]
        if places:
            more = f", and {len(places) - 1} more in this message" if len(places) > 1 else ""
            yield Seen(self._place(places[0]), self._around(places[0]), what + more)

    def _around(self, at: int) -> bytes:
        start = max(self.octets.rfind(b"\n", 0, at) + 1, at - _AROUND)
        return self.octets[start : at + _AROUND]

    def _place(self, at: int) -> int:
        for start, octets in self.pieces:
            if at < len(octets):
                return start + at
            at -= len(octets)
        raise IndexError(at)


def _messages(talk: Conversation) -> Iterator[Message]:
    chunks: dict[int, tuple[Transaction, list[Command]]] = {}
    for turn in talk.turns:
        if isinstance(turn, Text):
            yield Message(turn.transaction, ((turn.start, turn.octets),), True, not turn.complete)
        elif isinstance(turn, Command) and turn.verb == "BDAT" and turn.transaction:
            chunks.setdefault(id(turn.transaction), (turn.transaction, []))[1].append(turn)
    for transaction, commands in chunks.values():
        pieces = tuple((command.chunk[0], talk.stream[slice(*command.chunk)]) for command in commands)
        yield Message(transaction, pieces, False, not commands[-1].last)


def _lines(talk: Conversation) -> Iterator[Message]:
    """The messages that must consist of lines."""
    return (message for message in _messages(talk) if not message.binary)


@rule("TEXT-EARLY", "5321#3.3", "No message text is sent before 354 asks for it.")
def early(talk: Conversation) -> Iterator[Seen]:
    yield from astray(talk, "TEXT-EARLY")


@rule("TEXT-REFUSED", "5321#3.3", "No message text is sent if DATA was refused.")
def refused(talk: Conversation) -> Iterator[Seen]:
    yield from astray(talk, "TEXT-REFUSED")


@rule(
    "TEXT-UNWANTED", "2920#3.1", "If 354 comes although no recipient was accepted, only the dot is sent.", Grade.SHOULD
)
def unwanted(talk: Conversation) -> Iterator[Seen]:
    for before, turn in zip(talk.turns, talk.turns[1:]):
        if isinstance(turn, Text) and turn.octets and not (turn.transaction and turn.transaction.wanted):
            if not (isinstance(before, Command) and (before.misled or untimely(before))):  # by another rule
                yield Seen(turn.start, turn.octets[:_AROUND], "message text, but no recipient was accepted")


@rule("TEXT-END", "5321#4.1.1.4", "A message ends with CR LF, a dot, and CR LF, exactly.")
def end(talk: Conversation) -> Iterator[Seen]:
    yield from astray(talk, "TEXT-END")


@rule("TEXT-DOT", "5321#4.5.2", "A line of the message that begins with a dot is sent with another dot before it.")
def dot(talk: Conversation) -> Iterator[Seen]:
    for message in _messages(talk):
        if message.dotted:
            yield from message.find(_SINGLE_DOT, "a line begins with a single dot")


@rule("TEXT-LONE-DOT", "5321#4.5.2", "A line of the message that is only a dot is sent as two: a lone dot is the end.")
def lone_dot(talk: Conversation) -> Iterator[Seen]:
    yield from astray(talk, "TEXT-LONE-DOT")


@rule("TEXT-BARE-CR", "5321#2.3.8", "A message has no CR without LF after it.")
def bare_cr(talk: Conversation) -> Iterator[Seen]:
    for message in _lines(talk):
        # LF could have come next; or it did, outside of the chunk, which BDAT-OVERRUN tells.
        open_ended = message.cut or talk.astray and talk.stream.startswith(b"\n", talk.astray.start)
        unknown = bool(open_ended) and message.octets.endswith(b"\r")
        yield from message.find(_BARE_CR, "a CR without LF in the message", end=len(message.octets) - unknown)


@rule("TEXT-BARE-LF", "5321#2.3.8", "A line of a message ends with CR LF; LF alone ends no line.")
def bare_lf(talk: Conversation) -> Iterator[Seen]:
    for message in _lines(talk):
        told = message.cut and talk.astray is not None and talk.astray.why == "TEXT-END"  # the last one, by that rule
        yield from message.find(_BARE_LF, "a line of the message ends with LF alone", end=len(message.octets) - told)


@rule(
    "TEXT-LENGTH", "5321#4.5.3.1 5321#4.5.3.1.6",
    "A line of a message has at most 1000 octets with CR LF, without an added dot.", Grade.SHOULD,
)  # fmt: skip
def length(talk: Conversation) -> Iterator[Seen]:
    for message in _lines(talk):
        yield from message.find(_LONG_DOTTED_LINE if message.dotted else _LONG_LINE, "a line of more than 1000 octets")


@rule("TEXT-NUL", "5321#4.1.1.4", "A message has no NUL.", Grade.SHOULD)
def nul(talk: Conversation) -> Iterator[Seen]:
    for message in _lines(talk):
        yield from message.find(_NUL, "a NUL in the message")


@rule("TEXT-8BIT", "6152#3", "A message with octets that are not ASCII goes only to a server that offers 8BITMIME.")
def eight_bit(talk: Conversation) -> Iterator[Seen]:
    for message in _messages(talk):
        if message.mail and message.mail.offers is not None and not _takes_eight_bit(message.mail):
            what = "an octet that is not ASCII, but 8BITMIME was not offered"
            yield from message.find(_EIGHT_BIT, what, start=message.body)


def _takes_eight_bit(mail: Command) -> bool:
    """6531#3.1: a server that offers SMTPUTF8 supports 8BITMIME, even if it does not offer it."""
    utf8 = mail.offered("SMTPUTF8") and mail.envelope.has(b"SMTPUTF8")
    return utf8 or mail.offered("8BITMIME") or mail.offered("BINARYMIME")


@rule(
    "TEXT-8BIT-UNDECLARED", "6152#3", "MAIL says BODY=8BITMIME if the body of the message is not ASCII.", Grade.SHOULD
)
def eight_bit_undeclared(talk: Conversation) -> Iterator[Seen]:
    for message in _messages(talk):
        if message.mail and (message.mail.offered("8BITMIME") or message.mail.offered("BINARYMIME")):
            if message.mail.envelope.value(b"BODY") not in (b"8BITMIME", b"BINARYMIME"):
                what = "an octet that is not ASCII, but MAIL had no BODY=8BITMIME"
                yield from message.find(_EIGHT_BIT, what, start=message.body)


@rule("TEXT-HEADER-8BIT", "5321#2.3.1 5321#2.4 6531#3.4", "A header is ASCII, unless MAIL says SMTPUTF8.")
def header_eight_bit(talk: Conversation) -> Iterator[Seen]:
    for message in _messages(talk):
        if message.mail and not message.mail.envelope.has(b"SMTPUTF8"):
            what = "an octet that is not ASCII in the header, without SMTPUTF8"
            yield from message.find(_EIGHT_BIT, what, end=message.body)
