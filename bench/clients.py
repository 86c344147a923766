# SPDX-License-Identifier: ISC
"""The clients, each as a process that delivers one mail and ends, if that is how it is used."""

import contextlib
import functools
import os
import resource
import shlex
import shutil
import signal
import subprocess
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Generic, TypeVar

from bench.sink import BUILT, BenchError, Report, Sink
from mocksrv.adapters import Curl, Exim, Msmtp, Postfix
from mocksrv.adapters.base import Adapter, Job

_A = TypeVar("_A", bound=Adapter)
_ENOUGH = 8.0  # seconds: then no more deliveries are started
_SENDER, _HOST = "alice@sender.example", "example.org"


@dataclass(frozen=True)
class Mail:
    """What is delivered, and where."""

    sink: Sink
    message: Path
    recipients: int = 1
    recoded: bool = False  # it must not arrive as it is

    @functools.cached_property
    def octets(self) -> int:
        """Of the message with CRLF."""
        octets = self.message.read_bytes()
        return len(octets) + octets.count(b"\n")

    def envelope(self) -> tuple[str, ...]:
        """The recipients."""
        return tuple(f"bob{number:04}@{_HOST}" for number in range(self.recipients))


@dataclass(frozen=True)
class Command:
    """A program to run, with the message on descriptor 0."""

    words: Sequence[str]
    message: Path
    environment: dict[str, str]

    def start(self, wrapper: Sequence[str] = ()) -> "Started":
        """Starts it, perhaps in a wrapper."""
        words = [*wrapper, *self.words]
        report = os.memfd_create("report")
        message = os.open(self.message, os.O_RDONLY | os.O_CLOEXEC)
        files = [(os.POSIX_SPAWN_DUP2, message, 0), (os.POSIX_SPAWN_DUP2, report, 1), (os.POSIX_SPAWN_OPEN, 2, os.devnull, os.O_WRONLY, 0)]
        try:
            return Started(os.posix_spawnp(words[0], words, self.environment, file_actions=files), report)
        finally:
            os.close(message)


@dataclass(frozen=True)
class Started:
    """A process, and the file that has its output."""

    pid: int
    report: int

    def output(self) -> bytes:
        """When it has ended; only once."""
        with open(self.report, "rb") as file:
            file.seek(0)
            return file.read()


@dataclass(frozen=True)
class Run:
    """Deliveries: seconds by the clock; seconds of processor time, of the client and all that it started."""

    seconds: float  # of the session, if the client is more than a process that starts and ends
    cpu: float
    reports: list[Report]  # of the sink, which say that all has arrived


