# SPDX-License-Identifier: ISC
"""DANE end to end: a zone that is really signed, a validating unbound, a server within TLS; and what cases cannot hold."""

import ctypes
import subprocess
from collections.abc import Callable
from itertools import product, takewhile
from pathlib import Path

import dns.dnssec
import dns.flags
import dns.message
import dns.name
import dns.rdatatype
import dns.rrset
import pytest
from aiosmtpd.controller import Controller
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given
from hypothesis import strategies as st

from mocksrv.case.zone import Answer, Zone, parse_zone
from mocksrv.world import sandbox
from mocksrv.world.nameserver import DnsServer
from testsuite.peer import ADDRESS, RECIPIENT, SENDER, Outcome, furnish, qremote
from testsuite.pure import Buf, Octets, Tlsa, lib
from testsuite.test_dns import UNBOUND, unbound
from testsuite.test_qremote_try import run
from testsuite.test_tls import RECIPES, Handler, context

in_a_sandbox = pytest.mark.skipif(sandbox.available() is not None, reason=f"{sandbox.available()}")

APEX = dns.name.from_text("signed.example.")
SOA = dns.rrset.from_text(APEX, 300, "IN", "SOA", "ns.signed.example. hostmaster.signed.example. 1 3600 600 86400 300")


FIELDS = st.sampled_from([bytes(fields) for fields in product(range(5), range(4), range(4))])
DATA = st.sampled_from([bytes(length) for length in (0, 1, 31, 32, 33, 64, 65)])


class SignedZone(Zone):
    """Signs each answer when it is asked (RFC 4034, RFC 4035). What does not exist is denied as in RFC 4470."""

    def __init__(self, text: str, spoilt: str) -> None:
        """Takes the records; the signatures of records of the type `spoilt` are those of other records."""
        super().__init__(parse_zone(enumerate(text.splitlines(), 1)).records)
        self._spoilt = spoilt
        self._key = ec.derive_private_key(4711, ec.SECP256R1())
        self._public = dns.dnssec.make_dnskey(self._key.public_key(), dns.dnssec.Algorithm.ECDSAP256SHA256, flags=257)
        self.records[APEX, dns.rdatatype.SOA] = SOA
        self.records[APEX, dns.rdatatype.DNSKEY] = dns.rrset.from_rdata(APEX, 300, self._public)

    @property
    def anchor(self) -> str:
        """What a validator must trust."""
        return f"{APEX} DS {dns.dnssec.make_ds(APEX, self._public, 'SHA256')}"

    def answer(self, query: dns.message.Message, tcp: bool) -> Answer:
        """The answer of an authoritative server."""
        asked = query.question[0]
        response = dns.message.make_response(query)
        response.flags |= dns.flags.AA
        kinds = (asked.rdtype, dns.rdatatype.CNAME)
        rrset = next((self.records[asked.name, kind] for kind in kinds if (asked.name, kind) in self.records), None)
        if rrset:
            response.answer += self._signed(rrset)
        elif asked.name.is_subdomain(APEX):
            response.authority += self._signed(self.records[APEX, dns.rdatatype.SOA]) + self._signed(self._denial(asked.name))
        return Answer(response.to_wire(max_size=65535 if tcp else 1232), 0, False, "signed")

    def _denial(self, name: dns.name.Name) -> dns.rrset.RRset:
        here = sorted({kind for owner, kind in self.records if owner == name} | {dns.rdatatype.NSEC, dns.rdatatype.RRSIG})
        types = " ".join(map(dns.rdatatype.to_text, here))
        return dns.rrset.from_text(name, 300, "IN", "NSEC", f"\\000.{name} {types}")

    def _signed(self, rrset: dns.rrset.RRset) -> list[dns.rrset.RRset]:
        signed = rrset
        if dns.rdatatype.to_text(rrset.rdtype) == self._spoilt:
            signed = dns.rrset.from_text(rrset.name, rrset.ttl, "IN", rrset.rdtype, "3 1 1 " + "00" * 32)
        signature = dns.dnssec.sign(signed, self._key, APEX, self._public, lifetime=3600)
        return [rrset, dns.rrset.from_rdata(rrset.name, rrset.ttl, signature)]


def served(certificate: str, host: str) -> tuple[Outcome, int]:
    """A delivery to a server with this certificate, and how many mails it took."""
    handler = Handler()
    controller = Controller(handler, ADDRESS, 25, tls_context=context(certificate))
    controller.start()
    try:
        return qremote(host, SENDER, RECIPIENT), len(handler.envelopes)
    finally:
        controller.stop()


