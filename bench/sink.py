# SPDX-License-Identifier: ISC
"""The server that all clients send to (sink.c), what is sent to it, and the two loops that nothing can beat."""

import itertools
import json
import os
import random
import select
import socket
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from mocksrv.world import sandbox

BUILT = Path(__file__).parent.parent / "build/bench"
MEGABYTE = 1_000_000
_HEADER = b"From: <alice@sender.example>\nTo: <bob@example.org>\nSubject: a benchmark\nDate: Mon, 1 Jan 2024 00:00:00 +0000\n"
_HEADER += b"Message-ID: <1@sender.example>\nMIME-Version: 1.0\nContent-Type: text/plain; charset=utf-8\n"
_PATIENCE = 30.0  # seconds


class BenchError(Exception):
    """A client that does not do what it is measured for."""


@dataclass(frozen=True)
class Report:
    """What the sink saw of one connection; sink.c says what each of them is."""

    messages: int
    octets: int
    recipients: int
    turns: int
    begun: float
    ended: float
    seconds: float
    suite: str
    records: int
    full: int


class Sink:
    """A running sink; a context manager. It offers PIPELINING, 8BITMIME and SIZE unless told otherwise.

    In a sandbox it has an address of its own and port 25, as some clients want; otherwise a free port of 127.0.0.1.
    """

    _addresses: Iterator[str] = itertools.cycle(f"192.0.2.{number}" for number in range(1, 255))

    def __init__(self, *more: str, offers: str = "PIPELINING 8BITMIME", delay: int = 0, late: int = 0, holds: bool = False) -> None:
        self.secured = "STARTTLS" in more
        self.address, self.port = (next(self._addresses), 25) if sandbox.inside() else ("127.0.0.1", 0)
        self._options = [*(["-h"] if holds else []), "-d", str(delay), "-l", str(late), self.address, str(self.port), *offers.split(), *more]

    def __enter__(self) -> Self:
        command = [str(BUILT / "sink"), *self._options]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0)
        self._rest = b""
        self._came = 0  # connections, ours included
        self.port = self._take("port")["port"]
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.communicate()

    def take(self, count: int, octets: range | None, recipients: int = 1) -> list[Report]:
        """What was seen of so many deliveries; waits for them.

        Raises BenchError unless each of them is one connection with exactly one message of so many octets for so many
        recipients, within TLS if that is offered, and nothing else came. With None there is no message.
        """
        taken: list[Report] = []
        for _ in range(count):
            one = Report(**self._take("messages"))
            if self.secured and not one.suite:
                raise BenchError("it did not use TLS")
            if one.messages != (octets is not None) or (octets and one.octets not in octets):
                expected = f"one of {octets[0]} to {octets[-1]}" if octets else "none"
                raise BenchError(f"{one.messages} messages of {one.octets} octets arrived, not {expected}")
            if one.recipients != recipients:
                raise BenchError(f"{one.recipients} recipients, not {recipients}")
            taken.append(one)
        # A report may be late, but the greeting of a connection of our own counts all that were before it.
        with socket.create_connection((self.address, self.port), timeout=_PATIENCE) as own:
            came = int(own.recv(4096).split()[-1])
        if came != self._came + count:
            raise BenchError(f"{came - self._came} connections, not {count}")
        self._take("messages")
        self._came = came + 1
        return taken

    def await_held(self, count: int) -> None:
        """Returns when so many more messages are held."""
        for _ in range(count):
            self._take("held")

    def release(self, count: int) -> None:
        """Replies to so many messages that are held."""
        assert self._process.stdin
        self._process.stdin.write(b"x" * count)

    def _take(self, key: str) -> dict[str, Any]:
        """The next line, which has this key."""
        assert self._process.stdout
        while b"\n" not in self._rest:
            if not select.select([self._process.stdout], [], [], _PATIENCE)[0]:
                raise BenchError(f"nothing came to the sink for {_PATIENCE:g} seconds")
            octets = os.read(self._process.stdout.fileno(), 65536)
            if not octets:
                raise BenchError("the sink died")
            self._rest += octets
        line, _, self._rest = self._rest.partition(b"\n")
        taken: dict[str, Any] = json.loads(line)
        if key not in taken:
            raise BenchError(f"the sink said {line.decode()} instead of {key}")
        return taken


def write_raw(sink: Sink, octets: int) -> None:
    """A mail of that many octets, written by send(2), 64 KiB at a time, from one small buffer again and again."""
    data = memoryview(b"x" * 65536)
    with socket.create_connection((sink.address, sink.port)) as client:
        client.recv(4096)
        client.sendall(b"DATA\r\n")
        client.recv(4096)
        for at in range(0, octets, len(data)):
            client.sendall(data[: octets - at])
        client.sendall(b"\r\n.\r\n")
        client.recv(4096)
        client.sendall(b"QUIT\r\n")
        client.recv(4096)


def write_message(path: Path, size: int, eightbit: float = 0.0) -> Path:
    """A message of about that many octets with LF line ends: words in lines of 40 to 75 octets.

    Of its letters so many are German umlauts. It is the same in each run; a megabyte of text is repeated.
    """
    chance = random.Random(1)
    letters = [b"abcdefghijklmnopqrstuvwxyz"[i : i + 1] for i in range(26)]
    umlauts = [one.encode() for one in "äöüß"]
    lines: list[bytes] = []
    length = 0
    while length < min(size, MEGABYTE):
        words: list[bytes] = []
        width = chance.randint(40, 75)
        while len(b" ".join(words)) < width:
            picks = (chance.choice(umlauts if chance.random() < eightbit else letters) for _ in range(chance.randint(1, 11)))
            words.append(b"".join(picks))
        lines.append(b" ".join(words) + b"\n")
        length += len(lines[-1])
    text = b"".join(lines)
    encoding = b"8bit" if eightbit else b"7bit"
    with path.open("wb") as file:
        file.write(_HEADER + b"Content-Transfer-Encoding: " + encoding + b"\n\n")
        for left in range(size, 0, -len(text)):
            file.write(text if left >= len(text) else text[: text.find(b"\n", left) + 1 or len(text)])
    return path
