# SPDX-License-Identifier: ISC
"""The auditor against generated tapes: it never fails, and it finds nothing in an honest conversation."""

from dataclasses import dataclass, field, replace

from hypothesis import given
from hypothesis import strategies as st

from mocksrv.audit import RULES, audit, findings_text
from mocksrv.case.octets import dot_stuffed
from mocksrv.play.tape import CLIENT, CLOSE, HANGUP, RESET, SERVER, STARTTLS, Event, Tape

PIECES = [
    b"EHLO a.example\r\n", b"HELO a\r\n", b"MAIL FROM:<a@b.example>", b" SIZE=1", b"\r\n", b"RCPT TO:<a@b.example>\r\n",
    b"DATA\r\n", b"BDAT 5 LAST\r\n", b"BDAT 3\r\n", b"BDAT x\r\n", b"abcde", b".\r\n", b"\n.\n", b"QUIT\r\n",
    b"RSET\r\n", b"STARTTLS\r\n", b"AUTH LOGIN\r\n", b"250 x\r\n", b"250-mx\r\n", b"250-PIPELINING\r\n",
    b"250-SMTPUTF8\r\n", b"250 CHUNKING\r\n", b"354 go\r\n", b"334 \r\n", b"220 x\r\n", b"550 no\r\n", b"421 x\r\n",
    b"\0\xff\r", b"text\r\n", b'MAIL FROM:<"a\\"@b> RET=x BODY=BINARYMIME', b"MAIL FROM:<@a:",
    b"RCPT TO:<\xc3\xbc@[1.2.3.4]> ", b"[IPv6:", b">",
]  # fmt: skip
octets = st.one_of(st.sampled_from(PIECES), st.binary(max_size=8))
spoken = st.builds(Event, st.sampled_from([CLIENT, SERVER]), octets)
marks = st.builds(Event, st.sampled_from([STARTTLS, CLOSE, HANGUP, RESET, CLIENT]))
anything = st.one_of(spoken, spoken, spoken, marks)


@given(st.lists(anything, max_size=40))
def test_no_tape_is_too_odd(events: list[Event]) -> None:
    tape = Tape("mx.example.org", 25, events=[replace(event, line=line) for line, event in enumerate(events, 1)])
    findings = audit(tape)
    assert findings == sorted(findings, key=lambda finding: (finding.event, finding.offset))
    told = findings_text(tape, findings)
    for finding in findings:
        assert finding.rule is RULES[finding.rule.id]
        assert finding.line == finding.event + 1
        assert f"{finding.rule.id}{finding.rule.remark}: {finding.what}\n" in told


@given(st.lists(anything, max_size=40), st.data())
def test_it_does_not_matter_in_which_pieces_octets_came(events: list[Event], data: st.DataObject) -> None:
    """As long as no octet of the other side is between them."""
    pieces = []
    for event in events:
        cut = data.draw(st.integers(0, len(event.octets)))
        halves = [event.octets[:cut], event.octets[cut:]] if event.kind in (CLIENT, SERVER) else [b""]
        pieces += [Event(event.kind, half) for half in halves]
    one, other = (
        [(finding.rule.id, finding.what) for finding in audit(Tape("mx.example.org", 25, events=those))]
        for those in (events, pieces)
    )
    assert one == other


