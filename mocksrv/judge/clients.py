# SPDX-License-Identifier: ISC
"""The client under test: any program with qmail-remote's interface, or another MTA through its adapter."""

import os
import re
import shlex
import sys
from dataclasses import dataclass
from pathlib import Path

from mocksrv.adapters import ADAPTERS, adapter_named
from mocksrv.case.file import Case, Expectation, Leeway
from mocksrv.case.script import CaseError

_PACKAGE = Path(__file__).parent.parent.parent
# Control files that fit every client: it can be told its name, and the size of chunks is its own choice anyway.
_OURS = {"me", "helohost", "chunksizeremote"}


@dataclass(frozen=True)
class Client:
    """A client. `name` is what a case calls it (`expect-NAME`); `told` is how people name it on the command line."""

    name: str
    told: str
    program: Path | None = None  # with qmail-remote's interface; None: it has an adapter

    @property
    def is_qremote(self) -> bool:
        """Whether it claims to be Qremote, which is bound to all that a case says: it is named by its path alone."""
        return self.program is not None and not self.told.startswith("qmail:")

    @property
    def users(self) -> bool:
        """Whether it needs a sandbox in which it can become other users."""
        return self.program is None and bool(ADAPTERS[self.name].users)

    def missing(self) -> str | None:
        """Why it cannot be run here; None if it can."""
        if self.program is not None:
            return None if os.access(self.program, os.X_OK) else f"{self.program}: no such program"
        return adapter_named(self.told).missing()

    def unfit(self, case: Case) -> str | None:
        """Why a case does not apply to this client; None if it does."""
        if case.scope == "exact":
            return "it is about the exact octets"
        if self.program is not None:
            return None
        if case.scope == "qmail":
            return "it is about qmail-remote's interface"
        words = delivery(case)
        if words is None or not case.run.startswith("Qremote "):
            return "it is more than one plain delivery"
        host, _, *recipients = words
        if any(one.rpartition("@")[2].lower().rstrip(".") != host.lower().rstrip(".") for one in recipients):
            return "its host is not the domain of its recipients"
        adapter = ADAPTERS[self.name]
        known = _OURS | adapter.control
        strange = [name for name, control in case.control.items() if name not in known or control.manner]
        if strange:
            return f"it is about control/{min(strange)}"
        if not adapter.resolves and not _one_server(case):
            return "it is about finding the server, but this client is told its name"
        return None

    def expectation(self, case: Case) -> Expectation | None:
        """How it must differ from the case."""
        return case.expectation(self.name)

    def leeway(self, case: Case) -> Leeway | None:
        """What it is less bound to than to a MUST."""
        return None if self.is_qremote else case.leeway

    def install(self, path: Path, case: Case) -> None:
        """Makes the executable file that a case calls Qremote."""
        if self.program is not None:
            path.symlink_to(self.program)
            return
        server = next((one.host for one in case.dialogues if not one.never), "")
        command = [sys.executable, "-m", "mocksrv.adapters", self.told]
        environment = f"PYTHONPATH={shlex.quote(str(_PACKAGE))} MOCKSRV_SERVER={shlex.quote(server)}"
        path.write_text(f'#!/bin/sh\n{environment} exec {shlex.join(command)} "$@"\n')
        path.chmod(0o755)


def find(told: str) -> Client:
    """The client that `told` names: PATH, qmail:PATH, or an adapter's NAME[:ROOT]. Raises CaseError."""
    kind, colon, rest = told.partition(":")
    if kind in ADAPTERS:
        return Client(kind, told)
    if kind == "qmail" and colon or "/" in told:
        path = Path(rest if kind == "qmail" and colon else told).absolute()
        return Client(path.name.lower(), told, path)
    known = " ".join(ADAPTERS)
    raise CaseError(f"no such client: {told} (there are {known}, and qmail:PATH if it has qmail-remote's interface)")


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
