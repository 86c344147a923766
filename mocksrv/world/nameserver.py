# SPDX-License-Identifier: ISC
"""A DNS server on one address, UDP and TCP, that answers from a zone text and remembers what it was asked."""

import contextlib
import ipaddress
import socket
import struct
import threading
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import dns.exception
import dns.message
import dns.rdatatype

from mocksrv.case.zone import Answer, Zone, parse_zone

IPV6_FREEBIND = 78  # <linux/in6.h>; Python does not know it
_TRIES = 20
_TCP_PATIENCE = 10.0  # seconds for a client to send its question


@dataclass(frozen=True)
class Question:
    """One question as it arrived. `foreign`: about a name that the zone does not have; `answer` is for people."""

    name: str
    kind: str
    transport: str
    foreign: bool
    answer: str

    @property
    def line(self) -> str:
        """As a line of a `dns-log` section."""
        return f"{self.name} {self.kind}{' tcp' if self.transport == 'tcp' else ''}"

    def __str__(self) -> str:
        return f"{self.name} {self.kind} ({self.transport}) -> {self.answer}"


def bound_socket(address: str, port: int, kind: socket.SocketKind) -> socket.socket:
    """A socket bound to an address, which need not be on an interface. The caller closes it. Raises OSError."""
    version = ipaddress.ip_address(address).version
    made = socket.socket(socket.AF_INET6 if version == 6 else socket.AF_INET, kind)
    try:
        if kind == socket.SOCK_STREAM:  # for UDP, it would let two servers share a port that the kernel chose
            made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if version == 6:
            made.setsockopt(socket.IPPROTO_IPV6, IPV6_FREEBIND, 1)
        made.bind(socket.getaddrinfo(address, port, type=kind)[0][4])  # with the interface of one on the link
    except OSError:
        made.close()
        raise
    return made


class DnsServer:
    """Serves one zone from `start` to `stop`; also a context manager that stops.

    `questions` lists what was asked, in order; it may be read at any time. Packets that are not DNS appear there with
    the kind "malformed".
    """

    def __init__(self, zone: Zone | str) -> None:
        """Takes a zone, or its text (raises ZoneError)."""
        self._zone = parse_zone(enumerate(zone.split("\n"), 1)) if isinstance(zone, str) else zone
        self._sockets: list[socket.socket] = []
        self._threads: list[threading.Thread] = []
        self.questions: list[Question] = []

    def start(self, address: str = "127.0.0.1", port: int = 53) -> tuple[str, int]:
        """Begins to answer. Returns the address and the port; port 0 asks for a free one. Raises OSError."""
        udp, tcp = _bound_pair(address, port)
        port = udp.getsockname()[1]
        self._sockets += [udp, tcp]
        tcp.listen()
        for serve, one in ((self._serve_udp, udp), (self._serve_tcp, tcp)):
            self._threads.append(threading.Thread(target=serve, args=(one,), daemon=True))
            self._threads[-1].start()
        return address, port

    def stop(self) -> None:
        """Stops listening and frees the port. Delayed answers are not sent any more."""
        sockets, self._sockets = self._sockets, []
        for one in sockets:
            # Linux returns ENOTCONN for a UDP socket, but wakes up the thread that waits for it.
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join()

    def __enter__(self) -> "DnsServer":
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _serve_udp(self, udp: socket.socket) -> None:
        with udp:
            while self._sockets:
                octets, peer = udp.recvfrom(65535)
                if octets:
                    self._reply(octets, "udp", partial(_send_datagram, udp, peer))

    def _serve_tcp(self, listener: socket.socket) -> None:
        with listener, contextlib.suppress(OSError):
            while True:
                connection, _ = listener.accept()
                threading.Thread(target=self._serve_connection, args=(connection,), daemon=True).start()

    def _serve_connection(self, connection: socket.socket) -> None:
        connection.settimeout(_TCP_PATIENCE)
        with connection, contextlib.suppress(OSError), connection.makefile("rb") as stream:
            while len(head := stream.read(2)) == 2:
                octets = stream.read(struct.unpack("!H", head)[0])
                self._reply(octets, "tcp", partial(_send_framed, connection))

    def _reply(self, octets: bytes, transport: str, send: Callable[[bytes], None]) -> None:
        """Answers one query, after its delay."""
        answer = self._answer(octets, transport)
        if answer is None or answer.wire is None:
            return
        if not answer.delay:
            send(answer.wire)
            return
        timer = threading.Timer(answer.delay, send, [answer.wire])
        timer.daemon = True
        timer.start()

    def _answer(self, octets: bytes, transport: str) -> Answer | None:
        try:
            query = dns.message.from_wire(octets)
        except dns.exception.DNSException as error:
            self.questions.append(Question(repr(octets), "malformed", transport, True, str(error)))
            return None
        if len(query.question) != 1:
            self.questions.append(Question(repr(octets), "malformed", transport, True, "not one question"))
            return None
        answer = self._zone.answer(query, transport == "tcp")
        asked = query.question[0]
        kind = dns.rdatatype.to_text(asked.rdtype)
        self.questions.append(Question(asked.name.to_text().lower(), kind, transport, answer.foreign, answer.summary))
        return answer


def _bound_pair(address: str, port: int) -> tuple[socket.socket, socket.socket]:
    """UDP and TCP on one port. A port that is free for one may be in use for the other: then another port is tried."""
    for _ in range(_TRIES):
        udp = bound_socket(address, port, socket.SOCK_DGRAM)
        try:
            return udp, bound_socket(address, udp.getsockname()[1], socket.SOCK_STREAM)
        except OSError as error:
            udp.close()
            if port:
                raise
            taken = error
    raise taken


def _send_datagram(udp: socket.socket, peer: Any, wire: bytes) -> None:
    with contextlib.suppress(OSError):  # stopped meanwhile
        udp.sendto(wire, peer)


def _send_framed(connection: socket.socket, wire: bytes) -> None:
    with contextlib.suppress(OSError):  # the client went away
        connection.sendall(struct.pack("!H", len(wire)) + wire)
