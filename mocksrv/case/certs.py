# SPDX-License-Identifier: ISC
"""Certificates for cases: made when a case first names one, from recipes that people can read (`certs/recipes.toml`).

Only RSA keys are kept, because making one takes long: they lie below the temporary directory, for all processes of a
user. Other keys are derived from the name of the recipe.
"""

import datetime
import fcntl
import functools
import hashlib
import ipaddress
import os
import re
import ssl
import tempfile
import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from mocksrv.case import corpus

_FILE = "certs/recipes.toml"
_CURVES: dict[str, ec.EllipticCurve] = {"p256": ec.SECP256R1(), "p384": ec.SECP384R1(), "p521": ec.SECP521R1()}
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
_PURPOSES = {"server": ExtendedKeyUsageOID.SERVER_AUTH, "client": ExtendedKeyUsageOID.CLIENT_AUTH}
_HASHES: dict[int, Callable[[bytes], bytes]] = {
    0: bytes, 1: lambda octets: hashlib.sha256(octets).digest(), 2: lambda octets: hashlib.sha512(octets).digest(),
}  # fmt: skip
_FIELDS: dict[str, tuple[type, ...]] = {
    "issuer": (str,), "subject": (str,), "common-name": (str,), "names": (list,), "other-names": (list,),
    "key": (str,), "owner": (str,), "from": (str, datetime.date), "to": (str, datetime.date), "ca": (bool,),
    "purpose": (str,), "sends": (list,),
}  # fmt: skip

_Key = ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey | rsa.RSAPrivateKey


@dataclass(frozen=True)
class Credential:
    """A certificate, the ones that its owner sends after it (all DER), and its private key (PEM)."""

    name: str
    chain: tuple[bytes, ...]
    key: bytes

    @property
    def pem(self) -> bytes:
        """The chain in PEM."""
        return b"".join(ssl.DER_cert_to_PEM_cert(one).encode() for one in self.chain)


@dataclass(frozen=True)
class Recipes:
    """The recipes that a case sees."""

    case: Path

    def credential(self, name: str) -> Credential:
        """The credential of this name; the same in the whole process. Raises ValueError saying what is wrong."""
        return _mint(corpus.find(self.case, _FILE).resolve()).credential(name)

    def certificates(self, piece: str) -> tuple[bytes, ...]:
        """The certificate of `NAME`, or those of `NAME.chain`. Raises ValueError."""
        name, _, part = piece.partition(".")
        if part not in ("", "chain"):
            raise ValueError(f"expected NAME or NAME.chain, not {piece}")
        chain = self.credential(name).chain
        return chain if part else chain[:1]

    def tlsa(self, text: str) -> str:
        """A zone's text, with the data of TLSA records in place of `{tlsa NAME USAGE SELECTOR MATCHING}`. Raises ValueError."""
        return re.sub(r"\{tlsa (.*?)\}", lambda found: self._association(*found[1].split()), text)

    def _association(self, name: str, *fields: str) -> str:
        """The data of a TLSA record for a certificate (RFC 6698, section 2.1)."""
        if len(fields) != 3 or not all(field.isdecimal() for field in fields):
            raise ValueError("expected {tlsa NAME USAGE SELECTOR MATCHING}, with three numbers")
        usage, selector, matching = map(int, fields)
        if selector not in (0, 1) or matching not in _HASHES:
            raise ValueError("a selector is 0 or 1, and a matching type 0, 1 or 2")
        (certificate,) = self.certificates(name)
        key = x509.load_der_x509_certificate(certificate).public_key()
        spki = key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
        return f"{usage} {selector} {matching} {_HASHES[matching](spki if selector else certificate).hex()}"

    def pem(self, pieces: str) -> bytes:
        """PEM of `NAME` (a certificate), `NAME.chain` (and those sent after it) and `NAME.key`. Raises ValueError."""
        done = b""
        for piece in pieces.split():
            if piece.endswith(".key"):
                done += self.credential(piece.removesuffix(".key")).key
            else:
                done += Credential(piece, self.certificates(piece), b"").pem
        return done


def owner(certificate: bytes) -> str:
    """The subject of a certificate (DER), for people."""
    return x509.load_der_x509_certificate(certificate).subject.rfc4514_string()


@functools.cache
def _mint(file: Path) -> "_Mint":
    return _Mint(file)


