# SPDX-License-Identifier: ISC
"""Serves many connections at once, each on a thread of its own. Of those that have ended it keeps only counts."""

import contextlib
import errno
import re
import select
import socket
import threading
import time
import traceback
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

from mocksrv.audit import Finding, Grade, Rule, audit
from mocksrv.case.octets import encode, visible
from mocksrv.case.pattern import Facts
from mocksrv.case.steps import Dialogue
from mocksrv.play.player import Player
from mocksrv.play.policy import NO_FACTS, Policy
from mocksrv.play.responder import Responder
from mocksrv.play.tape import Delivery, written
from mocksrv.play.transcript import Failure, Mismatch, Transcript
from mocksrv.serve.teller import FINDING, REMARK, LiveTape, Teller

BACKLOG = 512  # clients that may wait to be accepted
MOST_SESSIONS = 512  # at a time; more wait
_GRACE = 5.0  # seconds for open sessions when the server stops
_RETRY = 1.0  # seconds until the server tries again to accept a client for which there was no room
_MOST_TOLD = 20  # findings of one session that are shown
_MOST_NAMED = 5  # recipients of one message
_SHOWN = 300  # octets of what did not fit


@dataclass(frozen=True)
class Role:
    """The server's role for a client: it follows a policy or, without one, plays a dialogue as it is written."""

    dialogue: Dialogue
    policy: Policy | None
    facts: Facts = NO_FACTS
    path: Path = Path()

    def play(self, connection: socket.socket, transcript: Transcript) -> list[str]:
        """Plays to the end and closes the connection. Returns what went wrong."""
        try:
            if self.policy:
                responder = Responder(connection, transcript, self.policy)
                responder.play()
                return [responder.trouble] if responder.trouble else []
            Player(connection, transcript, self.facts, {}).play()
        except Mismatch as mismatch:
            return list(_misfit(self.path, mismatch.failure))
        except OSError as error:
            return [f"the connection broke: {error.strerror or error}"]
        finally:
            connection.close()
        return []


@dataclass
class Totals:
    """Counts over all sessions."""

    connections: int = 0
    taken: int = 0
    refused: int = 0
    troubled: int = 0  # sessions that ended badly
    broke: int = 0  # sessions in which mocksrv itself failed
    findings: Counter[str] = field(default_factory=Counter)
    rules: dict[str, Rule] = field(default_factory=dict)  # those that were broken

    def summary(self) -> list[str]:
        """The counts in a few lines."""
        messages = f"{_count(self.taken, 'message')} taken, {self.refused} refused"
        lines = [f"{_count(self.connections, 'connection')}, {messages}, {self.troubled} ended badly"]
        if self.broke:
            lines.append(f"{_count(self.broke, 'session')} in which mocksrv broke")
        for name, times in self.findings.most_common():
            rule = self.rules[name]
            lines.append(f"{times:6} {name} ({_sections(rule.rfc)}): {rule.sentence}{rule.remark}")
        return lines if self.findings else [*lines, "no findings"]


