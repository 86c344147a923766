# SPDX-License-Identifier: ISC
"""A server with a policy, seen from the client's end of the connection."""

import re
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import pytest

from mocksrv.case.pattern import Facts
from mocksrv.case.script import parse_dialogue
from mocksrv.case.steps import Dialogue
from mocksrv.play import player, responder
from mocksrv.play.policy import Policy, Reaction, of_dialogue
from mocksrv.play.responder import Responder
from mocksrv.play.tape import Tape, event_lines
from mocksrv.play.transcript import Transcript

ENVELOPE = [b"MAIL FROM:<a@b.example>\r\n", b"RCPT TO:<c@d.example>\r\n"]
Served = tuple[socket.socket, Tape]


@contextmanager
def served(policy: Policy) -> Iterator[Served]:
    """The client's end of a connection, and its tape, which is complete after the block."""
    dialogue = Dialogue(host="mx.example", port=25, never=False, steps=(), line=0, end=0)
    transcript = Transcript(dialogue, "192.0.2.25")
    with socket.create_server(("127.0.0.1", 0)) as listener, socket.create_connection(listener.getsockname(), 10) as ours:
        thread = threading.Thread(target=Responder(listener.accept()[0], transcript, policy).play)
        thread.start()
        try:
            yield ours, transcript.tape
        finally:
            ours.close()
            thread.join()


def scripted(text: str) -> Policy:
    dialogue = parse_dialogue("test", 0, "mx.example", text.split("\n"))
    return of_dialogue(dialogue, Facts(b"", b""))


def replies(connection: socket.socket, *commands: bytes) -> list[bytes]:
    """The reply to each, which waits for the one before."""
    found = []
    for command in commands:
        connection.sendall(command)
        found.append(reply(connection))
    return found


def reply(connection: socket.socket) -> bytes:
    """All lines of the next reply, or the octets until the server hangs up."""
    octets = b""
    while octets[-1:] != b"\n" or octets.split(b"\n")[-2][3:4] == b"-":
        octet = connection.recv(1)
        if not octet:
            break
        octets += octet
    return octets


@pytest.fixture
def plain() -> Iterator[Served]:
    with served(Policy("mx.example", {"greeting": [Reaction(b"220 hi\r\n")]})) as pair:
        assert reply(pair[0]) == b"220 hi\r\n"
        yield pair


def test_sane_answers(plain: Served) -> None:
    commands = b"FOO,RCPT TO:<c@d>,DATA,BDAT 0 LAST,NOOP,HELP,VRFY c,EXPN c,STARTTLS,AUTH PLAIN,HELO x,EHLO x,,MAIL FROM:<a>"
    found = replies(plain[0], *(one + b"\r\n" for one in commands.split(b",")))
    assert [int(one[:3]) for one in found] == [500, 503, 503, 503, 250, 214, 252, 502, 502, 502, 250, 250, 500, 250]
    commands = b"MAIL FROM:<b>,DATA,RSET,RCPT TO:<c>,mail from:<a>,rcpt to:<c@d>,data"
    found = replies(plain[0], *(one + b"\r\n" for one in commands.split(b",")))
    assert [int(one[:3]) for one in found] == [503, 554, 250, 503, 250, 250, 354]


def test_what_is_handed_over(plain: Served) -> None:
    connection, tape = plain
    replies(connection, *ENVELOPE, b"DATA\r\n", b"..x\r\n.\r\n")
    replies(connection, *ENVELOPE, b'RCPT TO:<"e f"@D.example> X=Y\r\n', b"BDAT 3\r\nabc", b"BDAT 2 LAST\r\n\r\n", b"QUIT\r\n")
    assert [(one.sender, one.recipients, one.message, one.taken) for one in tape.deliveries] == [
        (b"a@b.example", (b"c@d.example",), b".x\r\n", True),
        (b"a@b.example", (b"c@d.example", b"e f@d.example"), b"abc\r\n", True),
    ]


