# SPDX-License-Identifier: ISC
"""However Qremote is called: the exit status is 0, descriptor 2 stays silent, and the reports arrive complete."""

import fcntl
import os
import re
import resource
import shutil
import signal
import socket
import subprocess
import tempfile
from collections import Counter
from collections.abc import Callable
from functools import partial
from itertools import chain, combinations
from pathlib import Path

import pytest

from mocksrv.world import sandbox
from mocksrv.world.home import default_program
from mocksrv.world.nameserver import DnsServer
from testsuite.peer import (
    ADDRESS, HOST, MESSAGE, PATIENCE, RECIPIENT, SENDER, Outcome, Peer, command, environment, furnish, memory_file,
    qremote,
)  # fmt: skip

pytestmark = pytest.mark.skipif(sandbox.available() is not None, reason=f"{sandbox.available()}")

SIGPIPE_STATES = ("ignored", "blocked", "default")


def delivered(*arguments: str, **how: object) -> tuple[Outcome, int]:
    """One delivery, and how many messages the server accepted."""
    with Peer() as peer:
        outcome = qremote(*arguments, **how)
    return outcome, len(peer.accepted)


# SYN-4: descriptors


def close_all(descriptors: tuple[int, ...]) -> None:
    for one in descriptors:
        os.close(one)


@pytest.mark.spec("SYN-2", "SYN-3", "SYN-4", "IN-2")
@pytest.mark.parametrize("closed", chain.from_iterable(combinations(range(3), count) for count in range(4)), ids=str)
def test_closed_descriptors(closed: tuple[int, ...]) -> None:
    """Without 0 there is no message, without 1 no report; but nothing goes wrong, and nothing is written to 2."""
    outcome, taken = sandbox.run(partial(delivered, before=partial(close_all, closed)))
    assert taken == (0 not in closed)
    if 1 in closed:
        assert outcome == Outcome(0, b"", b"")
    else:
        assert outcome.letters == ("Z" if 0 in closed else "rK")


def same_pipe() -> bytes:
    with Peer(), memory_message() as message:
        return subprocess.run(
            command(), stdin=message, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=environment(), check=True
        ).stdout


def memory_message():
    """The message as a file object."""
    return open(memory_file(MESSAGE), "rb")


@pytest.mark.spec("SYN-3")
def test_descriptor_2_is_the_same_pipe_as_1() -> None:
    """As under qmail-rspawn."""
    assert Outcome(0, sandbox.run(same_pipe), b"").letters == "rK"


def few_descriptors() -> list[Outcome]:
    outcomes = []
    for most in range(4, 13):  # with 3 not even the dynamic loader can open libcares
        limit = partial(resource.setrlimit, resource.RLIMIT_NOFILE, (most, most))
        outcome, taken = delivered("example.org", SENDER, RECIPIENT, before=limit)
        assert outcome.letters == ("rK" if taken else "Z"), (most, outcome)
        outcomes.append(outcome)
    return outcomes


def few_descriptors_with_dns() -> list[Outcome]:
    with DnsServer(f"example.org. MX 10 mx.example.org.\nmx.example.org. A {ADDRESS}\n") as server:
        server.start()
        return few_descriptors()


@pytest.mark.spec("SYN-2")
def test_few_descriptors() -> None:
    """A temporary failure, or success; twelve are enough."""
    assert sandbox.run(few_descriptors_with_dns)[-1].letters == "rK"


def many_candidates() -> tuple[Outcome, int]:
    count = 40
    zone = "".join(
        f"example.org. MX {n} m{n}.example.\nm{n}.example. A 192.0.2.{n}\nm{n}.example. AAAA 2001:db8::{n}\n"
        for n in range(1, count + 1)
    )
    limit = partial(resource.setrlimit, resource.RLIMIT_NOFILE, (12, 12))
    with DnsServer(zone) as server, Peer(address="0.0.0.0", busy=count - 1) as peer:
        server.start()
        return qremote("example.org", SENDER, RECIPIENT, before=limit), len(peer.sessions)


@pytest.mark.spec("MX-2", "SYN-2")
def test_no_descriptor_is_lost_from_candidate_to_candidate() -> None:
    """The fortieth server accepts the mail, although there are only twelve descriptors; IPv6 is always refused."""
    outcome, sessions = sandbox.run(many_candidates)
    assert (outcome.letters, sessions) == ("rK", 40)


