# SPDX-License-Identifier: ISC
"""What counts as the same message, and what does not."""

import re
from pathlib import Path

import pytest

from mocksrv.case.file import read_case
from mocksrv.case.pattern import Facts
from mocksrv.case.templates import find_cases
from mocksrv.judge.clients import delivery
from mocksrv.judge.messages import difference, is_regular, may_be_refused
from mocksrv.play.policy import of_dialogue
from mocksrv.world import home

ROOT = Path(__file__).parent.parent.parent

GIVEN = b"Subject: hi\nTo: bob@example.org\n\nHello.\n"
LATIN = b"Subject: hi\nContent-Type: text/plain; charset=latin1\nContent-Transfer-Encoding: 8bit\n\nGr\xfc\xdfe.\n"
PARTS = (
    b"Content-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: text/plain\n\none\n"
    b"--b\nContent-Type: application/octet-stream\nContent-Transfer-Encoding: base64\n\nAAEC\n--b--\n"
)
NAMED = (
    b"Content-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: text/x; name=a\n"
    b"Content-Disposition: attachment; filename=a\n\none\n"
    b"--b\nContent-Type: message/rfc822\n\nSubject: within\n\ntwo\n--b--\n"
)
STATUS = b"Content-Type: message/delivery-status\n\nAction: failed\nDiagnostic-Code: smtp; 550 \xe4\0" + b"w" * 9 + b"\n"
RAW = 'Subject: Grüße\nFrom: "Jö A" <j@x>\n\nx\n'.encode()
NAME = "From: Jö Ü <j@x>\n"
# What a reader is shown otherwise, and what RFC 2047 does not allow.
BAD_WORDS = [
    (NAME, b"From: =?utf-8?Q?J=C3=B6?= =?utf-8?Q?=C3=9C?= <j@x>\n"),
    ("Subject: (ü)\n", b"Subject: (=?utf-8?Q?=C3=BC?=)\n"),
    (NAME, b"From: =?iso-8859-1?Q?J=C3=B6_=C3=9C?= <j@x>\n"),
    (NAME, b"From: =?utf-8?Q?J=C3?= =?utf-8?Q?=B6_=C3=9C?= <j@x>\n"),
    (NAME, b'From: "=?utf-8?Q?J=C3=B6_=C3=9C?=" <j@x>\n'),
    (NAME, b"From: =?utf-8?Q?J=C3=B6_=C3=9C?=<j@x>\n"),
    (NAME, b"From: =?utf-8?b?A?= <j@x>\n"),
    ("From: <ü@x>\n", b"From: <=?utf-8?Q?=C3=BC?=@x>\n"),
    ("From: <ü@x>\n", b"From: < =?utf-8?Q?=C3=BC=40x?= >\n"),
    ("To: ü@x\n", b"To: =?utf-8?Q?=C3=BC=40x?=\n"),
    ("Subject: aü b\n", b"Subject: a=?utf-8?Q?=C3=BC?= b\n"),
    ("Subject: " + "ü" * 40 + "\n", b"Subject: =?utf-8?Q?" + b"=C3=BC" * 40 + b"?=\n"),
]
LONG = b"Subject: " + b"word " * 300 + b"x" * 1200 + b"\n\nHello.\n"


