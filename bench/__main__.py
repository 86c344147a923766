# SPDX-License-Identifier: ISC
"""The command line: `python3 -m bench`. `make bench` builds what it needs and runs it."""

import argparse
import os
import platform
import sys
import tempfile
import time
from pathlib import Path

from bench import report
from bench.clients import Client, CurlPeer, EximPeer, MsmtpPeer, PostfixPeer, Qmail, SmtpSource
from bench.figures import FIGURES, Bench, Figure
from bench.sink import BUILT
from mocksrv.adapters import Curl, Exim, Msmtp, Postfix
from mocksrv.adapters.base import install, mount
from mocksrv.world import sandbox

PEERS = ("msmtp", "curl", "exim", "postfix", "smtp-source")
_LIMIT = 3600.0  # seconds


def main() -> int:
    """Measures, and writes bench.txt, bench.json and bench.html. It judges nothing."""
    parser = argparse.ArgumentParser(prog="bench", description="Compares Qremote with other mail clients.")
    parser.add_argument("--client", action="append", default=[], metavar="NAME", help=f"one of {' '.join(PEERS)}, or qmail:PATH, a program with qmail-remote's interface; may be repeated (default: all that are here)")  # fmt: skip
    parser.add_argument("--only", action="append", default=[], choices=list(FIGURES), help="one figure; may be repeated")
    parser.add_argument("--sizes", default="1 10 100", help="megabytes, for the growth with the size (default: %(default)s)")
    options = parser.parse_args()
    unknown = [one for one in options.client if one not in PEERS and not one.startswith("qmail:")]
    if unknown or not all(one.isdigit() and int(one) for one in options.sizes.split()):
        parser.error(f"no such client: {unknown[0]}" if unknown else f"--sizes takes numbers, not {options.sizes}")
    all_users = os.geteuid() == 0 and sandbox.available(all_users=True) is None
    if why := sandbox.available(all_users=all_users):
        print(f"bench: no sandbox, so only Qremote is measured: {why}", file=sys.stderr)
        with tempfile.TemporaryDirectory() as scratch:
            _measure(options, Path(scratch), why)
    else:
        sandbox.run(_inside, options, timeout=_LIMIT, all_users=all_users)
    print((BUILT / "bench.txt").read_text(), end="")
    return 0


def _inside(options: argparse.Namespace) -> None:
    os.umask(0o022)
    scratch = sandbox.SCRATCH / "bench"
    scratch.mkdir()
    scratch.chmod(0o755)
    # Some qmail-remote know no other home than /var/qmail: /var gets a layer of its own.
    (scratch / "upper").mkdir()
    (scratch / "work").mkdir()
    mount("-t", "overlay", "overlay", "-o", f"lowerdir=/var,upperdir={scratch}/upper,workdir={scratch}/work", "/var")
    Path("/var/qmail/control").mkdir(parents=True, exist_ok=True)
    mount("-t", "tmpfs", "tmpfs", "/var/qmail/control")
    _measure(options, scratch, None)


def _measure(options: argparse.Namespace, scratch: Path, alone: str | None) -> None:
    """Writes the results after each figure, so that an interrupted run keeps what it has."""
    home = scratch / "qmail" if alone else Path("/var/qmail")
    postfix, exim, msmtp, curl = Postfix(), Exim(), Msmtp(), Curl()
    peers: list[Client] = [
        MsmtpPeer(msmtp, scratch / "msmtp"), CurlPeer(curl, scratch / "curl"), EximPeer(exim, scratch / "exim"),
        PostfixPeer(postfix, scratch / "postfix"), SmtpSource(postfix, scratch / "smtp-source"),
    ]  # fmt: skip
    clients: list[Client] = [Qmail("Qremote", BUILT.parent / "Qremote", home)]
    clients += [Qmail(one, Path(one.removeprefix("qmail:")), home) for one in options.client if one.startswith("qmail:")]
    clients += [one for one in peers if not options.client or one.name in options.client]
    skipped = {one.name: alone if alone and one in peers else one.missing() for one in clients}
    clients = [one for one in clients if not skipped[one.name]]
    if not alone:
        names = {one.name.replace("smtp-source", "postfix") for one in clients}  # which is a part of it
        install([one for one in (postfix, exim, msmtp, curl) if one.name in names], scratch)
    begun = time.monotonic()
    bench = Bench(clients, [int(one) for one in options.sizes.split()], scratch, lambda text: _tell(begun, text))
    notes = {one.name: one.note for one in clients if one.note}
    notes |= {name: f"left out: {why}" for name, why in skipped.items() if why}
    figures: list[Figure] = []
    for one in bench.run(set(options.only)):
        figures.append(one)
        report.write(BUILT, _machine(), figures, notes)
    _tell(begun, "the end")


def _tell(begun: float, text: str) -> None:
    print(f"{time.monotonic() - begun:4.0f} s  {text}", file=sys.stderr, flush=True)


def _machine() -> str:
    """One line: the processor, the kernel, the system, how busy it was."""
    models = [line.partition(":")[2].strip() for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")]
    system = platform.freedesktop_os_release().get("PRETTY_NAME", "an unknown system")
    load = os.getloadavg()[0]
    busy = f"load {load:.1f} at the end"
    return f"{(models or ['an unnamed processor'])[0]}, {os.cpu_count()} online, {platform.system()} {platform.release()} {platform.machine()}, {system}, {busy}"


if __name__ == "__main__":
    sys.exit(main())
