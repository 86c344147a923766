# SPDX-License-Identifier: ISC
"""The world of many runs of one mode: in one sandbox, one name server and one SMTP server that serve all of them.

For a sandbox only. A mode is a case of the corpus; its servers follow the case by the RFCs (mocksrv's policies), so
that they have an answer to whatever the program does after a fault.
"""

import os
import shlex
import socket
import struct
import subprocess
import threading
import time
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import BinaryIO

from mocksrv.case.certs import Recipes
from mocksrv.case.file import Case, read_case
from mocksrv.case.steps import Starttls
from mocksrv.case.terms import parse_terms
from mocksrv.play import responder
from mocksrv.play.policy import Policy, Reaction
from mocksrv.play.responder import Responder
from mocksrv.play.transcript import Transcript
from mocksrv.serve.command import case_roles
from mocksrv.world import sandbox
from mocksrv.world.claims import LooseClaims
from mocksrv.world.nameserver import DnsServer, bound_socket

CASES = Path(__file__).parent.parent.parent / "fixtures/cases"
LIMIT = 60.0  # seconds of real time that a run may take; it then hangs
# Seconds until a server counts as silent, for faults.c.  Many of the runs wait in vain, so this is short, but a busy
# machine may need the other.
HASTE, PATIENCE = 1, 5
# The timeouts are those of the clock that faults.c puts forward.
CONTROL = {"me": b"client.example\n", "timeoutconnect": b"20\n", "timeoutremote": b"30\n"}
_BARRIER = "127.0.0.2"  # where connections come from that only wait for those before them
_WITHIN_TLS = ["EHLO", "STARTTLS", "EHLO"]
_CALLS, _CONNECTIONS = 512, 32
_LOG = struct.Struct(f"{_CALLS}Q3Q{2 * _CONNECTIONS}Q128s")  # as in faults.c
TIMED_OUT = bytes([192, 0, 2, 25, 1]).ljust(1024, b"\0")  # the table of qmail: once, in 1970


@dataclass(frozen=True)
class Mode:
    """A way to deliver a message: a case of the corpus, perhaps within TLS."""

    name: str
    case: str
    tls: bool = False
    friendly: bool = False  # all servers do what the last one does
    traced: bool = False  # with QREMOTE_TRACE
    piped: bool = False  # the message comes through a pipe
    table: bool = False  # the server is in qmail's table of hosts that timed out
    told: str = "accepted message"  # what the reports hold if nothing fails; without it, the mode proves nothing
    alike: int | None = 2  # after so many of the commands of a session within TLS it differs from other modes; None: at once


@dataclass(frozen=True)
class Cut:
    """The server hangs up when all servers together have sent so many octets; `how`: close, half-close or reset."""

    octets: int
    how: str


@dataclass(frozen=True)
class Log:
    """What faults.c noted."""

    calls: dict[int, int]  # by their numbers
    allocations: int
    failed: int
    skipped: float  # seconds by which the clock was put forward
    received: dict[int, int]  # octets, by the port that the program had
    origin: str  # the file whose call failed first

    @staticmethod
    def parse(octets: bytes) -> "Log":
        """From the file that faults.c filled."""
        *values, origin = _LOG.unpack_from(octets)
        calls, (allocations, failed, skipped) = values[:_CALLS], values[_CALLS : _CALLS + 3]
        pairs = zip(values[_CALLS + 3 :: 2], values[_CALLS + 4 :: 2])
        received = {socket.ntohs(port): octets for port, octets in pairs if port}
        known = {number: count for number, count in enumerate(calls) if count}
        name = Path(origin.rstrip(b"\0").decode()).name
        return Log(known, allocations, failed, skipped / 1000, received, name)


@dataclass
class Session:
    """What the server knows of one connection."""

    port: int  # of the client
    begun: int  # octets that all servers had sent before
    commands: list[str] = field(default_factory=list)
    message: bytes | None = None  # a whole one was handed over
    people: tuple[bytes, ...] = ()  # who was to get it
    accepted_at: int | None = None  # octets that had been sent when all of a 2xx to it had


@dataclass(frozen=True)
class Point:
    """What had happened when a mode began to differ from others within TLS; `spoken` are octets of the servers."""

    log: Log
    spoken: int


