# SPDX-License-Identifier: ISC
"""Instruments: what one delivery costs, without privileges."""

import functools
import re
import shutil
import statistics
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from bench.clients import Client, Mail
from bench.sink import BenchError

ROUNDS_LEAST, ROUNDS = 3, 51


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
) -> dict[str, tuple[float, int]]:
    """The median of each, and how many runs it is of.

    They run A B A B, at least three times and then until so many seconds are over, so that what slows down the
    machine slows down all of them.
    """
    values: dict[str, list[float]] = {name: [] for name in jobs}
    begun = time.monotonic()
    for number in range(ROUNDS):
        if number >= ROUNDS_LEAST and time.monotonic() - begun > seconds:
            break
        for name in list(values):
            try:
                values[name].append(jobs[name]())
            except (BenchError, OSError) as error:
                failed(name, error)
                del values[name]
    return {name: (statistics.median(many), len(many)) for name, many in values.items()}


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
