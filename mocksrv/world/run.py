# SPDX-License-Identifier: ISC
"""The world of one case: servers, watchers and the client. `check` plays the case, and returns the `Result`."""

import os
import selectors
import signal
import socket
import subprocess
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from mocksrv.audit import Grade
from mocksrv.case import dnslog
from mocksrv.case.file import Case
from mocksrv.case.pattern import Facts
from mocksrv.case.script import CaseError
from mocksrv.case.steps import Delay, Drip, NoAnswer, Say, Stall, Starttls
from mocksrv.play.player import Player
from mocksrv.play.transcript import Failure, Mismatch, Transcript
from mocksrv.world import fallback, home, sandbox, sniffer
from mocksrv.world.claims import Claims, UnexpectedConnection
from mocksrv.world.nameserver import DnsServer, Question, bound_socket
from mocksrv.world.sniffer import Attempt, Sniffer

LIMIT = 60.0  # seconds for a whole case, in addition to those that its directives take
_LINGER = 1.0  # seconds from the client's exit to the end of its output
# Octets, at most: a server's flight in a handshake, and a record that holds one octet.
_HANDSHAKE, _RECORD = 8192, 128


@dataclass
class Result:
    """The result of a case."""

    case: Case
    program: Path
    failures: list[Failure] = field(default_factory=list)
    skipped: str | None = None
    transcripts: list[Transcript] = field(default_factory=list)
    questions: list[Question] = field(default_factory=list)
    stdout: bytes = b""
    stderr: bytes = b""
    status: int | None = None  # 128 + n: killed by signal n; None: by us

    @property
    def grade(self) -> Grade | None:
        """The worst grade of its failures; None if everything was as the case says."""
        return max((failure.grade for failure in self.failures), default=None)

    @property
    def passed(self) -> bool:
        """Whether it was played, and the client did nothing wrong."""
        return self.grade is not Grade.MUST and self.skipped is None


def check(
    case: Case, program: Path, player: type[Player] = Player, within: Callable[..., Any] = sandbox.call
) -> Result:
    """Plays a case `within` a sandbox; without sandboxes, on this machine if possible. Raises CaseError."""
    if sandbox.available() is None:
        result: Result = within(play, case, program, player, timeout=patience(case))
        return result
    try:
        return play(fallback.localised(case), program, player)
    except fallback.Unplayable as reason:
        return Result(case, program, skipped=f"{reason} ({sandbox.available()})")


def patience(case: Case) -> float:
    """Seconds that the sandbox of a case may take."""
    return sandbox.TIMEOUT + LIMIT + _allowance(case)


def play(case: Case, program: Path, player: type[Player] = Player) -> Result:
    """Plays a case in the sandbox that this process is in, or a localised case outside of any. Raises CaseError."""
    result = Result(case, program)
    if case.report is None and player.judges_outcome:
        result.failures.append(Failure(1, "the case has no `report` section, so it judges nothing; `--bless` writes one"))
        return result
    with ExitStack() as stack:
        World(result, player, stack).run()
    return result


