# SPDX-License-Identifier: ISC
"""What every command has in common: its error messages, interruption, and where its output goes."""

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from mocksrv.world import sandbox
from testsuite.mocksrv.serving import ENVIRONMENT, PATIENCE, ROOT

HERE = Path(__file__).parent
CLIENT = HERE / "client.py"
CASE, TAPE = HERE / "cases/pipelined.case", HERE / "tapes/TEXT-DOT.tape"
MOCKSRV = [sys.executable, "-m", "mocksrv"]
WICKED = b"\x1b]0;owned\x07\x9b31m\xe2\x80\xae"


def command(*words: str | Path, within: str = 'exec "$@"', **environment: str) -> tuple[int, str, str]:
    """Exit status, output and complaints of mocksrv; `within`: what a shell is to do with it."""
    done = subprocess.run(
        ["sh", "-c", within, "sh", *MOCKSRV, *map(str, words)], cwd=ROOT, capture_output=True, check=False,
        env=ENVIRONMENT | environment, timeout=PATIENCE, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    return done.returncode, done.stdout.decode(), done.stderr.decode()


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (("audit",), "mocksrv audit: error: expected a TRANSCRIPT, or --rules"),
        (("run", CASE, "--"), "mocksrv: error: expected one CLIENT after --"),
        (("run", CASE, "--", "curl", "-v"), "mocksrv: error: expected one CLIENT after --"),
        (("test", "--", "curl"), "mocksrv: error: only `run` takes a client after --"),
        (("serve", "--", "curl"), "mocksrv: error: only `run` takes a client after --"),
        (("run", "/nowhere/a.case"), "mocksrv: /nowhere/a.case: No such file or directory\n"),
        (("run", "--match=rfc", "/nowhere/a.case"), "mocksrv: /nowhere/a.case: No such file or directory\n"),
        (("run", "README.md"), "README.md:"),
        (("run", CASE, "--", "sendmail"), "no such client: sendmail"),
        (("run", "--match=exact", CASE, "--", "exim"), "cases do not say the exact octets of exim: use --match=rfc"),
        (("run", "--bless", "--match=rfc", CASE), "--bless works octet for octet"),
        (("run", "--bless", CASE, "--", "curl"), "--bless works octet for octet"),
        (("audit", "/nowhere"), "mocksrv: /nowhere: No such file or directory\n"),
        (("audit", CASE), f"{CASE}:1: expected `-- dialogue HOST"),
        (("show", "/nowhere.case"), "mocksrv: /nowhere.case: No such file or directory\n"),
        (("show", "--html", "/nowhere/page", CASE), "mocksrv: /nowhere/page: No such file or directory\n"),
        (("show", "--html", "/dev/full", CASE), "mocksrv: No space left on device\n"),
        (("test", "sendmail"), "no such client: sendmail"),
        (("test", "--only", "nothing,such", "--only", "must", CLIENT), "no case is about nothing or such and must\n"),
        (("test", "--cases", "/nowhere", CLIENT), "no cases in /nowhere\n"),
        (("test", "--baseline", "/nowhere", CLIENT), "mocksrv: /nowhere: No such file or directory\n"),
        (("test", "--junit", "/dev/null/x", CLIENT), "mocksrv: /dev/null: File exists\n"),
        (("test", "-j", "0", CLIENT), "mocksrv test: error: argument -j: expected a number from 1 to 1000, not 0\n"),
    ],
    ids=lambda words: " ".join(Path(word).name for word in words) if isinstance(words, tuple) else "",
)
def test_what_is_not_understood(words: tuple[str | Path, ...], complaint: str) -> None:
    status, told, complaints = command(*words)
    assert (status, told) == (2, "")
    assert complaints.startswith(complaint) or f"\n{complaint}" in complaints, complaints
    assert "Traceback" not in complaints


def test_a_python_without_libraries() -> None:
    """One sentence says what is missing."""
    done = subprocess.run(
        [sys.executable, "-S", "-m", "mocksrv", "--version"], cwd=ROOT, env={}, capture_output=True, text=True, check=False
    )
    complaint = f"mocksrv: {sys.executable} lacks dnspython: install python3-dnspython, or use another Python\n"
    assert (done.returncode, done.stdout, done.stderr) in [
        (2, "", complaint.replace("dnspython", one)) for one in ("dnspython", "cryptography")
    ]


def test_our_cases_by_their_names(tmp_path: Path) -> None:
    """From any directory; a file of that name goes first."""
    mine = tmp_path / "demo/a-mail-finds-its-way"
    told = [command("show", "demo/a-mail-finds-its-way", PYTHONPATH=str(ROOT), within=f'cd {tmp_path} && exec "$@"')]
    mine.parent.mkdir()
    mine.write_text("-- dialogue x.example --\nS: 220 mine\n")
    told.append(command("show", "demo/a-mail-finds-its-way", PYTHONPATH=str(ROOT), within=f'cd {tmp_path} && exec "$@"'))
    assert [(status, "A whole delivery: " in text, "S: 220 mine" in text) for status, text, _ in told] == [
        (0, True, False), (0, False, True),
    ]  # fmt: skip
    assert command("show", "demo/nothing")[::2] == (2, f"mocksrv: {ROOT}/fixtures/cases/demo/nothing.case: No such file or directory\n")