def validated(tlsa: str, spoilt: str, host: str) -> tuple[Outcome, int]:
    """A delivery by what unbound says about the zone, and about others, which are not signed."""
    furnish(sandbox.SCRATCH / "qmail", dnsservers="127.0.0.1\n")
    records = "signed.example. MX 10 mx.signed.example.\nnomx.signed.example. A 192.0.2.25\n"
    records += f"mx.signed.example. A {ADDRESS}\nalias.signed.example. CNAME mx.signed.example.\n"
    zone = SignedZone(records + (f"_25._tcp.mx.signed.example. TLSA {RECIPES.tlsa(tlsa)}\n" if tlsa else ""), spoilt)
    settings = f'trust-anchor: "{zone.anchor}"\nstub-zone:\nname: {APEX}\nstub-addr: 127.0.0.1@5354\n'
    with DnsServer("plain.example. MX 10 mx.signed.example.\n") as plain, DnsServer(zone) as server:
        plain.start(port=5353)
        server.start(port=5354)
        with unbound(settings, modules="validator iterator"):
            return served("mx", host)


@in_a_sandbox
@pytest.mark.skipif(not UNBOUND.is_dir(), reason="no build/mtas/unbound (ci/fetch-mtas makes it)")
@pytest.mark.spec("DAN-1", "DAN-2", "DAN-5", "DAN-6")
@pytest.mark.parametrize(
    ("tlsa", "spoilt", "host", "taken", "told"),
    [
        ("{tlsa mx 3 1 1}", "", "signed.example", 1, ", verified by DANE)."),
        ("{tlsa mx 3 1 1}", "", "alias.signed.example", 1, ", verified by DANE)."),
        ("{tlsa mx-p384 3 1 1}", "", "signed.example", 0, "its certificate is none that its TLSA records allow. (#4.7.5)"),
        ("{tlsa mx 3 1 1}", "TLSA", "signed.example", 0, "its TLSA records cannot be looked up in the DNS now. (#4.4.3)"),
        ("", "", "signed.example", 1, " (TLS1.3 TLS_AES_256_GCM_SHA384)."),
        ("{tlsa mx-p384 3 1 1}", "", "nomx.signed.example", 1, " (TLS1.3 TLS_AES_256_GCM_SHA384)."),
        ("{tlsa mx-p384 3 1 1}", "", "plain.example", 1, " (TLS1.3 TLS_AES_256_GCM_SHA384)."),
    ],
    ids=["good", "alias", "another", "bogus", "none", "none of this host", "exchangers not signed"],
)
def test_a_signed_zone(tlsa: str, spoilt: str, host: str, taken: int, told: str) -> None:
    """A real validator says what is authentic, and its word decides."""
    outcome, count = sandbox.run(validated, tlsa, spoilt, host)
    assert count == taken and told in outcome.report, outcome


class Recorder(Zone):
    """A zone that remembers which questions ask whether the answer is authentic."""

    def __init__(self, text: str) -> None:
        zone = parse_zone(enumerate(text.splitlines(), 1))
        super().__init__(zone.records, zone.faults)
        self.asked: list[bool] = []

    def answer(self, query: dns.message.Message, tcp: bool) -> Answer:
        if self._has(query.question[0].name):  # the server has questions, too
            self.asked.append(bool(query.flags & dns.flags.AD))
        return super().answer(query, tcp)


AUTHENTIC = f"""\
example.org. MX 10 mx.example.org. ;@ad
mx.example.org. A {ADDRESS} ;@ad
mx.example.org. AAAA ;@ad
_25._tcp.mx.example.org. TLSA {{}} ;@ad
"""


def with_records(tlsa: str, certificate: str, prepare: Callable[[], None], control: dict[str, str]) -> tuple[Outcome, int, list[bool]]:
    """A delivery where the DNS has a TLSA record, and which questions asked for AD."""
    prepare()
    furnish(sandbox.SCRATCH / "qmail", **control)
    zone = Recorder(AUTHENTIC.format(RECIPES.tlsa(tlsa)))
    with DnsServer(zone) as server:
        server.start()
        return *served(certificate, "example.org"), zone.asked


def nothing() -> None:
    """No preparation."""


@in_a_sandbox
@pytest.mark.spec("DAN-1")
@pytest.mark.parametrize(("control", "count", "asked"), [({"dnsservers": "127.0.0.1\n"}, 4, True), ({}, 3, False)])
def test_only_a_trusted_server_is_asked_for_authenticity(control: dict[str, str], count: int, asked: bool) -> None:
    """The bit is in each question to it, and in none to another one."""
    assert sandbox.run(with_records, "{tlsa mx 3 1 1}", "mx", nothing, control)[2] == [asked] * count


