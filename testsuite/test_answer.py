# SPDX-License-Identifier: ISC
"""answer.c: what a DNS message means. dnspython writes the messages; an independent model in Python reads them."""

import ctypes
import struct
from ctypes import byref
from dataclasses import dataclass, field

import dns.flags
import dns.message
import dns.name
import dns.rdatatype
import dns.rrset
import pytest
from hypothesis import given
from hypothesis import strategies as st

from testsuite.pure import (
    ALIASES_MAX, DNS_ALIAS, DNS_FOUND, DNS_NO_ANSWER, DNS_NO_DATA, DNS_NO_NAME, DNS_NOWHERE, MAXDNAME, Answer, Chain,
    Octets, Record, lib,
)  # fmt: skip

NAMES = [f"{letter}.example" for letter in "abcdefghijk"]
TYPES = {"MX": 15, "A": 1, "AAAA": 28}
DATA = {"MX": "10 mx.example.", "A": "192.0.2.1", "AAAA": "2001:db8::1"}
LONG = ".".join(["x" * 63, "y" * 63, "z" * 63, "w" * 61])  # 253 octets
SOA = ("example", "SOA", "ns.example. root.example. 1 2 3 4 5")
NS = ("example", "NS", "ns.example.")


@dataclass(frozen=True)
class Read:
    """The result of answer_read(): the end of the chain, its length, and the data of the records.

    `names` are those in the records of MX.
    """

    status: int
    name: str
    aliases: int
    data: list[bytes]
    names: list[str] = field(default_factory=list)


def read(wire: bytes, kind: str, *names: str) -> Read:
    """Reads the answer to a question about the last of some names; each is an alias for the next."""
    memory, answer, chain, record, found = Octets(wire), Answer(), Chain(), Record(), Read(0, "", 0, [])
    for number, name in enumerate(names):
        chain.names[number].value = name.encode()
    chain.aliases = len(names) - 1
    status = lib.answer_read(byref(answer), memory.span, TYPES[kind], byref(chain))
    assert len(names) - 1 <= chain.aliases <= ALIASES_MAX
    while status == DNS_FOUND and lib.answer_next(byref(answer), TYPES[kind], byref(chain), byref(record)):
        assert memory.span.data <= record.data and record.data + record.length <= memory.span.data + len(wire)
        found.data.append(ctypes.string_at(record.data, record.length))
        if kind == "MX":
            name = ctypes.create_string_buffer(b"\xa5" * MAXDNAME, MAXDNAME)
            lib.answer_name(byref(answer), byref(record), name)
            assert b"\0" in name.raw
            found.names.append(name.value.decode("ascii"))
    return Read(status, chain.names[chain.aliases].value.decode(), chain.aliases, found.data, found.names)


def message(
    records: list[tuple[str, str, str]],
    rcode: int = 0,
    flags: int = dns.flags.RA,
    authority: tuple[tuple[str, str, str], ...] = (),
) -> bytes:
    """A response, in its octets."""
    response = dns.message.make_response(dns.message.make_query("a.example.", "A"))
    response.flags |= flags
    response.set_rcode(rcode)
    for section, given_records in ((response.answer, records), (response.authority, authority)):
        for owner, kind, data in given_records:
            section.append(dns.rrset.from_text(f"{owner}.", 60, "IN", kind, data))
    return response.to_wire(want_shuffle=False)


def aliases(*names: str) -> list[tuple[str, str, str]]:
    """CNAMEs from each name to the next."""
    return [(name, "CNAME", f"{target}.") for name, target in zip(names, names[1:])]


@pytest.mark.spec("MX-3")
@pytest.mark.parametrize("rcode", range(16))
@pytest.mark.parametrize("kind", TYPES)
def test_only_two_rcodes_are_answers(rcode: int, kind: str) -> None:
    """Whatever is in the message."""
    found = {0: DNS_NO_DATA, 3: DNS_NO_NAME}.get(rcode, DNS_NO_ANSWER)
    assert read(message([], rcode, authority=(SOA,)), kind, "a.example").status == found
    records = [("a.example", kind, DATA[kind])]
    assert read(message(records, rcode), kind, "a.example").status == (DNS_FOUND if rcode in (0, 3) else DNS_NO_ANSWER)


