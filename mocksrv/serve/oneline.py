# SPDX-License-Identifier: ISC
"""A policy in one line: the options of `serve` -> Policy. Without options it is that of a plain, friendly server."""

import re
from dataclasses import dataclass
from pathlib import Path

from mocksrv.case.certs import Recipes
from mocksrv.case.octets import encode
from mocksrv.case.steps import Close, Starttls, Step
from mocksrv.case.terms import parse_terms
from mocksrv.play.policy import ANY_MAILBOX, END, GREETING, Policy, Reaction, folded
from mocksrv.play.responder import LONGEST_MESSAGE

# No CHUNKING: a client that is offered it may not use DATA, and then `--data` would have no effect.
OFFERS = ("PIPELINING", f"SIZE {LONGEST_MESSAGE}", "8BITMIME", "SMTPUTF8", "ENHANCEDSTATUSCODES")
_REPLY = re.compile(r"([2-5]\d\d)(?: (.*))?")
_KEYWORD = re.compile(r"([A-Za-z0-9][A-Za-z0-9-]*)(?:=([!-~]+(?: [!-~]+)*))?")
_CLOSING = "421"
_COMMANDS = ("EHLO", "EHLO tls", "HELO", "MAIL", f"RCPT {ANY_MAILBOX.decode()}", "DATA", "BDAT", "RSET", "NOOP", "VRFY")
# The default texts of codes: in one place, or anywhere.
_TEXTS = {
    "RCPT": {
        "250": "2.1.5 ok", "450": "4.2.0 mailbox busy", "452": "4.5.3 too many recipients",
        "550": "5.1.1 no such mailbox", "551": "5.1.6 that mailbox has moved", "552": "5.2.2 mailbox full",
        "553": "5.1.3 no such address",
    },
    "MAIL": {
        "250": "2.1.0 ok", "452": "4.3.1 no room", "550": "5.7.1 not from this sender", "552": "5.3.4 too much",
        "553": "5.1.7 no such address",
    },
    "DATA": {"354": "go on, to a line with a dot alone", "550": "5.7.1 no"},
    END: {"452": "4.3.1 no room", "550": "5.7.1 this message is not wanted", "552": "5.3.4 too much"},
    "": {
        "250": "2.0.0 ok", _CLOSING: "4.3.2 closing", "451": "4.3.0 try again later", "500": "5.5.2 what?",
        "501": "5.5.4 not so", "502": "5.5.1 not here", "503": "5.5.1 not now", "504": "5.5.4 not so",
        "530": "5.7.0 not without authentication", "555": "5.5.4 no such parameter",
        "556": "5.1.10 no mail for that domain",
        "2": "2.0.0 ok", "3": "go on", "4": "4.0.0 try again later", "5": "5.0.0 no",
    },
}  # fmt: skip
# RFC 2034, section 4: a greeting and a reply to EHLO have no enhanced code.
_PLAIN = {
    "220": "ESMTP mocksrv", "250": "", _CLOSING: "closing", "502": "not here",
    "2": "", "3": "", "4": "not now", "5": "no",
}  # fmt: skip


@dataclass(frozen=True)
class Reply:
    """A code, and its text if one was given."""

    code: str
    text: str | None

    @staticmethod
    def parse(word: str) -> "Reply":
        """From `451` or `550 5.1.1 no such user`. Raises ValueError."""
        found = _REPLY.fullmatch(word)
        if found is None or not (found[2] or "").isprintable():
            raise ValueError(f"not a reply: {word!a} (expected a code from 200 to 599, with or without a text)")
        return Reply(found[1], found[2])

    def reaction(self, place: str, host: str) -> Reaction:
        """The reaction with this reply: to a command, or as the greeting, or to the end of a message."""
        text = self._default_text(place, host) if self.text is None else self.text
        then = (Close(line=0, source="@close", how=None),) if self.code == _CLOSING else ()
        return Reaction(encode(f"{self.code} {text}".rstrip() + "\r\n"), then=then)

    def _default_text(self, place: str, host: str) -> str:
        if place in (GREETING, "EHLO"):
            return f"{host} {_PLAIN.get(self.code, _PLAIN[self.code[0]])}".rstrip()
        special, known = _TEXTS.get(place, {}), _TEXTS[""]
        return special.get(self.code) or known.get(self.code) or known[self.code[0]]


