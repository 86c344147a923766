"""Cipher lists, and what cipherlist.c and ciphers.c make of them. Suites are their two octets, as a number."""

import random
import re
from ctypes import byref, c_uint8

from testsuite.pure import SUITES, Buf, Cipherlist, CipherlistFault, Ciphers, CiphersError, Octets, Parts, Suite, lib
from testsuite.tables import rows

TABLE = list((Suite * SUITES).in_dll(lib, "suites"))
IDS = {suite.name.decode(): suite.id for suite in TABLE}
ALL_PARTS = Parts.in_dll(lib, "parts_all")
TLS13 = [suite.id for suite in TABLE if suite.id >> 8 == 0x13]
USUAL_TLS13 = [0x1302, 0x1303, 0x1301]
EVERYTHING = "ALL:COMPLEMENTOFALL"

# The words of ciphers(1), but for those that are not for every place.
GROUPS = ["ALL", "COMPLEMENTOFALL", "COMPLEMENTOFDEFAULT", "HIGH", "MEDIUM", "LOW"]
WORDS = """
    aNULL eNULL NULL kRSA aRSA RSA kDHr kDHd kDH kDHE kEDH DH DHE EDH ADH kEECDH kECDHE ECDH ECDHE EECDH AECDH aDSS DSS
    aDH aECDSA ECDSA TLSv1.2 TLSv1.0 TLSv1 SSLv3 AES128 AES256 AES AESGCM AESCCM AESCCM8 ARIA128 ARIA256 ARIA ARIAGCM
    CAMELLIA128 CAMELLIA256 CAMELLIA CHACHA20 3DES DES RC4 RC2 IDEA SEED MD5 SHA1 SHA SHA256 SHA384 aGOST aGOST01
    aGOST12 kGOST kGOST18 GOST94 GOST89 GOST12 GOST89MAC GOST89MAC12 PSK kPSK kECDHEPSK kDHEPSK kRSAPSK aPSK SRP kSRP
    aSRP CBC TLSv1.1 EXPORT EXP EXPORT40 EXPORT56 SSLv2 kECDHr kECDHe kECDH aECDH KRB5 kKRB5 aKRB5 FZA
""".split()
GONE_SUITES = ["RC4-SHA", "DES-CBC3-SHA", "EDH-RSA-DES-CBC3-SHA", "EXP-RC4-MD5", "ECDH-RSA-AES128-SHA", "SEED-SHA"]
SHARED_KEYS = {suite.id for suite in TABLE if re.search("PSK|SRP", suite.name.decode())}
NAMES = [suite.name.decode() for suite in TABLE if suite.id not in TLS13]


def read(file: bytes) -> Ciphers | tuple[int, str]:
    """ciphers_read(); where it refuses the file, the line and the complaint."""
    ciphers, error, memory = Ciphers(), CiphersError(), Octets(file)
    if not lib.ciphers_read(byref(ciphers), memory.span, byref(error)):
        return error.line, error.text.decode("ascii")
    ciphers.memory = memory  # a priority string stays there
    return ciphers


def denoted(text: bytes) -> list[int]:
    """The suites that a list denotes, in its order, whoever can use them; none where it is refused for having none."""
    cipherlist, fault, memory, chosen = Cipherlist(), CipherlistFault(), Octets(text), (c_uint8 * SUITES)()
    if not lib.cipherlist_read(byref(cipherlist), memory.span, byref(ALL_PARTS), byref(fault)):
        assert fault.wrong and fault.wrong.startswith(b"leaves no cipher suite"), (text, fault.wrong)
        return []
    return [TABLE[index].id for index in chosen[: lib.cipherlist_suites(byref(cipherlist), chosen)]]


def listed(file: bytes) -> list[int]:
    """Those of them that a client without shared keys can use."""
    ciphers = read(file)
    if isinstance(ciphers, tuple):
        assert "` leaves no cipher suite" in ciphers[1], ciphers
        return []
    assert not ciphers.priority.data
    return [TABLE[index].id for index in ciphers.listed[: ciphers.count]]


def mixed(seed: int) -> str:
    """A list of some words, with all that a list may have."""
    dice = random.Random(seed)
    start = dice.choice(["DEFAULT", "ALL", "HIGH", "AES", "ALL:eNULL", "kRSA:ECDHE", "!aNULL:ALL"])
    strings = [start] * dice.randint(0, 1)
    for _ in range(dice.randint(1, 9)):
        words = [dice.choice(GROUPS)] if dice.random() < 0.15 else []
        words += dice.choices(WORDS, k=dice.choice([1, 1, 1, 2, 2, 3]) - len(words))
        if dice.random() < 0.15:
            words = [dice.choice(NAMES + GONE_SUITES)]
        strings.append(dice.choice(["", "", "", "!", "-", "-", "+"]) + "+".join(words))
        strings += ["@STRENGTH"] * (dice.random() < 0.1)
    return "".join(string + dice.choice(":::::, ;") for string in strings).rstrip(", ;:")


LISTS = [row[0].decode() for row in rows("cipher-lists")]
MIXED = [mixed(seed) for seed in range(300)]


def priorities(ciphers: Ciphers) -> list[bytes]:
    """Every priority string, the wide one first."""
    strings = []
    for step in range(lib.ciphers_steps(byref(ciphers)) + 1):
        out = Buf()
        lib.ciphers_print(byref(ciphers), step, byref(out))
        assert not out.failed and out.octets().index(b"\0") == out.length - 1
        strings.append(out.octets()[:-1])
        lib.buf_free(byref(out))
    return strings
