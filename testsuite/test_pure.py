# SPDX-License-Identifier: ISC
"""The structs of pure.py are those of the headers; otherwise its tests would read the wrong octets."""

import ctypes
import re
import subprocess
from pathlib import Path

from testsuite import pure

ENUMS = (
    "NAME_SIZE", "REPLY_LINE_MAX", "REPLY_LINES_MAX", "REPLY_MAX", "REPLY_ENHANCED_SIZE", "REPORT_REPLY_MAX",
    "REPORT_MAX", "EXCHANGERS_MAX", "CANDIDATES_MAX", "REPLY_INCOMPLETE", "REPLY_COMPLETE", "REPLY_MALFORMED",
    "STREAM_OUT", "STREAM_IN", "STREAM_AGAIN", "STREAM_FAILED", "STREAM_READABLE", "STREAM_WRITABLE", "STREAM_OK",
    "STREAM_END", "STREAM_TIMEOUT", "STREAM_BROKEN", "LINE_MAX_TEXT", "QP_LINE_MAX", "BOUNDARY_MAX", "ENCODER_ROOM_MIN",
    "NEST_MAX", "NEST_BOUNDARIES_MAX", "NEST_PLACE_SIZE", "ENCODING_7BIT", "ENCODING_8BIT", "ENCODING_BINARY",
    "ENCODING_QUOTED_PRINTABLE", "ENCODING_BASE64", "SUITES", "CIPHERS_WIDE", "CIPHERS_NARROW", "ALIASES_MAX", "CHAIN_MAX",
    "DNS_FOUND", "DNS_NO_DATA", "DNS_NO_NAME", "DNS_ALIAS", "DNS_NOWHERE", "DNS_NULL_MX", "DNS_NO_ANSWER", "DNS_NO_MEMORY",
    "EHLO_MECHANISMS", "ROUTE_TLS_MAY", "ROUTE_TLS_MUST", "ROUTE_TLS_VERIFY", "ROUTE_TLS_OFF",
)  # fmt: skip
SRC = pure.ROOT / "src"


def header(name: str) -> Path:
    """The header of that name, in whichever folder it is."""
    (found,) = SRC.rglob(f"{name}.h")
    return found


def layout(struct: type[ctypes.Structure]) -> list[int]:
    """Size, and offset and size of each member."""
    members = [getattr(struct, name) for name, _ in struct._fields_]
    return [ctypes.sizeof(struct), *(number for one in members for number in (one.offset, one.size))]


def compiler_view(directory: Path) -> dict[str, list[int]]:
    """The same, and the constants, as the C compiler sees them."""
    prints = [f'printf("{name} %d\\n", (int){name});' for name in ENUMS]
    for tag, struct in pure.STRUCTS.items():
        sizes = [f"sizeof(struct {tag})"]
        for name, _ in struct._fields_:
            sizes += [f"offsetof(struct {tag}, {name})", f"sizeof((struct {tag} *)0)->{name}"]
        prints.append(f'printf("{tag}{" %zu" * len(sizes)}\\n", {", ".join(sizes)});')
    headers = ["encoder", "qp", "form", "ehlo", "route"]
    headers += ["ciphers", "cipherlist", "answer", "tlsa", "exchangers", "envelope", "stream"]
    includes = "\n".join([*(f'#include "{header(name)}"' for name in headers), "#include <stdio.h>"])
    (directory / "view.c").write_text(f"{includes}\nint main(void)\n{{\n{chr(10).join(prints)}\n}}\n")
    compiler = ["cc", "-std=c11", "-D_GNU_SOURCE", "-iquote", SRC]
    subprocess.run([*compiler, "-o", directory / "view", directory / "view.c"], check=True)
    lines = subprocess.run([directory / "view"], capture_output=True, text=True, check=True).stdout.splitlines()
    return {line.split()[0]: [int(word) for word in line.split()[1:]] for line in lines}


def test_structs_and_constants_are_those_of_the_headers(tmp_path: Path) -> None:
    """Every offset, size and constant of the bindings is the compiler's."""
    expected = compiler_view(tmp_path)
    assert expected == {name: [getattr(pure, name)] for name in ENUMS} | {t: layout(s) for t, s in pure.STRUCTS.items()}


def test_no_member_is_missing() -> None:
    """Every struct that a header of the pure floors defines has all its members here."""
    headers = (
        "text", "buf", "lines", "header", "words", "nest", "entity", "mime", "encoder", "form", "reply",
        "report", "ehlo", "address", "route", "suites", "cipherlist", "ciphers", "answer", "tlsa", "exchangers", "envelope",
    )  # fmt: skip
    text = "".join(header(name).read_text() for name in headers)
    text = re.sub(r"/\*.*?\*/", "", text, flags=re.S)
    for tag, body in re.findall(r"^struct (\w+) \{\n(.*?)^\};", text, re.M | re.S):
        members = re.findall(r"(\w+)(?:\[[\w +]+\])*;", re.sub(r"\{.*?\}", "", body))
        assert members == [name for name, _ in pure.STRUCTS[tag]._fields_], tag
