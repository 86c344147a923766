# SPDX-License-Identifier: ISC
"""Escapes, and the forms of a message, against a slow and obvious model."""

import itertools

import pytest

from mocksrv.case.octets import canonical, dot_stuffed, first_difference, unescape, visible


def test_every_octet_survives_escaping() -> None:
    octets = bytes(range(256)) + "päron\u2028 \\r".encode()
    assert unescape(visible(octets)) == octets
    assert visible(octets).isprintable()


@pytest.mark.parametrize("wrong", [r"\q", "\\", r"\x1", r"\xgg"])
def test_an_unknown_escape_is_an_error(wrong: str) -> None:
    with pytest.raises(ValueError, match="no such escape"):
        unescape(wrong)


@pytest.mark.parametrize("length", range(7))
def test_line_ends_and_dots(length: int) -> None:
    """For every string over CR, LF, dot and a letter."""
    for letters in itertools.product(b"\r\n.a", repeat=length):
        message = bytes(letters)
        lines = message.replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n")
        if lines[-1] == b"":
            lines.pop()
        assert canonical(message) == b"".join(line + b"\r\n" for line in lines)
        stuffed = [b"." + line if line.startswith(b".") else line for line in lines]
        assert dot_stuffed(message) == b"".join(line + b"\r\n" for line in [*stuffed, b"."])


@pytest.mark.parametrize(("one", "other", "index"), [(b"", b"", 0), (b"ab", b"abc", 2), (b"abc", b"axc", 1)])
def test_first_difference(one: bytes, other: bytes, index: int) -> None:
    assert first_difference(one, other) == index
