# SPDX-License-Identifier: ISC
"""exchangers.c: mail exchangers are tried in the right order, and mail never loops through this machine."""

import ctypes
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from testsuite.pure import (
    CANDIDATES_MAX, EXCHANGERS_MAX, Address, Candidate, Exchanger, Exchangers, Families, Octets, address, address_text,
    lib,
)  # fmt: skip

V4 = [f"192.0.2.{number}" for number in range(1, 6)]
V6 = [f"2001:db8::{number}" for number in range(1, 6)]
OWN = ["192.0.2.5", "2001:db8::5"]
SELF = ["127.0.0.1", "127.9.9.9", "0.0.0.0", "::1", "::"]


@dataclass(frozen=True)
class Host:
    """An exchanger as a test writes it."""

    preference: int
    draw: int
    addresses: tuple[str, ...] = ()
    unknown: bool = False


HOSTS = st.lists(
    st.builds(
        Host, st.integers(0, 3) | st.integers(0, 65535), st.integers(0, 2) | st.integers(0, 2**32 - 1),
        st.lists(st.sampled_from([*V4, *V6, *SELF]), max_size=3).map(tuple),
    ),
    max_size=8,
)  # fmt: skip


@contextmanager
def made(hosts: list[Host]) -> Iterator[Exchangers]:
    """The C structs; the name of each is its number."""
    memory = lib.mem_array(max(1, len(hosts)), ctypes.sizeof(Exchanger))
    exchangers = Exchangers(ctypes.cast(memory, ctypes.POINTER(Exchanger)), len(hosts))
    for number, host in enumerate(hosts):
        one = exchangers.list[number]
        one.name, one.preference, one.draw, one.unknown = str(number).encode(), host.preference, host.draw, host.unknown
        for text in host.addresses:
            found = address(text)
            lib.buf_add(ctypes.byref(one.addresses), bytes(found), ctypes.sizeof(Address))
    yield exchangers
    lib.exchangers_free(ctypes.byref(exchangers))
    assert exchangers.count == 0 and not exchangers.list


def numbers(exchangers: Exchangers) -> list[int]:
    """Which hosts are in the list, in its order."""
    return [int(one.name) for one in exchangers.list[: exchangers.count]]


FORMS = {"ipv4": (False,), "ipv6": (True,), "ipv4,ipv6": (False, True), "ipv6,ipv4": (True, False)}  # IPv6?


def families(form: str) -> Families:
    """families_parse(), which must succeed."""
    found, memory = Families(), Octets(form.encode())
    assert lib.families_parse(memory.span, ctypes.byref(found))
    return found


def candidates(exchangers: Exchangers, form: str = "ipv6,ipv4") -> list[tuple[int, str]]:
    """Host and address of each candidate."""
    room = (Candidate * CANDIDATES_MAX)()
    count = lib.exchangers_candidates(ctypes.byref(exchangers), families(form), room)
    return [(int(one.name), address_text(one.address)) for one in room[:count]]


def own_addresses(texts: list[str]) -> ctypes.Array:
    """An array of addresses."""
    return (Address * len(texts))(*map(address, texts))


@pytest.mark.spec("MX-1")
@given(HOSTS)
def test_order(hosts: list[Host]) -> None:
    """The same hosts as before, by preference; equal ones by their random number."""
    with made(hosts) as exchangers:
        lib.exchangers_order(ctypes.byref(exchangers))
        order = numbers(exchangers)
        assert sorted(order) == list(range(len(hosts)))
        keys = [(hosts[number].preference, hosts[number].draw) for number in order]
        assert keys == sorted(keys)


@pytest.mark.spec("MX-5")
@pytest.mark.parametrize("count", [EXCHANGERS_MAX, EXCHANGERS_MAX + 1, 1000])
def test_only_the_best_hundred_are_kept(count: int) -> None:
    """Whatever their number and order. One that is not looked up stands for the others."""
    with made([Host(count - number, 0, (V4[0],)) for number in range(count)]) as exchangers:
        lib.exchangers_order(ctypes.byref(exchangers))
        kept = min(count, EXCHANGERS_MAX + 1)
        assert numbers(exchangers) == list(range(count - 1, count - 1 - kept, -1))
        unknown = [number for number in range(kept) if exchangers.list[number].unknown]
        assert unknown == ([EXCHANGERS_MAX] if count > EXCHANGERS_MAX else [])


@pytest.mark.spec("MX-4")
@given(HOSTS, st.lists(st.sampled_from(OWN), unique=True))
def test_this_machine_and_all_of_equal_or_worse_preference_are_dropped(hosts: list[Host], own: list[str]) -> None:
    """And nothing else is."""
    with made(hosts) as exchangers:
        lib.exchangers_order(ctypes.byref(exchangers))
        before = numbers(exchangers)
        dropped = lib.exchangers_drop_self(ctypes.byref(exchangers), own_addresses(own), len(own))
        selves = [host.preference for host in hosts if {*own, *SELF} & {*host.addresses}]
        best = min(selves, default=65536)
        assert numbers(exchangers) == [number for number in before if hosts[number].preference < best]
        assert bool(dropped) == bool(selves)


@pytest.mark.spec("FAM-1")
@given(st.sampled_from([*FORMS, "ipv4, ipv6", "IPv4", ""]) | st.text("ipv46,", max_size=10))
def test_the_forms_of_families(form: str) -> None:
    """There are four, letter for letter."""
    memory = Octets(form.encode())
    assert lib.families_parse(memory.span, ctypes.byref(Families())) == (form in FORMS)


@pytest.mark.spec("MX-2", "FAM-1", "CON-1")
@given(HOSTS, st.sampled_from([*FORMS]))
def test_every_address_is_a_candidate(hosts: list[Host], form: str) -> None:
    """In the order of the hosts, by turns one of each family, and the addresses of a family as they came."""
    with made(hosts) as exchangers:
        found = candidates(exchangers, form)
    assert [number for number, _ in found] == sorted(number for number, _ in found)
    for number, host in enumerate(hosts):
        mine = [text for place, text in found if place == number]
        known = {v6: [text for text in host.addresses if (":" in text) == v6] for v6 in FORMS[form]}
        assert {v6: [text for text in mine if (":" in text) == v6] for v6 in FORMS[form]} == known
        both = 2 * min(map(len, known.values())) if len(known) == 2 else 0
        assert [":" in text for text in mine[:both]] == [*FORMS[form]] * (both // 2)
        assert len({":" in text for text in mine[both:]}) <= 1


@pytest.mark.spec("MX-5")
def test_at_most_a_hundred_candidates() -> None:
    """The other addresses are left out, without a crash; neither family crowds out the other."""
    with made([Host(0, 0, tuple(V4 * 20 + V6 * 20)), Host(1, 0, tuple(V4))]) as exchangers:
        assert candidates(exchangers) == [(0, text) for pair in zip(V6 * 10, V4 * 10) for text in pair]
    with made([Host(0, 0, tuple(V4 * 20)[:99]), Host(1, 0, tuple(V4))]) as exchangers:
        assert candidates(exchangers)[98:] == [(0, V4[3]), (1, V4[0])]


@given(st.lists(st.booleans()))
def test_the_first_unknown_host_is_named(unknown: list[bool]) -> None:
    """exchangers_unknown() names one whose lookup failed for now."""
    with made([Host(0, 0, (), one) for one in unknown]) as exchangers:
        expected = str(unknown.index(True)).encode() if True in unknown else None
        assert lib.exchangers_unknown(ctypes.byref(exchangers)) == expected
