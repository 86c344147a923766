# SPDX-License-Identifier: ISC
"""Answers and faults, over UDP and TCP."""

from collections.abc import Callable, Iterator

import dns.flags
import dns.message
import dns.query
import dns.rcode
import dns.rdatatype
import pytest

from mocksrv.case.zone import ZoneError, parse_zone
from mocksrv.world.nameserver import DnsServer

AD = dns.flags.RD | dns.flags.AD
ZONE = """\
; a comment
a.example.      A 192.0.2.1
a.example.   60 IN A 192.0.2.2   ; another comment
alias.example.  CNAME a.example.
away.example.   CNAME elsewhere.example.
loop.example.   CNAME loop.example.
deep.down.example. TXT "x"
slow.example.   A 192.0.2.3 ;@delay=0.05s ;@ad
sure.example.   A 192.0.2.9
sure.example.   ANY ;@ad
surely.example. CNAME sure.example. ;@ad
hardly.example. CNAME sure.example.
nearly.example. CNAME a.example. ;@ad
fail.example.   MX ;@servfail
no.example.     ANY ;@refused
gone.example.   A ;@nxdomain
cut.example.    A 192.0.2.4 ;@truncate
drop.example.   A ;@drop
noise.example.  A ;@garbage
refer.example.  A 192.0.2.5 ;@referral
lame.example.   A 192.0.2.6 ;@lame
lost.example.   A ;@referral ;@lame
ignorant.example. A ;@nxdomain ;@lame
empty.example.  A 192.0.2.7 ;@noerror ;@lame
first.example.  CNAME second.example. ;@stop
second.example. CNAME third.example. ;@stop
third.example.  A 192.0.2.8
third.example.  AAAA ;@nxdomain
start.example.  CNAME middle.example.
middle.example. CNAME gone.example. ;@stop
odd.example.    A 192.0.2.9 ;@12
""" + "".join(f"big.example. A 192.0.2.{n}\n" for n in range(100))

Ask = Callable[..., dns.message.Message]


@pytest.fixture
def server() -> Iterator[DnsServer]:
    with DnsServer(ZONE) as server:
        yield server


@pytest.fixture
def ask(server: DnsServer) -> Ask:
    address, port = server.start(port=0)

    def ask(name: str, kind: str = "A", tcp: bool = False, timeout: float = 5.0, **options: object) -> dns.message.Message:
        query = dns.message.make_query(name, kind, **options)
        return (dns.query.tcp if tcp else dns.query.udp)(query, address, timeout=timeout, port=port)

    return ask


def data(message: dns.message.Message) -> list[str]:
    return [one.to_text() for rrset in message.answer for one in rrset]


@pytest.mark.parametrize("tcp", [False, True])
def test_records_and_aliases(ask: Ask, tcp: bool) -> None:
    assert data(ask("A.example.", tcp=tcp)) == ["192.0.2.1", "192.0.2.2"]
    assert data(ask("alias.example.", tcp=tcp)) == ["a.example.", "192.0.2.1", "192.0.2.2"]
    assert ask("a.example.", tcp=tcp).flags & dns.flags.RA


def test_what_is_not_there(ask: Ask, server: DnsServer) -> None:
    nothing = ask("a.example.", "AAAA")
    assert (nothing.rcode(), data(nothing), len(nothing.authority)) == (dns.rcode.NOERROR, [], 1)
    assert ask("down.example.").rcode() == dns.rcode.NOERROR
    assert ask("away.example.").rcode() == dns.rcode.NXDOMAIN
    assert ask("loop.example.").rcode() == dns.rcode.NOERROR
    assert ask("gone.example.").rcode() == dns.rcode.NXDOMAIN
    assert not any(question.foreign for question in server.questions)
    assert ask("b.example.").rcode() == dns.rcode.NXDOMAIN
    assert [(q.name, q.kind, q.transport) for q in server.questions if q.foreign] == [("b.example.", "A", "udp")]


def test_rcodes(ask: Ask) -> None:
    assert ask("fail.example.", "MX").rcode() == dns.rcode.SERVFAIL
    assert ask("fail.example.", "A").rcode() == dns.rcode.NOERROR
    assert ask("no.example.", "TXT").rcode() == dns.rcode.REFUSED
    assert ask("odd.example.").rcode() == 12


