# SPDX-License-Identifier: ISC
"""Qremote as qmail-rspawn starts it, and a plain SMTP server that records what it saw, for the tests of faults.

For a sandbox only: the server listens on a privileged port.
"""

import os
import re
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from mocksrv.world import sandbox
from mocksrv.world.home import default_program
from mocksrv.world.nameserver import bound_socket

ADDRESS = "192.0.2.25"
HOST = f"[{ADDRESS}]"
SENDER = "alice@sender.example"
RECIPIENT = "bob@example.org"
MESSAGE = b"Subject: hi\n\n.a line that starts with a dot\nand one that does not\n"
PATIENCE = 120.0  # seconds; after that something hangs

_RECORDS = re.compile(rb"((?:r\0|[hs][^\0]+\n\0)*)([KZD][^\0]+\n)\0")


@dataclass(frozen=True)
class Outcome:
    """The outcome of one run of Qremote."""

    status: int
    stdout: bytes
    stderr: bytes

    @property
    def report(self) -> str:
        """The message report. Fails unless the run kept its unconditional promises (SYN-2, SYN-3, RES-1)."""
        assert (self.status, self.stderr) == (0, b""), self
        found = _RECORDS.fullmatch(self.stdout)
        assert found, f"no recipient reports followed by one message report: {self.stdout!r}"
        assert b"\n\n" not in self.stdout, self
        return found[2].decode()

    @property
    def letters(self) -> str:
        """The letters of all reports, the message report's last."""
        assert self.report
        return "".join(chr(record[0]) for record in self.stdout.split(b"\0")[:-1])


def furnish(home: Path, **files: str) -> Path:
    """A qmail home with these control files, which have been there for long; `me` is there in any case."""
    control = home / "control"
    control.mkdir(parents=True, exist_ok=True)
    for name, text in ({"me": "client.example\n"} | files).items():
        (control / name).parent.mkdir(exist_ok=True)
        (control / name).write_text(text)
    os.utime(control, (0, 0))
    return home


def memory_file(octets: bytes) -> int:
    """A descriptor that Qremote takes for a regular file, at offset 0; the caller closes it."""
    descriptor = os.memfd_create("message")
    os.write(descriptor, octets)
    os.lseek(descriptor, 0, os.SEEK_SET)
    return descriptor


def command(*arguments: str) -> list[str]:
    """Qremote with its arguments, or those of the simplest delivery."""
    return [str(default_program()), *(arguments or (HOST, SENDER, RECIPIENT))]


def environment(**more: str | None) -> dict[str, str]:
    """Qremote's environment variables, including its home; None removes a variable."""
    home = furnish(sandbox.SCRATCH / "qmail")
    return {name: value for name, value in ({"QMAILHOME": str(home)} | more).items() if value is not None}


def qremote(
    *arguments: str,
    message: bytes = MESSAGE,
    variables: Mapping[str, str | None] | None = None,
    before: Callable[[], None] | None = None,
    wrapper: tuple[str, ...] = (),
) -> Outcome:
    """Runs Qremote to its end; `before` runs in the child, `wrapper` is a command that starts it."""
    stdin = memory_file(message)
    try:
        done = subprocess.run(
            [*wrapper, *command(*arguments)], stdin=stdin, capture_output=True, preexec_fn=before,
            env=environment(**(variables or {})), check=False, timeout=PATIENCE,
        )  # fmt: skip
    finally:
        os.close(stdin)
    return Outcome(done.returncode, done.stdout, done.stderr)


@dataclass
class Session:
    """What the server saw of one connection."""

    commands: list[str] = field(default_factory=list)
    message: bytearray = field(default_factory=bytearray)  # everything after 354, or in chunks
    accepted: bool = False  # it sent a complete 2xx to the message
    last: bool = False  # the last chunk came

    @property
    def end_read(self) -> bool:
        """Whether the end of the message came."""
        dotted = self.message == b".\r\n" or self.message.endswith(b"\r\n.\r\n")
        return self.last or ("DATA" in self.commands and dotted)


class _Cut(Exception):
    """The server hangs up here."""


