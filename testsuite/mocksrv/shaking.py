# SPDX-License-Identifier: ISC
"""Dialogues with TLS, played without a world, against clients that are functions."""

import socket
import ssl
import threading
import warnings
from collections.abc import Callable
from pathlib import Path

from mocksrv.case.pattern import Facts
from mocksrv.case.script import parse_dialogue
from mocksrv.play.player import Player
from mocksrv.play.transcript import Mismatch, Transcript

HOST = "mx.example.org"
_CASE = Path(__file__).parent / "a.case"  # the certificates are those that it would see
Client = Callable[[socket.socket], object]


class Recorder(socket.socket):
    """A socket that remembers each write."""

    def __init__(self, connection: socket.socket) -> None:
        super().__init__(fileno=connection.detach())
        self.writes: list[bytes] = []

    def sendall(self, octets: bytes) -> None:  # type: ignore[override]
        self.writes.append(octets)
        super().sendall(octets)


class Played:
    """A dialogue that was played: the failure, the notes, each write, and the result of the client."""

    def __init__(self, text: str, client: Client, host: str = HOST) -> None:
        self.failure: str | None = None
        self.received: bytes | None = None
        self.brought: object = None
        dialogue = parse_dialogue(str(_CASE), 0, host, text.split("\n"))
        transcript = Transcript(dialogue, host)
        with socket.create_server(("127.0.0.1", 0)) as listener:
            ours = socket.create_connection(listener.getsockname(), 10)
            theirs = Recorder(listener.accept()[0])
        thread = threading.Thread(target=self._run, args=(client, ours))
        thread.start()
        try:
            Player(theirs, transcript, Facts(b"me", b"hi\n"), {}).play()
        except Mismatch as mismatch:
            self.failure, self.received = mismatch.failure.what, mismatch.failure.received
        thread.join(20)
        assert not thread.is_alive()
        self.notes = "; ".join(transcript.notes.values())
        self.writes = theirs.writes

    def _run(self, client: Client, ours: socket.socket) -> None:
        with ours:
            try:
                self.brought = client(ours)
            except OSError as error:
                self.brought = getattr(error, "reason", None) or type(error).__name__


def context(**settings: object) -> ssl.SSLContext:
    """A client that checks nothing and supports everything."""
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    made.check_hostname = False
    made.verify_mode = ssl.CERT_NONE
    made.options &= ~ssl.OP_IGNORE_UNEXPECTED_EOF
    made.set_ciphers(str(settings.pop("ciphers", "ALL:@SECLEVEL=0")))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        made.minimum_version = ssl.TLSVersion.TLSv1
        for name, value in settings.items():
            setattr(made, name, value)
    return made


def shaken(plain: socket.socket, made: ssl.SSLContext | None = None, name: str | None = HOST) -> ssl.SSLSocket:
    """A socket after its handshake; an end without close_notify is an error."""
    return (made or context()).wrap_socket(plain, server_hostname=name, suppress_ragged_eofs=False)


def shaking(
    act: Callable[[ssl.SSLSocket], object] = lambda _: None,
    name: str | None = HOST,
    made: ssl.SSLContext | None = None,
    **settings: object,
) -> Client:
    """A client that shakes hands, calls `act` within TLS, and hangs up. Its result is that of `act`."""

    def client(plain: socket.socket) -> object:
        with shaken(plain, made or context(**settings), name) as tls:
            return act(tls)

    return client


def hear(tls: ssl.SSLSocket) -> bytes:
    """A line."""
    line = b""
    while not line.endswith(b"\n"):
        line += tls.recv(1)
    return line


def hear_all(tls: ssl.SSLSocket) -> bytes:
    """Everything up to the end."""
    heard = b""
    while octets := tls.recv(65536):
        heard += octets
    return heard
