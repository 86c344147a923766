# SPDX-License-Identifier: ISC
"""A sandbox for one function or for many: fresh network, mount and process namespaces, without privileges.

They take a namespace for users, in which this user is root; where that is refused to root, as in many containers and in
every chroot(2), they do without. The root directory must be a mount point: `mount --bind` makes it one for a chroot(2).

Inside, ports 25 and 53 are free, resolv.conf names 127.0.0.1, and the networks in `NETWORKS` can be listened on without
being on an interface (a client would rightly take addresses on an interface for its own). `SCRATCH` is an empty tmpfs.
When the function returns, raises or takes too long, the process namespace ends, and every process in it.
"""

import contextlib
import ctypes
import functools
import multiprocessing
import os
import pickle
import select
import signal
import subprocess
import traceback
import warnings
from collections.abc import Callable, Iterator
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, NoReturn, TypeVar

NETWORKS = ("192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24", "2001:db8::/32")
# Empty on most machines. Files below it are hidden inside, so the programs must not be there.
SCRATCH = next(
    place
    for place in map(Path, ("/mnt", "/media", "/srv"))
    if not any(here.is_relative_to(place) for here in (Path.cwd(), Path(__file__).resolve()))
)
TIMEOUT = 120.0  # seconds

_T = TypeVar("_T")
_CLONE_NEWNS, _CLONE_NEWUSER, _CLONE_NEWPID, _CLONE_NEWNET = 0x00020000, 0x10000000, 0x20000000, 0x40000000
_MS_BIND, _MS_REC, _MS_PRIVATE = 0x1000, 0x4000, 0x40000
_PR_SET_PDEATHSIG, _PR_SET_SECUREBITS = 1, 28
_SECBIT_NOROOT = 1
_libc = ctypes.CDLL(None, use_errno=True)
_inside = False


class SandboxError(Exception):
    """The sandbox could not be made, or its function did not finish."""


def run(
    function: Callable[..., _T],
    *args: object,
    timeout: float = TIMEOUT,
    all_users: bool = False,
    nested: bool = False,
) -> _T:
    """Returns the value of `function(*args)` in a new sandbox.

    The value must be picklable. An exception is raised here, with the traceback from inside as a note. Raises
    SandboxError after `timeout` seconds, or if there can be no sandbox (see `available`). With `all_users`, which
    takes root, its processes can become other users; without, there is only one, unless root is refused that.
    """
    sandbox = _Sandbox(lambda _: function(*args), all_users, nested)
    try:
        value: _T = sandbox.answer(timeout)
    finally:
        sandbox.end()
    return value


def call(function: Callable[..., _T], *args: object, timeout: float = TIMEOUT, all_users: bool = False) -> _T:
    """Like `run`, but in a sandbox that this process keeps: to make one takes longer than to play most cases.

    The function and its arguments must be picklable. Processes that it leaves are killed; files in `SCRATCH` and
    variables of Python are not reset. After an exception the sandbox is not used again.
    """
    key = os.getpid(), all_users
    sandbox = _kept.pop(key, None) or _Sandbox(_serve, all_users, nested=False)
    try:
        sandbox.ask(function, args)
        value: _T = sandbox.answer(timeout)
    except BaseException:
        sandbox.end()
        raise
    _kept[key] = sandbox
    return value


@functools.cache
def available(all_users: bool = False) -> str | None:
    """Why there can be no such sandbox here; None if there can. MOCKSRV_SANDBOX=none in the environment forbids it."""
    if os.environ.get("MOCKSRV_SANDBOX") == "none":
        return "MOCKSRV_SANDBOX=none"
    try:
        run(os.seteuid, 65534 if all_users else 0, timeout=10.0, all_users=all_users)
    except (OSError, SandboxError, subprocess.SubprocessError) as error:
        return f"no namespaces{' with all users' if all_users else ''} here: {error}"
    return None


def inside() -> bool:
    """Whether this process is in a sandbox."""
    return _inside


@contextlib.contextmanager
def unprivileged_exec() -> Iterator[None]:
    """Within the block, programs that this thread starts have no capabilities: they cannot read a file of mode 000."""
    _prctl(_PR_SET_SECUREBITS, _SECBIT_NOROOT)
    try:
        yield
    finally:
        _prctl(_PR_SET_SECUREBITS, 0)


def die_with_parent(parent: int) -> None:
    """Ends this process when the one that forked it ends, for whatever reason, even if it has ended already."""
    _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(0)


def ip(commands: list[str]) -> None:
    """Runs commands of ip(8). Raises SandboxError with its error messages."""
    done = subprocess.run(
        ["ip", "-batch", "-"], input="\n".join(commands), capture_output=True, text=True, check=False,
        env={"PATH": "/usr/sbin:/sbin:/usr/bin:/bin"},
    )  # fmt: skip
    if done.returncode:
        raise SandboxError(f"ip: {done.stderr.strip()}")


