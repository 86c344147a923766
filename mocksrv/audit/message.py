"""Rules about the message, and how DATA and BDAT carry it."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from mocksrv.audit.conversation import Conversation
from mocksrv.audit.order import untimely
from mocksrv.audit.rules import Seen, astray, rule, seen, shown
from mocksrv.audit.turns import Command, Text, Transaction

_BARE_CR = re.compile(rb"\r(?=[^\n])")
_BARE_LF = re.compile(rb"(?<!\r)\n")
_EIGHT_BIT = re.compile(rb"[\x80-\xff]")
_HEADER = re.compile(rb"(?:[!-9;-~]+[ \t]*:[^\n]*\n|[ \t][^\n]*\n)*")  # fields, and lines that continue them
_SINGLE_DOT = re.compile(rb"^\.(?=[^.\r\n])", re.MULTILINE)
_LONG_LINE = re.compile(rb"[^\n]{1000,}\n?")
_TEXT_LINE = 1000  # with CR LF, without a dot that was added


@dataclass(frozen=True)
class Message:
    """A message as it was sent, and where its pieces stand in the client's stream."""

    transaction: Transaction | None
    pieces: tuple[tuple[int, bytes], ...]
    dotted: bool  # whether dots are doubled, because it went by DATA
    cut: bool  # whether its end did not come, or cannot be told

    @property
    def octets(self) -> bytes:
        """All of it."""
        return b"".join(octets for _, octets in self.pieces)

    @property
    def binary(self) -> bool:
        """Whether it need not be lines."""
        return self.transaction is not None and self.transaction.body == b"BINARYMIME"

    def place(self, at: int) -> int:
        """Where an octet of the message stands in the stream."""
        for start, octets in self.pieces:
            if at < len(octets):
                return start + at
            at -= len(octets)
        return self.pieces[-1][0] + len(self.pieces[-1][1]) if self.pieces else 0


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


def _found(message: Message, found: list[tuple[int, bytes]], what: str) -> Iterator[Seen]:
    """One finding for all of a kind in a message: the line of the first, and how many there are."""
    if found:
        at, evidence = found[0]
        more = f", and {len(found) - 1} more in this message" if len(found) > 1 else ""
        yield Seen(message.place(at), evidence, what + more)


def _lines_with(message: Message, pattern: re.Pattern[bytes]) -> list[tuple[int, bytes]]:
    octets = message.octets
    return [(one.start(), _around(octets, one.start())) for one in pattern.finditer(octets)]


def _around(octets: bytes, at: int) -> bytes:
    """The octets around a place, from its line or the end of the one before."""
    start = max(octets.rfind(b"\n", 0, at) + 1, at - 30, 0)
    return octets[start : at + 30]


@rule("TEXT-EARLY", "5321#3.3", "No message text is sent before 354 asks for it.")
def early(talk: Conversation) -> Iterator[Seen]:
    yield from astray(talk, "TEXT-EARLY")


@rule("TEXT-REFUSED", "5321#3.3", "No message text is sent if DATA was refused.")
def refused(talk: Conversation) -> Iterator[Seen]:
    yield from astray(talk, "TEXT-REFUSED")


@rule("TEXT-UNWANTED", "2920#3.1", "If no recipient was accepted and 354 comes nevertheless, only the dot is sent.")
def unwanted(talk: Conversation) -> Iterator[Seen]:
    for before, turn in zip(talk.turns, talk.turns[1:]):
        if isinstance(turn, Text) and turn.octets and not (turn.transaction and turn.transaction.wanted):
            if not (isinstance(before, Command) and untimely(before)):  # that is DATA-ORDER
                yield Seen(turn.start, _around(turn.octets, 0), "message text, and no recipient was accepted")


@rule("TEXT-END", "5321#4.1.1.4", "A message ends with CR LF, a dot, and CR LF, exactly.")
def end(talk: Conversation) -> Iterator[Seen]:
    yield from astray(talk, "TEXT-END")


@rule("TEXT-DOT", "5321#4.5.2", "A line of the message that begins with a dot is sent with one more.")
def dot(talk: Conversation) -> Iterator[Seen]:
    for message in _messages(talk):
        if message.dotted:
            yield from _found(message, _lines_with(message, _SINGLE_DOT), "a line begins with a single dot")


