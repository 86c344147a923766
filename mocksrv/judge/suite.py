# SPDX-License-Identifier: ISC
"""Many cases with many clients, at the level of the RFCs, many at a time: a record for each delivery."""

import fnmatch
import hashlib
import multiprocessing
import os
import shlex
import signal
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from dataclasses import dataclass, replace

from mocksrv import __version__, command
from mocksrv.audit import Grade
from mocksrv.case.corpus import told
from mocksrv.case.file import Case
from mocksrv.case.octets import encode
from mocksrv.case.script import CaseError
from mocksrv.case.templates import case_text
from mocksrv.judge import rfc
from mocksrv.judge.clients import Client
from mocksrv.judge.rfc import Verdict
from mocksrv.play.transcript import Failure
from mocksrv.world import sandbox

WORKERS = 3 * (os.cpu_count() or 1)  # most of a delivery is waiting


@dataclass(frozen=True)
class Record:
    """What came of a case with a client."""

    case: str  # its ID, TOPIC/NAME
    title: str
    clauses: tuple[str, ...]  # of the manual page, as after `spec:`
    sections: tuple[str, ...]  # of RFCs, as after `rfc:`
    client: str  # the name of its column: see `names`
    again: str  # the command that plays it alone
    word: str  # the result, for a table
    failures: tuple[Failure, ...] = ()
    rules: tuple[str, ...] = ()  # that were broken, whatever their grade
    skipped: str | None = None  # why it was not played
    seconds: float = 0.0
    page: str | None = None  # what `keep` returned

    @property
    def topic(self) -> str:
        """The folder of the case."""
        return self.case.partition("/")[0]

    @property
    def grade(self) -> Grade | None:
        """The worst grade of its failures; None if everything was as the case says, or it was not played."""
        return max((failure.grade for failure in self.failures), default=None)

    @property
    def why(self) -> list[str]:
        """What differs, the worst first, or why it was not played."""
        failures = sorted(self.failures, key=lambda failure: -failure.grade)
        return [self.skipped] if self.skipped is not None else [f"{one.grade.label}: {one.what}" for one in failures]


# Puts a verdict somewhere, in the process that played it, and returns where. It must be picklable.
Keep = Callable[[Record, Verdict], str]
_Job = tuple[Case, Client, str, Keep | None]


def names(clients: Sequence[Client]) -> list[str]:
    """The name of each client: as cases name it or, if several have that name, as the command line does."""
    times = Counter(client.name for client in clients)
    return [client.name if times[client.name] == 1 else client.told for client in clients]


def version(cases: Sequence[Case]) -> str:
    """The version of mocksrv, and a short hash of everything that cases say, wherever their files are."""
    digest = hashlib.sha256()
    for case in sorted(cases, key=lambda case: case.id):
        for octets in (encode(case.id), encode(case_text(case.path)), case.message):
            digest.update(hashlib.sha256(octets).digest())
    return f"mocksrv {__version__}, corpus {digest.hexdigest()[:8]}"


def is_about(case: Case, what: str) -> bool:
    """Whether `what` is its topic, one of its clauses, an RFC or a section, the grade of its outcome, or a pattern for
    its ID."""
    grade = case.leeway.grade if case.leeway else case.grade
    named = what in (case.topic, grade.word, *case.meta.get("spec", ()))
    within = any(f"{one}.".startswith((f"{what}#", f"{what}.")) for one in case.meta.get("rfc", ()))
    return named or within or fnmatch.fnmatchcase(case.id, what)


def play(
    cases: Sequence[Case], clients: Sequence[Client], keep: Keep | None = None,
    tell: Callable[[Record], None] = lambda record: None, workers: int = WORKERS,
) -> list[Record]:  # fmt: skip
    """Plays each case with each client; a record for each, by case, then by client.

    `tell` is given each record as soon as it is there. ^C ends all processes at once, and with them their sandboxes.
    """
    for client in clients:
        sandbox.available(all_users=client.users)  # so that not every process has to find out
    jobs = [(case, *who, keep) for case in cases for who in zip(clients, names(clients))]
    context = multiprocessing.get_context("fork")  # so `_begin` sees its parent; nobody here has threads
    with ProcessPoolExecutor(workers, context, initializer=_begin, initargs=(os.getpid(),)) as pool:
        try:
            # Not `map`: it cancels jobs that have not begun, and the pool fails if a process already has one of them.
            futures: list[Future[Record]] = [pool.submit(_played, job) for job in jobs]
            for future in as_completed(futures):
                tell(future.result())
        except BaseException:
            for process in multiprocessing.active_children():
                process.kill()
            raise
    return [future.result() for future in futures]


def _begin(parent: int) -> None:
    """Prepares a process of the pool, which otherwise would outlive its parent, and begin the next job after ^C."""
    sandbox.die_with_parent(parent)
    if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:  # as it is for a background job
        signal.signal(signal.SIGINT, signal.SIG_DFL)


def _played(job: _Job) -> Record:
    """Plays one case, in a process of the pool."""
    case, client, name, keep = job
    begun = time.monotonic()
    try:
        verdict = rfc.check(case, client)
    except (CaseError, sandbox.SandboxError, OSError) as error:
        return _record(case, client, name, "error", begun, failures=(Failure(1, str(error)),))
    if verdict.skipped is not None:
        return _record(case, client, name, verdict.cell, begun, skipped=verdict.skipped)
    rules = tuple(dict.fromkeys(finding.rule.id for _, finding in verdict.findings))
    record = _record(case, client, name, verdict.cell, begun, failures=tuple(verdict.failures), rules=rules)
    return replace(record, page=keep(record, verdict)) if keep else record


def _record(
    case: Case, client: Client, name: str, word: str, begun: float,
    failures: tuple[Failure, ...] = (), rules: tuple[str, ...] = (), skipped: str | None = None,
) -> Record:  # fmt: skip
    clauses, sections = (tuple(case.meta.get(name, ())) for name in ("spec", "rfc"))
    seconds = time.monotonic() - begun
    words = ["run", "-v", "--match", "rfc", told(case.path), "--", client.told]
    again = f"{command()} {shlex.join(words)}"
    return Record(case.id, case.title, clauses, sections, name, again, word, failures, rules, skipped, seconds)
