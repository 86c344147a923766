# SPDX-License-Identifier: ISC
"""Rules about BDAT."""

import re
from collections.abc import Iterator

from mocksrv.audit.conversation import Conversation
from mocksrv.audit.rules import Grade, Seen, astray, rule, seen, shown
from mocksrv.audit.turns import Command


def _bdats(talk: Conversation) -> Iterator[Command]:
    return (command for command in talk.commands if command.verb == "BDAT")


@rule("BDAT-UNOFFERED", "3030#2", "BDAT is used only if the server offers CHUNKING.")
def bdat_unoffered(talk: Conversation) -> Iterator[Seen]:
    for command in _bdats(talk):
        if command.offers is not None and not command.offered("CHUNKING"):
            yield seen(command, "BDAT, but the server does not offer CHUNKING")
            return


@rule("BDAT-SYNTAX", "3030#2", "BDAT is followed by the size of the chunk, and by LAST for the last chunk.")
def bdat_syntax(talk: Conversation) -> Iterator[Seen]:
    yield from astray(talk, "BDAT-SYNTAX")
    for command in _bdats(talk):
        if command.size is not None and not re.fullmatch(rb"[0-9]+(?: LAST)?[ \t]*", command.argument.upper()):
            yield seen(command, f"{shown(command.argument)} is neither a size nor a size and LAST")


@rule(
    "BDAT-WAIT", "3030#2", "The replies to MAIL and RCPT are collected before the message goes by BDAT.", Grade.SHOULD
)
def bdat_wait(talk: Conversation) -> Iterator[Seen]:
    for command in _bdats(talk):
        waiting = [turn.verb for turn in command.ahead if isinstance(turn, Command)]
        if "BDAT" not in waiting and {"MAIL", "RCPT"} & {*waiting} and command.offered("PIPELINING"):
            yield seen(command, f"BDAT was sent before the reply to {waiting[-1]}")


@rule("BDAT-OVERRUN", "3030#2", "A chunk has no more octets than BDAT says.")
def bdat_overrun(talk: Conversation) -> Iterator[Seen]:
    yield from astray(talk, "BDAT-OVERRUN")


@rule("BDAT-CUT", "3030#2", "A chunk has no fewer octets than BDAT says: the next ones would be read as part of it.")
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
                yield seen(command, f"{command.verb} in a transaction that has already used {verbs[0]}")


@rule("BDAT-AFTER-LAST", "3030#2", "After BDAT with LAST the next message begins with MAIL.")
def bdat_after_last(talk: Conversation) -> Iterator[Seen]:
    for command in _bdats(talk):
        if command.after_last:
            yield seen(command, "another BDAT after the one with LAST")


def _after_refusals(talk: Conversation) -> Iterator[Command]:
    """The first mail command after each BDAT that was refused, where no RSET or the like came before it."""
    failed: Command | None = None
    for command in talk.commands:
        if command.verb in ("RSET", "EHLO", "HELO", "STARTTLS"):
            failed = None
        elif failed and failed not in command.ahead and command.verb in ("BDAT", "DATA", "MAIL", "RCPT"):
            # A chunk that was sent before the client read the refusal may come after it.
            on_its_way = command.verb == "BDAT" and command.offered("PIPELINING")
            if not on_its_way and not (command.verb == "BDAT" and command.after_last):  # that is BDAT-AFTER-LAST
                yield command
            failed = None
        if command.verb == "BDAT" and command.refused and not failed:
            failed = command


@rule("BDAT-REFUSED", "3030#2", "After a BDAT that was refused, no other BDAT follows in this transaction.")
def bdat_refused(talk: Conversation) -> Iterator[Seen]:
    for command in _after_refusals(talk):
        if command.verb == "BDAT":
            yield seen(command, "BDAT after a BDAT that was refused")


@rule("BDAT-RESET", "3030#2", "After a BDAT that was refused, RSET comes before the next transaction.", Grade.SHOULD)
def bdat_reset(talk: Conversation) -> Iterator[Seen]:
    for command in _after_refusals(talk):
        if command.verb != "BDAT":
            yield seen(command, f"{command.verb} after a BDAT that was refused")


@rule("BDAT-BINARY", "3030#3", "A message with BODY=BINARYMIME goes by BDAT, not by DATA.")
def bdat_binary(talk: Conversation) -> Iterator[Seen]:
    for command in talk.commands:
        if command.verb == "DATA" and command.transaction and command.transaction.body == b"BINARYMIME":
            yield seen(command, "DATA for a message with BODY=BINARYMIME")
