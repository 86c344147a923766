# SPDX-License-Identifier: ISC
"""The command line: `python3 -m mocksrv.adapters NAME[:ROOT] HOST SENDER RECIPIENT... <message`."""

import os
import socket
import sys
from dataclasses import replace
from pathlib import Path

from mocksrv.adapters import ADAPTERS, adapter_named
from mocksrv.adapters.base import Adapter, AdapterError, Job, Reports, install
from mocksrv.world import sandbox

# A case that is played has a shorter limit; this one is for calls by hand.
_LIMIT = 3600.0


def main(arguments: list[str]) -> int:
    """Delivers, and reports. Returns the exit status: 0, unless the command line is wrong."""
    if len(arguments) < 4 or arguments[0].partition(":")[0] not in ADAPTERS:
        print(f"usage: mocksrv.adapters {'|'.join(ADAPTERS)}[:ROOT] HOST SENDER RECIPIENT... <message", file=sys.stderr)
        return 2
    adapter = adapter_named(arguments[0])
    try:
        if not _in_sandbox():
            raise AdapterError("not in a sandbox: mail could leave this machine")
        reports = sandbox.run(
            _deliver, adapter, _job(arguments[1:]), timeout=_LIMIT, all_users=bool(adapter.users), nested=True
        )
    except (AdapterError, OSError, sandbox.SandboxError) as error:
        print("".join(getattr(error, "__notes__", [])), file=sys.stderr)
        reports = Reports.whole("Z", f"{adapter.name}: {error}")
    sys.stdout.buffer.write(reports.octets())
    return 0


def _deliver(adapter: Adapter, job: Job) -> Reports:
    """Runs in mount and process namespaces of its own."""
    job = replace(job, scratch=sandbox.SCRATCH / "adapter")
    job.scratch.mkdir()
    job.scratch.chmod(0o755)  # whatever the umask is: the users that the client becomes need access
    os.umask(0o022)
    install([adapter], job.scratch)
    return adapter.deliver(job)


def _job(arguments: list[str]) -> Job:
    host, sender, *recipients = arguments
    control = Path(os.environ.get("QMAILHOME", "/var/qmail"), "control")
    timeouts = {name: _line(control / name) for name in ("timeoutconnect", "timeoutremote")}
    return Job(
        host,
        sender,
        tuple(recipients),
        sys.stdin.buffer.read(),
        os.environ.get("MOCKSRV_SERVER") or host.strip("[]").removeprefix("IPv6:"),
        _line(control / "helohost") or _line(control / "me") or "localhost",
        {name: int(text) for name, text in timeouts.items() if text.isdigit()},
        Path("/"),
    )


def _line(path: Path) -> str:
    """The first line of a file; empty if it cannot be read."""
    try:
        return path.read_text("utf-8", "surrogateescape").partition("\n")[0].strip()
    except OSError:
        return ""


def _in_sandbox() -> bool:
    """Whether the addresses of the tests are this machine's own, as only in a sandbox. Sends nothing."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 25))
        except OSError:
            return False
        return bool(probe.getsockname()[0] == "192.0.2.1")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
