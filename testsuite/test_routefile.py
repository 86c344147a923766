# SPDX-License-Identifier: ISC
"""routefile.c: each key of a file of smtproutes.d means what it says, in any order, and a malformed line is never skipped."""

import ctypes
import socket

import pytest
from hypothesis import given
from hypothesis import strategies as st

from testsuite import pure
from testsuite.pure import Address, Octets, Route, Span, lib

RELAYS = ["relay.example", "relay.example.", "192.0.2.25", "[192.0.2.25]", "2001:db8::25", "[2001:db8::25]", "[IPv6:2001:db8::25]"]
IPV4, IPV6 = ["192.0.2.1", "0.0.0.0"], ["2001:db8::1", "::"]
TLS = {"may": pure.ROUTE_TLS_MAY, "must": pure.ROUTE_TLS_MUST, "verify": pure.ROUTE_TLS_VERIFY, "off": pure.ROUTE_TLS_OFF}
EXTENSIONS = {
    "8BITMIME": "eightbitmime", "BINARYMIME": "binarymime", "CHUNKING": "chunking", "PIPELINING": "pipelining",
    "SIZE": "size", "SMTPUTF8": "smtputf8",
}  # fmt: skip
FAMILIES = {socket.AF_INET: "ipv4", socket.AF_INET6: "ipv6"}
VALUES = {
    "relay": st.sampled_from(RELAYS),
    "port": st.integers(1, 65535).map(str),
    "clientcert": st.sampled_from(["a", "certs/example.pem", "with space.pem", "zertifikat-für-alle.pem"]),
    "outgoingip": st.sampled_from(IPV4),
    "outgoingip6": st.sampled_from(IPV6),
    "families": st.sampled_from(["ipv4", "ipv6", "ipv4,ipv6", "ipv6,ipv4"]),
    "tls": st.sampled_from(sorted(TLS)),
    "ignore": st.lists(st.sampled_from(sorted(EXTENSIONS)), min_size=1, max_size=5).map(",".join),
}
SECRETS = st.text(st.characters(blacklist_categories=("Cc", "Cs")), min_size=1, max_size=30).map(str.rstrip).filter(bool)
FILES = st.fixed_dictionaries({}, optional=VALUES) | st.fixed_dictionaries(
    {"relay": VALUES["relay"], "user": SECRETS, "password": SECRETS},
    optional={key: values for key, values in VALUES.items() if key != "relay"},
)
IDLE = st.sampled_from(["", "  \t", "# relay=x", "#"])
MALFORMED = st.sampled_from(
    [
        "relay", "=", "=x", "Port=25", " port=25", "port =25", "user", "port=", "port=0", "port=65536", "port=-1", "port=25x",
        "relay=a..b", "relay=a:25", "relay=[a]", "relay=a b", "clientcert=/a", "clientcert=a/../b", f"clientcert={'a' * 256}",
        "outgoingip=::1", "outgoingip=localhost", "outgoingip=192.0.2", "outgoingip6=192.0.2.1", "outgoingip6=[::1]",
        "outgoingip6=::ffff:192.0.2.1", "families=ipv4,", "families=inet", "tls=MUST", "tls=none", "ignore=HELP", "ignore=,", "ignore=SIZE,", "ignore=SIZE, SIZE",
        "ignore=AUTH", "tls=must\x01", "\x7f", "#\0 is no comment"[1:],
    ]
)  # fmt: skip


def read(text: bytes) -> Route | str:
    """routefile_read(): the route, or the line and the complaint."""
    route, file = Route(), Octets(text)
    wrong = lib.routefile_read(file.span, ctypes.byref(route))
    if wrong:
        return f"{route.line} {wrong.decode()}"
    route.file = file  # the spans point into it
    return route


def text_of(span: Span) -> str:
    return ctypes.string_at(span.data, span.length).decode() if span.length else ""


def printed(address: Address) -> str:
    """The text of an address; nothing where there is none."""
    if not address.family:
        return ""
    assert address.family in (socket.AF_INET, socket.AF_INET6)
    return socket.inet_ntop(address.family, bytes(address.octets)[: 4 if address.family == socket.AF_INET else 16])


def meant(route: Route) -> dict[str, object]:
    """What a route says, as the file would."""
    return {
        "user": text_of(route.user), "password": text_of(route.password), "relay": text_of(route.relay), "port": str(route.port), "clientcert": text_of(route.clientcert),
        "outgoingip": printed(route.sources.ipv4), "outgoingip6": printed(route.sources.ipv6),
        "families": ",".join(FAMILIES[family] for family in route.families.order if family), "tls": route.tls,
        "ignore": {name for name, member in EXTENSIONS.items() if getattr(route.ignored, member)},
    }  # fmt: skip


def expected(file: dict[str, str]) -> dict[str, object]:
    """The same, from what was written."""
    relay, tls = file.get("relay", ""), TLS[file.get("tls", "may")]
    if "password" in file and tls == pure.ROUTE_TLS_MAY:
        tls = pure.ROUTE_TLS_MUST  # AUT-2
    return {name: "" for name in ("clientcert", "outgoingip", "outgoingip6", "families", "user", "password")} | file | {
        "relay": relay.removesuffix("."), "port": file.get("port", "25"), "tls": tls,
        "ignore": set(file.get("ignore", "").split(",")) - {""},
    }  # fmt: skip


