# SPDX-License-Identifier: ISC
"""Many runs at a time: each sandbox takes a share of them, and plays it mode by mode."""

import os
import resource
import subprocess
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from itertools import groupby
from multiprocessing import get_context
from pathlib import Path

from mocksrv.world import sandbox
from mocksrv.world.home import default_program
from testsuite.torture import errnos
from testsuite.torture.judge import letters, violations
from testsuite.torture.runs import MODES, Run
from testsuite.torture.world import HASTE, PATIENCE, Result, World

_SOURCE = Path(__file__).parent / "faults.c"
_LONG = 7200.0  # seconds for all runs of one sandbox


@dataclass(frozen=True)
class Tools:
    """The program, and what makes it fail."""

    library: Path
    program: Path = field(default_factory=default_program)
    numbers: dict[str, int] = field(default_factory=errnos.numbers)

    @staticmethod
    def build(directory: Path) -> "Tools":
        """With faults.c, compiled there."""
        made = directory / "faults.so"
        command = ["cc", "-std=c11", "-D_GNU_SOURCE", "-O1", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC"]
        subprocess.run([*command, "-U_FORTIFY_SOURCE", "-o", made, _SOURCE], check=True)
        return Tools(made)

    def play(self, runs: list[Run], patience: int = PATIENCE) -> Iterator[Result]:
        """The results of runs, in order; after so many seconds of silence, the clock jumps.

        For a sandbox; those of one mode should be neighbours.
        """
        for mode, group in groupby(runs, key=lambda run: run.mode):
            with World(MODES[mode], self.program, self.library, patience) as world:
                for run in group:
                    yield world.play(run.fault(self.numbers), run.cut)


@dataclass
class Findings:
    """What came of many runs."""

    wrong: dict[Run, list[str]] = field(default_factory=dict)
    counts: Counter[tuple[str, str, str]] = field(default_factory=Counter)  # by mode, call and letter
    origins: Counter[str] = field(default_factory=Counter)  # by the file whose call failed
    seconds: float = 0.0  # of processors

    def note(self, run: Run, result: Result, usual: Result) -> None:
        """Judges a run."""
        if found := [*violations(run, result, usual)]:
            self.wrong[run] = [*found, f"{result.stdout!r}"]
        self.counts[run.mode, run.call, letters(result)[-1:]] += 1
        self.origins[result.log.origin] += 1

    def note_again(self, run: Run, result: Result, usual: Result) -> None:
        """Judges a run that was played once more, with patience."""
        del self.wrong[run]
        if found := [*violations(run, result, usual)]:
            self.wrong[run] = [*found, f"{result.stdout!r}"]

    def add(self, other: "Findings") -> None:
        """Adds those of other runs."""
        self.wrong |= other.wrong
        self.counts += other.counts
        self.origins += other.origins
        self.seconds += other.seconds


def survey(tools: Tools, modes: Iterable[str] = MODES) -> dict[str, Result]:
    """What happens in these modes without a fault. Fails if one of them is not what it is for."""
    usual = sandbox.run(lambda: dict(zip(modes, tools.play([Run(name, "all", 0, "") for name in modes]))))
    for name, result in usual.items():
        assert MODES[name].told in result.stdout.decode(), f"{name}: {result.stdout!r}"
    return usual


def torture(
    tools: Tools, runs: list[Run], usual: dict[str, Result], jobs: int, progress: Callable[[int], None] = lambda _: None
) -> Findings:
    """Plays all, `jobs` at a time; `progress` is told how many are done."""
    order = {name: place for place, name in enumerate(MODES)}
    shares = [sorted(runs[number::jobs], key=lambda run: order[run.mode]) for number in range(jobs)]
    total = Findings()
    reader, writer = os.pipe()
    with ProcessPoolExecutor(jobs, get_context("fork")) as pool, open(reader, "rb", buffering=0) as done:
        futures = [pool.submit(_share, tools, share, usual, writer) for share in shares if share]
        os.close(writer)  # the workers have been forked, and hold it
        count = 0
        while count < len(runs) and (octets := done.read(4096)):
            count += len(octets)
            progress(count)
        for future in futures:
            total.add(future.result())
    return total


def _share(tools: Tools, runs: list[Run], usual: dict[str, Result], writer: int) -> Findings:
    try:
        return sandbox.run(_judge_all, tools, runs, usual, writer, timeout=_LONG)
    finally:
        os.close(writer)


def _judge_all(tools: Tools, runs: list[Run], usual: dict[str, Result], writer: int) -> Findings:
    findings = Findings()
    hasty: list[Run] = []  # what is wrong in them may be due to a server that was busy, and counted as silent
    for run, result in zip(runs, tools.play(runs, HASTE)):
        findings.note(run, result, usual[run.mode])
        if run in findings.wrong and result.log.skipped:
            hasty.append(run)
        os.write(writer, b".")
    for run, result in zip(hasty, tools.play(hasty)):
        findings.note_again(run, result, usual[run.mode])
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    findings.seconds = sum(one.ru_utime + one.ru_stime for one in used)
    return findings
