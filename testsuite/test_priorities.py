"""ciphers.c: GnuTLS takes every priority string, and offers with it what the list allows.

The judge is the GnuTLS of this machine, which says for each string which suites it would offer, and in which order.
"""

from ctypes import byref

import pytest

from testsuite.cipherlists import (
    IDS, LISTS, MIXED, NAMES, SHARED_KEYS, TABLE, TLS13, USUAL_TLS13, listed, priorities, read,
)  # fmt: skip
from testsuite.pure import Ciphers, lib
from testsuite.tables import rows
from testsuite.tlstools import Priority, gnutls_keywords, gnutls_priority, gnutls_suites, openssl_suites

pytestmark = pytest.mark.spec("TLS-3")

NO_ENCRYPTION = {suite.id for suite in TABLE if b"NULL" in suite.name}
FILES = [row[0] for row in rows("cipher-sets")]
PRIORITIES = [
    "NORMAL", "NORMAL:-VERS-TLS1.1:-VERS-TLS1.0", "NORMAL:%COMPAT", "normal", "PERFORMANCE:-RSA", "SECURE", "SECURE128",
    "SECURE192", "SECURE256", "PFS", "LEGACY", "NONE:+VERS-TLS1.2:+ECDHE-RSA:+AES-128-GCM:+AEAD:+SIGN-ALL:+GROUP-ALL",
    "SUITEB128:+AES-128-CCM", "SUITEB192:%PROFILE_HIGH", "NORMAL: -CAMELLIA-128-CBC",
]  # fmt: skip


def offered(string: bytes) -> Priority:
    """What GnuTLS offers with a priority string, which it must take."""
    priority = gnutls_priority(string)
    assert isinstance(priority, Priority), (string, priority)
    return priority


def check(file: bytes) -> None:
    """All that is promised for the priority strings of a list."""
    allowed = listed(file)
    ciphers = read(file)
    if isinstance(ciphers, tuple):
        return
    wide, *narrow = map(offered, priorities(ciphers))
    # GnuTLS gives up TLS 1.3 for a suite without encryption; so these have to wait, if they need not be alone.
    at_once = [suite for suite in allowed if not (set(TLS13) & set(allowed) and suite in NO_ENCRYPTION)]
    assert set(at_once) <= set(wide.suites)
    check_order(at_once, wide)
    together: set[int] = set()
    for step in narrow:
        assert step.suites and set(step.suites) <= set(allowed)
        assert not set(step.suites) <= together, "a step that adds nothing"
        check_order([suite for suite in allowed if suite in step.suites], step)
        together.update(step.suites)
    assert together == set(allowed) and 1 <= len(narrow) <= len(allowed)
    assert allowed[0] in narrow[0].suites
    if set(wide.suites) == set(allowed):
        assert len(narrow) == 1 and narrow[0] == wide


def check_order(allowed: list[int], priority: Priority) -> None:
    """Each part stands where the list comes to it, and the preferred suite is the first of its version."""
    parts = [gnutls_suites()[suite] for suite in allowed]
    assert priority.kxs == list(dict.fromkeys(part.kx for part in parts if part.kx))
    assert priority.ciphers == list(dict.fromkeys(part.cipher for part in parts))
    assert priority.macs == list(dict.fromkeys(part.mac for part in parts))
    versions = [any(suite in TLS13 for suite in allowed), any(suite not in TLS13 for suite in allowed)]
    assert priority.protocols == [name for name, there in zip(("TLS1.3", "TLS1.2"), versions, strict=True) if there]
    assert next(suite for suite in priority.suites if (suite in TLS13) == (allowed[0] in TLS13)) == allowed[0]


@pytest.mark.parametrize("string", LISTS)
def test_every_list_becomes_priorities(string: str) -> None:
    """Those that are compared with OpenSSL."""
    check(string.encode())


