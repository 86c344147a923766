# SPDX-License-Identifier: ISC
"""`mocksrv serve` as a process of its own, for tests, and what a client needs to talk to it."""

import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
PATIENCE = 120.0  # seconds for anything to happen, however busy the machine is
COMMAND = [sys.executable, "-m", "mocksrv", "serve"]
ENVIRONMENT = os.environ | {"PYTHONDONTWRITEBYTECODE": "1", "PYTHONPATH": str(ROOT)}


class Serving:
    """A server that runs, and its output so far."""

    def __init__(self, process: "subprocess.Popen[bytes]") -> None:
        self.process = process
        self.lines: list[str] = []
        self._said = threading.Condition()
        assert process.stdout is not None
        self._output = process.stdout
        self._reader = threading.Thread(target=self._read)
        self._reader.start()
        where = self.told("listening on ").rpartition(":")
        self.address = where[0].removeprefix("listening on ").strip("[]"), int(where[2])

    def _read(self) -> None:
        for line in self._output:
            with self._said:
                self.lines.append(line.decode().rstrip("\n"))
                self._said.notify_all()
        with self._said:
            self.lines.append("(end)")
            self._said.notify_all()

    def told(self, text: str, times: int = 1) -> str:
        """Waits for lines that have this text in them. Returns the last of them."""

        def found() -> list[str]:
            return [line for line in self.lines if text in line]

        with self._said:
            self._said.wait_for(lambda: len(found()) >= times or "(end)" in self.lines, PATIENCE)
            assert len(found()) >= times, (text, times, self.lines[-50:])
            return found()[times - 1]

    def connected(self) -> socket.socket:
        """A connection to it."""
        return socket.create_connection(self.address, PATIENCE)

    def ended(self) -> int:
        """Waits for its end. Returns the exit status."""
        status = self.process.wait(PATIENCE)
        self._reader.join(PATIENCE)
        return status

    def stop(self, by: signal.Signals = signal.SIGINT) -> list[str]:
        """Stops it with a signal. Returns the summary."""
        self.process.send_signal(by)
        assert self.ended() == 0, self.lines[-50:]
        lines = [line for line in self.lines if line != "(end)"]
        return lines[next(index for index, line in enumerate(lines) if " ended badly" in line) :]


@contextmanager
def serving(*options: str | Path, within: tuple[str, ...] = ()) -> Iterator[Serving]:
    """A server with these options on a free port; `within`: a command that runs it."""
    process = subprocess.Popen(
        [*within, *COMMAND, "--listen", "0", *map(str, options)], cwd=ROOT, env=ENVIRONMENT, stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    try:
        yield Serving(process)
    finally:
        process.kill()
        process.wait()


def talk(connection: socket.socket, *commands: bytes) -> list[bytes]:
    """The reply to each, which waits for the one before; `b""` waits for a reply without saying anything."""
    replies = []
    for command in commands:
        connection.sendall(command)
        reply = b""
        while reply[-1:] != b"\n" or reply.split(b"\n")[-2][3:4] == b"-":
            octets = connection.recv(1 << 16)
            assert octets, (command, reply)
            reply += octets
        replies.append(reply)
    return replies
