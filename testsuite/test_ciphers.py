"""ciphers.c and what is below it: tlsclientciphers means what OpenSSL says that it means.

The reference is the `openssl ciphers` of this machine. What may differ between its versions, and is not compared:
suites that GnuTLS lacks (ARIA), or that only some builds of OpenSSL have (SEED, IDEA, 3DES); suites with CCM8, whose
strength was lowered in 3.2; the word FIPS, which is gone now; since 4.0, SSLv3, with TLSv1.0, and words that were told
apart by their case. IANA's names, which 3.2 began to take, are compared with those that `openssl ciphers -stdname`
prints. Levels are compared with `openssl ciphers -s`, since it ignores them without -s. It prints the usual suites of
TLS 1.3 whatever the list says.
"""

import functools
import re
from collections.abc import Iterator
from ctypes import byref

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from testsuite.cipherlists import (
    EVERYTHING, GONE_SUITES, GROUPS, IDS, LISTS, MIXED, NAMES, SHARED_KEYS, TABLE, TLS13, USUAL_TLS13, WORDS, denoted,
    listed, priorities, read,
)  # fmt: skip
from testsuite.pure import SUITES, Ciphers, Octets, Suite, lib
from testsuite.tables import expanded, rows
from testsuite.tlstools import GnutlsSuite, OpensslSuite, gnutls_suites, openssl_suites

pytestmark = pytest.mark.spec("TLS-3", "CTL-6")


def tls12(suites: list[int]) -> list[int]:
    """Without those of TLS 1.3."""
    return [suite for suite in suites if suite not in TLS13]


@functools.cache
def comparable() -> frozenset[int]:
    """The suites of which this OpenSSL thinks as 3.0 does, and which GnuTLS has."""
    high = {suite.id for suite in openssl_suites("HIGH")}
    return frozenset(s.id for s in TABLE if s.id in high or "CCM8" not in s.name.decode())


@functools.cache
def odd_words() -> frozenset[str]:
    """Words that mean something else to this OpenSSL than to 3.0."""
    caseless = ["aDH", "aECDH", "kECDHe"] if openssl_suites("aes") else []
    no_sslv3 = [] if openssl_suites("SSLv3") else ["SSLv3", "TLSv1", "TLSv1.0"]
    no_fips = [] if openssl_suites("FIPS") else ["FIPS"]
    return frozenset([*caseless, *no_sslv3, *no_fips])


def compare(string: str, *options: str) -> None:
    """A list has what `openssl ciphers` prints, in the same order."""
    if odd_words() & set(re.findall(r"[A-Za-z0-9][\w.-]*", string)):
        return
    printed = [suite.id for suite in openssl_suites(string, *options)]
    allowed = denoted(string.encode())
    assert [s for s in tls12(allowed) if s in comparable()] == [s for s in tls12(printed) if s in comparable()]
    if allowed:
        assert sorted(set(allowed) - set(tls12(allowed))) == sorted(set(printed) & set(TLS13))
        assert listed(string.encode()) in ([], [suite for suite in allowed if suite not in SHARED_KEYS])


@pytest.mark.parametrize("string", LISTS)
def test_lists_are_what_openssl_makes_of_them(string: str) -> None:
    """Lists of all kinds, also those that are found in manuals and in configurations."""
    compare(string)


@pytest.mark.parametrize("word", [*GROUPS, *WORDS, *GONE_SUITES])
def test_words_are_what_openssl_makes_of_them(word: str) -> None:
    """Each alone, and each with every sign behind all suites."""
    compare(word)
    for sign in "!-+":
        compare(f"{EVERYTHING}:{sign}{word}:AES:COMPLEMENTOFALL")


def test_the_word_fips() -> None:
    """It is not in ciphers(1), and not for every place, but was known for long."""
    compare("FIPS")
    compare(f"{EVERYTHING}:+FIPS")


@pytest.mark.parametrize("first", range(0, len(MIXED), 10))
def test_mixed_lists_are_what_openssl_makes_of_them(first: int) -> None:
    """Lists that nobody would write."""
    for string in MIXED[first : first + 10]:
        compare(string)


