"""Case files: what they say, and what is said about those that are wrong."""

from collections.abc import Callable
from pathlib import Path

import pytest

from mocksrv.case import Case, Control, read_case
from mocksrv.script import CaseError, Say, Split

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
    ("T\naddress: example\n", "2: 'example' does not appear to be"),
    ("T\n\n-- foo --\n", "3: no such section: foo"),
    ("T\n\n-- run now --\n", "3: `run` takes no argument"),
    ("T\n\n-- run --\na\nb\n", "3: `run` must have one line"),
    (BEGIN + "-- run --\n", "5: a second `run` section"),
    (BEGIN + "-- message x --\n", "5: no such file: fixtures/messages/x"),
    (BEGIN + "-- message x --\ny\n", "6: a message has a file or lines, not both"),
    (BEGIN + "-- control/../x --\n", "5: not a name below the control directory"),
    (BEGIN + "-- control/me gone --\n", "5: expected `-- control/me [absent|directory|unreadable] --`"),
    (BEGIN + "-- control/me absent --\nx\n", "6: a control file that is absent has no lines"),
    (BEGIN + "-- report --\nok\n\\q\n", "7: no such escape"),
    (BEGIN + "-- exit --\nno\n", "5: `exit` must have one line, a number"),
    (BEGIN + "-- dns --\na. A 192.0.2.1\na. FOO x\n", "7: unknown rdatatype 'FOO'"),
    (BEGIN + "-- dns --\na. A 192.0.2.1 ;@slow\n", "6: no such fault: @slow"),
    (BEGIN + "-- dns --\n;@drop\n", "6: a fault needs an owner"),
    (BEGIN + "-- dns example --\n", "5: 'example' does not appear to be"),
    (BEGIN + "-- dialogue --\n", "5: expected `-- dialogue HOST"),
    (BEGIN + "-- dialogue a sometimes --\n", "5: expected `-- dialogue HOST"),
    (BEGIN + "-- dialogue a:0 --\n", "5: not a HOST"),
    (BEGIN + "-- dialogue [a] --\n", "5: 'a' does not appear to be"),
    (BEGIN + "-- dialogue a --\n", "5: an empty dialogue"),
    (BEGIN + "-- dialogue a never --\nS: 220\n", "6: a dialogue that never happens has no lines"),
    (BEGIN + "-- dialogue a --\nD: x\n", "6: expected `S: `"),
    (BEGIN + "-- dialogue a --\nS=\\\n", "6: expected `S: `"),
    (BEGIN + "-- dialogue a --\nS= \\\n", "6: no such escape"),
    (BEGIN + "-- dialogue a --\nC: {\n", "6: '{' begins no hole"),
    (BEGIN + "-- dialogue a --\n@sleep 1\n", "6: no such directive: @sleep"),
    (BEGIN + "-- dialogue a --\n@delay\n", "6: expected `@delay T`"),
    (BEGIN + "-- dialogue a --\n@close now\n", "6: expected `@close`"),
    (BEGIN + "-- dialogue a --\n@split\nC: x\n", "6: @split must come before an S line"),
    (BEGIN + "-- dialogue a --\nS: x\n@close\nS: y\n", "8: nothing can follow @close"),
    (BEGIN + "-- dialogue a --\nS: x\n@refuse\n", "7: @refuse stands alone"),
]


@pytest.mark.parametrize(("text", "what"), ERRORS)
def test_errors(parse: Parse, text: str, what: str) -> None:
    with pytest.raises(CaseError) as caught:
        parse(text)
    assert f"test.case:{what}" in str(caught.value)


def test_an_address_is_missing(play: Callable[[str], object]) -> None:
    with pytest.raises(CaseError, match="5: dns has no reachable address for a.example"):
        play(BEGIN + "-- dialogue a.example --\n@refuse\n-- report --\n")
