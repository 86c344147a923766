# SPDX-License-Identifier: ISC
"""A fixed sample of `make torture`, and the proof that it finds what it is for.

All of it takes minutes; see testsuite/torture.
"""

import shutil
import subprocess
from dataclasses import replace
from fnmatch import fnmatchcase
from pathlib import Path

import pytest

from mocksrv.world import sandbox
from testsuite.torture.errnos import unknown
from testsuite.torture.runs import Run, all_runs, sample
from testsuite.torture.spread import Tools, survey, torture
from testsuite.torture.world import Result

pytestmark = [
    pytest.mark.spec("SYN-2", "SYN-3", "RES-1", "RES-7"),
    pytest.mark.skipif(sandbox.available() is not None, reason=f"{sandbox.available()}"),
]
ROOT = Path(__file__).parent.parent
SAMPLE = 1000
JOBS = 4
# Each makes one line of the program wrong; some of these runs, at most so many, must then find that.
PLANTED = {
    "a K one reply too early": (
        "smtp/transaction.c", "!session_read_reply(session, &command->stage)",
        "!(command->judge == judge_content ? stream_advance(&session->stream) && (session->reply.code = 250)"
        " : session_read_reply(session, &command->stage))",
        "lockstep/octets/*/close", 60, "no server accepted the message",
    ),
    "a write that is taken for a whole one": (
        "base/stream.c", "stream->out_start += (size_t)length;", "stream->out_start = stream->out_end;",
        "lockstep/sendto/*/short", 20, "short is no failure",
    ),
    "reports that are written only once": (
        "main.c", "reports.length -= (size_t)length;", "reports.length = 0;",
        "lockstep/write/*/short", 1, "one message report",
    ),
    "a second server after the end": (
        "deliver.c", "walk->settled = outcome.next == NEXT_NOTHING;",
        "walk->settled = outcome.report.letter == 'K';",
        "spare/octets/*/close", 20, "another connection",
    ),
    "records that nobody trusts": (
        "smtp/starttls.c", "if (!dane || dane->records.length == 0)", "if (!dane || dane->records.length > 0)",
        "dane/noise/*", 1, "switches DANE off",
    ),
    "an issuer that is trusted where memory is short": (
        "tls/verify.c", "&purpose, 1, &status) != 0)\n\t\treturn GNUTLS_CERT_INVALID;",
        "&purpose, 1, &status) != 0)\n\t\treturn own_status(certificate, names);",
        "impostor/malloc/*/ENOMEM", 1500, "cannot be trusted",
    ),
    "no AUTH where memory is short": (
        "smtp/auth.c", "if (!choose_mechanism(&exchange)",
        "struct buf room = {0};\n\tif (!buf_reserve(&room, 1))\n\t\treturn true;\n\tif (!choose_mechanism(&exchange)",
        "auth/malloc/*/ENOMEM", 1500, "without AUTH",
    ),
    "a table that is not locked": (
        "qmail/timeouts.c", "file >= 0 && flock(file, LOCK_EX) == 0", "flock(file, LOCK_EX), file >= 0",
        "piped/flock/*", 4, "was not locked",
    ),
}  # fmt: skip


@pytest.fixture(scope="module")
def tools(tmp_path_factory: pytest.TempPathFactory) -> Tools:
    """faults.c, compiled, and the program."""
    return Tools.build(tmp_path_factory.mktemp("torture"))


@pytest.fixture(scope="module")
def usual(tools: Tools) -> dict[str, Result]:
    """What happens in each mode without a fault."""
    return survey(tools)


@pytest.fixture(scope="module")
def plain(tools: Tools) -> dict[str, Result]:
    """The same, in the modes that the smaller tests need."""
    return survey(tools, ("lockstep", "spare", "dane", "impostor", "auth", "piped"))


def test_every_system_call_is_known(usual: dict[str, Result]) -> None:
    """Whoever makes it: a call that is not in the table would never fail."""
    for mode, result in usual.items():
        assert not unknown({*result.log.calls}), mode


def test_a_sample(tools: Tools, usual: dict[str, Result]) -> None:
    """Runs from all modes and of all kinds."""
    runs = sample(all_runs(usual, tools.numbers), SAMPLE)
    findings = torture(tools, runs, usual, JOBS)
    assert not findings.wrong, "\n".join(f"{run}: {wrong}" for run, wrong in findings.wrong.items())


@pytest.mark.slow
@pytest.mark.parametrize("name", PLANTED)
def test_a_planted_fault_is_found(tools: Tools, plain: dict[str, Result], name: str, tmp_path: Path) -> None:
    """The program with one wrong line: by another text, since a macro in the source would be in everybody's way."""
    file, right, wrong, pattern, most, what = PLANTED[name]
    program = planted(tmp_path, file, right, wrong)
    runs = [run for run in all_runs(plain, tools.numbers) if fnmatchcase(str(run), pattern)][-most:]
    findings = torture(replace(tools, program=program), runs, plain, JOBS)
    assert any(what in text for texts in findings.wrong.values() for text in texts), findings


def planted(directory: Path, file: str, right: str, wrong: str) -> Path:
    """The program, built with other text in one place."""
    modules = [path.name for path in (ROOT / "build").glob("qremote-*.so")]
    built = ("obj", "pic", "flags", "qmail-home", "module-directory", *modules)
    for name in ("Makefile", "src", "mocksrv/__init__.py", "admin/qremote-try", *(f"build/{one}" for one in built)):
        place = directory / name
        place.parent.mkdir(exist_ok=True)
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy2
        copy(ROOT / name, place)
    source = directory / "src" / file
    text = source.read_text()
    assert text.count(right) == 1, f"{file} has no longer one place with: {right}"
    source.write_text(text.replace(right, wrong))
    subprocess.run(["make", "-s", "WERROR="], cwd=directory, check=True)
    return directory / "build/Qremote"


@pytest.mark.spec("IN-2", "RES-8")
@pytest.mark.parametrize("fault", ["mmap/{}/ENOMEM", "socket/{}/EMFILE"])
def test_local_trouble_is_called_so(tools: Tools, plain: dict[str, Result], fault: str) -> None:
    """The message cannot be mapped, or there is no socket: neither is the server's fault."""
    count = plain["lockstep"].log.calls[tools.numbers[fault.partition("/")[0]]]
    runs = [Run.parse(f"lockstep/{fault.format(nth + 1)}") for nth in range(count)]
    reports = sandbox.run(lambda: [result.stdout for result in tools.play(runs)])
    assert any(report.startswith(b"Z") and b"(#4.3.0)" in report for report in reports), reports
