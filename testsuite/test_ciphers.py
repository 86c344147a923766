# SPDX-License-Identifier: ISC
"""ciphers.c and the files below it: tlsclientciphers means what OpenSSL says, and GnuTLS offers it.

The references are the `openssl ciphers` and the GnuTLS of this machine. What may differ between versions of OpenSSL, and
is not compared: suites with CCM8, whose strength was lowered in 3.2, and words that are gone or told apart by their case
no more. A list is a set here: what only moves suites (+, @STRENGTH) changes nothing.
"""

import itertools
import re
from ctypes import byref

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from testsuite.cipherlists import (
    IANA, LISTS, TABLE, TLS13, USUAL_TLS13, allows, everything, listed, offered, offers, printed, read,
)  # fmt: skip
from testsuite.pure import CIPHERS_NARROW, CIPHERS_WIDE, Ciphers, Suite, lib
from testsuite.tables import expanded, rows
from testsuite.tlstools import gnutls_keywords, gnutls_suites, openssl_suites

pytestmark = pytest.mark.spec("TLS-3", "CTL-6")

# The words of ciphers(1), and some of older versions, for any place in a list.
WORDS = """
    ALL COMPLEMENTOFALL COMPLEMENTOFDEFAULT HIGH MEDIUM LOW aNULL eNULL NULL kRSA aRSA RSA kDHr kDHd kDH kDHE kEDH DH DHE
    EDH ADH kEECDH kECDHE ECDH ECDHE EECDH AECDH aDSS DSS aDH aECDSA ECDSA TLSv1.2 TLSv1.0 TLSv1 SSLv3 AES128 AES256 AES
    AESGCM AESCCM AESCCM8 ARIA128 ARIA256 ARIA ARIAGCM CAMELLIA128 CAMELLIA256 CAMELLIA CHACHA20 3DES DES RC4 RC2 IDEA SEED
    MD5 SHA1 SHA SHA256 SHA384 aGOST aGOST01 aGOST12 kGOST kGOST18 GOST94 GOST89 GOST12 GOST89MAC GOST89MAC12 PSK kPSK
    kECDHEPSK kDHEPSK kRSAPSK aPSK SRP kSRP aSRP CBC TLSv1.1 EXPORT EXP EXPORT40 EXPORT56 SSLv2 kECDHr kECDHe kECDH aECDH
    KRB5 kKRB5 aKRB5 FZA FIPS RC4-SHA DES-CBC3-SHA EDH-RSA-DES-CBC3-SHA EXP-RC4-MD5 ECDH-RSA-AES128-SHA SEED-SHA
    ADH-AES128-SHA PSK-AES128-CBC-SHA SRP-AES-128-CBC-SHA ECDHE-RSA-NULL-SHA TLS_RSA_WITH_RC4_128_SHA
""".split()
PRIORITIES = [
    "NORMAL", "NORMAL:-VERS-TLS1.1:-VERS-TLS1.0", "NORMAL:%COMPAT", "normal", "PERFORMANCE:-RSA", "SUITEB128", "SUITEB192",
    "NONE:+VERS-TLS1.2:+ECDHE-RSA:+AES-128-GCM:+AEAD:+SIGN-ALL:+GROUP-ALL", "SUITEB128:+AES-128-CCM",
    "NORMAL: -CAMELLIA-128-CBC", "NORMAL:-VERS-ALL:+VERS-TLS1.3",
]  # fmt: skip


def odd_words() -> frozenset[str]:
    """Words that mean something else to this OpenSSL than to 3.0."""
    caseless = ["aDH", "aECDH", "kECDHe"] if openssl_suites("aes") else []
    gone = [word for word in ("SSLv3", "TLSv1", "TLSv1.0", "FIPS") if not openssl_suites(word)]
    return frozenset([*caseless, *gone])


def compare(string: str, *options: str) -> None:
    """A list allows what `openssl ciphers` prints, as far as that can be offered, and the first suite is the same."""
    if odd_words() & set(re.findall(r"[A-Za-z0-9][\w.-]*", string)):
        return
    theirs = [suite.iana for suite in openssl_suites(string, *options) if suite.iana in TABLE and "CCM_8" not in suite.iana]
    ours = [iana for iana in listed(string.encode()) if "CCM_8" not in iana]
    if not set(theirs) - set(TLS13):  # it always prints those of TLS 1.3
        assert set(ours) <= set(TLS13), string
        return
    assert set(ours) == set(theirs), string
    first = listed(string.encode())[0]
    if first in ours and not re.search(r"[-+@]", re.sub(r"\w[-+]\w", "", string)):
        assert first == next(iana for iana in theirs if iana not in TLS13), string


@pytest.mark.parametrize("string", LISTS)
def test_lists_are_what_openssl_makes_of_them(string: str) -> None:
    """Those of the table."""
    compare(string)


def test_words_are_what_openssl_makes_of_them() -> None:
    """Each alone, with every sign, and together with another."""
    for word in WORDS:
        compare(word)
        for sign in "!-+":
            compare(f"ALL:{sign}{word}:AES:-SHA")
        compare(f"{word}+AES:SHA256")


