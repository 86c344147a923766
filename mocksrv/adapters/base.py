# SPDX-License-Identifier: ISC
"""What all adapters share: the job, the reports, and the installation of the program."""

import gzip
import math
import os
import re
import socket
import subprocess
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, TypeVar

from mocksrv.world import sandbox

_T = TypeVar("_T")
_FETCHED = Path(__file__).parent.parent.parent / "build/mtas"
_POLL = 0.01  # seconds between two looks at a log
_REFUSED = {"Z": "s", "D": "h"}


class AdapterError(Exception):
    """Local trouble: nothing is known about the message, so it is deferred."""


@dataclass(frozen=True)
class Job:
    """One message to deliver. Addresses are in qmail's form: without quoting, in UTF-8 or any other octets."""

    host: str
    sender: str  # may be empty
    recipients: tuple[str, ...]
    message: bytes  # its lines end with LF
    server: str  # where clients that do not resolve HOST connect: a name or an IP address
    helo: str
    timeouts: Mapping[str, int]  # seconds, by the name of the control file, if it exists
    scratch: Path  # empty, private, and removed afterwards

    def to_hosts_of_recipients(self) -> bool:
        """Whether HOST is the domain of all recipients."""
        return all(one.rpartition("@")[2].lower() == self.host.lower() for one in self.recipients)


@dataclass(frozen=True)
class Fate:
    """The fate of the message for one recipient: K, Z or D; `alone` if the server said so about this recipient."""

    letter: str
    text: str
    alone: bool = False


@dataclass(frozen=True)
class Reports:
    """Reports as qmail-rspawn reads them: for recipients (r, h or s, text), then for the message."""

    recipients: tuple[tuple[str, str], ...]
    letter: str
    text: str

    @classmethod
    def whole(cls, letter: str, text: str) -> "Reports":
        """Z or D for the message, and nothing about recipients."""
        return cls((), letter, text)

    @classmethod
    def of(cls, fates: Sequence[Fate]) -> "Reports":
        """The reports that follow from the fate of each recipient, in order.

        A recipient who got the message was accepted; if there is one, all others were refused. If nobody got it, only
        those were refused about whom the server said so; without any such, there is only a report on the message.
        """
        delivered = [fate for fate in fates if fate.letter == "K"]
        alone = [fate for fate in fates if fate.alone]
        if not delivered and not alone:
            return cls.whole(*_worst(fates))
        refused = [fate for fate in fates if fate.letter != "K"] if delivered else alone
        told = tuple((_REFUSED[fate.letter], fate.text) if fate in refused else ("r", "") for fate in fates)
        return cls(told, *_worst(delivered or [fate for fate in fates if not fate.alone] or alone))

    def octets(self) -> bytes:
        """The octets for descriptor 1."""
        records = ["r\0" if letter == "r" else f"{letter}{_tidy(text)}\0" for letter, text in self.recipients]
        records.append(f"{self.letter}{_tidy(self.text)}\0")
        return "".join(records).encode("utf-8", "surrogateescape")


class Adapter(ABC):
    """A mail client, unmodified, with a configuration of ours. `root` is where its package was unpacked, or /."""

    name: ClassVar[str]
    program: ClassVar[str]  # below root
    package: ClassVar[str] = ""  # of Debian; that of its name if empty
    resolves: ClassVar[bool]  # whether it looks up the servers of HOST itself; else it is told one
    users: ClassVar[Mapping[str, int]] = {}  # that it becomes, and their numbers
    groups: ClassVar[Mapping[str, int]] = {}  # besides one for each user
    control: ClassVar[frozenset[str]] = frozenset({"me", "helohost"})  # control files that it honours

    def __init__(self, root: Path | None = None) -> None:
        fetched = _FETCHED / self.name
        self.root = (root or (fetched if fetched.is_dir() else Path("/"))).absolute()

    def missing(self) -> str | None:
        """Why it cannot be run here; None if it can."""
        if not (self.root / self.program).exists():
            return f"no {self.root / self.program} (ci/fetch-mtas brings it)"
        return sandbox.available(all_users=bool(self.users))

    def version(self) -> str:
        """The version of its Debian package; empty if the package does not tell."""
        try:
            with gzip.open(self.root / f"usr/share/doc/{self.package or self.name}/changelog.Debian.gz", "rt") as log:
                return re.sub(r"^(\S+) \((\S+)\).*", r"\1 \2", log.readline().strip())
        except OSError:
            return ""

    @abstractmethod
    def deliver(self, job: Job) -> Reports:
        """Hands the message in, waits for the first attempt, and reports its result. Raises AdapterError."""


