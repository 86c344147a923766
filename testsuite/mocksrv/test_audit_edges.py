# SPDX-License-Identifier: ISC
"""The auditor at the edges of its rules, and with several breaches at once."""

from pathlib import Path

import pytest

from mocksrv.audit import RULES, audit, findings_text, rules_text
from mocksrv.play.tape import Tape, read_tapes

HELLO = "S: 220 mx.example.org\nC: EHLO client.example\nS: 250-mx.example.org\n"
PLAIN = HELLO + "S: 250 HELP\n"
PIPE = HELLO + "S: 250-8BITMIME\nS: 250-CHUNKING\nS: 250 PIPELINING\n"
MAIL = "C: MAIL FROM:<alice@sender.example>\n"
RCPT = "C: RCPT TO:<bob@example.org>\n"
OK = "S: 250 ok\n"
ENVELOPE = MAIL + OK + RCPT + OK
DATA = ENVELOPE + "C: DATA\nS: 354 go\n"
TLS = "C: STARTTLS\nS: 220 ready\n@starttls\n"
QUIT = "C: QUIT\n@hangup\n"


def _tape(tmp_path: Path, dialogue: str) -> Tape:
    file = tmp_path / "edge.tape"
    file.write_text(f"-- dialogue mx.example.org --\n{dialogue}")
    return read_tapes(file)[0]