# SYN-2: memory


def little_memory() -> tuple[int, int]:
    """Raises the limit, beginning with the smallest one with which the program starts."""
    step, most = 1 << 15, 0
    loaded = failures = 0
    while not loaded or failures < 4 or most < loaded + 16 * step:
        most += step
        limit = partial(resource.setrlimit, resource.RLIMIT_AS, (most, most))
        if not loaded:
            loaded = most if starts(limit) else 0
            continue
        outcome, taken = delivered(message=b"a\n" * 50000, before=limit)
        assert outcome.letters == ("rK" if taken else "Z"), (most, outcome)
        failures = failures + 1 if outcome.letters == "rK" else 0
    return loaded, most


def starts(limit: Callable[[], None]) -> bool:
    """Whether the dynamic loader has enough memory."""
    done = subprocess.run(command()[:1], capture_output=True, preexec_fn=limit, check=False, timeout=PATIENCE)
    return done.returncode == 0 and done.stdout.startswith(b"D")


@pytest.mark.spec("SYN-2")
def test_little_memory() -> None:
    """From the smallest address space in which the program can start: a temporary failure, or success."""
    loaded, enough = sandbox.run(little_memory)
    assert loaded < enough


# SYN-4: signals, and reports that nobody reads


def set_sigpipe(state: str) -> None:
    signal.signal(signal.SIGPIPE, signal.SIG_IGN if state == "ignored" else signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, {signal.SIGPIPE} if state == "blocked" else ())


@pytest.mark.spec("SYN-4")
@pytest.mark.parametrize("state", SIGPIPE_STATES)
def test_sigpipe(state: str) -> None:
    """The delivery is the same, whatever the caller did with the signal."""
    outcome, taken = sandbox.run(partial(delivered, before=partial(set_sigpipe, state)))
    assert (outcome.letters, taken) == ("rK", 1)


def unheard(state: str, where: str) -> tuple[int, bytes]:
    if where == "nobody":
        reader, writer = os.pipe()
        os.close(reader)
    else:
        writer = os.open(where, os.O_WRONLY)
    with Peer() as peer, memory_message() as message:
        done = subprocess.run(
            command(), stdin=message, stdout=writer, stderr=subprocess.PIPE, env=environment(), check=False,
            preexec_fn=partial(set_sigpipe, state), timeout=PATIENCE,
        )  # fmt: skip
    os.close(writer)
    assert len(peer.accepted) == 1
    return done.returncode, done.stderr


@pytest.mark.spec("SYN-2", "SYN-4")
@pytest.mark.parametrize("where", ["nobody", "/dev/full", "/dev/null"])
@pytest.mark.parametrize("state", SIGPIPE_STATES)
def test_reports_that_nobody_can_have(state: str, where: str) -> None:
    """A pipe without a reader, a full device: the exit status is 0."""
    assert sandbox.run(unheard, state, where) == (0, b"")


# RES-10: how the reports are written

RECIPIENTS = [f"no{number}@example.org" for number in range(40)] + [RECIPIENT]
LONG = {"RCPT TO:<no": "550-" + "a" * 2000 + "\r\n550 " + "b" * 1000}


def drained(kind: str, blocking: bool, piece: int) -> bytes:
    """The reports as they come through a pipe with little room."""
    if kind == "pipe":
        reader, writer = os.pipe()
        assert fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, 4096) == 4096
    else:
        ends = socket.socketpair()
        ends[1].setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1)
        reader, writer = (one.detach() for one in ends)
    os.set_blocking(writer, blocking)
    with Peer(replies=LONG), memory_message() as message:
        process = subprocess.Popen(
            command(HOST, SENDER, *RECIPIENTS), stdin=message, stdout=writer, stderr=writer, env=environment()
        )
        os.close(writer)
        octets = b"".join(iter(partial(os.read, reader, piece), b""))
        assert process.wait(PATIENCE) == 0
    os.close(reader)
    return octets