@pytest.mark.parametrize("file", FILES)
def test_every_example_becomes_priorities(file: bytes) -> None:
    """Those that say something of TLS 1.3, and of levels."""
    check(file)


@pytest.mark.parametrize("first", range(0, len(MIXED), 20))
def test_mixed_lists_become_priorities(first: int) -> None:
    """Also the odd ones; with a suite of TLS 1.3, since this is what makes products hard."""
    for string in MIXED[first : first + 20]:
        check(string.encode())
        check(f"{string}:TLS_AES_128_GCM_SHA256".encode())


@pytest.mark.parametrize("suite", [name for name in NAMES if IDS[name] not in SHARED_KEYS])
def test_one_suite_is_one_priority(suite: str) -> None:
    """Without TLS 1.3 the wide string admits nothing else, and is the only one."""
    no_tls13 = "".join(f":!{s.name.decode()}" for s in TABLE if s.id in USUAL_TLS13)
    ciphers = read(f"{suite}{no_tls13}".encode())
    assert isinstance(ciphers, Ciphers)
    wide, narrow = priorities(ciphers)
    assert wide == narrow and len(offered(wide).suites) == 1
    check(suite.encode())


@pytest.mark.parametrize("kxs", [["ECDHE-ECDSA", "ECDHE-RSA"], ["RSA", "DHE-RSA", "ECDHE-RSA"], ["DHE-RSA", "ANON-DH"]])
@pytest.mark.parametrize("ciphers", [["AES-128-GCM", "AES-256-GCM"], ["AES-256-CBC", "CAMELLIA-128-CBC"]])
@pytest.mark.parametrize("macs", [["AEAD", "SHA1"], ["SHA1", "AEAD", "SHA256"]])
def test_an_order_that_can_be_said_is_said(kxs: list[str], ciphers: list[str], macs: list[str]) -> None:
    """A list that is sorted by key exchange, cipher and MAC comes out of GnuTLS suite by suite as it is."""
    known = {(suite.kx, suite.cipher, suite.mac): suite.id for suite in gnutls_suites().values()}
    product = [known.get((kx, cipher, mac)) for kx in kxs for cipher in ciphers for mac in macs]
    names = {suite.id: suite.name.decode() for suite in TABLE}
    wanted = [suite for suite in product if suite in names]
    assert wanted
    found = read(":".join(names[suite] for suite in wanted if suite).encode())
    assert isinstance(found, Ciphers)
    assert [suite for suite in offered(priorities(found)[0]).suites if suite in wanted] == wanted


def test_an_unlisted_suite_is_shut_out_by_a_narrow_priority() -> None:
    """What this is for: two suites, of which GnuTLS would make four."""
    ciphers = read(b"ECDHE-RSA-AES128-GCM-SHA256:DHE-RSA-AES256-GCM-SHA384:TLS_AES_256_GCM_SHA384")
    assert isinstance(ciphers, Ciphers)
    wide, *narrow = (offered(string).suites for string in priorities(ciphers))
    assert 0xC030 in wide and not lib.ciphers_allow(byref(ciphers), 0xC030)
    assert narrow == [[0xC02F], [0x1302, 0x009F]]


@pytest.mark.parametrize(
    ("file", "demands"),
    [
        (b"AES", b"%PROFILE_LOW"), (b"AES@SECLEVEL=0", b"%PROFILE_VERY_WEAK"), (b"AES@SECLEVEL=1", b"%PROFILE_LOW"),
        (b"AES@SECLEVEL=2", b"%PROFILE_MEDIUM"), (b"AES@SECLEVEL=3", b"%PROFILE_HIGH"),
        (b"AES@SECLEVEL=4", b"%PROFILE_ULTRA"), (b"AES@SECLEVEL=5", b"%PROFILE_FUTURE"),
    ],
)  # fmt: skip
def test_levels_are_profiles(file: bytes, demands: bytes) -> None:
    """In every string; groups and signatures are those of NORMAL."""
    ciphers = read(file)
    assert isinstance(ciphers, Ciphers)
    normal = offered(b"NORMAL")
    for string in priorities(ciphers):
        assert demands in string.split(b":") and string.count(b"%") == 1
        priority = offered(string)
        assert priority.groups == normal.groups
        assert priority.signatures[: len(normal.signatures)] == normal.signatures