class Client(ABC):
    """A mail client."""

    name: str
    secures: bool = True  # it can do TLS
    recodes: ClassVar[bool] = False  # it recodes 8-bit text where it must
    adds: ClassVar[int] = 0  # octets that it may add to a header
    note: ClassVar[str] = ""

    @abstractmethod
    def missing(self) -> str | None:
        """Why it cannot be run here; None if it can."""

    def arrived(self, mail: Mail, count: int) -> list[Report]:
        """Raises BenchError unless the sink says that so many deliveries succeeded, and nothing else came."""
        octets = range(mail.octets, mail.octets + self.adds + 1)
        if mail.recoded:
            octets = range(octets[-1] + 1, octets[-1] * 3 // 2)
        return mail.sink.take(count, octets, mail.recipients)

    @abstractmethod
    def deliver(self, mail: Mail, wrapper: Sequence[str] = ()) -> Run:
        """Delivers once, under a program that watches it if there is a wrapper. Only the client's own part counts.

        All three ways to deliver raise BenchError unless all has arrived.
        """

    @abstractmethod
    def waiting(self, mail: Mail, count: int) -> "contextlib.AbstractContextManager[list[int]]":
        """The processes of so many deliveries, while the sink holds the message of each."""

    @abstractmethod
    def deliver_many(self, mail: Mail, count: int, at_once: int) -> Run:
        """Delivers so many times, or fewer if that takes long."""


class OneShot(Client):
    """A client that is a process for each delivery."""

    @abstractmethod
    def commands(self, mail: Mail, count: int, at_once: int = 1) -> list[Command]:
        """Prepares so many deliveries, an equal share by each. All that is done here does not count."""

    def confirm(self, mail: Mail, output: bytes) -> None:
        """Raises BenchError if the output of a client that has ended well does not say that it has delivered."""

    def _ended(self, mail: Mail, started: Started, status: int) -> None:
        output = started.output()
        if status != 0:
            code = os.waitstatus_to_exitcode(status)
            raise BenchError(f"failed with status {code} {output[-200:].decode(errors='replace')}".strip())
        self.confirm(mail, output)

    def deliver(self, mail: Mail, wrapper: Sequence[str] = ()) -> Run:
        return self.deliver_many(mail, 1, 1, wrapper)

    @contextlib.contextmanager
    def waiting(self, mail: Mail, count: int) -> Iterator[list[int]]:
        commands = self.commands(mail, count, count)
        with _running() as running:
            for command in commands:
                one = command.start()
                running[one.pid] = one
            mail.sink.await_held(count)
            yield list(running)
            mail.sink.release(count)
            for pid in list(running):
                status = os.waitpid(pid, 0)[1]
                self._ended(mail, running.pop(pid), status)
        self.arrived(mail, count)

    def deliver_many(self, mail: Mail, count: int, at_once: int, wrapper: Sequence[str] = ()) -> Run:
        waiting = self.commands(mail, count, at_once)
        share = count // len(waiting)
        ended: list[tuple[Started, int]] = []
        with _running() as running:
            cpu, begun = 0.0, time.perf_counter()
            while waiting or running:
                if time.perf_counter() - begun > _ENOUGH:
                    waiting = []
                if waiting and len(running) < at_once:
                    one = waiting.pop().start(wrapper)
                    running[one.pid] = one
                    continue
                pid, status, usage = os.wait4(-1, 0)
                if pid in running:  # others are the children of clients that have ended
                    ended.append((running.pop(pid), status))
                cpu += _cpu(usage)
            seconds = time.perf_counter() - begun
        for one, status in ended:
            self._ended(mail, one, status)
        return Run(seconds, cpu, self.arrived(mail, share * len(ended)))


@contextlib.contextmanager
def _running() -> Iterator[dict[int, Started]]:
    """For processes that run, by number. If something fails, also because it takes too long, they are ended."""
    running: dict[int, Started] = {}
    try:
        yield running
    finally:
        for pid in running:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)


class Qmail(OneShot):
    """Any program with qmail-remote's interface."""

    recodes = True

    def __init__(self, name: str, program: Path, home: Path) -> None:
        self.name, self._program, self._home = name, program.absolute(), home

    def missing(self) -> str | None:
        return None if os.access(self._program, os.X_OK) else f"there is no {self._program}"

    def commands(self, mail: Mail, count: int, at_once: int = 1) -> list[Command]:
        control = self._home / "control"
        control.mkdir(parents=True, exist_ok=True)
        (control / "me").write_text("client.example\n")
        (control / "smtproutes").write_text(f":{mail.sink.address}:{mail.sink.port}\n")
        os.utime(control, (0, 0))  # as on a host, where control files change seldom
        words = [str(self._program), _HOST, _SENDER, *mail.envelope()]
        return [Command(words, mail.message, {"QMAILHOME": str(self._home)})] * count

    def confirm(self, mail: Mail, output: bytes) -> None:
        *records, rest = output.split(b"\0")
        if b"".join(one[:1] for one in records) != b"r" * mail.recipients + b"K" or rest.strip():
            raise BenchError(f"its report is not a K: {output[-200:]!r}")


class Own(OneShot):
    """The program of nothing, or of a bare handshake: no client, but the least that one costs."""

    def __init__(self, name: str, *words: str) -> None:
        self.name, self._words = name, words
        self.secures = len(words) > 1

    def missing(self) -> str | None:
        return None

    def commands(self, mail: Mail, count: int, at_once: int = 1) -> list[Command]:
        address = (mail.sink.address, str(mail.sink.port)) if self.secures else ()
        return [Command([str(BUILT / self._words[0]), *self._words[1:], *address], mail.message, {})] * count

    def arrived(self, mail: Mail, count: int) -> list[Report]:
        size = int(self._words[-1]) if self.secures else 0
        return mail.sink.take(count if self.secures else 0, range(size + 2, size + 3) if size else None, 0)  # 2: CRLF


