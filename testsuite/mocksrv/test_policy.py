# SPDX-License-Identifier: ISC
"""How a dialogue becomes a table of replies."""

import pytest

from mocksrv.case.pattern import Facts
from mocksrv.case.script import parse_dialogue
from mocksrv.case.steps import Close, Delay, Stall
from mocksrv.play.policy import CHUNK, END, GREETING, LAST_CHUNK, Policy, Reaction, Unfit, folded, mailbox, of_dialogue, undotted

BURST = """\
S: 220 hello
C: EHLO {helo}
S: 250-mx
S: 250 PIPELINING
C: MAIL FROM:<a@b.example>
C: RCPT TO:<one@c.example>
C: RCPT TO:<two@c.example>
C: DATA
S: 250 sender
S: 250 one
S: 550 two
S: 354 go
C: {message}
S: 250 taken
C: QUIT
"""


def compiled(text: str) -> Policy:
    dialogue = parse_dialogue("test", 0, "mx.example.org", text.split("\n"))
    return of_dialogue(dialogue, Facts(b"client.example", b"Hello.\n.dot\n"))


def said(policy: Policy, key: str, times: int = 0) -> bytes | None:
    reaction = policy.reaction(key, times)
    return None if reaction is None else reaction.octets


def test_a_burst() -> None:
    policy = compiled(BURST)
    assert {key: [one.octets for one in known] for key, known in policy.reactions.items()} == {
        GREETING: [b"220 hello\r\n"], "EHLO": [b"250-mx\r\n250 PIPELINING\r\n"], "MAIL": [b"250 sender\r\n"],
        "RCPT one@c.example": [b"250 one\r\n"], "RCPT two@c.example": [b"550 two\r\n"], "DATA": [b"354 go\r\n"],
        END: [b"250 taken\r\n"],
    }  # fmt: skip
    assert policy.messages == [b"Hello.\r\n.dot\r\n"]
    assert policy.closed


def test_the_nth_time() -> None:
    policy = compiled("S: 220 hello\nC: MAIL FROM:<>\nS: 451 later\nC: RSET\nS: 250 ok\nC: MAIL FROM:<>\nS: 250 now")
    assert [said(policy, "MAIL", times) for times in range(3)] == [b"451 later\r\n", b"250 now\r\n", b"250 now\r\n"]
    assert said(policy, "DATA") is None


def test_within_tls_ehlo_is_another() -> None:
    policy = compiled(
        "S: 220 hello\nC: EHLO {helo}\nS: 250 STARTTLS\nC: STARTTLS\nS: 220 go\n@starttls cert=mx\n"
        "C: EHLO {helo}\nS: 250 SIZE\nC: QUIT\nS: 221 bye\n@close"
    )
    assert (said(policy, "EHLO"), said(policy, "EHLO tls")) == (b"250 STARTTLS\r\n", b"250 SIZE\r\n")
    starttls, quit = policy.reaction("STARTTLS", 0), policy.reaction("QUIT", 0)
    assert starttls and [step.source for step in starttls.then] == ["@starttls cert=mx"]
    assert quit and [type(step) for step in quit.then] == [Close]


