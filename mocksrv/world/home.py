# SPDX-License-Identifier: ISC
"""The surroundings of the client: a working directory, the message, control files, and an environment."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

from mocksrv.case.file import Case, Control
from mocksrv.world import sandbox

_DEFAULT_ME = b"client.example\n"
# valgrind's option is written in another way. Its files in TMPDIR are named by process, so all sandboxes cannot share one.
_SANITIZERS = ("ASAN_OPTIONS", "UBSAN_OPTIONS")
_BUILT = Path(__file__).parent.parent.parent / "build/Qremote"


def default_program() -> Path:
    """The program under test: QREMOTE in the environment, else this repository's build."""
    return Path(os.environ.get("QREMOTE", _BUILT)).absolute()


def helo(case: Case) -> bytes:
    """The name that the client must give in EHLO and HELO."""
    control = _control(case)
    for name in ("helohost", "me"):
        if name in control and (lines := control[name].octets.split(b"\n"))[0]:
            return lines[0].rstrip()
    return b""


@contextmanager
def furnished(case: Case, install: Callable[[Path], None]) -> Iterator[Path]:
    """A directory for one run of a case, removed afterwards; `install` puts the client at the path that it is given."""
    parent = sandbox.SCRATCH if sandbox.inside() else None
    home = Path(tempfile.mkdtemp(prefix="mocksrv-", dir=parent))
    try:
        (home / "message").write_bytes(case.message)
        (home / "bin").mkdir()
        install(home / "bin/Qremote")
        for name, control in _control(case).items():
            _make_control(home / "qmail/control" / name, control)
        os.utime(home / "qmail/control", (0, 0))  # the files have been there for long, as on a host
        yield home
    finally:
        shutil.rmtree(home)


def start(case: Case, home: Path, privileged: bool = False) -> subprocess.Popen[bytes]:
    """Starts the client in a process group of its own; in a sandbox without privileges, unless `privileged`."""
    drop = sandbox.inside() and not privileged
    log = f"log_path={home}/sanitizer"
    environment = {"PATH": f"{home}/bin:/usr/bin:/bin", "QMAILHOME": f"{home}/qmail", "TMPDIR": str(home)}
    environment |= {name: ":".join(filter(None, (os.environ.get(name), log))) for name in _SANITIZERS}
    environment["VALGRIND_OPTS"] = f"--log-file={home}/sanitizer.%p"
    with (home / "message").open("rb") as message, sandbox.unprivileged_exec() if drop else nullcontext():
        return subprocess.Popen(
            ["/bin/sh", "-c", case.run], cwd=home, env=environment, start_new_session=True,
            stdin=message, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip


def sanitizer_text(home: Path) -> bytes:
    """The output of the sanitizers, and of valgrind."""
    return b"".join(log.read_bytes() for log in sorted(home.glob("sanitizer*")))


def _control(case: Case) -> dict[str, Control]:
    return {"me": Control(_DEFAULT_ME)} | case.control


def _make_control(path: Path, control: Control) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    match control.manner:
        case "absent":
            pass
        case "directory":
            path.mkdir()
        case manner:
            path.write_bytes(control.octets)
            path.chmod({"unreadable": 0, "private": 0o600}.get(manner or "", 0o644))
