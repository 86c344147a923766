"""What counts as the same message, and what does not."""

import pytest

from mocksrv.messages import difference

GIVEN = b"Subject: hi\nTo: bob@example.org\n\nHello.\n"
LATIN = b"Subject: hi\nContent-Type: text/plain; charset=latin1\nContent-Transfer-Encoding: 8bit\n\nGr\xfc\xdfe.\n"
PARTS = (
    b"Content-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: text/plain\n\none\n"
    b"--b\nContent-Type: application/octet-stream\nContent-Transfer-Encoding: base64\n\nAAEC\n--b--\n"
)


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
        (b"a\rb\n", b"a\r\nb\r\n"),
        (LATIN, LATIN.replace(b"8bit", b"quoted-printable").replace(b"\xfc\xdf", b"=FC=DF")),
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
    ],
)
def test_not_the_same(given: bytes, arrived: bytes, what: str) -> None:
    assert what in str(difference(given, arrived))