# A description; the tape; and the rules that are broken.
EDGES = [
    # Names and addresses.
    ("EHLO alone", "S: 220 x\nC: EHLO\nS: 501 who?\n" + QUIT, "EHLO-ARGUMENT"),
    ("EHLO and a space", "S: 220 x\nC: EHLO \nS: 501 who?\n" + QUIT, "EHLO-ARGUMENT"),
    ("an underscore", "S: 220 x\nC: EHLO my_host.example\nS: 250 x\n" + QUIT, "EHLO-ARGUMENT"),
    ("a dot at the end", "S: 220 x\nC: HELO host.example.\nS: 250 x\n" + QUIT, "EHLO-ARGUMENT"),
    ("IPv6 without brackets", "S: 220 x\nC: EHLO 2001:db8::1\nS: 250 x\n" + QUIT, "EHLO-ARGUMENT"),
    ("IPv6 without its tag", "S: 220 x\nC: EHLO [2001:db8::1]\nS: 250 x\n" + QUIT, "EHLO-ARGUMENT"),
    ("IPv6", "S: 220 x\nC: EHLO [IPv6:2001:db8::1]\nS: 250 x\n" + QUIT, ""),
    ("no IPv4 address", "S: 220 x\nC: EHLO [300.0.2.1]\nS: 250 x\n" + QUIT, "EHLO-ARGUMENT"),
    ("two spaces", PLAIN + "C: MAIL  FROM:<alice@sender.example>\nS: 501 x\n" + QUIT, "PATH-BRACKETS"),
    ("the wrong word", PLAIN + "C: MAIL TO:<alice@sender.example>\nS: 501 x\n" + QUIT, "PATH-BRACKETS"),
    ("a bracket in quotes", PLAIN + 'C: MAIL FROM:<"a>\\" b"@sender.example>\nS: 250 x\n' + QUIT, ""),
    ("quotes without an end", PLAIN + 'C: MAIL FROM:<"ab@sender.example>\nS: 501 x\n' + QUIT, "PATH-BRACKETS"),
    ("two dots", PLAIN + "C: MAIL FROM:<a..b@sender.example>\nS: 501 x\n" + QUIT, "PATH-LOCAL-PART"),
    ("two ats", PLAIN + "C: MAIL FROM:<a@b@sender.example>\nS: 501 x\n" + QUIT, "PATH-LOCAL-PART"),
    ("a hyphen first", PLAIN + "C: MAIL FROM:<a@-sender.example>\nS: 501 x\n" + QUIT, "PATH-DOMAIN"),
    ("no word in small letters is wrong", "S: 220 x\nC: ehlo a.b\nS: 250-x\nS: 250 Size\nC: mail from:<A@b.c> size=1\n"
     + OK + "C: rcpt to:<a@b.c>\n" + OK + "C: data\nS: 354 go\nC: .\n" + OK + "C: quit\n@hangup\n", ""),
    ("a handshake that the server does not answer", HELLO + "S: 250 STARTTLS\nC: STARTTLS\nS: 220 ready\n"
     "C= \\x16\\x03\\x01\\n\n@hangup\n", ""),
    ("a reply too many", PLAIN + MAIL + OK + OK + RCPT + "C: DATA\n" + OK + "S: 354 go\nC: .\nC: QUIT\n@hangup\n", ""),
    ("a chunk on its way when the one before is refused", PIPE + ENVELOPE + "C: BDAT 4\nC: ab\nS: 552 no\nC: BDAT 4 LAST\n"
     "C: cd\nS: 503 no\n" + QUIT, ""),
    # Octets of commands.
    ("a line that may go on", PLAIN + "C= NOOP \\r\n", ""),
    ("a NUL in the verb", PLAIN + "C= NO\\0OP\\r\\n\nS: 500 x\n" + QUIT, "CMD-CONTROL"),
    ("only a space", PLAIN + "C: \x20\nS: 500 x\n" + QUIT, "CMD-UNKNOWN"),
    ("SMTPUTF8 is for addresses", HELLO + "S: 250 SMTPUTF8\nC: NOOP ü\n" + OK + QUIT, "CMD-8BIT"),
    ("SMTPUTF8 for VRFY", HELLO + "S: 250 SMTPUTF8\nC: VRFY ü SMTPUTF8\n" + OK + QUIT, ""),
    ("SMTPUTF8, unoffered", PLAIN + "C: MAIL FROM:<ü@b.c> SMTPUTF8\n" + OK + QUIT, "PARAM-UNOFFERED"),
    ("Latin-1, undeclared", HELLO + "S: 250 SMTPUTF8\nC= MAIL FROM:<\\xfc@b.c>\\r\\n\n" + OK + QUIT, "UTF8-UNDECLARED"),
    ("AUTH is long", HELLO + "S: 250 AUTH PLAIN\nC: AUTH PLAIN " + "A" * 600 + "\nS: 235 x\n" + QUIT, ""),
    ("AUTH, but the offers are unknown", "S: 220 x\nC: EHLO a.b\nC: AUTH PLAIN AA==\n@close\n", "EHLO-WAIT"),
    ("a challenge, and no answer", HELLO + "S: 250 AUTH PLAIN\nC: AUTH PLAIN\nS: 334 x\nC: AA==\nS: 334 x\n@hangup\n",
     "END-NO-QUIT"),
    ("two CRs", PLAIN + "C= NOOP\\r\\r\\n\n" + OK + QUIT, "CMD-BARE-CR"),
    ("only CRs", "S: 220 x\nC= EHLO client.example\\rQUIT\\r\n@hangup\n", "CMD-BARE-CR END-UNOPENED"),
    ("an empty line", PLAIN + "C:\nS: 500 x\n" + QUIT, "CMD-UNKNOWN"),
    ("512 octets and SIZE", HELLO + "S: 250 SIZE\nC: MAIL FROM:<a@b.c> SIZE=" + "1" * 20 + " " + "X" * 478
     + "\nS: 555 x\n" + QUIT, "PARAM-UNOFFERED"),
    # Parameters.
    ("parameters after HELO", "S: 220 x\nC: HELO a.b\nS: 250-SIZE\nS: 250 SIZE\nC: MAIL FROM:<a@b.c> SIZE=1\n" + OK
     + QUIT, "PARAM-UNOFFERED"),
    ("a parameter of the other command", HELLO + "S: 250 DSN\nC: MAIL FROM:<a@b.c> NOTIFY=NEVER\n" + OK + QUIT,
     "PARAM-UNOFFERED"),
    ("joined to the path", HELLO + "S: 250 SIZE\nC: MAIL FROM:<a@b.c>SIZE=1\nS: 501 x\n" + QUIT, "PARAM-SYNTAX"),
    ("more than the limit (1870#6.1)", HELLO + "S: 250 SIZE 10\nC: MAIL FROM:<a@b.c> SIZE=11\nS: 552 x\n" + QUIT, ""),
    ("less than comes (1870#6.3)", HELLO + "S: 250 SIZE 10\nC: MAIL FROM:<a@b.c> SIZE=1\n" + OK + RCPT + OK
     + "C: DATA\nS: 354 go\nC: Subject: hi\nC: .\n" + OK + QUIT, ""),
    ("what was offered before TLS", HELLO + "S: 250-SIZE\nS: 250 STARTTLS\n" + TLS + "C: EHLO a.b\nS: 250 x\n"
     "C: MAIL FROM:<a@b.c> SIZE=1\nS: 555 x\n" + QUIT, "PARAM-UNOFFERED"),
    ("what a refused EHLO leaves", PIPE + "C: EHLO a.b\nS: 550 x\n" + MAIL + RCPT + OK + OK + QUIT, ""),
    # Waiting.
    ("pipelining, but it had waited for a wrong code", PLAIN + MAIL + "S: 354 go\n" + RCPT + "C: DATA\n" + OK + "S: 354 go\n"
     "C: .\n" + OK + QUIT, "PIPE-UNOFFERED"),
    ("a burst is one breach", PLAIN + MAIL + RCPT + RCPT + "C: DATA\n" + OK + OK + OK + "S: 354 go\nC: .\n" + OK + QUIT,
     "PIPE-UNOFFERED"),
    ("a command that began too early", "S: 220 x\nC: EHLO a.b\nC= MAIL FR\nS: 250 x\nC= OM:<a@b.c>\\r\\n\n" + OK + QUIT,
     "EHLO-WAIT"),
    ("QUIT after the message", PIPE + DATA + "C: .\n" + QUIT, ""),
    ("QUIT after the message, unoffered", PLAIN + DATA + "C: .\nC: QUIT\n" + OK + "S: 221 bye\n@hangup\n", "PIPE-UNOFFERED"),
    ("QUIT, and the reply that it may have waited for never comes", PLAIN + DATA + "C: .\n" + QUIT, ""),
    ("EHLO is not answered in time", "S: 220 x\nC: EHLO a.b\nC: QUIT\n@hangup\n", ""),
    ("EHLO is not answered in time, but HELO is tried", "S: 220 x\nC: EHLO a.b\nC: HELO a.b\nC: QUIT\n@hangup\n", "EHLO-WAIT"),
    ("NOOP is not answered in time", PIPE + "C: NOOP\nC: QUIT\n@hangup\n", ""),
    ("DATA is not answered in time", PLAIN + ENVELOPE + "C: DATA\nC: QUIT\n@hangup\n", ""),
    ("QUIT in place of the message", PLAIN + ENVELOPE + "C: DATA\nC: QUIT\nS: 354 go\n@hangup\n", "PIPE-LAST"),
    ("RSET in a group", PIPE + MAIL + "C: RSET\n" + MAIL + RCPT + "C: DATA\n" + OK * 4 + "S: 354 go\nC: .\n" + OK
     + QUIT, ""),
    ("NOOP in a group", PIPE + "C: NOOP\n" + MAIL + OK + OK + QUIT, "PIPE-LAST"),
    ("a reply too many is taken for the next", PLAIN + OK + MAIL + RCPT + OK + "C: DATA\n" + OK + "C: QUIT\nS: 354 go\n@hangup\n", ""),
    ("the same, and MAIL is refused", PIPE + OK + MAIL + RCPT + "S: 550 no\n" + "C: DATA\nS: 503 no\n" + QUIT, ""),
    ("354 too many", PLAIN + ENVELOPE + "S: 354 go\nC: DATA\nC: Subject: hi\nC: .\nS: 354 go\n@hangup\n", ""),
    ("354 too many, and nobody wants it", PIPE + OK + MAIL + RCPT + "C: DATA\n" + OK + "S: 550 no\nS: 354 go\nC: a\nC: .\n" + OK
     + QUIT, ""),
    ("a reply too many, forgotten within TLS", HELLO + "S: 250 STARTTLS\nC: STARTTLS\nS: 220 ready\nS: 250 x\n@starttls\n"
     "C: EHLO a.b\n" + MAIL + "S: 250 x\n" + OK + QUIT, "EHLO-WAIT"),
    ("a reply too many is taken for 220", HELLO + "S: 250 STARTTLS\nS: 220 x\nC: STARTTLS\nC= \\x16\\x03\\x01\\n\n@hangup\n", ""),
    ("a reply too many is taken for a refusal of TLS", HELLO + "S: 250 STARTTLS\nS: 250 x\nC: STARTTLS\n" + MAIL
     + "S: 220 x\nC: QUIT\n@hangup\n", ""),
    ("101 recipients", PIPE + MAIL + RCPT * 101 + OK * 102 + QUIT, ""),
    # A line that is no reply, or ends one too early: some clients take it for the reply, and do not pipeline.
    ("a line that is none is taken for the reply", PLAIN + MAIL + "S: 250-ok\nS: hello\n" + RCPT + OK + "C: DATA\n" + OK
     + "S: 354 go\nC: .\n" + OK + QUIT, ""),
    ("a code that changes is taken for two replies", PLAIN + MAIL + "S: 250-ok\nS: 550 no\n" + RCPT + "C: DATA\n" + OK
     + "S: 354 go\nC: .\n" + OK + QUIT, ""),
    ("a line that is none is taken for two replies", PLAIN + MAIL + OK + RCPT + OK + RCPT + "S: sure!\nC: DATA\nC: QUIT\n"
     "S: 354 go\n@hangup\n", ""),
    ("an empty line is taken for a reply", PLAIN + MAIL + OK + "S:\n" + RCPT + "C: DATA\n" + OK + "S: 354 go\nC: .\n" + OK
     + QUIT, ""),
    ("a reply of many lines is no reason", PLAIN + MAIL + "S: 250-ok\nS: 250 ok\n" + RCPT + "C: DATA\n" + OK
     + "S: 354 go\nC: .\n" + OK + QUIT, "PIPE-UNOFFERED"),
    # Order.
    ("MAIL after a message that was refused", PLAIN + DATA + "C: .\nS: 550 x\n" + MAIL + OK + QUIT, ""),
    ("MAIL after DATA was refused", PLAIN + ENVELOPE + "C: DATA\nS: 451 x\n" + MAIL + "S: 503 x\n" + QUIT,
     "MAIL-NESTED"),
    ("MAIL after LAST was refused", PIPE + ENVELOPE + "C: BDAT 0 LAST\nS: 550 x\n" + MAIL + OK + QUIT, "BDAT-RESET"),
    ("DATA after LAST", PIPE + ENVELOPE + "C: BDAT 0 LAST\n" + OK + "C: DATA\nS: 503 x\n" + QUIT, "DATA-ORDER"),
    ("all without MAIL", PLAIN + RCPT + "S: 503 x\nC: DATA\nS: 503 x\n" + QUIT, "RCPT-ORDER"),
    ("354 to DATA that had to fail", PLAIN + MAIL + OK + "C: DATA\nS: 354 go\nC: hi\nC: .\nS: 554 x\n" + QUIT,
     "DATA-ORDER"),
    ("DATA without RCPT", PLAIN + MAIL + OK + "C: DATA\nS: 503 x\n" + QUIT, "DATA-ORDER"),
    ("DATA, though all are refused", PLAIN + MAIL + OK + RCPT + "S: 550 x\nC: DATA\nS: 554 x\n" + QUIT, "DATA-UNWANTED"),
    ("DATA without RCPT, and MAIL was refused", PLAIN + MAIL + "S: 550 x\nC: DATA\nS: 503 x\n" + QUIT, "DATA-ORDER"),
    # The message.
    ("text after 250", PLAIN + ENVELOPE + "C: DATA\n" + OK + "C: Subject: hi\nC:\nC: Hello.\nC: .\nS: 500 x\nS: 500 x\n" + QUIT,
     "TEXT-EARLY"),
    ("another 3yz (5321#4.3.2)", PLAIN + ENVELOPE + "C: DATA\nS: 355 go\nC: Subject: hi\nC: .\n" + OK + QUIT, ""),
    ("LF and a dot", PLAIN + DATA + "C= a\\n.\\r\\n\n" + OK + QUIT, "TEXT-END"),
    ("a dot and LF as the first line", PLAIN + DATA + "C= .\\n\n" + OK + QUIT, "TEXT-END"),
    ("an earlier LF alone", PLAIN + DATA + "C= a\\nb\\n.\\r\\n\n" + OK + QUIT, "TEXT-BARE-LF TEXT-END"),
    ("a CR and LF in two chunks", PIPE + ENVELOPE + "C: BDAT 2\nC= a\\r\n" + OK + "C: BDAT 1 LAST\nC= \\n\n" + OK
     + QUIT, ""),
    ("a long line in two chunks", PIPE + ENVELOPE + "C: BDAT 600\nC= " + "a" * 600 + "\n" + OK + "C: BDAT 401 LAST\nC= "
     + "a" * 399 + "\\r\\n\n" + OK + QUIT, "TEXT-LENGTH"),
    ("chunks in a burst", PIPE + MAIL + RCPT + "C: BDAT 0\nC: BDAT 0 LAST\n" + OK * 4 + QUIT, "BDAT-WAIT"),
    ("chunks in a burst, unoffered", HELLO + "S: 250 CHUNKING\n" + MAIL + RCPT + "C: BDAT 0 LAST\n" + OK * 3 + QUIT,
     "PIPE-UNOFFERED"),
    ("half a chunk is enough for the server", PIPE + ENVELOPE + "C: BDAT 9 LAST\nC: hi\nS: 552 x\n@hangup\n", ""),
    ("half a chunk, so far", PIPE + ENVELOPE + "C: BDAT 9 LAST\nC: hi\n", ""),
    ("a chunk, and no reply", PIPE + ENVELOPE + "C: BDAT 4 LAST\nC: hi\n@hangup\n", ""),
    ("the last LF is too many", PIPE + ENVELOPE + "C: BDAT 3 LAST\nC: hi\nS: 250 ok\nS: 500 x\n" + QUIT, "BDAT-OVERRUN"),
    ("DATA twice after BDAT", PIPE + ENVELOPE + "C: BDAT 0\n" + OK + "C: DATA\nS: 503 x\nC: DATA\nS: 503 x\n" + QUIT,
     "BDAT-MIXED"),
    ("half a line before 354", PLAIN + ENVELOPE + "C: DATA\nC= hi\n@hangup\n", "TEXT-EARLY"),
    ("LAST, or so", PIPE + ENVELOPE + "C: BDAT 4 LAST now\nC: hi\n" + OK + QUIT, "BDAT-SYNTAX"),
    ("SMTPUTF8 without 8BITMIME (6531#3.1)", HELLO + "S: 250 SMTPUTF8\nC: MAIL FROM:<ü@b.c> SMTPUTF8\n" + OK + RCPT + OK
     + "C: DATA\nS: 354 go\nC: ü\nC: .\n" + OK + QUIT, ""),
    ("SMTPUTF8, not used", HELLO + "S: 250 SMTPUTF8\n" + DATA + "C: ü\nC: .\n" + OK + QUIT, "TEXT-8BIT"),
    ("BODY after SIZE", HELLO + "S: 250-SIZE\nS: 250 8BITMIME\nC: MAIL FROM:<a@b.c> SIZE=1 BODY=8BITMIME\n" + OK + RCPT
     + OK + "C: DATA\nS: 354 go\nC: ü\nC: .\n" + OK + QUIT, ""),
    ("a body without a header", PLAIN + DATA + "C: ü\nC: .\n" + OK + QUIT, "TEXT-8BIT"),
    ("MAIL within TLS without EHLO", HELLO + "S: 250 STARTTLS\n" + TLS + MAIL + OK + QUIT, "EHLO-MISSING"),
    # The end.
    ("a reply is still due", PLAIN + MAIL + "@hangup\n", ""),
    ("the greeting is still due", "@hangup\n", ""),
    ("the server has left", PLAIN + "@close\n@hangup\n", ""),
    ("a reply that is none", PLAIN + MAIL + "S: hello\n@hangup\n", ""),
    ("354 to MAIL", PLAIN + MAIL + "S: 354 hello\n@hangup\n", ""),
    ("a reply to nothing", PLAIN + MAIL + OK + OK + "@hangup\n", ""),
    ("a reply that is too long", PLAIN + MAIL + "S: 250 " + "x" * 507 + "\n@hangup\n", ""),
    ("the longest reply", PLAIN + MAIL + "S: 250 " + "x" * 506 + "\n@hangup\n", "END-NO-QUIT"),
    ("a reply of more lines than anybody expects", PLAIN + MAIL + "S: 250-ok\n" * 100 + "S: 250 ok\n@hangup\n", ""),
    ("a reply of many lines", PLAIN + MAIL + "S: 250-ok\n" * 99 + "S: 250 ok\n@hangup\n", "END-NO-QUIT"),
    ("a reply with LF alone", PLAIN + MAIL + "S= 250 ok\\n\n@hangup\n", ""),
    ("a reply with a TAB", PLAIN + MAIL + "S= 250\\x09ok\\r\\n\n@hangup\n", ""),
    ("a reply without a text", PLAIN + MAIL + "S: 250\n@hangup\n", ""),
    ("half a reply", PLAIN + MAIL + OK + "S= 2\n@hangup\n", ""),
    ("QUIT after a 354 that nobody wants", PIPE + MAIL + RCPT + "C: DATA\nS: 451 no\nS: 503 no\nS: 354 go\n" + QUIT, "TEXT-UNWANTED"),
    ("QUIT as the message", PLAIN + DATA + QUIT, "END-NO-QUIT"),
    ("in the middle of the message", PLAIN + DATA + "C: hi\n@reset\n", "END-NO-QUIT"),
    ("the server objects to the message before its end", PLAIN + DATA + "C: hi\nS: 552 x\n@hangup\n", ""),
    ("the server objects, and the client goes on", PLAIN + DATA + "C: hi\nS: 552 x\nC: .\n" + QUIT, ""),
    ("421 that answers nothing", PLAIN + "S: 421 x\n" + MAIL + "@close\n", ""),
    ("no greeting of SMTP", "S: 250 x\n@hangup\n", ""),
    ("HELO refused, too", "S: 220 x\nC: EHLO a.b\nS: 500 x\nC: HELO a.b\nS: 550 x\n@hangup\n", "END-UNOPENED"),
    ("EHLO refused within TLS", HELLO + "S: 250 STARTTLS\n" + TLS + "C: EHLO a.b\nS: 550 x\n@hangup\n", "END-NO-QUIT"),
    ("421 as greeting", "S: 421 x\nC: EHLO a.b\n@close\n", "END-AFTER-421"),
    ("TLS from the start", "@starttls\nS: 220 x\nC: EHLO a.b\nS: 250 x\n@hangup\n", "END-NO-QUIT"),
]  # fmt: skip