@dataclass(frozen=True)
class Result:
    """The result of one run."""

    status: int | None  # None: it had to be killed
    stdout: bytes
    stderr: bytes
    seconds: float  # by the clock of the program
    log: Log
    sessions: list[Session]
    spoken: int  # octets that the servers sent
    early: Point | None  # where it differs from the start: None
    table: bytes | None  # of hosts that timed out, if there is one


class _Cut(Exception):
    """The server hangs up here. Not an error of the connection, which a server may take for the client's end."""


class _Stream(socket.socket):
    """A connection that the world may cut."""

    world: "World"
    whole = False  # whether all of what was said last has left

    def sendall(self, octets: bytes) -> None:  # type: ignore[override]
        """Sends what may still be sent. Raises _Cut where it hangs up."""
        world = self.world
        part = octets[: world.cut.octets - world.spoken] if world.cut else octets
        super().sendall(part)
        self.whole = len(part) == len(octets)
        world.spoken += len(part)
        self.cut_if_due()

    def cut_if_due(self) -> None:
        """Cuts the connection, if it is time; then raises _Cut."""
        cut = self.world.cut
        if cut is None or self.world.spoken < cut.octets:
            return
        self.world.cut = None
        if cut.how == "reset":
            self.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        if cut.how == "half-close":
            self.shutdown(socket.SHUT_WR)
            with suppress(OSError):
                while self.recv(65536):
                    pass
        self.close()
        raise _Cut


class _Server(Responder):
    """A server that notes what it heard and accepted."""

    session: Session
    stream: _Stream
    world: "World"

    def _obey_client(self, line: bytes) -> None:
        self.session.commands.append(line.split(b" ")[0].strip().decode("latin-1"))
        self.world.on_command(self.session)
        super()._obey_client(line)

    def _deliver(self, key: str, message: bytes) -> None:
        self.session.message, self.session.people = message, tuple(self._recipients)
        self.stream.whole = False
        try:
            super()._deliver(key, message)
        finally:
            if self._tape.deliveries[-1].taken and self.stream.whole:
                self.session.accepted_at = self.world.spoken - self.session.begun


