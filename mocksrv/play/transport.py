# SPDX-License-Identifier: ISC
"""The layer between the octets of a dialogue and those of its connection: none; or TLS, see tls.py."""

import select
import socket
import time

CHUNK = 1 << 18


class Breach(Exception):
    """The client broke the rules of the layer below the dialogue; `received`: the octets that show it, if any."""

    def __init__(self, what: str, received: bytes | None = None) -> None:
        super().__init__(what, received)
        self.what, self.received = what, received


class Plain:
    """No layer: the octets of the dialogue are those of the connection. The caller owns the connection."""

    parting = ""  # how the client announced that it hangs up, for people

    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection

    def readable(self, seconds: float) -> bool:
        """Whether the client sends something, or hangs up, within so many seconds."""
        return self._happens(select.POLLIN, seconds)

    def hangs_up(self, seconds: float) -> bool:
        """Whether the client hangs up within so many seconds, whatever it sends before."""
        return self._happens(select.POLLRDHUP, seconds)

    def receive(self) -> bytes:
        """The next octets of the client; empty if it has hung up. Raises TimeoutError, ConnectionError or Breach."""
        return self.connection.recv(CHUNK)

    def seal(self, octets: bytes) -> bytes:
        """The octets to send so that the client receives these."""
        return octets

    def farewell(self, how: str | None) -> bytes:
        """The octets to send before FIN, the last that are sent. How: None (regular), `abrupt`, `alert`."""
        return b""

    def half_close(self) -> bytes:
        """The octets to send before FIN if the client may still send something."""
        return b""

    def _happens(self, event: int, seconds: float) -> bool:
        poll = select.poll()
        poll.register(self.connection, event)
        return bool(poll.poll(seconds * 1000))


class Filtered(Plain):
    """A layer: `_digest` translates what is received. Only FIN or RST is the end."""

    def __init__(self, connection: socket.socket) -> None:
        super().__init__(connection)
        self._said = b""
        self._ended = False
        self._left = False  # whether we have left, and ignore what still comes

    def readable(self, seconds: float) -> bool:
        """Octets that do not reach the dialogue do not count."""
        deadline = time.monotonic() + seconds
        while not self._said and not self._ended:
            if not super().readable(max(0.0, deadline - time.monotonic())):
                return False
            self._take_in()
        return True

    def receive(self) -> bytes:
        """Also raises Breach for what `_digest` does not accept."""
        while not self._said and not self._ended:
            self._take_in()
        said, self._said = self._said, b""
        return said

    def half_close(self) -> bytes:
        """Like `farewell`, but the client is still heard."""
        octets = self.farewell(None)
        self._left = False
        return octets

    def _take_in(self) -> None:
        try:
            octets = super().receive()
        except ConnectionError:
            octets = b""
        self._ended = not octets
        self._said += self._digest(octets)

    def _digest(self, octets: bytes) -> bytes:
        """The octets of the dialogue in these octets (empty: the end). Raises Breach."""
        raise NotImplementedError