def test_what_comes_together_is_answered_together() -> None:
    with served(Policy("mx.example", {"greeting": [Reaction(b"220 hi\r\n")]})) as (connection, tape):
        replies(connection, b"", b"".join([*ENVELOPE, b"DATA\r\n"]), b"", b"")
    assert [line[:6] for line in event_lines(tape.events)][:7] == [
        "S: 220", "C: MAI", "C: RCP", "C: DAT", "S: 250", "S: 250", "S: 354"
    ]  # fmt: skip


def test_what_was_said_before_its_turn_is_seen() -> None:
    """The tape has it before the reply for which the client did not wait."""
    with served(scripted("@delay 0.2\nS: 220 hi")) as (connection, tape):
        connection.sendall(b"EHLO x\r\n")
        replies(connection, b"")
    assert [line[:6] for line in event_lines(tape.events)][:2] == ["C: EHL", "S: 220"]


def test_the_script_goes_before() -> None:
    text = "S: 220 hi\nC: EHLO x\nS: 250-mx\nS: 250 SIZE 9\nC: MAIL FROM:<>\nS: 250 ok\nC: RCPT TO:<c@d.example>\nS: 451 later\n"
    with served(scripted(text)) as (connection, _):
        assert replies(connection, b"", b"EHLO y\r\n", *ENVELOPE, b"RCPT TO:<e@d.example>\r\n") == [
            b"220 hi\r\n", b"250-mx\r\n250 SIZE 9\r\n", b"250 ok\r\n", b"451 later\r\n", b"550 5.1.1 no such mailbox\r\n",
        ]  # fmt: skip


@pytest.mark.parametrize(
    ("end", "octets"), [("@close", b""), ("S= 25\n@close", b"25"), ("@drip 1 0.001\nS: 250 x\n@close", b"250 x\r\n")]
)
def test_how_a_conversation_ends(end: str, octets: bytes) -> None:
    with served(scripted(f"S: 220 hi\nC: NOOP\n{end}")) as (connection, tape):
        assert replies(connection, b"", b"NOOP\r\n") == [b"220 hi\r\n", octets]
        assert connection.recv(1) == b""
    assert "@close" in [event.kind for event in tape.events]


def test_a_server_that_resets() -> None:
    with served(scripted("S: 220 hi\nC: NOOP\n@reset")) as (connection, _):
        reply(connection)
        connection.sendall(b"NOOP\r\n")
        with pytest.raises(ConnectionResetError):
            connection.recv(1)


def test_a_server_that_interrupts() -> None:
    with served(scripted("S: 220 hi\nC: DATA\nS: 354 go\n@read 9\nS: 552 no\n@close")) as (connection, tape):
        replies(connection, b"", *ENVELOPE, b"DATA\r\n")
        connection.sendall(b"123456789")
        assert connection.recv(100) == b"552 no\r\n"
    assert tape.deliveries == []


def test_a_server_that_interrupts_a_shorter_message() -> None:
    """Another client may have made less of it, or send it in other pieces."""
    for end in (b"DATA\r\nx\r\n.\r\n", b"BDAT 3 LAST\r\nx\r\n"):
        with served(scripted("S: 220 hi\nC: DATA\nS: 354 go\n@read 99\nS: 552 no\n@close")) as (connection, tape):
            replies(connection, b"", *ENVELOPE)
            connection.sendall(end)
            assert connection.makefile("rb").read().split(b"\r\n")[-2] == b"552 no"
        assert tape.deliveries == []


@pytest.mark.parametrize("octets", [b"x\n.\n", b"x\n.\r\n", b"x\r\n.\n", b".\n"])
def test_an_end_between_wrong_line_ends(plain: Served, monkeypatch: pytest.MonkeyPatch, octets: bytes) -> None:
    """It counts if nothing follows; otherwise neither side would ever go on."""
    monkeypatch.setattr(responder, "_LENIENCE", 0.05)
    connection, tape = plain
    replies(connection, *ENVELOPE, b"DATA\r\n", octets)
    replies(connection, *ENVELOPE, b"DATA\r\n", octets + b"y\r\n.\r\n")
    within = re.sub(rb"(^|\r\n)\.", rb"\1", octets) + b"y\r\n"
    assert [one.message for one in tape.deliveries] == [octets[: octets.rindex(b".")], within]


