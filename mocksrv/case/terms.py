# SPDX-License-Identifier: ISC
"""The terms of a handshake: the arguments of `@starttls`."""

import re
import ssl
from dataclasses import dataclass

from mocksrv.case.certs import Credential, Recipes
from mocksrv.play.openssl import SUITES

VERSIONS = {f"1.{minor}": ssl.TLSVersion[f"TLSv1_{minor}" if minor else "TLSv1"] for minor in range(4)}
_VERSION = r"1\.[0-3]"
# The values of each option: a regular expression, and its form for people.
_OPTIONS = {
    "cert": (r"\S+", "NAME"),
    "client": ("accepts|rejects", "accepts|rejects"),
    "alert": ("[a-z_]+", "NAME"),
    "server": ("accepts|rejects", "accepts|rejects"),
    "sni": (r"\S+", "NAME|none"),
    "ask": (r"\S+", "NAME[.chain]|none"),
    "version": (_VERSION, "1.0|1.1|1.2|1.3"),
    "min": (_VERSION, "1.0|1.1|1.2|1.3"),
    "max": (_VERSION, "1.0|1.1|1.2|1.3"),
    "ciphers": (r"\S+", "LIST"),
    "suite": (r"\S+", "NAME"),
    "tickets": (r"\d", "N"),
    "records": (r"[1-9]\d*", "N"),
    "cut": (r"[12](:\d+)?", "1|2[:N]"),
}


@dataclass(frozen=True)
class Cut:
    """Where the server falls silent: in its nth flight, after so many octets (None: after all of it)."""

    flight: int
    octets: int | None


@dataclass(frozen=True)
class Terms:
    """What the server does in a handshake, and what the client must do."""

    credential: Credential
    client: str = "accepts"  # or rejects: it must end the handshake
    alert: str | None = None  # with which the client must end it, if it matters
    server: str = "accepts"  # or rejects: it ends the handshake, with an alert
    sni: str | None = None  # None: the host's name, or none if that is an address
    asks: bool = False  # whether the server requests a certificate
    shown: tuple[bytes, ...] | None = None  # the certificates (DER) that the client must send, if it matters
    lowest: ssl.TLSVersion = ssl.TLSVersion.TLSv1_2
    highest: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3
    ciphers: str = "DEFAULT"  # up to TLS 1.2
    suites: tuple[str, ...] = SUITES  # of TLS 1.3
    suite: str | None = None  # what must have been negotiated, if it matters
    tickets: int = 2
    records: int = 1 << 14  # the most octets in one record
    cut: Cut | None = None

    @property
    def fails(self) -> bool:
        """Whether the handshake must fail, which ends the dialogue."""
        return "rejects" in (self.client, self.server)


def parse_terms(recipes: Recipes, text: str) -> Terms:
    """The terms in `cert=NAME [OPTION ...]`. Raises ValueError saying what is wrong."""
    given = _options(text)
    if "cert" not in given:
        raise ValueError("expected `@starttls cert=NAME [OPTION ...]`")
    _check(given)
    lowest, highest = _versions(given)
    ciphers, suites = _ciphers(given.get("ciphers", ""))
    asked = given.get("ask", "")
    flight, _, octets = given.get("cut", "").partition(":")
    return Terms(
        recipes.credential(given["cert"]),
        **{name: given[name] for name in ("client", "alert", "server", "sni", "suite") if name in given},
        asks="ask" in given, shown=(() if asked == "none" else recipes.certificates(asked)) if asked else None,
        lowest=lowest, highest=highest, ciphers=ciphers, suites=suites, tickets=int(given.get("tickets", 2)),
        records=int(given.get("records", 1 << 14)),
        cut=Cut(int(flight), int(octets) if octets else None) if flight else None,
    )  # fmt: skip


def _options(text: str) -> dict[str, str]:
    given: dict[str, str] = {}
    for word in text.split():
        name, equals, value = word.partition("=")
        if name not in _OPTIONS:
            raise ValueError(f"no such option: {name} (there are {' '.join(_OPTIONS)})")
        form, usage = _OPTIONS[name]
        if not re.fullmatch(form, value) and (name != "ask" or equals):
            raise ValueError(f"expected `{name}={usage}`")
        if name in given:
            raise ValueError(f"a second `{name}`")
        given[name] = value
    return given


def _check(given: dict[str, str]) -> None:
    """Checks that the options fit together."""
    ends = [name for name in ("client", "server") if given.get(name) == "rejects"] + ["cut"] * ("cut" in given)
    if len(ends) > 1:
        raise ValueError(f"only one of these can end the handshake: {', '.join(ends)}")
    if "alert" in given and given.get("client") != "rejects":
        raise ValueError("`alert` needs client=rejects")
    if "version" in given and ("min" in given or "max" in given):
        raise ValueError("`version` sets both `min` and `max`")
    for name in ("suite", "records"):
        if ends and name in given:
            raise ValueError(f"`{name}` has no meaning where the handshake is not completed")


def _versions(given: dict[str, str]) -> tuple[ssl.TLSVersion, ssl.TLSVersion]:
    """The lowest and the highest; by default 1.2 and 1.3."""
    highest = given.get("version") or given.get("max") or max("1.3", given.get("min", ""))
    lowest = given.get("version") or given.get("min") or min("1.2", highest)
    if lowest > highest:
        raise ValueError("`min` is above `max`")
    return VERSIONS[lowest], VERSIONS[highest]


def _ciphers(text: str) -> tuple[str, tuple[str, ...]]:
    """OpenSSL's list for TLS 1.2, and the suites of TLS 1.3, whose names begin with TLS_."""
    words = [word for word in text.split(":") if word]
    suites = [word for word in words if word.startswith("TLS_")]
    if unknown := [word for word in suites if word not in SUITES]:
        raise ValueError(f"no such suite: {unknown[0]} (TLS 1.3 has {' '.join(SUITES)})")
    others = ":".join(word for word in words if word not in suites) or "DEFAULT"
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).set_ciphers(others)
    except ssl.SSLError as error:
        raise ValueError(f"OpenSSL supports no cipher of these: {others}") from error
    return others, tuple(suites) or SUITES
