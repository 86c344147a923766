# SPDX-License-Identifier: ISC
"""Rules about the order of commands, about waiting for replies, and about how a session ends.

What counts is what the client could know: a command that was sent before a reply came is not judged by that reply.
"""

from collections.abc import Iterator

from mocksrv.audit.conversation import Conversation
from mocksrv.audit.rules import Grade, Seen, astray, rule, seen
from mocksrv.audit.turns import HELLOS, Command, Text, Turn

# 2920#3.1: allowed only as the last of a group, like commands of extensions that do not say otherwise.
_LAST = ("VRFY", "EXPN", "TURN", "NOOP", "AUTH", "ETRN", "ATRN")


def _commands(talk: Conversation) -> Iterator[Command]:
    """The commands for which it is known which replies the client had waited for."""
    return (command for command in talk.commands if not command.misled)


def _verbs(turns: tuple[Turn, ...]) -> list[str]:
    return [turn.verb for turn in turns if isinstance(turn, Command)]


def _gave_up(said: bytes, awaited: Turn) -> bool:
    """Whether the client says QUIT because a reply does not come: it may have waited long, and has to say it then."""
    return awaited.reply is None and said.strip().upper() == b"QUIT"


def _name(turn: Turn) -> str:
    return turn.verb if isinstance(turn, Command) else "the message" if isinstance(turn, Text) else "the line"


@rule("GREETING-WAIT", "5321#4.3.1", "The client waits for the greeting before its first command.", Grade.SHOULD)
def greeting_wait(talk: Conversation) -> Iterator[Seen]:
    for command in talk.commands:
        if talk.greeting in command.ahead:
            yield seen(command, f"{command.verb} was sent before the greeting")
            return


@rule("GREETING-REFUSED", "5321#3.1", "If the greeting is a refusal, the client says only QUIT.", Grade.CHOICE)
def greeting_refused(talk: Conversation) -> Iterator[Seen]:
    for command in talk.commands:
        refused = talk.greeting.refused and talk.greeting.reply and talk.greeting.reply.code != 421
        if refused and talk.greeting not in command.ahead and command.verb != "QUIT":
            yield seen(command, f"{command.verb} after a greeting that refuses the session")
            return


@rule("EHLO-WAIT", "5321#4.3.1", "The client waits for the reply to EHLO or HELO before it goes on.")
def hello_wait(talk: Conversation) -> Iterator[Seen]:
    for command in _commands(talk):
        if _verbs(command.ahead[-1:])[:1] in (["EHLO"], ["HELO"]) and not _gave_up(command.octets, command.ahead[-1]):
            yield seen(command, f"{command.verb} was sent before the reply to {_name(command.ahead[-1])}")


@rule("EHLO-MISSING", "5321#4.1.1.1", "Before the first MAIL the client says EHLO or HELO, and the server accepts it.")
def hello_missing(talk: Conversation) -> Iterator[Seen]:
    for command in talk.commands:
        if command.verb == "MAIL" and not command.hello:
            if not any(verb in HELLOS for verb in _verbs(command.ahead)):
                yield seen(command, "MAIL, but no EHLO or HELO was accepted before")
                return


@rule("PIPE-UNOFFERED", "5321#4.3.1", "Without PIPELINING the client waits for the reply to each command.")
def pipe_unoffered(talk: Conversation) -> Iterator[Seen]:
    special = {"EHLO", "HELO", "STARTTLS", "QUIT"}  # whatever is offered
    for command in _commands(talk):
        ahead = _ahead(talk, command)
        if not ahead or _gave_up(command.octets, ahead[-1]) or special & {*_verbs(ahead)} or command.offered("PIPELINING"):
            continue
        if not _ahead(talk, ahead[-1]):  # the rest of the burst is not reported again
            yield seen(command, f"{command.verb} was sent before the reply to {_name(ahead[-1])}")


def _ahead(talk: Conversation, turn: Turn) -> tuple[Turn, ...]:
    return tuple(one for one in turn.ahead if one is not talk.greeting)


@rule("PIPE-LAST", "2920#3.1", "DATA, VRFY, EXPN, TURN, NOOP and AUTH end a group: the client waits for their reply.")
def pipe_last(talk: Conversation) -> Iterator[Seen]:
    if not any(talk.astray and _gave_up(talk.stream[talk.astray.start :], turn) for turn in [*talk.commands][-1:]):
        yield from astray(talk, "PIPE-LAST")
    for command in _commands(talk):
        ends_group = command.offered("PIPELINING") and {*_verbs(command.ahead[-1:])} & {*_LAST}
        if ends_group and not _gave_up(command.octets, command.ahead[-1]):
            yield seen(command, f"{command.verb} was sent before the reply to {_name(command.ahead[-1])}")


@rule("MAIL-NESTED", "5321#4.1.4", "MAIL is sent only when no mail transaction is open.")
def mail_nested(talk: Conversation) -> Iterator[Seen]:
    for command in _commands(talk):
        if command.verb == "MAIL" and command.transaction:
            if not any(carrier.verb == "BDAT" and carrier.refused for carrier in command.transaction.carriers):
                yield seen(command, "MAIL while the transaction of an earlier MAIL is open")


