# SPDX-License-Identifier: ISC
"""A sandbox is isolated, returns values and errors, and leaves nothing behind."""

import contextlib
import os
import select
import socket
import subprocess
import threading
import time
import warnings
from pathlib import Path

import pytest

from mocksrv.world import sandbox
from mocksrv.world.nameserver import DnsServer, bound_socket
from mocksrv.world.sandbox import SCRATCH, SandboxError

pytestmark = pytest.mark.skipif(sandbox.available() is not None, reason=f"sandbox: {sandbox.available()}")
# Whether there is but one user in a sandbox; not so where namespaces for users are refused to root.
OWN_USERS = sandbox.available() is None and sandbox.run(Path("/proc/self/uid_map").read_text).split()[2] == "1"


def test_values_come_back() -> None:
    assert sandbox.run(lambda *args: (args, sandbox.inside()), 1, "two") == ((1, "two"), True)
    assert not sandbox.inside()


def test_errors_come_back() -> None:
    def fail() -> None:
        raise KeyError("reason")

    with pytest.raises(KeyError, match="reason") as caught:
        sandbox.run(fail)
    assert "in fail" in caught.value.__notes__[0]


def test_what_cannot_come_back_is_said() -> None:
    with pytest.raises(SandboxError, match="cannot be pickled"):
        sandbox.run(lambda: lambda: None)
    with pytest.raises(SandboxError, match="died"):
        sandbox.run(os._exit, 0)


def test_nothing_takes_longer_than_its_timeout() -> None:
    reader, writer = os.pipe()
    start = time.monotonic()
    with pytest.raises(SandboxError, match="not finished after 0.1 seconds"):
        sandbox.run(time.sleep, 60, timeout=0.1)
    assert time.monotonic() - start < 50
    os.close(writer)
    assert select.select([reader], [], [], 10)[0], "the process lives"
    os.close(reader)


def test_nothing_is_left(tmp_path: Path) -> None:
    """A process that outlives the function would hold the pipe open."""
    reader, writer = os.pipe()
    os.set_inheritable(writer, True)

    def leave() -> None:
        (SCRATCH / "file").touch()
        subprocess.Popen(["sleep", "60"], close_fds=False, start_new_session=True)

    sandbox.run(leave)
    os.close(writer)
    assert select.select([reader], [], [], 10)[0], "the process lives"
    os.close(reader)
    assert not (SCRATCH / "file").exists()


def test_one_is_kept_for_calls() -> None:
    """Without processes that a call leaves, and until an exception; in another sandbox it is not used."""
    kept = SCRATCH / "kept"
    sandbox.call(os.mkdir, kept)
    assert sandbox.call(os.path.exists, kept)
    assert not sandbox.run(lambda: sandbox.call(os.path.exists, kept))
    assert sandbox.call(os.system, "sleep 60 &") == 0
    assert [name for name in sandbox.call(os.listdir, "/proc") if name.isdigit()] == ["1"]
    with pytest.raises(FileExistsError):
        sandbox.call(os.mkdir, kept)
    assert not sandbox.call(os.path.exists, kept)
    with pytest.raises(SandboxError, match="died"):
        sandbox.call(os._exit, 0)
    with pytest.raises(SandboxError, match="not finished after 0.1 seconds"):
        sandbox.call(time.sleep, 60, timeout=0.1)


@pytest.mark.parametrize("address", ["192.0.2.1", "198.51.100.1", "203.0.113.1", "2001:db8::1", "127.0.0.1", "::1"])
def test_its_networks_can_be_listened_on(address: str) -> None:
    def connect() -> None:
        with bound_socket(address, 25, socket.SOCK_STREAM) as listener:
            listener.listen()
            socket.create_connection((address, 25), timeout=5).close()

    sandbox.run(connect)


def test_names_come_from_our_server() -> None:
    def look_up() -> str:
        with DnsServer("host.example. A 192.0.2.7") as server:
            server.start("127.0.0.1", 53)
            return socket.gethostbyname("host.example")

    assert sandbox.run(look_up) == "192.0.2.7"


def test_programs_can_be_kept_from_files() -> None:
    def read() -> tuple[int, int]:
        (SCRATCH / "secret").touch(0)
        command = ["cat", str(SCRATCH / "secret")]
        with sandbox.unprivileged_exec():
            without = subprocess.run(command, stderr=subprocess.DEVNULL, check=False).returncode
        return without, subprocess.run(command, check=False).returncode

    assert sandbox.run(read) == (1, 0)


