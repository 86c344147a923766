# SPDX-License-Identifier: ISC
"""TLS from outside: where its records begin and end, and what a ClientHello says in the clear (RFC 8446, RFC 6066)."""

import struct

from mocksrv.play.transport import Breach

HELLO = b"\x16\x03"  # how a handshake begins, but no command
_HEADER = 5
_HANDSHAKE = 22
_TYPES = range(20, 24)  # change of cipher, alert, handshake, data
_LONGEST = (1 << 14) + 2048
_SERVER_NAME = 0


class Records:
    """Follows what a client sends. Anything that is not a record is a breach: it was sent in the clear."""

    def __init__(self) -> None:
        self._rest = b""
        self._messages = b""  # of the handshake, until the first is whole
        self.hello: bytes | None = None  # the ClientHello, once it is whole

    def feed(self, octets: bytes) -> None:
        """Takes in what comes. Raises Breach."""
        self._rest += octets
        while self._rest:
            kind, *version = self._rest[:3]
            if kind not in _TYPES or version[:1] not in ([], [3]):
                raise Breach("the client sent this in the clear, where only TLS records are allowed", self._rest)
            if len(self._rest) < _HEADER:
                return
            length = int.from_bytes(self._rest[3:_HEADER])
            if length > _LONGEST:
                raise Breach("the client sent a TLS record that is too long", self._rest[:_HEADER])
            if len(self._rest) < _HEADER + length:
                return
            self._take(kind, self._rest[_HEADER : _HEADER + length])
            self._rest = self._rest[_HEADER + length :]

    def _take(self, kind: int, content: bytes) -> None:
        if self.hello is None and kind == _HANDSHAKE:
            self._messages += content
            end = 4 + int.from_bytes(self._messages[1:4])
            if len(self._messages) >= max(4, end):
                self.hello = self._messages[:end]


def server_name(hello: bytes) -> str | None:
    """The server name in a ClientHello, as it is written; None if there is none. Raises Breach."""
    try:
        at = 4 + 2 + 32  # type and length, version, random
        at += 1 + hello[at]  # session
        at += 2 + int.from_bytes(hello[at : at + 2])  # suites
        at += 1 + hello[at]  # compression
        end = at + 2 + int.from_bytes(hello[at : at + 2])
        at += 2
        while at < end:
            kind, length = struct.unpack("!HH", hello[at : at + 4])
            if kind == _SERVER_NAME:
                # The list's length, the kind of name, the name's length.
                return hello[at + 9 : at + 4 + length].decode("ascii", "backslashreplace")
            at += 4 + length
    except (IndexError, struct.error) as error:
        raise Breach("the client's first message is not a ClientHello", hello) from error
    return None
