# SPDX-License-Identifier: ISC
"""tls=verify in smtproutes.d: the certification authorities that the system trusts are those of a sandbox."""

import ssl
import subprocess
from pathlib import Path

import pytest

from mocksrv.world import sandbox
from testsuite.peer import Outcome
from testsuite.test_tls import RECIPES, _deliver, context

STORE = Path("/etc/ssl/certs")  # where Debian's GnuTLS looks for ca-certificates.crt
VERIFY = {"smtproutes.d/default": "tls=verify\n"}

pytestmark = [
    pytest.mark.skipif(sandbox.available() is not None, reason=f"{sandbox.available()}"),
    pytest.mark.skipif(not STORE.is_dir(), reason=f"no {STORE}, where GnuTLS would look"),
]


def _deliver_trusting(trusted: str, secrets: ssl.SSLContext | None, control: dict[str, str]) -> tuple[Outcome, list[bytes]]:
    subprocess.run(["mount", "-t", "tmpfs", "none", STORE], check=True)
    (STORE / "ca-certificates.crt").write_bytes(RECIPES.pem(trusted) if trusted else b"")
    return _deliver(secrets, b"Subject: hi\n\nHello.\n", control)


def delivered(trusted: str, certificate: str, control: dict[str, str]) -> tuple[Outcome, list[bytes]]:
    """One delivery from a system that trusts these certificates."""
    secrets = context(certificate) if certificate else None
    return sandbox.run(_deliver_trusting, trusted, secrets, control)


@pytest.mark.spec("RTD-6", "RES-9")
@pytest.mark.parametrize("certificate", ["mx", "mx-rsa", "mx-by-intermediate", "mx-wildcard", "mx-of-many"])
@pytest.mark.parametrize("trusted", ["ca", "other-ca ca"])
def test_a_trusted_authority(trusted: str, certificate: str) -> None:
    """The server proves its name, by itself or through an intermediate."""
    outcome, taken = delivered(trusted, certificate, VERIFY)
    assert outcome.letters == "rK" and len(taken) == 1
    assert ", verified)." in outcome.report


@pytest.mark.spec("RTD-6")
@pytest.mark.parametrize(
    ("trusted", "certificate", "why"),
    [
        ("other-ca", "mx", "has an unknown issuer"),
        ("ca", "mx-self-signed", "has an unknown issuer"),
        ("ca", "by-impostor", "has an unknown issuer"),
        ("ca", "other-name", "is for another name"),
        ("ca", "expired", "has expired"),
        ("ca", "for-clients", "is not for a server"),
    ],
)
def test_a_certificate_that_proves_nothing(trusted: str, certificate: str, why: str) -> None:
    """Nothing is sent, and the reason is told."""
    outcome, taken = delivered(trusted, certificate, VERIFY)
    assert (outcome.letters, taken) == ("Z", [])
    assert f"cannot be trusted: its certificate {why}. (#4.7.5)" in outcome.report


@pytest.mark.spec("RTD-6")
def test_a_relay_is_verified_by_its_own_name() -> None:
    """The host that the mail is for does not matter."""
    relay = {"smtproutes.d/default": "relay=mx.example.org\ntls=verify\n"}
    assert delivered("ca", "mx", relay)[0].letters == "rK"
    assert delivered("ca", "other-name", relay)[0].letters == "Z"


@pytest.mark.spec("RTD-6")
def test_a_system_that_trusts_nobody() -> None:
    """It is a trouble of this machine."""
    outcome, taken = delivered("", "mx", VERIFY)
    assert (outcome.letters, taken) == ("Z", [])
    assert outcome.report == "ZGnuTLS cannot be used: this system trusts no certification authority. (#4.3.0)\n"


@pytest.mark.spec("RTD-6", "TLS-4")
def test_a_file_in_tlshosts_takes_its_place() -> None:
    """What the system trusts does not count then."""
    pinned = VERIFY | {"tlshosts/mx.example.org.pem": RECIPES.pem("other-ca").decode()}
    assert delivered("ca", "mx", pinned)[0].letters == "Z"
    pinned = VERIFY | {"tlshosts/mx.example.org.pem": RECIPES.pem("ca").decode()}
    assert delivered("other-ca", "mx", pinned)[0].letters == "rK"


@pytest.mark.spec("TLS-5", "RTD-6")
@pytest.mark.parametrize("control", [{}, {"smtproutes.d/default": "tls=must\n"}], ids=["may", "must"])
def test_it_is_not_read_where_nothing_is_verified(control: dict[str, str]) -> None:
    """An empty one does no harm."""
    assert delivered("", "mx", control)[0].letters == "rK"
