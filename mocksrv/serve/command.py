# SPDX-License-Identifier: ISC
"""`mocksrv serve`: a server to try any client against. It shows what is said and, after a session, what was wrong."""

import argparse
import ipaddress
import os
import re
import signal
import socket
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

from mocksrv.case.corpus import case_named
from mocksrv.case.file import Case, read_case
from mocksrv.case.pattern import Facts
from mocksrv.case.script import CaseError
from mocksrv.case.steps import Dialogue, Reset, Stall
from mocksrv.play import player
from mocksrv.play.policy import GREETING, Policy, Reaction, Unfit, of_dialogue
from mocksrv.serve import oneline
from mocksrv.serve.oneline import Line
from mocksrv.serve.server import BACKLOG, Role, Server, endpoint
from mocksrv.serve.teller import Teller
from mocksrv.world.home import helo

_EPILOG = """\
REPLY is a code with or without a text: 451, '550 5.1.1 no such user'. --ehlo takes a REPLY, too, to refuse EHLO.
Without options, every message is accepted, and these are offered: """ + ", ".join(oneline.OFFERS)
_LISTEN = re.compile(r"(?:(?:\[(?P<v6>[^\]]+)\]|(?P<v4>[^:\[\]]+)):)?(?P<port>\d{1,5})")
_LINE = ("host", "greeting", "ehlo", "mail", "rcpt", "data", "end", "starttls")  # options that make a policy


def add_command(commands: Any) -> None:
    """Adds the command to those of mocksrv."""
    usage = "mocksrv serve [OPTION ...] [CASE]"
    text = "serve any client: by a policy in one line, or as the servers of a case"
    parser = commands.add_parser("serve", help=text, usage=usage, description=text, epilog=_EPILOG)
    parser.set_defaults(run=lambda options: _run(parser, options))
    nth = "the nth connection gets its nth dialogue"
    parser.add_argument("case", nargs="?", type=case_named, metavar="CASE", help=nth)
    parser.add_argument("--match", choices=("rfc", "exact"), help="play CASE by the RFCs (default), or octet for octet")
    line = parser.add_argument_group("a policy in one line")
    reply = _checked(oneline.Reply.parse)
    line.add_argument("--host", type=_checked(_host), metavar="NAME", help=f"its name (default: {Line.host})")
    line.add_argument("--greeting", type=reply, metavar="REPLY", help="instead of 220")
    offers = _checked(oneline.Offers.parse)
    line.add_argument("--ehlo", type=offers, metavar="KEYWORD[=VALUE],...", help="the extensions that it offers")
    line.add_argument("--mail", type=reply, metavar="REPLY", help="reply to MAIL")
    line.add_argument(
        "--rcpt", type=_checked(oneline.Recipient.parse), metavar="ADDRESS=REPLY", action="append",
        help="reply to RCPT for this mailbox, or * for all others; several for one mailbox are used in turn",
    )  # fmt: skip
    line.add_argument("--data", type=reply, metavar="REPLY", help="reply to DATA")
    line.add_argument("--end", type=reply, metavar="REPLY", help="reply to the whole message, by DATA or in chunks")
    line.add_argument(
        "--starttls", type=_checked(oneline.handshake), metavar="CERT",
        help="offer STARTTLS, with a certificate from fixtures/certs/recipes.toml",
    )  # fmt: skip
    parser.add_argument(
        "--listen", type=_checked(_endpoint), metavar="[ADDRESS:]PORT", default=("127.0.0.1", 2525),
        help="default: 127.0.0.1:2525; port 0 is any free port",
    )  # fmt: skip
    parser.add_argument("--patience", type=_checked(_seconds), metavar="T", help="seconds for a line (default: 10)")
    parser.add_argument("--record", type=Path, metavar="FILE", help="write transcripts to this file")
    parser.add_argument("--connections", type=_checked(_number), metavar="N", help="exit after N connections")
    parser.add_argument("--quiet", action="store_true", help="print only what is wrong, and the summary")


def _run(parser: argparse.ArgumentParser, options: argparse.Namespace) -> int:
    """Serves until a signal comes or enough connections have ended. Returns the exit status."""
    said = [name for name in _LINE if getattr(options, name) is not None]
    if options.case and said:
        parser.error(f"--{said[0]} is for a policy in one line, and cannot be combined with CASE")
    if options.match and not options.case:
        parser.error("--match needs a CASE")
    if options.patience:
        player.WAIT = options.patience  # for the whole process, which does nothing else
    # Read the case first: on an error, the last record is not overwritten.
    roles = case_roles(read_case(options.case), options.match == "exact") if options.case else [_line_role(options)]
    with _listener(*options.listen) as listener:
        record = options.record.open("wb") if options.record else None
        return _serve(options, roles, listener, record)


