# SPDX-License-Identifier: ISC
"""All kinds of answers to real questions: how dns.c and c-ares handle them, and a real unbound."""

import ctypes
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import dns.message
import dns.query
import pytest

from mocksrv.world import sandbox
from mocksrv.world.nameserver import DnsServer
from testsuite import modules
from testsuite.peer import ADDRESS, PATIENCE, RECIPIENT, SENDER, Outcome, Peer, qremote

pytestmark = pytest.mark.skipif(sandbox.available() is not None, reason=f"{sandbox.available()}")

UNBOUND = Path(__file__).parent.parent / "build/mtas/unbound"
# Unusable answers, as faults of a zone.
NO_ANSWERS = [f";@{rcode}" for rcode in range(16) if rcode not in (0, 3)]
NO_ANSWERS += [";@nxdomain ;@lame", ";@noerror ;@lame", ";@referral", ";@referral ;@lame"]


def delivered_to(host: str) -> Outcome:
    """One delivery."""
    return qremote(host, SENDER, RECIPIENT)


def with_faults(kinds: tuple[str, ...], next_server: bool) -> dict[str, tuple[str, str]]:
    """For each unusable answer: letters and report if one server gives it to these questions, and the next knows more."""
    zone = "".join(
        f"h{number}.example. MX 10 m{number}.example.\nm{number}.example. A {ADDRESS}\nm{number}.example. TXT there\n"
        for number in range(len(NO_ANSWERS))
    )
    faults = "".join(
        f"{'h' if kind == 'MX' else 'm'}{number}.example. {kind} {fault}\n"
        for number, fault in enumerate(NO_ANSWERS)
        for kind in kinds
    )
    with DnsServer(zone + faults) as first, DnsServer(zone) as second, Peer():
        first.start()
        second.start("127.0.0.2")
        if next_server:
            Path("/etc/resolv.conf").write_text("nameserver 127.0.0.1\nnameserver 127.0.0.2\n")
        outcomes = [delivered_to(f"h{number}.example") for number in range(len(NO_ANSWERS))]
    return {fault: (outcome.letters, outcome.report) for fault, outcome in zip(NO_ANSWERS, outcomes)}


@pytest.mark.spec("MX-3")
@pytest.mark.parametrize("kinds", [("MX",), ("A", "AAAA")], ids=["exchangers", "addresses"])
def test_what_is_no_answer_delays(kinds: tuple[str, ...]) -> None:
    """The mail is neither sent to the host's own address nor bounced."""
    for fault, (letters, report) in sandbox.run(with_faults, kinds, False).items():
        assert letters == "Z" and "(#4.4.3)" in report, (fault, report)


@pytest.mark.spec("MX-3")
@pytest.mark.parametrize("kinds", [("MX",), ("A", "AAAA")], ids=["exchangers", "addresses"])
def test_where_one_server_has_no_answer_the_next_is_asked(kinds: tuple[str, ...]) -> None:
    for fault, (letters, report) in sandbox.run(with_faults, kinds, True).items():
        assert letters == "rK", (fault, report)


@contextmanager
def unbound(settings: str, modules: str = "iterator") -> Iterator[None]:
    """A real unbound at 127.0.0.1 port 53, which forwards unknown names to port 5353."""
    libraries = {str(path.parent) for path in UNBOUND.rglob("*.so*")}
    configuration, log = sandbox.SCRATCH / "unbound.conf", sandbox.SCRATCH / "unbound.log"
    configuration.write_text(
        "server:\ninterface: 127.0.0.1\nchroot: ''\nusername: ''\npidfile: ''\nuse-syslog: no\n"
        f"directory: {sandbox.SCRATCH}\nmodule-config: '{modules}'\ndo-not-query-localhost: no\n{settings}"
        "forward-zone:\nname: .\nforward-addr: 127.0.0.1@5353\nremote-control:\ncontrol-enable: no\n"
    )
    with log.open("wb") as stream:
        command = [UNBOUND / "usr/sbin/unbound", "-d", "-c", configuration]
        process = subprocess.Popen(
            command, env={"LD_LIBRARY_PATH": ":".join(sorted(libraries))}, stdout=stream, stderr=stream
        )
    try:
        deadline = time.monotonic() + PATIENCE
        while b"start of service" not in log.read_bytes():
            assert process.poll() is None and time.monotonic() < deadline, log.read_text()
            time.sleep(0.01)
        yield
    finally:
        process.kill()
        process.wait()


