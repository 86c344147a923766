# SPDX-License-Identifier: ISC
"""Cipher lists, and how ciphers.c reads them. Suites have their IANA names."""

from ctypes import byref

from testsuite.pure import (
    CIPHERS_NARROW, CIPHERS_WIDE, SUITES, Buf, CipherlistFault, Ciphers, Octets, Suite, lib,
)  # fmt: skip
from testsuite.tables import rows
from testsuite.tlstools import OpensslSuite, Priority, gnutls_priority, gnutls_suites, openssl_suites

TABLE = {suite.iana.decode(): suite for suite in (Suite * SUITES).in_dll(lib, "suites")}
IANA = {suite.name.decode(): iana for iana, suite in TABLE.items()}
LISTS = [row[0].decode() for row in rows("cipher-lists")]
TLS13 = [iana for iana, suite in TABLE.items() if suite.name == suite.iana]
USUAL_TLS13 = [suite.iana for suite in openssl_suites("DEFAULT") if suite.iana in TLS13]


def everything() -> list[OpensslSuite]:
    """All suites that OpenSSL knows."""
    return openssl_suites("ALL:COMPLEMENTOFALL", "-ciphersuites", ":".join(TLS13))


def read(file: bytes) -> Ciphers | tuple[int, bytes, str]:
    """ciphers_read(); if it refuses the file: the line, the word, and what is wrong."""
    ciphers, fault, memory = Ciphers(), CipherlistFault(), Octets(file)
    if lib.ciphers_read(byref(ciphers), memory.span, byref(fault)):
        ciphers.memory = memory  # a priority string stays there
        return ciphers
    start = (fault.word.data or 0) - memory.span.data
    word = file[start : start + fault.word.length] if fault.word.length else b""
    return fault.line, word, (fault.wrong or b"").decode("ascii")


def listed(file: bytes) -> list[str]:
    """The suites that a list allows, in the order of the table, after the first of the list; none if it leaves none."""
    ciphers = read(file)
    if isinstance(ciphers, tuple):
        assert ciphers[2] == "leaves no cipher suite that can be offered.", (file, ciphers)
        return []
    assert not ciphers.priority.data
    has = [iana for iana, there in zip(TABLE, ciphers.list.has, strict=True) if there]
    first = list(TABLE)[ciphers.list.first]
    return [first, *(iana for iana in has if iana != first)]


def allows(ciphers: Ciphers, iana: str) -> bool:
    """Whether the suite may be used."""
    memory = Octets(iana.encode())
    return bool(lib.ciphers_allow(byref(ciphers), memory.span))


def printed(ciphers: Ciphers, offer: int) -> bytes:
    """The priority string of an offer."""
    out = Buf()
    lib.ciphers_print(byref(ciphers), offer, byref(out))
    octets = out.octets()
    assert not out.failed and octets.index(b"\0") == out.length - 1
    lib.buf_free(byref(out))
    return octets[:-1]


def offered(string: bytes) -> Priority:
    """What GnuTLS offers with a priority string, which it must accept."""
    priority = gnutls_priority(string)
    assert isinstance(priority, Priority), (string, priority)
    return priority


def offers(file: bytes) -> tuple[list[str], list[str]]:
    """The suites of the wide and of the narrow offer, as GnuTLS reads their priority strings, preferred ones first."""
    ciphers = read(file)
    assert isinstance(ciphers, Ciphers), ciphers
    wide, narrow = (offered(printed(ciphers, offer)).suites for offer in (CIPHERS_WIDE, CIPHERS_NARROW))
    names = {suite.id: suite.iana for suite in everything() if suite.id in gnutls_suites()}
    return [names[one] for one in wide], [names[one] for one in narrow]
