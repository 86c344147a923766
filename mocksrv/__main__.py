"""The command line: `python3 -m mocksrv COMMAND ...`."""

import argparse
import sys

from mocksrv import commands, serve


def main(arguments: list[str]) -> int:
    """Runs the command line. Returns the exit status: 0 if all is well, 2 for what cannot be understood."""
    arguments, client = _split(arguments)
    parser = argparse.ArgumentParser(prog="mocksrv", description="A scriptable SMTP and DNS peer.")
    subparsers = parser.add_subparsers(required=True, metavar="COMMAND")
    adders = (serve.add_command, commands.add_run, commands.add_audit, commands.add_show, commands.add_peers)
    for add_command in adders:
        add_command(subparsers)
    options = parser.parse_args(arguments)
    if client is not None and "cases" not in options:
        parser.error("only `run` takes something behind --")
    options.client = client
    status: int = options.run(options)
    return status


def _split(arguments: list[str]) -> tuple[list[str], str | None]:
    if "--" not in arguments:
        return arguments, None
    at = arguments.index("--")
    if len(arguments) != at + 2:
        raise SystemExit("mocksrv: expected one CLIENT after --")
    return arguments[:at], arguments[-1]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
