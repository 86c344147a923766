# SPDX-License-Identifier: ISC
"""outgoingip and outgoingip6: the server sees the address that they name."""

import os
import socket
import threading
from contextlib import ExitStack
from pathlib import Path

import pytest

from mocksrv.world import sandbox
from mocksrv.world.nameserver import bound_socket
from testsuite.peer import PATIENCE, RECIPIENT, SENDER, Peer, furnish, qremote

pytestmark = pytest.mark.skipif(sandbox.available() is not None, reason=f"{sandbox.available()}")

OURS = ("203.0.113.7", "203.0.113.8", "2001:db8:f::7", "2001:db8:f::8")
PORT_RANGE = Path("/proc/sys/net/ipv4/ip_local_port_range")
IP_BIND_ADDRESS_NO_PORT = 24  # Python 3.11 has no name for it


def seen(server: str, control: dict[str, str]) -> str:
    """Where a connection comes from to a server that has no time."""
    sandbox.ip([f"address add {address} dev lo{' nodad' if ':' in address else ''}" for address in OURS])  # at once
    furnish(sandbox.SCRATCH / "qmail", **control)
    callers: list[str] = []

    def refuse(listener: socket.socket) -> None:
        connection, caller = listener.accept()
        callers.append(caller[0])
        with connection:
            connection.sendall(b"421 4.3.2 later\r\n")

    with bound_socket(server, 25, socket.SOCK_STREAM) as listener:
        listener.listen()
        thread = threading.Thread(target=refuse, args=(listener,), daemon=True)
        thread.start()
        assert "later" in qremote(f"[{server}]", SENDER, RECIPIENT).report
        thread.join(PATIENCE)
    return callers[0]


@pytest.mark.spec("OUT-1")
@pytest.mark.parametrize(
    ("server", "names", "expected"),
    [
        ("192.0.2.25", {"outgoingip": OURS[0]}, OURS[0]),
        ("192.0.2.25", {"outgoingip": f"{OURS[1]}  \n{OURS[0]}\n", "outgoingip6": OURS[2]}, OURS[1]),
        ("2001:db8::25", {"outgoingip": OURS[0], "outgoingip6": OURS[2]}, OURS[2]),
        ("2001:db8::25", {"outgoingip6": OURS[3]}, OURS[3]),
    ],
)
def test_the_server_sees_it(server: str, names: dict[str, str], expected: str) -> None:
    """The address of its family."""
    assert sandbox.run(seen, server, names) == expected


@pytest.mark.spec("OUT-1")
@pytest.mark.parametrize("names", [{}, {"outgoingip": ""}, {"outgoingip6": OURS[2]}], ids=str)
def test_the_kernel_chooses(names: dict[str, str]) -> None:
    """Without a file, with an empty one, and with one for the other family."""
    assert sandbox.run(seen, "192.0.2.25", names) not in OURS


def with_ports_in_use(server: str, source: str, used_for: str) -> str:
    """The report of a delivery from an address with two ports, both of which have connections to some server."""
    sandbox.ip([f"address add {address} dev lo" for address in OURS])
    furnish(sandbox.SCRATCH / "qmail", outgoingip=OURS[0], outgoingip6=OURS[2])
    PORT_RANGE.write_text("40000 40001")
    with ExitStack() as stack:
        for address in {server, used_for}:
            stack.enter_context(Peer(address=address))
        for _ in range(2):
            caller = stack.enter_context(socket.socket(socket.AF_INET6 if ":" in source else socket.AF_INET))
            caller.setsockopt(socket.IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1)
            caller.bind((source, 0))
            caller.connect((used_for, 25))
        return qremote(f"[{server}]", SENDER, RECIPIENT).report


@pytest.mark.spec("OUT-1")
@pytest.mark.skipif(not os.access(PORT_RANGE, os.W_OK), reason="the range of ports cannot be set here")
@pytest.mark.parametrize(
    ("server", "source", "used_for", "expected"),
    [
        ("192.0.2.25", OURS[0], "192.0.2.26", "accepted message"),
        ("2001:db8::25", OURS[2], "2001:db8::26", "accepted message"),
        ("192.0.2.25", OURS[0], "192.0.2.25", "Address already in use. (#4.3.0)"),
    ],
)
def test_ports_in_use_may_be_used_for_other_servers(server: str, source: str, used_for: str, expected: str) -> None:
    """Without outgoingip they may, too: else a machine that sends much has no port left for a minute."""
    assert expected in sandbox.run(with_ports_in_use, server, source, used_for)