@pytest.mark.parametrize("level", range(6))
def test_levels_forbid_what_openssl_forbids(level: int) -> None:
    """SSL_CTX_set_security_level(3), with all suites that need something which a client may lack."""
    for string in ("DEFAULT", EVERYTHING, "AES128", "kRSA:aNULL:SHA256", "ALL:-AES256:AES256", *MIXED[:10]):
        if denoted(f"{string}:@SECLEVEL={level}".encode()):
            compare(f"{string}:@SECLEVEL={level}", "-s", "-psk", "-srp")


@pytest.mark.parametrize("suite", NAMES)
def test_each_suite_is_one_word(suite: str) -> None:
    """By either name, alone and with signs; a suite of TLS 1.2 leaves TLS 1.3 on."""
    names = [suite, *(s.iana for s in everything() if s.name == suite)]
    for name in names:
        assert denoted(name.encode()) == [IDS[suite], *USUAL_TLS13]
        memory = Octets(name.encode())
        assert lib.suite_find(memory.span).contents.id == IDS[suite]
        assert IDS[suite] not in denoted(f"{EVERYTHING}:!{name}:{EVERYTHING}".encode())


def everything() -> list[OpensslSuite]:
    """All suites that OpenSSL knows."""
    tls13 = ":".join(suite.name.decode() for suite in TABLE if suite.id in TLS13)
    return openssl_suites(EVERYTHING, "-ciphersuites", tls13)


def parts_of(suite: Suite) -> GnutlsSuite:
    """Under the names that priority strings have for them."""
    return GnutlsSuite(suite.id, *(lib.parts_name(byref(suite.parts), part).decode() for part in range(3)))


# What `openssl ciphers -V` calls the parts that have other names in GnuTLS.
KX_AU = {
    "RSA": "RSA RSA", "DHE-RSA": "DH RSA", "DHE-DSS": "DH DSS", "ANON-DH": "DH None", "ECDHE-RSA": "ECDH RSA",
    "ECDHE-ECDSA": "ECDH ECDSA", "ANON-ECDH": "ECDH None", "PSK": "PSK PSK", "DHE-PSK": "DHEPSK PSK",
    "ECDHE-PSK": "ECDHEPSK PSK", "RSA-PSK": "RSAPSK RSA", "SRP": "SRP SRP", "SRP-RSA": "SRP RSA", "SRP-DSS": "SRP DSS",
    "": "any any",
}  # fmt: skip
ENC = {
    "NULL": "None", "AES-128-CBC": "AES(128)", "AES-256-CBC": "AES(256)", "AES-128-GCM": "AESGCM(128)",
    "AES-256-GCM": "AESGCM(256)", "AES-128-CCM": "AESCCM(128)", "AES-256-CCM": "AESCCM(256)",
    "AES-128-CCM-8": "AESCCM8(128)", "AES-256-CCM-8": "AESCCM8(256)", "CAMELLIA-128-CBC": "Camellia(128)",
    "CAMELLIA-256-CBC": "Camellia(256)", "CHACHA20-POLY1305": "CHACHA20/POLY1305(256)",
}  # fmt: skip
VERSION = {1: "SSLv3", 2: "TLSv1", 4: "TLSv1.2", 8: "TLSv1.3"}


@pytest.mark.parametrize("suite", TABLE, ids=[suite.name.decode() for suite in TABLE])
def test_each_row_of_the_table_is_right(suite: Suite) -> None:
    """As far as OpenSSL and GnuTLS know the suite, which is all of them in Debian 12."""
    parts = parts_of(suite)
    assert gnutls_suites().get(suite.id, parts) == parts
    for known in (s for s in everything() if s.id == suite.id):
        assert known.name == suite.name.decode()
        assert f"{known.kx} {known.au}" == KX_AU[parts.kx]
        assert known.enc == ENC[parts.cipher] or "CCM8" in known.name
        assert known.mac == parts.mac and known.version == VERSION[suite.parts.of[3]]


