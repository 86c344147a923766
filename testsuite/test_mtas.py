# SPDX-License-Identifier: ISC
"""Interoperability with Postfix and Exim: after their own trace fields they store what was to be sent.

Both offer CHUNKING. With it switched off, and then 8BITMIME too, the same messages go by DATA, recoded where they must.
"""

import re
from pathlib import Path

import pytest

from mocksrv.case.octets import canonical, first_difference, visible
from mocksrv.world import sandbox
from testsuite.mtas import DOMAIN, Exim, Mta, Offers, Postfix, missing
from testsuite.peer import HOST, SENDER, Outcome, qremote
from testsuite.pure import recode

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(missing() is not None, reason=f"{missing()}"),
    pytest.mark.parametrize("mta", [Postfix, Exim]),
]

FIXTURES = Path(__file__).parent.parent / "fixtures/messages"
MESSAGES = {path.stem: path.read_bytes() for path in sorted(FIXTURES.glob("*.eml"))} | {"nothing": b""}
# Which cannot be made legal: not without 8BITMIME, or not at all.
MARKS = dict(re.findall(r"^(\S+)\.eml .*\[(7bit|DATA)\]$", (FIXTURES / "README").read_text(), re.M))
OFFERS = {
    "CHUNKING": Offers(),
    "8BITMIME": Offers(chunking=False),
    "neither": Offers(chunking=False, eightbitmime=False),
}

# What a server changes: for each message in which it does, where, and what it puts there. A message that goes as it is
# must have that place; one that is recoded need not.
Changes = dict[str, tuple[bytes, bytes]]
# Both add a missing blank line after the header, before the first line that is not a field. (If Qremote
# recodes such a message, it does so itself.)
UNENDED: Changes = {
    **dict.fromkeys(("bare-cr", "lone-dot", "no-header-8bit", "no-header-long"), (rb"\A(?=[^:\n]+\n)", b"\n")),
    "header-malformed": (rb"(?<=: 8bit\n)(?=this line is no field\n)", b"\n"),
    # Where we continue the header, as qmail and procmail do.
    "from-line": (rb"(?<=-0000\n)(?=From alice)", b"\n"),
}
CHANGES: dict[type[Mta], Changes] = {
    # For Postfix a header field is a C string: everything after a NUL in it is lost.
    Postfix: {"nul-header": (rb"(?<=a NUL )\0 here(?=\n)", b"")} | UNENDED,
    Exim: {
        # For Exim it is text, in which a NUL is an error.
        "nul-header": (rb"(?<=a NUL )\0(?= here\n)", b"?"),
        # It writes the blank line after the header even if nothing follows.
        **dict.fromkeys(("headers-only", "header-only-long", "nothing"), (rb"(?<!\n\n)\Z", b"\n")),
    }
    | UNENDED,
}


def to_be_sent(message: bytes, offers: Offers) -> tuple[bytes | None, str]:
    """What must arrive of a message, and how the report says it went; None for what cannot be sent."""
    whole = canonical(message)
    if offers.chunking:
        return whole, " (chunked)"
    longest = max(map(len, whole.split(b"\r\n")))
    if b"\0" not in message and longest <= 998 and (offers.eightbitmime or message.isascii()):
        return whole, ""
    recoded = recode(message, offers.eightbitmime, offers.eightbitmime)
    if recoded.trouble:
        return None, ""
    return re.sub(rb"(?m)^\.", b"", recoded.wire), " (quoted-printable)" if recoded.quoted_printable else ""


def as_stored(mta: type[Mta], name: str, sent: bytes) -> bytes:
    """What this server makes of the octets that went out for a message: line ends, and what CHANGES says."""
    octets = sent.replace(b"\r\n", b"\n")
    if name not in CHANGES[mta]:
        return octets
    changed, count = re.subn(*CHANGES[mta][name], octets)
    assert count == 1 or sent != canonical(MESSAGES[name]), f"{name} does not have what CHANGES says"
    return changed


Delivery = tuple[Outcome, list[bytes]]