@dataclass(frozen=True)
class Offers:
    """The keywords in the reply to EHLO, as they are written."""

    lines: tuple[str, ...]

    @staticmethod
    def parse(text: str) -> "Offers | Reply":
        """From `PIPELINING,SIZE=1000`, or a reply. Raises ValueError."""
        if _REPLY.fullmatch(text):
            return Reply.parse(text)
        found = [(word, _KEYWORD.fullmatch(word.strip())) for word in text.split(",") if text]
        wrong = next((word for word, match in found if match is None), None)
        if wrong is not None:
            raise ValueError(f"neither KEYWORD nor KEYWORD=VALUE: {wrong!a}")
        return Offers(tuple(" ".join(filter(None, match.groups())) for _, match in found if match))


@dataclass(frozen=True)
class Recipient:
    """The reply to RCPT for a mailbox."""

    address: str
    reply: Reply

    @staticmethod
    def parse(text: str) -> "Recipient":
        """From `ADDRESS=REPLY`, where ADDRESS may be `*`. Raises ValueError."""
        # An address may hold `=`, and so may a text: the first one that a code follows counts.
        found = re.fullmatch(r"(.+?)=([2-5]\d\d(?: .*)?)", text)
        if found is None:
            raise ValueError(f"expected ADDRESS=REPLY, for example bob@example.org=550, not {text!a}")
        return Recipient(found[1].removeprefix("<").removesuffix(">"), Reply.parse(found[2]))


@dataclass(frozen=True)
class Line:
    """All options; None for those that were not given."""

    host: str = "mx.example.org"
    greeting: Reply | None = None
    ehlo: Offers | Reply | None = None
    mail: Reply | None = None
    recipients: tuple[Recipient, ...] = ()
    data: Reply | None = None
    end: Reply | None = None
    starttls: Step | None = None

    def policy(self) -> Policy:
        """The policy of the server."""
        greeting = self.greeting or Reply("220", None)
        reactions = {GREETING: [greeting.reaction(GREETING, self.host)]}
        if greeting.code[0] != "2":  # RFC 5321, section 3.1
            refusal = Reply("503", None).reaction("", self.host)
            return Policy(self.host, reactions | {command: [refusal] for command in _COMMANDS})
        reactions["EHLO"] = [self._ehlo(tls=False)]
        reactions["EHLO tls"] = [self._ehlo(tls=True)]
        for place, reply in (("MAIL", self.mail), ("DATA", self.data), (END, self.end)):
            if reply:
                reactions[place] = [reply.reaction(place, self.host)]
        for one in self.recipients:
            key = f"RCPT {folded(encode(one.address)).decode('latin-1')}"
            reactions.setdefault(key, []).append(one.reply.reaction("RCPT", self.host))
        if self.starttls:
            reactions["STARTTLS"] = [Reaction(b"220 2.0.0 go on, within TLS\r\n", then=(self.starttls,))]
        return Policy(self.host, reactions, strict=True)

    def _ehlo(self, tls: bool) -> Reaction:
        if isinstance(self.ehlo, Reply):
            return self.ehlo.reaction("EHLO", self.host)
        offers = OFFERS if self.ehlo is None else self.ehlo.lines
        if self.starttls and not tls and "STARTTLS" not in offers:
            offers = (*offers, "STARTTLS")
        *lines, last = [self.host, *offers]
        return Reaction(encode("".join(f"250-{line}\r\n" for line in lines) + f"250 {last}\r\n"))


def handshake(terms: str) -> Step:
    """The handshake of `@starttls cert=TERMS`: a certificate's name, and options if there are any. Raises ValueError.

    The recipes are those that a case in the current directory would see.
    """
    recipes = Recipes(Path.cwd() / "any.case")
    return Starttls(line=0, source=f"@starttls cert={terms}", terms=parse_terms(recipes, f"cert={terms}"))