def test_dss_suites_have_dss_signatures() -> None:
    """Which SIGN-ALL leaves out."""
    for file, has in ((b"DSS", True), (b"RSA", False)):
        ciphers = read(file)
        assert isinstance(ciphers, Ciphers)
        assert any(name == "DSA-SHA256" for name in offered(priorities(ciphers)[0]).signatures) == has


@pytest.mark.parametrize("word", ["SUITEB128", "SUITEB192", "SUITEB128ONLY", "SUITEB128C2"])
def test_suite_b(word: str) -> None:
    """OpenSSL's words alone are lists; groups and signatures are those of GnuTLS's Suite B."""
    ciphers = read(word.encode())
    assert isinstance(ciphers, Ciphers) and not ciphers.priority.data
    assert listed(word.encode()) == [s.id for s in openssl_suites(word) if s.id not in TLS13] + USUAL_TLS13
    theirs = offered(b"SUITEB128" if word == "SUITEB128" else b"SUITEB192")
    for string in priorities(ciphers):
        priority = offered(string)
        if word == "SUITEB128ONLY":
            assert priority.groups == ["SECP256R1"]
            assert priority.signatures == ["ECDSA-SHA256", "ECDSA-SECP256R1-SHA256"]
        else:
            assert priority.groups == theirs.groups and priority.signatures == theirs.signatures


@pytest.mark.parametrize("string", [*PRIORITIES, *(f"{word}:%COMPAT" for word in gnutls_keywords())])
def test_a_priority_string_is_taken_as_it_is(string: str) -> None:
    """Whatever it is in the file with; then GnuTLS decides alone."""
    for file in (string, f"# for GnuTLS\n\n{string} \r\n# the end\n"):
        ciphers = read(file.encode())
        assert isinstance(ciphers, Ciphers)
        assert priorities(ciphers) == [string.encode()]
        assert all(lib.ciphers_allow(byref(ciphers), suite) for suite in (0, 0x0A, 0x1301, 0xFFFF))
    offered(string.encode())


@pytest.mark.parametrize("string", ["@SYSTEM", "@SYSTEM,NORMAL", "@SYSTEM:-VERS-TLS1.2", "@KEYWORD1,@KEYWORD2:%COMPAT"])
def test_words_of_the_system_are_for_gnutls(string: str) -> None:
    """Whether there are such words depends on the machine."""
    ciphers = read(string.encode())
    assert isinstance(ciphers, Ciphers) and priorities(ciphers) == [string.encode()]


def test_without_a_file_it_is_normal() -> None:
    """Of TLS 1.2 and 1.3."""
    ciphers = Ciphers()
    lib.ciphers_default(byref(ciphers))
    (string,) = priorities(ciphers)
    normal = offered(b"NORMAL")
    assert offered(string).protocols == ["TLS1.3", "TLS1.2"]
    assert offered(string).suites == normal.suites and offered(string).signatures == normal.signatures
    assert lib.ciphers_allow(byref(ciphers), 0xC02F)


@pytest.mark.parametrize("file", [b"DEFAULT", b"DEFAULT:!kRSA", b"DEFAULT:!SHA1", b"DEFAULT@SECLEVEL=3"])
def test_usual_lists_are_exact(file: bytes) -> None:
    """GnuTLS needs no second try for them."""
    ciphers = read(file)
    assert isinstance(ciphers, Ciphers)
    assert lib.ciphers_steps(byref(ciphers)) == 1
    assert sorted(offered(priorities(ciphers)[0]).suites) == sorted(listed(file))
