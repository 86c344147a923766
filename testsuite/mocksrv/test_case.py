# SPDX-License-Identifier: ISC
"""Case files: their meaning, and the errors in wrong ones."""

from collections.abc import Callable
from pathlib import Path

import pytest

from mocksrv.case.file import Case, Control, read_case
from mocksrv.case.script import CaseError
from mocksrv.case.steps import Say, Split

Parse = Callable[[str], Case]

WHOLE = r"""A title
spec: A-1 A-2
rfc: 5321#4
order: any

Some prose:
with two lines.

-- run --
Qremote a b c

-- control/helohost --
me.example

-- control/tlshosts/a.pem absent --
-- message --
one

-- dns --
a. A 192.0.2.1
-- dns [2001:db8::53]:5353 --
-- dialogue a:2525 --

# [5321#4] first
# second
@split
S: 220  two spaces
S= 22\x30
C: {helo}

-- dialogue 2001:db8::1 never --
-- report --
r\0
Ka\\0
b\0\0

-- exit --
3
"""


def test_everything(parse: Parse) -> None:
    case = parse(WHOLE)
    assert (case.title, case.meta["spec"], case.ordered) == ("A title", ["A-1", "A-2"], False)
    assert case.prose == ["Some prose:", "with two lines.", ""]
    assert (case.run, case.message, case.exit) == ("Qremote a b c", b"one\n\n", 3)
    assert case.report == b"r\0Ka\\0\nb\0\0"
    assert case.control == {"helohost": Control(b"me.example\n\n"), "tlshosts/a.pem": Control(b"", "absent")}
    assert [(server.address, server.port) for server in case.servers] == [("127.0.0.1", 53), ("2001:db8::53", 5353)]
    first, second = case.dialogues
    assert (first.host, first.port, first.never) == ("a", 2525, False)
    assert (second.host, second.port, second.never) == ("2001:db8::1", 25, True)
    split, say, exact, _ = first.steps
    assert isinstance(split, Split) and split.notes == ("[5321#4] first", "second")
    assert isinstance(say, Say) and say.octets == b"220  two spaces\r\n"
    assert isinstance(exact, Say) and exact.octets == b"220"


def test_a_message_from_the_fixtures(tmp_path: Path) -> None:
    (tmp_path / "fixtures/cases/topic").mkdir(parents=True)
    (tmp_path / "fixtures/messages").mkdir()
    (tmp_path / "fixtures/messages/odd").write_bytes(b"\0\r\n\xff")
    path = tmp_path / "fixtures/cases/topic/a.case"
    path.write_text("Title\n\n-- run --\nQremote\n-- message odd --\n")
    assert read_case(path).message == b"\0\r\n\xff"


