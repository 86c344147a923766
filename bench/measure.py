# SPDX-License-Identifier: ISC
"""Instruments: what one delivery costs, without privileges."""

import contextlib
import functools
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from bench.clients import Client, Mail
from bench.sink import BenchError

ROUNDS, PATIENCE = 51, 30  # seconds


@contextlib.contextmanager
def limited(seconds: int) -> Iterator[None]:
    """Raises BenchError if what is done within it takes longer."""

    def late(*_: object) -> None:
        raise BenchError(f"it takes longer than {seconds} s")

    former = signal.signal(signal.SIGALRM, late)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, former)


@functools.cache
def unusable(tool: str) -> str | None:
    """Why this program cannot watch another one here; None if it can."""
    if not shutil.which(tool):
        return f"{tool} is not installed"
    words = [tool, "-o/dev/null", "true"] if tool == "strace" else [tool, "-q", "true"]
    return f"{tool} does not work here" if subprocess.run(words, capture_output=True, check=False).returncode else None


def instructions(client: Client, mail: Mail, scratch: Path) -> int:
    """In user space, of the client and all that it starts, the dynamic linker included; counted by callgrind.

    A forked process begins with the count of its parent, unless that was written away before.
    """
    made = _directory(scratch)
    words = ["valgrind", "-q", "--tool=callgrind", "--trace-children=yes", f"--callgrind-out-file={made}/%p"]
    client.deliver(mail, [*words, *(f"--dump-before={name}" for name in ("fork", "_Fork", "vfork"))])
    found = [re.search(r"(?m)^totals: (\d+)", path.read_text()) for path in made.iterdir()]
    if not any(found):
        raise BenchError("callgrind counted nothing")
    return sum(int(one[1]) for one in found if one)


def system_calls(client: Client, mail: Mail, scratch: Path) -> int:
    """Those of the client and all that it starts; counted by strace."""
    log = _directory(scratch) / "strace"
    client.deliver(mail, ["strace", "-f", "-c", "-U", "name,calls", "-o", str(log)])
    found = re.search(r"(?m)^total +(\d+)", log.read_text())
    if not found:
        raise BenchError("strace counted nothing")
    return int(found[1])


def memory(processes: Sequence[int]) -> int:
    """The sum of PSS in octets, of these processes and their descendants."""
    status = {path.parent.name: _read(path) for path in Path("/proc").glob("[0-9]*/stat")}
    parents = {int(pid): int(text.rpartition(")")[2].split()[1]) for pid, text in status.items() if text}
    family = set(processes)
    while more := {pid for pid, parent in parents.items() if parent in family} - family:
        family |= more
    maps = (_read(Path(f"/proc/{pid}/smaps_rollup")) for pid in family)
    return sum(1024 * int(found[1]) for found in (re.search(r"(?m)^Pss: +(\d+)", text) for text in maps) if found)


def in_turn(
    jobs: Mapping[str, Callable[[], float]], seconds: float, failed: Callable[[str, Exception], None]
) -> dict[str, list[float]]:
    """What each returns, in each of its runs.

    They run A B A B, so that what slows down the machine slows down all of them, as often as an equal share of these
    seconds allows, but at least once. What a job prepares takes from its share, too.
    """
    values: dict[str, list[float]] = {name: [] for name in jobs}
    spent = dict.fromkeys(jobs, 0.0)
    for number in range(ROUNDS):
        for name in list(values):
            if spent[name] * (number + 1) / (number or 1) > seconds / len(jobs) or len(values[name]) < number:
                continue
            begun = time.monotonic()
            try:
                with limited(PATIENCE):
                    values[name].append(jobs[name]())
            except (BenchError, OSError) as error:
                failed(name, error)
                del values[name]
            spent[name] += time.monotonic() - begun
    return values


def _read(path: Path) -> str:
    """A file of a process; empty if that has just ended."""
    try:
        return path.read_text()
    except OSError:
        return ""


def _directory(scratch: Path) -> Path:
    """An empty directory into which every user may write."""
    made = scratch / "counts"
    shutil.rmtree(made, ignore_errors=True)
    made.mkdir(parents=True)
    made.chmod(0o777)
    return made
