# SPDX-License-Identifier: ISC
"""README's section "Under qmail": its commands do what it says, and destroy nothing.

The commands are taken from README.md, and run in a scratch directory or in a sandbox with its own /var/qmail.
"""

import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session

from mocksrv.world import sandbox
from mocksrv.world.nameserver import DnsServer
from testsuite.peer import ADDRESS, PATIENCE, furnish
from testsuite.test_install import make_environment
from testsuite.test_tls import PINNED, RECIPES, context

ROOT = Path(__file__).parent.parent
BUILT = ROOT / "build"
WRAPPER = b"#!/bin/sh\n# signs, for control/timeoutremote seconds\nexec /var/qmail/bin/qmail-remote.orig \"$@\"\n"
KEPT = "qmail-remote.before-Qremote"


GUIDE = (ROOT / "doc/guide.md").read_text()


def readme(fragment: str) -> str:
    """The only command in README's section on qmail that contains a fragment, without its comment."""
    return command((ROOT / "README.md").read_text().partition("\n## Under qmail\n")[2].partition("\n## ")[0], fragment)


def guide(fragment: str) -> str:
    """The same in doc/guide.md."""
    return command(GUIDE, fragment)


def command(section: str, fragment: str) -> str:
    """The only command in a text that contains a fragment."""
    indented = re.sub(r"\\\n", "", "\n".join(re.findall(r"^ {4,}(?=\S)(.*)", section, re.M)))
    found = [line.partition("    #")[0].strip() for line in indented.splitlines() if fragment in line]
    assert len(found) == 1, (fragment, found)
    return found[0]


REPLACE, RESTORE, UNINSTALL = (readme(f"make {what}") for what in ("replace-", "restore-", "uninstall"))


class Host:
    """A machine with qmail and an installed Qremote, below a directory."""

    def __init__(self, root: Path) -> None:
        self.bin, self.prefix = root / "qmail/bin", root / "usr"
        self.qremote = self.prefix / "bin/Qremote"
        self.remote = self.bin / "qmail-remote"
        self.bin.mkdir(parents=True)
        self.qremote.parent.mkdir(parents=True)
        shutil.copy(BUILT / "Qremote", self.qremote)
        # A program that runs, and has the text that only qmail's own has.
        self.remote.write_bytes(Path("/bin/true").read_bytes() + b"control/timeoutremote\0")
        self.remote.chmod(0o711)

    def run(self, command: str, path: Path | None = None) -> tuple[int, str]:
        """The exit status and the output. Programs in `path` replace those of the system."""
        environment = make_environment() | ({"PATH": f"{path}:{os.environ['PATH']}"} if path else {})
        done = subprocess.run(
            f"{command.removeprefix('sudo ')} QMAIL={self.bin.parent} PREFIX={self.prefix}",
            shell=True, cwd=ROOT, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True, check=False, timeout=PATIENCE,
        )  # fmt: skip
        return done.returncode, done.stdout

    def state(self) -> dict[str, bytes]:
        """What is in the directory: links by their targets, files by their octets."""
        return {
            path.name: os.readlink(path).encode() if path.is_symlink() else path.read_bytes()
            for path in self.bin.iterdir()
        }

    def replaced(self) -> dict[str, bytes]:
        """What must be in the directory after qmail's own program was replaced."""
        return {"qmail-remote": os.fsencode(self.qremote), KEPT: self.remote.read_bytes()}


@pytest.fixture
def host(tmp_path: Path) -> Host:
    return Host(tmp_path)


def test_qmails_own_program_is_replaced_and_restored(host: Host) -> None:
    """Twice as well as once. What is restored is the same file, with its owner and mode."""
    before, replaced, identity = host.state(), host.replaced(), host.remote.stat()
    for _ in range(2):
        status, told = host.run(REPLACE)
        assert (status, host.state()) == (0, replaced), told
    for _ in range(2):
        status, told = host.run(RESTORE)
        assert (status, host.state()) == (0, before), told
    assert (host.remote.stat().st_ino, host.remote.stat().st_mode) == (identity.st_ino, identity.st_mode)


def test_it_can_be_restored_without_make(host: Host) -> None:
    """By the command that was printed when it was replaced."""
    before = host.state()
    _, told = host.run(REPLACE)
    subprocess.run(told.rpartition("or: ")[2], shell=True, check=True)
    assert host.state() == before


