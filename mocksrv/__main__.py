"""The command line: `python3 -m mocksrv COMMAND ...`."""

import argparse
import sys
from pathlib import Path
from typing import Any

from mocksrv import bless, serve, show
from mocksrv.case import read_case
from mocksrv.home import default_program
from mocksrv.script import CaseError
from mocksrv.world import check


def main(arguments: list[str]) -> int:
    """Runs the command line. Returns the exit status: 0 if all is well, 2 for what cannot be understood."""
    arguments, behind = _split(arguments)
    parser = argparse.ArgumentParser(prog="mocksrv", description="A scriptable SMTP and DNS peer.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for add_command in (_add_run, serve.add_command):
        add_command(commands)
    options = parser.parse_args(arguments)
    if behind is not None and options.run is not _run_all:
        parser.error("only `run` takes something behind --")
    options.program = behind
    status: int = options.run(options)
    return status


def _split(arguments: list[str]) -> tuple[list[str], Path | None]:
    if "--" not in arguments:
        return arguments, None
    at = arguments.index("--")
    if len(arguments) != at + 2:
        raise SystemExit("mocksrv: expected one PROGRAM after --")
    return arguments[:at], Path(arguments[-1]).absolute()


def _add_run(commands: Any) -> None:
    usage = "mocksrv run [-v] [--bless] CASE... [-- PROGRAM]"
    run = commands.add_parser("run", help="play cases against a program", usage=usage)
    run.set_defaults(run=_run_all)
    run.add_argument("cases", nargs="+", type=Path, metavar="CASE")
    run.add_argument("-v", "--verbose", action="store_true", help="show the annotated dialogue and the reports")
    run.add_argument("--bless", action="store_true", help="rewrite C lines, report and exit from what the program did")


def _run_all(options: argparse.Namespace) -> int:
    program = options.program or default_program()
    verdicts = [_run(path, program, options.verbose, options.bless) for path in options.cases]
    return 0 if all(verdicts) else 1


def _run(path: Path, program: Path, verbose: bool, blessing: bool) -> bool:
    try:
        result = bless.bless(path, program) if blessing else check(read_case(path), program)
    except (CaseError, OSError, bless.Refused) as error:
        print(error, file=sys.stderr)
        return False
    if result.skipped:
        print(f"{path}: skipped: {result.skipped}")
        return False
    if verbose:
        print(show.annotated(result))
    print(f"{path}: ok" if result.passed else f"FAILED {show.explain(result)}")
    return result.passed


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