BEGIN = "T\n\n-- run --\nQremote\n"
ERRORS = [
    ("", "1: the first line must be a title"),
    ("T\n", "1: there is no `-- run --` section"),
    ("T\nspeck: A\n", "2: expected one of `spec: `"),
    ("T\nprose\n", "2: expected one of `spec: `"),
    ("T\norder: none\n", "2: expected `order: any`"),
    ("T\nscope: none\n", "2: expected `scope: exact|qmail`"),
    ("T\nexpect-exim: delivered\n", "2: expected `[delivered|refused|deferred] ... [elsewhere] [RULE[?]] ...: why"),
    ("T\nexpect-exim: later: why\n", "2: expected `[delivered|"),
    ("T\nexpect-exim: deferred: \n", "2: expected `[delivered|"),
    ("T\nexpect-Exim: deferred: why\n", "2: expected one of"),
    ("T\ngrade: may: why\n", "2: expected `choice|robustness|should|must [delivered|refused|deferred] ... [elsewhere]: why`"),
    ("T\ngrade: refused: why\n", "2: expected `choice|"),
    ("T\ngrade: should later: why\n", "2: expected `choice|"),
    ("T\ngrade: should deferred\n", "2: expected `choice|"),
    ("T\ngrade: should deferred: \n", "2: expected `choice|"),
    ("T\ngrade: should END-NO-QUIT: why\n", "2: expected `choice|"),
    ("T\ngrade: should: why\ngrade: choice: why\n", "3: a second `grade`"),
    ("T\nexpect-exim: NO-SUCH-THING: why\n", "2: the auditor has no rule NO-SUCH-THING (`mocksrv audit --rules`"),
    ("T\naddress: example\n", "2: 'example' does not appear to be"),
    ("T\nrfc: 5321#4\nrfc: 2920#3\n", "3: a second `rfc`"),
    ("T\nexpect-exim: deferred: why\nexpect-exim: refused: why\n", "3: a second `expect-exim`"),
    ("T\nspec:\n", "2: `spec:` needs a value"),
    ("T\nrfc: RFC5321\n", "2: expected `rfc: NUMBER[#SECTION] ...`"),
    ("T\r\n\r\n-- run --\r\n", "1: expected lines that end with LF, not with CR LF"),
    ("T\n\n-- run\nQremote\n", "3: expected `-- NAME [ARGUMENT] --`, or no line that begins with --"),
    ("T\n\n-- run --\nQremote 'a b\n", "4: No closing quotation"),
    ("T\n\n-- foo --\n", "3: no such section: foo"),
    ("T\n\n-- run now --\n", "3: `run` takes no argument"),
    ("T\n\n-- run --\na\nb\n", "3: `run` must have one line"),
    (BEGIN + "-- run --\n", "5: a second `run` section"),
    (BEGIN + "-- message x --\n", "5: no such file: messages/x"),
    (BEGIN + "-- message x --\ny\n", "6: a message has a file or lines, not both"),
    (BEGIN + "-- control/../x --\n", "5: not a name below the control directory"),
    (BEGIN + "-- control/me gone --\n", "5: expected `-- control/me [absent|directory|unreadable|private|pem NAME ...] --`"),
    (BEGIN + "-- control/me absent --\nx\n", "6: a control file that is absent has no lines"),
    (BEGIN + "-- report --\nok\n\\q\n", "7: no such escape"),
    (BEGIN + "-- exit --\nno\n", "5: `exit` must have one line, a number up to 255"),
    (BEGIN + "-- exit --\n256\n", "5: `exit` must have one line, a number up to 255"),
    (BEGIN + "-- dns --\na. A 192.0.2.256\n", "6: expected `NAME TYPE DATA` as in a zone file: Text input is malformed."),
    (BEGIN + "-- dialogue a --\n@stall within=2..1\n", "6: expected a time from A to B, not 2..1"),
    (BEGIN + "-- dns --\na. A 192.0.2.1\na. FOO x\n", "7: expected `NAME TYPE DATA` as in a zone file: unknown rdatatype 'FOO'"),
    (BEGIN + "-- dns --\na. TLSA {tlsa mx 3 1}\n", "6: expected {tlsa NAME USAGE SELECTOR MATCHING}, with three numbers"),
    (BEGIN + "-- dns --\na. TLSA {tlsa mx 3 x 1}\n", "6: expected {tlsa NAME USAGE SELECTOR MATCHING}, with three numbers"),
    (BEGIN + "-- dns --\na. TLSA {tlsa mx 3 2 1}\n", "6: a selector is 0 or 1, and a matching type 0, 1 or 2"),
    (BEGIN + "-- dns --\na. TLSA {tlsa mx 3 1 3}\n", "6: a selector is 0 or 1, and a matching type 0, 1 or 2"),
    (BEGIN + "-- dns --\na. TLSA {tlsa nobody 3 1 1}\n", "6: "),
    (BEGIN + "-- dns --\na. A 192.0.2.1 ;@slow\n", "6: no such fault: @slow"),
    (BEGIN + "-- dns --\n;@drop\n", "6: a fault needs an owner"),
    (BEGIN + "-- dns example --\n", "5: 'example' does not appear to be"),
    (BEGIN + "-- dialogue --\n", "5: expected `-- dialogue HOST"),
    (BEGIN + "-- dialogue a sometimes --\n", "5: expected `-- dialogue HOST"),
    (BEGIN + "-- dialogue a:0 --\n", "5: not a HOST"),
    (BEGIN + "-- dialogue [a] --\n", "5: 'a' does not appear to be"),
    (BEGIN + "-- dialogue a --\n", "5: an empty dialogue"),
    (BEGIN + "-- dialogue a never --\nS: 220\n", "6: a dialogue that must never happen has no lines"),
    (BEGIN + "-- dialogue a --\nD: x\n", "6: expected `S: `"),
    (BEGIN + "-- dialogue a --\nS=\\\n", "6: expected `S: `"),
    (BEGIN + "-- dialogue a --\nS= \\\n", "6: no such escape"),
    (BEGIN + "-- dialogue a --\nC: {\n", "6: '{' does not begin a hole"),
    (BEGIN + "-- dialogue a --\n@sleep 1\n", "6: no such directive: @sleep"),
    (BEGIN + "-- dialogue a --\n@delay\n", "6: expected `@delay T`"),
    (BEGIN + "-- dialogue a --\n@close now\n", "6: expected `@close [abrupt|alert]`"),
    (BEGIN + "-- dialogue a --\n@split\nC: x\n", "6: @split must come before an S line"),
    (BEGIN + "-- dialogue a --\nS: x\n@close\nS: y\n", "8: nothing can follow @close"),
    (BEGIN + "-- dialogue a --\nS: x\n@refuse\n", "7: @refuse must be alone"),
    (BEGIN + "-- dialogue a --\n@close abrupt\n", "6: @close abrupt must be within TLS"),
    (BEGIN + "-- dialogue a --\n@key-update\n", "6: @key-update must be within TLS"),
    (BEGIN + "-- dialogue a --\n@renegotiate\n", "6: @renegotiate must be within TLS"),
    (BEGIN + "-- control/x pem --\n", "5: expected `-- control/x [absent|directory|unreadable|private|pem NAME ...] --`"),
]
DIALOGUE = BEGIN + "-- dialogue a --\n"
ERRORS += [
    (DIALOGUE + "@end\n", "6: @end without a block"),
    (DIALOGUE + "S: x\n@or\n", "7: @or without a block"),
    (DIALOGUE + "@repeat 2\nS: x\n@end\n@end\n", "9: @end without a block"),
    (DIALOGUE + "S: x\n@either\nC: x\n@or\nC: y\n", "7: @either has no @end"),
    (DIALOGUE + "@repeat 2\n@optional\nC: x\n@end\n", "6: @repeat 2 has no @end"),
    (DIALOGUE + "@either\nC: x\n@end\n", "6: @either has no @or"),
    (DIALOGUE + "@either\n@or\nC: x\n@end\n", "6: no lines follow @either"),
    (DIALOGUE + "@either\nC: x\n@or\n@end\n", "8: no lines follow @or"),
    (DIALOGUE + "@optional\n@end\n", "6: no lines follow @optional"),
    (DIALOGUE + "@repeat 3\n@end\n", "6: no lines follow @repeat 3"),
    (DIALOGUE + "@optional\nC: x\n@or\nC: y\n@end\n", "8: @or belongs to @either, but this is @optional (line 6)"),
    (DIALOGUE + "@repeat 2\nC: x\n@or\nC: y\n@end\n", "8: @or belongs to @either, but this is @repeat 2 (line 6)"),
    (DIALOGUE + "@either\nC: x\n@or\nS: y\n@end\n", "9: a branch of @either must begin with a C line"),
    (DIALOGUE + "@optional\n@optional\nC: x\n@end\n@end\n", "7: a branch of @optional must begin with a C line"),
    (DIALOGUE + "@repeat\nC: x\n@end\n", "6: expected `@repeat N`"),
    (DIALOGUE + "@repeat 0\nC: x\n@end\n", "6: @repeat takes a number from 1 to 1000"),
    (DIALOGUE + "@repeat 1001\nC: x\n@end\n", "6: @repeat takes a number from 1 to 1000"),
    (DIALOGUE + "@repeat 101\n@repeat 100\nC: x\n@end\n@end\n", "6: @repeat 101 makes more than 10000 steps"),
    (DIALOGUE + "@either now\n", "6: expected `@either`"),
    (DIALOGUE + "@optional\nC: x\n@end\nS: y\n", "9: only a C line, a block or the end can follow @optional (line 6)"),
    (DIALOGUE + "@optional\nC: x\n@end\n@repeat 2\nS: y\n@end\n", "10: only a C line, a block or the end can follow"),
    (DIALOGUE + "@either\nC: x\n@optional\nC: y\n@end\n@or\nC: z\n@end\n@close\n", "14: only a C line, a block or"),
    (DIALOGUE + "@split\n@optional\nC: x\n@end\n", "6: @split must come before an S line"),
    (DIALOGUE + "@optional\nC: x\n@split\n@end\nC: y\n", "8: @split must come before an S line"),
    (DIALOGUE + "@optional\nC: x\n@close\nC: z\n@end\nC: y\n", "9: nothing can follow @close"),
    (DIALOGUE + "@either\nC: x\n@close\n@or\nC: y\n@reset\n@end\nC: y\n", "13: nothing can follow @either"),
    (DIALOGUE + "@repeat 2\nC: x\n@close\n@end\n", "7: nothing can follow @close"),
    (DIALOGUE + "@optional\nC: x\n@refuse\n@end\n", "8: @refuse must be alone"),
    (DIALOGUE + "@repeat 2\nC: x\n@starttls cert=mx\n@end\n", "8: a second @starttls (the first is in line 8)"),
    (DIALOGUE + "@optional\nC: x\n@starttls cert=mx\n@end\nC: y\n@starttls cert=mx\n", "11: a second @starttls"),
    (DIALOGUE + "@optional\nC: x\n@starttls cert=mx\n@end\nC: y\n@key-update\n", "11: @key-update must be"),
    (DIALOGUE + "@half-close\nS: x\n", "7: only C lines, @read and @reset can follow @half-close (line 6), not S: x"),
    (DIALOGUE + "@half-close\n@half-close\n", "7: only C lines, @read and @reset can follow @half-close (line 6)"),
    (DIALOGUE + "@optional\nC: x\n@half-close\n@end\nC: y\nS: z\n", "11: only C lines, @read and @reset can follow"),
    (DIALOGUE + "@half-close\n@optional\nC: x\n@close\n@end\n", "9: only C lines, @read and @reset can follow"),
    (BEGIN + "-- dns-log now --\n", "5: `dns-log` takes no argument"),
    (BEGIN + "-- dns-log --\n-- dns-log --\n", "6: a second `dns-log` section"),
    (BEGIN + "-- dns-log --\n\na. A\na.\n", "8: expected `NAME TYPE [tcp]`"),
    (BEGIN + "-- dns-log --\na. A udp\n", "6: expected `NAME TYPE [tcp]`"),
    (BEGIN + "-- dns-log --\na. FOO\n", "6: no such type: FOO"),
    (BEGIN + "-- dns-log --\na..b A\n", "6: A DNS label is empty."),
]
STARTTLS = [
    ("", "6: expected `@starttls cert=NAME [OPTION ...]`"),
    ("max=1.2", "6: expected `@starttls cert=NAME [OPTION ...]`"),
    ("cert=mx now", "6: no such option: now (there are cert client alert"),
    ("cert=mx client=maybe", "6: expected `client=accepts|rejects`"),
    ("cert=mx sni", "6: expected `sni=NAME|none`"),
    ("cert=mx ask=", "6: expected `ask=NAME[.chain]|none`"),
    ("cert=mx cut=3", "6: expected `cut=1|2[:N]`"),
    ("cert=mx cert=mx", "6: a second `cert`"),
    ("cert=mx cut=1 client=rejects", "6: only one of these can end the handshake: client, cut"),
    ("cert=mx client=rejects server=rejects", "6: only one of these can end the handshake: client, server"),
    ("cert=mx alert=unknown_ca", "6: `alert` needs client=rejects"),
    ("cert=mx client=rejects suite=X", "6: `suite` has no meaning where the handshake is not completed"),
    ("cert=mx version=1.2 max=1.3", "6: `version` sets both `min` and `max`"),
    ("cert=mx min=1.3 max=1.2", "6: `min` is above `max`"),
    ("cert=mx ciphers=TLS_NULL", "6: no such suite: TLS_NULL (TLS 1.3 has TLS_AES_256_GCM_SHA384"),
    ("cert=mx ciphers=FOO", "6: OpenSSL supports no cipher of these: FOO"),
    ("cert=mx ask=client.key", "6: expected NAME or NAME.chain, not client.key"),
    ("cert=mx\n@starttls cert=mx", "7: a second @starttls (the first is in line 6)"),
    ("cert=mx cut=1", "6: the handshake is cut: @close, @reset, @stall or an S line must follow"),
    ("cert=mx cut=1\nC: x", "6: the handshake is cut: @close, @reset, @stall or an S line must follow"),
    ("cert=mx cut=1\nS: x\nC: x", "8: the server cannot understand the client after a handshake that was cut"),
    ("cert=mx cut=1\n@close alert", "7: @close alert must be within TLS"),
    ("cert=mx client=rejects\nS: x", "7: nothing can follow @starttls cert=mx client=rejects"),
    ("cert=mx server=rejects\n@close", "7: nothing can follow @starttls cert=mx server=rejects"),
]
ERRORS += [(f"{BEGIN}-- dialogue a --\n@starttls {text}\n", what) for text, what in STARTTLS]


