# SPDX-License-Identifier: ISC
"""race.c: an address that does not answer costs two seconds, if the exchanger has another one (RFC 8305).

The clock jumps over the time in which nothing happens (testsuite/torture/faults.c), so nobody waits for it.
"""

import resource
import socket
import struct
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import pytest

from mocksrv.world import sandbox
from mocksrv.world.nameserver import DnsServer, bound_socket
from testsuite.peer import RECIPIENT, SENDER, Outcome, Peer, furnish, qremote
from testsuite.torture.spread import Tools
from testsuite.torture.world import Log

pytestmark = pytest.mark.skipif(sandbox.available() is not None, reason=f"{sandbox.available()}")

TIMEOUT = 60  # seconds: timeoutconnect
COUNTED = "-3:0:0:0"  # for faults.c: nothing fails
PATIENCE = "60000"  # milliseconds, for faults.c: the servers that answer at all are never silent, only busy


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """faults.c, compiled."""
    return Tools.build(tmp_path_factory.mktemp("faults")).library


@contextmanager
def dead(address: str) -> Iterator[None]:
    """An address where connections are never made: the queue of its listener is full."""
    with bound_socket(address, 25, socket.SOCK_STREAM) as listener, socket.socket(listener.family) as filler:
        listener.listen(0)
        filler.connect(listener.getsockname())
        yield


@dataclass(frozen=True)
class World:
    """The addresses of each exchanger, in the order of preference; those where nobody answers, and which servers there
    are, with the beginnings of their replies.
    """

    exchangers: tuple[tuple[str, ...], ...]
    dead: tuple[str, ...]
    peers: dict[str, dict[str, str]] = field(default_factory=dict)
    table: bytes = bytes(1024)  # of hosts that timed out
    descriptors: int = 64
    control: dict[str, str] = field(default_factory=dict)

    @property
    def zone(self) -> str:
        lines = [f"example.org. MX {n} mx{n}.example.org." for n in range(len(self.exchangers))]
        for number, addresses in enumerate(self.exchangers):
            lines += [f"mx{number}.example.org. {'AAAA' if ':' in one else 'A'} {one}" for one in addresses]
        return "\n".join(lines)


@dataclass(frozen=True)
class Told:
    """What came of a delivery."""

    outcome: Outcome
    waited: int  # seconds over which the clock jumped
    trace: list[str]  # what it tells of connections
    sessions: int
    table: list[tuple[str, int]]  # hosts, and how often they timed out


def deliver(world: World, library: Path, home: Path = sandbox.SCRATCH / "qmail") -> Told:
    """One delivery."""
    furnish(home, timeoutconnect=f"{TIMEOUT}\n", **world.control)
    table, trace, log = home / "queue/lock/tcpto", sandbox.SCRATCH / "trace", sandbox.SCRATCH / "log"
    table.parent.mkdir(parents=True, exist_ok=True)
    table.write_bytes(world.table)
    trace.touch()
    log.write_bytes(bytes(1 << 14))
    variables = {
        "LD_PRELOAD": str(library), "FAULT": COUNTED, "FAULT_LOG": str(log), "FAULT_PATIENCE": PATIENCE,
        "QREMOTE_TRACE": str(trace), "QMAILHOME": str(home),
    }  # fmt: skip
    limit = partial(resource.setrlimit, resource.RLIMIT_NOFILE, (world.descriptors,) * 2)
    with ExitStack() as stack:
        for address in world.dead:
            stack.enter_context(dead(address))
        server = stack.enter_context(DnsServer(world.zone))
        server.start()
        peers = [stack.enter_context(Peer(address=one, replies=replies)) for one, replies in world.peers.items()]
        outcome = qremote("example.org", SENDER, RECIPIENT, variables=variables, before=limit)
    lines = [line.split(" ", 2)[2] for line in trace.read_text().splitlines()]
    records = [struct.unpack("4B2I4x", table.read_bytes()[at : at + 16]) for at in range(0, 1024, 16)]
    return Told(
        outcome, round(Log.parse(log.read_bytes()).skipped),
        [line[2:] for line in lines if line[0] == "*" and "connect" in line.partition("mx")[0]],
        sum(len(peer.sessions) for peer in peers), [(".".join(map(str, one[:4])), one[4]) for one in records if one[4]],
    )  # fmt: skip


