# SPDX-License-Identifier: ISC
"""The client under test: a program with qmail-remote's interface, another MTA through its adapter, or a shell command
that is given a server.
"""

import os
import re
import shlex
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from mocksrv.adapters import ADAPTERS, adapter_named
from mocksrv.adapters.base import Adapter, quoted
from mocksrv.case.file import FAILED, Case, Expectation, Leeway
from mocksrv.case.octets import decode, encode
from mocksrv.case.script import CaseError
from mocksrv.world import home

_PACKAGE = Path(__file__).parent.parent.parent
# Control files that fit every client: it can be told its name, and the size of chunks is its own choice anyway.
_OURS = {"me", "helohost", "chunksizeremote"}
_OUTCOMES = {0: "delivered", 4: "deferred", 5: "refused"}  # by the first digit of a reply, 0 if there was no trouble
_NOT_RUN = (None, 126, 127)  # statuses: it did not end, or sh(1) could not run it
_QMAIL = _OURS | {"smtproutes", "timeoutconnect", "timeoutremote"}  # those of qmail-remote(8); others are from patches


@dataclass(frozen=True)
class Client:
    """A client. `name` is what a case calls it (`expect-NAME`); `told` is how people name it on the command line."""

    name: str
    told: str
    program: Path | None = None  # with qmail-remote's interface
    command: str | None = None  # for sh(1), and given a server by its environment; neither: it has an adapter

    @property
    def adapter(self) -> type[Adapter] | None:
        """What gives it qmail-remote's interface. It makes namespaces of its own."""
        return ADAPTERS[self.name] if self.program is None and self.command is None else None

    @property
    def is_qremote(self) -> bool:
        """Whether it claims to be Qremote, which is bound to all that a case says: it is named by its path alone."""
        return self.program is not None and not self.told.startswith("qmail:")

    @property
    def users(self) -> bool:
        """Whether it needs a sandbox in which it can become other users."""
        return self.adapter is not None and bool(self.adapter.users)

    def missing(self) -> str | None:
        """Why it cannot be run here; None if it can."""
        if self.program is not None:
            return None if os.access(self.program, os.X_OK) else f"{self.program}: no such program"
        if self.command is not None:
            word = shlex.split(self.command)[0]
            known = ["sh", "-c", 'command -v "$1"', "sh", word]
            plain = re.fullmatch(r"[\w./+-]+", word)  # no assignment, and no syntax
            found = not plain or subprocess.run(known, stdout=subprocess.DEVNULL, check=False).returncode == 0
            return None if found else f"{word}: no such command"
        return adapter_named(self.told).missing()

    def version(self) -> str:
        """Its version, if it is known without running it."""
        return adapter_named(self.told).version() if self.adapter else ""

    def unfit(self, case: Case) -> str | None:
        """Why a case does not apply to this client; None if it does."""
        if case.scope == "exact":
            return "it is about the exact octets"
        if self.is_qremote:
            return None
        known = _QMAIL if self.program else _OURS | (self.adapter.control if self.adapter else set())
        manners = self.program is not None  # an adapter has no such files
        strange = [name for name, one in case.control.items() if name not in known or one.manner and not manners]
        if strange:
            return f"it is about control/{min(strange)}"
        words = delivery(case)
        if words is None or not case.run.startswith("Qremote "):
            return "it is more than one plain delivery"
        if self.program is not None:
            return None
        if case.scope == "qmail":
            return "it is about qmail-remote's interface"
        host, _, *recipients = words
        if any(one.rpartition("@")[2].lower().rstrip(".") != host.lower().rstrip(".") for one in recipients):
            return "its host is not the domain of its recipients"
        if not (self.adapter and self.adapter.resolves) and not _one_server(case):
            return "it is about finding the server, but this client is told its name"
        return None

    def expectation(self, case: Case) -> Expectation | None:
        """How it must differ from the case."""
        return case.expectation(self.name) if self.command is None else None

    def leeway(self, case: Case) -> Leeway | None:
        """What it is less bound to than to a MUST."""
        return None if self.is_qremote else case.leeway

    def install(self, path: Path, case: Case) -> None:
        """Makes the executable file that a case calls Qremote."""
        if self.program is not None:
            path.symlink_to(self.program)
            return
        if self.command is not None:
            script = _script(self.command, path.parent.parent, case)
        else:
            server = next((one.host for one in case.dialogues if not one.never), "")
            command = [sys.executable, "-m", "mocksrv.adapters", self.told]
            environment = f"PYTHONPATH={shlex.quote(str(_PACKAGE))} MOCKSRV_SERVER={shlex.quote(server)}"
            script = f'{environment} exec {shlex.join(command)} "$@"'
        path.write_bytes(encode(f"#!/bin/sh\n{script}\n"))
        path.chmod(0o755)


