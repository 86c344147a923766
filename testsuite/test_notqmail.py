# SPDX-License-Identifier: ISC
"""Beside a real notqmail, which is built from the source that NOTQMAIL names: see CONTRIBUTING.md.

Its qmail-send writes the bounces from our reports that test_bounces.py expects, and its qmail-tcpto and qmail-tcpok
read and clear the table of hosts that timed out.
"""

import email
import fcntl
import os
import re
import shutil
import signal
import struct
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import BinaryIO

import flufl.bounce
import pytest

from mocksrv.case.file import read_case
from mocksrv.world import sandbox
from mocksrv.world.home import default_program
from testsuite import test_race
from testsuite.peer import ADDRESS, MESSAGE, PATIENCE, RECIPIENT, SENDER, Outcome, Peer, furnish, qremote
from testsuite.test_bounces import EVENTS, Event, read_by_sisimai
from testsuite.test_race import World, deliver

SOURCE = os.environ.get("NOTQMAIL", "")
pytestmark = [
    pytest.mark.skipif(sandbox.available() is not None, reason=f"{sandbox.available()}"),
    pytest.mark.skipif(not SOURCE, reason="NOTQMAIL names no source of notqmail: see CONTRIBUTING.md"),
]

library = test_race.library  # the fixture
PROGRAMS = ("qmail-send", "qmail-rspawn", "qmail-clean", "qmail-queue", "qmail-remote", "qmail-tcpto", "qmail-tcpok")
QMAIL = Path("/var/qmail")  # hidden in the sandbox
SPLIT = 23  # conf-split
USERS = ("alias", "qmaild", "qmaill", "root", "qmailp", "qmailq", "qmailr", "qmails")  # conf-users; all are root here
GROUPS = ("qmail", "nofiles")  # conf-groups
QUEUE = {
    "bounce": 0, "info": SPLIT, "intd": 0, "local": SPLIT, "lock": 0, "mess": SPLIT, "pid": 0, "remote": SPLIT, "todo": 0,
}  # fmt: skip
PLAY = "#!/bin/sh\nexec cat /var/qmail/reports/${2%@*}\n"  # what a case has, instead of a delivery


def with_users() -> None:
    """Makes the sandbox know those of qmail, and hides /var."""
    passwd = "".join(f"{name}:x:0:0::/:/bin/sh\n" for name in USERS)
    group = "".join(f"{name}:x:0:\n" for name in ("root", *GROUPS))
    for name, text in {"passwd": passwd, "group": group}.items():
        (sandbox.SCRATCH / name).write_text(text)
        subprocess.run(["mount", "--bind", sandbox.SCRATCH / name, f"/etc/{name}"], check=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "mode=755", "none", "/var"], check=True)