def test_the_table_has_all_that_both_know() -> None:
    """But for what is in weak builds of OpenSSL only; and no suite, no combination of parts stands there twice."""
    both = {s.id for s in everything() if s.id in gnutls_suites() and not re.search("RC4|3DES|DES-CBC3", s.name)}
    assert both <= set(IDS.values())
    assert len({suite.id for suite in TABLE}) == len({suite.name for suite in TABLE}) == SUITES
    assert len({tuple(suite.parts.of[:3]) for suite in TABLE}) == SUITES
    if len(both) < SUITES:
        pytest.skip(f"this OpenSSL and this GnuTLS have {len(both)} of {SUITES} suites in common")


def allowed_names(cell: str) -> Iterator[str]:
    """The names in a cell of the table; + stands for the usual ones of TLS 1.3."""
    for word in cell.split():
        yield from [s.name.decode() for s in TABLE if s.id in USUAL_TLS13] if word == "+" else [word]


@pytest.mark.parametrize(("file", "names"), rows("cipher-sets"))
def test_examples_of_files(file: bytes, names: bytes) -> None:
    """What is written in the table."""
    expected = [IDS[name] for name in allowed_names(names.decode())]
    assert [suite for suite in listed(file) if suite in expected or names != b"+"] == expected
    ciphers = read(file)
    assert isinstance(ciphers, Ciphers)
    allowed = set(listed(file))
    for suite in {*gnutls_suites(), *IDS.values(), 0, 0xFFFF}:
        assert lib.ciphers_allow(byref(ciphers), suite) == (suite in allowed)


@pytest.mark.parametrize(("file", "line", "word", "complaint"), rows("cipher-errors"))
def test_examples_of_complaints(file: bytes, line: bytes, word: bytes, complaint: bytes) -> None:
    """What is written in the table; where the file goes on, the first complaint is the one."""
    expected = int(line), f"is malformed: `{expanded(word).decode()}` {complaint.decode()}"
    assert read(expanded(file)) == expected
    if not complaint.startswith(b"leaves"):
        assert read(expanded(file) + b"\nAES:FOO:") == expected


@pytest.mark.parametrize("file", [b"", b"\n", b"# nothing\n\n", b" \t\r\n", b":", b" ,;\n: : :\n"])
def test_a_file_without_a_word_is_refused(file: bytes) -> None:
    """Nothing is no list."""
    assert read(file) == (0, "is empty: it names no cipher suite.")


STRINGS = st.lists(
    st.tuples(
        st.sampled_from(["", "!", "-", "+", "@"]),
        st.lists(
            st.sampled_from([*GROUPS, *WORDS, "DEFAULT", "SUITEB128", "STRENGTH", "SECLEVEL=3", "NORMAL", "FOO", ""])
            | st.sampled_from([suite.name.decode() for suite in TABLE]),
            min_size=1, max_size=3,
        ).map("+".join),
        st.sampled_from([":", ",", " ", "\n", "\n#", "", "\0", "\x80"]),
    ).map("".join), max_size=8,
).map("".join).map(lambda text: text.encode("latin-1"))  # fmt: skip


@given(st.binary(max_size=80) | STRINGS)
@example(b"@")
@example(b"\n" * 300 + b"FOO")
@example(b"AES" * 30000)
def test_any_file_is_judged(file: bytes) -> None:
    """Octets without sense are refused, with a complaint that can be printed and a place that exists."""
    ciphers = read(file)
    if not isinstance(ciphers, tuple):
        suites = list(ciphers.listed[: ciphers.count])
        assert len(set(suites)) == len(suites) and bool(suites) != bool(ciphers.priority.data)
        assert all(suite < SUITES for suite in suites)
        assert all(string.startswith(b"NONE:+VERS-TLS1.") for string in priorities(ciphers) if suites)
        return
    line, text = ciphers
    assert text.isascii() and text.isprintable() and text.endswith(".")
    found = re.match("is malformed: `(.*)` ", text)
    if line == 0:
        assert text.startswith("is empty")
    else:
        assert found and found[1] in re.sub(rb"[^ -~]", b"?", file.split(b"\n")[line - 1]).decode()


def test_random_lists_are_many() -> None:
    """How much is compared with OpenSSL."""
    assert len({*LISTS, *MIXED}) >= 450