def _serve(options: argparse.Namespace, roles: list[Role], listener: socket.socket, record: BinaryIO | None) -> int:
    voice = Teller(sys.stdout, options.quiet)
    server = Server(listener, roles, voice, record, options.connections)
    voice.on_broken(server.stop)

    def stop(*_: object) -> None:
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_DFL)  # a second signal ends it without a summary
        server.stop()

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, stop)
    voice.say(f"listening on {endpoint(listener.getsockname())}")
    totals = server.run()
    voice.say(*totals.summary())
    return 1 if totals.broke else 0


def case_roles(case: Case, exact: bool) -> list[Role]:
    """The roles for the first, second, ... connection; all further ones get the last role. Raises CaseError."""
    if case.scope == "exact" and not exact:
        raise CaseError(f"{case.path}:1: this case is about the exact octets (scope: exact): use --match=exact")
    facts = Facts(helo(case), case.message)
    roles = [_dialogue_role(case, one, facts, exact) for one in case.dialogues if not one.never]
    if not roles:
        raise CaseError(f"{case.path}:1: this case has no server that the client connects to")
    return roles


def _dialogue_role(case: Case, dialogue: Dialogue, facts: Facts, exact: bool) -> Role:
    # An accepted connection cannot be refused any more; a reset comes closest.
    if dialogue.refused:
        step = Reset(line=dialogue.steps[0].line, source="@reset")
        return Role(dialogue, Policy(dialogue.host, {GREETING: [Reaction(then=(step,))]}))
    if dialogue.unanswered:
        stall = Stall(line=dialogue.steps[0].line, source="@stall", within=dialogue.unanswered.within)
        return Role(dialogue, Policy(dialogue.host, {GREETING: [Reaction(then=(stall,))]}))
    if exact:
        return Role(dialogue, None, facts, case.path)
    try:
        return Role(dialogue, of_dialogue(dialogue, facts))
    except Unfit as reason:
        what = f"this dialogue can be played only as it is written ({reason}): use --match=exact"
        raise CaseError(f"{case.path}:{dialogue.line}: {what}") from reason


def _line_role(options: argparse.Namespace) -> Role:
    line = Line(
        host=options.host or Line.host, greeting=options.greeting, ehlo=options.ehlo, mail=options.mail,
        recipients=tuple(options.rcpt or ()), data=options.data, end=options.end, starttls=options.starttls,
    )  # fmt: skip
    dialogue = Dialogue(host=line.host, port=options.listen[1], never=False, steps=(), line=0, end=0)
    return Role(dialogue, line.policy())


def _listener(address: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    try:
        return socket.create_server((address, port), family=family, backlog=BACKLOG)
    except OSError as error:
        number = error.errno or 0  # its text is better than that of `create_server`, which has the address as a tuple
        raise OSError(number, os.strerror(number), f"cannot listen on {endpoint((address, port))}") from error


# Types of options


def _checked(parse: Callable[[str], object]) -> Callable[[str], object]:
    """For argparse, which does not show the text of a ValueError."""

    def parsed(text: str) -> object:
        try:
            return parse(text)
        except ValueError as error:
            raise argparse.ArgumentTypeError(str(error)) from error

    return parsed


def _endpoint(text: str) -> tuple[str, int]:
    found = _LISTEN.fullmatch(text)
    if found is None or int(found["port"]) > 65535:
        raise ValueError(f"not an [ADDRESS:]PORT: {text!a}")
    address = ipaddress.ip_address(found["v6"] or found["v4"] or "127.0.0.1")
    if (address.version == 6) != bool(found["v6"]):
        raise ValueError(f"an IPv6 address needs brackets, and no other has them: {text!a}")
    return str(address), int(found["port"])


def _host(text: str) -> str:
    if not re.fullmatch(r"[^\s:\[\]]+", text) or not text.isprintable():
        raise ValueError(f"not a name: {text!a}")
    return text


def _seconds(text: str) -> float:
    if not re.fullmatch(r"\d{1,6}(\.\d{1,6})?s?", text) or not float(text.removesuffix("s")):
        raise ValueError(f"not a number of seconds: {text!a}")
    return float(text.removesuffix("s"))


def _number(text: str) -> int:
    if not re.fullmatch(r"[1-9]\d{0,8}", text):
        raise ValueError(f"not a number of at least 1: {text!a}")
    return int(text)
