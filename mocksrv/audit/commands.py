# SPDX-License-Identifier: ISC
"""Rules about the octets of command lines, and about the commands themselves."""

import re
from collections.abc import Iterator

from mocksrv.audit.conversation import Conversation
from mocksrv.audit.rules import Grade, Seen, rule, seen, shown
from mocksrv.audit.turns import HELLOS, Command, Response, Turn

_BARE_CR = re.compile(rb"\r(?!\n)")
_CONTROL = re.compile(rb"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]|\t(?=.*[^ \t\r\n])")  # at the end: CMD-SPACE
_COMMAND_LINE = 512
_AUTH_LINE = 12288
# How much longer an offered extension makes the line; some RFCs give the sum, some the length of a parameter.
_MAIL_ALLOWANCE = {
    "SIZE": 26,  # 1870#3
    "8BITMIME": 17,  # 6152#2
    "BINARYMIME": 16,  # 3030#3
    "SMTPUTF8": 10,  # 6531#3.1
    "AUTH": 500,  # 4954#3
    "DSN": len(" RET=FULL") + 1 + 100,  # 3461#4.3, 3461#4.4
}
_RCPT_ALLOWANCE = {"DSN": len(" NOTIFY=SUCCESS,FAILURE,DELAY") + 1 + 500}  # 3461#4.1, 3461#4.2
_COUNTED = {b"SIZE", b"BODY", b"SMTPUTF8", b"AUTH", b"RET", b"ENVID", b"NOTIFY", b"ORCPT"}
_UTF8_PLACES = ("MAIL", "RCPT", "VRFY", "EXPN")
_EXTENSION_VERBS = {"AUTH": "AUTH", "ETRN": "ETRN", "ATRN": "ATRN", "BURL": "BURL"}


def _lines(talk: Conversation) -> Iterator[Turn]:
    """Every command line and every continuation of AUTH; then the last line, if it has no end."""
    yield from (turn for turn in talk.turns if isinstance(turn, (Command, Response)))
    if talk.hangup is not None:
        yield Turn(talk.read, len(talk.stream), talk.rest)


@rule("CMD-BARE-CR", "5321#2.3.8", "A command has no CR without LF after it.")
def bare_cr(talk: Conversation) -> Iterator[Seen]:
    for line in _lines(talk):
        if found := _BARE_CR.search(line.octets):
            yield Seen(line.start + found.start(), line.octets, "a CR without LF in a command")


@rule("CMD-BARE-LF", "5321#2.3.8", "A command ends with CR LF; LF alone ends no line.")
def bare_lf(talk: Conversation) -> Iterator[Seen]:
    for line in _lines(talk):
        if line.octets.endswith(b"\n") and not line.octets.endswith(b"\r\n"):
            yield seen(line, "the command ends with LF alone")


@rule("CMD-CONTROL", "5321#4.1.2", "A command has no NUL and no other control character.")
def control(talk: Conversation) -> Iterator[Seen]:
    for line in _lines(talk):
        if found := _CONTROL.search(line.octets):
            yield Seen(line.start + found.start(), line.octets, f"a control character, {shown(found[0])}, in a command")


@rule("CMD-8BIT", "5321#2.4", "A command is ASCII, unless the server offers SMTPUTF8 and an address needs it.")
def eight_bit(talk: Conversation) -> Iterator[Seen]:
    for command in _not_ascii(talk):
        utf8_place = command.verb in _UTF8_PLACES
        if not utf8_place or not command.offered("SMTPUTF8") and not _declares_utf8(command):
            yield seen(command, "octets that are not ASCII" + (", but SMTPUTF8 was not offered" if utf8_place else ""))


@rule("UTF8-UNDECLARED", "6531#3.4", "MAIL says SMTPUTF8 if an address of the envelope is not ASCII.")
def utf8_undeclared(talk: Conversation) -> Iterator[Seen]:
    for command in _not_ascii(talk):
        if command.verb in _UTF8_PLACES and command.offered("SMTPUTF8") and not _declares_utf8(command):
            yield seen(command, f"octets that are not ASCII, without SMTPUTF8 in {_declaring(command)}")


