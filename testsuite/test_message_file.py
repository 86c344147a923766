# SPDX-License-Identifier: ISC
"""A message file that is overwritten while it is sent (IN-4): the server never gets its end, and there is no `K`.

And a message that comes through a pipe (IN-5).
"""

import os
import subprocess
from collections.abc import Callable

import pytest

from mocksrv.world import sandbox
from testsuite.peer import PATIENCE, Outcome, Peer, Session, command, environment, memory_file

pytestmark = pytest.mark.skipif(sandbox.available() is not None, reason=f"{sandbox.available()}")

SMALL = "Subject: hi\n\n".encode() + "one größer line of it\n".encode() * 150  # less than a page
LARGE = SMALL * 200  # many pages, and many out buffers
# By DATA as it is and recoded, and by BDAT: when the server has read DATA, or already EHLO, where the message rides with
# the envelope or is surveyed next.
MODES = [
    (("8BITMIME", "SIZE"), "DATA"), (("8BITMIME", "SIZE"), "EHLO"), (("PIPELINING",), "DATA"), (("SIZE",), "EHLO"),
    (("8BITMIME", "CHUNKING"), "RCPT"), (("8BITMIME", "CHUNKING", "PIPELINING"), "EHLO"),
]  # fmt: skip


def _cut(file: int, _size: int) -> None:
    os.ftruncate(file, 100)


def _lengthen(file: int, size: int) -> None:
    os.pwrite(file, b"one line more\n", size)


def _rewrite(file: int, _size: int) -> None:
    os.pwrite(file, b"s", 0)


def _leave(_file: int, _size: int) -> None:
    pass


def _deliver(
    message: bytes, change: Callable[[int, int], None], offers: tuple[str, ...], command_name: str
) -> tuple[Outcome, list[Session]]:
    """One delivery; the file changes when the server has read a command and Qremote waits for its reply."""
    file = memory_file(message)
    with Peer(offers, at=(command_name, lambda: change(file, len(message)))) as peer:
        done = subprocess.run(
            command(), stdin=file, capture_output=True, env=environment(), check=False, timeout=PATIENCE
        )
    os.close(file)
    return Outcome(done.returncode, done.stdout, done.stderr), peer.sessions


@pytest.mark.spec("IN-4")
@pytest.mark.parametrize(("offers", "at"), MODES, ids=lambda value: value if isinstance(value, str) else "+".join(value))
@pytest.mark.parametrize("change", [_cut, _lengthen, _rewrite])
@pytest.mark.parametrize("message", [SMALL, LARGE], ids=["small", "large"])
def test_a_file_that_changes_is_not_delivered(
    message: bytes, change: Callable[[int, int], None], offers: tuple[str, ...], at: str
) -> None:
    """A later attempt may deliver it."""
    outcome, (session,) = sandbox.run(_deliver, message, change, offers, at)
    assert outcome.report.startswith("Z") and outcome.report.endswith("(#4.3.0)\n")
    assert not session.accepted and not session.end_read
    assert "QUIT" not in session.commands and b"QUIT" not in session.message


@pytest.mark.spec("IN-4")
def test_pages_that_vanish_end_the_process_in_good_order() -> None:
    """SIGBUS: its handler writes the only record."""
    outcome, _ = sandbox.run(_deliver, LARGE, _cut, *MODES[0])
    assert outcome.stdout == b"ZThe message file was cut short while it was sent. (#4.3.0)\n\0"


@pytest.mark.spec("IN-4")
@pytest.mark.parametrize(("offers", "at"), MODES, ids=lambda value: value if isinstance(value, str) else "+".join(value))
@pytest.mark.parametrize("message", [SMALL, LARGE], ids=["small", "large"])
def test_a_file_that_stays_is_delivered(message: bytes, offers: tuple[str, ...], at: str) -> None:
    """This shows that the tests above fail for the right reason."""
    outcome, (session,) = sandbox.run(_deliver, message, _leave, offers, at)
    assert outcome.letters == "rK" and session.accepted


def _deliver_piped(disk: str) -> tuple[Outcome, list[Session], list[str]]:
    """A megabyte through a pipe, with a disk of this size for the copy; and what is left on the disk."""
    directory = sandbox.SCRATCH / "disk"
    directory.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={disk}", "none", directory], check=True)
    with Peer(("CHUNKING", "8BITMIME")) as peer:
        done = subprocess.run(
            command(), input=LARGE, capture_output=True, env=environment(TMPDIR=str(directory)), check=False,
            timeout=PATIENCE,
        )  # fmt: skip
    return Outcome(done.returncode, done.stdout, done.stderr), peer.sessions, os.listdir(directory)


@pytest.mark.spec("IN-5")
def test_a_large_message_through_a_pipe() -> None:
    """It arrives whole, and nothing is left."""
    outcome, (session,), left = sandbox.run(_deliver_piped, "10m")
    assert outcome.letters == "rK" and session.message == LARGE.replace(b"\n", b"\r\n") and left == []


@pytest.mark.spec("IN-5")
def test_a_full_disk() -> None:
    """Nothing is sent, and nothing is left."""
    outcome, sessions, left = sandbox.run(_deliver_piped, "64k")
    assert outcome.report.endswith("/disk: No space left on device. (#4.3.0)\n") and outcome.letters == "Z"
    assert (sessions, left) == ([], [])