def deliver_all(mta: type[Mta], offers: Offers) -> dict[str, Delivery]:
    """What came of each message, and what is in the box of its name."""
    with mta(list(MESSAGES), offers) as server:
        outcomes = {name: qremote(HOST, SENDER, f"{name}@{DOMAIN}", message=text) for name, text in MESSAGES.items()}
        server.settle()
        return {name: (outcome, server.stored(name)) for name, outcome in outcomes.items()}


def flaw(mta: type[Mta], name: str, offers: Offers, delivery: Delivery) -> str | None:
    """What is wrong with a delivery."""
    outcome, stored = delivery
    sent, how = to_be_sent(MESSAGES[name], offers)
    if sent is None:
        return None if (outcome.letters, stored) == ("D", []) and "(#5.6.3)" in outcome.report else f"{delivery}"
    if outcome.letters != "rK" or len(stored) != 1 or f" accepted message{how}.\n" not in outcome.report:
        return f"not accepted once{how}: {delivery}"
    trace = mta.trace_of(name).match(stored[0])
    if not trace:
        return f"other trace fields: {visible(stored[0][:500])}"
    utf8 = recode(MESSAGES[name], offers.eightbitmime, offers.eightbitmime).utf8_header
    if (b"utf8" in trace[1].lower()) != utf8:
        return f"came as {trace[1].decode()}"
    found, expected = stored[0][trace.end() :], as_stored(mta, name, sent)
    return None if found == expected else difference(found, expected)


def difference(found: bytes, expected: bytes) -> str:
    """Where the two differ first, with some octets around."""
    index = first_difference(found, expected)
    here = slice(max(0, index - 30), index + 30)
    return f"at octet {index}: stored {visible(found[here])!r}, not {visible(expected[here])!r}"


@pytest.mark.spec("IN-3", "TR-1", "TR-2", "TR-3", "TR-4", "TR-5", "TR-6", "TR-7", "TR-8", "EXT-5", "EXT-7", "RES-9")
@pytest.mark.parametrize("offered", OFFERS)
def test_every_message_is_stored(mta: type[Mta], offered: str) -> None:
    """As it was sent, in the box of its recipient, and once; or not at all, and 5.6.3 is reported."""
    offers = OFFERS[offered]
    deliveries = sandbox.run(deliver_all, mta, offers, all_users=True)
    flaws = [f"{name}: {text}" for name in MESSAGES if (text := flaw(mta, name, offers, deliveries[name]))]
    assert not flaws, "\n".join(flaws)
    unsendable = {name for name in MESSAGES if to_be_sent(MESSAGES[name], offers)[0] is None}
    marks = () if offers.chunking else ("DATA",) if offers.eightbitmime else ("DATA", "7bit")
    assert unsendable == {name for name, mark in MARKS.items() if mark in marks}


def deliver_to_strangers(mta: type[Mta], offers: Offers) -> dict[str, tuple[str, str, int]]:
    """For each message: the reports with a known recipient among strangers, and without; how many were stored."""
    first, last = f"stranger@{DOMAIN}", f"stray@{DOMAIN}"
    names, letters = ("plain", "large"), {}
    with mta(names, offers) as server:
        for name in names:
            among = qremote(HOST, SENDER, first, f"{name}@{DOMAIN}", last, message=MESSAGES[name])
            alone = qremote(HOST, SENDER, first, last, message=MESSAGES[name])
            letters[name] = (among.letters, alone.letters)
        server.settle()
        return {name: (*letters[name], len(server.stored(name))) for name in names}


@pytest.mark.spec("EXT-5", "RES-2", "RES-4", "RES-8")
@pytest.mark.parametrize("offered", OFFERS)
def test_refused_recipients(mta: type[Mta], offered: str) -> None:
    """Each is reported in its place, by DATA and by BDAT."""
    found = sandbox.run(deliver_to_strangers, mta, OFFERS[offered], all_users=True)
    assert found == dict.fromkeys(("plain", "large"), ("hrhK", "hhD", 1))
