# SPDX-License-Identifier: ISC
"""route.c: the most specific line of smtproutes wins, and a malformed line is never skipped."""

import ctypes
import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from testsuite.pure import Octets, Route, lib
from testsuite.tables import expanded, rows

# Few names, so that most lines match most hosts in one way or another.
NAMES = st.sampled_from(["a", "b.a", "c.b.a", "b.b.a"])
LITERALS = st.sampled_from(["[192.0.2.1]", "[2001:db8::1]"])
DOMAINS = st.sampled_from(["", ".a", ".b.a", ".c.b.a"]) | NAMES | LITERALS
RELAYS = NAMES | st.sampled_from(["", "192.0.2.25", "[192.0.2.25]", "[2001:db8::25]"])
PORTS = st.none() | st.integers(1, 65535)
MALFORMED = st.sampled_from(["a", "a:b:0", "a:b:65536", "a:b:x", "a b:c", "..a:b", "a:[b]", "a..b:c", ": x"])
IDLE = st.sampled_from(["", "# a:relay", "#", "  "])

Found = tuple[int, bytes, int]
Line = tuple[str, str, int | None] | str  # the parts of a route, or a line without meaning


def find(text: bytes, host: bytes) -> Found | str:
    """route_find(): line, relay and port; or the line and the complaint."""
    route, file, name = Route(), Octets(text), Octets(host)
    wrong = lib.route_find(file.span, name.span, ctypes.byref(route))
    if wrong:
        return f"{route.line}: {wrong.decode()}"
    relay = ctypes.string_at(route.relay.data, route.relay.length) if route.relay.length else b""
    return route.line, relay, route.port


@st.composite
def files(draw: st.DrawFn) -> list[Line]:
    """The lines of a file."""
    return draw(st.lists(st.tuples(DOMAINS, RELAYS, PORTS) | IDLE, max_size=8))


def written(line: Line, case: bool) -> str:
    """A line of the file."""
    if isinstance(line, str):
        return line
    domain, relay, port = line
    return f"{domain.upper() if case else domain}:{relay}{'' if port is None else f':{port}'}"


def matched(lines: list[Line], host: str) -> Found:
    """The whole host, suffixes from the longest to the shortest, empty domain; the last line wins."""
    routes = {}
    for number, line in enumerate(lines, 1):
        if not isinstance(line, str):
            routes[line[0]] = number, line[1].encode(), line[2] or 25
    labels = [] if host.startswith("[") else host.split(".")
    for domain in (host, *("." + ".".join(labels[index:]) for index in range(1, len(labels))), ""):
        if domain in routes:
            return routes[domain]
    return 0, b"", 25


@pytest.mark.spec("RTE-1", "RTE-3", "RTE-4", "RTE-5", "RTE-6")
@pytest.mark.parametrize(("line", "host", "relay", "port"), rows("route-lines"))
def test_examples_of_lines(line: bytes, host: bytes, relay: bytes, port: bytes) -> None:
    """What is written in the table; even if the line follows others, and has no end."""
    for number, before, after in ((1, b"", b""), (3, b"# remark\n\n", b"\n")):
        found = find(before + expanded(line) + after, host)
        if relay == b"!":
            assert isinstance(found, str) and found.startswith(f"{number}: is malformed")
        else:
            assert found == ((0, b"", 25) if relay == b"-" else (number, relay, int(port)))


@pytest.mark.spec("RTE-2")
@given(files(), NAMES | LITERALS, st.booleans(), st.sampled_from(["\n", "\r\n", " \n"]))
def test_the_most_specific_line_wins(lines: list[Line], host: str, upper: bool, end: str) -> None:
    """An independent matcher agrees, whatever the order of the lines."""
    text = "".join(written(line, upper) + end for line in lines)
    assert find(text.encode(), host.encode()) == matched(lines, host)
    assert find(text.removesuffix(end).encode(), host.encode()) == matched(lines, host)


@pytest.mark.spec("RTE-2")
@pytest.mark.parametrize("host", ["a", "b.a", "c.b.a", "b.b.a", "[192.0.2.1]"])
def test_every_order_of_lines(host: str) -> None:
    """All files of up to four lines, each with one of these domains."""
    for count in range(5):
        for domains in itertools.product(["", ".a", ".b.a", "a", "b.a", "c.b.a", "[192.0.2.1]"], repeat=count):
            lines: list[Line] = [(domain, "relay", None) for domain in domains]
            text = "".join(f"{written(line, False)}\n" for line in lines)
            assert find(text.encode(), host.encode()) == matched(lines, host), text


@pytest.mark.spec("RTE-6")
@given(files(), MALFORMED, files())
def test_a_malformed_line_is_found_wherever_it_stands(before: list[Line], wrong: str, after: list[Line]) -> None:
    """Even if it would not have matched."""
    text = "".join(f"{written(line, False)}\n" for line in [*before, wrong, *after])
    found = find(text.encode(), b"a.b")
    assert isinstance(found, str) and found.startswith(f"{len(before) + 1}: ")
    assert find(text.encode(), b"") == found  # as config.c calls it, without a host


@given(st.binary(max_size=60) | st.text("ab.:[]#0125\n ", max_size=60).map(str.encode), NAMES)
def test_any_file_is_read_to_an_end(text: bytes, host: str) -> None:
    """Arbitrary octets give a complaint or a route with a usable port and relay."""
    found = find(text, host.encode())
    if not isinstance(found, str):
        line, relay, port = found
        assert line <= text.count(b"\n") + 1 and 1 <= port <= 65535
        assert b"\n" not in relay and b" " not in relay