@pytest.mark.parametrize(("dialogue", "names"), [edge[1:] for edge in EDGES], ids=[edge[0] for edge in EDGES])
def test_edges(tmp_path: Path, dialogue: str, names: str) -> None:
    assert [finding.rule.id for finding in audit(_tape(tmp_path, dialogue))] == names.split()


@pytest.mark.parametrize(
    ("offer", "verb", "limit"),
    [
        ("HELP", "MAIL", 512), ("SIZE", "MAIL", 538), ("8BITMIME", "MAIL", 529), ("BINARYMIME", "MAIL", 528),
        ("SMTPUTF8", "MAIL", 522), ("AUTH", "MAIL", 1012), ("DSN", "MAIL", 622), ("DSN", "RCPT", 1042),
        ("SIZE", "RCPT", 512), ("DSN", "NOOP", 512),
    ],
)  # fmt: skip
def test_how_long_a_command_may_be(tmp_path: Path, offer: str, verb: str, limit: int) -> None:
    """An extension that is offered adds to it. (A source route may be long, and still be made of short domains.)"""
    before = {"MAIL": "MAIL FROM:<@", "RCPT": "RCPT TO:<@", "NOOP": "NOOP "}[verb]
    after = "" if verb == "NOOP" else ":a@b.c>"
    for length, names in ((limit, set()), (limit + 1, {"CMD-LENGTH"})):
        command = before + "x" * (length - len(before + after) - 2) + after
        mail = (MAIL + OK) * (verb == "RCPT")
        dialogue = HELLO + f"S: 250 {offer}\n" + mail + f"C: {command}\n" + OK + QUIT
        found = {finding.rule.id for finding in audit(_tape(tmp_path, dialogue))}
        assert found - {"PATH-LENGTH", "PATH-ROUTE"} == names


