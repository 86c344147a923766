# SPDX-License-Identifier: ISC
"""The command line and the pytest plugin, as people meet them."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from mocksrv import commands
from mocksrv.__main__ import main
from mocksrv.world import sandbox

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
CASE = HERE / "cases/pipelined.case"

pytestmark = pytest.mark.skipif(sandbox.available() is not None, reason=f"sandbox: {sandbox.available()}")


def command(*arguments: str | Path, **environment: str) -> tuple[int, str]:
    """Exit status and all output of a Python command."""
    done = subprocess.run(
        [sys.executable, "-m", *map(str, arguments)], cwd=ROOT, capture_output=True, text=True, check=False,
        env=os.environ | {"QREMOTE": str(HERE / "client.py"), "PYTHONDONTWRITEBYTECODE": "1"} | environment,
    )  # fmt: skip
    return done.returncode, done.stdout + done.stderr


@pytest.fixture
def wrong(tmp_path: Path) -> Path:
    path = tmp_path / "wrong.case"
    path.write_text(CASE.read_text().replace("C: RCPT TO:<carol@", "C: RCPT TO:<carole@").replace("Khost", "K"))
    return path


def test_run(wrong: Path) -> None:
    assert command("mocksrv", "run", CASE) == (0, f"{CASE}: ok\n")
    status, output = command("mocksrv", "run", CASE, wrong, "--", HERE / "client.py")
    assert status == 1
    for line in (
        f"{CASE}: ok",
        "line 24: the client sent something else",
        "    ✓ C: RCPT TO:<bob@example.org>",
        "    ✗ C: RCPT TO:<carole@example.org>",
        r"  expected: RCPT TO:<carole@example.org>\r\n",
        r"  received: RCPT TO:<carol@example.org>\r\n",
        " " * 26 + "^",
        f"alone: {sys.executable} -m mocksrv run {wrong} -- testsuite/mocksrv/client.py",
    ):
        assert line in output.split("\n")


def test_a_report_is_compared_line_by_line(tmp_path: Path) -> None:
    path = tmp_path / "a.case"
    path.write_text(CASE.read_text().replace("h550 5.1.1 no such user", "h550 5.1.2 no such user"))
    _, output = command("mocksrv", "run", path)
    assert "    r\\0\n  - h550 5.1.2 no such user\n  + h550 5.1.1 no such user\n    \\0\n" in output


def test_run_verbosely() -> None:
    status, output = command("mocksrv", "run", "-v", CASE)
    assert status == 0
    for line in (
        "The server offers PIPELINING, so the whole envelope is one write.",
        "DNS  mx.example.org. A (udp) -> NOERROR: A 192.0.2.25",
        "       # [2920#3.1] Nothing is answered before DATA has arrived.",
        " 1   ✓ C: EHLO client.example",
        " 2 ┌ ✓ C: MAIL FROM:<alice@sender.example>", "   │ ✓ C: RCPT TO:<bob@example.org>", "   └ ✓ C: DATA",
        "   │ ✓ C: ..a line that starts with a dot",
        "     ✓ C: QUIT",
        "   3 round trips",
        "h = carol@example.org: refused for good",
    ):
        assert line in output.split("\n")


def test_what_came_of_a_handshake(tmp_path: Path) -> None:
    """It is shown after its line, even if something else failed."""
    case, client = HERE / "cases/starttls.case", HERE / "client.py"
    told = "✓ @starttls cert=mx-by-intermediate   (TLSv1.3 TLS_AES_256_GCM_SHA384, SNI mx.example.org)"
    assert f"     {told}" in command("mocksrv", "run", "-v", case, "--", client)[1].split("\n")
    (tmp_path / "a.case").write_text(case.read_text().replace("C: DATA", "C: DATE"))
    assert f"    {told}" in command("mocksrv", "run", tmp_path / "a.case", "--", client)[1].split("\n")


def test_what_came_of_blocks(tmp_path: Path) -> None:
    """Which branches were taken, and which time it was that something failed."""
    case, client = HERE / "cases/blocks.case", HERE / "client.py"
    passed = command("mocksrv", "run", "-v", case, "--", client)[1].split("\n")
    start = passed.index("     ✓ @either")
    assert passed[start : start + 9] == [
        "     ✓ @either", "     · C: HELO client.example", "     · S: 250-hello", "       @or", "     ✓ C: EHLO client.example",
        "     ✓ S: 250-hello", "       @repeat 3", "     ✓ S: 250-HELP   (3 times)", "       @end",
    ]  # fmt: skip
    (tmp_path / "a.case").write_text(case.read_text().replace("n 6)", "n 5)"))
    failed = command("mocksrv", "run", tmp_path / "a.case", "--", client)[1].split("\n")
    assert failed[failed.index("      @repeat 2") :][:8] == [
        "      @repeat 2", "    ✓ @either   (2 times)", "    · C: RCPT TO:<carol@example.org>", "      @or",
        "    ✓ C: RCPT TO:<bob@example.org>   (2 times)", "      @repeat 2",
        "    ✗ C: RCPT TO:<{who:addr}>   (✓ 3 times before)", r"  expected: RCPT TO:<{who:addr}>",
    ]  # fmt: skip


def test_questions_are_compared_line_by_line(tmp_path: Path) -> None:
    case = HERE / "cases/dns-log.case"
    (tmp_path / "a.case").write_text(case.read_text().replace("a.example.org. AAAA\n", "\na.example.org TXT\n"))
    output = command("mocksrv", "run", tmp_path / "a.case", "--", HERE / "client.py")[1]
    assert "line 12: the questions to the DNS differ\n    example.org. MX\n    a.example.org. A\n" in output
    assert "    a.example.org. A tcp\n  - a.example.org. TXT\n    b.example.org. AAAA\n    b.example.org. A\n" in output
    assert "    b.example.org. A\n  + a.example.org. AAAA\n" in output


def test_what_cannot_be_run(tmp_path: Path) -> None:
    complaint = f"mocksrv: {tmp_path}/none.case: No such file or directory\n"
    assert command("mocksrv", "run", tmp_path / "none.case", CASE) == (2, f"{CASE}: ok\n{complaint}")
    (tmp_path / "bad.case").write_text("Title\n\n-- foo --\n")
    assert "bad.case:3: no such section" in command("mocksrv", "run", tmp_path / "bad.case")[1]
    assert "no such program" in command("mocksrv", "run", CASE, QREMOTE="/nowhere")[1]
    assert command("mocksrv", "run", CASE, MOCKSRV_SANDBOX="none") == (0, f"{CASE}: ok\n")


def test_a_case_that_cannot_be_played(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def check(*_: object) -> None:
        raise sandbox.SandboxError("ip: no")

    monkeypatch.setattr(commands, "check", check)
    assert main(["run", str(CASE), "--", str(HERE / "client.py")]) == 2
    assert capsys.readouterr().err == f"{CASE}: ip: no\n"


def test_pytest_collects_cases(tmp_path: Path, wrong: Path) -> None:
    (tmp_path / "right.case").write_text(CASE.read_text())
    (tmp_path / "bad.case").write_text("Title\n\n-- foo --\n")
    pytest_here = ("pytest", "-c", ROOT / "pyproject.toml", f"--rootdir={tmp_path}", "-p", "no:xdist", "-v", tmp_path)
    status, output = command(*pytest_here)
    assert status == 1
    assert "right.case::right PASSED" in output
    assert "bad.case:3: no such section" in output
    assert "line 24: the client sent something else" in output
    assert "right.case::right[rfc] PASSED" in output
    assert "wrong.case::wrong[rfc] PASSED" in output  # carol is refused either way
    assert "3 passed" in output and "3 failed" in output
    assert command(*pytest_here, "--bless", "--deselect=bad.case", CI="")[0] == 0
    assert wrong.read_text() == CASE.read_text()


def test_pytest_tells_how_far_it_is(tmp_path: Path, wrong: Path) -> None:
    """With -q: no dots, but tenths, and each failure when it happens; all about it comes later, and pytest's last line last."""
    (tmp_path / "test_more.py").write_text("import pytest\n@pytest.mark.parametrize('n', range(8))\ndef test_it(n): assert n < 7, 'big\\nn'\n")
    pytest_here = ("pytest", "-c", ROOT / "pyproject.toml", f"--rootdir={tmp_path}", "-q", tmp_path)
    for workers in (("-p", "no:xdist"), ("-n", "1")):
        status, output = command(*pytest_here, *workers)
        told, rest = re.split("\n=+ FAILURES =+\n", output)
        lines = [line for line in told.split("\n") if line and "nodes..." not in line]
        assert status == 1 and len(lines) == 11
        assert lines[1].startswith(" 20 %  2 of 10, about ")
        assert "failed: test_more.py::test_it[7]: AssertionError: big" in lines
        assert "failed: wrong.case::wrong: the client sent something else" in lines
        assert "line 24: the client sent something else" in rest and re.search(r"\nFAILED \S*test_more.py::test_it\[7\]", rest)
        assert re.fullmatch(r"2 failed, 8 passed in .*", rest.rstrip("\n").rpartition("\n")[2])


