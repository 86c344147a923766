# SPDX-License-Identifier: ISC
"""Blessing rewrites what the client said, keeps what fits, and touches nothing else."""

import re
from pathlib import Path

import pytest

from mocksrv.tell.bless import Refused, bless
from mocksrv.world import sandbox

HERE = Path(__file__).parent
CLIENT = HERE / "client.py"
WHOLE = (HERE / "cases/pipelined.case").read_text()
BOB, CAROL = "C: RCPT TO:<bob@example.org>\n", "C: RCPT TO:<carol@example.org>\n"

pytestmark = pytest.mark.skipif(sandbox.available() is not None, reason=f"sandbox: {sandbox.available()}")


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv("CI", raising=False)
    return tmp_path / "a.case"


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("", ""),
        ("C: MAIL FROM:<alice@sender.example>\n", "C: HELP\n"),
        ("C: MAIL FROM:<alice@sender.example>\n", ""),
        ("C: DATA\n", "C: DATA\nC: NOOP\nC: {n:int}\n"),
        (BOB + CAROL, CAROL + BOB),
        ("C: QUIT\n", ""),
        ("C: QUIT\n", "C: QUIT\nC: QUIT\n"),
        ("r\\0\nh5", "h5"),
        (WHOLE[WHOLE.index("-- report") :], ""),
        (WHOLE[WHOLE.index("-- report") :], "-- exit --\n5\n\n-- report --\nnothing\n\n"),
    ],
)
def test_what_is_wrong_is_mended(path: Path, old: str, new: str) -> None:
    """Whatever is changed in a case that passes, blessing restores it (except a section's place and status 0)."""
    path.write_text(WHOLE.replace(old, new))
    assert bless(path, CLIENT).passed
    mended = path.read_text()
    if "exit" in new:
        assert mended == WHOLE.replace(old, "-- exit --\n0\n\n" + old + "\n")
    else:
        assert mended == WHOLE


def test_holes_and_prose_survive_and_odd_octets_are_escaped(path: Path) -> None:
    text = WHOLE.replace("C: {message}", "C: nothing like it").replace("C: QUIT", "# so long\nC: {bye:token}")
    path.write_bytes(text.replace(".a line", ".{odd} \\").encode() + b"\n")
    assert bless(path, CLIENT).passed
    mended = path.read_text()
    assert "# so long\nC: {bye:token}\n" in mended
    assert "C: Subject: hi\nC: \nC= ..\\x7bodd} \\\\ that starts with a dot\\r\\n\nC: .\nS: 250 2.0.0" in mended


def test_within_tls(path: Path) -> None:
    """Lines within TLS are blessed; the handshake is not."""
    whole = (HERE / "cases/starttls.case").read_text()
    path.write_text(whole.replace("C: DATA\n", "").replace("C: MAIL", "C: HELP\nC: MAIL").replace("C: QUIT\n", ""))
    assert bless(path, CLIENT).passed
    assert path.read_text() == whole
    path.write_text(whole.replace("mx-by-intermediate", "expired"))
    with pytest.raises(Refused, match="(?s)can be blessed.*certificate_expired"):
        bless(path, CLIENT)


def test_what_cannot_be_blessed_is_refused(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path.write_text(WHOLE.replace("dialogue mx.example.org", "dialogue 192.0.2.26"))
    with pytest.raises(Refused, match="only C lines, report and exit can be blessed"):
        bless(path, CLIENT)
    path.write_text(WHOLE[: WHOLE.index("-- dns")].replace("Qremote", "echo"))
    with pytest.raises(Refused, match="does not end with a report"):
        bless(path, CLIENT)
    monkeypatch.setenv("CI", "true")
    with pytest.raises(Refused, match="where CI is set"):
        bless(path, CLIENT)
    assert path.read_text() == WHOLE[: WHOLE.index("-- dns")].replace("Qremote", "echo")


LOCKSTEP = (HERE / "cases/lockstep.case").read_text()
BLOCKS = (HERE / "cases/blocks.case").read_text()


def twice(first: str, second: str, line: str) -> str:
    """A case with two recipients, and the line that is to stand for both of them."""
    text = LOCKSTEP.replace(" bob@example.org", f" {first} {second}").replace("r\\0\n", "r\\0\nr\\0\n")
    start, end = text.index("C= RCPT"), text.index("C: DATA")
    return f"{text[:start]}@repeat 2\nC: {line}\nS: 250\n@end\n{text[end:]}"


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("", ""),
        ("C: EHLO {helo}\n", "C: EHLO {helo}\nC: NOOP\n"),
        ("C: DATA\n", "C: DATA\nC: NOOP\n"),
        ("C: QUIT\n", "C: QUIT\nC: QUIT\n"),
    ],
)
def test_the_branch_that_was_played_is_mended(path: Path, old: str, new: str) -> None:
    path.write_text(BLOCKS.replace(old, new))
    assert bless(path, CLIENT).passed
    assert path.read_text() == BLOCKS


def test_what_is_repeated_is_mended_if_it_is_each_time_the_same(path: Path) -> None:
    path.write_text(twice("bob@example.org", "bob@example.org", "HELP"))
    assert bless(path, CLIENT).passed
    assert "@repeat 2\nC: RCPT TO:<bob@example.org>\nS: 250\n@end\n" in path.read_text()


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (twice("bob@x.example", "carol@x.example", "HELP"), ":24: cannot be blessed: it is repeated, and"),
        (twice("bob@x.example", "carol@x.example", "RCPT TO:<bob@x.example>"), ":24: cannot be blessed: it is"),
        (
            BLOCKS.replace("@optional\nC: NOOP\n@end\nC: DATA\n", ""),
            ":37: cannot be blessed: it is repeated, and the lines sent differ",
        ),
        (BLOCKS.replace("C: MAIL", "C: MALI"), "it is unclear how much of it belongs to the next block"),
        (BLOCKS.replace("C: EHLO", "C: ELHO"), "what would fit: `C: HELO"),
        (
            BLOCKS.replace("C: QUIT", "C: QUIT\n@end\n@repeat 2\nC: NOOP"),
            r"what the client did does not make a case (.*no lines follow @rep",
        ),
    ],
)
def test_what_is_not_sure_is_not_blessed(path: Path, text: str, reason: str) -> None:
    path.write_text(text)
    with pytest.raises(Refused) as caught:
        bless(path, CLIENT)
    assert re.search(reason.replace("(", "[(]"), str(caught.value))
    assert path.read_text() == text
