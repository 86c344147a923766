"""The commands that play cases and read what was said: run, audit, show, peers. `serve` has a file of its own."""

import argparse
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from mocksrv import bless, clients, home, page, peers, rfc, show, verdicts
from mocksrv.adapters import ADAPTERS
from mocksrv.audit import audit, findings_text, rules_text
from mocksrv.case import Case, read_case
from mocksrv.clients import Client
from mocksrv.home import default_program
from mocksrv.pattern import Facts
from mocksrv.script import CaseError
from mocksrv.tape import Tape, read_tapes
from mocksrv.world import check

NOT_UNDERSTOOD = 2  # exit status
_ROOT = Path(__file__).parent.parent


def add_run(commands: Any) -> None:
    """Adds `run`."""
    usage = "mocksrv run [-v] [--bless] [--match exact|rfc] CASE... [-- CLIENT]"
    run = commands.add_parser("run", help="play cases with a client, and judge it", usage=usage)
    run.set_defaults(run=_run_all)
    run.add_argument("cases", nargs="+", type=Path, metavar="CASE")
    run.add_argument("-v", "--verbose", action="store_true", help="show the annotated dialogue and the reports")
    run.add_argument("--bless", action="store_true", help="rewrite C lines, report and exit from what the program did")
    run.add_argument(
        "--match", choices=("exact", "rfc"),
        help="octet for octet (default for a path), or by outcome, message and rules (default for other clients)",
    )  # fmt: skip


def add_audit(commands: Any) -> None:
    """Adds `audit`."""
    parser = commands.add_parser("audit", help="name every breach of the protocol in transcripts")
    parser.set_defaults(run=_audit)
    parser.add_argument("transcripts", nargs="*", type=Path, metavar="TRANSCRIPT")
    parser.add_argument("--rules", action="store_true", help="list the rules")


def add_show(commands: Any) -> None:
    """Adds `show`."""
    parser = commands.add_parser("show", help="a case or a transcript as something to read")
    parser.set_defaults(run=_show)
    parser.add_argument("file", type=Path, metavar="CASE|TRANSCRIPT")
    parser.add_argument("--html", type=Path, metavar="FILE", help="write it there as a page")


def add_peers(commands: Any) -> None:
    """Adds `peers`."""
    parser = commands.add_parser("peers", help="play the corpus with many clients, and write tables")
    parser.set_defaults(run=_peers)
    parser.add_argument("clients", nargs="*", metavar="CLIENT", help="default: Qremote, and every adapter")
    parser.add_argument("--cases", type=Path, default=_ROOT / "fixtures/cases", metavar="FOLDER", help="whose cases")
    parser.add_argument("--out", type=Path, default=Path("build"), metavar="FOLDER", help="for peers.html and more")


def _understood(command: Callable[[argparse.Namespace], int]) -> Callable[[argparse.Namespace], int]:
    """The command, for which a file that cannot be read is no traceback."""

    def run(options: argparse.Namespace) -> int:
        try:
            return command(options)
        except (CaseError, OSError) as error:
            print(f"mocksrv: {error}", file=sys.stderr)
            return NOT_UNDERSTOOD

    return run


# run


def _run_all(options: argparse.Namespace) -> int:
    try:
        client = clients.find(options.client or str(default_program()))
    except CaseError as error:
        print(f"mocksrv: {error}", file=sys.stderr)
        return NOT_UNDERSTOOD
    plain = client.program is not None and not client.told.startswith("qmail:")
    match = options.match or ("exact" if plain else "rfc")
    if match == "exact" and client.program is None:
        print(f"mocksrv: no case says what {client.name} says, octet for octet: --match=rfc", file=sys.stderr)
        return NOT_UNDERSTOOD
    run = _run_exact if match == "exact" else _run_rfc
    return 0 if all([run(path, client, options) for path in options.cases]) else 1


def _run_exact(path: Path, client: Client, options: argparse.Namespace) -> bool:
    assert client.program is not None
    try:
        result = bless.bless(path, client.program) if options.bless else check(read_case(path), client.program)
    except (CaseError, OSError, bless.Refused) as error:
        print(error, file=sys.stderr)
        return False
    if result.skipped:
        print(f"{path}: skipped: {result.skipped}")
        return False
    if options.verbose:
        print(show.annotated(result))
    print(f"{path}: ok" if result.passed else f"FAILED {show.explain(result)}")
    return result.passed


def _run_rfc(path: Path, client: Client, options: argparse.Namespace) -> bool:
    try:
        verdict = rfc.check(read_case(path), client)
    except (CaseError, OSError) as error:
        print(error, file=sys.stderr)
        return False
    if verdict.skipped:
        print(f"{path}: skipped: {verdict.skipped}")
        return False
    if options.verbose or not verdict.passed:
        print(verdicts.as_text(verdict))
    print(f"{path}: ok" if verdict.passed else f"FAILED {path}: {len(verdict.failures)} things are wrong")
    return verdict.passed


# audit


@_understood
def _audit(options: argparse.Namespace) -> int:
    if options.rules:
        print(rules_text(), end="")
    breaches = 0
    for path in options.transcripts:
        for tape in read_tapes(path):
            findings = audit(tape)
            breaches += sum(not finding.rule.advice for finding in findings)
            print(f"-- dialogue {tape.host} --\n{findings_text(tape, findings, path)}", end="")
    return 1 if breaches else 0


# show


@_understood
def _show(options: argparse.Namespace) -> int:
    reading = _case_reading if options.file.suffix == ".case" else _tape_reading
    text, html = reading(options.file)
    if options.html:
        options.html.write_text(html, errors="replace")
    else:
        print(text, end="")
    return 0


def _case_reading(path: Path) -> tuple[str, str]:
    case = read_case(path)
    facts = Facts(home.helo(case), case.message)
    parts = [*_given(case), *(page.of_dialogue(one, facts) for one in case.dialogues)]
    parts.append(page.of_report("The reports", case.report or b""))
    return show.reading(case), page.page(case.title, case.prose, parts)


def _given(case: Case) -> Iterator[page.Part]:
    """What stands in a case besides the dialogues."""
    for section in case.sections:
        if section.name != "report" and not section.name.startswith("dialogue"):
            title = f"{section.name} {section.argument}".strip()
            yield page.Part(title, [page.Row("", line) for line in section.content()])


def _tape_reading(path: Path) -> tuple[str, str]:
    tapes = read_tapes(path)
    text = "\n".join(f"-- dialogue {tape.host} --\n{findings_text(tape, audit(tape))}" for tape in tapes)
    return text, page.page(path.name, [], [page.of_tape(tape, _wrong(tape)) for tape in tapes])


def _wrong(tape: Tape) -> dict[int, tuple[str, ...]]:
    return verdicts.notes(audit(tape))


# peers


@_understood
def _peers(options: argparse.Namespace) -> int:
    told = options.clients or [str(default_program()), *ADAPTERS]
    found = [clients.find(one) for one in told]
    absent = [f"{client.name}: {why}" for client in found if (why := client.missing())]
    present = [client for client in found if client.missing() is None]
    paths = sorted(options.cases.rglob("*.case"))
    options.out.mkdir(exist_ok=True)
    lines = peers.compare(paths, present, options.out / "peers")
    (options.out / "peers.html").write_text(peers.as_html(lines, present, absent))
    text = peers.as_text(lines, present, absent)
    (options.out / "peers.txt").write_text(text)
    print(text.partition("\n\ncase ")[0])
    print(f"\nmore: {options.out}/peers.html, {options.out}/peers.txt")
    return 0