@pytest.mark.parametrize(
    ("given", "arrived"),
    [
        (GIVEN, GIVEN),
        (GIVEN, GIVEN.replace(b"\n", b"\r\n")),
        (GIVEN, b"Received: by x; now\r\n\tand then\r\n" + GIVEN),
        (GIVEN, GIVEN.replace(b"\n\n", b"\nMessage-Id: <1@x>\nDate: now\n\n")),
        (GIVEN, b"Received: by x\n" + GIVEN.replace(b"To: bob", b"To:\n bob")),
        (b"no header at all\n", b"Received: by x\n\nno header at all\n"[:15] + b"no header at all\n"),
        (b"", b""),
        (b"", b"Received: by x\n"),
        (LONG, LONG.replace(b"x" * 900, b"x" * 900 + b"\n ").replace(b"word word ", b"word\n\tword ")),
        (LONG.replace(b"word word ", b"word\n word  "), LONG),
        (GIVEN, b"MIME-Version: 1.0\nContent-Type: text/plain; charset=us-ascii\n" + GIVEN),
        (b"a\rb\n", b"a\r\nb\r\n"),
        (LATIN, LATIN.replace(b"8bit", b"quoted-printable").replace(b"\xfc\xdf", b"=FC=DF")),
        (LATIN.replace(b"8bit", b"8-bit"), LATIN.replace(b"8bit", b"quoted-printable").replace(b"\xfc\xdf", b"=FC=DF")),
        (b"From a@b\n" + GIVEN, GIVEN),
        (RAW, RAW.replace(b"Gr\xc3\xbc\xc3\x9fe", b"=?utf-8?Q?Gr=C3=BC=C3=9Fe?=").replace(b'"J\xc3\xb6 A"', b"=?utf-8?b?SsO2?=\n =?utf-8?q?_A?=")),
        (NAME.encode(), b"From: =?iso-8859-1?q?J=F6_?=\n\t=?utf-8?B?w5w=?= <j@x>\n"),
        (NAME.replace(" <j@x>", ", ä (ß) <a@b>").encode(), b"From: =?utf-8?q?J=C3=B6_=C3=9C?= , =?utf-8?q?=C3=A4?= (=?utf-8?q?=C3=9F?=) <a@b>\n"),
        ('To: "x y"@b, ü <"x y"@b>\n'.encode(), b'To: "x y"@b, =?utf-8?q?=C3=BC?= <"x y"@b>\n'),
        ("Subject: ü =?x\n".encode(), b"Subject: =?utf-8?q?=C3=BC?= =?x\n"),
        (b"Subject: \xe9\n", b"Subject: =?iso-8859-1?q?=E9?=\n"),
        (STATUS, STATUS.replace(b"\xe4", b"?").replace(b"\0", b"?").replace(b"w" * 9, b"w" * 6 + b"\n www")),
        (LATIN, LATIN.replace(b"8bit", b"base64").replace(b"Gr\xfc\xdfe.\n", b"R3L832UuDQo=\n")),
        (PARTS, PARTS.replace(b"AAEC", b"AA\nEC")),
        (GIVEN, GIVEN.replace(b"\n\nHello", b"\nContent-Type: text/plain\nContent-Transfer-Encoding: base64\n\nSGVsbG8")
         .replace(b"SGVsbG8.", b"SGVsbG8uDQo=")),
        (PARTS.replace(b"boundary=b", b"boundary(b=)=\"\\b\""), PARTS.replace(b"AAEC", b"A\nA\nEC")),
        (GIVEN.replace(b"To:", b"To: alice@sender.example,\n "), GIVEN.replace(b"To:", b"To:alice@sender.example,\n\t")),
        (PARTS, PARTS.replace(b"text/plain\n\none", b"text/plain\nContent-Transfer-Encoding: base64\n\nb25l")),
    ],
)
def test_the_same(given: bytes, arrived: bytes) -> None:
    assert difference(given, arrived) is None