class _Peer(OneShot, Generic[_A]):
    """A client with an adapter, which runs only in a sandbox."""

    def __init__(self, adapter: _A, scratch: Path) -> None:
        self.name, self.adapter, self._scratch = adapter.name, adapter, scratch
        self._environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": str(scratch), "LC_ALL": "C"}

    def missing(self) -> str | None:
        return self.adapter.missing()

    def job(self, mail: Mail) -> Job:
        """The adapter's view of a mail."""
        self._scratch.mkdir(parents=True, exist_ok=True)
        host = mail.sink.address
        return Job(f"[{host}]", _SENDER, mail.envelope(), b"\n", host, "client.example", {}, self._scratch)


class CurlPeer(_Peer[Curl]):
    """curl."""

    def commands(self, mail: Mail, count: int, at_once: int = 1) -> list[Command]:
        words = [str(mail.message) if word == "message" else word for word in self.adapter.command(self.job(mail))]
        return [Command(words, mail.message, self._environment)] * count


class MsmtpPeer(_Peer[Msmtp]):
    """msmtp, which has no opportunistic TLS: it is told to use TLS where it is to be measured."""

    def commands(self, mail: Mail, count: int, at_once: int = 1) -> list[Command]:
        words = self.adapter.command(self.job(mail))
        if mail.sink.secured:
            at = words.index("--tls=off")
            words[at : at + 1] = ["--tls=on", "--tls-starttls=on", "--tls-certcheck=off"]
        return [Command(words, mail.message, self._environment)] * count


class EximPeer(_Peer[Exim]):
    """Exim, delivering a message that is in its queue already."""

    adds = 1000
    note = "the delivery of a message that is already in the queue (exim4 -M): two processes"

    def commands(self, mail: Mail, count: int, at_once: int = 1) -> list[Command]:
        command = self.adapter.configured(self.job(mail))
        queue = self._scratch / "spool/input"
        before = set(queue.glob("*-H"))
        _submit([*command, "-bS", "-odq"], mail, count)
        queued = [path.name[:-2] for path in set(queue.glob("*-H")) - before]
        if len(queued) != count:
            raise BenchError(f"exim queued {len(queued)} messages of {count}")
        return [Command([*command, "-M", one], mail.message, self._environment) for one in queued]


class SmtpSource(_Peer[Postfix]):
    """Postfix's load generator. It makes its message itself, and one process makes all deliveries."""

    secures = False
    adds = 1000
    note = "makes its message itself; one process for all deliveries"

    def __init__(self, adapter: Postfix, scratch: Path) -> None:
        super().__init__(adapter, scratch)
        self.name = "smtp-source"

    def commands(self, mail: Mail, count: int, at_once: int = 1) -> list[Command]:
        numbers = {"-m": count, "-s": at_once, "-r": mail.recipients, "-l": mail.octets}
        words = ["smtp-source", *(word for one in numbers.items() for word in map(str, one))]
        words += ["-f", _SENDER, "-t", f"bob@{_HOST}", f"inet:{mail.sink.address}:{mail.sink.port}"]
        return [Command(words, mail.message, self._environment)]