@rule("TEXT-LONE-DOT", "5321#4.5.2", "A line of the message that is only a dot is sent as two: one alone ends the message.")
def lone_dot(talk: Conversation) -> Iterator[Seen]:
    yield from astray(talk, "TEXT-LONE-DOT")


@rule("TEXT-BARE-CR", "5321#2.3.8", "In a message CR never stands without the LF behind it.")
def bare_cr(talk: Conversation) -> Iterator[Seen]:
    for message in _messages(talk):
        if not message.binary:
            yield from _found(message, _lines_with(message, _BARE_CR), "a CR without LF in the message")


@rule("TEXT-BARE-LF", "5321#2.3.8", "A line of a message ends with CR LF; LF alone ends no line.")
def bare_lf(talk: Conversation) -> Iterator[Seen]:
    for message in _messages(talk):
        if not message.binary:
            found = _lines_with(message, _BARE_LF)
            if message.cut and talk.astray and talk.astray.why == "TEXT-END":
                found = [one for one in found if one[0] < len(message.octets) - 1]  # the last one is said there
            yield from _found(message, found, "a line of the message ends with LF alone")


@rule("TEXT-LENGTH", "5321#4.5.3.1.6", "A line of a message has at most 1000 octets, with CR LF but without a doubled dot.")
def length(talk: Conversation) -> Iterator[Seen]:
    for message in _messages(talk):
        found = []
        for line in () if message.binary else _LONG_LINE.finditer(message.octets):
            octets = len(line[0]) - (message.dotted and line[0].startswith(b"."))
            if octets > _TEXT_LINE:
                found.append((line.start(), line[0], octets))
        if found:
            longest = max(octets for *_, octets in found)
            pairs = [(at, octets) for at, octets, _ in found]
            yield from _found(message, pairs, f"a line of {longest} octets")


@rule("TEXT-NUL", "5321#4.1.1.4", "A message has no NUL in it.")
def nul(talk: Conversation) -> Iterator[Seen]:
    for message in _messages(talk):
        if not message.binary:
            yield from _found(message, _lines_with(message, re.compile(rb"\0")), "a NUL in the message")


def _split(message: Message) -> tuple[int, list[tuple[int, bytes]]]:
    """Where the header ends, and the lines with octets that are not ASCII."""
    found = _HEADER.match(message.octets)
    header = found.end() if found else 0
    return header, _lines_with(message, _EIGHT_BIT)


@rule("TEXT-8BIT", "6152#3", "A message with octets that are not ASCII goes only to a server that offers 8BITMIME.")
def eight_bit(talk: Conversation) -> Iterator[Seen]:
    for message in _messages(talk):
        mail = message.transaction and message.transaction.mail
        if mail and mail.offers is not None and not _takes_eight_bit(mail):
            header, found = _split(message)
            body = [one for one in found if one[0] >= header]
            yield from _found(message, body, "an octet that is not ASCII, and 8BITMIME was not offered")


def _takes_eight_bit(mail: Command) -> bool:
    """6531#3.1: what offers SMTPUTF8 knows 8BITMIME, even if it does not say so."""
    utf8 = mail.offered("SMTPUTF8") and mail.envelope.has(b"SMTPUTF8")
    return utf8 or mail.offered("8BITMIME") or mail.offered("BINARYMIME")


@rule("TEXT-8BIT-UNDECLARED", "6152#3", "MAIL says BODY=8BITMIME if the body of the message is not ASCII.")
def eight_bit_undeclared(talk: Conversation) -> Iterator[Seen]:
    for message in _messages(talk):
        mail = message.transaction and message.transaction.mail
        if mail and (mail.offered("8BITMIME") or mail.offered("BINARYMIME")):
            if mail.envelope.value(b"BODY") not in (b"8BITMIME", b"BINARYMIME"):
                header, found = _split(message)
                body = [one for one in found if one[0] >= header]
                yield from _found(message, body, "an octet that is not ASCII, and MAIL did not say BODY=8BITMIME")


@rule("TEXT-HEADER-8BIT", "5321#2.3.1 6531#3.4", "A header is ASCII, unless MAIL says SMTPUTF8.")
def header_eight_bit(talk: Conversation) -> Iterator[Seen]:
    for message in _messages(talk):
        mail = message.transaction and message.transaction.mail
        if mail and not mail.envelope.has(b"SMTPUTF8"):
            header, found = _split(message)
            lines = [one for one in found if one[0] < header]
            yield from _found(message, lines, "an octet that is not ASCII in the header, without SMTPUTF8")