@pytest.mark.skipif(sandbox.available() is not None, reason=f"sandbox: {sandbox.available()}")
@pytest.mark.parametrize("words", [("run", "-v", CASE), ("test", "--cases", CASE, CLIENT)], ids=lambda words: words[0])
@pytest.mark.parametrize(("kill", "by", "status"), [(os.killpg, signal.SIGINT, 130), (os.kill, signal.SIGKILL, -9)])
def test_an_interruption(
    words: tuple[str | Path, ...], kill: Callable[[int, int], None], by: signal.Signals, status: int, tmp_path: Path
) -> None:
    """^C ends it without a message. Nothing that it started lives longer and keeps its output open."""
    client, begun = tmp_path / "client", tmp_path / "begun"
    client.write_text(f"#!/bin/sh\n>{begun}/it\nsleep {PATIENCE}\n")
    client.chmod(0o755)
    begun.mkdir()
    words = tuple(client if word == CLIENT else word for word in words)
    os.mkfifo(begun / "it")
    with subprocess.Popen(
        [*MOCKSRV, *words], cwd=ROOT, env=ENVIRONMENT | {"QREMOTE": str(client)}, start_new_session=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # else ignored, if tests run in the background
    ) as process:  # fmt: skip
        with (begun / "it").open("rb"):  # once somebody opens the other end
            kill(process.pid, by)
            try:
                output, _ = process.communicate(timeout=PATIENCE)
            finally:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
        assert (process.returncode, output) == (status, b"")


@pytest.mark.parametrize("words", [("audit", TAPE), ("audit", "--rules"), ("show", CASE)], ids=lambda words: words[0])
def test_nobody_reads(words: tuple[str | Path, ...]) -> None:
    """As in `audit | head`: no error message, but the status tells that output was lost."""
    status, told, complaints = command(*words, within='{ "$@"; echo $? >&2; } | :')
    assert (status, told, complaints) == (0, "", "141\n")


def test_no_output() -> None:
    """There may be none: whoever closed it does not want it."""
    assert command("show", CASE, within='exec "$@" >&-') == (0, "", "")
    assert command("serve", "--patience", "0", within='exec "$@" >&- 2>&-') == (2, "", "")


def test_what_was_told_before_a_complaint() -> None:
    status, told, complaints = command("audit", TAPE, "/nowhere")
    assert (status, complaints) == (2, "mocksrv: /nowhere: No such file or directory\n")
    assert "TEXT-DOT: a line begins with a single dot" in told


def test_full_output() -> None:
    assert command("audit", TAPE, within='exec "$@" >/dev/full') == (2, "", "mocksrv: No space left on device\n")


@pytest.mark.parametrize("encoding", ["ascii", "utf-8:strict"])
def test_any_character(encoding: str, tmp_path: Path) -> None:
    """Whatever the terminal can show, and whatever is in a file."""
    path = tmp_path / "a.case"
    path.write_bytes(CASE.read_bytes().replace(b"Two ", "✓ Zwölf ".encode() + WICKED, 1))
    for words in (("show", path), ("run", "-v", path), ("run", "-v", "--match=rfc", path)):
        status, told, complaints = command(*words, PYTHONIOENCODING=encoding, QREMOTE=str(HERE / "client.py"))
        assert (status, complaints) == (0, "")
        assert told.replace("\n", "").isprintable()
        assert r"\x1b]0;owned\x07\x9b31m" in told


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "1: no `-- dialogue HOST[:PORT] [[ADDRESS]] --` in this file"),
        ("S: 220 hi\n", "1: expected `-- dialogue HOST[:PORT] [[ADDRESS]] --` before this line"),
        ("-- dialogue a --\n\n-- dialogue b c --\n", "3: expected `-- dialogue HOST[:PORT] [[ADDRESS]] --`"),
        ("-- dialogue a:0 --\n", "1: not a HOST[:PORT]: a:0"),
        ("-- dialogue a --\r\nS: 220 hi\r\n", "1: expected lines that end with LF, not with CR LF"),
        ("-- dialogue a --\nX: 220 hi\n", "2: expected `S: `, `C: `, `S= `, `C= `, `@starttls`, "),
        ("-- dialogue a --\nC= \\q\n", r"2: no such escape: \q (there are"),
    ],
)
def test_broken_transcripts(text: str, complaint: str, tmp_path: Path) -> None:
    path = tmp_path / "a.tape"
    path.write_bytes(text.encode())
    status, told, complaints = command("audit", path)
    assert (status, told) == (2, "") and complaints.startswith(f"{path}:{complaint}"), complaints


def test_a_file_does_not_command_the_terminal(tmp_path: Path) -> None:
    """Nor does a complaint about one."""
    path = tmp_path / "a.tape"
    for host, complaint in ((b"a\x1bc", ""), (b"a\x1b[31m", rf"{path}:1: not a HOST[:PORT]: a\x1b[31m")):
        path.write_bytes(b"-- dialogue " + host + b" --\nS: 220 hi\n@close\n")
        for name in ("audit", "show"):
            _, told, complaints = command(name, path)
            assert (told + complaints).replace("\n", "").isprintable()
            assert r"a\x1bc" in told if not complaint else complaints == f"{complaint}\n"