def test_the_handshake_of_any_client_is_taken(plain: Served) -> None:
    """What it says in the clear instead is on the tape."""
    text = "S: 220 hi\nC: STARTTLS\nS: 220 go\n@starttls cert=mx sni=other.example\nC: EHLO x\nS: 250 secure"
    with served(scripted(text)) as (connection, tape):
        replies(connection, b"", b"STARTTLS\r\n")
        connection.sendall(b"EHLO x\r\n")
        assert connection.recv(1) == b""
    assert list(event_lines(tape.events))[-2:] == ["C: EHLO x", "@close"]
    assert "in the clear" in tape.remarks[0]


@pytest.mark.parametrize(
    ("octets", "remark"),
    [
        (b"x" * 70000, "a line of more than 65536 octets"),
        (b"\x16\x03\x01\x02\x00\n", "the client begins a TLS handshake without STARTTLS"),
        (b"NOO", "the client hung up in the middle of a line, after 3 octets"),
        (b"BDAT x\r\nNOOP\r\n", "the client hung up"),
        (b"QUIT\r\n", None),
    ],
    ids=["long", "tls", "half", "wrong", "quit"],
)
def test_bad_endings(plain: Served, octets: bytes, remark: str | None) -> None:
    connection, tape = plain
    connection.sendall(octets)
    with suppress(OSError):  # it may have been reset already
        connection.shutdown(socket.SHUT_WR)
        while connection.recv(1000):
            pass
    connection.close()
    while not tape.ended and not tape.remarks and b"QUIT" not in octets:
        pass
    assert tape.remarks == ([remark] if remark else [])


def test_a_client_that_falls_silent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(player, "WAIT", 0.05)
    with served(Policy("mx.example")) as (connection, tape):
        while connection.recv(1000):
            pass
    assert tape.remarks == ["the client said nothing for 0.05 s"]


@pytest.mark.parametrize(
    "before",
    [b"", b"".join([*ENVELOPE, b"DATA\r\n"]), b"".join([*ENVELOPE, b"BDAT 9999\r\n"])],
    ids=["command", "message", "chunk"],
)
def test_octets_now_and_then(monkeypatch: pytest.MonkeyPatch, before: bytes) -> None:
    """They do not keep the server busy for ever, however often they come."""
    monkeypatch.setattr(player, "WAIT", 2.0)
    with served(Policy("mx.example", {"greeting": [Reaction(b"220 hi\r\n")]})) as (connection, tape):
        connection.sendall(before + b"x")
        connection.settimeout(0.02)
        with suppress(ConnectionError):
            while not tape.remarks:
                connection.sendall(b"x")
                with suppress(TimeoutError):
                    connection.recv(1000)
    assert re.fullmatch(r"the client sent \d+ octets, and then nothing for 2 s", tape.remarks[0])


def test_a_handshake_octet_by_octet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(player, "WAIT", 2.0)
    text = "S: 220 hi\nC: STARTTLS\nS: 220 go\n@starttls cert=mx"
    with served(scripted(text)) as (connection, tape):
        replies(connection, b"", b"STARTTLS\r\n")
        with suppress(ConnectionError):
            for octet in b"\x16\x03\x01\x40\x00" + b"\x01" * 10000:
                connection.sendall(bytes([octet]))
                if tape.remarks:
                    break
                threading.Event().wait(0.02)
    assert tape.remarks == ["the client said nothing for 2 s"]


def test_lines_are_waited_for_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """A message may take its time."""
    monkeypatch.setattr(player, "WAIT", 4.0)
    with served(Policy("mx.example", {"greeting": [Reaction(b"220 hi\r\n")]})) as (connection, tape):
        replies(connection, b"", *ENVELOPE, b"DATA\r\n")
        for _ in range(20):
            connection.sendall(b"a line\r\n")
            threading.Event().wait(0.25)
        assert replies(connection, b".\r\n", b"QUIT\r\n") == [b"250 2.0.0 ok\r\n", b"221 2.0.0 bye\r\n"]
    assert tape.remarks == []


