# SPDX-License-Identifier: ISC
"""How the server's octets are sent, seen at the socket."""

import socket
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from mocksrv.case.pattern import Facts
from mocksrv.case.script import parse_dialogue
from mocksrv.play import player
from mocksrv.play.player import Player
from mocksrv.play.transcript import Mismatch, Transcript
from testsuite.mocksrv.shaking import Recorder


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


@pytest.mark.parametrize("before", ["", "@read 1\n"])
def test_delay_lets_octets_leave_later(
    pair: tuple[Recorder, socket.socket], monkeypatch: pytest.MonkeyPatch, before: str
) -> None:
    monkeypatch.setattr(player, "WAIT", 0.05)
    start = time.monotonic()
    thread = threading.Thread(target=play, args=(pair, f"{before}@delay 0.1\nS= ab", b"x" if before else b"", False))
    thread.start()
    assert pair[1].recv(2, socket.MSG_WAITALL) == b"ab"
    assert time.monotonic() - start >= 0.1
    thread.join()


def test_the_manner_is_that_of_one_group(said: Callable[[str], list[bytes]]) -> None:
    assert said("@split\nS= ab\n@delay 0.01\nS= cd") == [b"a", b"b", b"cd"]


def test_drip_wants_the_client_to_hang_up_in_time(said: Callable[[str], list[bytes]]) -> None:
    with pytest.raises(Mismatch, match=r"it had to within 50..60 s"):
        said(f"@drip 1 0.01 within=50..60\nS= {'x' * 6000}")


def test_drip_ends_when_the_client_hangs_up(said: Callable[[str], list[bytes]]) -> None:
    assert len(said(f"@drip 1 0.01 within=0..60\nS= {'x' * 6000}")) < 6000


def play(pair: tuple[Recorder, socket.socket], text: str, octets: bytes, hang_up: bool = True) -> str | None:
    """The failure for a client that sends these octets at once."""
    server, client = pair
    if octets:  # it may be closed already
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
        ("C: A", b"A\r\nB", "the client sent data after the end of the dialogue"),
        ("C: A", b"A\n", "the client sent something else"),
        ("C: A", b"A\r", "the client hung up"),
        ("C: A\nS: ok", b"A\r\n", "the client hung up before the server's turn"),
        ("C: A\nS: ok", b"A\r\nB", "the client sent data before the server's turn"),
        ("C: QUIT\nS: bye", b"QUIT\r\n", None),
        ("C: {n:int}", b"12\r\n", None),
        ("C: {n:int}\nC: {n:int}", b"12\r\n13\r\n", r"the client's line does not fit. {n} is 12."),
        ("C: {n:int}", b"1" * 100000, "the client's line has no end"),
        ("@read 2\nC: A", b"xyA\r\n", None),
        ("@stall within=0..1", b"", None),
        ("@stall within=0..1", b"x", "the client sent data before the server's turn"),
    ],
)
def test_what_is_heard(pair: tuple[Recorder, socket.socket], text: str, octets: bytes, wrong: str | None) -> None:
    found = play(pair, text, octets)
    assert (wrong in found) if wrong and found else found == wrong


def test_a_client_is_not_hasty_because_the_server_is_late(pair: tuple[Recorder, socket.socket]) -> None:
    """Its time began when it connected, long before the server's thread did."""
    server, client = pair
    client.close()
    dialogue = parse_dialogue("test", 0, "host", ["@stall within=1..9"])
    Player(server, Transcript(dialogue, "host", time.monotonic() - 2), Facts(b"", b""), {}).play()


EITHER = "@either\nC: A\n@or\nC: BC\nC: D\n@end\n"
OPTIONAL = "@optional\nC: AB\n@end\n"
FITTING = "what would fit: `C: A` (line 2) or `C: BC` (line 4)"


