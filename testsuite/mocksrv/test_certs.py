# SPDX-License-Identifier: ISC
"""Certificates are what their recipes say, as OpenSSL judges them; and the errors in wrong recipes."""

import hashlib
import multiprocessing
import os
import re
import ssl
import subprocess
import tomllib
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.x509.oid import NameOID

from mocksrv.case import certs
from mocksrv.case.certs import Recipes
from testsuite.mocksrv.serving import PATIENCE

HERE = Path(__file__).parent
FILE = HERE.parent.parent / "fixtures/certs/recipes.toml"
RECIPES = Recipes(HERE / "a.case")
SPKI = serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
GOOD = ["mx", "mx-of-many", "mx-by-intermediate", "mx-wildcard", "mx-common-name", "mx-upper-case"]
GOOD += ["mx-rsa", "mx-p384", "mx-ed25519"]
# What OpenSSL says of the others, for mx.example.org and `ca`.
BAD = {
    "other-name": "mismatch",
    "only-common-name-fits": "mismatch",
    "wildcard-for-part": "mismatch",
    "wildcard-for-two": "mismatch",
    "wildcard-inside": "mismatch",
    "nul-in-name": "mismatch",
    "idn": "mismatch",
    "expired": "certificate has expired",
    "by-expired-ca": "unable to get local issuer",
    "not-yet-valid": "not yet valid",
    "mx-in-2031": "not yet valid",
    "by-unknown-ca": "unable to get local issuer",
    "intermediate-missing": "unable to get local issuer",
    "by-impostor": "unable to get local issuer|signature failure",
    "by-other-name": "invalid CA|unable to get",
    "mx-self-signed": "self.signed certificate",
    "for-clients": "purpose",
}


def judged(name: str, tmp_path: Path, anchors: str = "ca") -> str:
    """The error that a careful client finds in a server's certificate; empty if it is good."""
    (tmp_path / "server").write_bytes(RECIPES.pem(f"{name}.chain {name}.key"))
    (tmp_path / "anchors").write_bytes(RECIPES.pem(anchors))
    server, client = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    server.load_cert_chain(tmp_path / "server")
    client.load_verify_locations(tmp_path / "anchors")
    one, other = ssl.MemoryBIO(), ssl.MemoryBIO()
    sides = client.wrap_bio(one, other, server_hostname="mx.example.org"), server.wrap_bio(other, one, server_side=True)
    for side in (*sides, *sides):
        try:
            side.do_handshake()
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLCertVerificationError as error:
            return f"{error}"
    return ""


@pytest.mark.parametrize("name", GOOD)
def test_good_ones(name: str, tmp_path: Path) -> None:
    assert judged(name, tmp_path) == ""


@pytest.mark.parametrize("name", BAD)
def test_bad_ones(name: str, tmp_path: Path) -> None:
    assert re.search(BAD[name], judged(name, tmp_path), re.IGNORECASE)


def test_what_is_good_with_other_anchors(tmp_path: Path) -> None:
    assert judged("mx-self-signed", tmp_path, "mx-self-signed") == ""
    assert judged("by-unknown-ca", tmp_path, "ca other-ca") == ""
    assert judged("by-impostor", tmp_path, "impostor-ca") == ""
    assert judged("intermediate-missing", tmp_path, "ca intermediate") == ""
    assert "expired" in judged("self-signed-expired", tmp_path, "self-signed-expired")
    assert "expired" in judged("by-expired-ca", tmp_path, "expired-ca")


def test_every_recipe_can_be_made() -> None:
    for name in tomllib.loads(FILE.read_text()):
        assert RECIPES.credential(name).name == name


def test_names() -> None:
    name = subject("mx-common-name").get_attributes_for_oid(NameOID.COMMON_NAME)[0].value
    assert (name, names("mx-common-name")) == ("mx.example.org", [])
    assert names("nul-in-name") == ["mx.example.org\0.example.net"]
    assert names("idn") == ["mx.xn--bcher-kva.example"]
    assert [str(one) for one in names("mx-common-name-and-others", x509.IPAddress)] == ["192.0.2.25"]
    assert names("mx-common-name-and-others", x509.RFC822Name) == ["postmaster@example.org"]
    assert names("mx-common-name-and-others", x509.UniformResourceIdentifier) == ["https://mx.example.org/"]
    assert names("mx-common-name-and-others") == []


def certificate(name: str) -> x509.Certificate:
    return x509.load_der_x509_certificate(RECIPES.certificates(name)[0])


def subject(name: str) -> x509.Name:
    return certificate(name).subject


def public(name: str) -> bytes:
    return certificate(name).public_key().public_bytes(*SPKI)


def names(name: str, kind: type[Any] = x509.DNSName) -> list[Any]:
    try:
        found = certificate(name).extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except x509.ExtensionNotFound:
        return []
    return found.value.get_values_for_type(kind)


def test_an_impostor_calls_itself_the_same() -> None:
    assert subject("impostor-ca") == subject("ca")
    assert public("impostor-ca") != public("ca")


