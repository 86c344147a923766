# SPDX-License-Identifier: ISC
"""What a line of SMTP means, in a sentence or a few, each with the section of the RFC that says so."""

import re
from collections.abc import Iterator

from mocksrv.play.tape import CLIENT
from mocksrv.tell.flow import CHUNK, CUT, MESSAGE, SECURED, Row

Meaning = tuple[str, str]  # a sentence, and NUMBER#SECTION
_VERBS = {
    "EHLO": ("The client gives its name, and asks which extensions the server offers.", "5321#4.1.1.1"),
    "HELO": ("The client gives its name, and asks for no extensions.", "5321#4.1.1.1"),
    "MAIL": ("A mail begins. The address is where reports of failure go.", "5321#4.1.1.2"),
    "RCPT": ("One recipient. Each has a command and a reply of its own.", "5321#4.1.1.3"),
    "DATA": ("The client asks to send the message; the reply 354 asks for it.", "5321#4.1.1.4"),
    "BDAT": ("So many octets of the message follow at once, whatever they are. LAST: there are no more.", "3030#2"),
    "STARTTLS": ("The client asks to go on within TLS.", "3207#4"),
    "RSET": ("The mail that has begun is dropped.", "5321#4.1.1.5"),
    "NOOP": ("Nothing but a reply is asked for.", "5321#4.1.1.9"),
    "QUIT": ("The client is done; the server hangs up after its reply.", "5321#4.1.1.10"),
    "AUTH": ("The client says who it is.", "4954#4"),
}
_KEYWORDS = {
    "PIPELINING": ("The client may send commands without waiting for each reply.", "2920#2"),
    "SIZE": ("The largest message that the server takes, in octets; the client may say how large its own is.", "1870#3"),
    "8BITMIME": ("Messages may hold octets beyond ASCII.", "6152#2"),
    "CHUNKING": ("Messages may be sent by BDAT, in counted chunks.", "3030#2"),
    "BINARYMIME": ("Messages may hold any octets, and lines of any length; they need BDAT.", "3030#3"),
    "STARTTLS": ("The session can go on within TLS.", "3207#2"),
    "SMTPUTF8": ("Addresses and headers may hold characters beyond ASCII.", "6531#3.1"),
    "ENHANCEDSTATUSCODES": ("The text of replies begins with a code such as 5.1.1.", "2034#3"),
    "DSN": ("The client may say which reports the sender wants.", "3461#4"),
    "AUTH": ("The client may say who it is, by one of these mechanisms.", "4954#3"),
}
_PARAMETERS = {
    "SIZE": ("SIZE: the size of the message; the server can refuse it before it is sent.", "1870#6"),
    "BODY=8BITMIME": ("BODY=8BITMIME: the message holds octets beyond ASCII.", "6152#3"),
    "BODY=BINARYMIME": ("BODY=BINARYMIME: the message may hold any octets.", "3030#3"),
    "SMTPUTF8": ("SMTPUTF8: an address or the header may hold characters beyond ASCII.", "6531#3.4"),
}
_CODES = {
    "220": "The server is ready.", "221": "The server hangs up.", "250": "Accepted.",
    "251": "Accepted; the server will pass it on to another address.",
    "252": "Accepted, although the server cannot tell whether there is such a recipient.",
    "354": "The message may come; it ends with a dot alone in a line.",
    "421": "The server hangs up now, and the client should try again later.",
    "450": "Not now: the mailbox cannot be used.", "451": "Not now: something went wrong at the server.",
    "452": "Not now: the server lacks room.", "500": "The server does not know this command.",
    "501": "The server does not understand the argument.", "502": "The server knows this command, and does not have it.",
    "503": "This command does not come here.", "504": "The server does not have this parameter.",
    "550": "Refused: there is no such mailbox, or the server does not want the mail.",
    "552": "Refused: it is too much.", "553": "Refused: no mailbox has such a name.",
    "554": "Refused; to the connection: no mail is taken here.",
    "555": "The server does not know a parameter of MAIL or RCPT.",
}  # fmt: skip
_CLASSES = {
    "2": "It is done.", "3": "The server waits for more.", "4": "Not now: the same may be accepted later.",
    "5": "No, and the same will be refused again.",
}  # fmt: skip
_SUBJECTS = (
    "something else", "an address", "the mailbox", "the mail system", "the network", "the protocol", "the content",
    "security or policy",
)  # fmt: skip
# What a directive of a dialogue says, for people who do not know it.
_DIRECTIVES = {
    "@starttls": "TLS handshake", "@close": "the server hangs up", "@reset": "the server breaks the connection",
    "@half-close": "the server says nothing more, and listens", "@refuse": "nobody listens there",
    "@no-answer": "nobody answers", "@stall": "the server falls silent", "@delay": "the server waits",
    "@drip": "the server speaks slowly", "@split": "each octet of the next lines travels alone",
    "@read": "the server reads so many octets, while the client goes on", "@key-update": "the keys change",
    "@renegotiate": "the server asks for another handshake", "@either": "either this", "@or": "or this",
    "@optional": "perhaps this", "@repeat": "again and again", "@end": "all the same, after that",
}  # fmt: skip
_ENHANCED = re.compile(r"\d{3}[ -]([245])\.(\d{1,3})\.(\d{1,3})(?:[ \t]|$)")


def of_event(row: Row) -> str:
    """The name of an event for people; a directive that has none stays as it is."""
    told = _DIRECTIVES.get(row.text.partition(" ")[0], row.text)
    return f"{told}, which fails" if row.event == CUT and row.text.startswith("@starttls") else told


def of_row(row: Row) -> list[Meaning]:
    """What a line means; nothing if there is nothing to tell."""
    if row.event:
        secured = ("Both sides agree on keys. From here on nobody else can read or change what is said.", "3207#4")
        return [secured] if row.event == SECURED else []
    if row.part:
        return [_of_text(row)]
    return list(_of_command(row.text) if row.speaker == CLIENT else _of_reply(row.text))


def _of_text(row: Row) -> Meaning:
    if row.part.startswith(CHUNK):
        return "A part of the message as it is. Only the count says where the chunk ends.", "3030#2"
    assert row.part == MESSAGE
    if row.text == ".":
        return "A dot alone in a line: the end of the message.", "5321#4.1.1.4"
    if row.text.startswith("."):
        return "The line begins with a dot, so another one is sent before it. The server removes that.", "5321#4.5.2"
    return "A line of the message, ended by CR LF.", "5321#2.3.8"


def _of_command(text: str) -> Iterator[Meaning]:
    verb, *words = text.upper().split(" ")
    if verb in _VERBS:
        yield _VERBS[verb]
    if verb == "MAIL":
        for word in words:
            if known := _PARAMETERS.get(word) or _PARAMETERS.get(word.partition("=")[0]):
                yield known


def _of_reply(text: str) -> Iterator[Meaning]:
    code, rest = text[:3], text[4:]
    if not code.isdecimal() or code[0] not in _CLASSES:
        return
    if text[3:4] == "-":
        yield "The hyphen says that the reply goes on in the next line.", "5321#4.2.1"
    if code == "250" and (known := _KEYWORDS.get(rest.partition(" ")[0].upper())):
        yield known
        return
    yield (_CODES[code], "5321#4.2.3") if code in _CODES else (_CLASSES[code[0]], "5321#4.2.1")
    if found := _ENHANCED.match(text):
        subject = int(found[2])
        about = _SUBJECTS[subject] if subject < len(_SUBJECTS) else "something that no RFC defines"
        yield f"{'.'.join(found.groups())}: it is about {about}.", f"3463#3.{subject + 1}" if subject < 8 else "3463#2"