@dataclass
class Honest:
    """A client and a server that keep to the RFCs, driven by Hypothesis. The result is on the tape."""

    data: st.DataObject
    tape: Tape = field(default_factory=lambda: Tape("mx.example.org", 25))
    offers: set[str] = field(default_factory=set)

    def draw(self, *choices: object) -> object:
        return self.data.draw(st.sampled_from(choices))

    def chance(self) -> bool:
        return self.data.draw(st.booleans())

    def hear(self, octets: bytes) -> None:
        cut = self.data.draw(st.integers(0, len(octets)))
        self.tape.heard(octets[:cut])
        self.tape.heard(octets[cut:])

    def reply(self, code: int, *lines: str) -> int:
        lines = lines or self.draw(("ok",), ("one", "two"), ("",))
        for index, line in enumerate(lines):
            self.tape.said(f"{code}{' ' if index == len(lines) - 1 else '-'}{line}\r\n".encode())
        return code

    def ask(self, command: str, *codes: int) -> int:
        """One command at a time."""
        self.hear(command.encode() + b"\r\n")
        return self.reply(self.draw(*codes))

    def hello(self) -> None:
        known = ["PIPELINING", "SIZE", "SIZE 1000", "8BITMIME", "CHUNKING", "BINARYMIME", "DSN", "SMTPUTF8", "STARTTLS"]
        offers = self.data.draw(st.lists(st.sampled_from(known), unique=True))
        if "SMTPUTF8" in offers and "8BITMIME" not in offers:
            offers.append("8BITMIME")
        if self.chance() and self.chance():
            self.ask("EHLO client.example", 500, 502)
            self.ask("HELO client.example", 250)
            self.offers = set()
        else:
            self.hear(b"EHLO [192.0.2.1]\r\n")
            self.reply(250, "mx.example.org", *offers)
            self.offers = {offer.split()[0] for offer in offers}

    def session(self) -> None:
        if self.reply(self.draw(220, 220, 220, 554)) == 220:
            self.hello()
            if "STARTTLS" in self.offers and self.ask("STARTTLS", 220, 454) == 220:
                self.tape.mark(STARTTLS)
                self.hello()
            while self.chance():
                self.transaction()
        self.hear(b"QUIT\r\n")
        if self.chance():
            self.reply(221)
        self.tape.mark(HANGUP)

    def transaction(self) -> None:
        chunked = "CHUNKING" in self.offers and self.chance()
        mail, body = self.mail(chunked)
        message = self.message(body)
        commands = [mail] + ["RCPT TO:<bob@example.org>"] * self.data.draw(st.integers(1, 3))
        burst = "PIPELINING" in self.offers and self.chance()
        if burst and not chunked:
            commands.append("DATA")
        codes = []
        for command in commands:
            if burst:
                self.hear(command.encode() + b"\r\n")
            elif not codes or codes[0] == 250:
                codes.append(self.ask(command, 250, 250, 550, 451))
        if burst:
            codes = [self.reply(self.draw(250, 250, 550)) for _ in commands if _ != "DATA"]
        wanted = codes[0] == 250 and 250 in codes[1:]
        if chunked:
            done = wanted and self.chunks(message, burst)
        else:
            done = self.text(message, wanted, asked=burst)
        if not done:
            self.ask("RSET", 250)

    def mail(self, chunked: bool) -> tuple[str, str]:
        mail, body = "MAIL FROM:<alice@sender.example>", "7BIT"
        if "SIZE" in self.offers and self.chance():
            mail += " SIZE=4711"
        if "DSN" in self.offers and self.chance():
            mail += " RET=HDRS ENVID=a+2Bb"
        if {"8BITMIME", "BINARYMIME"} & self.offers and self.chance():
            body = "BINARYMIME" if chunked and "BINARYMIME" in self.offers else "8BITMIME"
            mail += f" BODY={body}"
        return mail, body

    def message(self, body: str) -> bytes:
        if body == "BINARYMIME":
            return self.data.draw(st.binary(max_size=60))
        letter = st.sampled_from("\t\f\x7f .ab=" + ("äöü€" if body == "8BITMIME" else ""))
        line = st.one_of(st.text(letter, max_size=20), st.sampled_from([".", "..", ".x", "x" * 998, "." * 998]))
        lines = ["Subject: hi", "", *self.data.draw(st.lists(line, max_size=6))]
        return "".join(f"{line}\r\n" for line in lines).encode()

    def text(self, message: bytes, wanted: bool, asked: bool) -> bool:
        """By DATA. Returns whether the transaction is over."""
        if not asked:
            if not wanted:
                return False
            self.hear(b"DATA\r\n")
        if self.reply(self.draw(354, 451) if wanted else self.draw(354, 554)) != 354:
            return False
        self.hear(dot_stuffed(message) if wanted else b".\r\n")
        self.reply(self.draw(250, 554))
        return True

    def chunks(self, message: bytes, burst: bool) -> bool:
        """By BDAT, some chunks. Returns whether the transaction is over, and nothing was refused."""
        cut = self.data.draw(st.integers(0, len(message)))
        ahead = []
        for chunk, last in ((message[:cut], ""), (message[cut:], " LAST")):
            self.hear(f"BDAT {len(chunk)}{last}\r\n".encode() + chunk)
            if burst:
                ahead.append(last)
            elif self.reply(self.draw(250, 250, 452)) != 250:
                return False
        return 452 not in [self.reply(self.draw(250, 250, 452)) for _ in ahead]


@given(st.data())
def test_honesty_is_no_breach(data: st.DataObject) -> None:
    honest = Honest(data)
    honest.session()
    assert audit(honest.tape) == [], findings_text(honest.tape, audit(honest.tape))