@pytest.mark.parametrize(
    ("text", "key", "octets", "steps"),
    [
        ("@delay 1\nS: 220 a", GREETING, b"220 a\r\n", ("@delay 1",)),
        ("@close", GREETING, b"", ("@close",)),
        ("S: 220 a\nC: EHLO {helo}\n@stall within=1..2", "EHLO", b"", ("@stall within=1..2",)),
        # An action instead of a reply belongs to the first command without a reply.
        ("S: 220 a\nC: MAIL FROM:<>\nC: RCPT TO:<a@b.example>\nS: 250 ok\n@reset", "RCPT a@b.example", b"", ("@reset",)),
        # Surplus replies are sent with the last one.
        ("S: 220 a\nC: STARTTLS\nS: 220 go\nS: 250 injected", "STARTTLS", b"220 go\r\n250 injected\r\n", ()),
        ("S: 220 a\n@delay 1\nS: 421 no", GREETING, b"220 a\r\n421 no\r\n", ()),
        # A reply in pieces.
        ("S: 220-a\n@delay 1\nS: 220 b", GREETING, b"220-a\r\n220 b\r\n", ("@delay 1",)),
        ("S= 22\n@close", GREETING, b"22", ("@close",)),
        ("S: 220 a\nC: DATA\nS: 354 go\nC: {message}\nS= 250 t\n@reset", END, b"250 t", ("@reset",)),
    ],
)
def test_a_reaction(text: str, key: str, octets: bytes, steps: tuple[str, ...]) -> None:
    reaction = compiled(text).reaction(key, 0)
    assert reaction
    assert (reaction.octets, tuple(step.source for step in (*reaction.how, *reaction.then))) == (octets, steps)


def test_a_reply_in_the_middle_of_the_message() -> None:
    policy = compiled("S: 220 a\nC: DATA\nS: 354 go\n@read 5\n@delay 1\nS: 552 no\n@stall within=0..5")
    assert policy.early
    octets, reaction = policy.early
    assert (octets, reaction.octets) == (5, b"552 no\r\n")
    assert ([type(step) for step in reaction.how], [type(step) for step in reaction.then]) == ([Delay], [Stall])


def test_a_message_in_chunks() -> None:
    policy = compiled(
        "S: 220 a\nC: BDAT 8\nC= {message[0:8]}\nC: BDAT 6 LAST\nC= {message[8:]}\nS: 250 one\nS: 250 all\nC: QUIT"
    )
    assert (said(policy, CHUNK), said(policy, LAST_CHUNK)) == (b"250 one\r\n", b"250 all\r\n")
    assert policy.messages == [b"Hello.\r\n.dot\r\n"]


@pytest.mark.parametrize(
    ("known", "key", "chunks", "octets"),
    [
        ({END: b"250"}, END, 0, b"250"),
        ({LAST_CHUNK: b"552"}, END, 0, b"552"),  # the dialogue has it the other way
        ({END: b"554"}, LAST_CHUNK, 0, b"554"),
        ({CHUNK: b"552", LAST_CHUNK: b"503"}, END, 0, b"552"),  # its first chunk is refused
        ({CHUNK: b"250", LAST_CHUNK: b"250"}, LAST_CHUNK, 0, b"250"),
        ({CHUNK: b"552"}, LAST_CHUNK, 1, None),  # it has been told already
        ({"DATA": b"451"}, LAST_CHUNK, 0, b"451"),
        ({"DATA": b"451", END: b"250"}, END, 0, b"250"),
        ({"DATA": b"451", LAST_CHUNK: b"250"}, LAST_CHUNK, 0, b"250"),
        ({}, END, 0, None),
    ],
)
def test_the_end_of_a_message(known: dict[str, bytes], key: str, chunks: int, octets: bytes | None) -> None:
    policy = Policy("mx", {key: [Reaction(octets)] for key, octets in known.items()})
    reaction = policy.end(key, chunks)
    assert (reaction and reaction.octets) == octets


@pytest.mark.parametrize(
    "text",
    [
        "S: 220 a\nC: BDAT 8\nC= {message[0:8]}\nS: 552 no\nC: QUIT",  # nobody gets half a message
        "S: 220 a\nC: BDAT 8\nC= {message[0:8]}\nS: 552 no\nC: MAIL FROM:<>\nS: 250 ok",
        "S: 220 a\nC: DATA\nS: 354 go\nC: .\nS: 554 no",
    ],
)
def test_what_is_no_message(text: str) -> None:
    assert compiled(text).messages == []


