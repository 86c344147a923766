# SPDX-License-Identifier: ISC
"""outgoingip and outgoingip6: the server sees the address that they name."""

import socket
import threading

import pytest

from mocksrv.world import sandbox
from mocksrv.world.nameserver import bound_socket
from testsuite.peer import PATIENCE, RECIPIENT, SENDER, furnish, qremote

pytestmark = pytest.mark.skipif(sandbox.available() is not None, reason=f"{sandbox.available()}")

OURS = ("203.0.113.7", "203.0.113.8", "2001:db8:f::7", "2001:db8:f::8")


def seen(server: str, control: dict[str, str]) -> str:
    """Where a connection comes from to a server that has no time."""
    sandbox.ip([f"address add {address} dev lo" for address in OURS])
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