@pytest.mark.spec("RES-10")
@pytest.mark.parametrize("blocking", [True, False], ids=["blocking", "non-blocking"])
@pytest.mark.parametrize("kind", ["pipe", "socket"])
def test_reports_through_a_narrow_way(kind: str, blocking: bool) -> None:
    """120 KB arrive completely, however few octets fit at a time."""
    outcome = Outcome(0, sandbox.run(drained, kind, blocking, 100), b"")
    assert outcome.letters == "h" * 40 + "rK"
    record = f"h[{ADDRESS}] does not like recipient. (#5.1.0)\nRemote host said: 550-{'a' * 2000}\n550 {'b' * 1000}\n"
    assert outcome.stdout.split(b"\0")[:40] == [record.encode()] * 40


# SYN-5 and the environment


def compiled_home() -> Path:
    """The home that the program was built with; /var/qmail if that is not recorded beside it."""
    told = default_program().parent / "qmail-home"
    return Path(told.read_text().strip() if told.exists() else "/var/qmail")


def last_there(directory: Path) -> Path:
    """The directory, or the nearest one above that exists."""
    return next(one for one in (directory, *directory.parents) if one.is_dir())


def greeted_as(home: str | None, directory: Path) -> str:
    """The name in EHLO, if it is in control/me below a directory, which is made for this."""
    os.environ["QREMOTE"] = shutil.copy(default_program(), sandbox.SCRATCH)  # else it might be below what is hidden now
    subprocess.run(["mount", "-t", "tmpfs", "none", last_there(directory)], check=True)
    furnish(directory, me="right.example\n")
    with Peer() as peer:
        assert qremote(variables={"QMAILHOME": home}).letters == "rK"
    return peer.sessions[0].commands[0]


@pytest.mark.spec("SYN-5", "CTL-1")
@pytest.mark.parametrize("home", [None, "", "/var/other"])
def test_the_qmail_home(home: str | None) -> None:
    """The one that was fixed when the program was built, unless QMAILHOME names another."""
    directory = Path(home) if home else compiled_home()
    if last_there(directory) == Path("/"):
        pytest.skip(f"nothing of {directory} exists, and to make it would be seen outside of the sandbox")
    assert sandbox.run(greeted_as, home, directory) == "EHLO right.example"


def misled() -> tuple[Outcome, list[str], int]:
    """A delivery while everything that usually configures resolvers points elsewhere."""
    wrong = sandbox.SCRATCH / "wrong"
    wrong.write_text("192.0.2.99 mailhost mx.example.org\n")
    (sandbox.SCRATCH / "hosts").write_text(wrong.read_text())  # is /etc/hosts here
    aliases = sandbox.SCRATCH / "aliases"
    aliases.write_text("mailhost evil.example\n")
    variables = {
        "LOCALDOMAIN": "evil.example", "RES_OPTIONS": "ndots:9 rotate", "HOSTALIASES": str(aliases),
        "CARES_HOSTS": str(wrong), "LANG": "de_DE.UTF-8", "LC_ALL": "tr_TR.UTF-8", "POSIXLY_CORRECT": "1", "IFS": "/",
    }  # fmt: skip
    (sandbox.SCRATCH / "resolv.conf").write_text("nameserver 127.0.0.1\nnameserver 127.0.0.2\n")
    zone = f"mailhost. MX 10 mx.example.org.\nmx.example.org. A {ADDRESS}\n"
    with DnsServer(zone) as server, DnsServer("") as other, Peer() as peer:
        server.start()
        other.start("127.0.0.2")
        outcome = qremote("mailhost", SENDER, RECIPIENT, variables=variables)
    assert other.questions == []
    return outcome, sorted(f"{one.name} {one.kind}" for one in server.questions), len(peer.accepted)


@pytest.mark.spec("SYN-4", "MX-5")
def test_the_environment_changes_nothing() -> None:
    """Neither the questions nor their results."""
    outcome, questions, taken = sandbox.run(misled)
    assert (outcome.letters, taken) == ("rK", 1)
    assert questions == ["mailhost. MX", "mx.example.org. A", "mx.example.org. AAAA"]


def leave() -> None:
    """Changes to a directory and removes it."""
    gone = tempfile.mkdtemp(dir=sandbox.SCRATCH)
    os.chdir(gone)
    os.rmdir(gone)


@pytest.mark.spec("SYN-4")
def test_a_directory_that_is_gone() -> None:
    """The working directory does not matter."""
    outcome, taken = sandbox.run(partial(delivered, before=leave))
    assert (outcome.letters, taken) == ("rK", 1)


