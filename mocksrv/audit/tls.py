# SPDX-License-Identifier: ISC
"""Rules about STARTTLS."""

from collections.abc import Iterator

from mocksrv.audit.conversation import Conversation
from mocksrv.audit.rules import Grade, Seen, astray, rule, seen
from mocksrv.audit.turns import HELLOS, Command


def _starttls(talk: Conversation) -> Iterator[Command]:
    return (command for command in talk.commands if command.verb == "STARTTLS")


@rule("TLS-UNOFFERED", "3207#3", "STARTTLS is used only if the server offers it.", Grade.SHOULD)
def unoffered(talk: Conversation) -> Iterator[Seen]:
    for command in _starttls(talk):
        waiting = [turn.verb for turn in command.ahead if isinstance(turn, Command)]
        if not command.tls and not command.offered("STARTTLS") and not {*HELLOS} & {*waiting}:
            yield seen(command, "STARTTLS, but the server does not offer it")


@rule("TLS-ARGUMENT", "3207#4", "STARTTLS has no argument.")
def argument(talk: Conversation) -> Iterator[Seen]:
    for command in _starttls(talk):
        if command.argument.strip():
            yield seen(command, "STARTTLS with an argument")


@rule("TLS-LAST", "3207#4", "STARTTLS is the last command of a group: the client waits for its reply.")
def last(talk: Conversation) -> Iterator[Seen]:
    for command in talk.commands:
        before = command.ahead[-1] if command.ahead and not command.misled else None
        if isinstance(before, Command) and before.verb == "STARTTLS":
            yield seen(command, f"{command.verb} was sent before the reply to STARTTLS")


@rule("TLS-EARLY", "3207#4", "The handshake begins only after the server's 220 to STARTTLS.")
def early(talk: Conversation) -> Iterator[Seen]:
    yield from astray(talk, "TLS-EARLY")


@rule("TLS-PLAINTEXT", "3207#4", "After the 220 to STARTTLS the handshake begins, and nothing is sent in the clear.")
def plaintext(talk: Conversation) -> Iterator[Seen]:
    yield from astray(talk, "TLS-PLAINTEXT")


@rule("TLS-TWICE", "3207#4.2", "STARTTLS is not used within TLS.")
def twice(talk: Conversation) -> Iterator[Seen]:
    for command in _starttls(talk):
        if command.tls:
            yield seen(command, "STARTTLS within TLS")


@rule(
    "TLS-EHLO", "3207#4.2", "After the handshake the client says EHLO again: it must forget what was offered before.",
    Grade.SHOULD,
)  # fmt: skip
def hello(talk: Conversation) -> Iterator[Seen]:
    command = next((command for command in talk.commands if command.tls), None)
    if command and command.verb not in (*HELLOS, "QUIT", "MAIL"):  # before MAIL it is a MUST: EHLO-MISSING
        yield seen(command, f"the first command within TLS is {command.verb}")
