# SPDX-License-Identifier: ISC
"""Functions of OpenSSL that Python's ssl module does not offer to a server.

The module keeps its `SSL *` to itself; we read it out of the object, whose layout is checked first.
"""

import ctypes
import importlib
import ssl
from typing import Any

_ssl = importlib.import_module("_ssl")
_library = ctypes.CDLL(getattr(_ssl, "__file__", None))  # through it, the libraries that it is linked with
_VERIFY_PEER = 1
_ALERT = 21  # a type of records (RFC 8446 section 5.1)
_SET_DH_AUTO = 118
_AEADS = "AES_256_GCM_SHA384 CHACHA20_POLY1305_SHA256 AES_128_GCM_SHA256 AES_128_CCM_SHA256 AES_128_CCM_8_SHA256"
SUITES = tuple(f"TLS_{name}" for name in _AEADS.split())  # of TLS 1.3
_take_any = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_int, ctypes.c_void_p)(lambda _verified, _store: 1)


class Unsupported(Exception):
    """The `SSL *` is not where this module expects it."""


def allow_dhe(session: ssl.SSLObject) -> None:
    """Lets a server choose DHE suites."""
    _library.SSL_ctrl(_pointer(session), _SET_DH_AUTO, ctypes.c_long(1), None)


def set_suites(session: ssl.SSLObject, names: list[str]) -> None:
    """Sets the suites of TLS 1.3 that a server supports."""
    _library.SSL_set_ciphersuites(_pointer(session), ":".join(names).encode())


def take_any_certificate(session: ssl.SSLObject) -> None:
    """Asks the client for a certificate and accepts any, or none."""
    _library.SSL_set_verify(_pointer(session), _VERIFY_PEER, _take_any)


def shown(session: ssl.SSLObject) -> tuple[bytes, ...]:
    """The certificates (DER) that the client sent."""
    chain = _object(session).get_unverified_chain()  # `session` has such a method from Python 3.13 on
    return tuple(one.public_bytes(_ssl.ENCODING_DER) for one in chain or () if one)


def key_update(session: ssl.SSLObject, ask: bool) -> None:
    """Lets the server change its keys with the next thing it writes, and ask the client to do so, too (TLS 1.3)."""
    _library.SSL_key_update(_pointer(session), int(ask))


def renegotiate(session: ssl.SSLObject) -> None:
    """Lets the server ask for a new handshake with the next thing it writes (TLS 1.2)."""
    _library.SSL_renegotiate(_pointer(session))


def alerts(context: ssl.SSLContext) -> list[str]:
    """The names (RFC 8446 section 6) of the alerts that sessions of this context send; it grows as they send them."""
    sent: list[str] = []

    def note(_session: object, direction: str, _version: object, kind: object, alert: object, _octets: bytes) -> None:
        if (direction, kind) == ("write", _ALERT):
            sent.append(str(getattr(alert, "name", alert)).lower())

    context._msg_callback = note  # type: ignore[attr-defined]
    return sent


def _object(session: ssl.SSLObject) -> Any:
    return session._sslobj  # type: ignore[attr-defined]


def _pointer(session: ssl.SSLObject) -> ctypes.c_void_p:
    """The `SSL *`: the second field of the object, between a weak reference (none here) and the context."""
    first = id(_object(session)) + object.__basicsize__
    reference, pointer, context = (ctypes.c_void_p.from_address(first + 8 * index).value for index in range(3))
    if reference is not None or context != id(session.context):
        raise Unsupported("the ssl module of this Python has not the layout of those of 3.11 to 3.13")
    return ctypes.c_void_p(pointer)