def put_wrapper(host: Host) -> str:
    host.remote.rename(host.bin / "qmail-remote.orig")
    host.remote.write_bytes(WRAPPER)
    return "not a binary of qmail. If it is a wrapper"


def put_binary_wrapper(host: Host) -> str:
    host.remote.rename(host.bin / "qmail-remote.orig")
    shutil.copy("/bin/true", host.remote)
    return "not a binary of qmail. If it is a wrapper"


def put_link(host: Host) -> str:
    host.remote.rename(host.bin / "qmail-remote.orig")
    host.remote.symlink_to("/usr/local/bin/signer")
    return "is a link to /usr/local/bin/signer"


def put_nothing(host: Host) -> str:
    host.remote.unlink()
    return "is not there"


def put_qremote_itself(host: Host) -> str:
    shutil.copy(host.qremote, host.remote)
    return "not a binary of qmail"


def keep_something_else(host: Host) -> str:
    (host.bin / KEPT).write_bytes(b"of last year")
    return f"{KEPT} is there and differs"


def install_nothing(host: Host) -> str:
    host.qremote.unlink()
    return "does not run here (make install)"


def install_what_does_not_run(host: Host) -> str:
    host.qremote.write_bytes(b"#!/bin/sh\nexit 127\n")
    return "does not run here (make install)"


OBSTACLES = (
    put_wrapper, put_binary_wrapper, put_link, put_nothing, put_qremote_itself, keep_something_else, install_nothing,
    install_what_does_not_run,
)  # fmt: skip


@pytest.mark.parametrize("obstacle", OBSTACLES)
def test_what_is_not_replaced(host: Host, obstacle) -> None:
    """Nothing is changed, and a line says why."""
    reason = obstacle(host)
    before = host.state()
    status, told = host.run(REPLACE)
    assert status != 0 and f"{host.remote} " in told and reason in told and "Nothing was changed." in told, told
    assert host.state() == before


# Each step fails once, and each time there must be a qmail-remote before it and after it.
STEPS = ("ln qmail-remote", "ln -sfn", "mv -f")
STAND_IN = """\
#!/bin/sh
test -x qmail-remote || echo LOST >>'{log}'
echo "${{0##*/}} $*" >>'{log}'
case "${{0##*/}} $*" in '{fails}'*) echo "${{0##*/}}: No space left on device" >&2; exit 1;; esac
'{real}' "$@"
status=$?
test -x qmail-remote || echo LOST >>'{log}'
exit $status
"""


def stand_ins(directory: Path, fails: str) -> tuple[Path, Path]:
    """A directory for PATH in which ln, mv and rm check for qmail-remote, and their log; one command fails."""
    path, log = directory / "stand-ins", directory / "log"
    path.mkdir(exist_ok=True)
    for name in ("ln", "mv", "rm"):
        (path / name).write_text(STAND_IN.format(log=log, fails=fails, real=shutil.which(name)))
        (path / name).chmod(0o755)
    return path, log


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("then", ["replace", "restore"])
def test_a_step_that_fails(host: Host, tmp_path: Path, step: str, then: str) -> None:
    """qmail's own program stays in its place; a retry then replaces it, or a restore removes all traces."""
    before, replaced, own = host.state(), host.replaced(), host.remote.read_bytes()
    path, log = stand_ins(tmp_path, step)
    status, told = host.run(REPLACE, path)
    assert status != 0 and "No space left" in told and host.remote.read_bytes() == own
    status, told = host.run(REPLACE if then == "replace" else RESTORE, stand_ins(tmp_path, "none")[0])
    assert (status, host.state()) == (0, replaced if then == "replace" else before), told
    assert "LOST" not in log.read_text() and step in log.read_text()


def test_it_is_one_rename(host: Host, tmp_path: Path) -> None:
    """So there is a qmail-remote at every moment: the name is never removed."""
    for command in (REPLACE, RESTORE):
        trace = tmp_path / "trace"
        calls = "trace=unlink,unlinkat,rename,renameat,renameat2"
        status, told = host.run(f"strace -f -q -o {trace} -e {calls} {command.removeprefix('sudo ')}")
        assert status == 0, told
        lines = [line for line in trace.read_text().splitlines() if '"qmail-remote"' in line and line.endswith("= 0")]
        assert len(lines) == 1 and "rename" in lines[0], lines