def build(tree: Path) -> str:
    """Older versions look up the users when they are built."""
    with_users()
    done = subprocess.run(
        ["make", *PROGRAMS], cwd=tree, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        check=False,
    )  # fmt: skip
    return "" if done.returncode == 0 else done.stdout.decode(errors="replace")[-1000:]


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The programs, built in a copy of the source."""
    copy = tmp_path_factory.mktemp("notqmail") / "source"
    shutil.copytree(SOURCE, copy, symlinks=True, ignore=shutil.ignore_patterns(".git"))
    for name, words in {"qmail": (QMAIL,), "split": (SPLIT,), "users": USERS, "groups": GROUPS}.items():
        (copy / f"conf-{name}").write_text("".join(f"{word}\n" for word in words))
    if trouble := sandbox.run(build, copy, timeout=10 * PATIENCE):
        pytest.fail(f"{SOURCE} cannot be built:\n{trouble}", pytrace=False)
    return copy


def install(tree: Path) -> None:
    """A qmail home with an empty queue, in a sandbox."""
    with_users()
    (QMAIL / "bin").mkdir(parents=True)
    for name in PROGRAMS:
        shutil.copy(tree / name, QMAIL / "bin")
    for name, split in QUEUE.items():
        for directory in [QMAIL / "queue" / name, *(QMAIL / f"queue/{name}/{number}" for number in range(split))]:
            directory.mkdir(parents=True)
    (QMAIL / "queue/lock/sendmutex").touch()
    (QMAIL / "queue/lock/tcpto").write_bytes(bytes(1024))
    os.mkfifo(QMAIL / "queue/lock/trigger")
    furnish(QMAIL, locals="sender.example\n", smtproutes=f":[{ADDRESS}]\n", timeoutconnect="60\n")


def queue(sender: str, recipient: str) -> None:
    """Gives a message to qmail-queue, which reads the envelope from descriptor 1."""
    (sandbox.SCRATCH / "message").write_bytes(MESSAGE)
    (sandbox.SCRATCH / "envelope").write_bytes(f"F{sender}\0T{recipient}\0\0".encode())
    with (sandbox.SCRATCH / "message").open() as message, (sandbox.SCRATCH / "envelope").open() as envelope:
        subprocess.run([QMAIL / "bin/qmail-queue"], stdin=message, stdout=envelope, check=True, timeout=PATIENCE)


def put_descriptors(given: list[int]) -> None:
    """Makes them 0, 1, 2 and so on, in a child."""
    for place, one in enumerate([fcntl.fcntl(one, fcntl.F_DUPFD, 64) for one in given]):
        os.dup2(one, place)


class Qmail:
    """qmail-send with its helpers, as qmail-start connects them; this test is its qmail-lspawn."""

    def __init__(self, stack: ExitStack) -> None:
        environment = {"PATH": f"{QMAIL}/bin:/usr/bin:/bin"}
        self._stack, self._log = stack, sandbox.SCRATCH / "log"
        helpers = [self._start([QMAIL / f"bin/{name}"], env=environment) for name in ("qmail-rspawn", "qmail-clean")]
        commands, reports = os.pipe(), os.pipe()
        log = os.open(self._log, os.O_WRONLY | os.O_CREAT)
        ends = [pipe.fileno() for one in helpers for pipe in (one.stdin, one.stdout)]
        given = [log, commands[1], reports[0], *ends]
        put = partial(put_descriptors, given)
        self._send = self._start([QMAIL / "bin/qmail-send"], preexec_fn=put, pass_fds=range(7))
        for one in (log, commands[1], reports[0]):
            os.close(one)
        for one in helpers:
            one.stdin.close()
            one.stdout.close()
        self._commands: BinaryIO = stack.enter_context(open(commands[0], "rb"))
        self._reports: BinaryIO = stack.enter_context(open(reports[1], "wb", buffering=0))
        self._reports.write(b"\x0a")  # so many at a time

    def _start(self, command: list[Path], **how) -> "subprocess.Popen[bytes]":
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, **how)
        self._stack.callback(process.wait, PATIENCE)
        return process

    def _field(self) -> str:
        return b"".join(iter(partial(self._commands.read, 1), b"\0")).decode()

    def local_deliveries(self) -> Iterator[tuple[str, str]]:
        """Recipient and message of each that comes, which is accepted then."""
        while number := self._commands.read(1):
            message, _, recipient = (self._field() for _ in range(3))
            yield recipient, (QMAIL / "queue/mess" / message).read_text()
            self._reports.write(number + b"Kdone\n\0")

    def expire(self, deferrals: int) -> None:
        """Once so many deliveries were deferred: makes their messages too old, and has them tried again."""
        deadline = time.monotonic() + PATIENCE
        while self.log.count("deferral") < deferrals:
            assert time.monotonic() < deadline and self._send.poll() is None, self.log
        for info in (QMAIL / "queue/info").glob("*/*"):
            with suppress(FileNotFoundError):  # of one that is done
                os.utime(info, (0, 0))
        self._send.send_signal(signal.SIGALRM)

    def stop(self) -> None:
        """Ends all of it. Its helpers end with it."""
        self._send.send_signal(signal.SIGTERM)

    @property
    def log(self) -> str:
        """What qmail-send says of it."""
        return self._log.read_text()


@contextmanager
def running() -> Iterator[Qmail]:
    """qmail, while it runs."""
    with ExitStack() as stack:
        qmail = Qmail(stack)
        try:
            yield qmail
        finally:
            qmail.stop()


def bounces(tree: Path, events: Mapping[int, Event]) -> dict[int, str]:
    """What qmail-send sends back if qmail-remote writes the reports of each event."""
    install(tree)
    (QMAIL / "reports").mkdir()
    for number, event in events.items():
        (QMAIL / f"reports/{number}").write_bytes(read_case(event.case).report or b"")
    (QMAIL / "bin/qmail-remote").unlink()
    (QMAIL / "bin/qmail-remote").write_text(PLAY)
    (QMAIL / "bin/qmail-remote").chmod(0o755)
    for number in events:
        queue(f"{number}@sender.example", RECIPIENT)
    found: dict[int, str] = {}
    later = [number for number, event in events.items() if event.letter == "Z"]
    with running() as qmail:
        for recipient, message in qmail.local_deliveries():
            found[int(recipient.partition("@")[0])] = message
            if len(found) == len(events) - len(later):
                qmail.expire(len(later))
            if len(found) == len(events):
                return found
        raise AssertionError(qmail.log)


def essence(bounce: str) -> str:
    """What a bounce says, without dates and numbers: from the greeting to the copy of the message."""
    found = re.search(r"^Hi\. This is .*?(?=^--- Below)", bounce, re.M | re.S)
    assert found, bounce
    return found[0]


@pytest.mark.spec("RES-5")
def test_bounces(tree: Path) -> None:
    """Each has the text that test_bounces.py takes for granted; the parser finds the recipient."""
    events = dict(enumerate(EVENTS.values(), 1))
    found = sandbox.run(bounces, tree, events, timeout=10 * PATIENCE)
    assert found.keys() == events.keys()
    for number, event in events.items():
        assert essence(found[number]) == essence(event.bounce), event.case
        failures = flufl.bounce.all_failures(email.message_from_string(found[number]))
        assert failures[1] == {RECIPIENT.encode()}, event.case


REFUSALS = {"MAIL": "550 5.7.1 not yours", "RCPT": "550 5.1.1 no such user", "DATA": "554 5.7.0 no", ".": "552 5.2.2 full"}


def refused(tree: Path, own: bool) -> dict[str, str]:
    """The bounces of mails that a server refuses, each at another command, by qmail's own program or by Qremote."""
    install(tree)
    if not own:
        (QMAIL / "bin/qmail-remote").unlink()
        (QMAIL / "bin/qmail-remote").symlink_to(default_program())
    found = {}
    with running() as qmail:
        for command, reply in REFUSALS.items():
            with Peer(replies={command: reply}):
                queue(SENDER, RECIPIENT)
                found[command] = next(qmail.local_deliveries())[1]
    return found


