"""Answers and faults, over UDP and TCP."""

from collections.abc import Callable, Iterator

import dns.flags
import dns.message
import dns.query
import dns.rcode
import pytest

from mocksrv.nameserver import DnsServer

ZONE = """\
; a comment
a.example.      A 192.0.2.1
a.example.   60 IN A 192.0.2.2   ; another comment
alias.example.  CNAME a.example.
away.example.   CNAME elsewhere.example.
loop.example.   CNAME loop.example.
deep.down.example. TXT "x"
slow.example.   A 192.0.2.3 ;@delay=0.05s ;@ad
fail.example.   MX ;@servfail
no.example.     ANY ;@refused
gone.example.   A ;@nxdomain
cut.example.    A 192.0.2.4 ;@truncate
drop.example.   A ;@drop
noise.example.  A ;@garbage
lame.example.   A ;@lame
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


def test_truncation(ask: Ask) -> None:
    for name, count in (("cut.example.", 1), ("big.example.", 100)):
        cut = ask(name, use_edns=-1)
        assert (bool(cut.flags & dns.flags.TC), data(cut)) == (True, [])
        assert len(data(ask(name, tcp=True))) == count
    assert len(data(ask("big.example.", use_edns=0, payload=4096))) == 100


def test_delay_and_ad(ask: Ask) -> None:
    for tcp in (False, True):
        answer = ask("slow.example.", tcp=tcp)
        assert answer.time >= 0.05
        assert answer.flags & dns.flags.AD
    assert not ask("a.example.").flags & dns.flags.AD


def test_lame(ask: Ask) -> None:
    answer = ask("lame.example.")
    assert (answer.rcode(), data(answer), len(answer.authority)) == (dns.rcode.NOERROR, [], 1)
    assert not answer.flags & (dns.flags.RA | dns.flags.AA)


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
