"""How the server's octets leave, seen at the socket."""

import socket
import threading
from collections.abc import Callable, Iterator

import pytest

from mocksrv.pattern import Facts
from mocksrv.player import Mismatch, Player, Transcript
from mocksrv.script import parse_dialogue


class Recorder(socket.socket):
    """A socket that remembers each write."""

    def __init__(self, connection: socket.socket) -> None:
        super().__init__(fileno=connection.detach())
        self.writes: list[bytes] = []

    def sendall(self, octets: bytes) -> None:  # type: ignore[override]
        self.writes.append(octets)
        super().sendall(octets)


@pytest.fixture
def pair() -> Iterator[tuple[Recorder, socket.socket]]:
    with socket.create_server(("127.0.0.1", 0)) as listener, socket.create_connection(listener.getsockname()) as client:
        with Recorder(listener.accept()[0]) as server:
            yield server, client


@pytest.fixture
def said(pair: tuple[Recorder, socket.socket]) -> Callable[[str], list[bytes]]:
    """The writes of a dialogue with a client that sends nothing and hangs up."""
    server, client = pair

    def said(text: str) -> list[bytes]:
        dialogue = parse_dialogue("test", 0, "host", text.split("\n"))
        reader = threading.Thread(target=lambda: client.recv(4, socket.MSG_WAITALL) and client.close())
        reader.start()
        Player(server, Transcript(dialogue, "host"), Facts(b"", b""), {}).play()
        reader.join()
        return server.writes

    return said


def test_consecutive_lines_leave_in_one_write(said: Callable[[str], list[bytes]]) -> None:
    assert said("S: a\n# comment\n\nS= b") == [b"a\r\nb"]


def test_split_lets_every_octet_leave_alone(said: Callable[[str], list[bytes]]) -> None:
    assert said("@split\nS: a\nS= b") == [b"a", b"\r", b"\n", b"b"]


def test_drip_lets_some_octets_leave_at_a_time(said: Callable[[str], list[bytes]]) -> None:
    assert said("@drip 3 0.01s\nS= abcd") == [b"abc", b"d"]


def test_the_manner_is_that_of_one_group(said: Callable[[str], list[bytes]]) -> None:
    assert said("@split\nS= ab\n@delay 0.01\nS= cd") == [b"a", b"b", b"cd"]


def test_drip_wants_the_client_to_hang_up_in_time(said: Callable[[str], list[bytes]]) -> None:
    with pytest.raises(Mismatch, match=r"it had to within 2..5 s"):
        said("@drip 1 0.01 within=2..5\nS= abcdefghijklmnopqrstuvwxyz")


def test_drip_ends_when_the_client_hangs_up(said: Callable[[str], list[bytes]]) -> None:
    assert len(said("@drip 1 0.01 within=0..5\nS= abcdefghijklmnopqrstuvwxyz")) < 26


def play(pair: tuple[Recorder, socket.socket], text: str, octets: bytes, hang_up: bool = True) -> str | None:
    """What is wrong with a client that sends these octets at once."""
    server, client = pair
    client.sendall(octets)
    if hang_up:
        client.shutdown(socket.SHUT_WR)
    dialogue = parse_dialogue("test", 0, "host", text.split("\n"))
    try:
        Player(server, Transcript(dialogue, "host"), Facts(b"me", b"a\n"), {}).play()
    except Mismatch as mismatch:
        return mismatch.failure.what
    return None


@pytest.mark.parametrize(
    ("text", "octets", "wrong"),
    [
        ("C: EHLO {helo}", b"EHLO me\r\n", None),
        ("C: A\nC: B", b"A\r\nB\r\n", None),
        ("C: {message}\nC= x", b"a\r\n.\r\nx", None),
        ("C: A", b"A\r\nB", "the client sent more after the end of the dialogue"),
        ("C: A", b"A\n", "the client sent something else"),
        ("C: A", b"A\r", "the client hung up"),
        ("C: A\nS: ok", b"A\r\n", "the client hung up before the server's turn"),
        ("C: A\nS: ok", b"A\r\nB", "the client sent more before the server's turn"),
        ("C: QUIT\nS: bye", b"QUIT\r\n", None),
        ("C: {n:int}", b"12\r\n", None),
        ("C: {n:int}\nC: {n:int}", b"12\r\n13\r\n", r"the client's line does not fit. {n} is 12."),
        ("C: {n:int}", b"1" * 100000, "the client's line has no end"),
        ("@read 2\nC: A", b"xyA\r\n", None),
        ("@stall within=0..1", b"", None),
        ("@stall within=0..1", b"x", "the client sent more before the server's turn"),
    ],
)
def test_what_is_heard(pair: tuple[Recorder, socket.socket], text: str, octets: bytes, wrong: str | None) -> None:
    found = play(pair, text, octets)
    assert (wrong in found) if wrong and found else found == wrong


def test_close_ends_with_fin(pair: tuple[Recorder, socket.socket]) -> None:
    """Octets that wait unread would turn it into a reset."""
    assert play(pair, "C: A\nS= b\n@close", b"A\r\n", hang_up=False) is None
    assert pair[1].recv(10, socket.MSG_WAITALL) == b"b"


def test_reset_resets(pair: tuple[Recorder, socket.socket]) -> None:
    assert play(pair, "C: A\n@reset", b"A\r\n", hang_up=False) is None
    with pytest.raises(ConnectionResetError):
        pair[1].recv(1)