class _Sandbox:
    """A sandbox, seen from outside. It ends with the process that made it, at the latest."""

    def __init__(self, life: Callable[[Connection], object], all_users: bool, nested: bool) -> None:
        self._nested, self._timed_out = nested, False
        self._connection, inner = multiprocessing.Pipe()
        caller = os.getpid()
        self._pid = _fork()
        if self._pid == 0:
            self._connection.close()
            _live(caller, life, inner, all_users, nested)
        inner.close()

    def ask(self, function: Callable[..., object], args: tuple[object, ...]) -> None:
        """Gives `_serve` something to do."""
        with contextlib.suppress(BrokenPipeError):  # `answer` tells why
            self._connection.send((function, args))

    def answer(self, timeout: float) -> Any:
        """Waits for a value. Raises what was raised inside, and SandboxError."""
        try:
            self._timed_out = not self._connection.poll(timeout)
            if self._timed_out:
                raise SandboxError(f"not finished after {timeout:g} seconds, and killed")
            value, error = pickle.loads(self._connection.recv_bytes())
        except (EOFError, ConnectionError):
            raise SandboxError("the process in the sandbox died") from None
        if error is not None:
            raise error
        return value

    def end(self) -> None:
        """Ends all its processes."""
        if self._timed_out or not self._nested:  # in a network that goes on, nobody is to be left who might use it
            os.kill(self._pid, signal.SIGKILL)
        self._connection.close()
        os.waitpid(self._pid, 0)


_kept: dict[tuple[int, bool], _Sandbox] = {}  # by the process that made it, and all_users


def _serve(connection: Connection) -> NoReturn:
    """The life of a sandbox that is kept. It is the first process in there, so it can end all others."""
    while True:
        function, args = connection.recv()
        value = function(*args)
        with contextlib.suppress(ProcessLookupError):
            os.kill(-1, signal.SIGKILL)
        with contextlib.suppress(ChildProcessError):
            while True:
                os.wait()
        _send(connection, value, None)


def _fork() -> int:
    """os.fork(), by which all that the function refers to is there, picklable or not.

    Python warns of it where there are threads: in the child a lock that another thread held is never released. Workers
    of pytest-xdist have such a thread. It waits for orders in a system call; the locks that it may hold are those of
    its channel, which the child never touches, and Python itself releases its own and those of logging and of stdio.
    """
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "This process .* is multi-threaded", DeprecationWarning)
        return os.fork()


def _live(
    caller: int, life: Callable[[Connection], object], connection: Connection, all_users: bool, nested: bool
) -> NoReturn:
    """The forked child: makes the namespaces, and in them the process that lives, and sends what comes of it."""
    try:
        die_with_parent(caller)
        _unshare(all_users, nested)
        reader, parent = os.pipe()
        if os.fork() == 0:
            # The first process of a process namespace takes all others with it; it dies with its parent.
            os.close(parent)
            die_with_parent(0)  # the parent has no number in here
            if select.select([reader], [], [], 0)[0]:  # the other end is closed: the parent has died already
                os._exit(0)
            os.close(reader)
            _furnish(nested)
            _send(connection, life(connection), None)
        else:
            connection.close()
            os.wait()
    except BaseException as error:  # passed on to the caller
        error.add_note("in the sandbox:\n" + traceback.format_exc())
        _send(connection, None, error)
    finally:
        os._exit(0)


def _unshare(all_users: bool, nested: bool) -> None:
    """Leaves for new namespaces, in which this user is root: the only user there, or root among all users."""
    uid, gid = os.getuid(), os.getgid()
    flags = _CLONE_NEWNS | _CLONE_NEWPID | (0 if nested else _CLONE_NEWNET)
    own_users = not all_users and _libc.unshare(_CLONE_NEWUSER | flags) == 0
    if own_users:
        for name, text in (("setgroups", "deny"), ("uid_map", f"0 {uid} 1"), ("gid_map", f"0 {gid} 1")):
            Path("/proc/self", name).write_text(text)
    else:
        _check(_libc.unshare(flags), "unshare")


def _furnish(nested: bool) -> None:
    """Mounts, loopback and routes."""
    global _inside
    _inside = True
    _mount("none", "/", None, _MS_REC | _MS_PRIVATE)
    _mount("proc", "/proc", "proc", 0)  # of this process namespace: the sanitizers read it
    _mount("tmpfs", str(SCRATCH), "tmpfs", 0)
    if nested:
        return
    for name, text in (("resolv.conf", "nameserver 127.0.0.1\n"), ("hosts", "")):
        (SCRATCH / name).write_text(text)
        _mount(str(SCRATCH / name), f"/etc/{name}", None, _MS_BIND)
    ip(["link set lo up", *(f"route add local {network} dev lo" for network in NETWORKS)])


def _mount(source: str, target: str, kind: str | None, flags: int) -> None:
    done = _libc.mount(source.encode(), target.encode(), kind and kind.encode(), ctypes.c_ulong(flags), None)
    _check(done, f"mount on {target}")


def _prctl(option: int, value: int) -> None:
    arguments = (ctypes.c_ulong(one) for one in (value, 0, 0, 0))
    _check(_libc.prctl(option, *arguments), f"prctl {option}")


def _check(result: int, what: str) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")


def _send(connection: Connection, value: object, error: BaseException | None) -> None:
    try:
        octets = pickle.dumps((value, error))
        pickle.loads(octets)  # exceptions with arguments of their own often fail only here
    except Exception:
        text = "\n".join(traceback.format_exception(error)) if error else f"{type(value)} cannot be pickled"
        octets = pickle.dumps((None, SandboxError(text)))
    connection.send_bytes(octets)
