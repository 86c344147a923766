# SPDX-License-Identifier: ISC
"""Pins: which chains lead to a certificate of control/tlshosts, with a real handshake, and as OpenSSL sees it."""

import shutil
import ssl
import subprocess
import tempfile
from pathlib import Path

import pytest

from mocksrv.case.certs import Recipes
from mocksrv.world import sandbox
from testsuite.pure import ROOT
from testsuite.test_tls import NAME, delivered

pytestmark = [
    pytest.mark.skipif(sandbox.available() is not None, reason=f"{sandbox.available()}"),
    pytest.mark.spec("TLS-4", "CTL-7"),
]

RECIPES = Recipes(ROOT / "fixtures/cases/tls")
LEAF = "mx-by-intermediate"
# The certificates in the file for the server.
FILES = {
    "leaf": LEAF, "intermediate": "intermediate", "root": "ca", "unrelated": "other-name",
    "several": f"other-name {LEAF} expired", "cross-signer": "other-ca", "impostor": "impostor-ca",
    "root-for-clients": "ca-for-clients",
}  # fmt: skip
# What the server sends, its own certificate first.
CHAINS = {
    "leaf": LEAF,
    "leaf+intermediate": f"{LEAF} intermediate",
    "leaf+intermediate+root": f"{LEAF} intermediate ca",
    "leaf+intermediate+cross-signed-root": f"{LEAF} intermediate cross-signed-ca",
    "leaf+intermediate+both-roots": f"{LEAF} intermediate ca cross-signed-ca",
    "leaf+intermediate+impostor+both-roots": f"{LEAF} intermediate impostor-ca cross-signed-ca ca",
    "leaf+intermediate+expired-cross-signed-root": f"{LEAF} intermediate expired-cross-signed-ca",
    "shuffled": f"{LEAF} ca intermediate",
    "shuffled-with-cross-signed-root": f"{LEAF} cross-signed-ca intermediate",
    "with-an-unrelated-one": f"{LEAF} other-name intermediate",
    "an-unrelated-one-last": f"{LEAF} intermediate other-name",
    "twice": f"{LEAF} {LEAF} intermediate intermediate",
}  # fmt: skip


def by_openssl(file: str, chain: str, directory: Path) -> bool:
    """What `openssl verify` finds with the same certificates, for the same name and purpose.

    It follows one path upwards; so it may also leave out one that the server sends.
    """
    leaf, *others = chain.split()
    fewer = [others[:index] + others[index + 1 :] for index in range(len(others))]
    return any(_verify(file, leaf, sent, directory) for sent in (others, *fewer))


def _verify(file: str, leaf: str, others: list[str], directory: Path) -> bool:
    (directory / "file").write_bytes(RECIPES.pem(file))
    (directory / "leaf").write_bytes(RECIPES.pem(leaf))
    (directory / "others").write_bytes(RECIPES.pem(" ".join(others)))
    command = ["openssl", "verify", "-no-CAfile", "-no-CApath", "-partial_chain", "-trusted", "file"]
    command += ["-untrusted", "others"] if others else []
    command += ["-purpose", "sslserver", "-verify_hostname", NAME, "leaf"]
    return subprocess.run(command, cwd=directory, capture_output=True, check=False).returncode == 0


def showing(chain: str) -> ssl.SSLContext:
    """A server that sends exactly these certificates."""
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with tempfile.NamedTemporaryFile() as file:
        file.write(RECIPES.pem(f"{chain} {chain.split()[0]}.key"))
        file.flush()
        made.load_cert_chain(file.name)
    return made


@pytest.mark.slow
@pytest.mark.skipif(not shutil.which("openssl"), reason="no openssl")
@pytest.mark.parametrize("chain", CHAINS)
@pytest.mark.parametrize("file", FILES)
def test_what_is_pinned_is_an_anchor(file: str, chain: str, tmp_path: Path) -> None:
    """Whatever else the server sends."""
    right = by_openssl(FILES[file], CHAINS[chain], tmp_path)
    outcome, taken = delivered(showing(CHAINS[chain]), **{f"tlshosts/{NAME}.pem": RECIPES.pem(FILES[file]).decode()})
    assert outcome.letters == ("rK" if right else "Z") and len(taken) == right
    # Only who vouches for the old certificate of the root can tell that it is old.
    why = "has expired" if (file, "expired-cross" in chain) == ("cross-signer", True) else "has an unknown issuer"
    assert right or f"its certificate {why}. (#4.7.5)" in outcome.report


@pytest.mark.parametrize(
    ("leaf", "why"),
    [
        ("mx", ""), ("other-name", "is for another name"), ("for-clients", "is not for a server"), ("expired", "has expired"),
        ("not-yet-valid", "is not valid yet"),
    ],
)  # fmt: skip
def test_a_pin_forgives_nothing(leaf: str, why: str, tmp_path: Path) -> None:
    """Names, purposes and dates still count."""
    outcome, taken = delivered(showing(leaf), **{f"tlshosts/{NAME}.pem": RECIPES.pem(leaf).decode()})
    right = by_openssl(leaf, leaf, tmp_path)
    assert right == (not why) and outcome.letters == ("rK" if right else "Z") and len(taken) == right
    assert right or f"its certificate {why}. (#4.7.5)" in outcome.report