def test_run_by_the_rfcs(wrong: Path, tmp_path: Path) -> None:
    client = HERE / "client.py"
    assert command("mocksrv", "run", "--match=rfc", CASE, "--", client) == (0, f"{CASE}: ok\n")
    assert command("mocksrv", "run", CASE, "--", f"qmail:{client}") == (0, f"{CASE}: ok\n")
    broken = tmp_path / "broken"
    broken.write_text(f'#!/bin/sh\nMISBEHAVE=no-quit exec {client} "$@"\n')
    broken.chmod(0o755)
    status, output = command("mocksrv", "run", CASE, "--", f"qmail:{broken}")
    assert status == 1
    assert "^ END-NO-QUIT: the client hung up without QUIT" in output
    assert f"FAILED {CASE}: 1 wrong" in output
    assert command("mocksrv", "run", CASE, "--", "exim:/nowhere")[1].startswith(f"{CASE}: skipped: no /nowhere/")


TAPES = HERE / "tapes"


def test_audit() -> None:
    status, output = command("mocksrv", "audit", TAPES / "TEXT-DOT.tape")
    assert status == 1
    assert f"{TAPES}/TEXT-DOT.tape:14: TEXT-DOT: a line begins with a single dot\n  [5321#4.5.2] " in output
    status, output = command("mocksrv", "audit", TAPES / "BDAT-WAIT.tape")
    assert status == 0, "what is no MUST is no breach"
    assert re.search(r"(?m)^.*/BDAT-WAIT.tape:\d+: BDAT-WAIT \(should\): BDAT was sent before the reply to RCPT$", output)
    status, output = command("mocksrv", "audit", "--rules")
    assert status == 0
    assert len(output.split("\n")) > 60 and "END-NO-QUIT" in output
    assert re.search(r"(?m)^TEXT-DOT +must +5321#4.5.2 +A line of the message", output)
    assert re.search(r"(?m)^BDAT-WAIT +should +3030#2 +The replies", output)