class World:
    """Servers for one mode, and the program's home; a context manager."""

    def __init__(self, mode: Mode, program: Path, library: Path, patience: int) -> None:
        self._mode, self._patience = mode, patience
        self._case = read_case(CASES / f"{mode.case}.case")
        self._roles = _roles(self._case, mode)
        self._program, self._library = program, library
        self._home = sandbox.SCRATCH / mode.name
        self._stack = ExitStack()
        self._quiet = threading.Event()
        self.cut: Cut | None = None
        self.spoken = 0

    def __enter__(self) -> "World":
        responder.QUIET = 0.0  # for the whole process, which does nothing else
        (self._home / "control").mkdir(parents=True, exist_ok=True)  # a run may be played again later
        files = {name: one.octets for name, one in self._case.control.items()}
        for name, octets in (CONTROL | files).items():
            path = self._home / "control" / name
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(octets)
            path.chmod(0o640)  # a password may be in it
        os.utime(self._home / "control", (0, 0))  # a directory that changed just before is not listed
        (self._home / "message").write_bytes(self._case.message)
        self._stack.enter_context(DnsServer(self._case.servers[0].zone)).start()
        for dialogue in self._case.dialogues:
            if dialogue.unanswered:
                self._fill(LooseClaims(self._case).hosts[dialogue.line][0])
        self._listener = self._stack.enter_context(bound_socket("0.0.0.0", 25, socket.SOCK_STREAM))
        self._listener.listen()
        thread = threading.Thread(target=self._serve, daemon=True)
        thread.start()
        self._stack.callback(thread.join)
        self._stack.callback(self._listener.shutdown, socket.SHUT_RDWR)  # wakes up accept()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def _fill(self, address: str) -> None:
        """Makes every connection to an IPv6 address hang: the queue of its listener is full."""
        listener = self._stack.enter_context(bound_socket(address, 25, socket.SOCK_STREAM))
        listener.listen(0)
        self._stack.enter_context(socket.create_connection((address, 25)))

    def play(self, fault: str, cut: Cut | None = None) -> Result:
        """Runs the program once; `fault` is for faults.c."""
        self.cut, self.spoken = cut, 0
        self._early: Point | None = None
        self._sessions: list[Session] = []
        self._claims = LooseClaims(self._case)
        (self._home / "log").write_bytes(bytes(_LOG.size))
        table = self._home / "queue/lock/tcpto"
        if self._mode.table:
            table.parent.mkdir(parents=True, exist_ok=True)
            table.write_bytes(TIMED_OUT)
        begun = time.monotonic()
        status, stdout, stderr = self._run(fault)
        seconds = time.monotonic() - begun
        self._wait_for_sessions()
        log = self._log()
        return Result(
            status, stdout, stderr, seconds + log.skipped, log, self._sessions, self.spoken, self._early,
            table.read_bytes() if self._mode.table else None,
        )  # fmt: skip

    def on_command(self, session: Session) -> None:
        """The program waits for the reply. Up to a certain command modes within TLS are alike."""
        if self._mode.alike is not None and session.commands == _WITHIN_TLS[: self._mode.alike]:
            self._early = self._early or Point(self._log(), self.spoken)

    def _log(self) -> Log:
        return Log.parse((self._home / "log").read_bytes())

    def _run(self, fault: str) -> tuple[int | None, bytes, bytes]:
        environment = {
            "QMAILHOME": str(self._home), "LD_PRELOAD": str(self._library),
            "FAULT": fault, "FAULT_LOG": str(self._home / "log"), "TMPDIR": str(self._home),
            "FAULT_PATIENCE": str(1000 * self._patience),
        }  # fmt: skip
        if self._mode.traced:
            environment["QREMOTE_TRACE"] = str(self._home / "trace")
        words = shlex.split(self._case.run)
        command = [str(self._program), *words[words.index("Qremote") + 1 :]]
        pipe = subprocess.PIPE
        with (self._home / "message").open("rb") as message:
            stdin: int | BinaryIO = pipe if self._mode.piped else message
            process = subprocess.Popen(command, stdin=stdin, stdout=pipe, stderr=pipe, env=environment)
            octets = message.read() if self._mode.piped else None
        try:
            stdout, stderr = process.communicate(octets, timeout=LIMIT)
        except subprocess.TimeoutExpired:
            process.kill()
            return None, *process.communicate()
        return process.returncode, stdout, stderr

    def _wait_for_sessions(self) -> None:
        """Returns when the server has ended all of them: it takes one after the other."""
        self._quiet.clear()
        with socket.create_connection(("127.0.0.1", 25), source_address=(_BARRIER, 0)):
            assert self._quiet.wait(LIMIT), "the server is stuck"

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                accepted, peer = self._listener.accept()
                with _Stream(fileno=accepted.detach()) as connection:
                    connection.world = self
                    if peer[0] == _BARRIER:
                        self._quiet.set()
                    else:
                        self._converse(connection, peer[1])

    def _converse(self, connection: _Stream, port: int) -> None:
        session = Session(port, self.spoken)
        self._sessions.append(session)
        dialogue = self._claims.claim(connection.getsockname()[0], 25)
        assert dialogue is not None
        with suppress(OSError, _Cut):
            connection.cut_if_due()
            server = _Server(connection, Transcript(dialogue, ""), self._roles[dialogue.line])
            server.session, server.stream, server.world = session, connection, self
            server.play()


def _roles(case: Case, mode: Mode) -> dict[int, Policy]:
    """The policy for each dialogue, without delays; within TLS, if the mode is."""
    known = {role.dialogue.line: role.policy for role in case_roles(case, exact=False) if role.policy}
    if mode.friendly:
        known = dict.fromkeys(known, [*known.values()][-1])
    return {line: _at_once(policy, mode.tls) for line, policy in known.items()}


def _at_once(policy: Policy, tls: bool) -> Policy:
    known = {key: [replace(one, how=()) for one in reactions] for key, reactions in policy.reactions.items()}
    if tls:
        step = Starttls(line=0, source="", terms=parse_terms(Recipes(CASES / "any.case"), "cert=mx-ed25519"))
        within = {"EHLO tls": known["EHLO"], "STARTTLS": [Reaction(b"220 2.0.0 go on\r\n", then=(step,))]}
        known |= within | {"EHLO": [Reaction(b"250-mx.example.org\r\n250 STARTTLS\r\n")]}
    return replace(policy, reactions=known)