def told(world: World, library: Path) -> Told:
    """The same in a sandbox."""
    return sandbox.run(deliver, world, library)


@pytest.mark.spec("CON-2", "CON-3", "CON-4", "TRC-2")
def test_a_dead_address_costs_two_seconds(library: Path) -> None:
    """The second one gets the mail; of the first, nothing is known, so nothing is noted."""
    found = told(World((("192.0.2.25", "192.0.2.26"),), ("192.0.2.25",), {"192.0.2.26": {}}), library)
    assert (found.outcome.letters, found.waited, found.sessions, found.table) == ("rK", 2, 1, [])
    assert found.trace == [
        "connecting to mx0.example.org[192.0.2.25]",
        "connecting to mx0.example.org[192.0.2.26] as well",
        "no longer connecting to mx0.example.org[192.0.2.25]",
        "connected to mx0.example.org[192.0.2.26]",
    ]


@pytest.mark.spec("CON-2", "CON-5")
def test_exchangers_are_not_tried_side_by_side(library: Path) -> None:
    """The first one has only an address that is dead: its whole time passes."""
    world = World((("192.0.2.25",), ("192.0.2.26",)), ("192.0.2.25",), {"192.0.2.26": {}})
    found = told(world, library)
    assert (found.outcome.letters, found.waited, found.table) == ("rK", TIMEOUT, [("192.0.2.25", 1)])
    assert found.trace == [
        "connecting to mx0.example.org[192.0.2.25]",
        "not connected: Connection timed out",
        "connecting to mx1.example.org[192.0.2.26]",
    ]


@pytest.mark.spec("CON-2", "TPO-2", "CTL-2")
def test_each_attempt_has_its_own_time(library: Path) -> None:
    """All three are dead, and each is noted once its time is over."""
    addresses = ("192.0.2.25", "192.0.2.26", "192.0.2.27")
    found = told(World((addresses,), addresses), library)
    assert "to mx0.example.org[192.0.2.27]: Connection timed out. (#4.4.1)" in found.outcome.report
    assert found.table == [(address, 1) for address in addresses] and TIMEOUT <= found.waited <= TIMEOUT + 4
    assert [line for line in found.trace if "not connected" in line] == [
        "not connected to mx0.example.org[192.0.2.25]: Connection timed out",
        "not connected to mx0.example.org[192.0.2.26]: Connection timed out",
        "not connected: Connection timed out",
    ]


@pytest.mark.spec("CON-2")
def test_a_failure_makes_room_at_once(library: Path) -> None:
    """While the first is waited for, the second is refused: the third begins then, not two seconds later."""
    world = World((("192.0.2.25", "192.0.2.26", "192.0.2.27"),), ("192.0.2.25",), {"192.0.2.27": {}})
    found = told(world, library)
    assert (found.outcome.letters, found.waited) == ("rK", 2)
    assert "not connected to mx0.example.org[192.0.2.26]: Connection refused" in found.trace


@pytest.mark.spec("CON-2")
def test_at_most_eight_at_a_time(library: Path) -> None:
    """The ninth address begins when the time of the first one is over."""
    addresses = tuple(f"192.0.2.{number}" for number in range(31, 40))
    found = told(World((addresses,), addresses[:-1], {addresses[-1]: {}}), library)
    assert found.outcome.letters == "rK" and TIMEOUT - 10 <= found.waited <= TIMEOUT + 2
    begun = [line.startswith("connecting") for line in found.trace]
    assert begun == [True] * 8 + [False, True] + [False] * 8, found.trace
    assert found.table == [(addresses[0], 1)]