@pytest.mark.skipif(sandbox.available(all_users=True) is not None, reason=f"{sandbox.available(all_users=True)}")
def test_it_can_have_all_users() -> None:
    def who() -> bytes:
        return subprocess.run(["id", "-u"], user=901, group=901, extra_groups=[], capture_output=True, check=True).stdout

    assert sandbox.run(who, all_users=True) == b"901\n"
    if OWN_USERS:
        with pytest.raises(OSError):
            sandbox.run(who)


def test_there_can_be_one_within_another() -> None:
    """It shares the network and the name server, but neither files nor processes, which are gone with it."""

    def inner() -> tuple[bool, str]:
        (SCRATCH / "mine").touch()
        subprocess.Popen(["sleep", "60"])
        socket.create_connection(("192.0.2.1", 25)).close()
        return (SCRATCH / "yours").exists(), Path("/etc/resolv.conf").read_text()

    def outer() -> tuple[tuple[bool, str], bool, list[str]]:
        (SCRATCH / "yours").touch()
        with bound_socket("192.0.2.1", 25, socket.SOCK_STREAM) as listener:
            listener.listen()
            said = sandbox.run(inner, nested=True)
        commands = [path.read_text() for path in Path("/proc").glob("[0-9]*/cmdline")]
        return said, (SCRATCH / "mine").exists(), [one for one in commands if "sleep" in one]

    assert sandbox.run(outer) == ((False, "nameserver 127.0.0.1\n"), False, [])


def without_user_namespaces() -> tuple[int, str | None, str | None]:
    """In a sandbox that forbids more of them, as containers and chroots do: who one is in a further one."""
    Path("/proc/sys/user/max_user_namespaces").write_text("0")
    sandbox.available.cache_clear()
    return sandbox.run(os.getuid), sandbox.available(), sandbox.available(all_users=True)


@pytest.mark.skipif(not OWN_USERS, reason="they are forbidden here anyhow, and the limit is the machine's")
def test_root_needs_no_namespace_for_users() -> None:
    """But all users are not to be had so."""
    uid, usual, all_users = sandbox.run(without_user_namespaces)
    assert (uid, usual) == (0, None)
    assert all_users and "no namespaces with all users" in all_users  # there is only one in the outer one


def test_threads_are_no_obstacle() -> None:
    """Python 3.12 and later warn of fork() where there are any; pytest-xdist has one in each of its processes."""
    end = threading.Event()
    thread = threading.Thread(target=end.wait)
    thread.start()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert sandbox.run(threading.active_count) == 1
    end.set()
    thread.join()


def test_it_can_be_forbidden(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MOCKSRV_SANDBOX", "none")
    assert sandbox.available.__wrapped__() == "MOCKSRV_SANDBOX=none"


@pytest.mark.parametrize("generation", [1, 2])
def test_nothing_outlives_its_parent(generation: int, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Neither the process that makes the sandbox nor the one in it, where the parent dies before it was asked."""
    fork, forks, parents, die_with_parent = os.fork, list[int](), list[int](), sandbox.die_with_parent
    reader, writer = os.pipe()

    def fork_and_die() -> int:
        """The parent in this generation dies at once."""
        if len(forks) == generation - 1:
            parents.append(os.getpid())
        forks.append(fork())
        if len(forks) == generation and forks[-1]:
            os._exit(0)
        return forks[-1]

    def alive(process: int) -> bool:
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
        return False

    def ask_late(parent: int) -> None:
        if len(forks) == generation:
            while alive(parents[0]):
                pass
        die_with_parent(parent)

    monkeypatch.setattr(os, "fork", fork_and_die)
    monkeypatch.setattr(sandbox, "die_with_parent", ask_late)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of fork() where pytest-xdist has a thread
        child = fork()
    if child == 0:
        try:
            sandbox.run((tmp_path / "it").touch)
        finally:
            os._exit(0)
    os.waitpid(child, 0)
    os.close(writer)
    assert select.select([reader], [], [], 10)[0], "something lives"
    os.close(reader)
    assert not (tmp_path / "it").exists()
