# SPDX-License-Identifier: ISC
"""A server that wants small records of TLS (RFC 8449), by GnuTLS: OpenSSL knows nothing of them."""

import ctypes
import socket
import tempfile
from typing import BinaryIO

import pytest

from mocksrv.case.octets import canonical
from mocksrv.world import sandbox
from testsuite.peer import Outcome, furnish, qremote, serving
from testsuite.test_tls import RECIPES, STUCK, wait_until_stuck

gnutls = ctypes.CDLL("libgnutls.so.30")
gnutls.gnutls_record_send.restype = gnutls.gnutls_record_recv.restype = ctypes.c_ssize_t
_SERVER, _PEM, _CERTIFICATE, _ASK = 1, 1, 1, 1  # GNUTLS_SERVER, _X509_FMT_PEM, _CRD_CERTIFICATE, _KU_PEER
_AGAIN = -28  # GNUTLS_E_AGAIN, after a record without data

pytestmark = pytest.mark.skipif(sandbox.available() is not None, reason=f"{sandbox.available()}")


class Small:
    """The server's side of a session of TLS 1.3."""

    def __init__(self, descriptor: int, size: int) -> None:
        self._session, self._credentials = ctypes.c_void_p(), ctypes.c_void_p()
        self._octets = b""
        gnutls.gnutls_certificate_allocate_credentials(ctypes.byref(self._credentials))
        with tempfile.NamedTemporaryFile() as file:
            file.write(RECIPES.pem("mx.chain mx.key"))
            file.flush()
            name = file.name.encode()
            assert gnutls.gnutls_certificate_set_x509_key_file(self._credentials, name, name, _PEM) >= 0
        gnutls.gnutls_init(ctypes.byref(self._session), _SERVER)
        gnutls.gnutls_priority_set_direct(self._session, b"NORMAL:-VERS-ALL:+VERS-TLS1.3", None)
        gnutls.gnutls_credentials_set(self._session, _CERTIFICATE, self._credentials)
        gnutls.gnutls_transport_set_int2(self._session, descriptor, descriptor)
        assert gnutls.gnutls_record_set_max_recv_size(self._session, ctypes.c_size_t(size)) == 0
        assert gnutls.gnutls_handshake(self._session) == 0

    def say(self, octets: bytes) -> None:
        """One record."""
        gnutls.gnutls_record_send(self._session, octets, ctypes.c_size_t(len(octets)))

    def hear(self, end: bytes) -> bytes:
        """All up to this end; or what came, if the client hangs up."""
        room = ctypes.create_string_buffer(1 << 16)
        length = 1
        while end not in self._octets[-70000:] and (length > 0 or length == _AGAIN):
            length = gnutls.gnutls_record_recv(self._session, room, ctypes.c_size_t(len(room)))
            self._octets += room.raw[: max(length, 0)]
        heard, _, self._octets = self._octets.partition(end)
        return heard + end

    def ask_for_keys(self) -> None:
        """The client must change its keys, too."""
        assert gnutls.gnutls_session_key_update(self._session, _ASK) == 0


def stuck(size: int) -> tuple[Outcome, int]:
    """A delivery to a server that asks for new keys when the client can write no more; and what was accepted."""
    accepted = 0

    def serve(connection: socket.socket, stream: BinaryIO) -> None:
        nonlocal accepted
        connection.sendall(b"220 mx\r\n")
        stream.readline()
        connection.sendall(b"250-mx\r\n250 STARTTLS\r\n")
        stream.readline()
        connection.sendall(b"220 go\r\n")
        connection.setblocking(True)
        session = Small(connection.fileno(), size)
        for reply in (b"250 mx\r\n", b"250 ok\r\n", b"250 ok\r\n", b"354 go\r\n"):
            session.hear(b"\r\n")
            session.say(reply)
        wait_until_stuck(connection)
        session.ask_for_keys()
        accepted = len(session.hear(b"\r\n.\r\n"))
        session.say(b"250 2.0.0 queued\r\n")

    furnish(sandbox.SCRATCH / "qmail", timeoutremote="9\n")
    with serving(serve, room=16384):
        return qremote(message=STUCK), accepted


@pytest.mark.spec("TLS-6")
@pytest.mark.parametrize("size", [512, 4096, 16384])
def test_new_keys_while_a_small_record_is_stuck(size: int) -> None:
    """No octet of the message is lost or doubled."""
    outcome, accepted = sandbox.run(stuck, size)
    assert (outcome.letters, accepted) == ("rK", len(canonical(STUCK)) + 3)