def install(adapters: Sequence[Adapter], scratch: Path) -> None:
    """Mounts their packages over /usr, and gives this mount namespace the users that they expect."""
    # The machine's own name; otherwise some clients would ask the case's name server about it.
    _cover("/etc/hosts", scratch / "hosts", f"127.0.0.1 localhost {socket.gethostname()}\n::1 localhost\n")
    if packages := [f"{one.root}/usr" for one in adapters if one.root != Path("/")]:
        mount("-t", "overlay", "overlay", "-o", f"lowerdir={':'.join(packages)}:/usr", "/usr")
    users = {name: number for one in adapters for name, number in one.users.items()}
    if not users:
        return
    people = {"root": 0, **users, "nobody": 65534}
    groups = {**people, "nogroup": 65534} | {name: number for one in adapters for name, number in one.groups.items()}
    lines = (f"{name}:x:{number}:{number}::/:/bin/false\n" for name, number in people.items())
    _cover("/etc/passwd", scratch / "passwd", "".join(lines))
    _cover("/etc/group", scratch / "group", "".join(f"{name}:x:{number}:\n" for name, number in groups.items()))


def quoted(address: str) -> str:
    """An address as RFC 5321 writes it."""
    local, at, domain = address.rpartition("@")
    if not at:
        local, domain = address, ""
    if not re.fullmatch(r"[^\0- ()<>\[\]:;@\\,\".\x7f]+(\.[^\0- ()<>\[\]:;@\\,\".\x7f]+)*", local) and address:
        local = '"' + re.sub(r'(["\\])', r"\\\1", local) + '"'
    domain = re.sub(r"^\[(?!IPv6:)(?=.*:)", "[IPv6:", domain)
    return f"{local}{at}{domain}"


def host_name(helo: str) -> str:
    """A name for the machine itself: the one for HELO, if it is a valid name."""
    return helo if re.fullmatch(r"[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?", helo) else "localhost.invalid"


def directory(path: Path, owner: int = 0, group: int = 0, mode: int = 0o755) -> None:
    """Makes a directory with this owner."""
    path.mkdir(parents=True, exist_ok=True)
    os.chown(path, owner, group)
    path.chmod(mode)


def run(job: Job, *command: str, group: int | None = None) -> tuple[int, str]:
    """Runs a client with the message on descriptor 0, if need be in another group.

    Returns its status and output, which also goes to descriptor 2.
    """
    words = [os.fsencode(word) for word in command]
    environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": str(job.scratch), "LC_ALL": "C"}
    path = job.scratch / "message"
    path.write_bytes(job.message)
    with path.open("rb") as message:
        done = subprocess.run(
            words, stdin=message, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=environment, cwd=job.scratch,
            check=False, group=group,
        )  # fmt: skip
    output = done.stdout.decode("utf-8", "surrogateescape")
    tell(output)
    return done.returncode, output


def tell(text: str) -> None:
    """Writes to descriptor 2."""
    sys.stderr.buffer.write(text.encode("utf-8", "surrogateescape"))
    sys.stderr.flush()


def read_log(path: Path) -> str:
    """The contents of a log; empty if it does not exist yet."""
    return path.read_text("utf-8", "surrogateescape") if path.exists() else ""


def wait_for(
    daemon: "subprocess.Popen[bytes]", log: Path, find: Callable[[str], _T | None], patience: float = math.inf
) -> _T:
    """The result of `find` on a log, which is read again and again while the daemon lives.

    The servers and our caller limit the time of a delivery; `patience`, in seconds, is for what must have happened
    already.
    """
    deadline = time.monotonic() + patience
    while True:
        alive = daemon.poll() is None
        if (found := find(read_log(log))) is not None:
            return found
        if not alive:
            raise AdapterError(f"the daemon ended with status {daemon.returncode}")
        if time.monotonic() > deadline:
            raise AdapterError("its log does not show the result")
        time.sleep(_POLL)


def mount(*arguments: str) -> None:
    """Runs mount(8) for this mount namespace. Raises AdapterError with its error message."""
    done = subprocess.run(["mount", *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        raise AdapterError(f"mount {' '.join(arguments)}: {done.stderr.strip()}")


def _cover(target: str, source: Path, text: str) -> None:
    source.write_text(text)
    mount("--bind", str(source), target)


def _worst(fates: Iterable[Fate]) -> tuple[str, str]:
    """Z if there is one, since then it makes sense to try again."""
    fate = max(fates, key=lambda fate: fate.letter)
    return fate.letter, fate.text


def _tidy(text: str) -> str:
    """The lines that are not empty, without NUL."""
    return "".join(f"{line}\n" for line in text.replace("\0", " ").splitlines() if line.strip()) or "nothing was said\n"