@pytest.mark.spec("SYN-1")
@pytest.mark.parametrize("count", range(3))
def test_too_few_arguments(count: int) -> None:
    """One message report, and nothing else happens."""
    done = subprocess.run([*command()[:1], *["x"] * count], capture_output=True, check=False, stdin=subprocess.DEVNULL)
    outcome = Outcome(done.returncode, done.stdout, done.stderr)
    assert outcome.letters == "D" and "(#5.3.5)" in outcome.report


# System calls


def strace_works() -> bool:
    """Whether strace is allowed here."""
    if not shutil.which("strace"):
        return False
    return subprocess.run(["strace", "-o/dev/null", "true"], capture_output=True, check=False).returncode == 0


needs_strace = pytest.mark.skipif(not strace_works(), reason="strace does not work here")


def traced(offers: tuple[str, ...], message: bytes, *more: str) -> tuple[Outcome, list[str]]:
    """A delivery to two recipients, or more, and its system calls."""
    log = sandbox.SCRATCH / "strace"
    with Peer(offers):
        wrapper = ("strace", "-f", "-o", str(log))
        outcome = qremote(HOST, SENDER, RECIPIENT, "carol@example.org", *more, message=message, wrapper=wrapper)
    calls = [line.partition(" ")[2].strip() for line in log.read_text().splitlines()]
    return outcome, [call for call in calls if re.match(r"[a-z]", call)]


def sends(calls: list[str]) -> list[str]:
    """What each send(2) to the server began with."""
    to_server = [call for call in calls if call.startswith("sendto(") and "NETLINK" not in call]
    return [call.partition('"')[2].partition(" ")[0] for call in to_server]


@needs_strace
@pytest.mark.spec("EXT-3", "EXT-9", "RES-10")
@pytest.mark.parametrize(
    ("offers", "flights"),
    [
        (("PIPELINING",), ["EHLO", "MAIL", "Subject:", "QUIT\\r\\n\","]),
        (("SIZE",), ["EHLO", "MAIL", "RCPT", "RCPT", "DATA\\r\\n\",", "Subject:", "QUIT\\r\\n\","]),
    ],
    ids=["pipelining", "lockstep"],
)
def test_one_system_call_a_flight(offers: tuple[str, ...], flights: list[str]) -> None:
    """One send for each group of commands, one write for all reports, and no other process."""
    outcome, calls = sandbox.run(traced, offers, MESSAGE)
    assert outcome.letters == "rrK"
    assert sends(calls) == flights
    written = [call for call in calls if re.match(r"p?writev?\d*\(", call)]
    assert len(written) == 1 and written[0].endswith(f"= {len(outcome.stdout)}")
    assert not [call for call in calls if re.match(r"clone|v?fork", call)]
    assert sum(call.startswith("execve(") for call in calls) == 1


@needs_strace
@pytest.mark.spec("EXT-3")
def test_a_flight_of_almost_64_kib_is_one_system_call() -> None:
    """MAIL, a thousand RCPT of 64 octets and DATA."""
    many = [f"{number:040}@example.org" for number in range(1000)]
    outcome, calls = sandbox.run(traced, ("PIPELINING",), MESSAGE, *many)
    assert outcome.letters == "r" * 1002 + "K"
    assert [flight for flight in sends(calls) if flight in ("MAIL", "RCPT")] == ["MAIL"]


@needs_strace
def test_descriptors_are_not_passed_on() -> None:
    """All descriptors are closed on exec, so that no helper can keep the pipe of the reports open."""
    _, calls = sandbox.run(traced, ("PIPELINING",), MESSAGE)
    own = calls[next(index for index, call in enumerate(calls) if "F_DUPFD_CLOEXEC" in call) :]
    opened = [call for call in own if re.match(r"(openat|open|socket|dup\d?|fcntl|accept\d?)\(.*= [3-9]$", call)]
    assert opened and not [call for call in opened if "CLOEXEC" not in call]


def with_a_list_that_fails(error: str) -> tuple[Outcome, str]:
    """A delivery where the control files cannot be listed, and its system calls."""
    log = sandbox.SCRATCH / "strace"
    wrapper = ("strace", "-e", f"inject=getdents64:error={error}:when=1", "-o", str(log))
    with Peer(("PIPELINING",)):
        return qremote(HOST, SENDER, RECIPIENT, message=MESSAGE, wrapper=wrapper), log.read_text()


