# SPDX-License-Identifier: ISC
"""Rules about the parameters of MAIL and RCPT.

No rule says that SIZE must be right: a client may declare less than it sends (1870#6.3) and more than the server
accepts (1870#6.1); the server then refuses.
"""

import re
from collections.abc import Iterator

from mocksrv.audit.conversation import Conversation
from mocksrv.audit.rules import Seen, rule, seen, shown
from mocksrv.audit.turns import Command

# The extensions that define a parameter; others have the name of their extension.
_MAIL_EXTENSIONS: dict[bytes, tuple[str, ...]] = {
    b"BODY": ("8BITMIME", "BINARYMIME"), b"RET": ("DSN",), b"ENVID": ("DSN",), b"BY": ("DELIVERBY",),
    b"HOLDFOR": ("FUTURERELEASE",), b"HOLDUNTIL": ("FUTURERELEASE",), b"TRANSID": ("CHECKPOINT",),
    b"SOLICIT": ("NO-SOLICITING",),
}  # fmt: skip
_RCPT_EXTENSIONS: dict[bytes, tuple[str, ...]] = {b"NOTIFY": ("DSN",), b"ORCPT": ("DSN",)}
_PARAMETER = re.compile(rb"[A-Za-z0-9][A-Za-z0-9-]*(?:=[!-<>-~\x80-\xff]+)?")
_ONCE = {b"SIZE", b"BODY", b"RET", b"ENVID", b"NOTIFY", b"ORCPT"}
_XTEXT = rb"(?:[!-*,-<>-~]|\+[0-9A-F]{2})*"
_DSN_VALUES = {
    b"RET": re.compile(rb"FULL|HDRS", re.IGNORECASE),
    b"ENVID": re.compile(_XTEXT),
    b"NOTIFY": re.compile(rb"NEVER|(?:SUCCESS|FAILURE|DELAY)(?:,(?:SUCCESS|FAILURE|DELAY))*", re.IGNORECASE),
    # 6533#3: with SMTPUTF8 the address may be as it is.
    b"ORCPT": re.compile(rb"[A-Za-z0-9!#$%%&'*+/=?^_`{|}~-]+;(?:%b|.*[\x80-\xff].*)" % _XTEXT),
}


def _envelopes(talk: Conversation) -> Iterator[Command]:
    return (command for command in talk.commands if command.verb in ("MAIL", "RCPT"))


@rule("PARAM-UNOFFERED", "5321#4.1.1.3", "A parameter belongs to this command and to an extension that is offered.")
def unoffered(talk: Conversation) -> Iterator[Seen]:
    for command in _envelopes(talk):
        table = _MAIL_EXTENSIONS if command.verb == "MAIL" else _RCPT_EXTENSIONS
        other = _RCPT_EXTENSIONS if command.verb == "MAIL" else _MAIL_EXTENSIONS
        for keyword, _ in command.envelope.parameters:
            if keyword in other:
                yield seen(command, f"{shown(keyword)} is not a parameter of {command.verb}")
            elif command.offers is not None:
                extensions = table.get(keyword, (keyword.decode("ascii", "replace"),))
                if not any(command.offered(extension) for extension in extensions):
                    yield seen(command, f"{shown(keyword)}, but the server does not offer {' or '.join(extensions)}")


@rule("PARAM-SYNTAX", "5321#4.1.2", "Each parameter is KEYWORD or KEYWORD=VALUE, with one space before it.")
def syntax(talk: Conversation) -> Iterator[Seen]:
    for command in _envelopes(talk):
        if command.envelope.joined:
            yield seen(command, "no space between the path and the parameters")
        for word in command.envelope.words:
            if not word:
                yield seen(command, "more than one space before a parameter")
            elif not _PARAMETER.fullmatch(word):
                yield seen(command, f"{shown(word)} is not a valid parameter")


@rule("PARAM-TWICE", "1870#6 3461#4.5 6152#3", "A command has SIZE, BODY, RET, ENVID, NOTIFY and ORCPT only once.")
def twice(talk: Conversation) -> Iterator[Seen]:
    for command in _envelopes(talk):
        keywords = [keyword for keyword, _ in command.envelope.parameters]
        for keyword in sorted(_ONCE):
            if keywords.count(keyword) > 1:
                yield seen(command, f"{keywords.count(keyword)} times {shown(keyword)} in one command")


@rule("PARAM-SIZE", "1870#3", "SIZE is a number of at most 20 digits.")
def size(talk: Conversation) -> Iterator[Seen]:
    yield from _wrong(talk, b"SIZE", re.compile(rb"[0-9]{1,20}"))


@rule("PARAM-BODY", "3030#3", "BODY is 7BIT, 8BITMIME or BINARYMIME.")
def body(talk: Conversation) -> Iterator[Seen]:
    yield from _wrong(talk, b"BODY", re.compile(rb"7BIT|8BITMIME|BINARYMIME", re.IGNORECASE))


@rule("PARAM-UTF8", "6531#3.4", "SMTPUTF8 has no value.")
def utf8(talk: Conversation) -> Iterator[Seen]:
    for command in _envelopes(talk):
        for keyword, value in command.envelope.parameters:
            if keyword == b"SMTPUTF8" and value is not None:
                yield seen(command, f"SMTPUTF8 with the value {shown(value)}")


@rule("PARAM-DSN", "3461#4", "RET, ENVID, NOTIFY and ORCPT have the values that DSN defines.")
def dsn(talk: Conversation) -> Iterator[Seen]:
    for keyword, form in _DSN_VALUES.items():
        yield from _wrong(talk, keyword, form)


def _wrong(talk: Conversation, keyword: bytes, form: re.Pattern[bytes]) -> Iterator[Seen]:
    for command in _envelopes(talk):
        for one, value in command.envelope.parameters:
            if one == keyword and not form.fullmatch(value or b""):
                yield seen(command, f"{keyword.decode()} with {f'the value {shown(value)}' if value else 'no value'}")


@rule("PARAM-BINARY", "3030#3", "BODY=BINARYMIME is used only if the server offers BINARYMIME.")
def binary(talk: Conversation) -> Iterator[Seen]:
    for command in _envelopes(talk):
        if command.envelope.value(b"BODY") == b"BINARYMIME" and command.offered("8BITMIME"):  # else PARAM-UNOFFERED
            if not command.offered("BINARYMIME"):
                yield seen(command, "BODY=BINARYMIME, but the server does not offer BINARYMIME")
