# SPDX-License-Identifier: ISC
"""What OpenSSL and GnuTLS say about cipher suites: the command `openssl ciphers`, and libgnutls by ctypes.

Suites are their two octets, as a number.
"""

import ctypes
import functools
import re
import subprocess
from ctypes import byref, c_char_p, c_int, c_uint, c_void_p
from dataclasses import dataclass

_LINE = re.compile(
    r"0x(?P<high>..),0x(?P<low>..) +- (?P<iana>\S+) +- (?P<name>\S+) +(?P<version>\S+) +"
    r"Kx=(?P<kx>\S+) +Au=(?P<au>\S+) +Enc=(?P<enc>\S+) +Mac=(?P<mac>\S+)"
)
_UNKNOWN_CIPHER_SUITE, _REQUESTED_DATA_NOT_AVAILABLE = -21, -56


@dataclass(frozen=True)
class OpensslSuite:
    """A line of `openssl ciphers -V -stdname`."""

    id: int
    iana: str
    name: str
    version: str
    kx: str
    au: str
    enc: str
    mac: str


@functools.cache
def openssl_suites(string: str, *options: str) -> list[OpensslSuite]:
    """What `openssl ciphers` prints for a cipher list; nothing where it finds none or does not understand the list."""
    # A list that begins with - would be an option.
    command = ["openssl", "ciphers", "-V", "-stdname", *options, f":{string}" if string[:1] == "-" else string]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    found = [match.groupdict() for match in map(_LINE.match, map(str.strip, done.stdout.splitlines())) if match]
    assert (done.returncode == 0) == bool(found), done
    kinds = ("iana", "name", "version", "kx", "au", "enc", "mac")
    return [OpensslSuite(int(one["high"] + one["low"], 16), *(one[kind] for kind in kinds)) for one in found]


@dataclass(frozen=True)
class GnutlsSuite:
    """A suite and what priority strings call its parts; TLS 1.3 has no key exchange in it."""

    id: int
    kx: str
    cipher: str
    mac: str


@dataclass(frozen=True)
class Priority:
    """What a priority string lets GnuTLS offer, the preferred first."""

    suites: list[int]
    kxs: list[str]
    ciphers: list[str]
    macs: list[str]
    protocols: list[str]
    groups: list[str]
    signatures: list[str]


_lib = ctypes.CDLL("libgnutls.so.30")
_lib.gnutls_cipher_suite_info.restype = c_char_p
_lib.gnutls_priority_string_list.restype = c_char_p
for _kind in ("kx", "cipher", "mac", "protocol", "group", "sign"):
    getattr(_lib, f"gnutls_{_kind}_get_name").restype = c_char_p


@functools.cache
def _gnutls_table() -> list[GnutlsSuite]:
    table, octets, kx, cipher, mac = [], ctypes.create_string_buffer(2), c_int(), c_int(), c_int()
    while _lib.gnutls_cipher_suite_info(len(table), octets, byref(kx), byref(cipher), byref(mac), None):
        names = [
            getattr(_lib, f"gnutls_{kind}_get_name")(value) or b""
            for kind, value in (("kx", kx), ("cipher", cipher), ("mac", mac))
        ]
        table.append(GnutlsSuite(int.from_bytes(octets.raw, "big"), *(name.decode() for name in names)))
    return table


def gnutls_suites() -> dict[int, GnutlsSuite]:
    """All that this GnuTLS knows."""
    return {suite.id: suite for suite in _gnutls_table()}


def gnutls_keywords() -> list[str]:
    """The words for a whole priority."""
    words, flag = [], 1  # GNUTLS_PRIORITY_LIST_INIT_KEYWORDS
    while word := _lib.gnutls_priority_string_list(len(words), flag):
        words.append(word.decode())
    return words


def _listed(priority: c_void_p, kind: str) -> list[str]:
    array = ctypes.POINTER(c_uint)()
    count = getattr(_lib, f"gnutls_priority_{kind}_list")(priority, byref(array))
    name = getattr(_lib, f"gnutls_{kind}_get_name")
    return [(name(array[index]) or b"?").decode() for index in range(max(0, count))]


def gnutls_priority(string: bytes) -> Priority | str:
    """What gnutls_priority_init() makes of a string; or where it finds it wrong."""
    priority, wrong, index = c_void_p(), c_char_p(), c_uint()
    if _lib.gnutls_priority_init(byref(priority), string, byref(wrong)) < 0:
        return f"wrong at {wrong.value!r}"
    suites: list[int] = []
    position = 0
    while True:
        status = _lib.gnutls_priority_get_cipher_suite_index(priority, position, byref(index))
        if status == _REQUESTED_DATA_NOT_AVAILABLE:
            break
        assert status in (0, _UNKNOWN_CIPHER_SUITE)
        if status == 0:
            suites.append(_gnutls_table()[index.value].id)
        position += 1
    found = Priority(
        suites, *(_listed(priority, kind) for kind in ("kx", "cipher", "mac", "protocol", "group", "sign"))
    )
    _lib.gnutls_priority_deinit(priority)
    return found