@needs_strace
@pytest.mark.spec("CTL-1")
@pytest.mark.parametrize("error", ["EACCES", "EIO"])
def test_control_files_that_cannot_be_listed(error: str) -> None:
    """Each is looked for by its name: a directory may be searched that may not be read."""
    outcome, calls = sandbox.run(with_a_list_that_fails, error)
    assert outcome.letters == "rK"
    assert "(INJECTED)" in calls and 'control/timeoutremote"' in calls


# While the directory is listed, the file FAMILIES is not there; with TICK, the time of the directory does not tell, as
# where clocks tick slowly, and the directory changed just before.
_REPLACED = """
ssize_t getdents64(int descriptor, void *entries, size_t size)
{
	const char *file = getenv("FAMILIES");
	struct stat before;
	fstat(descriptor, &before);
	rename(file, getenv("AWAY"));
	ssize_t length = syscall(SYS_getdents64, descriptor, entries, size);
	rename(getenv("AWAY"), file);
	if (getenv("TICK"))
		futimens(descriptor, (struct timespec[]){before.st_atim, before.st_mtim});
	return length;
}
"""


def with_a_list_that_lacks_a_file(tick: str | None) -> Outcome:
    """A delivery while a control file is replaced."""
    library = sandbox.SCRATCH / "replaced.so"
    includes = "".join(f"#include <{name}.h>\n" for name in ("stdio", "stdlib", "sys/stat", "sys/syscall", "unistd"))
    build = ["cc", "-shared", "-fPIC", "-D_GNU_SOURCE", "-o", str(library), "-x", "c", "-"]
    subprocess.run(build, input=includes + _REPLACED, text=True, check=True)
    control = furnish(sandbox.SCRATCH / "qmail", families="ipv6\n") / "control"
    try:
        return qremote(
            before=partial(os.utime, control) if tick else None,
            variables={
                "LD_PRELOAD": str(library),
                "ASAN_OPTIONS": "verify_asan_link_order=0:intercept_tls_get_addr=0",
                "FAMILIES": str(control / "families"),
                "AWAY": str(sandbox.SCRATCH / "away"),
                "TICK": tick,
            }
        )
    finally:
        (control / "families").unlink()


@pytest.mark.spec("CTL-1")
@pytest.mark.parametrize("tick", [None, "same"])
def test_a_control_file_that_is_replaced_while_they_are_listed(tick: str | None) -> None:
    """A file that is renamed meanwhile need not be in the list, not even if it takes the place of another (btrfs)."""
    outcome = sandbox.run(with_a_list_that_lacks_a_file, tick)
    assert "control/families allows no address" in outcome.report


def with_a_link_to_nothing(file: str, gone: str = "removed") -> tuple[Outcome, int]:
    """A delivery while this, in the directory of the control files, is a link, and what it leads to was removed."""
    home = furnish(sandbox.SCRATCH / "linked")
    link = home / "control" / file
    link.parent.mkdir(exist_ok=True)
    link.symlink_to(sandbox.SCRATCH / gone)
    zone = f"example.org. MX 10 mx.example.org.\nmx.example.org. A {ADDRESS}\n"
    with DnsServer(zone) as server, Peer(offers=("STARTTLS",)) as peer:
        server.start()
        outcome = qremote("example.org", SENDER, RECIPIENT, variables={"QMAILHOME": str(home)})
    return outcome, len(peer.accepted)


@pytest.mark.spec("CTL-1", "TLS-4", "RTD-1")
@pytest.mark.parametrize(
    ("link", "file"),
    [
        ("smtproutes", "smtproutes"),
        ("smtproutes.d/.org", "smtproutes.d/.org"),
        ("smtproutes.d", "smtproutes.d/example.org"),
        ("tlshosts/mx.example.org.pem", "tlshosts/mx.example.org.pem"),
        ("tlshosts", "tlshosts/mx.example.org.pem"),
        ("notlshosts/mx.example.org", "notlshosts/mx.example.org"),
        ("clientcert.pem", "clientcert.pem"),
    ],
)
def test_a_link_that_leads_nowhere(link: str, file: str) -> None:
    """Somebody wanted the file: a certificate that its package no longer has, or a disk that is not mounted."""
    outcome, taken = sandbox.run(with_a_link_to_nothing, link)
    assert outcome.report == f"Zcontrol/{file} cannot be read: No such file or directory. (#4.3.0)\n"
    assert taken == 0