LOCAL_DATA = """\
local-zone: example.org. transparent
local-data: "example.org. CNAME mail.example.net."
local-data: "mx.example.net. CNAME mx1.example.net."
local-data: "round.example. CNAME about.example."
local-data: "about.example. CNAME round.example."
"""
BEHIND = f"mail.example.net. MX 10 mx.example.net.\nmx1.example.net. A {ADDRESS}\n"


def behind_unbound() -> tuple[list[str], dict[str, str]]:
    """What unbound answers, and the reports for hosts of LOCAL_DATA."""
    with DnsServer(BEHIND) as server, unbound(LOCAL_DATA), Peer():
        server.start(port=5353)
        said = dns.query.udp(dns.message.make_query("example.org.", "MX"), "127.0.0.1", timeout=PATIENCE)
        reports = {host: delivered_to(host).report for host in ("example.org", "round.example")}
    return [rrset.to_text() for rrset in said.answer], reports


@pytest.mark.skipif(not UNBOUND.is_dir(), reason="no build/mtas/unbound (ci/fetch-mtas makes it)")
@pytest.mark.spec("MX-5")
def test_unbound_ends_its_answer_at_an_alias() -> None:
    """If it knows the alias itself, from local-data: for the host and for its exchanger."""
    answer, reports = sandbox.run(behind_unbound)
    assert len(answer) == 1 and answer[0].endswith("IN CNAME mail.example.net."), answer
    assert reports["example.org"].startswith(f"Kmx.example.net [{ADDRESS}] accepted message"), reports
    assert reports["round.example"].startswith("Zround.example is a DNS alias that leads to no host"), reports


def delivered_by_exchanger(name: str) -> tuple[str, str, int]:
    """Letters and report where that is the exchanger, and mx.example.org somebody else's; and how often it was asked."""
    with DnsServer(f"example.org. MX 10 {name}\nmx.example.org. A {ADDRESS}\n") as server, Peer() as peer:
        server.start()
        outcome = delivered_to("example.org")
    return outcome.letters, outcome.report, len(peer.sessions)


@pytest.mark.spec("MX-5")
def test_a_dot_inside_a_label_leads_nowhere() -> None:
    """c-ares 1.34 gives no answer here: the label's rest is a name in the same message. 1.18 gives the name."""
    letters, report, sessions = sandbox.run(delivered_by_exchanger, r"mx\.example.org.")
    assert sessions == 0
    assert (letters, report[report.index("(#") :]) in {("D", "(#5.4.4)\n"), ("Z", "(#4.4.3)\n")}, report
    assert sandbox.run(delivered_by_exchanger, "mx.example.org.")[::2] == ("rK", 1)


def c_ares_version() -> tuple[int, ...]:
    """Of the library that the program loads."""
    library = ctypes.CDLL("libcares.so.2")
    library.ares_version.restype = ctypes.c_char_p
    return tuple(map(int, library.ares_version(None).decode().split(".")))


def on_the_link() -> str:
    """The letters of a delivery where the name server is on the link."""
    sandbox.ip(["address add fe80::1/64 dev lo nodad"])
    (sandbox.SCRATCH / "resolv.conf").write_text("nameserver fe80::1%lo\n")
    with DnsServer(f"example.org. MX 10 mx.example.org.\nmx.example.org. A {ADDRESS}\n") as server, Peer():
        server.start("fe80::1%lo")
        return delivered_to("example.org").letters


@pytest.mark.skipif(c_ares_version() < (1, 20), reason="this c-ares does not know name servers on the link")
@pytest.mark.spec("MX-3")
def test_a_name_server_on_the_link() -> None:
    """Its address means nothing without the interface, which must not get lost."""
    assert sandbox.run(on_the_link) == "rK"


# The module


def with_module(state: str, host: str) -> Outcome:
    modules.alone(dns=state)
    with DnsServer(f"example.org. MX 10 mx.example.org.\nmx.example.org. A {ADDRESS}\n") as server, Peer():
        server.start()
        return qremote(host, SENDER, RECIPIENT)


@pytest.mark.spec("MX-5")
@pytest.mark.parametrize("state", modules.STATES)
def test_the_module(state: str) -> None:
    """It is found beside the program, whatever its name."""
    modules.judge(sandbox.run(with_module, state, "example.org"), "DNS", state)


@pytest.mark.spec("MX-5")
def test_who_looks_nothing_up_needs_no_module() -> None:
    """It is not even searched."""
    assert sandbox.run(with_module, "missing", f"[{ADDRESS}]").letters == "rK"