@pytest.mark.parametrize("level", range(6))
def test_levels_forbid_what_openssl_forbids(level: int) -> None:
    """SSL_CTX_set_security_level(3)."""
    for string in ("DEFAULT", "ALL", "ALL:-AES256:AES256", "SHA256:DHE+AES256:ECDHE"):
        compare(f"{string}:@SECLEVEL={level}", "-s")


def test_each_row_of_the_table_is_right() -> None:
    """As far as OpenSSL and GnuTLS know the suite, which in Debian 12 is all of them; and none that both know is missing."""
    known = {suite.iana: suite for suite in everything()}
    left_out = re.compile("PSK|SRP|anon|NULL|RC4|3DES")  # not offered, or only in weak builds of OpenSSL
    both = {suite.iana for suite in everything() if suite.id in gnutls_suites() and not left_out.search(suite.iana)}
    assert both <= set(TABLE)
    for iana, suite in TABLE.items():
        for name in (iana, suite.name.decode()):
            assert set(listed(name.encode())) == {iana, *([] if iana in TLS13 else USUAL_TLS13)}
        if iana in both:
            parts = gnutls_suites()[known[iana].id]
            assert suite.name.decode() == known[iana].name
            assert f":+{parts.cipher}:+{parts.mac}:" in (string := printed(only(iana), CIPHERS_WIDE).decode())
            assert iana in TLS13 or f":+{parts.kx}:" in string


def only(iana: str) -> Ciphers:
    """This suite and no other."""
    ciphers = read(":".join([iana, *(f"!{one}" for one in TLS13 if one != iana)]).encode())
    assert isinstance(ciphers, Ciphers)
    return ciphers


@pytest.mark.parametrize(("file", "names"), rows("cipher-sets"))
def test_examples_of_files(file: bytes, names: bytes) -> None:
    """What is written in the table; the first name is the first of the list."""
    words = names.decode().split()
    expected = [IANA[word] for word in words if word != "+"] + USUAL_TLS13 * ("+" in words)
    assert set(listed(file)) == set(expected) and listed(file)[0] == expected[0]
    ciphers = read(file)
    assert isinstance(ciphers, Ciphers)
    for iana in [*(suite.iana for suite in everything()), "", "TLS_FOO"]:
        assert allows(ciphers, iana) == (iana in expected)


@pytest.mark.parametrize(("file", "line", "word", "complaint"), rows("cipher-errors"))
def test_examples_of_complaints(file: bytes, line: bytes, word: bytes, complaint: bytes) -> None:
    """What is written in the table; if the file continues, only the first complaint counts."""
    expected = int(line), expanded(word), complaint.decode()
    assert read(expanded(file)) == expected
    if not complaint.startswith(b"leaves"):
        assert read(expanded(file) + b"\nAES:FOO:") == expected


@pytest.mark.parametrize("file", [b"", b"\n", b"# nothing\n\n", b" \t\r\n"])
def test_a_file_without_a_word_is_refused(file: bytes) -> None:
    """A list must not be empty."""
    found = read(file)
    assert isinstance(found, tuple) and found[1] == b""


# What GnuTLS is told


@pytest.mark.parametrize("file", [string.encode() for string in LISTS] + [row[0] for row in rows("cipher-sets")])
def test_every_list_becomes_two_offers(file: bytes) -> None:
    """The wide one has all listed suites, the narrow one only listed suites, as many as a product can have."""
    allowed = listed(file)
    wide, narrow = offers(file)
    first = allowed[0]
    assert set(allowed) <= set(wide)
    assert first in narrow and set(narrow) <= set(allowed)
    for offer in (wide, narrow):
        assert next(iana for iana in offer if (iana in TLS13) == (first in TLS13)) == first
    assert len(narrow) == largest(TABLE[first], [TABLE[iana] for iana in allowed])
    if set(wide) == set(allowed):
        assert set(narrow) == set(wide)


def largest(first: Suite, allowed: list[Suite]) -> int:
    """How many listed suites a product can have that has the first: for each choice of key exchanges and MACs, every
    cipher that brings listed suites only."""
    most = 0
    for keys, macs in itertools.product(range(1 << 6), range(1 << 4)):
        having = [s for s in TABLE.values() if s.parts.key & keys and s.parts.mac & macs]
        unlisted = {s.parts.enc for s in having if s not in allowed}
        chosen = [s for s in having if s.parts.enc not in unlisted]
        most = max(most, len(chosen) if first in chosen else 0)
    return most


@pytest.mark.parametrize("file", [b"DEFAULT", b"DEFAULT:!kRSA", b"DEFAULT:!SHA1", b"DEFAULT@SECLEVEL=3"])
def test_usual_lists_are_exact(file: bytes) -> None:
    """GnuTLS needs no second connection for them."""
    wide, narrow = offers(file)
    assert set(wide) == set(narrow) == set(listed(file))