@rule("UTF8-INVALID", "6531#3.3", "An address that is not ASCII is UTF-8.")
def utf8_invalid(talk: Conversation) -> Iterator[Seen]:
    for command in _not_ascii(talk):
        if command.verb in _UTF8_PLACES and _declares_utf8(command):
            try:
                command.octets.decode()
            except UnicodeDecodeError:
                yield seen(command, "octets that are neither ASCII nor UTF-8")


def _not_ascii(talk: Conversation) -> Iterator[Command]:
    return (command for command in talk.commands if not command.octets.isascii())


def _declaring(command: Command) -> str:
    return command.verb if command.verb in ("VRFY", "EXPN") else "MAIL"


def _declares_utf8(command: Command) -> bool:
    if _declaring(command) != "MAIL":
        return b"SMTPUTF8" in command.argument.upper().split()
    mail = command if command.verb == "MAIL" else command.mail
    return mail is not None and mail.envelope.has(b"SMTPUTF8")


@rule(
    "CMD-LENGTH", "5321#4.5.3.1 5321#4.5.3.1.4",
    "A command line has at most 512 octets, plus those that extensions in use add.", Grade.SHOULD,
)  # fmt: skip
def length(talk: Conversation) -> Iterator[Seen]:
    for line in _lines(talk):
        limit = _limit(line) if isinstance(line, Command) else _AUTH_LINE
        if len(line.octets) > limit:
            yield seen(line, f"a command line of {len(line.octets)} octets, where {limit} are allowed")


def _limit(command: Command) -> int:
    if command.verb == "AUTH":
        return _AUTH_LINE  # 4954#4
    if command.verb not in ("MAIL", "RCPT"):
        return _COMMAND_LINE
    allowance = _MAIL_ALLOWANCE if command.verb == "MAIL" else _RCPT_ALLOWANCE
    offers = allowance.keys() if command.offers is None else command.offers
    words = command.envelope.words
    unknown = sum(1 + len(word) for word in words if word.upper().partition(b"=")[0] not in _COUNTED)
    return _COMMAND_LINE + sum(octets for keyword, octets in allowance.items() if keyword in offers) + unknown


@rule("CMD-SPACE", "5321#4.1.1", "A command ends with CR LF right after its last argument, without white space.")
def trailing_space(talk: Conversation) -> Iterator[Seen]:
    for command in talk.commands:
        nameless = command.verb in HELLOS and not command.argument.strip()  # EHLO-ARGUMENT
        if command.content.endswith((b" ", b"\t")) and command.content.strip() and not nameless:
            yield seen(command, "white space at the end of the command")


@rule("CMD-ARGUMENT", "5321#4.1.1", "DATA, RSET and QUIT have no argument.")
def argument(talk: Conversation) -> Iterator[Seen]:
    for command in talk.commands:
        if command.verb in ("DATA", "RSET", "QUIT") and command.argument.strip():
            yield seen(command, f"{command.verb} with an argument")


@rule("CMD-UNKNOWN", "5321#4.1.5", "A verb is defined by an RFC, or is a private one that begins with X.")
def unknown(talk: Conversation) -> Iterator[Seen]:
    for command in talk.commands:
        if not command.known and command.verb.isprintable() and command.verb.isascii():  # or another rule applies
            yield seen(command, f"{command.verb} is not a command" if command.verb else "a line without a verb")


@rule(
    "CMD-UNOFFERED", "5321#2.2.1", "A command of an extension is used only if the server offers that extension.",
    Grade.SHOULD,
)  # fmt: skip
def unoffered(talk: Conversation) -> Iterator[Seen]:
    for command in talk.commands:
        keyword = _EXTENSION_VERBS.get(command.verb)
        if keyword and command.offers is not None and not command.offered(keyword):
            yield seen(command, f"the server does not offer {keyword}")