def test_one_key_with_two_certificates() -> None:
    assert subject("cross-signed-ca") == subject("ca") and public("cross-signed-ca") == public("ca")
    assert certificate("cross-signed-ca").issuer == subject("other-ca") != certificate("ca").issuer


def times(name: str) -> tuple[datetime, datetime]:
    """From when to when a certificate is valid. cryptography 42 and later want the zone named."""
    zone = "_utc" if hasattr(x509.Certificate, "not_valid_after_utc") else ""
    return tuple(getattr(certificate(name), f"not_valid_{end}{zone}") for end in ("before", "after"))


def test_times() -> None:
    assert str(times("mx-in-2031")[0])[:10] == "2031-01-01"
    start, end = times("expired")
    assert (end - start).days == 89


def test_chains() -> None:
    chain = RECIPES.certificates("mx-by-intermediate.chain")
    assert chain == RECIPES.certificates("mx-by-intermediate") + RECIPES.certificates("intermediate")
    assert RECIPES.certificates("mx.chain") == RECIPES.certificates("mx")
    assert RECIPES.certificates("intermediate-missing.chain") == RECIPES.certificates("intermediate-missing")


def test_pem() -> None:
    pem = RECIPES.pem("client.key mx client.chain")
    assert re.findall("BEGIN ([A-Z ]+)", pem.decode()) == ["PRIVATE KEY", *["CERTIFICATE"] * 3]
    key = serialization.load_pem_private_key(pem, None)
    assert key.public_key().public_bytes(*SPKI) == public("client") != public("other-client")
    assert RECIPES.pem("mx") == Recipes(HERE / "cases/other.case").pem("mx"), "minted once"


@pytest.mark.parametrize(
    ("recipe", "what"),
    [
        ('[x]\nisuer = "x"', "no such field: isuer"),
        ('[x]\nnames = "x"', "`names` cannot be 'x'"),
        ('[x]\nkey = "dsa"', "no such key: dsa"),
        ('[x]\npurpose = "mail"', "no such purpose: mail"),
        ('[x]\nto = "tomorrow"', "neither a date nor a time from now, such as `.90d`: tomorrow"),
        ('[x]\nfrom = "+2d"\nto = "+1d"', "recipes.toml: "),
        ('[x]\nissuer = "y"', "no such certificate: y"),
        ('[x]\nissuer = "y"\n[y]\nissuer = "x"', "recursion"),
        ('[x]\nsends = ["y"]', "no such certificate: y"),
        ("[x]\nnames = [1]", "recipes.toml: "),
        ('[x]\nother-names = ["1.2.3"]', "'1.2.3' does not appear to be an IPv4 or IPv6 address"),
        ('[x]\nowner = "y"', "no such certificate: y"),
        ('[x]\nowner = "x"', "recursion"),
        ("[y]", r"no such certificate: x .there are y."),
        ("[x", "recipes.toml: "),
    ],
)
def test_errors(tmp_path: Path, recipe: str, what: str) -> None:
    (tmp_path / "certs").mkdir()
    (tmp_path / "certs/recipes.toml").write_text(recipe)
    with pytest.raises(ValueError, match=f"(?s)^{tmp_path}.*{what}"):
        Recipes(tmp_path / "cases/topic/a.case").pem("x")


def test_without_recipes(tmp_path: Path) -> None:
    """A case anywhere sees ours."""
    assert Recipes(tmp_path / "a.case").pem("mx") == RECIPES.pem("mx")
    with pytest.raises(ValueError, match="expected NAME or NAME.chain, not mx.pem"):
        RECIPES.pem("mx.pem")


@pytest.mark.parametrize("name", ["mx", "mx-rsa", "ca"])
@pytest.mark.parametrize("selector", [0, 1])
def test_tlsa_records(name: str, selector: int) -> None:
    """The data are what openssl makes of the certificate."""
    command = ["openssl", "x509", "-inform", "PEM", *(["-noout", "-pubkey"] if selector else ["-outform", "DER"])]
    octets = subprocess.run(command, input=RECIPES.pem(name), capture_output=True, check=True).stdout
    if selector:
        octets = subprocess.run(["openssl", "pkey", "-pubin", "-outform", "DER"], input=octets, capture_output=True, check=True).stdout
    hashes = [octets, hashlib.sha256(octets).digest(), hashlib.sha512(octets).digest()]
    for matching, expected in enumerate(hashes):
        told = RECIPES.tlsa(f"a. TLSA {{tlsa {name} 2 {selector} {matching}}} ;@ad")
        assert told == f"a. TLSA 2 {selector} {matching} {expected.hex()} ;@ad"


def test_processes_share_rsa_keys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many start at once."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    context = multiprocessing.get_context("spawn")
    with context.Pool(4, context.Barrier(4).wait, (PATIENCE,)) as pool:
        found = set(pool.map(_modulus, range(4), chunksize=1))
    assert len(found) == 1
    directory = tmp_path / f"mocksrv-{os.getuid()}"
    assert directory.stat().st_mode & 0o777 == 0o700
    assert sorted(path.name for path in directory.iterdir()) == ["lock", "x-rsa1024.pem"]


def _modulus(_: int) -> int:
    return certs._rsa("x", 1024).public_key().public_numbers().n