@pytest.mark.spec("CTL-1", "TLS-4")
def test_a_link_to_a_name_that_no_file_can_have() -> None:
    """A long name alone means that there is no file, since that of a host may be so long."""
    outcome, taken = sandbox.run(with_a_link_to_nothing, "tlshosts/mx.example.org.pem", "x" * 256)
    assert outcome.report == "Zcontrol/tlshosts/mx.example.org.pem cannot be read: File name too long. (#4.3.0)\n"
    assert taken == 0


@needs_strace
def test_what_a_delivery_costs() -> None:
    """Not a system call more, and no library but that of C. The times at which replies come, and that library, decide
    about some of them.
    """
    outcome, calls = sandbox.run(traced, ("PIPELINING",), MESSAGE)
    loaded = [call for call in calls if call.startswith("open") and ".so" in call and "= -1" not in call]
    assert outcome.letters == "rrK" and [call for call in loaded if "libc.so" not in call and "ld.so" not in call] == []
    own = calls[next(index for index, call in enumerate(calls) if "F_DUPFD_CLOEXEC" in call) :]
    others = re.compile(r"brk|getrandom|mprotect|munmap|p?poll|recvfrom|exit_group|.*NETLINK")
    counted = [call for call in own if not others.match(call)]
    assert len(counted) == 35, "\n".join(counted)
    assert not [call for call in own if call.startswith("recvfrom(") and "EAGAIN" in call], "it looks where nothing can be"


@needs_strace
@pytest.mark.spec("EXT-8", "RES-7")
def test_it_looks_again_after_long_work() -> None:
    """What is recoded takes as long as a reply, and a server that spoke meanwhile did not answer what follows."""
    outcome, calls = sandbox.run(traced, ("PIPELINING",), MESSAGE + b"\xe4\n")
    talk = [call for call in calls if call.startswith(("sendto(", "recvfrom(")) and "NETLINK" not in call]
    kinds = "".join("s" if call.startswith("sendto(") else "-" if "EAGAIN" in call else "r" for call in talk)
    assert outcome.letters == "rrK" and re.fullmatch("r+sr+-sr+-sr+s", kinds), "\n".join(talk)


@needs_strace
def test_many_names_need_one_filter() -> None:
    """Filters of system calls add up, but what forbids other ends is set once, however often a module is asked for."""
    outcome, calls = sandbox.run(traced, ("PIPELINING",), MESSAGE, "dora@b\u00fccher.example", "eve@b\u00fccher.example")
    assert outcome.letters == "rrrrK"
    assert len([call for call in calls if call.startswith("prctl(PR_SET_SECCOMP")]) == 1


@pytest.mark.skipif(not shutil.which("valgrind"), reason="valgrind is not installed")
def test_instructions_of_a_delivery() -> None:
    """In main, so without those of the dynamic linker; half as much again would be worth a look."""
    assert sandbox.run(instructions) < 75_000


def instructions() -> int:
    """Those of a delivery of 2 KB."""
    log = sandbox.SCRATCH / "log"
    tool = ("--tool=callgrind", "--toggle-collect=main", "--callgrind-out-file=/dev/null", f"--log-file={log}")
    with Peer():
        outcome = qremote(message=b"Subject: x\n\n" + (b"x" * 59 + b"\n") * 33, wrapper=("valgrind", *tool))
    assert outcome.letters == "rK"
    return int(log.read_text().partition("Collected :")[2].split()[0])


@needs_strace
def test_lines_cost_no_system_calls() -> None:
    """Messages of the same size need the same system calls, be it 50 lines or 10,000."""
    size = 40000
    counts = []
    for width in (800, 4):
        outcome, calls = sandbox.run(traced, ("SIZE",), (b"a" * (width - 2) + b"\r\n") * (size // width))
        assert outcome.letters == "rrK" and len(sends(calls)) == 7
        counts.append(Counter(call.partition("(")[0] for call in calls))
    assert counts[0] == counts[1]