def test_one_finding_for_all_of_a_kind_in_a_message(tmp_path: Path) -> None:
    [finding] = audit(_tape(tmp_path, PLAIN + DATA + "C: .one\nC: two\nC: .three\nC: .\n" + OK + QUIT))
    assert finding.what == "a line begins with a single dot, and 1 more in this message"
    assert finding.evidence == b".one\r\ntwo\r\n.three\r\n"
    assert finding.line == 12


def test_what_cannot_be_followed_is_not_judged(tmp_path: Path) -> None:
    dialogue = PLAIN + ENVELOPE + "C: DATA\nC: hi\nS: 354 go\nC: .x\nC= \\n\nC: MAIL\n@hangup\n"
    [finding] = audit(_tape(tmp_path, dialogue))
    assert finding.rule.id == "TEXT-EARLY"
    assert finding.what.endswith("the rest of the session was not judged")


def test_findings_stand_beneath_their_lines(tmp_path: Path) -> None:
    tape = _tape(tmp_path, "S: 220 x\nC: EHLO localhost\nS: 250 x\nC= NOOP\\n\nS: 250 x\n@hangup\n")
    assert findings_text(tape, audit(tape), Path("edge.tape")) == """\
    S: 220 x
    C: EHLO localhost
edge.tape:3: EHLO-UNQUALIFIED: the name `localhost` has no dot
  [5321#2.3.5] The name in EHLO and HELO is fully qualified, not a nickname of one word.
    S: 250 x
    C= NOOP\\n
edge.tape:5: CMD-BARE-LF: the command ends with LF alone
  [5321#2.3.8] A command ends with CR LF; LF alone ends no line.
    S: 250 x
    @hangup
edge.tape:7: END-NO-QUIT: the client hung up without QUIT
  [5321#4.1.1.10] The client says QUIT before it hangs up, unless the server broke the session.
"""
    assert "^ CMD-BARE-LF: the command ends with LF alone\n" in findings_text(tape, audit(tape))


def test_long_stretches_without_findings_are_cut(tmp_path: Path) -> None:
    tape = _tape(tmp_path, PLAIN + DATA + "C: line\n" * 100 + "C: .\n" + OK + QUIT)
    assert "    ... 102 lines ...\n" in findings_text(tape, audit(tape))


def test_the_table_of_rules() -> None:
    lines = rules_text().splitlines()
    assert [line.split()[0] for line in lines] == [*RULES]
    assert all(len(rule.sentence) <= 90 and rule.sentence.endswith(".") for rule in RULES.values())


def test_a_dot_after_a_domain_is_named(tmp_path: Path) -> None:
    """It is easy to overlook, and what stands before it is a domain."""
    (finding,) = audit(_tape(tmp_path, PLAIN + "C: MAIL FROM:<a@b.example.>\n" + OK + QUIT))
    assert finding.what == "`b.example.` ends with a dot, which no domain in a path does"