def replace_where_nothing_may_be_written(root: Path) -> tuple[int, str, bool]:
    host = Host(root)
    before = host.state()
    host.bin.chmod(0o555)
    with sandbox.unprivileged_exec():
        status, told = host.run(REPLACE)
    return status, told, host.state() == before


needs_sandbox = pytest.mark.skipif(sandbox.available() is not None, reason=f"{sandbox.available()}")


@needs_sandbox
def test_a_read_only_directory() -> None:
    """Nothing is done, and ln says why."""
    status, told, same = sandbox.run(replace_where_nothing_may_be_written, sandbox.SCRATCH)
    assert status != 0 and "Permission denied" in told and same, told


def test_what_is_in_use_is_not_uninstalled(host: Host) -> None:
    """Only after qmail's own program was restored."""
    host.run(REPLACE)
    status, told = host.run(UNINSTALL)
    assert status != 0 and "restore-qmail-remote" in told and host.qremote.exists()
    host.run(RESTORE)
    status, told = host.run(UNINSTALL)
    assert status == 0 and not host.qremote.exists(), told


def test_an_upgrade_of_qmail_is_noticed(host: Host) -> None:
    """If a new qmail-remote replaced the link, the old one does not come back."""
    host.run(REPLACE)
    host.remote.unlink()
    host.remote.write_bytes(b"a newer one")
    before = host.state()
    status, told = host.run(RESTORE)
    assert status != 0 and "was qmail upgraded?" in told and host.state() == before, told


# notqmail


def test_the_rc_hands_qmailremote_down(tmp_path: Path) -> None:
    """A variable after `env -` reaches qmail-start, and /proc shows it in its children."""
    fake = tmp_path / "qmail-start"
    fake.write_text("#!/bin/sh\nexec sleep 600\n")
    fake.chmod(0o755)
    line = readme("exec env -").replace("/var/qmail/bin", str(tmp_path))
    process = subprocess.Popen(["/bin/sh", "-c", f"{line}\n"], stdout=subprocess.DEVNULL)
    try:
        look = readme("/environ").replace("$(pgrep -x qmail-rspawn)", str(process.pid))
        deadline = time.monotonic() + PATIENCE
        while "QMAILREMOTE" not in (shown := subprocess.run(look, shell=True, capture_output=True, text=True).stdout):
            assert time.monotonic() < deadline and process.poll() is None
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert shown == "QMAILREMOTE=/usr/local/bin/Qremote\n"


# The control files, as qmailr reads them

USERS = "root:x:0:0::/:/bin/sh\nqmailr:x:7794:2108::/:/bin/sh\nnobody:x:65534:65534::/:/bin/sh\n"
GROUPS = "root:x:0:\nqmail:x:2108:\nnogroup:x:65534:\n"
QMAILR = 7794
needs_users = pytest.mark.skipif(sandbox.available(True) is not None, reason=f"{sandbox.available(True)}")


def on_a_host(command: str, files: Mapping[str, str], modes: Mapping[str, tuple[int, int]]) -> str:
    """The output of a command if /var/qmail/control holds these files; `modes` are owners and modes that differ."""
    os.umask(0o022)
    for place in ("/var", "/usr/local"):
        subprocess.run(["mount", "-t", "tmpfs", "-o", "mode=755", "none", place], check=True)
    for name, text in {"passwd": USERS, "group": GROUPS}.items():
        (sandbox.SCRATCH / name).write_text(text)
        subprocess.run(["mount", "--bind", sandbox.SCRATCH / name, f"/etc/{name}"], check=True)
    for built in (BUILT / "Qremote", *BUILT.glob("qremote-*.so")):
        there = Path("/usr/local/lib/qremote" if built.suffix else "/usr/local/bin")
        there.mkdir(parents=True, exist_ok=True)
        shutil.copy(built, there)
    shutil.copy(ROOT / "admin/qremote-try", "/usr/local/bin")
    furnish(Path("/var/qmail"), **files)
    for name, (owner, mode) in modes.items():
        os.chown(f"/var/qmail/control/{name}", owner, owner)
        os.chmod(f"/var/qmail/control/{name}", mode)
    done = subprocess.run(command, shell=True, cwd=ROOT, capture_output=True, timeout=PATIENCE, check=False)
    assert done.stderr == b"" and done.returncode in (0, 1), done
    return done.stdout.decode()


