# SPDX-License-Identifier: ISC
"""Who reads a trace, slowly or never, has all of it or cannot delay a mail; and a terminal can have it."""

import fcntl
import os
import pty
import subprocess
import threading
from contextlib import suppress
from functools import partial
from pathlib import Path

import pytest

from mocksrv.world import sandbox
from testsuite.peer import MESSAGE, PATIENCE, Outcome, Peer, command, environment, memory_file, qremote

pytestmark = pytest.mark.skipif(sandbox.available() is not None, reason=f"{sandbox.available()}")

# 1,000 lines, which do not fit into any pipe or terminal at once.
LONG = "\r\n".join(f"250{'-' if number < 999 else ' '}X-{number:050}" for number in range(1000))


def narrow_pipe() -> tuple[int, int]:
    reader, writer = os.pipe()
    fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, 4096)
    return reader, writer


def read_slowly(kind: str) -> tuple[Outcome, bytes]:
    reader, writer = narrow_pipe()
    taken: list[bytes] = []
    thread = threading.Thread(target=lambda: taken.extend(iter(partial(os.read, reader, 100), b"")))
    thread.start()
    variables = {"QREMOTE_TRACE": "/dev/stderr" if kind == "stderr" else f"/dev/fd/{writer}"}
    # The client's clock is slow, so that its second is a minute for our thread, which may have to wait for its turn.
    libraries = [str(one) for one in Path("/usr/lib").glob("*/faketime/libfaketime.so.1")]
    assert libraries, "libfaketime is not installed"
    variables |= {"LD_PRELOAD": libraries[0], "FAKETIME": "+0 x0.0166"}
    with Peer(replies={"EHLO": LONG}):
        message = memory_file(MESSAGE)
        done = subprocess.run(
            command(), stdin=message, stdout=subprocess.PIPE, stderr=writer, pass_fds=[writer],
            env=environment(**variables), check=False, timeout=PATIENCE,
        )  # fmt: skip
    os.close(message)
    os.close(writer)
    thread.join(PATIENCE)
    os.close(reader)
    return Outcome(done.returncode, done.stdout, b""), b"".join(taken)


@pytest.mark.spec("TRC-1", "TRC-3")
@pytest.mark.parametrize("kind", ["stderr", "fd"])
def test_a_slow_reader_has_all_of_it(kind: str) -> None:
    """Each line arrives whole, through a pipe of a page."""
    outcome, trace = sandbox.run(read_slowly, kind)
    assert outcome.letters == "rK"
    said = [line.split(b" ", 3)[3] for line in trace.splitlines() if b" S 250" in line]
    assert [line for line in said if b"X-" in line] == LONG.encode().split(b"\r\n")
    assert trace.rstrip().endswith(b"Remote host said: 250 2.0.0 queued as 4711")


def never_read(kind: str) -> tuple[Outcome, int]:
    reader, writer = narrow_pipe()
    variables = {"QREMOTE_TRACE": "/dev/stderr" if kind == "stderr" else f"/dev/fd/{writer}"}
    with Peer(replies={"EHLO": LONG}) as peer:
        message = memory_file(MESSAGE)
        done = subprocess.run(
            command(), stdin=message, stdout=subprocess.PIPE, stderr=writer, pass_fds=[writer],
            env=environment(**variables), check=False, timeout=PATIENCE,
        )  # fmt: skip
    for one in (message, reader, writer):
        os.close(one)
    return Outcome(done.returncode, done.stdout, b""), len(peer.accepted)


@pytest.mark.spec("TRC-4")
@pytest.mark.parametrize("kind", ["stderr", "fd"])
def test_a_reader_that_never_reads_delays_the_mail_once(kind: str) -> None:
    """By a second: a thousand lines do not wait for it."""
    outcome, taken = sandbox.run(never_read, kind)
    assert (outcome.letters, taken) == ("rK", 1)


def on_a_terminal(name: str) -> tuple[Outcome, bytes]:
    ours, theirs = pty.openpty()

    def own_it() -> None:
        os.setsid()
        os.close(os.open(os.ttyname(theirs), os.O_RDWR))  # the first that a session opens is its terminal
        os.dup2(theirs, 2)

    with Peer() as peer:
        message = memory_file(MESSAGE)
        done = subprocess.run(
            command(), stdin=message, stdout=subprocess.PIPE, pass_fds=[theirs], preexec_fn=own_it,
            env=environment(QREMOTE_TRACE=name), check=False, timeout=PATIENCE,
        )  # fmt: skip
    assert len(peer.accepted) == 1
    os.close(theirs)
    shown = b""
    with suppress(OSError):  # the other end is closed, and all of it was read: it comes piece by piece, and late
        while octets := os.read(ours, 65536):
            shown += octets
    for one in (message, ours):
        os.close(one)
    return Outcome(done.returncode, done.stdout, b""), shown


@pytest.mark.spec("TRC-1", "TRC-3")
@pytest.mark.parametrize("name", ["/dev/tty", "/dev/stderr"])
def test_a_terminal_shows_it(name: str) -> None:
    """The one that the process belongs to, or that of descriptor 2."""
    outcome, shown = sandbox.run(on_a_terminal, name)
    assert outcome.letters == "rK"
    assert b" S 220 mx.example.org ESMTP\r\n" in shown and shown.endswith(b" Remote host said: 250 2.0.0 queued as 4711\r\n")


@pytest.mark.spec("TRC-1")
def test_a_long_line_is_cut() -> None:
    """A pipe must take each line at once."""
    shown = sandbox.run(traced, "220 " + "x" * 4092).splitlines()
    assert [len(line) for line in shown if " S 220 x" in line] != []
    assert all(len(line) < 4096 for line in shown)
    assert any(line.endswith("xxx...") for line in shown)


def traced(greeting: str) -> str:
    file = sandbox.SCRATCH / "trace"
    with Peer(replies={"": greeting}):
        assert qremote(variables={"QREMOTE_TRACE": str(file)}).letters == "rK"
    return file.read_text()
