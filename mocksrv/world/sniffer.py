# SPDX-License-Identifier: ISC
"""Sees every attempt to connect over loopback, even to addresses where nobody listens. Needs a sandbox."""

import ctypes
import functools
import ipaddress
import socket
import struct
import time
from dataclasses import dataclass, field

_ETH_P_ALL = 3
_SO_ATTACH_FILTER = 26
_SO_TIMESTAMPNS = 35
_SNAP = 128  # octets of a packet: an IPv6 and a TCP header fit

# Classic BPF (linux/filter.h): the codes we need, and the negative offset at which a packet's type is found.
_LOAD_WORD, _LOAD_BYTE, _LOAD_BYTE_AT_X, _LOAD_X, _LOAD_X_IHL = 0x20, 0x30, 0x50, 0x01, 0xB1
_AND, _JUMP, _IF_EQUAL, _RETURN = 0x54, 0x05, 0x15, 0x06
_PACKET_TYPE = 0xFFFFF000 + 4

# Outgoing packets (loopback shows each twice) that are TCP with SYN and without ACK: (code, value[, then, else]).
_PROGRAM: list[tuple[int, ...]] = [
    (_LOAD_WORD, _PACKET_TYPE),
    (_IF_EQUAL, socket.PACKET_OUTGOING, 2, 17),
    (_LOAD_BYTE, 0),  # 2: which IP?
    (_AND, 0xF0),
    (_IF_EQUAL, 0x40, 5, 9),
    (_LOAD_BYTE, 9),  # 5: version 4
    (_IF_EQUAL, socket.IPPROTO_TCP, 7, 17),
    (_LOAD_X_IHL, 0),
    (_JUMP, 13 - 9),
    (_IF_EQUAL, 0x60, 10, 17),  # 9: version 6
    (_LOAD_BYTE, 6),
    (_IF_EQUAL, socket.IPPROTO_TCP, 12, 17),
    (_LOAD_X, 40),
    (_LOAD_BYTE_AT_X, 13),  # 13: the TCP flags
    (_AND, 0x12),
    (_IF_EQUAL, 0x02, 16, 17),
    (_RETURN, _SNAP),
    (_RETURN, 0),
]


@dataclass(frozen=True)
class Attempt:
    """One attempt to connect: where from (which identifies the connection), where to, and when (CLOCK_MONOTONIC)."""

    source: tuple[str, int]
    address: str
    port: int
    at: float = field(default_factory=time.monotonic, compare=False)


@functools.cache
def shared() -> "Sniffer":
    """The one sniffer of this process, never closed: the kernel takes 15 ms for that. Call `forget` before use."""
    return Sniffer()


class Sniffer:
    """Watches from its creation on; `fileno` is readable when something was seen."""

    def __init__(self) -> None:
        """Raises PermissionError outside of a sandbox."""
        self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, 0)
        # The filter comes before the binding, so that no packet slips in unfiltered.
        program = b"".join(_instruction(index, *one) for index, one in enumerate(_PROGRAM))
        buffer = ctypes.create_string_buffer(program)
        header = struct.pack("HL", len(_PROGRAM), ctypes.addressof(buffer))
        self._socket.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, header)
        self._socket.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)  # we may come late
        self._socket.bind(("lo", _ETH_P_ALL))
        self._socket.setblocking(False)
        self._seen: set[Attempt] = set()

    def fileno(self) -> int:
        """The descriptor to wait on."""
        return self._socket.fileno()

    def forget(self) -> None:
        """Begins anew."""
        self.attempts()
        self._seen.clear()

    def attempts(self) -> list[Attempt]:
        """The attempts since the last call, in order. A repeated SYN is not a new attempt."""
        fresh: list[Attempt] = []
        while True:
            try:
                packet, stamps, *_ = self._socket.recvmsg(_SNAP, _SNAP)
            except BlockingIOError:
                return fresh
            attempt = _read(packet, _moment(stamps))
            if attempt not in self._seen:
                self._seen.add(attempt)
                fresh.append(attempt)


def _instruction(index: int, code: int, value: int, then: int = 0, otherwise: int = 0) -> bytes:
    """One instruction; jumps, given as indexes, become distances."""
    here = index + 1 if code == _IF_EQUAL else 0
    return struct.pack("HBBI", code, then - here, otherwise - here, value)


def _moment(stamps: list[tuple[int, int, bytes]]) -> float:
    """When the kernel saw a packet."""
    seconds, nanoseconds = struct.unpack("ll", stamps[0][2])
    return time.monotonic() - (time.time() - seconds - nanoseconds / 1e9)


def _read(packet: bytes, at: float) -> Attempt:
    if packet[0] >> 4 == 4:
        length, source, target = (packet[0] & 15) * 4, packet[12:16], packet[16:20]
    else:
        length, source, target = 40, packet[8:24], packet[24:40]
    ports = struct.unpack("!HH", packet[length : length + 4])
    return Attempt((str(ipaddress.ip_address(source)), ports[0]), str(ipaddress.ip_address(target)), ports[1], at)
