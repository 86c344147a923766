"""What lies between the octets of a dialogue and those of its connection: nothing; or, in tls, something."""

import select
import socket
import time

CHUNK = 1 << 18


class Breach(Exception):
    """The client broke the rules of what lies below the dialogue; `received`: the octets that show it, if any do."""

    def __init__(self, what: str, received: bytes | None = None) -> None:
        super().__init__(what, received)
        self.what, self.received = what, received


class Plain:
    """Nothing: what the client sends is what it says, and the other way round. The caller owns the connection."""

    parting = ""  # how the client took leave before it hung up, for people

    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection

    def readable(self, seconds: float) -> bool:
        """Whether the client says something, or hangs up, within so many seconds."""
        return self._happens(select.POLLIN, seconds)

    def hangs_up(self, seconds: float) -> bool:
        """Whether the client hangs up within so many seconds, whatever it said before."""
        return self._happens(select.POLLRDHUP, seconds)

    def receive(self) -> bytes:
        """What the client says next; nothing if it has hung up. Raises TimeoutError, ConnectionError or Breach."""
        return self.connection.recv(CHUNK)

    def seal(self, octets: bytes) -> bytes:
        """What must be sent for the client to hear these octets."""
        return octets

    def farewell(self, how: str | None) -> bytes:
        """What must be sent before FIN, nothing being sent from then on. How: None for politely, `abrupt`, `alert`."""
        return b""

    def half_close(self) -> bytes:
        """What must be sent before FIN where the client may still say something."""
        return b""

    def _happens(self, event: int, seconds: float) -> bool:
        poll = select.poll()
        poll.register(self.connection, event)
        return bool(poll.poll(seconds * 1000))


class Filtered(Plain):
    """Something: what is received is what `_digest` makes of it. The end is FIN or RST, and nothing less."""

    def __init__(self, connection: socket.socket) -> None:
        super().__init__(connection)
        self._said = b""
        self._ended = False
        self._left = False  # whether we have said our last, and do not care for what still comes

    def readable(self, seconds: float) -> bool:
        """Octets of which nothing reaches the dialogue do not count."""
        deadline = time.monotonic() + seconds
        while not self._said and not self._ended:
            if not super().readable(max(0.0, deadline - time.monotonic())):
                return False
            self._take_in()
        return True

    def receive(self) -> bytes:
        """Also raises Breach for what `_digest` does not take."""
        while not self._said and not self._ended:
            self._take_in()
        said, self._said = self._said, b""
        return said

    def half_close(self) -> bytes:
        """As before an end of both directions, but then what the client says is still heard."""
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
        """What these octets (none: the end) let the client have said. Raises Breach."""
        raise NotImplementedError
