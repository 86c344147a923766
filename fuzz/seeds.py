# SPDX-License-Identifier: ISC
"""Inputs for the fuzzer's targets, made from fixtures, and those of fuzz/found. Each target says in its first lines what its input is."""

import shlex
from collections.abc import Iterable, Iterator
from pathlib import Path

import dns.message

from mocksrv.case.file import Case, read_case
from mocksrv.case.octets import encode, unescape
from mocksrv.case.steps import Close, Dialogue, Either, HalfClose, Hear, Refuse, Reset, Say, Split, Starttls, Step
from mocksrv.case.templates import find_cases

ROOT = Path(__file__).parent.parent
FOUND = ROOT / "fuzz/found"
END = b"\xff"
WAIT, SPLIT, INTERRUPT, HANG_UP, RESET = b"\0", b"\1", b"\2", b"\3", b"\4"  # fuzz/world.c: enum cue
NEXT, NO_TLS, SLOW = b"\6", b"\7", b"\b"
MESSAGE_MOST = 5000
CONTROLS = (
    "helohost", "me", "timeoutconnect", "timeoutremote", "chunksizeremote", "dnsservers", "outgoingip", "outgoingip6",
    "families", "smtproutes",
)  # fmt: skip


def cells(table: str, column: int) -> Iterator[bytes]:
    """A column of a table."""
    for line in (ROOT / f"fixtures/tables/{table}.tsv").read_text().splitlines():
        if line and not line.startswith("#"):
            yield unescape(line.split("\t")[column])


def arguments(case: Case) -> list[bytes]:
    """Those of the client: host, sender, recipients."""
    return [encode(word) for word in shlex.split(case.run)[1:]]


def address(cases: list[Case]) -> Iterator[bytes]:
    """Arguments, and tables."""
    for table in ("mailboxes", "names", "literals"):
        yield from cells(table, 0)
    for case in cases:
        yield from arguments(case)


def answer(cases: list[Case]) -> Iterator[bytes]:
    """What the name servers of the cases say about each name that they know."""
    for case in cases:
        for zone in (server.zone for server in case.servers):
            for name in {name for name, _ in (*zone.records, *zone.faults)}:
                for digit, kind in enumerate(("MX", "A", "AAAA", "TLSA")):
                    query = dns.message.make_query(name, kind, id=0)
                    wire = zone.answer(query, tcp=True).wire
                    if wire is not None:
                        asked = b"%d%b" % (digit, name.to_text().encode()) + END
                        yield from (asked + wire, asked + wire[:-1])  # cut, too


def ciphers(cases: list[Case]) -> Iterator[bytes]:
    """Cipher lists."""
    for table in ("cipher-lists", "cipher-sets", "cipher-errors"):
        yield from cells(table, 0)
    yield from (control.octets for case in cases for name, control in case.control.items() if name == "tlsclientciphers")


def control(cases: list[Case]) -> Iterator[bytes]:
    """The control files, the host argument of each case, and its file of smtproutes.d; the routes of the table."""
    for case in cases:
        files = [case.control[name].octets if name in case.control else b"" for name in CONTROLS]
        routes = [one.octets for name, one in case.control.items() if name.startswith("smtproutes.d/")] or [b""]
        yield END.join([files[0] or b"client.example\n", *files[1:], *arguments(case)[:1], routes[0]])
    for line, host in zip(cells("route-lines", 0), cells("route-lines", 1)):
        yield END.join([b"a", *[b""] * (len(CONTROLS) - 2), line, host])


def mime(cases: list[Case]) -> Iterator[bytes]:
    """The messages, for each server."""
    messages = {case.message for case in cases}
    messages |= {b"Content-Type:" + text + b"\n\n--b\n\n\xe4\n--b--\n" for text in cells("content-types", 0)}
    for message in messages:
        if len(message) <= MESSAGE_MOST:
            yield from (b"%d" % server + message for server in (0, 1, 2, 4))


def reply(cases: list[Case]) -> Iterator[bytes]:
    """What servers say in one go."""
    for table in ("enhanced-codes", "ehlo-lines"):
        yield from (b"0" + text + b"\r\n" for text in cells(table, 0))
    for case in cases:
        for dialogue in case.dialogues:
            yield from (b"7" + said for said in turns(dialogue.steps) if said >= b"\x08")


def turns(steps: Iterable[Step]) -> list[bytes]:
    """What a server says, before the client does, and after each time; the first branch of alternatives counts."""
    said, waits = [b""], False
    for step in steps:
        if isinstance(step, Either):
            said, waits = said + turns(step.branches[0]), False
        elif isinstance(step, Hear):
            waits = True
        elif octets := spoken(step):
            if waits:
                said.append(b"")
            said[-1] += octets
            waits = False
    return said


def spoken(step: Step) -> bytes:
    """What a step puts into the input."""
    if isinstance(step, Say):
        return bytes(octet for octet in step.octets if 9 <= octet < 0xFF)
    if isinstance(step, (Close, HalfClose)):
        return HANG_UP
    if isinstance(step, Starttls) and step.terms.fails:
        return NO_TLS
    return RESET if isinstance(step, Reset) else SPLIT if isinstance(step, Split) else b""


def session(cases: list[Case]) -> Iterator[bytes]:
    """The dialogues; also with a route that demands TLS or switches it off, with a file that changes, with servers that
    are slow to connect, and with some that say the last thing before they heard all.
    """
    for case in cases:
        if len(case.message) <= MESSAGE_MOST and case.dialogues:
            chunk = case.control["chunksizeremote"].octets.strip() if "chunksizeremote" in case.control else b""
            digits = b"0%c" % (48 + max(0, len(arguments(case)) - 3)) + (chunk if len(chunk) == 1 else b"0")
            servers = [server(one) for one in case.dialogues]
            last = b"2" if any(b"\npassword=" in control.octets for control in case.control.values()) else b"0"
            yield digits + b"00" + last + END + NEXT.join(servers) + END + case.message
            for tls in (b"3", b"6", b"9") if b"STARTTLS" in b"".join(servers) else ():
                yield tls + digits[1:] + b"000" + END + NEXT.join(servers) + END + case.message
            yield digits + b"001" + END + NEXT.join(servers) + END + case.message
            yield digits + b"000" + END + SLOW + (NEXT + SLOW + SLOW).join(servers) + END + case.message
            yield digits + b"900" + END + NEXT.join(map(interrupting, servers)) + END + case.message


def server(dialogue: Dialogue) -> bytes:
    """What a server says in a dialogue."""
    return b"" if any(isinstance(step, Refuse) for step in dialogue.steps) else WAIT.join(turns(dialogue.steps))


def interrupting(said: bytes) -> bytes:
    """The same, but the last of it comes while the client may still write."""
    before, wait, last = said.rpartition(WAIT)
    return before + (INTERRUPT if wait else b"") + last


TARGETS = {make.__name__: make for make in (address, answer, ciphers, control, mime, reply, session)}


def write(directory: Path, targets: Iterable[str]) -> None:
    """Writes the seeds of targets, and the inputs that showed a fault once, into a folder for each."""
    cases = [read_case(path) for path in find_cases(ROOT / "fixtures/cases")]
    for target in targets:
        folder = directory / target
        folder.mkdir(parents=True, exist_ok=True)
        for number, seed in enumerate(sorted(set(TARGETS[target](cases)))):
            (folder / f"seed-{number:04}").write_bytes(seed)
        for file in FOUND.glob(f"{target}/*"):
            (folder / file.name).write_bytes(file.read_bytes())