def outcomes_of_command(case: Case, status: int | None, output: bytes) -> tuple[str, ...]:
    """The outcome for each recipient, from the exit status of a command and what it prints. Empty if it did not run.

    The status is the first digit of the reply that refused it, or 0; a line `RECIPIENT CODE` tells of one recipient.
    """
    if status in _NOT_RUN:
        return ()
    recipients = [encode(quoted(one)) for one in (delivery(case) or [])[2:]]
    said = dict(re.findall(rb"(?m)^(.+) ([0-9]{3})\r?$", output))
    others = _OUTCOMES.get(status or 0, FAILED)
    return tuple(_OUTCOMES.get(int(said[one][:1]), FAILED) if one in said else others for one in recipients)


def find(told: str) -> Client:
    """The client that `told` names: PATH, qmail:PATH, smtp:COMMAND, or an adapter's NAME[:ROOT]. Raises CaseError."""
    kind, colon, rest = told.partition(":")
    if kind in ADAPTERS:
        return Client(kind, told)
    if kind == "smtp" and colon:
        return Client(_name(rest), told, command=rest)
    if kind == "qmail" and colon or "/" in told:
        path = Path(rest if kind == "qmail" and colon else told).absolute()
        return Client(path.name.lower(), told, path)
    known = " ".join(ADAPTERS)
    raise CaseError(f"no such client: {told} (there are {known}, qmail:PATH and smtp:COMMAND)")


def _name(command: str) -> str:
    """The name of the last file in a command, without its suffix; else its first word. Raises CaseError."""
    try:
        words = shlex.split(command)
        first = words[0]
    except (ValueError, IndexError) as error:
        raise CaseError(f"smtp:{command}: expected a command for sh(1)") from error
    return next((Path(word).stem for word in reversed(words) if os.path.isfile(word)), first).lower()


def _script(command: str, directory: Path, case: Case) -> str:
    """Runs a command where and as mocksrv was run, with what a client needs to know of this delivery."""
    words = delivery(case)
    assert words is not None  # else the case is unfit
    server = next(one for one in case.dialogues if not one.never)
    message = directory / "message.crlf"
    message.write_bytes(re.sub(rb"(?<!\r)\n", b"\r\n", case.message))
    environment = os.environ | {
        "TMPDIR": str(directory), "MOCKSRV_HOST": server.host, "MOCKSRV_PORT": str(server.port),
        "MOCKSRV_HELO": decode(home.helo(case)), "MOCKSRV_SENDER": quoted(words[1]),
        "MOCKSRV_RECIPIENTS": "\n".join(map(quoted, words[2:])), "MOCKSRV_MESSAGE": str(message),
    }  # fmt: skip
    settings = [f"{name}={value}" for name, value in environment.items()]
    start = shlex.join(["exec", "env", "-i", *settings, "/bin/sh", "-c", command])
    return f"cd {shlex.quote(os.getcwd())} || exit 127\n{start} <{shlex.quote(str(message))}"


def delivery(case: Case) -> list[str] | None:
    """Host, sender and recipients, if the case is just one delivery, in whatever environment."""
    if any(mark in case.run for mark in "$`;|&<>(*?\n"):
        return None
    words = shlex.split(case.run)
    while words and re.match(r"\w+=", words[0]):
        words = words[1:]
    return words[1:] if len(words) >= 4 and words[0] == "Qremote" else None


def _one_server(case: Case) -> bool:
    happening = [one for one in case.dialogues if not one.never]
    return len(happening) == 1 and not any(one.zone.faults or one.zone.delays for one in case.servers)