def test_show(tmp_path: Path) -> None:
    status, output = command("mocksrv", "show", CASE)
    assert status == 0
    for line in (
        "Two recipients, one refused, all in one burst",
        "  mx.example.org.  A     192.0.2.25",
        " 1   C: EHLO client.example",
        "       # [2920#3.1] Nothing is answered before DATA has arrived.",
        "   │ C: ..a line that starts with a dot",
        "   3 round trips",
        "h = carol@example.org: refused for good",
    ):
        assert line in output.split("\n")
    assert "TEXT-DOT: a line begins with a single dot" in command("mocksrv", "show", TAPES / "TEXT-DOT.tape")[1]
    for file, text in ((CASE, "C: ..a line that starts with a dot"), (TAPES / "TEXT-DOT.tape", "TEXT-DOT")):
        page = tmp_path / "page.html"
        assert command("mocksrv", "show", "--html", page, file) == (0, "")
        assert text in page.read_text() and "</html>" in page.read_text()
    command("mocksrv", "show", "--html", page, CASE)
    assert "h 550 5.1.1 no such user</div><div class=beside><div>carol@example.org: refused for good" in page.read_text()
    assert 'Where to read on: <a href="https://www.rfc-editor.org/rfc/rfc2920#section-3.1">' in page.read_text()