def test_what_stands_after_a_block_answers_each_branch() -> None:
    policy = compiled("S: 220 a\n@either\nC: EHLO x\nS: 250-a\n@or\nC: HELO x\nS: 250-b\n@end\nS: 250 c\n@close")
    assert [said(policy, key) for key in ("EHLO", "HELO")] == [b"250-a\r\n250 c\r\n", b"250-b\r\n250 c\r\n"]
    assert [[type(step) for step in policy.reactions[key][0].then] for key in ("EHLO", "HELO")] == [[Close], [Close]]


def test_branches() -> None:
    """Nothing follows in a branch that hangs up; a branch can lead into TLS or into a message."""
    policy = compiled(
        "S: 220 a\nC: EHLO x\nS: 250 a\n@either\nC: STARTTLS\nS: 220 go\n@starttls cert=mx\nC: EHLO x\nS: 250 b\n"
        "@or\nC: NOOP\nS: 421 a\n@close\n@or\nC: EHLO y\nS: 250 c\n@end\n@optional\nC: RSET\nS: 250 d\n@end\n"
        "C: MAIL FROM:<>\nS: 250 e\n@optional\nC: VRFY a\nS: 250 f\n@end\nC: QUIT\nS: 221 g"
    )
    found = {key: [one.octets[:5].decode() for one in known] for key, known in policy.reactions.items()}
    assert found == {
        "greeting": ["220 a"], "EHLO": ["250 a"], "STARTTLS": ["220 g"], "EHLO tls": ["250 b"], "NOOP": ["421 a"],
        "RSET": ["250 d"], "MAIL": ["250 e"], "VRFY": ["250 f"], "QUIT": ["221 g"],
    }  # fmt: skip


def test_a_way_that_fits_goes_before() -> None:
    """The replies to a burst fit only one of its branches."""
    rcpt = "C: RCPT TO:<a@b.example>\n"
    for branches in ((rcpt, rcpt * 3), (rcpt * 3, rcpt)):
        text = "S: 220 a\n@either\n%s@or\n%s@end\nC: DATA\nS: 250 a\nS: 550 b\nS: 250 c\nS: 354 d\nC: .\nS: 250 e" % branches
        policy = compiled(text)
        assert [said(policy, "RCPT a@b.example", times) for times in range(3)] == [b"250 a\r\n", b"550 b\r\n", b"250 c\r\n"]
        assert said(policy, "DATA") == b"354 d\r\n"


@pytest.mark.parametrize("text", ["S: 220 a\n@read 3", "S: 220 a\nC: BDAT 3 LAST\nC: long"])
def test_what_makes_sense_only_as_it_is_written(text: str) -> None:
    with pytest.raises(Unfit):
        compiled(text)


@pytest.mark.parametrize(
    ("argument", "expected"),
    [
        (b"FROM:<a@B.Example>", b"a@b.example"),
        (b"TO:<a@b.example> NOTIFY=NEVER", b"a@b.example"),
        (b'TO:<"a b"@b.example>', b"a b@b.example"),
        (b'TO:<"a\\"> b"@b.example>', b'a"> b@b.example'),
        (b"TO:<@relay.example:a@b.example>", b"a@b.example"),
        (b"TO:<a@[IPv6:2001:DB8::1]>", b"a@[2001:db8::1]"),
        ("TO:<ä@Bücher.example>".encode(), "ä@xn--bcher-kva.example".encode()),
        (b"TO:<a@\xff.example>", b"a@\xff.example"),
        (b"FROM:<>", b""),
        (b"TO:<postmaster>", b"postmaster"),
        (b"TO: a@b.example", b"a@b.example"),
        (b"", b""),
    ],
)
def test_mailboxes(argument: bytes, expected: bytes) -> None:
    assert mailbox(argument) == expected
    assert folded(expected) == expected


def test_dots() -> None:
    assert undotted(b"..a\r\nb\r\n...\r\n.\r\n") == b".a\r\nb\r\n..\r\n"
    assert undotted(b".\r\n") == b""
