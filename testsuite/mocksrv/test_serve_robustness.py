# SPDX-License-Identifier: ISC
"""`mocksrv serve` with many clients, and with hostile ones: it goes on, and keeps nothing of them."""

import contextlib
import gc
import io
import random
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from mocksrv.case.steps import Dialogue
from mocksrv.play.responder import LONGEST_LINE, LONGEST_MESSAGE, MOST_COMMANDS
from mocksrv.play.tape import Tape
from mocksrv.serve.oneline import Line
from mocksrv.serve.server import Role, Server
from mocksrv.serve.teller import Teller
from testsuite.mocksrv.serving import PATIENCE, Serving, serving, talk

ENVELOPE = b"MAIL FROM:<a@b.example>\r\n", b"RCPT TO:<bob@example.org>\r\n"
TEXT = b"x" * 998 + b"\r\n"
MILLION = b"x" * 1_000_000


def delivered(connection: socket.socket, text: bytes = TEXT) -> None:
    """A whole delivery over a connection, which is closed then."""
    with connection:
        replies = talk(connection, b"", b"EHLO x\r\n", *ENVELOPE, b"DATA\r\n", text + b".\r\n", b"QUIT\r\n")
        assert [one[:3] for one in replies] == [b"220", b"250", b"250", b"250", b"354", b"250", b"221"]
        assert connection.recv(1) == b""


# Many


def test_two_hundred_at_a_time() -> None:
    """All are greeted before one has said anything, and all are in the middle of their message before one ends it."""
    with serving("--quiet") as server:
        with contextlib.ExitStack() as stack:
            clients = [stack.enter_context(server.connected()) for _ in range(200)]
            for step in (b"", b"EHLO x\r\n", *ENVELOPE, b"DATA\r\n"):
                for client in clients:
                    client.sendall(step)
                for client in clients:
                    assert talk(client, b"")[0][:1] in (b"2", b"3")
            assert threads(server) == 201
            for client in clients:
                client.sendall(TEXT + b".\r\nQUIT\r\n")
            for client in clients:
                assert b"".join(iter(lambda: client.recv(100), b"")).count(b"\r\n") == 2
        assert server.stop()[0] == "200 connections, 200 messages taken, 0 refused, 0 ended badly"


