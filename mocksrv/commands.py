# SPDX-License-Identifier: ISC
"""The commands that play single cases and read transcripts: run, audit, show. The others have files of their own."""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from mocksrv.audit import Grade, audit, findings_text, rules_text
from mocksrv.case.corpus import case_named
from mocksrv.case.file import read_case
from mocksrv.case.octets import harmless
from mocksrv.case.script import CaseError
from mocksrv.judge import clients, rfc
from mocksrv.judge.clients import Client
from mocksrv.play.tape import read_tapes
from mocksrv.tell import bless, page, show, verdicts
from mocksrv.world.home import default_program
from mocksrv.world.run import Result, check
from mocksrv.world.sandbox import SandboxError

FAILED, NOT_UNDERSTOOD = 1, 2  # exit statuses
_Run = Callable[[Path, Client, argparse.Namespace], tuple[Result, str]]  # plays a case; the text is for people


def add_run(commands: Any) -> None:
    """Adds `run`."""
    usage = "mocksrv run [-v] [--bless] [--match exact|rfc] CASE... [-- CLIENT]"
    run = commands.add_parser("run", help="play cases with a client and judge it", usage=usage)
    run.set_defaults(run=_run_all, client=None)
    run.add_argument("cases", nargs="+", type=case_named, metavar="CASE")
    run.add_argument("-v", "--verbose", action="store_true", help="show the annotated dialogue and the reports")
    run.add_argument("--bless", action="store_true", help="rewrite C lines, report and exit from what the program did")
    run.add_argument(
        "--match", choices=("exact", "rfc"),
        help="octet for octet (default for a path), or by outcome, message and rules (default for others)",
    )  # fmt: skip


def add_audit(commands: Any) -> None:
    """Adds `audit`."""
    parser = commands.add_parser("audit", help="name every breach of the protocol in transcripts")
    parser.set_defaults(run=lambda options: _audit(parser, options))
    parser.add_argument("transcripts", nargs="*", type=Path, metavar="TRANSCRIPT")
    parser.add_argument("--rules", action="store_true", help="list the rules")


def add_show(commands: Any) -> None:
    """Adds `show`."""
    parser = commands.add_parser("show", help="explain a case or a transcript")
    parser.set_defaults(run=_show)
    parser.add_argument("file", type=case_named, metavar="CASE|TRANSCRIPT")
    parser.add_argument("--html", type=Path, metavar="FILE", help="write it to this file as a page")


def complaint(error: Exception) -> str:
    """An error as a message for people."""
    if not isinstance(error, OSError):
        return str(error)
    return "mocksrv: " + ": ".join(filter(None, (error.filename and str(error.filename), error.strerror or str(error))))


def _tell(text: str) -> None:
    """Prints lines that may hold any octets; on a terminal, those of a dialogue have colours."""
    coloured = show.wants_colours(sys.stdout)
    lines = [harmless(line.expandtabs()) for line in text.removesuffix("\n").split("\n")]
    print("\n".join(show.coloured(line) if coloured else line for line in lines))


# run


def _run_all(options: argparse.Namespace) -> int:
    client = clients.find(options.client or str(default_program()))
    plain = client.program is not None and not client.told.startswith("qmail:")
    match = options.match or ("exact" if plain else "rfc")
    if match == "exact" and client.program is None:
        raise CaseError(f"cases do not say the exact octets of {client.name}: use --match=rfc")
    if match == "rfc" and options.bless:
        raise CaseError("--bless works octet for octet: it needs a path as the client, and no --match=rfc")
    run = _run_exact if match == "exact" else _run_rfc
    return max([_run_one(run, path, client, options) for path in options.cases])


def _run_one(run: _Run, path: Path, client: Client, options: argparse.Namespace) -> int:
    """Plays one case, prints the result, and returns it as an exit status."""
    try:
        result, told = run(path, client, options)
    except bless.Refused as error:
        print(error, file=sys.stderr)
        return FAILED
    except SandboxError as error:
        print(harmless(f"{path}: {error}"), file=sys.stderr)
        return NOT_UNDERSTOOD
    except (CaseError, OSError) as error:
        print(harmless(complaint(error)), file=sys.stderr)
        return NOT_UNDERSTOOD
    _tell(f"{path}: skipped: {result.skipped}" if result.skipped else told)
    return 0 if result.passed else FAILED


def _run_exact(path: Path, client: Client, options: argparse.Namespace) -> tuple[Result, str]:
    assert client.program is not None
    result = bless.bless(path, client.program) if options.bless else check(read_case(path), client.program)
    told = [show.annotated(result)] if options.verbose and not result.skipped else []
    told.append(f"{path}: ok" if result.passed else f"FAILED {show.explain(result)}")
    return result, "\n".join(told)


def _run_rfc(path: Path, client: Client, options: argparse.Namespace) -> tuple[Result, str]:
    verdict = rfc.check(read_case(path), client)
    told = [verdicts.as_text(verdict)] if options.verbose or not verdict.passed else verdicts.wrong(verdict)
    told.append(f"{path}: ok" if verdict.passed else f"FAILED {path}: {len(verdict.failures)} wrong")
    return verdict, "\n".join(told)


# audit


def _audit(parser: argparse.ArgumentParser, options: argparse.Namespace) -> int:
    if not options.rules and not options.transcripts:
        parser.error("expected a TRANSCRIPT, or --rules")
    if options.rules:
        _tell(rules_text())
    breaches = 0
    for path in options.transcripts:
        for tape in read_tapes(path):
            findings = audit(tape)
            breaches += sum(finding.rule.grade is Grade.MUST for finding in findings)
            _tell(f"-- dialogue {tape.host} --\n{findings_text(tape, findings, path)}")
    return FAILED if breaches else 0


# show


def _show(options: argparse.Namespace) -> int:
    reading = _case_reading if options.file.suffix == ".case" else _tape_reading
    text, html = reading(options.file)
    if options.html:
        page.write(options.html, html)
    else:
        _tell(text)
    return 0


def _case_reading(path: Path) -> tuple[str, str]:
    case = read_case(path)
    return show.reading(case), page.of_case(case)


def _tape_reading(path: Path) -> tuple[str, str]:
    found = [(tape, audit(tape)) for tape in read_tapes(path)]
    told = ((f"-- dialogue {tape.host} --", *verdicts.tape_text(tape, findings), "") for tape, findings in found)
    text = "\n".join(line for lines in told for line in lines)
    return text, page.page(path.name, [], [page.of_tape(tape, verdicts.faults(findings)) for tape, findings in found])