class _Mint:
    """The recipes of one file, and what was made from them so far."""

    def __init__(self, file: Path) -> None:
        try:
            self._recipes: dict[str, dict[str, Any]] = tomllib.loads(file.read_text())
        except tomllib.TOMLDecodeError as error:
            raise ValueError(f"{file}: {error}") from error
        self._file = file
        self._made: dict[str, tuple[x509.Certificate, _Key]] = {}

    def credential(self, name: str) -> Credential:
        try:
            certificate, key = self._make(name)
            chain = [certificate, *(self._make(one)[0] for one in self._sent_after(name))]
        except (ValueError, TypeError, RecursionError) as error:  # a name that is not text; a loop of issuers
            raise ValueError(f"{self._file}: {error}") from error
        encoding, form, lock = serialization.Encoding, serialization.PrivateFormat, serialization.NoEncryption()
        der = tuple(one.public_bytes(encoding.DER) for one in chain)
        return Credential(name, der, key.private_bytes(encoding.PEM, form.PKCS8, lock))

    def _recipe(self, name: str) -> dict[str, Any]:
        if name not in self._recipes:
            raise ValueError(f"no such certificate: {name} (there are {', '.join(self._recipes)})")
        recipe = self._recipes[name]
        for field, value in recipe.items():
            if field not in _FIELDS:
                raise ValueError(f"[{name}]: no such field: {field} (there are {', '.join(_FIELDS)})")
            if not isinstance(value, _FIELDS[field]):
                raise ValueError(f"[{name}]: `{field}` cannot be {value!r}")
        if owner := recipe.get("owner"):
            return {"subject": self._recipe(owner).get("subject", owner)} | recipe
        return recipe

    def _sent_after(self, name: str) -> list[str]:
        """The issuers up to the root, which everybody has; unless the recipe says otherwise."""
        recipe = self._recipe(name)
        chain: list[str] = recipe.get("sends", [])
        if "sends" in recipe:
            return chain
        while "issuer" in recipe:
            issuer = recipe["issuer"]
            recipe = self._recipe(issuer)
            if "issuer" in recipe:
                chain.append(issuer)
        return chain

    def _make(self, name: str) -> tuple[x509.Certificate, _Key]:
        if name not in self._made:
            recipe = self._recipe(name)
            owner = recipe.get("owner")
            key = self._make(owner)[1] if owner else _key(name, recipe.get("key", "p256"))
            issuer = recipe.get("issuer", name)
            signer = key if issuer == name else self._make(issuer)[1]
            builder = _described(name, recipe, key, signer).issuer_name(_subject(issuer, self._recipe(issuer)))
            algorithm = None if isinstance(signer, ed25519.Ed25519PrivateKey) else hashes.SHA256()
            self._made[name] = builder.sign(signer, algorithm), key
        return self._made[name]


def _described(name: str, recipe: dict[str, Any], key: _Key, signer: _Key) -> x509.CertificateBuilder:
    """The certificate without its issuer's name and signature."""
    authority = recipe.get("ca", False)
    serial = int.from_bytes(hashlib.sha256(name.encode()).digest()[:8]) | 1
    builder = (
        x509.CertificateBuilder(serial_number=serial, public_key=key.public_key())
        .subject_name(_subject(name, recipe))
        .not_valid_before(_moment(recipe.get("from", "-1d")))
        .not_valid_after(_moment(recipe.get("to", "+90d")))
        .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
        .add_extension(_usage(authority, isinstance(key, rsa.RSAPrivateKey)), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False)
    )
    names = [*map(_other_name, recipe.get("other-names", [])), *map(x509.DNSName, recipe.get("names", []))]
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName(names), False)
    if purpose := recipe.get("purpose", "" if authority else "server"):
        if purpose not in _PURPOSES:
            raise ValueError(f"[{name}]: no such purpose: {purpose} (there are {', '.join(_PURPOSES)})")
        builder = builder.add_extension(x509.ExtendedKeyUsage([_PURPOSES[purpose]]), critical=False)
    return builder


def _other_name(text: str) -> x509.GeneralName:
    """An alternative name that is no dNSName, as its form tells: an address, a mail address or a URI."""
    if "@" in text:
        return x509.RFC822Name(text)
    if "//" in text:
        return x509.UniformResourceIdentifier(text)
    return x509.IPAddress(ipaddress.ip_address(text))


def _subject(name: str, recipe: dict[str, Any]) -> x509.Name:
    parts = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, recipe.get("subject", name))]
    if common_name := recipe.get("common-name"):
        parts.append(x509.NameAttribute(NameOID.COMMON_NAME, common_name))
    return x509.Name(parts)


def _usage(authority: bool, encipherment: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not authority, key_encipherment=encipherment and not authority, key_cert_sign=authority,
        crl_sign=authority, content_commitment=False, data_encipherment=False, key_agreement=False,
        encipher_only=False, decipher_only=False,
    )  # fmt: skip


def _moment(text: str | datetime.date) -> datetime.datetime:
    """A date, or a time from now: `-1d`, `+2h`."""
    if isinstance(text, datetime.date):
        return datetime.datetime(text.year, text.month, text.day)
    found = re.fullmatch(r"([+-]\d+)([smhd])", text)
    if found is None:
        raise ValueError(f"neither a date nor a time from now, such as `+90d`: {text}")
    return datetime.datetime.now(datetime.UTC) + datetime.timedelta(**{_UNITS[found[2]]: int(found[1])})


def _key(name: str, kind: str) -> _Key:
    seed = hashlib.sha256(name.encode()).digest()
    if kind in _CURVES:
        return ec.derive_private_key(int.from_bytes(seed) >> 1, _CURVES[kind])
    if kind == "ed25519":
        return ed25519.Ed25519PrivateKey.from_private_bytes(seed)
    if found := re.fullmatch(r"rsa(\d{4,5})", kind):
        return _rsa(name, int(found[1]))
    raise ValueError(f"[{name}]: no such key: {kind} (there are {', '.join(_CURVES)}, ed25519 and rsa2048)")


def _rsa(name: str, bits: int) -> rsa.RSAPrivateKey:
    """An RSA key, made by the first process that needs it."""
    directory = Path(tempfile.gettempdir(), f"mocksrv-{os.getuid()}")
    directory.mkdir(mode=0o700, exist_ok=True)
    if directory.stat().st_uid != os.getuid():
        return rsa.generate_private_key(65537, bits)
    path = directory / f"{name}-rsa{bits}.pem"
    with (directory / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if path.exists():
            key = serialization.load_pem_private_key(path.read_bytes(), None)
            assert isinstance(key, rsa.RSAPrivateKey)
            return key
        key = rsa.generate_private_key(65537, bits)
        encoding, form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
        fresh = path.with_suffix(".new")
        fresh.write_bytes(key.private_bytes(encoding, form, serialization.NoEncryption()))
        fresh.rename(path)
        return key
