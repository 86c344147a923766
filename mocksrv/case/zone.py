# SPDX-License-Identifier: ISC
"""A zone text, with the faults in its comments, and the answers that follow from it. No sockets here.

    mx.example.org.  A 192.0.2.25   ;@delay=2s
    gone.example.    MX             ;@nxdomain

A fault concerns questions for its line's owner and type (ANY: every type); there may be several in a line. Names that
no line mentions as owner, nor lie above one, do not exist: they are NXDOMAIN, and asking for them is reported as foreign.
"""

import re
import struct
from collections.abc import Iterable
from dataclasses import dataclass, field

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdataclass
import dns.rdatatype
import dns.rrset
import dns.zonefile

_TTL = 300
_CHAIN_LIMIT = 16
_PLAIN_UDP_LIMIT = 512
_TCP_LIMIT = 65535
_SOA = dns.rrset.from_text(".", _TTL, "IN", "SOA", "ns.invalid. hostmaster.invalid. 1 3600 600 86400 300")
_RCODES = {str(number): dns.rcode.from_text(str(number)) for number in range(16)}
_RCODES |= {dns.rcode.to_text(rcode).lower(): rcode for rcode in _RCODES.values()}
_FAULTS = {"truncate", "ad", "drop", "garbage", "lame", "referral", "stop"}

Key = tuple[dns.name.Name, dns.rdatatype.RdataType]


class ZoneError(ValueError):
    """An error in a zone, and its line."""

    def __init__(self, line: int, what: str) -> None:
        super().__init__(line, what)
        self.line, self.what = line, what


@dataclass(frozen=True)
class Answer:
    """The answer to one question: `wire` (None: no answer) after `delay` seconds, and its meaning for people."""

    wire: bytes | None
    delay: float
    foreign: bool
    summary: str


@dataclass
class Zone:
    """Records and faults. Not changed once parsed."""

    records: dict[Key, dns.rrset.RRset] = field(default_factory=dict)
    faults: dict[Key, set[str]] = field(default_factory=dict)
    delays: dict[Key, float] = field(default_factory=dict)

    def addresses(self, host: str) -> list[str]:
        """The A and AAAA addresses of a host, CNAMEs followed."""
        found: list[str] = []
        for kind in (dns.rdatatype.A, dns.rdatatype.AAAA):
            chain, _ = self._follow(dns.name.from_text(host), kind)
            found += [data.address for rrset in chain if rrset.rdtype == kind for data in rrset]
        return found

    def exchangers(self, host: str) -> list[tuple[int, str]]:
        """Preference and name of each mail exchanger of a host, CNAMEs followed; none if it is not a name."""
        try:
            chain, _ = self._follow(dns.name.from_text(host), dns.rdatatype.MX)
        except dns.exception.DNSException:
            return []
        found = [data for rrset in chain if rrset.rdtype == dns.rdatatype.MX for data in rrset]
        return sorted((data.preference, data.exchange.to_text()) for data in found)

    def answer(self, query: dns.message.Message, tcp: bool) -> Answer:
        """The answer to a query that holds one question."""
        question = query.question[0]
        chain, last = self._follow(question.name, question.rdtype, told=True)
        names = (question.name, *(rrset.name for rrset in chain), last)
        kinds = (question.rdtype, dns.rdatatype.CNAME, dns.rdatatype.ANY)
        keys = [(name, kind) for name in names for kind in kinds]
        faults = set().union(*(self.faults.get(key, ()) for key in keys))
        authentic = all(any("ad" in self.faults.get((name, kind), ()) for kind in kinds) for name in names)
        delay = max((self.delays.get(key, 0.0) for key in keys), default=0.0)
        response = self._response(query, chain, last, faults)
        if authentic and (query.flags & dns.flags.AD or query.ednsflags & dns.flags.DO):  # RFC 6840, section 5.8
            response.flags |= dns.flags.AD
        foreign = not self._has(question.name)
        if "drop" in faults:
            return Answer(None, delay, foreign, "no answer")
        if "garbage" in faults:
            return Answer(struct.pack("!HH", query.id, 0x8180) + b"\xff" * 20, delay, foreign, "garbage")
        truncate = "truncate" in faults and not tcp
        wire, whole = _wire(response, query, _TCP_LIMIT if tcp else max(query.payload, _PLAIN_UDP_LIMIT), truncate)
        return Answer(wire, delay, foreign, _summary(response) if whole else "truncated")

    def _has(self, name: dns.name.Name) -> bool:
        owners = [owner for owner, _ in (*self.records, *self.faults, *self.delays)]
        return any(owner.is_subdomain(name) for owner in owners)

    def _follow(
        self, name: dns.name.Name, kind: dns.rdatatype.RdataType, told: bool = False
    ) -> tuple[list[dns.rrset.RRset], dns.name.Name]:
        """The records that answer a question, after the CNAMEs that lead to them, and the name where they end.

        With `told`, as far as a fault lets the answer tell: then the name is that of the last CNAME.
        """
        chain: list[dns.rrset.RRset] = []
        for _ in range(_CHAIN_LIMIT):
            if (name, kind) in self.records:
                return [*chain, self.records[name, kind]], name
            alias = self.records.get((name, dns.rdatatype.CNAME))
            if alias is None:
                break
            chain.append(alias)
            if told and "stop" in self.faults.get((name, dns.rdatatype.CNAME), ()):
                break
            name = alias[0].target
        return chain, name

    def _response(
        self, query: dns.message.Message, chain: list[dns.rrset.RRset], last: dns.name.Name, faults: set[str]
    ) -> dns.message.Message:
        response = dns.message.make_response(query, recursion_available="lame" not in faults)
        rcodes = [rcode for name, rcode in _RCODES.items() if name in faults]
        if rcodes or not self._has(last):
            response.set_rcode(rcodes[0] if rcodes else dns.rcode.NXDOMAIN)
        asked = query.question[0]
        if "referral" in faults:
            owner = asked.name.parent() if asked.name != dns.name.root else dns.name.root
            response.authority.append(dns.rrset.from_text(owner, _TTL, "IN", "NS", "ns.invalid."))
        elif response.rcode() == dns.rcode.NXDOMAIN or not rcodes:
            response.answer.extend(one for one in chain if not rcodes or one.rdtype == dns.rdatatype.CNAME)
            if "stop" not in faults and (rcodes or not chain or chain[-1].rdtype != asked.rdtype):
                response.authority.append(_SOA)
        return response


