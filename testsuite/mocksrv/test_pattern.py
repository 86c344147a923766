# SPDX-License-Identifier: ISC
"""C lines and their holes."""

import pytest

from mocksrv.case.pattern import Facts, Pattern, parse_exact, parse_line

FACTS = Facts(b"me.example", b".a\nb")


def fits(pattern: Pattern, octets: bytes, bound: dict[str, bytes] | None = None) -> bool:
    return pattern.match(octets, FACTS, {} if bound is None else bound)


@pytest.mark.parametrize(
    ("text", "octets"),
    [
        ("EHLO {helo}", b"EHLO me.example\r\n"),
        ("{message}", b"..a\r\nb\r\n.\r\n"),
        ("{message[1:3]}", b"a\r"),
        ("{message[4:]}", b"b\r\n"),
        (r"a \b", b"a \\b\r\n"),
        ("p\u00e4r", "pär\r\n".encode()),
    ],
)
def test_fixed(text: str, octets: bytes) -> None:
    pattern = parse_line(text)
    assert not pattern.is_open
    assert pattern.fixed(FACTS) == octets


def test_exact_adds_nothing() -> None:
    assert parse_exact(r"{helo}\x7b\0{message}").fixed(FACTS) == b"me.example{\0..a\r\nb\r\n.\r\n"


@pytest.mark.parametrize(
    ("kind", "right", "wrong"),
    [
        ("int", ["0", "123"], ["", "-1", "1a"]),
        ("token", ["a", "<a@b>"], ["", "a b"]),
        ("addr", ["", "a@b", '"a b>"@c', r'"\""@c'], ["a b", "a>", '"a@b']),
        ("b64", ["=", "YQ==", "YWJj"][1:], ["", "a b", "====" "a"]),
        ("params", ["", " SIZE=1", " BODY=8BITMIME SMTPUTF8"], ["SIZE=1", " SIZE= ", "  A"]),
    ],
)
def test_kinds(kind: str, right: list[str], wrong: list[str]) -> None:
    pattern = parse_line(f"<{{x:{kind}}}>")
    assert [text for text in right if not fits(pattern, f"<{text}>\r\n".encode())] == []
    assert [text for text in wrong if fits(pattern, f"<{text}>\r\n".encode())] == []


def test_a_repeated_hole_matches_itself() -> None:
    bound: dict[str, bytes] = {}
    assert not fits(parse_line("{n:int} {n:int}"), b"1 2\r\n", bound)
    assert bound == {}
    assert fits(parse_line("{n:int} {n:int}"), b"12 12\r\n", bound)
    assert not fits(parse_line("{n:int}"), b"13\r\n", bound)
    # Wherever else the line could be cut.
    assert fits(parse_line("{m:int}{m:int}"), b"1212\r\n", {})
    bound["a"] = b"x-y"
    assert fits(parse_line("{a:token}-{b:token}"), b"x-y-z-w\r\n", bound)
    assert bound["b"] == b"z-w"
    assert not fits(parse_line("{a:int}"), b"x-y\r\n", bound)
    assert fits(parse_line("A{p:params}"), b"A X=1 Y\r\n", bound)
    assert fits(parse_line("B{p:params}"), b"B Y X=1\r\n", bound)
    assert not fits(parse_line("B{p:params}"), b"B Y X=2\r\n", bound)


@pytest.mark.parametrize(
    ("text", "octets", "leads"),
    [
        ("AB", b"", None),
        ("AB", b"AB\r", None),
        ("AB", b"AB\r\nC", True),
        ("AB", b"AC", False),
        ("{n:int}", b"", None),
        ("{n:int}", b"A", None),
        ("{n:int}", b"1\r\nA", True),
        ("{n:int}", b"A\r\n", False),
        ("{n:int}", b"1" * 70000, False),
        ("{m:int}", b"2\r\n", False),
    ],
)
def test_what_leads_to_a_decision(text: str, octets: bytes, leads: bool | None) -> None:
    bound = {"m": b"1"}
    assert parse_line(text).leads(octets, FACTS, bound) is leads
    assert bound == {"m": b"1"}


@pytest.mark.parametrize(
    ("parse", "text", "what"),
    [
        (parse_line, "a{message}", "must be alone"),
        (parse_line, "a{b", "does not begin a hole"),
        (parse_line, "{Helo}", "does not begin a hole"),
        (parse_line, "{n:number}", "no such kind of hole: number"),
        (parse_exact, "{n:int}", r"must end with \\n"),
        (parse_exact, r"\z", "no such escape"),
    ],
)
def test_errors(parse, text: str, what: str) -> None:
    with pytest.raises(ValueError, match=what):
        parse(text)
