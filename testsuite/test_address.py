# SPDX-License-Identifier: ISC
"""address.c: only valid addresses are sent, and they keep their meaning."""

import ctypes
import ipaddress
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from testsuite.pure import Address, Buf, Octets, address, address_text, lib
from testsuite.tables import expanded, rows

# What may follow the @: names, literals, and attacks.
DOMAINS = st.sampled_from(
    ["example.org", "example.org.", "a_b-c", "[192.0.2.19]", "[IPv6:2001:db8::1]", "[2001:db8::1]", "müller.example", "", ".", "a..b"]
)
HOSTILE = st.text(st.sampled_from('ab.@"\\<> \r\n\0\t\x7f\x85ü[]:') | st.characters(), max_size=12)


def octets_of(text: str) -> bytes:
    """UTF-8, with question marks for lone surrogates."""
    return text.encode("utf-8", "replace")


def joined(local: str, domain: str) -> bytes:
    """A mailbox of two parts."""
    return octets_of(f"{local}@{domain}")


MAILBOXES = (
    st.builds(joined, HOSTILE.filter(str.isprintable), DOMAINS) | HOSTILE.map(octets_of) | st.binary(max_size=12)
)
_ATOM = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~\x80-\U0010ffff-]+"
_LABEL = r"[A-Za-z0-9_\x80-\U0010ffff-]+"


def encode(mailbox: bytes) -> tuple[bytes, bool] | None:
    """mailbox_encode(): the path and whether it needs SMTPUTF8, or None."""
    path, utf8, memory = Buf(), ctypes.c_bool(), Octets(mailbox)
    done = lib.mailbox_encode(ctypes.byref(path), memory.span, ctypes.byref(utf8))
    octets = path.octets()
    lib.buf_free(ctypes.byref(path))
    assert done or octets == b"", "something was appended in spite of the failure"
    return (octets, utf8.value) if done else None


def parse_path(path: bytes) -> bytes:
    """A path of RFC 5321 and RFC 6531 in qmail's unquoted form. Fails if it is not valid."""
    found = re.fullmatch(
        rf'<({_ATOM}(?:\.{_ATOM})*|"(?:[^\x00-\x1f"\\\x7f]|\\[\x20-\x7e])*")'
        rf"(@(?:{_LABEL}(?:\.{_LABEL})*|\[[0-9.]+\]|\[(?i:IPv6):[0-9A-Fa-f:.]+\]))?>",
        path.decode(),
    )
    assert found, f"no path: {path!r}"
    local = found[1]
    if local.startswith('"'):
        local = re.sub(r"\\(.)", r"\1", local[1:-1])
    return (local + (found[2] or "")).encode()


@pytest.mark.spec("ADR-2", "ADR-3")
@pytest.mark.parametrize(("mailbox", "path", "script"), rows("mailboxes"))
def test_examples_of_mailboxes(mailbox: bytes, path: bytes, script: bytes) -> None:
    """What is written in the table."""
    expected = None if path == b"-" else (expanded(path), script == b"utf8")
    assert encode(expanded(mailbox)) == expected


@pytest.mark.spec("ADR-2", "ADR-3")
@given(MAILBOXES)
def test_a_path_means_its_mailbox(mailbox: bytes) -> None:
    """Any path parses back to the mailbox, and holds no control character and no `>` outside of quotes but the last.

    An IPv6 literal gets the tag that SMTP demands, and a domain loses its final dot.
    """
    encoded = encode(mailbox)
    if encoded is None:
        return
    path, utf8 = encoded
    meant = mailbox.removesuffix(b".") if b"@" in mailbox else mailbox
    assert parse_path(path) == meant.replace(b"@[2001:", b"@[IPv6:2001:")
    assert not re.search(r"[\x00-\x1f\x7f-\x9f]", path.decode())
    assert re.sub(rb'"(?:[^"\\]|\\.)*"', b"", path).count(b">") == 1
    assert utf8 == (not path.isascii())


@pytest.mark.spec("ADR-3")
@given(
    st.text(st.characters(blacklist_categories=("Cc", "Cs")), min_size=1, max_size=20),
    st.sampled_from(["a.b", "[192.0.2.1]"]),
)
def test_whatever_is_text_can_be_a_local_part(local: str, domain: str) -> None:
    """No recipient is refused for a local part without control characters."""
    assert encode(f"{local}@{domain}".encode())


@pytest.mark.spec("HOST-2", "HOST-3", "HOST-4")
@pytest.mark.parametrize(("text", "expected", "use"), rows("literals"))
def test_examples_of_literals(text: bytes, expected: bytes, use: bytes) -> None:
    """What is written in the table."""
    found, memory = Address(), Octets(text)
    parsed = lib.address_parse_literal(memory.span, ctypes.byref(found))
    assert (ipaddress.ip_address(address_text(found)) if parsed else "-") == (
        "-" if expected == b"-" else ipaddress.ip_address(expected.decode())
    )
    assert lib.address_is_smtp_literal(memory.span) == (use == b"smtp")


@pytest.mark.spec("HOST-1", "HOST-5")
@pytest.mark.parametrize(("text", "expected"), rows("names"))
def test_examples_of_names(text: bytes, expected: bytes) -> None:
    """What is written in the table."""
    name, memory = ctypes.create_string_buffer(b"x" * 255), Octets(expanded(text))
    valid = lib.name_copy(memory.span, name)
    assert (name.value if valid else b"-") == expanded(expected)
    assert valid or name.value == b""


@given(st.binary(max_size=20) | st.text("aB.-_/\0 ", max_size=300).map(str.encode))
def test_a_name_can_be_part_of_a_path(text: bytes) -> None:
    """A valid name is lower-case, short, and cannot leave a directory."""
    name, memory = ctypes.create_string_buffer(256), Octets(text)
    if lib.name_copy(memory.span, name):
        assert re.fullmatch(rb"(?=.{1,253}\Z)[a-z0-9_-]{1,63}(\.[a-z0-9_-]{1,63})*", name.value)
        assert name.value == text.removesuffix(b".").lower()


ADDRESSES = st.ip_addresses().map(str)


@given(ADDRESSES)
def test_addresses_are_read_and_printed(text: str) -> None:
    """Any address is what Python's ipaddress makes of it; a v4-mapped one is an IPv4 address."""
    found, memory = Address(), Octets(text.encode())
    assert lib.address_parse(memory.span, ctypes.byref(found))
    expected = ipaddress.ip_address(text)
    assert ipaddress.ip_address(address_text(found)) == (getattr(expected, "ipv4_mapped", None) or expected)


@given(st.binary(max_size=50) | st.text("0123456789abcdef:.", max_size=50).map(str.encode))
def test_no_other_text_is_an_address(octets: bytes) -> None:
    """What ipaddress refuses is refused."""
    memory = Octets(octets)
    if lib.address_parse(memory.span, ctypes.byref(Address())):
        ipaddress.ip_address(octets.decode())


@pytest.mark.spec("MX-4")
@given(ADDRESSES | st.sampled_from(["0.0.0.0", "0.0.0.1", "126.9.9.9", "128.0.0.0", "127.0.0.1", "::", "::1", "::2"]))
def test_this_machine(text: str) -> None:
    """0.0.0.0, ::, 127.0.0.0/8 and ::1 always mean this machine, and no other address does."""
    value = ipaddress.ip_address(text)
    value = getattr(value, "ipv4_mapped", None) or value
    expected = value.is_loopback or value.is_unspecified
    assert lib.address_is_self(ctypes.byref(address(text))) == expected
