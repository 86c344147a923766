# SPDX-License-Identifier: ISC
"""Rules about names and addresses: the argument of EHLO and HELO, the paths of MAIL and RCPT.

Other rules are about octets that are not ASCII and control characters; here they count as letters.
"""

import ipaddress
import re
from collections.abc import Iterator

from mocksrv.audit.conversation import Conversation
from mocksrv.audit.rules import Grade, Seen, rule, seen, shown
from mocksrv.audit.turns import HELLOS, Command

_ODD = rb"\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\xff"
_LABEL = rb"[A-Za-z0-9%b](?:[A-Za-z0-9%b-]*[A-Za-z0-9%b])?" % (_ODD, _ODD, _ODD)
_DOMAIN = re.compile(rb"%b(?:\.%b)*" % (_LABEL, _LABEL))
_ATOM = rb"[A-Za-z0-9!#$%%&'*+/=?^_`{|}~%b-]+" % _ODD
_LOCAL_PART = re.compile(rb'%b(?:\.%b)*|"(?:[^"\\]|\\.)*"' % (_ATOM, _ATOM), re.DOTALL)
_NUMBERS = re.compile(rb"[0-9.]+|[0-9a-fA-F:.]*:[0-9a-fA-F:.]*")


def _is_literal(text: bytes) -> bool:
    """Whether this is an address in brackets. IPv6 is the only tag that is registered for them."""
    if not (text.startswith(b"[") and text.endswith(b"]")):
        return False
    inner = text[1:-1].decode("ascii", "replace")
    try:
        if inner.upper().startswith("IPV6:"):
            ipaddress.IPv6Address(inner[5:])
        else:
            ipaddress.IPv4Address(inner)
    except ValueError:
        return False
    return True


def _hellos(talk: Conversation) -> Iterator[Command]:
    return (command for command in talk.commands if command.verb in HELLOS)


@rule("EHLO-ARGUMENT", "5321#4.1.1.1", "EHLO and HELO give the client's domain name, or its address in brackets.")
def hello_argument(talk: Conversation) -> Iterator[Seen]:
    for command in _hellos(talk):
        name = command.argument.rstrip(b" \t")
        if not name:
            yield seen(command, f"{command.verb} without a name")
        elif _NUMBERS.fullmatch(name):
            yield seen(command, f"{shown(name)} looks like an address, but is not in brackets")
        elif not _DOMAIN.fullmatch(name) and not _is_literal(name):
            yield seen(command, f"{shown(name)} is neither a domain name nor an address literal")


@rule("EHLO-UNQUALIFIED", "5321#2.3.5", "The name in EHLO and HELO is fully qualified, not a nickname of one word.")
def hello_unqualified(talk: Conversation) -> Iterator[Seen]:
    for command in _hellos(talk):
        name = command.argument.rstrip(b" \t")
        if _DOMAIN.fullmatch(name) and b"." not in name and not _NUMBERS.fullmatch(name):
            yield seen(command, f"the name {shown(name)} has no dot")


def _paths(talk: Conversation) -> Iterator[Command]:
    return (command for command in talk.commands if command.verb in ("MAIL", "RCPT"))


def _mailboxes(talk: Conversation) -> Iterator[Command]:
    """The commands with a path that is not empty."""
    return (command for command in _paths(talk) if command.envelope.mailbox)


@rule("PATH-SPACE", "5321#3.3", "There is no space next to the colon of MAIL FROM: and RCPT TO:.")
def path_space(talk: Conversation) -> Iterator[Seen]:
    for command in _paths(talk):
        if command.envelope.spaced:
            yield seen(command, "a space next to the colon")


@rule("PATH-BRACKETS", "5321#4.1.2", "MAIL FROM: and RCPT TO: are followed by an address in angle brackets.")
def path_brackets(talk: Conversation) -> Iterator[Seen]:
    for command in _paths(talk):
        keyword = b"FROM" if command.verb == "MAIL" else b"TO"
        if command.envelope.path is None or not command.argument.upper().startswith(keyword):
            yield seen(command, f"no {keyword.decode()}:<address> after {command.verb}")


@rule("PATH-EMPTY", "5321#4.1.1.3", "RCPT names a recipient; only the path of MAIL may be empty.")
def path_empty(talk: Conversation) -> Iterator[Seen]:
    for command in _paths(talk):
        if command.verb == "RCPT" and command.envelope.path is not None and not command.envelope.mailbox:
            yield seen(command, "RCPT TO:<>")


@rule("PATH-ROUTE", "5321#3.6.1", "A path has no source route: no list of hosts before the address.", Grade.SHOULD)
def path_route(talk: Conversation) -> Iterator[Seen]:
    for command in _paths(talk):
        if command.envelope.routed:
            yield seen(command, f"a source route, {shown((command.envelope.path or b'').partition(b':')[0])}")


@rule("PATH-LOCAL-PART", "5321#4.1.2", "A local part is atoms joined by single dots, or a quoted string.")
def path_local_part(talk: Conversation) -> Iterator[Seen]:
    for command in _mailboxes(talk):
        if not _LOCAL_PART.fullmatch(command.envelope.local):
            yield seen(command, f"the local part {shown(command.envelope.local)} needs quotes, or its quotes are wrong")


@rule("PATH-DOMAIN", "5321#4.1.2", "A domain is labels of letters, digits and hyphens, or an address literal.")
def path_domain(talk: Conversation) -> Iterator[Seen]:
    for command in _mailboxes(talk):
        domain = command.envelope.domain
        if domain is not None and not _DOMAIN.fullmatch(domain) and not _is_literal(domain):
            dot = _DOMAIN.fullmatch(domain.removesuffix(b"."))
            flaw = "ends with a dot, which no domain in a path does" if dot else "is neither a domain name nor an address literal"
            yield seen(command, f"{shown(domain)} {flaw}")


@rule("PATH-UNQUALIFIED", "5321#2.3.5", "An address has a domain; only the recipient postmaster needs none.")
def path_unqualified(talk: Conversation) -> Iterator[Seen]:
    for command in _mailboxes(talk):
        if command.envelope.domain is None:
            if command.verb == "MAIL" or command.envelope.mailbox.lower() != b"postmaster":
                yield seen(command, f"{shown(command.envelope.mailbox)} has no domain")


@rule("PATH-LENGTH", "5321#4.5.3.1 5321#4.5.3.1.3", "A path, with its brackets, has at most 256 octets.", Grade.SHOULD)
def path_length(talk: Conversation) -> Iterator[Seen]:
    for command in _paths(talk):
        octets = 2 + len(command.envelope.path or b"")
        if octets > 256:
            yield seen(command, f"a path of {octets} octets")


@rule("PATH-LOCAL-LENGTH", "5321#4.5.3.1 5321#4.5.3.1.1", "A local part has at most 64 octets.", Grade.SHOULD)
def path_local_length(talk: Conversation) -> Iterator[Seen]:
    for command in _mailboxes(talk):
        if len(command.envelope.local) > 64:
            yield seen(command, f"a local part of {len(command.envelope.local)} octets")


@rule("PATH-DOMAIN-LENGTH", "5321#4.5.3.1 5321#4.5.3.1.2", "A domain name has at most 255 octets.", Grade.SHOULD)
def path_domain_length(talk: Conversation) -> Iterator[Seen]:
    names = [(command, command.envelope.domain or b"") for command in _mailboxes(talk)]
    for command, name in [*names, *((command, command.argument) for command in _hellos(talk))]:
        if len(name) > 255:
            yield seen(command, f"a domain of {len(name)} octets")