@in_a_sandbox
@pytest.mark.spec("DAN-5")
@pytest.mark.parametrize(("place", "letters"), [(99, "rK"), (100, "Z")])
def test_a_hundred_records_are_used(place: int, letters: str) -> None:
    """However many there are: each of them is matched with each certificate."""
    others = [f"3 1 1 {number:064x}" for number in range(120)]
    others[place] = "{tlsa mx 3 1 1}"
    records = " ;@ad\n_25._tcp.mx.example.org. TLSA ".join(others)
    assert sandbox.run(with_records, records, "mx", nothing, {"dnsservers": "127.0.0.1\n"})[0].letters == letters


def tried() -> tuple[str, str]:
    """What qremote-try says about a recipient: the last line, and all."""
    home = furnish(sandbox.SCRATCH / "home", dnsservers="127.0.0.1\n")
    with DnsServer(AUTHENTIC.format(RECIPES.tlsa("{tlsa mx 3 1 1}"))) as server:
        server.start()
        controller = Controller(Handler(), ADDRESS, 25, tls_context=context("mx"))
        controller.start()
        try:
            said = run((RECIPIENT,), str(home))
        finally:
            controller.stop()
    return said.last, said.out


@in_a_sandbox
@pytest.mark.spec("DAN-8")
def test_people_are_told() -> None:
    """By qremote-try, which does not show again that there was an answer."""
    last, told = sandbox.run(tried)
    assert last == f"mx.example.org [{ADDRESS}] accepts mail for {RECIPIENT}, in TLS 1.3, certificate verified by DANE. Nothing was sent."
    assert "  DNS mx.example.org AAAA? 127.0.0.1 says NOERROR, no such record, authenticated\n" in told
    assert "says NOERROR, authenticated\n" not in told and "  TLSA 3 1 1 matches certificate 1\n" in told


def trust_ca() -> None:
    """Makes one authority the only one that the system trusts."""
    store = Path("/etc/ssl/certs")
    subprocess.run(["mount", "-t", "tmpfs", "none", store], check=True)
    (store / "ca-certificates.crt").write_bytes(RECIPES.pem("ca"))


@in_a_sandbox
@pytest.mark.skipif(not Path("/etc/ssl/certs").is_dir(), reason="no /etc/ssl/certs, where GnuTLS would look")
@pytest.mark.spec("DAN-3", "RTD-6")
@pytest.mark.parametrize(
    ("tlsa", "certificate", "told"),
    [
        ("{tlsa mx 3 1 1}", "mx", ", verified)."),
        ("{tlsa mx-p384 3 1 1}", "mx", "its certificate is none that its TLSA records allow. (#4.7.5)"),
        ("{tlsa by-unknown-ca 3 1 1}", "by-unknown-ca", "its certificate has an unknown issuer. (#4.7.5)"),
        ("{tlsa expired-other-name 3 1 1}", "expired-other-name", "its certificate has expired. (#4.7.5)"),
    ],
)
def test_tls_verify_and_records(tlsa: str, certificate: str, told: str) -> None:
    """Both must hold."""
    control = {"dnsservers": "127.0.0.1\n", "smtproutes.d/default": "tls=verify\n"}
    outcome, taken, _ = sandbox.run(with_records, tlsa, certificate, trust_ca, control)
    assert told in outcome.report and taken == (outcome.letters == "rK"), outcome


@pytest.mark.spec("DAN-7")
@given(st.lists(st.binary(max_size=2) | st.tuples(FIELDS, DATA).map(b"".join), max_size=5))
def test_records(records: list[bytes]) -> None:
    """What was added comes back, up to the first that is no record; usable is what RFC 7672 and the lengths say."""
    buf, found = Buf(), Tlsa()
    for one in records:
        lib.tlsa_add(ctypes.byref(buf), one, len(one))
    memory = Octets(buf.octets())
    expected = list(takewhile(lambda one: len(one) >= 3, records))
    any_usable = lib.tlsa_any_usable(memory.span)
    span, read = memory.span, []
    while lib.tlsa_next(ctypes.byref(span), ctypes.byref(found)):
        read.append(bytes((found.usage, found.selector, found.matching)) + ctypes.string_at(found.data.data, found.data.length))
    assert read == expected
    usable = [
        one[0] in (2, 3) and one[1] < 2 and one[2] < 3 and len(one) > 3 and (one[2] == 0 or len(one) == 3 + 32 * one[2])
        for one in expected
    ]
    assert any_usable == any(usable)
    lib.buf_free(ctypes.byref(buf))