CHECKS = {
    "all is well": ({"smtproutes": ":relay.example.com:587:user:password\n"}, {}, "(#5.1.2)"),
    "a password file of qmailr's": ({"smtproutes": ":[192.0.2.1]:25:u:p\n"}, {"smtproutes": (QMAILR, 0o400)}, "(#5.1.2)"),
    "a password file of root's": ({"smtproutes": ":[192.0.2.1]\n"}, {"smtproutes": (0, 0o400)}, "control/smtproutes"),
    "blanks": ({"smtproutes": ":relay.example.com:587 user password\n"}, {}, "control/smtproutes line 1"),
    "bars": ({"smtproutes": "\n:relay.example.com:587|user|password\n"}, {}, "control/smtproutes line 2"),
    "no number": ({"timeoutconnect": "a minute\n"}, {}, "control/timeoutconnect"),
    "no name": ({"me": "\n"}, {}, "control/helohost"),
    "a file for TLS is not looked at": ({"clientcert.pem": "none\n"}, {}, "(#5.1.2)"),
}  # fmt: skip


@needs_users
@pytest.mark.parametrize("name", CHECKS)
def test_the_check_of_the_control_files(name: str) -> None:
    """README's command, with qmailr's rights: 5.1.2, or the name of the broken file."""
    files, modes, told = CHECKS[name]
    report = sandbox.run(on_a_host, readme("'[]'"), files, modes, all_users=True)
    assert report.startswith("D[]" if "5.1.2" in told else "Z") and told in report, report


class Noting:
    """A server that accepts all recipients, and notes what it was asked."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    async def handle_RCPT(self, _server: SMTP, session: Session, envelope: Envelope, to: str, _options: list[str]) -> str:
        self.asked.append(f"{to} {'within TLS' if session.ssl else 'in the clear'}")
        envelope.rcpt_tos.append(to)
        return "250 ok"

    async def handle_DATA(self, _server: SMTP, _session: Session, _envelope: Envelope) -> str:
        self.asked.append("a message")
        return "250 ok"


def with_a_server(files: Mapping[str, str], modes: Mapping[str, tuple[int, int]]) -> tuple[str, list[str]]:
    handler = Noting()
    controller = Controller(handler, ADDRESS, 25, tls_context=context("mx"))
    controller.start()
    try:
        with DnsServer(f"mx.example.org. A {ADDRESS}\n") as server:
            server.start()
            return on_a_host(readme("qremote-try mx."), files, modes), handler.asked
    finally:
        controller.stop()


OURS = RECIPES.pem("client.chain client.key").decode()
OF_OTHERS = dict.fromkeys(PINNED, RECIPES.pem("other-ca").decode())
TLS_CHECKS = {
    "nothing is there": ({}, {}, "certificate not verified"),
    "all is well": ({"clientcert.pem": OURS} | PINNED, {"clientcert.pem": (QMAILR, 0o400)}, "certificate verified"),
    "a key of root's": ({"clientcert.pem": OURS}, {"clientcert.pem": (0, 0o400)}, "control/clientcert.pem"),
    "a directory of root's": (PINNED, {"tlshosts": (0, 0o700)}, "control/tlshosts/mx.example.org.pem"),
    "a broken certificate": ({"clientcert.pem": "none\n"}, {}, "control/clientcert.pem"),
    "no such cipher": ({"tlsclientciphers": "HIHG\n"}, {}, "HIHG"),
    "the certificate of another": (OF_OTHERS, {}, "(#4.7.5)"),
}  # fmt: skip


@needs_users
@pytest.mark.parametrize("name", TLS_CHECKS)
def test_the_check_of_the_files_for_tls(name: str) -> None:
    """README's command: within TLS the server accepts its postmaster, or the broken file is named; no message is sent."""
    files, modes, told = TLS_CHECKS[name]
    shown, asked = sandbox.run(with_a_server, files, modes, all_users=True)
    assert told in shown.splitlines()[-1], shown
    assert asked == (["postmaster@mx.example.org within TLS"] if "verified" in told else [])