@pytest.mark.spec("RTD-2", "RTD-3", "RTD-4", "RTD-5", "RTD-6", "RTD-7", "RTD-8", "AUT-1", "AUT-2")
@given(FILES, st.lists(IDLE, max_size=3), st.sampled_from(["\n", "\r\n", " \t\n"]), st.randoms(use_true_random=False))
def test_each_key_means_what_it_says(file: dict[str, str], idle: list[str], end: str, random) -> None:
    """In any order, among comments and blank lines, with or without an end of the last line."""
    lines = [*(f"{key}={value}" for key, value in file.items()), *idle]
    random.shuffle(lines)
    text = "".join(line + end for line in lines)
    for one in (text, text.removesuffix(end)):
        route = read(one.encode())
        assert isinstance(route, Route), route
        assert meant(route) == expected(file)
        relays = [number for number, line in enumerate(lines, 1) if line.startswith("relay=")]
        assert route.line == (relays[0] if relays else 1)


@pytest.mark.spec("RTD-2")
@given(FILES, MALFORMED, st.integers(0, 9))
def test_a_malformed_line_is_found_wherever_it_stands(file: dict[str, str], wrong: str, place: int) -> None:
    """The complaint names it, and shows nothing of it."""
    lines = [f"{key}={value}" for key, value in file.items() if key != wrong.partition("=")[0]]
    lines.insert(min(place, len(lines)), wrong)
    found = read("\n".join(lines).encode())
    assert isinstance(found, str) and found.startswith(f"{lines.index(wrong) + 1} is malformed: ")
    assert all(ord(character) < 127 for character in found)


@pytest.mark.spec("RTD-2")
@given(FILES.filter(bool), st.data())
def test_no_key_occurs_twice(file: dict[str, str], data: st.DataObject) -> None:
    """Not even with the same value."""
    lines = [f"{key}={value}" for key, value in file.items()]
    again = data.draw(st.sampled_from(lines))
    found = read("\n".join([*lines, "", again]).encode())
    assert found == f"{len(lines) + 2} is malformed: the key occurs for the second time."


@pytest.mark.spec("RTD-7")
@pytest.mark.parametrize("tls", [None, *TLS])
@pytest.mark.parametrize("word", ["STARTTLS", "SIZE,starttls"])
def test_to_ignore_starttls_is_to_switch_it_off(tls: str | None, word: str) -> None:
    """If that is demanded, the file is malformed."""
    route = read(f"{f'tls={tls}' if tls else ''}\nignore={word}\n".encode())
    if tls in ("must", "verify"):
        assert isinstance(route, str) and route.startswith("2 is malformed: it ignores STARTTLS")
    else:
        assert isinstance(route, Route) and route.tls == pure.ROUTE_TLS_OFF and not route.ignored.starttls


SECRET = ["user=alice", "password=secret"]


@pytest.mark.spec("AUT-1")
@pytest.mark.parametrize(
    ("lines", "found"),
    [
        (["relay=a", SECRET[0]], "2 is malformed: neither user nor password can be without the other."),
        ([SECRET[1], "relay=a"], "1 is malformed: neither user nor password can be without the other."),
        ([*SECRET, "port=587"], "2 is malformed: a password is for a relay, and none is named."),
        (["relay=a", *SECRET, SECRET[1]], "4 is malformed: the key occurs for the second time."),
        (["relay=a", "user=" + "x" * 1001, SECRET[1]], "2 is malformed: it is longer than 1000 octets."),
        (["relay=a", SECRET[0], "password=" + "é" * 501], "3 is malformed: it is longer than 1000 octets."),
    ],
)
def test_a_password_needs_company(lines: list[str], found: str) -> None:
    """A user, and a relay that it is for."""
    assert read("\n".join(lines).encode()) == found


@pytest.mark.spec("AUT-2")
@pytest.mark.parametrize("tls", [None, *TLS])
def test_only_tls_off_lets_a_password_go_in_the_clear(tls: str | None) -> None:
    """Not that STARTTLS is ignored."""
    said = [f"tls={tls}"] if tls else []
    route = read("\n".join(["relay=a", *SECRET, *said]).encode())
    assert isinstance(route, Route) and route.tls == (TLS[tls] if tls in ("must", "verify", "off") else pure.ROUTE_TLS_MUST)
    ignoring = read("\n".join(["ignore=starttls", "relay=a", *SECRET, *said]).encode())
    if tls == "off":
        assert isinstance(ignoring, Route) and ignoring.tls == pure.ROUTE_TLS_OFF
    else:
        assert isinstance(ignoring, str) and ignoring.startswith("1 is malformed: it ignores STARTTLS")


@given(st.binary(max_size=80) | st.text("relay=port\n#,0125.ignore", max_size=80).map(str.encode))
def test_any_file_is_read_to_an_end(text: bytes) -> None:
    """Arbitrary octets give a complaint or a route with a usable port and relay."""
    route = read(text)
    if isinstance(route, Route):
        assert route.port >= 1 and not {"\n", " "} & set(text_of(route.relay))
    else:
        assert 1 <= int(route.split()[0]) <= text.count(b"\n") + 1