@pytest.mark.parametrize(
    ("given", "arrived", "what"),
    [
        (GIVEN, GIVEN + b"More.\n", "the body differs"),
        (GIVEN, GIVEN.replace(b"Hello.", b"Hallo."), "the body differs"),
        (GIVEN, GIVEN.replace(b"Subject: hi\n", b""), "the field subject is gone"),
        (GIVEN, GIVEN.replace(b"hi", b"ho"), "the field subject is gone, changed"),
        (GIVEN, b"To: bob@example.org\nSubject: hi\n\nHello.\n", "out of order"),
        (GIVEN, b"no field\n" + GIVEN, "the field subject is gone"),
        (LATIN, LATIN.replace(b"\xfc\xdf", b"??"), "the body differs"),
        (LATIN, LATIN.replace(b"8bit", b"quoted-printable").replace(b"\xfc\xdf", b"=FC=DE"), "the body differs"),
        (PARTS, PARTS.replace(b"AAEC", b"AAED"), "the content of part 2 differs"),
        (PARTS, PARTS.replace(b"--b\nContent-Type: text/plain\n\none\n", b""), "parts arrived"),
        (b"", b"x\n", "differs"),
        (GIVEN, GIVEN.replace(b"bob@", b"bo b@"), "the field to is gone, changed"),
        (GIVEN.replace(b"hi", b"now here"), GIVEN.replace(b"hi", b"nowhere"), "the field subject is gone, changed"),
        (GIVEN, b"Subject: SPAM\n" + GIVEN, "the field subject arrived more than once"),
        (GIVEN, b"Content-Type: text/html\n" + GIVEN, "the type text/plain is gone or changed"),
        (GIVEN + b"\n", GIVEN, "the body differs"),
        (LATIN, LATIN.replace(b"Content-Type: text/plain; charset=latin1\n", b""), "the type text/plain is gone or changed"),
        (LATIN, LATIN.replace(b"latin1", b"utf-8"), "the parameter charset of the type is gone or changed"),
        (LATIN, LATIN.replace(b"latin1", b"utf-8").replace(b"8bit", b"base64"), "charset"),
        (LATIN, LATIN.replace(b"8bit", b"base64"), "the body differs"),
        (LATIN, LATIN.replace(b"8bit", b"x-rot13").replace(b"G", b"T"), "the body differs"),
        (NAMED, NAMED.replace(b"Content-Disposition: attachment; filename=a\n", b""), "content-disposition is gone, .* part 1"),
        (RAW, RAW.replace(b"\xc3\xbc\xc3\x9f", b"??").replace(b"\xc3\xb6", b"?"), "the field subject is gone"),
        (RAW, RAW.replace(b"Gr\xc3\xbc\xc3\x9fe", b"=?utf-8?Q?Gr=C3=BC=C3=9F?="), "the field subject is gone"),
        (STATUS, STATUS.replace(b"failed", b"f?iled"), "the body differs"),
        *((given.encode(), arrived, "is gone, changed") for given, arrived in BAD_WORDS),
        (LATIN, LATIN.replace(b"\xfc\xdf", b"??"), "the body differs"),
        (NAMED, NAMED.replace(b"; name=a", b""), "the parameter name of the type is gone or changed in part 1"),
        (NAMED, NAMED.replace(b"Subject: within", b"Subject: without"), "the field subject is gone, .* in part 2"),
        (NAMED, NAMED.replace(b"--b--", b"--b\n\nmore\n--b--"), "3 parts arrived, 2 were given"),
    ],
)
def test_not_the_same(given: bytes, arrived: bytes, what: str) -> None:
    found = difference(given, arrived)
    assert found and re.search(what, found.what)


def test_what_qremote_makes_of_a_message_is_the_same() -> None:
    """Whatever the corpus says that it sends of it."""
    for path in find_cases(ROOT / "fixtures/cases"):
        case = read_case(path)
        facts = Facts(home.helo(case), case.message)
        for dialogue in case.dialogues if delivery(case) else ():
            if not (dialogue.never or dialogue.refused or dialogue.unanswered):
                assert [difference(case.message, one) for one in of_dialogue(dialogue, facts).messages] in ([], [None]), path


@pytest.mark.parametrize(
    ("message", "regular"),
    [
        (b"", True), (b"A: b\n\nc\r\n\xe9", True), (b"a" * 998 + b"\n", True), (b"a" * 999 + b"\r\n", False), (b"a\0", False),
        (b"a\rb\n", False), (b"a\r", False), (b"\na\n", False), (b"\n", False), (b"From: a\nFrom: b\n\nc\n", False),
        (b"Received: a\nReceived: b\n\nc\n", True), (b"From me\nA: b\n\nc\n", False), (STATUS.replace(b"\0", b""), False),
    ],
    ids=lambda value: repr(value)[-20:],
)  # fmt: skip
def test_which_messages_could_be_sent_as_they_are(message: bytes, regular: bool) -> None:
    assert is_regular(message) == regular


@pytest.mark.parametrize(
    ("message", "refusable"),
    [
        (b"", ()), (b"A: b\n", ()), (b"A: b\n\nc", ()), (b"A: b\n\n\xe9\n", ("7bit",)), (b"A: \xe9\n\nc\n", ("7bit", "8bit")),
        (b"A: b\nno field\n", ("7bit", "8bit")), (b"no field\n", ("7bit", "8bit")), (b"A: b\n\n" + b"c" * 999, ("7bit", "8bit")),
        (NAMED.replace(b"Subject: within", b"Subject: \xc3\xa4"), ("7bit", "8bit")),
        (b"Content-Type: message/global\n\nA: \xc3\xa4\n", ("7bit", "8bit")),
        (b"Content-Type: message/rfc822\n\nA: b\n\n\xc3\xa4\n", ("7bit",)),
    ],
    ids=lambda value: repr(value)[-20:],
)  # fmt: skip
def test_which_messages_need_not_be_sent(message: bytes, refusable: tuple[str, ...]) -> None:
    """Where all servers offer 8BITMIME, and where one does not."""
    assert [may_be_refused(message, eight_bits) for eight_bits in (False, True)] == ["7bit" in refusable, "8bit" in refusable]