class Server:
    """Serves from `run` to `stop`, or until `limit` connections have ended."""

    def __init__(
        self, listener: socket.socket, roles: list[Role], teller: Teller, record: BinaryIO | None, limit: int | None
    ) -> None:
        self.totals = Totals()
        self._listener, self._roles, self._teller, self._record, self._limit = listener, roles, teller, record, limit
        self._where = listener.getsockname()
        self._lock = threading.Lock()  # around the totals, the record and the sessions
        self._sessions: dict[int, tuple[threading.Thread, socket.socket]] = {}
        self._stopping = False
        self._no_room = False  # for one more connection, though there are few
        self._woken, self._bell = socket.socketpair()
        self._bell.setblocking(False)

    def stop(self) -> None:
        """Ends `run` soon. May be called from anywhere, also from a signal handler, and more than once."""
        self._stopping = True
        self._wake()

    def run(self) -> Totals:
        """Accepts clients, and returns when all sessions have ended."""
        accepted = 0
        while not self._stopping:
            if accepted == self._limit:
                self._listener.close()
                if not self._sessions:
                    break
            if self._is_called(self._limit is None or accepted < self._limit):
                accepted += self._take_in(accepted + 1)
        self._listener.close()
        self._end_sessions()
        if self._record:
            self._record.close()
        return self.totals

    # Accepting

    def _wake(self) -> None:
        with contextlib.suppress(OSError):  # it is full: that wakes as well
            self._bell.send(b".")

    def _is_called(self, open_to_more: bool) -> bool:
        """Waits until something happens. Returns whether a client can be accepted."""
        poll = select.poll()
        poll.register(self._woken, select.POLLIN)
        if open_to_more and not self._no_room and len(self._sessions) < MOST_SESSIONS:
            poll.register(self._listener, select.POLLIN)
        called = dict(poll.poll(_RETRY * 1000 if self._no_room else None))
        self._no_room = False
        if self._woken.fileno() in called:
            self._woken.recv(4096)
        return self._listener.fileno() in called and not self._stopping

    def _take_in(self, number: int) -> bool:
        """Begins a session, if a client waits and there is room. Returns whether it did."""
        try:
            connection, peer = self._listener.accept()
        except OSError as error:
            if error.errno in (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM):
                self._teller.say(f"no room for one more connection: {error.strerror}", kind=FINDING)
                self._no_room = True
            return False  # otherwise the client has left meanwhile
        thread = threading.Thread(target=self._session, args=(number, connection, peer), daemon=True)
        with self._lock:
            self._sessions[number] = thread, connection
        try:
            thread.start()
        except RuntimeError as error:  # the system has no thread left
            self._teller.say(f"no room for one more connection: {error}", kind=FINDING)
            connection.close()
            self._no_room = True
            with self._lock:
                del self._sessions[number]
            return False
        return True

    def _end_sessions(self) -> None:
        """Shuts all connections down, and waits until the sessions have ended."""
        with self._lock:
            sessions = list(self._sessions.values())
            for _, connection in sessions:
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)
        deadline = time.monotonic() + _GRACE
        for thread, _ in sessions:
            thread.join(max(0.0, deadline - time.monotonic()))

    # A session, on its own thread

    def _session(self, number: int, connection: socket.socket, peer: Any) -> None:
        role = self._roles[min(number, len(self._roles)) - 1]
        tell = partial(self._tell, number)
        transcript = Transcript(role.dialogue, self._where[0])
        tape = transcript.tape = LiveTape(role.dialogue.host, self._where[1], self._where[0], tell)
        try:
            self._teller.say(f"connection from {endpoint(peer)}", number=number)
            trouble = role.play(connection, transcript)
            tape.finish()
            self._account(number, tape, ["the server stopped"] if self._stopping and trouble else trouble)
        except Exception:
            trace = traceback.format_exc().split("\n")
            self._teller.say(*trace, "mocksrv broke", kind=FINDING, number=number, wrong=True)
            with self._lock:
                self.totals.broke += 1
        finally:
            connection.close()
            with self._lock:
                self.totals.connections += 1
                del self._sessions[number]
            self._wake()

    def _tell(self, number: int, kind: str, lines: list[str]) -> None:
        if lines:
            self._teller.say(*lines, kind=kind, number=number)

    def _account(self, number: int, tape: LiveTape, trouble: list[str]) -> None:
        """Prints the result of a session, and adds it to the totals."""
        findings = audit(tape)
        say = partial(self._teller.say, number=number)
        remarks = [*(one for one in tape.remarks if one not in trouble), *map(_handed_over, tape.deliveries)]
        remarks += _shown([one for one in findings if one.rule.grade is not Grade.MUST])
        wrong = [*trouble, *_shown([one for one in findings if one.rule.grade is Grade.MUST])]
        if remarks:
            say(*remarks, kind=REMARK)
        if wrong:
            say(*wrong, kind=FINDING, wrong=True)
        with self._lock:
            taken = sum(one.taken for one in tape.deliveries)
            self.totals.taken += taken
            self.totals.refused += len(tape.deliveries) - taken
            self.totals.troubled += bool(trouble)
            self.totals.findings.update(one.rule.id for one in findings)
            self.totals.rules |= {one.rule.id: one.rule for one in findings}
            self._write(number, tape, [*remarks, *wrong])

    def _write(self, number: int, tape: LiveTape, notes: list[str]) -> None:
        if self._record is None:
            return
        lines = "".join(f"# {note}\n" for note in (f"connection {number}", *notes))
        try:
            self._record.write(encode(f"{written([tape])}{lines}\n"))
            self._record.flush()
        except OSError as error:
            self._teller.say(f"nothing more is recorded: {error.strerror}", kind=FINDING)
            self._record = None


def endpoint(address: Any) -> str:
    """Address and port of a socket, for people."""
    host, port = address[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _handed_over(one: Delivery) -> str:
    named = [f"<{visible(recipient)}>" for recipient in one.recipients[:_MOST_NAMED]]
    more = len(one.recipients) - len(named)
    people = ", ".join(named) + (f" and {more} more" if more else "") or "nobody"
    reply = visible(one.reply.partition(b"\r\n")[0])
    fate = f"{'taken' if one.taken else 'refused'} ({reply})" if reply else "not answered"
    return f"message from <{visible(one.sender)}> for {people}, {len(one.message)} octets: {fate}"


def _shown(findings: list[Finding]) -> Iterator[str]:
    for one in findings[:_MOST_TOLD]:
        yield f"{one.rule.id} ({_sections(one.rule.rfc)}): {one.what}{one.rule.remark}"
    if len(findings) > _MOST_TOLD:
        yield f"... {len(findings) - _MOST_TOLD} more findings ..."


def _misfit(path: Path, failure: Failure) -> Iterator[str]:
    yield f"{path}:{failure.line}: {failure.what}"
    for word, octets in (("expected", failure.expected), ("received", failure.received)):
        if octets:
            more = f" ... {len(octets) - _SHOWN} octets ..." if len(octets) > _SHOWN else ""
            yield f"{word}: {visible(octets[:_SHOWN])}{more}"


def _sections(rfc: str) -> str:
    return re.sub(r"(\d+)#(\S+)", r"RFC \1, section \2", rfc)


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"
