# SPDX-License-Identifier: ISC
"""ehlo.c: keywords are found in any case, order and company, and nothing else is taken for one."""

import ctypes

import pytest
from hypothesis import given
from hypothesis import strategies as st

from testsuite.pure import Capabilities, Octets, feed, lib, read_reply
from testsuite.tables import rows

pytestmark = pytest.mark.spec("EXT-1", "EXT-2")

MECHANISMS = ["SCRAM-SHA-256", "SCRAM-SHA-1", "PLAIN", "LOGIN"]
KEYWORDS = ["PIPELINING", "8BITMIME", "SMTPUTF8", "CHUNKING", "BINARYMIME", "STARTTLS", "SIZE 1000"]
STRANGERS = ["HELP", "X", "", "DSN", "XPIPELINING", "PIPELININGS", "XAUTH PLAIN 8BITMIME", "PLAIN", " SIZE 5", "8BITMIME\0"]


def one_line(octets: bytes) -> bytes:
    """Octets without LF."""
    return octets.replace(b"\n", b" ")


LINES = st.lists(st.binary(max_size=20).map(one_line), max_size=5)


def parse(lines: list[bytes]) -> Capabilities:
    """ehlo_parse() of a reply with these lines after its first."""
    texts = [b"mx.example.org", *lines]
    octets = b"".join(b"250-" + text + b"\r\n" for text in texts[:-1]) + b"250 " + texts[-1] + b"\r\n"
    return lib.ehlo_parse(ctypes.byref(read_reply(octets)))


def described(offers: Capabilities) -> set[str]:
    """As the table writes it."""
    flags = {name for name, kind in offers._fields_ if kind is ctypes.c_bool and getattr(offers, name)}
    flags |= {name for name, offered in zip(MECHANISMS, offers.mechanisms) if offered}
    assert offers.auth or not any(offers.mechanisms)
    if "size" in flags:
        return flags - {"size"} | {f"size={offers.size_limit}"}
    assert offers.size_limit == 0
    return flags


@pytest.mark.parametrize(("lines", "offers"), rows("ehlo-lines"))
def test_examples(lines: bytes, offers: bytes) -> None:
    """What is written in the table."""
    assert described(parse(lines.split(b"\n") if lines else [])) == set(offers.decode().split())


@given(st.sets(st.sampled_from(KEYWORDS)), st.lists(st.sampled_from(STRANGERS)), st.randoms(use_true_random=False))
def test_order_case_and_company_change_nothing(keywords: set[str], strangers: list[str], random) -> None:
    """A server offers what it names, in any form."""
    lines = [*keywords, *strangers]
    random.shuffle(lines)
    cased = ["".join(random.choice((c.lower(), c.upper())) for c in line) for line in lines]
    names = {"8BITMIME": "eightbitmime", "SIZE 1000": "size=1000"}
    assert described(parse([line.encode() for line in cased])) == {names.get(one, one.lower()) for one in keywords}


@given(st.sets(st.sampled_from([*KEYWORDS, "AUTH " + " ".join(MECHANISMS)])), st.sets(st.sampled_from([*KEYWORDS, *MECHANISMS])))
def test_what_is_ignored_is_not_offered(offered: set[str], ignored: set[str]) -> None:
    """The rest is; and no size limit is left of SIZE."""
    offers, words = parse([one.encode() for one in offered]), [one.split()[0].encode() for one in ignored]
    before, without = described(offers), Capabilities()
    for word in map(Octets, words):
        assert lib.ehlo_add(ctypes.byref(without), word.span) != lib.ehlo_add_mechanism(ctypes.byref(without), word.span)
    lib.ehlo_ignore(ctypes.byref(offers), ctypes.byref(without))
    gone = {{"8BITMIME": "eightbitmime", "SIZE 1000": "size=1000"}.get(one, one if one in MECHANISMS else one.lower()) for one in ignored}
    assert described(offers) == before - gone


def test_the_first_line_offers_nothing() -> None:
    """It holds the server's name, even if that is the name of an extension."""
    assert described(lib.ehlo_parse(ctypes.byref(read_reply(b"250-PIPELINING\r\n250 SMTPUTF8\r\n")))) == {"smtputf8"}
    assert described(lib.ehlo_parse(ctypes.byref(read_reply(b"250 PIPELINING\r\n")))) == set()


@given(LINES)
def test_no_line_does_harm(lines: list[bytes]) -> None:
    """Arbitrary octets are read without a crash; a bare code too."""
    parse(lines)
    lib.ehlo_parse(ctypes.byref(feed([b"250-x\n250-\n250\n"])[1]))