@pytest.mark.slow
def test_a_thousand_in_a_row() -> None:
    """No connection is lost, and nothing of it is left: threads, descriptors, memory."""
    size = 50_000
    with serving("--quiet", "--starttls", "mx") as server, ThreadPoolExecutor(16) as pool:
        left = []
        for deliveries in (100, 900):
            for done in [pool.submit(delivered, server.connected(), TEXT * (size // 1000)) for _ in range(deliveries)]:
                done.result(PATIENCE)
            ended(server)
            left.append((threads(server), descriptors(server), resident(server)))
        assert left[0][:2] == left[1][:2]
        assert left[1][2] - left[0][2] < 900 * size // 2  # of each message, there were four copies
        assert server.stop()[0] == "1000 connections, 1000 messages taken, 0 refused, 0 ended badly"


def test_nothing_is_kept() -> None:
    """When a session has ended, its tape is gone."""
    listener = socket.create_server(("127.0.0.1", 0))
    where = listener.getsockname()
    dialogue = Dialogue(host="mx.example", port=25, never=False, steps=(), line=0, end=0)
    server = Server(listener, [Role(dialogue, Line().policy())], Teller(io.StringIO(), quiet=True), None, 20)
    thread = threading.Thread(target=server.run)
    thread.start()
    for _ in range(20):
        delivered(socket.create_connection(where, PATIENCE))
    thread.join(PATIENCE)
    for session in [one for one in threading.enumerate() if "_session" in one.name]:
        session.join(PATIENCE)  # it has told its end, but may still be on its way out
    assert server.totals.taken == 20
    gc.collect()
    mine = [one for one in gc.get_objects() if isinstance(one, Tape) and one.host == "mx.example"]
    assert mine == []


def test_more_than_there_is_room_for() -> None:
    """With few descriptors some must wait, and are served when others have left."""
    with serving("--quiet", within=("prlimit", "--nofile=40")) as server:
        clients = [server.connected() for _ in range(60)]
        server.told("no room for one more connection: Too many open files")
        for client in clients:
            delivered(client)
        assert server.stop()[0] == "60 connections, 60 messages taken, 0 refused, 0 ended badly"


def threads(server: Serving) -> int:
    """How many there are."""
    return len(list(Path(f"/proc/{server.process.pid}/task").iterdir()))


def descriptors(server: Serving) -> int:
    """How many are open."""
    return len(list(Path(f"/proc/{server.process.pid}/fd").iterdir()))


def resident(server: Serving) -> int:
    """Octets of memory."""
    return int(Path(f"/proc/{server.process.pid}/statm").read_text().split()[1]) * 4096


def ended(server: Serving) -> None:
    """Waits until no session is left: a client can be gone before its thread is."""
    waiting = threading.Event()
    for _ in range(int(PATIENCE / 0.01)):
        if threads(server) == 1:
            return
        waiting.wait(0.01)
    raise AssertionError(threads(server))


# Hostile


def flood(connection: socket.socket, before: bytes = b"") -> None:
    """100 MB without a line end."""
    connection.sendall(before)
    for _ in range(100):
        connection.sendall(MILLION)


def flood_of_text(connection: socket.socket) -> None:
    """As a message."""
    flood(connection, b"".join([*ENVELOPE, b"DATA\r\n"]))


def drip(connection: socket.socket) -> None:
    """Half a command, octet by octet, for ever."""
    connection.settimeout(0.02)
    while True:
        connection.sendall(b"N")
        with contextlib.suppress(TimeoutError):
            connection.recv(1000)


def drip_after_the_end(connection: socket.socket) -> None:
    """The server has hung up already."""
    connection.sendall(b"QUIT\r\n")
    drip_on(connection, b"x")


def drip_on(connection: socket.socket, octets: bytes) -> None:
    """Says this again and again, whatever is answered."""
    pause = threading.Event()
    while True:
        connection.sendall(octets)
        pause.wait(0.02)


def half(connection: socket.socket) -> None:
    """Half a command, and then nothing."""
    connection.sendall(b"NOO")
    drain(connection)


def hello(connection: socket.socket) -> None:
    """A ClientHello in the clear."""
    connection.sendall(b"\x16\x03\x01\x00\x05\x01\x00\x00\x01\x00\n")
    drain(connection)


def silence(connection: socket.socket) -> None:
    """Nothing at all."""
    drain(connection)


def drain(connection: socket.socket) -> None:
    """Hears everything."""
    while connection.recv(1 << 16):
        pass


def deaf(connection: socket.socket) -> None:
    """A client that speaks, and never reads."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
    connection.sendall(b"EHLO x\r\n" * 3000)
    while True:
        connection.sendall(b"x")


def chatter(connection: socket.socket) -> None:
    """Commands without end."""
    talk(connection, b"")
    while True:
        connection.sendall(b"NOOP\r\n" * 1000)
        left = 1000 * len(b"250 2.0.0 ok\r\n")
        while left:
            left -= len(connection.recv(left)) or left


def reset(connection: socket.socket) -> None:
    """In the middle of a message."""
    talk(connection, b"", *ENVELOPE, b"DATA\r\n")
    connection.sendall(b"x")
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def leave(connection: socket.socket) -> None:
    """In the middle of a command."""
    talk(connection, b"")
    connection.sendall(b"MAIL FR")


def rubbish_in_a_handshake(connection: socket.socket) -> None:
    """Octets that look like TLS, but are not."""
    talk(connection, b"", b"STARTTLS\r\n")
    connection.sendall(b"\x16\x03\x01\x00\x30\x01\x00\x00\x2c" + bytes(range(44)))
    drain(connection)


def clear_in_a_handshake(connection: socket.socket) -> None:
    """No TLS at all."""
    talk(connection, b"", b"STARTTLS\r\n")
    connection.sendall(b"EHLO x\r\n")
    drain(connection)


HOSTILE: list[tuple[Callable[[socket.socket], None], str]] = [
    (flood, f"a line of more than {LONGEST_LINE} octets"),
    (flood_of_text, f"a message of more than {LONGEST_MESSAGE} octets"),
    (drip, " octets, and then nothing for 3 s"),
    (drip_after_the_end, "the client did not hang up in 3 s although the server had"),
    (half, "the client sent 3 octets, and then nothing for 3 s"),
    (hello, "the client begins a TLS handshake without STARTTLS"),
    (silence, "the client said nothing for 3 s"),
    (deaf, "the client does not read what the server says (3 s)"),
    (chatter, f"more than {MOST_COMMANDS} commands in one session"),
    (reset, "the client broke the connection"),
    (leave, "the client hung up in the middle of a line, after 7 octets"),
    (rubbish_in_a_handshake, "the client's first message is not a ClientHello"),
    (clear_in_a_handshake, "the client sent this in the clear, where only TLS records are allowed"),
]


@pytest.mark.parametrize(("behave", "told"), HOSTILE, ids=lambda one: getattr(one, "__name__", ""))
def test_one_hostile_client(behave: Callable[[socket.socket], None], told: str) -> None:
    """Its session ends with one line that says why, and the next client is served."""
    # Replies of 4 kB fill what the kernel keeps for a client that does not read.
    with serving("--quiet", "--patience", "3", "--starttls", "mx", "--ehlo", f"X={'x' * 4000}") as server:
        with server.connected() as client, contextlib.suppress(ConnectionError):
            behave(client)
        server.told(told)
        delivered(server.connected())
        assert server.stop()[0] == "2 connections, 1 message taken, 0 refused, 1 ended badly"
    assert len([line for line in server.lines if told in line]) == 1
    assert not any("Traceback" in line for line in server.lines)


def octets_of(seed: int) -> Iterator[bytes]:
    """Random octets, and words of SMTP among them."""
    chance = random.Random(seed)
    words = [
        b"EHLO x", b"MAIL FROM:", b"<", b">", b"RCPT TO:", b"DATA", b"BDAT ", b"9", b" LAST", b".", b"\r\n", b"\n",
        b"\r", b"\r\n.\r\n", b"STARTTLS", b"\x16\x03\x01", b"RSET", b"\0", b"\xff", b'"', b"\\", b"@",
    ]  # fmt: skip
    for _ in range(200):
        yield chance.choice(words) if chance.random() < 0.8 else chance.randbytes(chance.randrange(20))


def test_random_octets() -> None:
    """From several clients at once: each ends, none breaks the server."""

    def babble(seed: int) -> None:
        with server.connected() as client, contextlib.suppress(ConnectionError):
            client.sendall(b"".join(octets_of(seed)))
            client.shutdown(socket.SHUT_WR)
            drain(client)

    with serving("--patience", "2", "--starttls", "mx") as server, ThreadPoolExecutor(8) as pool:
        list(pool.map(babble, range(40)))
        delivered(server.connected())
        ended(server)
        assert server.stop()[0].startswith("41 connections, ")
    assert not any("Traceback" in line or "broke" in line for line in server.lines)
    assert "".join(server.lines).isprintable()