@pytest.mark.spec("MX-3")
@pytest.mark.parametrize(
    ("flags", "authority", "status"),
    [
        (dns.flags.RA, (SOA,), DNS_NO_DATA),
        (dns.flags.RA, (NS, SOA), DNS_NO_DATA),
        (dns.flags.RA, (), DNS_NO_DATA),
        (dns.flags.RA, (NS,), DNS_NO_ANSWER),
        (dns.flags.AA, (NS,), DNS_NO_DATA),
        (dns.flags.AA, (), DNS_NO_DATA),
        (dns.flags.AA | dns.flags.RA, (NS,), DNS_NO_DATA),
        (0, (SOA,), DNS_NO_ANSWER),
        (0, (NS,), DNS_NO_ANSWER),
        (0, (), DNS_NO_ANSWER),
    ],
)
def test_who_may_say_that_there_are_none(flags: int, authority: tuple[tuple[str, str, str], ...], status: int) -> None:
    """RFC 2308, section 2.2: with the SOA record, or without name servers; and only from a server that can know."""
    assert read(message([], 0, flags, authority), "MX", "a.example").status == status
    status = DNS_NO_NAME if flags else DNS_NO_ANSWER
    assert read(message([], 3, flags, authority), "MX", "a.example").status == status
    assert read(message([("a.example", "A", "192.0.2.1")], 0, flags, authority), "A", "a.example").status == DNS_FOUND


@pytest.mark.spec("MX-5")
@pytest.mark.parametrize("kind", TYPES)
def test_aliases(kind: str) -> None:
    """Up to eight, including those of earlier answers; in any order, and in upper or lower case."""
    chain = aliases(*NAMES[: ALIASES_MAX + 1])
    there = (NAMES[ALIASES_MAX], kind, DATA[kind])
    whole = read(message([*chain[::-1], there]), kind, "a.example")
    assert (whole.status, whole.name, whole.aliases, len(whole.data)) == (DNS_FOUND, NAMES[ALIASES_MAX], ALIASES_MAX, 1)
    assert read(message(chain), kind, "a.example") == Read(DNS_ALIAS, NAMES[ALIASES_MAX], ALIASES_MAX, [])
    assert read(message(chain, 3), kind, "a.example").status == DNS_NO_NAME
    assert read(message([*chain, *aliases(*NAMES[8:10])]), kind, "a.example").status == DNS_NOWHERE
    assert read(message(aliases("c.example", "d.example")), kind, *"xyzuvwst", "c.example").status == DNS_NOWHERE
    assert read(message(aliases("A.eXample", "B.EXAMPLE")), kind, "a.example").name == "b.example"
    assert read(message([("A.Example", kind, DATA[kind])]), kind, "a.example").status == DNS_FOUND
    assert read(message([("b.example", kind, DATA[kind])]), kind, "a.example").status == DNS_NO_DATA


@pytest.mark.spec("MX-5")
@pytest.mark.parametrize("target", ["a.example.", "b.example.", ".", "\\.\\..example.", "a\\010b.example.", "x\\032y."])
def test_aliases_that_lead_nowhere(target: str) -> None:
    """A loop, even across answers, and a target that is not a host name."""
    records = [*aliases("a.example", "b.example"), ("b.example", "CNAME", target)]
    assert read(message(records), "A", "a.example").status == DNS_NOWHERE
    assert read(message(records[1:]), "A", "a.example", "b.example").status == DNS_NOWHERE


def test_the_longest_names() -> None:
    """The longest host name is followed; one that is longer as text is ignored, and does no harm."""
    assert read(message(aliases("a.example", LONG)), "A", "a.example").name == LONG
    assert read(message([*aliases("a.example", LONG), (LONG, "A", "192.0.2.1")]), "A", "a.example").status == DNS_FOUND
    unprintable = ".".join(["\\001" * 60] * 4)
    records = [(unprintable, "A", "192.0.2.1"), ("a.example", "A", "192.0.2.2")]
    assert read(message(records), "A", "a.example").data == [bytes([192, 0, 2, 2])]
    assert read(message(aliases("a.example", unprintable)), "A", "a.example").status == DNS_NOWHERE
    exchangers = [f"{preference} {name}." for preference, name in enumerate([LONG, unprintable, ""])]
    told = [("a.example", "MX", exchanger) for exchanger in exchangers]
    assert read(message(told), "MX", "a.example").names == [LONG, unprintable, ""]


@pytest.mark.spec("MX-3")
@pytest.mark.parametrize("octet", range(256))
def test_only_a_whole_response_is_an_answer(octet: int) -> None:
    """Not a question that comes back, one that is about something else, or a part, as a server may send it over TCP."""
    wire = bytearray(message([("a.example", "MX", DATA["MX"])]))
    wire[2] = octet
    whole = octet & 0xFA == 0x80  # QR, QUERY, and not TC
    assert read(bytes(wire), "MX", "a.example").status == (DNS_FOUND if whole else DNS_NO_ANSWER)


