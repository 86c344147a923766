# SPDX-License-Identifier: ISC
"""The command line: `mocksrv COMMAND ...`, or `python3 -m mocksrv COMMAND ...`."""

import argparse
import os
import signal
import sys

from mocksrv import __version__

try:
    from mocksrv import commands, testing

    from mocksrv.case.octets import harmless
    from mocksrv.case.script import CaseError
    from mocksrv.serve import command as serve
except ModuleNotFoundError as missing:
    name = {"dns": "dnspython", "cryptography": "cryptography"}.get((missing.name or "").partition(".")[0])
    if name is None:
        raise
    print(f"mocksrv: {sys.executable} lacks {name}: install python3-{name}, or use another Python", file=sys.stderr)
    sys.exit(2)


def main(arguments: list[str] | None = None) -> int:
    """Runs a command line, by default that of the process.

    Returns the exit status: 0 if all is well, 2 for input that cannot be understood.
    """
    _prepare_output()
    try:
        status = _run(sys.argv[1:] if arguments is None else arguments)
        sys.stdout.flush()
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
    except BrokenPipeError:  # `audit | head`
        _discard_output()
        return 128 + signal.SIGPIPE
    except (CaseError, OSError) as error:
        try:
            sys.stdout.flush()
        except OSError:  # which may be the error itself
            _discard_output()
        print(harmless(commands.complaint(error)), file=sys.stderr)
        return commands.NOT_UNDERSTOOD
    return status


def _run(arguments: list[str]) -> int:
    at = arguments.index("--") if "--" in arguments else len(arguments)
    after = arguments[at + 1 :]
    parser = argparse.ArgumentParser(prog="mocksrv", description="A scriptable SMTP and DNS peer.")
    parser.add_argument("--version", action="version", version=f"mocksrv {__version__}")
    subparsers = parser.add_subparsers(required=True, metavar="COMMAND")
    adders = (serve.add_command, commands.add_run, commands.add_audit, commands.add_show, testing.add_test)
    for add_command in adders:
        add_command(subparsers)
    options = parser.parse_args(arguments[:at])
    if at < len(arguments):
        if "client" not in options:
            parser.error("only `run` takes a client after --")
        if len(after) != 1:
            parser.error("expected one CLIENT after --")
        options.client = after[0]
    status: int = options.run(options)
    return status


def _prepare_output() -> None:
    """Makes every character printable, escaped if need be; output to a closed descriptor is discarded."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, open(os.devnull, "w"))  # also takes the number, so that no connection gets it
        elif hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")


def _discard_output() -> None:
    """Discards what is still in the buffer, which would fail again at exit."""
    with open(os.devnull, "w") as nowhere:
        os.dup2(nowhere.fileno(), sys.stdout.fileno())


if __name__ == "__main__":
    sys.exit(main())
