# SPDX-License-Identifier: ISC
"""Runs the fuzzer's targets: `make fuzz [TIME=60] [TARGET=...]`.

usage: python3 -m fuzz.run SECONDS [TARGET ...]

Each target runs for some seconds, as many at once as there are processors; if there are more processors than targets,
several processes of a target share its corpus, which is kept in build/fuzz/corpus. The inputs of `mime` that lead
somewhere else than others are then judged by the reader of messages that the tests use. A fault ends with status 1, and
its input is kept.
"""

import os
import random
import re
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from fuzz import seeds

BUILD = seeds.ROOT / "build/fuzz"
JUDGED = 500
MEMORY = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None  # `control` must not wait for a disk
OPTIONS = ["-max_len=16384", "-timeout=60", "-print_final_stats=1"]
# With as much freed memory as ASan usually keeps back, page faults take as long as the targets.
SANITIZER = "allocator_release_to_os_interval_ms=-1:quarantine_size_mb=16"


def run(target: str, number: int, seconds: int) -> bool:
    """Runs one process of a target, and tells what it came to; whether it found no fault."""
    name = target if number == 0 else f"{target}-{number + 1}"
    log, found = BUILD / f"{name}.log", BUILD / "found"
    corpus = BUILD / "corpus" / target
    corpus.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=MEMORY) as temporary, log.open("wb") as out:
        command = [f"{BUILD}/fuzz-{target}", *OPTIONS, f"-max_total_time={seconds}", f"-artifact_prefix={found}/{name}-"]
        process = subprocess.Popen(
            [*command, corpus, BUILD / "seeds" / target], stdin=subprocess.DEVNULL, stdout=out, stderr=out,
            env={**os.environ, "TMPDIR": temporary, "ASAN_OPTIONS": SANITIZER},
        )  # fmt: skip
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    text = log.read_text("latin-1")
    executed, edges, places = (
        (re.findall(what, text) or ["?"])[-1]
        for what in (r"executed_units: (\d+)", r"cov: (\d+)", r"modules +\((\d+) inline")
    )
    outcome = "FAULT" if process.returncode else "ok"
    busy = usage.ru_utime + usage.ru_stime
    print(f"{name:12} {busy:5.0f} s of processor time {executed:>10} runs  {edges} of {places} edges  {outcome}", flush=True)
    if process.returncode:
        tell_fault(target, text)
    return process.returncode == 0


def tell_fault(target: str, text: str) -> None:
    """What was found, and how to see it again."""
    for line in re.findall(r".*(?:broken promise|runtime error|ERROR: ).*", text)[:3] or text.splitlines()[-1:]:
        print(f"  {line}")
    for file in re.findall(r"Test unit written to (\S+)", text):
        print(f"  again: build/fuzz/fuzz-{target} {Path(file).relative_to(seeds.ROOT)}")
        print(f"  once it is mended: keep the input as fuzz/found/{target}/WHAT-IT-IS, or make it a case", flush=True)


def judge() -> bool:
    """Whether recoded messages mean what they meant, by the tests' reader, for a sample of the corpus of `mime`."""
    from testsuite import mimecheck  # needs build/libpure.so

    files = sorted((BUILD / "corpus/mime").iterdir())
    for file in random.sample(files, min(JUDGED, len(files))):
        octets = file.read_bytes()
        offered = octets[0] - 48 if octets else 0
        try:
            mimecheck.check_leaves(octets[1:], mimecheck.Server(bool(offered & 1), bool(offered & 2)))
        except AssertionError:
            print(f"mime: {file.relative_to(seeds.ROOT)} does not mean what it meant; without its first octet, see")
            print("      testsuite.mimecheck.check_leaves()", flush=True)
            return False
    print(f"mime         {min(JUDGED, len(files))} messages read again, and each means what it meant")
    return True


def main(seconds: int, targets: list[str]) -> int:
    """The exit status."""
    processors = os.cpu_count() or 1
    (BUILD / "found").mkdir(exist_ok=True)
    seeds.write(BUILD / "seeds", targets)
    with ThreadPoolExecutor(processors) as pool:
        runs = [(target, number) for number in range(max(1, processors // len(targets))) for target in targets]
        outcomes = list(pool.map(lambda one: run(one[0], one[1], seconds), runs))
    if "mime" in targets:
        outcomes.append(judge())
    return 0 if all(outcomes) else 1


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), sys.argv[2:] or list(seeds.TARGETS)))