@pytest.mark.parametrize("rcode", range(16))
def test_any_rcode(rcode: int) -> None:
    """By its name or its number; there are no records with it."""
    query = dns.message.make_query("a.example.", "A")
    for word in {dns.rcode.to_text(dns.rcode.from_text(str(rcode))).lower(), str(rcode)}:
        zone = parse_zone([(1, f"a.example. A 192.0.2.1 ;@{word}")])
        wire = zone.answer(query, tcp=False).wire
        assert wire is not None
        answer = dns.message.from_wire(wire)
        assert (answer.rcode(), answer.answer) == (rcode, [])
        assert answer.flags & dns.flags.RA


@pytest.mark.parametrize("word", ["badvers", "16", "-1", "NXDOMAIN", "none"])
def test_what_is_no_fault(word: str) -> None:
    with pytest.raises(ZoneError, match="no such fault"):
        parse_zone([(1, f"a.example. A ;@{word}")])


def test_truncation(ask: Ask) -> None:
    for name, count in (("cut.example.", 1), ("big.example.", 100)):
        cut = ask(name, use_edns=-1)
        assert (bool(cut.flags & dns.flags.TC), data(cut)) == (True, [])
        assert len(data(ask(name, tcp=True))) == count
    assert len(data(ask("big.example.", use_edns=0, payload=4096))) == 100


def test_delay_and_ad(ask: Ask) -> None:
    for tcp in (False, True):
        answer = ask("slow.example.", tcp=tcp, flags=AD)
        assert answer.time >= 0.05
        assert answer.flags & dns.flags.AD
    assert not ask("a.example.", flags=AD).flags & dns.flags.AD


def test_ad_is_for_who_asks(ask: Ask) -> None:
    """RFC 6840, section 5.8: with AD in the question, or with DO."""
    assert ask("sure.example.", flags=AD).flags & dns.flags.AD
    assert ask("sure.example.", want_dnssec=True).flags & dns.flags.AD
    assert not ask("sure.example.").flags & dns.flags.AD


def test_ad_is_for_the_whole_way(ask: Ask) -> None:
    """Every alias and its target must have it."""
    assert ask("sure.example.", "AAAA", flags=AD).flags & dns.flags.AD
    assert ask("surely.example.", flags=AD).flags & dns.flags.AD
    assert not ask("hardly.example.", flags=AD).flags & dns.flags.AD
    assert not ask("nearly.example.", flags=AD).flags & dns.flags.AD


@pytest.mark.parametrize(
    ("name", "rcode", "records", "authority", "lame"),
    [
        ("refer", dns.rcode.NOERROR, [], ["NS"], False),
        ("lost", dns.rcode.NOERROR, [], ["NS"], True),
        ("lame", dns.rcode.NOERROR, ["192.0.2.6"], [], True),
        ("ignorant", dns.rcode.NXDOMAIN, [], ["SOA"], True),
        ("empty", dns.rcode.NOERROR, [], [], True),
    ],
)
def test_servers_that_do_not_know(
    ask: Ask, name: str, rcode: dns.rcode.Rcode, records: list[str], authority: list[str], lame: bool
) -> None:
    answer = ask(f"{name}.example.")
    assert (answer.rcode(), data(answer)) == (rcode, records)
    assert [dns.rdatatype.to_text(rrset.rdtype) for rrset in answer.authority] == authority
    assert (not answer.flags & (dns.flags.RA | dns.flags.AA)) == lame


def test_answers_that_stop_at_an_alias(ask: Ask) -> None:
    """What the target has, and what is wrong with it, is for those who ask about the target."""
    for kind in ("A", "AAAA", "MX"):
        answer = ask("first.example.", kind)
        assert (answer.rcode(), data(answer), answer.authority) == (dns.rcode.NOERROR, ["second.example."], [])
    assert data(ask("second.example.")) == ["third.example."]
    assert data(ask("third.example.")) == ["192.0.2.8"]
    answer = ask("start.example.")
    assert (answer.rcode(), data(answer)) == (dns.rcode.NOERROR, ["middle.example.", "gone.example."])
    assert data(ask("first.example.", "CNAME")) == ["second.example."]


def test_hosts_after_such_aliases_have_addresses() -> None:
    assert parse_zone(enumerate(ZONE.split("\n"))).addresses("first.example") == ["192.0.2.8"]


def test_no_answer_and_noise(ask: Ask, server: DnsServer) -> None:
    with pytest.raises(dns.exception.Timeout):
        ask("drop.example.", timeout=0.3)
    with pytest.raises(dns.exception.DNSException):
        ask("noise.example.")
    assert [question.answer for question in server.questions] == ["no answer", "garbage"]


def test_the_port_is_free_after_stop() -> None:
    server = DnsServer("")
    address, port = server.start(port=0)
    server.stop()
    DnsServer("").start(address, port)