def parse_zone(lines: Iterable[tuple[int, str]]) -> Zone:
    """The zone in numbered lines. Raises ZoneError."""
    zone = Zone()
    for number, line in lines:
        text, _, comment = line.partition(";@") if ";@" in line else (line, "", "")
        try:
            if text.strip():
                _add(zone, text.strip(), f"@{comment}".split() if comment else [])
            elif comment:
                raise ValueError("a fault needs an owner and a type before it")
        except (ValueError, dns.exception.DNSException) as error:
            raise ZoneError(number, str(error)) from error
    return zone


def _add(zone: Zone, text: str, faults: list[str]) -> None:
    words = text.split()
    if faults and len(words) == 2:
        key = dns.name.from_text(words[0]), dns.rdatatype.from_text(words[1])
    else:
        try:
            rrsets = dns.zonefile.read_rrsets(text, rdclass=None, default_ttl=_TTL)
        except (ValueError, dns.exception.DNSException) as error:
            what = f"{error}".removeprefix("<input>:1: ")
            raise ValueError(f"expected `NAME TYPE DATA` as in a zone file: {what}") from error
        if not rrsets:
            return  # a comment
        key = rrsets[0].name, rrsets[0].rdtype
        rrset = zone.records.setdefault(key, dns.rrset.RRset(key[0], dns.rdataclass.IN, key[1]))
        for data in rrsets[0]:
            rrset.add(data, rrsets[0].ttl)
    for fault in faults:
        name = fault.lstrip(";").removeprefix("@")
        if found := re.fullmatch(r"delay=(\d+(?:\.\d+)?)s?", name):
            zone.delays[key] = float(found[1])
        elif name in _FAULTS or name in _RCODES:
            zone.faults.setdefault(key, set()).add(name)
        else:
            known = " ".join(f"@{one}" for one in ("delay=T", *sorted(_FAULTS)))
            raise ValueError(f"no such fault: {fault} (there are {known}, and RCODEs: @servfail or @2)")


def _wire(
    response: dns.message.Message, query: dns.message.Message, limit: int, truncate: bool
) -> tuple[bytes, bool]:
    """The octets of a response, and whether it is whole; otherwise it is empty, with TC."""
    if not truncate:
        try:
            # Answers keep the order of the zone, so that a case sees the same every time.
            return response.to_wire(max_size=limit, want_shuffle=False), True  # type: ignore[arg-type]
        except dns.exception.TooBig:
            pass
    stub = dns.message.make_response(query, recursion_available=True)
    stub.flags |= dns.flags.TC
    return stub.to_wire(), False


def _summary(response: dns.message.Message) -> str:
    rcode = dns.rcode.to_text(response.rcode())
    data = [f"{dns.rdatatype.to_text(rrset.rdtype)} {one.to_text()}" for rrset in response.answer for one in rrset]
    return f"{rcode}: {', '.join(data)}" if data else rcode if rcode != "NOERROR" else "no such record"