@pytest.mark.spec("CON-4", "MX-2")
def test_the_others_are_still_candidates(library: Path) -> None:
    """The winner has no time for mail: the address that lost is tried again, alone, and then the next exchanger."""
    world = World(
        (("192.0.2.25", "192.0.2.26"), ("192.0.2.27",)), ("192.0.2.25",),
        {"192.0.2.26": {"": "421 4.3.2 busy"}, "192.0.2.27": {}},
    )  # fmt: skip
    found = told(world, library)
    assert (found.outcome.letters, found.waited, found.sessions) == ("rK", 2 + TIMEOUT, 2)
    assert found.table == [("192.0.2.25", 1)]
    assert found.trace[4:] == [
        "connecting to mx0.example.org[192.0.2.25]",
        "not connected: Connection timed out",
        "connecting to mx1.example.org[192.0.2.27]",
    ]


@pytest.mark.spec("CON-4", "RES-7")
def test_what_is_settled_is_settled(library: Path) -> None:
    """The winner refuses the recipient: the address that lost is not asked."""
    replies = {"RCPT": "550 5.1.1 no such user"}
    found = told(World((("192.0.2.25", "192.0.2.26"),), ("192.0.2.25",), {"192.0.2.26": replies}), library)
    assert (found.outcome.letters, found.waited, found.sessions) == ("hD", 2, 1)


@pytest.mark.spec("CON-2", "TPO-1")
def test_a_host_that_timed_out_before_is_not_tried_beside(library: Path) -> None:
    """The next one is."""
    record = struct.pack("4B2I4x", 192, 0, 2, 26, 5, 2**31)
    table = record.ljust(1024, b"\0")
    world = World((("192.0.2.25", "192.0.2.26", "192.0.2.27"),), ("192.0.2.25",), {"192.0.2.27": {}}, table)
    found = told(world, library)
    assert (found.outcome.letters, found.waited) == ("rK", 2)


@pytest.mark.spec("CON-1", "CON-2")
def test_the_other_family_is_next(library: Path) -> None:
    """IPv6 packets get lost: the mail goes over IPv4 at once, not after another IPv6 address."""
    addresses = ("2001:db8::25", "2001:db8::26", "192.0.2.25")
    found = told(World((addresses,), addresses[:2], {addresses[2]: {}}), library)
    assert (found.outcome.letters, found.waited, len(found.trace)) == ("rK", 2, 4)


@pytest.mark.spec("CON-2", "OUT-2")
def test_a_source_that_is_not_ours_holds_up_nobody(library: Path) -> None:
    """The IPv6 address beside the first one cannot be tried, so the next one is."""
    addresses = ("192.0.2.25", "2001:db8::25", "192.0.2.26")
    control = {"families": "ipv4,ipv6\n", "outgoingip6": "2001:db8:f::7\n"}
    found = told(World((addresses,), addresses[:1], {addresses[2]: {}}, control=control), library)
    assert (found.outcome.letters, found.waited, found.sessions) == ("rK", 2, 1)
    assert "not connected to mx0.example.org[2001:db8::25]: " in "".join(found.trace)


@pytest.mark.spec("CON-2", "SYN-2")
def test_few_descriptors(library: Path) -> None:
    """If there is none for another attempt, the one that is under way goes on, and the address has its turn later."""
    places = []
    for most in range(4, 13):
        world = World(
            (("192.0.2.25", "192.0.2.26"),), ("192.0.2.25",), {"192.0.2.26": {}}, descriptors=most
        )  # fmt: skip
        found = told(world, library)
        assert found.outcome.letters == ("rK" if found.sessions else "Z"), (most, found)
        places.append((found.outcome.letters, found.waited >= TIMEOUT))
    assert ("rK", True) in places and places[-1] == ("rK", False), places
