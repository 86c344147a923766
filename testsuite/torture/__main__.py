# SPDX-License-Identifier: ISC
"""`make torture`: whatever fails, nothing is lost, nothing comes twice, and the reports are true.

    python3 -m testsuite.torture            all runs, and a table
    python3 -m testsuite.torture RUN ...    these, each with all that is known about it
"""

import argparse
import os
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from mocksrv.tell.progress import Progress
from mocksrv.world import sandbox
from testsuite.torture.errnos import unknown
from testsuite.torture.judge import violations
from testsuite.torture.runs import MODES, Run, all_runs
from testsuite.torture.spread import Findings, Tools, survey, torture
from testsuite.torture.world import Result

_MOST_SHOWN = 50


def main() -> int:
    """Returns the exit status: 1 after a violation."""
    parser = argparse.ArgumentParser(prog="torture", description="Lets everything fail, one thing at a time.")
    parser.add_argument("runs", nargs="*", type=Run.parse, metavar="MODE/CALL/N/WHAT", help="a run (default: all)")
    parser.add_argument("--jobs", type=int, default=3 * (os.cpu_count() or 1), help="runs at a time")
    parser.add_argument("--only", default="", metavar="TEXT", help="the runs whose names hold this text")
    options = parser.parse_args()
    if why := sandbox.available():
        parser.error(why)
    with tempfile.TemporaryDirectory() as directory:
        tools = Tools.build(Path(directory))
        usual = survey(tools)
        if strangers := {name for result in usual.values() for name in unknown({*result.log.calls})}:
            parser.error(f"no errors are known of {', '.join(strangers)}: add them to errnos.py")
        if options.runs:
            return _show(tools, options.runs, usual)
        runs = [run for run in all_runs(usual, tools.numbers) if options.only in str(run)]
        begun = time.monotonic()
        progress = Progress(len(runs), sys.stderr)
        findings = torture(tools, runs, usual, options.jobs, progress.step)
        progress.end()
    print(_table(findings))
    for run, wrong in [*findings.wrong.items()][:_MOST_SHOWN]:
        print(f"{run}: " + "\n    ".join(wrong))
    seconds = time.monotonic() - begun
    spent = f"{seconds:.0f} s, {findings.seconds:.0f} s of processors"
    print(f"{len(runs)} runs, {len(findings.wrong)} violations, {spent}")
    return 1 if findings.wrong else 0


def _show(tools: Tools, runs: list[Run], usual: dict[str, Result]) -> int:
    """Plays single runs, and prints what happened."""
    status = 0
    for run, result in zip(runs, sandbox.run(lambda: [*tools.play(runs)])):
        wrong = [*violations(run, result, usual[run.mode])]
        status |= bool(wrong)
        print(f"{run}: {'; '.join(wrong) or 'all promises kept'}")
        print(f"    reports: {result.stdout!r}")
        print(f"    status {result.status}, descriptor 2 {result.stderr!r}, {result.seconds:.2f} s by its clock")
        print(f"    faults: {result.log.failed}, the first in {result.log.origin or 'no file'}")
        for session in result.sessions:
            print(f"    {session}, received {result.log.received.get(session.port, 0)}")
    return status


def _table(findings: Findings) -> str:
    """How many runs there were, by what failed and by mode, and how they ended."""
    rows: Counter[tuple[str, str]] = Counter()
    for (mode, call, letter), count in findings.counts.items():
        kind = {"malloc": "allocations", "octets": "octets", "noise": "noise"}.get(call, "system calls")
        for column in (kind, letter, "all"):
            rows[mode, column] += count
            rows["all", column] += count
    columns = ("system calls", "allocations", "octets", "noise", "K", "Z", "D", "all")
    lines = [f"{'':16}" + "".join(f"{column:>13}" for column in columns)]
    for mode in (*MODES, "all"):
        if rows[mode, "all"]:
            lines.append(f"{mode:16}" + "".join(f"{rows[mode, column]:13}" for column in columns))
    origins = ", ".join(f"{name or 'none'} {count}" for name, count in findings.origins.most_common())
    return "\n".join([*lines, f"failed first in: {origins}"])


if __name__ == "__main__":
    sys.exit(main())