def test_what_is_no_command(plain: Served) -> None:
    """Not even if the table of reactions has a key of that name."""
    digits = b"9" * 5000
    found = replies(plain[0], b".\r\n", b"greeting\r\n", b"BDAT LAST\r\n", b"BDAT " + digits + b"\r\n", b"\xff\0\r\n")
    assert [int(one[:3]) for one in found] == [500, 500, 501, 501, 500]


def test_a_client_that_says_everything_and_then_listens(plain: Served) -> None:
    """As `printf ... | nc -N` does."""
    connection, tape = plain
    connection.sendall(b"".join([*ENVELOPE, b"DATA\r\nx\r\n.\r\nQUIT\r\n"]))
    connection.shutdown(socket.SHUT_WR)
    octets = b""
    while more := connection.recv(1000):
        octets += more
    assert [line[:3] for line in octets.split(b"\r\n")] == [b"250", b"250", b"354", b"250", b"221", b""]
    assert [one.message for one in tape.deliveries] == [b"x\r\n"]
    assert tape.remarks == []


def test_a_second_starttls(plain: Served) -> None:
    """Within TLS there is none, whatever the policy says about the first."""
    text = "S: 220 hi\nC: STARTTLS\nS: 220 go\n@starttls cert=mx"
    with served(scripted(text)) as (connection, _):
        replies(connection, b"", b"STARTTLS\r\n")
        with ssl._create_unverified_context().wrap_socket(connection) as within:
            within.sendall(b"STARTTLS\r\n")
            assert within.recv(100).startswith(b"503 ")


def test_a_strict_server() -> None:
    """A command out of order is refused, and does not count as the nth time."""
    reactions = {
        "MAIL": b"250 ok\r\n", "RCPT c@d.example": b"450 later\r\n", "DATA": b"354 go\r\n", ".": b"250 ok\r\n"
    }  # fmt: skip
    policy = Policy("mx.example", {key: [Reaction(octets)] for key, octets in reactions.items()}, strict=True)
    policy.reactions["RCPT c@d.example"].append(Reaction(b"250 ok\r\n"))
    mail, recipient = ENVELOPE
    with served(policy) as (connection, _):
        connection.recv(100)
        commands = [recipient, b"DATA\r\n", b"BDAT 0 LAST\r\n", mail, mail, b"DATA\r\n", recipient, b"DATA\r\n", recipient]
        found = replies(connection, *commands, b"DATA\r\n", b".\r\n", b"DATA\r\n")
    assert [int(one[:3]) for one in found] == [503, 503, 503, 250, 503, 554, 450, 554, 250, 354, 250, 503]


@pytest.mark.parametrize("how", [b"DATA\r\n" + b"x" * 1001, (b"BDAT 10\r\n" + b"x" * 10) * 101], ids=["DATA", "BDAT"])
def test_a_message_that_is_too_long(monkeypatch: pytest.MonkeyPatch, how: bytes) -> None:
    """Together with the chunks that came before."""
    monkeypatch.setattr(responder, "LONGEST_MESSAGE", 1000)
    octets = b""
    with served(Policy("mx.example")) as (connection, tape):
        connection.sendall(b"".join([*ENVELOPE, how]))
        with suppress(ConnectionResetError):
            while more := connection.recv(1 << 16):
                octets += more
    assert octets.endswith(b"\r\n552 5.3.4 too much\r\n")
    assert tape.remarks == ["a message of more than 1000 octets"]