@pytest.mark.spec("RES-5", "RES-2")
def test_bounces_of_deliveries(tree: Path) -> None:
    """The parsers find in ours what they find in those of qmail-remote: the recipient, the code and the command."""
    bounces = {own: sandbox.run(refused, tree, own) for own in (True, False)}
    for command, reply in REFUSALS.items():
        both = [bounces[own][command] for own in (True, False)]
        assert "Remote host said: " + reply in both[0] and f"(#{reply.split()[1]})" in both[1] and ADDRESS in both[1]
        failures = [flufl.bounce.all_failures(email.message_from_string(bounce))[1] for bounce in both]
        assert failures == [{RECIPIENT.encode()}] * 2, command
        read = read_by_sisimai(dict(zip(("theirs", "ours"), both)))
        found = {who: [(one["recipient"], one["code"], one["command"]) for one in read[who]] for who in read}
        assert found["ours"] == found["theirs"] and found["ours"][0][:2] == (RECIPIENT, reply.split()[1]), command


def qmail_tcpto() -> list[str]:
    """What it shows, without the seconds."""
    done = subprocess.run([QMAIL / "bin/qmail-tcpto"], stdout=subprocess.PIPE, text=True, check=True, timeout=PATIENCE)
    return re.sub(r"timed out \d+ seconds", "timed out N seconds", done.stdout).splitlines()


def both() -> list[str]:
    """The letters of qmail-remote's reports and of Qremote's; the server would take the mail."""
    with Peer(), (sandbox.SCRATCH / "message").open("rb") as message:
        command = [QMAIL / "bin/qmail-remote", "example.org", SENDER, RECIPIENT]
        reports = subprocess.run(command, stdin=message, capture_output=True, check=True, timeout=PATIENCE).stdout
        return [Outcome(0, reports, b"").letters, qremote(variables={"QMAILHOME": str(QMAIL)}).letters]


def table_of_qmail(tree: Path, library: Path) -> list[object]:
    """What is shown after one timeout and after two, and what then comes of mails; the same after qmail-tcpok."""
    install(tree)
    (sandbox.SCRATCH / "message").write_bytes(MESSAGE)
    table, told = bytes(1024), []
    for _ in range(2):
        deliver(World(((ADDRESS,),), (ADDRESS,), table=table), library, QMAIL)
        told += qmail_tcpto()
        count = (QMAIL / "queue/lock/tcpto").read_bytes()[4]
        table = struct.pack("<4B2I4x", 192, 0, 2, 25, count, int(time.time()) - 200).ljust(1024, b"\0")
    told += both()
    subprocess.run([QMAIL / "bin/qmail-tcpok"], check=True, timeout=PATIENCE)
    return [*told, *qmail_tcpto(), *both()]


@pytest.mark.spec("TPO-1", "TPO-2")
def test_the_table_of_hosts_that_timed_out(tree: Path, library: Path) -> None:
    """qmail-tcpto shows what Qremote noted, and qmail-remote believes it; what qmail-tcpok cleared is tried again."""
    line = f"{ADDRESS} timed out N seconds ago; # recent timeouts: "
    assert sandbox.run(table_of_qmail, tree, library) == [f"{line}1", f"{line}2", "Z", "Z", "rK", "rK"]