@dataclass
class Peer:
    """A server on port 25 that accepts every mail; a context manager.

    `replies` maps the beginning of a command to another reply; "" stands for the greeting, "." for the end of the
    message. `at` names a command, and what is called before it is answered. The first `busy` connections are greeted
    with 421. After `deaf` octets of a message, and the reply "early", it hangs up: at once, or, with `half`, for its own
    direction only.
    """

    offers: tuple[str, ...] = ("PIPELINING", "8BITMIME", "SIZE")
    replies: dict[str, str] = field(default_factory=dict)
    deaf: int | None = None
    at: tuple[str, Callable[[], None]] | None = None
    half: bool = False
    busy: int = 0
    address: str = ADDRESS
    sessions: list[Session] = field(default_factory=list)

    def __enter__(self) -> "Peer":
        self._listener = bound_socket(self.address, 25, socket.SOCK_STREAM)
        self._listener.listen()
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)  # wakes up accept()
        self._thread.join(PATIENCE)
        self._listener.close()
        assert not self._thread.is_alive(), "the server still waits for the client"

    @property
    def accepted(self) -> list[Session]:
        """The sessions in which a message was accepted."""
        return [session for session in self.sessions if session.accepted]

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                session = Session()
                self.sessions.append(session)
                connection.settimeout(PATIENCE)
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                with connection, suppress(OSError), connection.makefile("rb") as stream:
                    try:
                        self._talk(session, connection, stream)
                    except _Cut:
                        if self.half:
                            connection.shutdown(socket.SHUT_WR)
                            session.message += stream.read()

    def _say(self, session: Session, connection: socket.socket, text: str) -> None:
        connection.sendall(text.encode() + b"\r\n")
        session.accepted |= session.end_read and text.startswith("2")

    def _talk(self, session: Session, connection: socket.socket, stream: BinaryIO) -> None:
        if len(self.sessions) <= self.busy:
            self._say(session, connection, "421 busy")
            return
        self._say(session, connection, self.replies.get("", "220 mx.example.org ESMTP"))
        for line in stream:
            command = line.decode("latin-1").removesuffix("\r\n")
            session.commands.append(command)
            reply = self._reply(command)
            if self.at and command.startswith(self.at[0]):
                self.at[1]()
            if command.startswith("BDAT "):
                chunk = stream.read(int(command.split()[1]))
                session.message += chunk
                session.last = command == f"BDAT {len(chunk)} LAST"
            self._say(session, connection, reply)
            if command == "DATA" and reply.startswith("354"):
                self._listen_to_message(session, connection, stream)
                self._say(session, connection, self.replies.get(".", "250 2.0.0 queued as 4711"))
            if command == "QUIT":
                return

    def _listen_to_message(self, session: Session, connection: socket.socket, stream: BinaryIO) -> None:
        lines = [] if self.deaf == 0 else stream
        for line in lines:
            session.message += line
            if line == b".\r\n" and session.end_read:
                return
            if self.deaf is not None and len(session.message) >= self.deaf:
                break
        if "early" in self.replies:
            self._say(session, connection, self.replies["early"])
        raise _Cut

    def _reply(self, command: str) -> str:
        for beginning, reply in self.replies.items():
            if beginning and command.startswith(beginning):
                return reply
        if command.startswith("EHLO"):
            lines = ["mx.example.org", *self.offers]
            return "\r\n".join([*(f"250-{line}" for line in lines[:-1]), f"250 {lines[-1]}"])
        return {"DATA": "354 go", "QUIT": "221 bye"}.get(command, "250 ok")


@contextmanager
def serving(serve: Callable[[socket.socket, BinaryIO], None], room: int | None = None) -> Iterator[None]:
    """A server on port 25 that does with each connection, one after the other, what `serve` says.

    A connection that breaks is not an error. With `room` the kernel buffers only so many octets, in either direction.
    """
    listener = bound_socket(ADDRESS, 25, socket.SOCK_STREAM)
    if room:
        Path("/proc/sys/net/ipv4/tcp_wmem").write_text(f"4096 {room} {room}")
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, room)
    listener.listen()

    def accept() -> None:
        with suppress(OSError):
            while True:
                connection, _ = listener.accept()
                connection.settimeout(PATIENCE)
                with connection, connection.makefile("rb") as stream, suppress(OSError):
                    serve(connection, stream)

    thread = threading.Thread(target=accept, daemon=True)
    thread.start()
    try:
        yield
    finally:
        listener.shutdown(socket.SHUT_RDWR)  # wakes up accept()
        thread.join(PATIENCE)
        listener.close()
    assert not thread.is_alive(), "the server still waits for the client"
