# SPDX-License-Identifier: ISC
"""The parts of a conversation: the client's turns, the replies to them, and the mail transactions they belong to."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import cached_property

from mocksrv.audit.envelope import Envelope, parse_envelope

HELLOS = ("EHLO", "HELO")
# The known verbs: RFC 5321 (with its appendix F), 3030, 3207, 4954, 1985, 2645, 4468.
VERBS = {
    *HELLOS, "MAIL", "RCPT", "DATA", "RSET", "NOOP", "QUIT", "VRFY", "EXPN", "HELP", "TURN", "SEND", "SOML", "SAML",
    "BDAT", "STARTTLS", "AUTH", "ETRN", "ATRN", "BURL",
}  # fmt: skip


@dataclass(frozen=True)
class Reply:
    """One reply. `broken` if it is malformed, too long or impossible here; its code is then that of its last line, or 0."""

    event: int  # that brought its end
    code: int
    lines: tuple[bytes, ...]
    broken: bool = False

    @property
    def refuses(self) -> bool:
        """Whether it is negative."""
        return self.code >= 400


@dataclass(eq=False)
class Turn:
    """Octets of the client, `start` to `end` of its stream, that get one reply. The greeting answers an empty one."""

    start: int
    end: int
    octets: bytes = b""
    ahead: tuple[Turn, ...] = ()  # unanswered turns when this began
    reply: Reply | None = None
    tls: bool = False

    @property
    def refused(self) -> bool:
        """Whether the server refused it. Without a reply, or with an unintelligible one, it may have been accepted."""
        return self.reply is not None and self.reply.refuses


@dataclass(eq=False)
class Response(Turn):
    """A line that continues AUTH."""


@dataclass(eq=False)
class Text(Turn):
    """What came after 354: the text as it was sent, without the dot that ends it, if that came (`complete`)."""

    complete: bool = False
    transaction: Transaction | None = None


@dataclass(eq=False)
class Command(Turn):
    """A command line. What came before it is filled in when everything has been read (see course.py)."""

    hello: Command | None = None  # the EHLO or HELO that counts for this
    transaction: Transaction | None = None  # that is open when the server reads this
    mail: Command | None = None  # the last MAIL before, whatever the reply was
    after_last: bool = False  # whether BDAT LAST has ended the last transaction
    size: int | None = None  # of a chunk
    chunk: tuple[int, int] = (0, 0)  # where it is in the stream
    misled: bool = False  # whether it is unknown which replies the client had waited for

    @property
    def content(self) -> bytes:
        """The line without its end."""
        return self.octets.rstrip(b"\r\n")

    @cached_property
    def verb(self) -> str:
        """In upper case."""
        return self.content.partition(b" ")[0].decode("ascii", "replace").upper()

    @property
    def argument(self) -> bytes:
        """The text after the verb and one space."""
        return self.content.partition(b" ")[2]

    @property
    def known(self) -> bool:
        """Whether the verb exists; private ones begin with X."""
        return self.verb in VERBS or re.fullmatch("X[A-Z]+", self.verb) is not None

    @cached_property
    def envelope(self) -> Envelope:
        """The path and the parameters of MAIL and RCPT."""
        return parse_envelope(self.argument)

    @property
    def last(self) -> bool:
        """Whether this is BDAT for the last chunk."""
        return b"LAST" in self.argument.upper().split()[1:]

    @property
    def offers(self) -> dict[str, list[str]] | None:
        """What the server offers: keywords with their parameters. None if that is unknown, without a reply."""
        if self.hello is None or self.hello.reply is None:
            return None
        lines = self.hello.reply.lines[1:] if self.hello.verb == "EHLO" else ()
        words = [line[4:].decode("ascii", "replace").upper().replace("=", " ").split() for line in lines]
        return {line[0]: line[1:] for line in words if line}

    def offered(self, keyword: str) -> bool:
        """Whether the server is known to offer this."""
        return keyword in (self.offers or {})


@dataclass(eq=False)
class Transaction:
    """From a MAIL that was not refused to the end of the message, or RSET."""

    mail: Command
    recipients: list[Command] = field(default_factory=list)
    carriers: list[Command] = field(default_factory=list)  # DATA and BDAT

    @property
    def wanted(self) -> bool:
        """Whether there is a recipient that was not refused."""
        return any(not recipient.refused for recipient in self.recipients)

    @property
    def body(self) -> bytes:
        """What MAIL says about the message: the value of BODY, in upper case."""
        return self.mail.envelope.value(b"BODY")