@rule("RCPT-ORDER", "5321#3.3", "RCPT comes after a MAIL that was accepted.")
def rcpt_order(talk: Conversation) -> Iterator[Seen]:
    last: Command | None = None
    for command in _commands(talk):
        if command.verb == "RCPT" and _lonely(command):
            if not (last and last.verb == "RCPT"):  # one of them is enough
                yield seen(command, "RCPT, but " + ("MAIL was refused" if command.mail else "there was no MAIL"))
        last = command


def _lonely(command: Command) -> bool:
    """Whether there is no transaction, and the client knew."""
    return command.transaction is None and "MAIL" not in _verbs(command.ahead)


@rule("DATA-ORDER", "5321#4.1.4", "DATA or BDAT comes after MAIL and RCPT.")
def data_order(talk: Conversation) -> Iterator[Seen]:
    yield from (seen(one, f"{one.verb}, but there was no RCPT") for one, asked in _untimely(talk) if not asked)


@rule("DATA-UNWANTED", "5321#3.3", "If all recipients were refused, there is no DATA or BDAT.", Grade.ROBUSTNESS)
def data_unwanted(talk: Conversation) -> Iterator[Seen]:
    """A server may answer 354 and take the message, for nobody."""
    yield from (seen(one, f"{one.verb}, but all recipients were refused") for one, asked in _untimely(talk) if asked)


def _untimely(talk: Conversation) -> Iterator[tuple[Command, bool]]:
    """Each DATA and first BDAT that the client knew to be without recipients; and whether there was a RCPT."""
    envelope: list[Command] = []
    for command in _commands(talk):
        if command.verb in ("DATA", "BDAT"):
            asked = [one for one in envelope if one.verb == "RCPT"]
            if untimely(command) and not any(map(_lonely, asked)):  # that is RCPT-ORDER
                yield command, bool(asked)
            envelope = []
        elif command.verb in ("MAIL", *HELLOS, "RSET"):
            envelope = []
        envelope.append(command)


def untimely(command: Command) -> bool:
    """Whether DATA or the first BDAT comes without recipients, and the client knew."""
    transaction = command.transaction
    if command.after_last and command.verb == "BDAT" or {"MAIL", "RCPT"} & {*_verbs(command.ahead)}:
        return False
    first = transaction is None or command is transaction.carriers[0]
    return first and not (transaction and transaction.wanted)


@rule("END-AFTER-421", "5321#3.8", "After 421 the server hangs up: the client can only say QUIT.", Grade.CHOICE)
def end_after_421(talk: Conversation) -> Iterator[Seen]:
    # A 421 that answers no command may be read only after the next command (5321#3.8).
    replies = (turn.reply for turn in (talk.greeting, *talk.turns))
    events = [reply.event for reply in replies if reply and reply.code == 421 and not reply.broken]
    for command in talk.commands:
        if events and talk.place(command.start)[0] > min(events) and command.verb != "QUIT":
            yield seen(command, f"{command.verb} after a reply of 421")
            return


@rule("END-AFTER-QUIT", "5321#4.1.4", "QUIT is the last command of a session.")
def end_after_quit(talk: Conversation) -> Iterator[Seen]:
    commands = list(talk.commands)
    for quit_, command in zip(commands, commands[1:]):
        if quit_.verb == "QUIT":
            yield seen(command, f"{command.verb} after QUIT")
            return


@rule("END-NO-QUIT", "5321#4.1.1.10", "The client says QUIT before it hangs up, unless the server broke the session.")
def end_no_quit(talk: Conversation) -> Iterator[Seen]:
    yield from _silent_ends(talk, opened=True)


@rule(
    "END-UNOPENED", "5321#4.1.4", "Also if neither EHLO nor HELO was accepted, the client says QUIT before it hangs up.",
    Grade.SHOULD,
)  # fmt: skip
def end_unopened(talk: Conversation) -> Iterator[Seen]:
    yield from _silent_ends(talk, opened=False)


def _silent_ends(talk: Conversation, opened: bool) -> Iterator[Seen]:
    """The end without QUIT, if there is one, of a session that was opened by EHLO or HELO, or of one that was not."""
    if talk.hangup is None or talk.astray or talk.handshake_due or any(one.verb == "QUIT" for one in talk.commands):
        return
    if opened != any(one.verb in HELLOS and one.reply and not one.refused for one in talk.commands):
        return
    if talk.surplus or talk.half_reply or any(reply.broken or reply.code == 421 for reply in talk.replies):
        return  # the server has broken the protocol, or announced that it hangs up
    text = next((text for text in talk.texts if not text.complete), None)
    chunked = any(command.size and command.end + command.size > command.chunk[1] for command in talk.commands)
    if text and text.octets.strip().upper() == b"QUIT" and not (text.transaction and text.transaction.wanted):
        return  # it says QUIT where 354 asks for a message to nobody: that is TEXT-UNWANTED
    if chunked or text is None and talk.unanswered or text and text.reply:
        return  # BDAT-CUT; or the client may have waited long for a reply; or the server had replied before the end
    where = " in the middle of the message" if text else " in the middle of a line" if talk.rest else ""
    yield Seen(talk.read, talk.rest, f"the client hung up{where} without QUIT", talk.hangup)