@pytest.mark.parametrize(
    ("file", "profile"),
    [
        (b"AES", b"LOW"), (b"AES@SECLEVEL=0", b"VERY_WEAK"), (b"AES@SECLEVEL=1", b"LOW"), (b"AES@SECLEVEL=2", b"MEDIUM"),
        (b"AES@SECLEVEL=3", b"HIGH"), (b"AES@SECLEVEL=4", b"ULTRA"), (b"AES@SECLEVEL=5", b"FUTURE"),
    ],
)  # fmt: skip
def test_levels_are_profiles(file: bytes, profile: bytes) -> None:
    """Groups and signatures are those of NORMAL; only for DSS there are more."""
    ciphers = read(file)
    assert isinstance(ciphers, Ciphers)
    for offer in (CIPHERS_WIDE, CIPHERS_NARROW):
        string = printed(ciphers, offer)
        assert string.endswith(b":%PROFILE_" + profile) and string.count(b"%") == 1
        assert offered(string).groups == offered(b"NORMAL").groups
        signatures = [one for one in offered(string).signatures if not one.startswith("DSA")]
        assert signatures == [one for one in offered(b"NORMAL").signatures if not one.startswith("DSA")]
        assert ("DSA-SHA256" in offered(string).signatures) == (b":+DHE-DSS:" in string)


@pytest.mark.parametrize("word", ["SUITEB128", "SUITEB192", "SUITEB128ONLY", "SUITEB128C2"])
def test_suite_b(word: str) -> None:
    """GnuTLS handles OpenSSL's words (RFC 6460: TLS 1.2)."""
    ciphers = read(word.encode())
    assert isinstance(ciphers, Ciphers)
    names = {suite.id: suite.iana for suite in everything()}
    found = offered(printed(ciphers, CIPHERS_WIDE))
    assert {names[one] for one in found.suites} == {s.iana for s in openssl_suites(word) if s.iana not in TLS13}
    assert found.groups == {"SUITEB128": ["SECP256R1", "SECP384R1"], "SUITEB128ONLY": ["SECP256R1"]}.get(word, ["SECP384R1"])


@pytest.mark.parametrize("string", [*PRIORITIES, *(f"{word}:%COMPAT" for word in gnutls_keywords())])
def test_a_priority_string_is_taken_as_it_is(string: str) -> None:
    """Whatever surrounds it in the file; then GnuTLS alone decides."""
    for file in (string, f"# for GnuTLS\n\n{string} \r\n# the end\n"):
        ciphers = read(file.encode())
        assert isinstance(ciphers, Ciphers)
        assert printed(ciphers, CIPHERS_WIDE) == printed(ciphers, CIPHERS_NARROW) == string.encode()
        assert all(allows(ciphers, iana) for iana in ("", "TLS_AES_128_GCM_SHA256", "TLS_FOO"))
    offered(string.encode())


@pytest.mark.parametrize("string", ["@SYSTEM", "@SYSTEM,NORMAL", "@SYSTEM:-VERS-TLS1.2", "@KEYWORD1,@KEYWORD2:%COMPAT", "@"])
def test_words_of_the_system_are_for_gnutls(string: str) -> None:
    """Whether there are such words depends on the machine."""
    ciphers = read(string.encode())
    assert isinstance(ciphers, Ciphers) and printed(ciphers, CIPHERS_WIDE) == string.encode()


def test_without_a_file_it_is_normal() -> None:
    """Of TLS 1.2 and 1.3."""
    ciphers = Ciphers()
    lib.ciphers_default(byref(ciphers))
    found, normal = offered(printed(ciphers, CIPHERS_WIDE)), offered(b"NORMAL")
    assert found.protocols == ["TLS1.3", "TLS1.2"]
    assert found.suites == normal.suites and found.signatures == normal.signatures
    assert allows(ciphers, "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256")


STRINGS = st.lists(
    st.tuples(
        st.sampled_from(["", "!", "-", "+", "@"]),
        st.lists(
            st.sampled_from([*WORDS, *IANA, "DEFAULT", "SUITEB128", "STRENGTH", "SECLEVEL=3", "NORMAL", "FOO", ""]),
            min_size=1, max_size=3,
        ).map("+".join),
        st.sampled_from([":", ",", " ", "\n", "\n#", "", "\0", "\x80"]),
    ).map("".join), max_size=8,
).map("".join).map(lambda text: text.encode("latin-1"))  # fmt: skip


@given(st.binary(max_size=80) | STRINGS)
@example(b"@")
@example(b"\n" * 300 + b"FOO")
@example(b"AES:" * 5000)
def test_any_octets(file: bytes) -> None:
    """Either there is something to offer, or a complaint about text in the file."""
    found = read(file)
    if isinstance(found, Ciphers):
        assert found.priority.data or any(found.list.has)
        assert found.priority.data or printed(found, CIPHERS_NARROW).startswith(b"NONE:+VERS-TLS1.")
    else:
        line, word, _ = found
        assert word in file.split(b"\n")[line - 1] if word else not file.strip(b" \t\r\n\v\f") or b"#" in file