class World:
    """The loop over all events while the client runs, which must be those of the case."""

    claims: type[Claims] = Claims

    def __init__(self, result: Result, player: type[Player], stack: ExitStack) -> None:
        self._result, self._player, self._stack = result, player, stack
        self._case = result.case
        self._claims = self.claims(self._case)
        self._facts = Facts(home.helo(self._case), self._case.message)
        self._bound: dict[str, bytes] = {}
        self._selector = stack.enter_context(selectors.DefaultSelector())
        self._sniffer: Sniffer | None = None
        self._transcripts: dict[tuple[str, int], Transcript] = {}  # by the client's end of the connection
        self._hanging: tuple[NoAnswer, float] | None = None  # since when the client waits for a connection
        self._playing = 0
        self._open_outputs = 0
        self._exited: float | None = None
        self._ended, self._end = socket.socketpair()
        self._player_failures: list[Failure] = []

    def run(self) -> None:
        """Sets everything up, runs the client, and judges."""
        self._stack.enter_context(self._ended)
        self._stack.enter_context(self._end)
        self._watch(self._ended, self._on_player_end)
        self._stack.enter_context(_local_addresses(self._case.meta.get("address", [])))
        servers = [self._stack.enter_context(DnsServer(server.zone)) for server in self._case.servers]
        endpoints = [one.start(at.address, at.port) for one, at in zip(servers, self._case.servers)]
        if not servers:
            servers = [self._stack.enter_context(DnsServer(""))]
            endpoints = [servers[0].start("127.0.0.1", 53)]
        self._name_servers = set(endpoints)
        port = self._listen()
        if sandbox.inside():
            self._sniffer = sniffer.shared()
            self._sniffer.forget()
            self._watch(self._sniffer, self._on_attempts)
        else:
            self._case = self._routed(fallback.routed(self._case, endpoints[0][1], port), port)
        directory = self._stack.enter_context(home.furnished(self._case, self._install))
        self._client = self._start(directory)
        try:
            self._run_client()
        finally:
            self._kill()
        for server in servers:
            self._result.questions += server.questions
        self._judge(directory)

    def _watch(self, source: socket.socket | Sniffer | int, react: Callable[[], None]) -> None:
        self._selector.register(source, selectors.EVENT_READ, react)

    # Setting up

    def _listen(self) -> int:
        """Opens every listener that a dialogue needs. Returns the port of the last."""
        refused = {(address, one.port) for one in self._case.dialogues if one.refused for address in self._at(one.line)}
        done: set[tuple[str, int]] = set()
        bound = 0
        for dialogue in self._claims.pending:
            for address in self._at(dialogue.line):
                place = (address, dialogue.port)
                if place in done or place in refused:
                    continue
                done.add(place)
                listener = self._stack.enter_context(bound_socket(*place, socket.SOCK_STREAM))
                bound = listener.getsockname()[1]
                if dialogue.unanswered:
                    self._fill(listener)
                    continue
                listener.listen()
                listener.setblocking(False)
                self._watch(listener, partial(self._on_connection, listener, place))
        return bound

    def _at(self, line: int) -> list[str]:
        return self._claims.hosts[line]

    def _fill(self, listener: socket.socket) -> None:
        """Makes every further connection hang: with a backlog of 0, one connection that is not accepted is enough."""
        listener.listen(0)
        filler = self._stack.enter_context(socket.socket(listener.family, socket.SOCK_STREAM))
        filler.connect(listener.getsockname())

    # Running

    def _install(self, path: Path) -> None:
        """Puts the client, which a case calls Qremote, at a path. Raises CaseError."""
        if not os.access(self._result.program, os.X_OK):
            what = "no such program (`make` builds it, QREMOTE names another)"
            raise CaseError(f"{self._result.program}: {what}")
        path.symlink_to(self._result.program)

    def _routed(self, case: Case, port: int) -> Case:
        """The case as its client is sent to our port, outside of a sandbox."""
        return case

    def _start(self, directory: Path) -> "subprocess.Popen[bytes]":
        return home.start(self._case, directory)

    def _run_client(self) -> None:
        """Handles events until everything has ended or something went wrong."""
        pidfd = os.pidfd_open(self._client.pid)
        self._stack.callback(os.close, pidfd)
        self._watch(pidfd, partial(self._on_exit, pidfd))
        for name in ("stdout", "stderr"):
            stream = self._stack.enter_context(getattr(self._client, name))
            self._watch(stream.fileno(), partial(self._on_output, stream.fileno(), name))
            self._open_outputs += 1
        deadline = time.monotonic() + LIMIT + _allowance(self._case)
        while not self._result.failures and (self._exited is None or self._open_outputs or self._playing):
            limit = min(deadline, self._exited + _LINGER) if self._exited and not self._playing else deadline
            events = self._selector.select(max(0.0, limit - time.monotonic()))
            if not events and time.monotonic() >= limit:
                what = "the client's output is still open after its end" if self._exited else "the client has not ended"
                self._fail(Failure(_line_of(self._case, "report"), what))
            for key, _ in events:
                key.data()

    def _fail(self, failure: Failure) -> None:
        self._result.failures.append(failure)

    def _on_output(self, descriptor: int, name: str) -> None:
        octets = os.read(descriptor, 65536)
        setattr(self._result, name, getattr(self._result, name) + octets)
        if not octets:
            self._selector.unregister(descriptor)
            self._open_outputs -= 1

    def _on_exit(self, pidfd: int) -> None:
        self._selector.unregister(pidfd)
        self._on_attempts()
        self._gave_up(time.monotonic())
        self._exited = time.monotonic()
        status = self._client.wait()
        self._result.status = status if status >= 0 else 128 - status  # as a shell does

    def _on_attempts(self) -> None:
        for attempt in self._sniffer.attempts() if self._sniffer else []:
            if (attempt.address, attempt.port) not in self._name_servers:
                self._claim(attempt)

    def _claim(self, attempt: Attempt) -> None:
        self._gave_up(attempt.at)
        try:
            dialogue = self._claims.claim(attempt.address, attempt.port)
        except UnexpectedConnection as unexpected:
            self._on_intrusion(str(unexpected))
            return
        if dialogue is None:
            return
        transcript = Transcript(dialogue, attempt.address, attempt.at)
        self._result.transcripts.append(transcript)
        if dialogue.refused or dialogue.unanswered:
            transcript.done.update(step.line for step in dialogue.steps)
        else:
            self._transcripts[attempt.source] = transcript
        if dialogue.unanswered:
            self._hanging = dialogue.unanswered, attempt.at

    def _on_intrusion(self, what: str) -> None:
        self._fail(Failure(self._case.dialogues[-1].line if self._case.dialogues else 1, what))

    def _gave_up(self, at: float) -> None:
        """The client has given up a hanging connection, if there is one. Judges how long it waited."""
        if self._hanging is None:
            return
        (step, since), self._hanging = self._hanging, None
        seconds = at - since
        if seconds not in step.within:
            what = f"the client waited {seconds:.2f} s for the connection; it had to give up within {step.within}"
            self._fail(Failure(step.line, what))

    def _on_connection(self, listener: socket.socket, place: tuple[str, int]) -> None:
        with suppress(BlockingIOError):
            connection, peer = listener.accept()
            connection.setblocking(True)
            source = (peer[0], peer[1])
            if self._sniffer:
                self._on_attempts()
            else:
                self._claim(Attempt(source, *place))
            transcript = self._transcripts.pop(source, None)
            if transcript is None:
                connection.close()
                return
            self._playing += 1
            threading.Thread(target=self._play, args=(connection, transcript), daemon=True).start()

    def _play(self, connection: socket.socket, transcript: Transcript) -> None:
        """Runs on a thread of its own, and wakes the loop at the end."""
        try:
            self._player_for(connection, transcript).play()
        except Mismatch as mismatch:
            self._player_failures.append(mismatch.failure)
        except Exception:
            self._player_failures.append(Failure(transcript.dialogue.line, f"mocksrv broke: {traceback.format_exc()}"))
        finally:
            with suppress(OSError):  # the loop has ended already
                self._end.send(b".")

    def _player_for(self, connection: socket.socket, transcript: Transcript) -> Player:
        return self._player(connection, transcript, self._facts, self._bound)

    def _on_player_end(self) -> None:
        self._playing -= len(self._ended.recv(64))
        while self._player_failures:
            self._fail(self._player_failures.pop(0))

    def _kill(self) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self._client.pid, signal.SIGKILL)
        if self._client.returncode is None:
            self._client.wait()

    # Judging

    def _judge(self, directory: Path) -> None:
        if not self._result.failures:
            self._result.failures += self._omissions()
        for octets, what in (
            (self._result.stderr, "the client wrote to descriptor 2"),
            (home.sanitizer_text(directory), "a sanitizer complains"),
        ):
            if octets:
                self._fail(Failure(1, what, None, octets))

    def _omissions(self) -> Iterator[Failure]:
        """What is missing or wrong although every dialogue that began went well."""
        for question in self._result.questions:
            if question.foreign and self._case.dns_log is None:
                what = f"a question about a name that the zone does not have: {question}"
                yield Failure(_line_of(self._case, "dns"), what)
        for dialogue in self._claims.pending:
            yield Failure(dialogue.line, f"no connection to {dialogue.where}")
        if self._player.judges_outcome:
            yield from wrong_outcome(self._case, self._result)


