# SPDX-License-Identifier: ISC
"""The `dns-log` section: exactly which questions must be asked, in any order, each as often as it is listed."""

from collections import Counter
from collections.abc import Iterable

import dns.exception
import dns.name
import dns.rdatatype

from mocksrv.case.octets import encode


def parse_question(line: str) -> str:
    """A line, `NAME TYPE [tcp]`, in the form of `Question.line`. Raises ValueError saying what is wrong."""
    words = line.split()
    if len(words) not in (2, 3) or words[2:] not in ([], ["tcp"]):
        raise ValueError("expected `NAME TYPE [tcp]`")
    try:
        name, kind = dns.name.from_text(words[0]), dns.rdatatype.from_text(words[1])
    except dns.rdatatype.UnknownRdatatype as error:
        raise ValueError(f"no such type: {words[1]}") from error
    except dns.exception.DNSException as error:
        raise ValueError(str(error)) from error
    return " ".join([name.to_text().lower(), dns.rdatatype.to_text(kind), *words[2:]])


def compared(log: list[str], asked: Iterable[str]) -> tuple[bytes, bytes] | None:
    """Both as text, their common questions in the order of the log; None if they do not differ."""
    others = Counter(asked)
    if others == Counter(log):
        return None
    common: list[str] = []
    for question in log:
        if others[question]:
            others[question] -= 1
            common.append(question)
    return _text(log), _text([*common, *sorted(others.elements())])


def _text(lines: list[str]) -> bytes:
    return b"".join(encode(line) + b"\n" for line in lines)