@pytest.mark.parametrize(("text", "what"), ERRORS)
def test_errors(parse: Parse, text: str, what: str) -> None:
    with pytest.raises(CaseError) as caught:
        parse(text)
    assert f"test.case:{what}" in str(caught.value)


def test_a_handshake_that_drips_for_ever_fails(parse: Parse) -> None:
    with pytest.raises(CaseError, match="7: @drip .* means that the client hangs up: it needs `client=rejects`"):
        parse(BEGIN + "-- dialogue a --\n@drip 1 1 within=1..2\n@starttls cert=mx\n")


@pytest.mark.parametrize("text", ["-- control/x pem nobody --", "-- dialogue a --\n@starttls cert=nobody"])
def test_a_certificate_that_nobody_has(parse: Parse, text: str) -> None:
    with pytest.raises(CaseError, match=r"test.case:[56]: .*recipes.toml: no such certificate: nobody \(there are"):
        parse(BEGIN + text)


def test_an_address_is_missing(play: Callable[[str], object]) -> None:
    with pytest.raises(CaseError, match="5: dns has no reachable address for a.example"):
        play(BEGIN + "-- dialogue a.example --\n@refuse\n-- report --\n")


@pytest.mark.parametrize("directive", ["@refuse", "@no-answer within=0..1"])
def test_a_server_that_is_there_and_is_not(play: Callable[[str], object], directive: str) -> None:
    what = f"7: {directive} applies to every connection to this address, also to that of line 5"
    with pytest.raises(CaseError, match=what):
        play(BEGIN + f"-- dialogue 192.0.2.1 --\nS: x\n-- dialogue 192.0.2.1 --\n{directive}\n-- report --\n")
