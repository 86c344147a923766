# SPDX-License-Identifier: ISC
"""A policy in one line: the meaning of each option."""

import pytest

from mocksrv.case.steps import Close, Starttls
from mocksrv.play.policy import END, GREETING
from mocksrv.serve.oneline import OFFERS, Line, Offers, Recipient, Reply, handshake

REPLY = "not a reply"


@pytest.mark.parametrize(
    ("place", "word", "said"),
    [
        ("RCPT", "550", "550 5.1.1 no such mailbox"),
        ("MAIL", "550", "550 5.7.1 not from this sender"),
        (END, "550", "550 5.7.1 this message is not wanted"),
        (END, "451", "451 4.3.0 try again later"),
        ("DATA", "554", "554 5.0.0 no"),
        ("MAIL", "299", "299 2.0.0 ok"),
        ("DATA", "355", "355 go on"),
        ("RCPT", "550 no", "550 no"),
        ("RCPT", "550 ", "550"),
        ("RCPT", "550 5.1.1 ünbekannt", "550 5.1.1 ünbekannt"),
        ("EHLO", "502", "502 mx not here"),
        ("EHLO", "250", "250 mx"),
        (GREETING, "220", "220 mx ESMTP mocksrv"),
        (GREETING, "554", "554 mx no"),
        (GREETING, "450", "450 mx not now"),
        (GREETING, "220 mine", "220 mine"),
    ],
)
def test_replies(place: str, word: str, said: str) -> None:
    """With an enhanced code, except where there is none (RFC 2034, section 4), and with 3xx."""
    reaction = Reply.parse(word).reaction(place, "mx")
    assert (reaction.octets, reaction.then) == (f"{said}\r\n".encode(), ())


def test_421_hangs_up() -> None:
    (step,) = Reply.parse("421").reaction("MAIL", "mx").then
    assert isinstance(step, Close)


@pytest.mark.parametrize(
    ("word", "lines"),
    [
        ("PIPELINING,SIZE=1000", ("PIPELINING", "SIZE 1000")),
        ("AUTH=PLAIN LOGIN, DSN", ("AUTH PLAIN LOGIN", "DSN")),
        ("X-1=a=b", ("X-1 a=b",)),
        ("", ()),
    ],
)
def test_offers(word: str, lines: tuple[str, ...]) -> None:
    assert Offers.parse(word) == Offers(lines)


def test_what_ehlo_is_told() -> None:
    offered = Line(host="mx").policy().reactions
    lines = ["250-mx", *(f"250-{one}" for one in OFFERS[:-1]), f"250 {OFFERS[-1]}", ""]
    assert offered["EHLO"][0].octets.decode().split("\r\n") == lines
    assert offered["EHLO"] == offered["EHLO tls"]
    assert Line(host="mx", ehlo=Offers(())).policy().reactions["EHLO"][0].octets == b"250 mx\r\n"
    secure = Line(host="mx", ehlo=Offers(("DSN",)), starttls=handshake("mx")).policy().reactions
    assert secure["EHLO"][0].octets == b"250-mx\r\n250-DSN\r\n250 STARTTLS\r\n"
    assert secure["EHLO tls"][0].octets == b"250-mx\r\n250 DSN\r\n"


@pytest.mark.parametrize(
    ("word", "address", "reply"),
    [
        ("bob@example.org=550", "bob@example.org", Reply("550", None)),
        ("<bob@example.org>=451 later", "bob@example.org", Reply("451", "later")),
        ("a=250@x=450 b=250", "a=250@x", Reply("450", "b=250")),
        ("*=550", "*", Reply("550", None)),
    ],
)
def test_recipients(word: str, address: str, reply: Reply) -> None:
    """An address may have `=` in it, and so may a text."""
    assert Recipient.parse(word) == Recipient(address, reply)


@pytest.mark.parametrize("word", ["", "25", "199", "600", "2500", "250-x", "x", "250 a\r\nb", "250 \x1b", "250\n"])
def test_no_replies(word: str) -> None:
    with pytest.raises(ValueError, match="not a reply"):
        Reply.parse(word)


@pytest.mark.parametrize("word", [",", "A,", "=1", "A=", "A B", "-A", "A=\n", "A= b", "Ä"])
def test_no_offers(word: str) -> None:
    with pytest.raises(ValueError, match="neither KEYWORD nor KEYWORD=VALUE"):
        Offers.parse(word)


def test_a_handshake_with_options() -> None:
    step = handshake("mx records=100")
    assert isinstance(step, Starttls)
    assert (step.terms.credential.name, step.terms.records) == ("mx", 100)