@rule("BDAT-UNOFFERED", "3030#2", "BDAT is used only if the server offers CHUNKING.")
def bdat_unoffered(talk: Conversation) -> Iterator[Seen]:
    for command in _bdats(talk):
        if command.offers is not None and not command.offered("CHUNKING"):
            yield seen(command, "BDAT, and the server does not offer CHUNKING")
            return


def _bdats(talk: Conversation) -> Iterator[Command]:
    return (command for command in talk.commands if command.verb == "BDAT")


@rule("BDAT-SYNTAX", "3030#2", "BDAT is followed by the size of the chunk, and by LAST if it is the last one.")
def bdat_syntax(talk: Conversation) -> Iterator[Seen]:
    yield from astray(talk, "BDAT-SYNTAX")
    for command in _bdats(talk):
        if command.size is not None and not re.fullmatch(rb"[0-9]+(?: LAST)?[ \t]*", command.argument.upper()):
            yield seen(command, f"{shown(command.argument)} is not a size, or a size and LAST")


@rule("BDAT-WAIT", "3030#2", "The replies to MAIL and RCPT are collected before the message goes by BDAT.")
def bdat_wait(talk: Conversation) -> Iterator[Seen]:
    for command in _bdats(talk):
        waiting = [turn.verb for turn in command.ahead if isinstance(turn, Command)]
        if "BDAT" not in waiting and {"MAIL", "RCPT"} & {*waiting} and command.offered("PIPELINING"):
            yield seen(command, f"BDAT was sent before the reply to {waiting[-1]}")


@rule("BDAT-OVERRUN", "3030#2", "A chunk has not more octets than BDAT says.")
def bdat_overrun(talk: Conversation) -> Iterator[Seen]:
    yield from astray(talk, "BDAT-OVERRUN")


@rule("BDAT-CUT", "3030#2", "A chunk has not fewer octets than BDAT says: neither a command nor the client's leaving cuts it.")
def bdat_cut(talk: Conversation) -> Iterator[Seen]:
    for command in _bdats(talk):
        came = command.chunk[1] - command.chunk[0]
        if command.size and came < command.size and command.reply is None and talk.hangup is not None:
            yield seen(command, f"the client hung up after {came} of {command.size} octets of the chunk")


@rule("BDAT-MIXED", "3030#2", "DATA and BDAT are not used in the same transaction.")
def bdat_mixed(talk: Conversation) -> Iterator[Seen]:
    for command in talk.commands:
        if command.verb in ("DATA", "BDAT") and command.transaction:
            verbs = [carrier.verb for carrier in command.transaction.carriers]
            if verbs[0] != command.verb and verbs.index(command.verb) == command.transaction.carriers.index(command):
                yield seen(command, f"{command.verb} in a transaction that has used {verbs[0]}")


@rule("BDAT-AFTER-LAST", "3030#2", "After BDAT with LAST the next message begins with MAIL.")
def bdat_after_last(talk: Conversation) -> Iterator[Seen]:
    for command in _bdats(talk):
        if command.after_last:
            yield seen(command, "another BDAT after the one that said LAST")


@rule("BDAT-REFUSED", "3030#2", "After a BDAT that was refused, RSET comes before anything else that concerns mail.")
def bdat_refused(talk: Conversation) -> Iterator[Seen]:
    failed: Command | None = None
    for command in talk.commands:
        if command.verb in ("RSET", "EHLO", "HELO", "STARTTLS"):
            failed = None
        elif failed and failed not in command.ahead and command.verb in ("BDAT", "DATA", "MAIL", "RCPT"):
            if not (command.verb == "BDAT" and command.after_last):  # that is BDAT-AFTER-LAST
                yield seen(command, f"{command.verb} after a BDAT that was refused")
            failed = None
        if command.verb == "BDAT" and command.refused and not failed:
            failed = command


@rule("BDAT-BINARY", "3030#3", "A message with BODY=BINARYMIME goes by BDAT, not by DATA.")
def bdat_binary(talk: Conversation) -> Iterator[Seen]:
    for command in talk.commands:
        if command.verb == "DATA" and command.transaction and command.transaction.body == b"BINARYMIME":
            yield seen(command, "DATA for a message that was announced with BODY=BINARYMIME")