class PostfixPeer(Client):
    """Postfix's client, smtp(8), under a real master(8); the rest of Postfix does not count.

    Its master starts a script in the place of smtp(8), so that a wrapper can watch it.
    """

    name = "postfix"
    recodes = True
    adds = 1000
    note = "smtp(8) alone, a new process; master(8), qmgr(8) and the queue are not counted"
    _DAEMONS = Path("/usr/lib/postfix/sbin")
    _MORE = """\
default_process_limit = {at_once}
initial_destination_concurrency = {at_once}
default_destination_concurrency_limit = {at_once}
max_use = {uses}
in_flow_delay = 0
"""

    def __init__(self, adapter: Postfix, scratch: Path) -> None:
        self._adapter, self._scratch = adapter, scratch

    def missing(self) -> str | None:
        return self._adapter.missing()

    def deliver(self, mail: Mail, wrapper: Sequence[str] = ()) -> Run:
        """With a wrapper, by a process that then ends."""
        with self._running(mail, 1, 1 if wrapper else 100, wrapper) as gate, gate.open("r+b", buffering=0):
            self._submit(mail, 1)
            reports = self.arrived(mail, 1)
            cpu = 0.0 if wrapper else _processor_time(_named("smtp"))
            while wrapper and _named("smtp") + _named(Path(wrapper[0]).name):
                time.sleep(0.01)
        return Run(reports[0].ended - reports[0].begun, cpu, reports)

    @contextlib.contextmanager
    def waiting(self, mail: Mail, count: int) -> Iterator[list[int]]:
        with self._running(mail, count) as gate, gate.open("r+b", buffering=0):
            self._submit(mail, count)
            mail.sink.await_held(count)
            yield _named("smtp")
            mail.sink.release(count)
            self.arrived(mail, count)

    def deliver_many(self, mail: Mail, count: int, at_once: int) -> Run:
        """All are in the queue before the first smtp(8) starts."""
        with self._running(mail, at_once) as gate:
            self._submit(mail, count)
            begun = time.perf_counter()
            with gate.open("r+b", buffering=0):
                reports = self.arrived(mail, count)
                seconds = time.perf_counter() - begun
                cpu = _processor_time(_named("smtp"))
        return Run(seconds, cpu, reports)

    @contextlib.contextmanager
    def _running(self, mail: Mail, at_once: int, uses: int = 100, wrapper: Sequence[str] = ()) -> Iterator[Path]:
        """A master(8). No smtp(8) starts before somebody has opened the gate, a FIFO, and keeps it open."""
        shutil.rmtree(self._scratch, ignore_errors=True)
        self._scratch.mkdir(parents=True)
        self._scratch.chmod(0o755)
        job = Job(f"[{mail.sink.address}]", _SENDER, (), b"", "", "client.example", {}, self._scratch)
        self._adapter.configure(job)
        main, daemons, gate = (self._scratch / one for one in ("main.cf", "daemons", "gate"))
        text = main.read_text().replace(str(self._DAEMONS), str(daemons))
        main.write_text(text + self._MORE.format(at_once=at_once, uses=uses))
        os.utime(main, (0, 0))
        daemons.mkdir()
        for one in self._DAEMONS.iterdir():
            (daemons / one.name).symlink_to(one)
        (daemons / "smtp").unlink()
        (daemons / "smtp").write_text(f'#!/bin/sh\n: <{gate}\nexec {shlex.join(wrapper)} {self._DAEMONS}/smtp "$@"\n')
        (daemons / "smtp").chmod(0o755)
        os.mkfifo(gate)
        master = subprocess.Popen([self._DAEMONS / "master", "-c", self._scratch], stdin=subprocess.DEVNULL)
        try:
            while not (self._scratch / "queue/public/pickup").exists():
                time.sleep(0.01)
            yield gate
        finally:
            for pid in [*_named("smtp"), master.pid]:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            master.wait()

    def _submit(self, mail: Mail, count: int) -> None:
        _submit(["/usr/sbin/sendmail", "-C", str(self._scratch), "-bs"], mail, count)


def _submit(command: list[str], mail: Mail, count: int) -> None:
    """Puts so many messages into a queue, by a program that takes SMTP without waiting. No line begins with a dot."""
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL) as entry:
        assert entry.stdin
        entry.stdin.write(b"EHLO localhost\n")
        for _ in range(count):
            lines = [f"MAIL FROM:<{_SENDER}>", *(f"RCPT TO:<{one}>" for one in mail.envelope()), "DATA", ""]
            entry.stdin.write("\n".join(lines).encode())
            with mail.message.open("rb") as message:
                shutil.copyfileobj(message, entry.stdin, 1 << 20)
            entry.stdin.write(b".\n")
        entry.stdin.write(b"QUIT\n")


def _named(name: str) -> list[int]:
    """The processes whose program has this name; in a sandbox they are all ours."""
    names = {path.parent.name: path.read_text().strip() for path in Path("/proc").glob("[0-9]*/comm") if path.exists()}
    return [int(pid) for pid, found in names.items() if found == name]


def _processor_time(processes: Sequence[int]) -> float:
    """Seconds that these have run."""
    return sum(int(Path(f"/proc/{one}/schedstat").read_text().split()[0]) for one in processes) / 1e9


def _cpu(usage: resource.struct_rusage) -> float:
    return usage.ru_utime + usage.ru_stime