def test_too_many_commands(plain: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(responder, "MOST_COMMANDS", 3)
    assert [one[:3] for one in replies(plain[0], *[b"NOOP\r\n"] * 4)] == [b"250", b"250", b"250", b"421"]


def test_a_client_that_never_stops(plain: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    """There is a limit to what it sends while the server listens before it speaks."""
    monkeypatch.setattr(responder, "QUIET", 5.0)
    connection, tape = plain
    connection.setblocking(False)
    try:
        while len(tape.events) < 3:
            with suppress(BlockingIOError, ConnectionError):  # it is too much, and refused
                connection.send(b"NOOP\r\n" * 10000)
    finally:
        connection.setblocking(True)
    assert sum(len(event.octets) for event in tape.events if event.kind == "C") < 1_000_000


SIZED = "S: 220 hi\nC: EHLO x\nS: 250-mx\nS: 250 SIZE 9\n"


def test_a_server_keeps_to_the_size_that_it_offers() -> None:
    """The dialogue ends before the message."""
    mail, recipient = ENVELOPE
    with served(scripted(SIZED)) as (connection, tape):
        replies(connection, b"", b"EHLO x\r\n")
        commands = [mail.replace(b">", b"> SIZE=10"), mail.replace(b">", b"> SIZE=9"), recipient, b"DATA\r\n"]
        found = replies(connection, *commands, b"..3456789\r\n.\r\n", mail, recipient, b"DATA\r\n", b"..34567\r\n.\r\n")
        found += replies(connection, mail, recipient, b"BDAT 5\r\n12345", b"BDAT 5 LAST\r\n12345")
    assert [int(one[:3]) for one in found] == [552, 250, 250, 354, 552, 250, 250, 354, 250, 250, 250, 250, 552]
    assert [one.taken for one in tape.deliveries] == [False, True, False]


def test_a_dialogue_that_names_no_recipient_knows_any() -> None:
    """Its client gave up before; that says nothing about another one's recipients."""
    with served(scripted("S: 220 hi\nC: EHLO x\nS: 250 mx")) as (connection, _):
        assert [one[:3] for one in replies(connection, b"", *ENVELOPE)] == [b"220", b"250", b"250"]


def test_after_a_refused_chunk_nothing_is_taken() -> None:
    """Also from a client that has sent the rest already. RSET makes it good again."""
    with served(scripted("S: 220 hi\nC: BDAT 3\nC= abc\nS: 452 full")) as (connection, tape):
        replies(connection, b"", *ENVELOPE)
        connection.sendall(b"BDAT 3\r\nabcBDAT 3 LAST\r\nabc")
        found = [reply(connection), reply(connection), *replies(connection, b"RSET\r\n", *ENVELOPE, b"BDAT 0 LAST\r\n")]
    assert [int(one[:3]) for one in found] == [452, 503, 250, 250, 250, 452]
    assert [(one.recipients, one.taken) for one in tape.deliveries][0] == ((), False)


@pytest.mark.parametrize("text", ["C: MAIL FROM:<a@b.example>\nS: 451 no\n", "C: BDAT 3\nC= abc\nS: 452 full\n"])
def test_a_server_that_contradicts_itself_takes_nothing(text: str) -> None:
    script = f"S: 220 hi\n{text}C: RCPT TO:<c@d.example>\nS: 250 ok\nC: BDAT 0 LAST\nS: 250 queued"
    with served(scripted(script)) as (connection, tape):
        replies(connection, b"", *ENVELOPE, b"BDAT 3\r\nabc", b"BDAT 0 LAST\r\n")
    assert [(one.recipients, one.reply) for one in tape.deliveries] == [((), b"250 queued\r\n")]


@pytest.mark.parametrize(
    ("said", "taken"),
    [("S: 250 ok", True), ("S: 250-a\nS: 250 b", True), ("S= 2\n@close", False), ("S= 250-a\\r\\n250\n@close", False)],
)
def test_half_a_reply_takes_nothing(said: str, taken: bool) -> None:
    with served(scripted(f"S: 220 hi\nC: DATA\nS: 354 go\nC: .\n{said}")) as (connection, tape):
        replies(connection, b"", *ENVELOPE, b"DATA\r\n", b"x\r\n.\r\n")
    assert [one.taken for one in tape.deliveries] == [taken]


def test_go_on_is_no_yes() -> None:
    with served(scripted("S: 220 hi\nC: RCPT TO:<c@d.example>\nS: 354 go on")) as (connection, tape):
        replies(connection, b"", *ENVELOPE, b"RCPT TO:<e@d.example>\r\n", b"BDAT 0 LAST\r\n")
    assert [one.recipients for one in tape.deliveries] == [()]