def wrong_outcome(case: Case, result: Result) -> Iterator[Failure]:
    """How questions, reports and exit status differ from what the case says."""
    asked = [question.line for question in result.questions]
    if case.dns_log is not None and (texts := dnslog.compared(case.dns_log, asked)):
        yield Failure(_line_of(case, "dns-log"), "the questions to the DNS differ", *texts, by_line=True)
    if result.stdout != case.report:
        yield Failure(_line_of(case, "report"), "the reports differ", case.report, result.stdout)
    if result.status != case.exit:
        yield Failure(_line_of(case, "exit"), f"the exit status is {result.status}, not {case.exit}")


def _line_of(case: Case, name: str) -> int:
    return next((section.line for section in case.sections if section.name == name), 1)


@contextmanager
def _local_addresses(addresses: list[str]) -> Iterator[None]:
    """Puts addresses on the loopback interface."""
    full = [f"{one}/{128 if ':' in one else 32} dev lo" for one in addresses]
    if full:
        # Without `nodad` the kernel takes its time until an IPv6 address can be used.
        sandbox.ip([f"addr add {one}{' nodad' if ':' in one else ''}" for one in full])
    try:
        yield
    finally:
        if full:
            sandbox.ip([f"addr del {one}" for one in full])


def _allowance(case: Case) -> float:
    """Seconds that the directives of a case may take."""
    steps = [step for dialogue in case.dialogues for step in dialogue.walk()]
    longest = sum(len(step.octets) for step in steps if isinstance(step, Say))  # the most that one S group can hold
    if any(isinstance(step, Starttls) for step in steps):
        longest = longest * _RECORD + _HANDSHAKE
    seconds = sum(max(server.zone.delays.values(), default=0.0) for server in case.servers)
    for step in steps:
        match step:
            case Delay():
                seconds += step.seconds
            case Drip(within=None):
                seconds += step.seconds * longest
            case Stall() | NoAnswer() | Drip():
                seconds += step.within.high if step.within else 0.0
    return seconds