@pytest.mark.parametrize(
    ("text", "octets", "wrong"),
    [
        (EITHER, b"A\r\n", None),
        (EITHER, b"BC\r\nD\r\n", None),
        (EITHER, b"BC\r\n", "the client hung up"),
        (EITHER, b"A\r\nD\r\n", "the client sent data after the end of the dialogue"),
        (EITHER, b"B", f"the client hung up; {FITTING}"),
        (EITHER, b"", f"the client hung up; {FITTING}"),
        (EITHER + "C: E", b"A\r\nE\r\n", None),
        (EITHER + "C: E", b"BC\r\nD\r\nE\r\n", None),
        # The first that fits, and not the first that is known to fit.
        ("@either\nC: {x:token}\n@or\nC: A\nC: B\n@end", b"A\r\nB\r\n", "sent data after the end of the dialogue"),
        ("@either\nC= AB\n@or\nC= A\n@end", b"AB", None),
        ("@either\nC= AB\n@or\nC= A\n@end", b"A", None),
        ("@either\nC: {n:int}\n@or\nC: {x:token}\n@end\nC: {n:int}", b"a\r\n1\r\n", None),
        ("@either\nC: {n:int}\n@or\nC: {x:token}\n@end\nC: {n:int}", b"2\r\n1\r\n", "does not fit. {n} is 2."),
        ("@either\nC: {n:int}\n@or\nC: A\n@end", b"1" * 100000, ": `C: {n:int}` (line 2) or `C: A` (line 4)"),
        ("@either\nC: A\n" + EITHER + "@or\nC: B\n@end", b"A\r\nBC\r\nD\r\n", None),
        # If one branch ends the dialogue, what follows the block is for the other.
        ("@either\nC: A\n@close\n@or\nC: B\n@end\nC: C", b"A\r\n", None),
        ("@either\nC: A\n@close\n@or\nC: B\n@end\nC: C", b"B\r\n", "the client hung up"),
        (OPTIONAL, b"", None),
        (OPTIONAL, b"AB\r\n", None),
        (OPTIONAL, b"A", "after the end of the dialogue (the optional block in line 1 was passed over)"),
        (OPTIONAL + "C: ABC", b"ABC\r\n", None),
        (OPTIONAL + "C: ABC", b"AB\r\nABC\r\n", None),
        (
            OPTIONAL + "C: ABC", b"AC\r\n",
            "the client sent something else (the optional block in line 1 was passed over)",
        ),  # fmt: skip
        (OPTIONAL + "C: ABC\nC: X", b"ABC\r\nY\r\n", "the client sent something else"),
        (OPTIONAL + OPTIONAL, b"AB\r\n", None),
        (OPTIONAL + OPTIONAL, b"AB\r\nAB\r\nAB\r\n", "after the end of the dialogue"),
        ("@repeat 3\nC: A\n@end", b"A\r\n" * 3, None),
        ("@repeat 3\nC: A\n@end", b"A\r\n" * 2, "the client hung up"),
        ("@repeat 3\nC: A\n@end", b"A\r\n" * 4, "after the end of the dialogue"),
        ("@repeat 2\n" + EITHER + "@end", b"A\r\nBC\r\nD\r\n", None),
        ("@repeat 2\nC: A\n@repeat 3\nC: B\n@end\n@end", b"A\r\nB\r\nB\r\nB\r\n" * 2, None),
    ],
)
def test_blocks(pair: tuple[Recorder, socket.socket], text: str, octets: bytes, wrong: str | None) -> None:
    found = play(pair, text, octets)
    assert found.endswith(wrong) if wrong and found else found == wrong


@pytest.mark.parametrize(
    ("octets", "wrong"),
    [
        (b"BX", f"the client sent something else; {FITTING}"),
        (b"B", f"nothing (more) came in 0.2 s; {FITTING}"),
    ],
)
def test_a_choice_waits_as_long_as_it_must(
    pair: tuple[Recorder, socket.socket], monkeypatch: pytest.MonkeyPatch, octets: bytes, wrong: str
) -> None:
    """And no longer."""
    monkeypatch.setattr(player, "WAIT", 0.2)
    assert play(pair, EITHER, octets, hang_up=False) == wrong


def test_groups_reach_across_the_borders_of_blocks(
    pair: tuple[Recorder, socket.socket], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(player, "WAIT", 0.2)
    play(pair, EITHER.replace("C: A", "C: A\nS= 1") + "S= 2\n@repeat 3\nS= 3\n@end\nS= 4", b"A\r\n", hang_up=False)
    assert pair[0].writes == [b"123334"]


def test_a_half_closed_connection_is_heard_to_its_end(pair: tuple[Recorder, socket.socket]) -> None:
    server, client = pair
    thread = threading.Thread(target=lambda: client.recv(10) + client.recv(10) == b"a" and client.sendall(b"B\r\n"))
    thread.start()
    dialogue = parse_dialogue("test", 0, "host", ["S= a", "@half-close", "C: B", "@read 2", "C: D"])
    threading.Thread(target=lambda: thread.join() or client.sendall(b"CCD\r\n") or client.close()).start()
    Player(server, Transcript(dialogue, "host"), Facts(b"", b""), {}).play()


def test_close_ends_with_fin(pair: tuple[Recorder, socket.socket]) -> None:
    """However much the client has sent and still sends: unread octets would turn the close into a reset."""
    server, client = pair
    client.sendall(b"A\r\n" * 10000)
    thread = threading.Thread(target=play, args=(pair, "@read 3\nS= b\n@close", b"", False))
    thread.start()
    assert client.recv(10, socket.MSG_WAITALL) == b"b"
    client.sendall(b"A\r\n" * 10000)
    assert client.recv(1) == b""
    client.close()
    thread.join()


def test_close_wants_the_client_to_hang_up(
    pair: tuple[Recorder, socket.socket], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(player, "WAIT", 0.05)
    assert "although the server had" in str(play(pair, "C: A\n@close", b"A\r\n", hang_up=False))


@pytest.mark.parametrize(
    ("within", "leaves", "wrong"),
    [
        ("0..60", True, None), ("0..0.01", False, "the client is still there"),
        ("50..60", True, "it had to within 50..60 s"),
    ],
)  # fmt: skip
def test_a_stall_amid_the_message_reads_nothing(
    pair: tuple[Recorder, socket.socket], within: str, leaves: bool, wrong: str | None
) -> None:
    """The client hangs up after more octets than any buffer holds."""
    _, client = pair
    client.setblocking(False)
    with pytest.raises(BlockingIOError):
        while True:
            client.send(b"x" * 65536)
    client.setblocking(True)
    timer = threading.Timer(0.05, client.close if leaves else bool)
    timer.start()
    found = play(pair, f"@read 1\n@stall within={within}", b"", hang_up=False)
    timer.join()
    assert (wrong in found) if wrong and found else found == wrong


def test_reset_resets(pair: tuple[Recorder, socket.socket]) -> None:
    assert play(pair, "C: A\n@reset", b"A\r\n", hang_up=False) is None
    with pytest.raises(ConnectionResetError):
        pair[1].recv(1)