NAME = b"\1a\7example\0"
LOOP = struct.pack("!H", 0xC000 | 12 + len(NAME) + 4)  # a pointer to itself, where the first record begins
MALFORMED = {
    "an address that is too short": (NAME, "A", b"\xc0\0\2"),
    "an address that is too long": (NAME, "A", b"\xc0\0\2\1\0"),
    "an IPv6 address of IPv4": (NAME, "AAAA", b"\xc0\0\2\1"),
    "no preference": (NAME, "MX", b"\0"),
    "no exchanger": (NAME, "MX", b"\0\1"),
    "no end of the exchanger": (NAME, "MX", b"\0\1\1a"),
    "something after the exchanger": (NAME, "MX", b"\0\1\1a\0\0"),
    "a pointer beyond the end": (NAME, "MX", b"\0\1\xff\xff"),
    "a label of no known kind": (NAME, "MX", b"\0\1\x80\0"),
    "no target": (NAME, "CNAME", b""),
    "something after the target": (NAME, "CNAME", b"\1b\0\0"),
    "an owner without end": (LOOP, "MX", b"\0\1" + NAME),
    "an owner without end, of another type": (LOOP, "TXT", b"\0"),
}  # fmt: skip


@pytest.mark.spec("MX-3")
@pytest.mark.parametrize("fault", MALFORMED)
@pytest.mark.parametrize("before", [True, False], ids=["before", "after"])
def test_one_malformed_record_is_enough(fault: str, before: bool) -> None:
    """It is not passed over: without it, "there are none" would be said by nobody."""
    owner, kind, data = MALFORMED[fault]
    for asked, good in (("MX", b"\0\1" + NAME), ("A", b"\xc0\0\2\1"), ("AAAA", bytes(16))):
        records = [(owner, kind, data), (NAME, asked, good)][:: 1 if before or owner == LOOP else -1]
        wire = struct.pack("!6H", 1, 0x8180, 1, len(records), 0, 0) + NAME + struct.pack("!2H", TYPES[asked], 1)
        for name, what, octets in records:
            wire += name + struct.pack("!2HIH", dns.rdatatype.from_text(what), 1, 60, len(octets)) + octets
        assert read(wire, asked, "a.example").status == DNS_NO_ANSWER


RECORDS = st.lists(
    st.tuples(st.sampled_from(NAMES), st.sampled_from(["CNAME", *TYPES]), st.sampled_from(NAMES)), max_size=12
)


@given(RECORDS, st.sampled_from([0, 3]), st.sampled_from(sorted(TYPES)))
def test_any_records(records: list[tuple[str, str, str]], rcode: int, kind: str) -> None:
    """The first CNAME of each name counts, and records come before it."""
    told = [(owner, what, f"{name}." if what == "CNAME" else DATA[what]) for owner, what, name in records]
    found = read(message(told, rcode, authority=(SOA,)), kind, "a.example")
    leads: dict[str, str] = {}
    for owner, what, name in records:
        if what == "CNAME":
            leads.setdefault(owner, name)
    has, seen = {owner for owner, what, _ in records if what == kind}, ["a.example"]
    while seen[-1] not in has and seen[-1] in leads:
        if leads[seen[-1]] in seen or len(seen) > ALIASES_MAX:
            assert found.status == DNS_NOWHERE
            return
        seen.append(leads[seen[-1]])
    none = DNS_NO_NAME if rcode == 3 else DNS_ALIAS if len(seen) > 1 else DNS_NO_DATA
    assert (found.status, found.name) == (DNS_FOUND if seen[-1] in has else none, seen[-1])
    assert len(found.data) == sum(owner == seen[-1] for owner, what, _ in records if what == kind)


WHOLE = message(
    [*aliases("a.example", "b.example"), ("b.example", "MX", "10 mx.example."), ("b.example", "A", "192.0.2.1")],
    authority=(NS, SOA),
)


def test_every_cut() -> None:
    """A message without all the records that it counts is no answer."""
    for length in range(len(WHOLE)):
        assert read(WHOLE[:length], "MX", "a.example").status == DNS_NO_ANSWER
    assert read(WHOLE, "MX", "a.example").status == DNS_FOUND


@given(st.binary(max_size=200) | st.binary(max_size=60).map(lambda octets: WHOLE[:12] + octets))
def test_any_octets(octets: bytes) -> None:
    """Nothing is read outside of them."""
    read(octets, "MX", "a.example")


@given(st.lists(st.tuples(st.integers(0, len(WHOLE) - 1), st.integers(0, 255)), min_size=1, max_size=4))
def test_any_damage(changes: list[tuple[int, int]]) -> None:
    """Pointers that lead in circles, lengths that are wrong, names that never end."""
    octets = bytearray(WHOLE)
    for place, octet in changes:
        octets[place] = octet
    for kind in TYPES:
        read(bytes(octets), kind, "a.example")
