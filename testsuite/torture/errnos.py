# SPDX-License-Identifier: ISC
"""The errors that each system call of the program can have on Linux, by the manual pages and by what it is used for.

`SHORT` stands for a call that moves one octet of many. A name with `+` stands for an error that lasts: all further
calls of that kind have it as well.
"""

import re
import subprocess

SHORT = "short"
_NETWORK_GONE = "ENETUNREACH EHOSTUNREACH ENETDOWN"
_SENDING = f"EINTR EAGAIN {SHORT} {SHORT}+ ECONNRESET+ EPIPE+ ETIMEDOUT+ ENOBUFS ENOMEM EPERM+ {_NETWORK_GONE}"
_OPENING = "EMFILE EMFILE+ ENFILE+ ENOMEM+ EACCES+ EACCES"

ERRNOS = {
    name: errors.split()
    for name, errors in {
        "read": f"EINTR EIO ENOMEM+ {SHORT} {SHORT}+",
        "pread64": f"EINTR EIO {SHORT}+",
        "recvfrom": f"EINTR EAGAIN {SHORT} {SHORT}+ ECONNRESET+ ECONNREFUSED ETIMEDOUT+ EHOSTUNREACH+ ENOMEM",
        "recvmsg": "EINTR ENOMEM ENOBUFS+",
        "sendto": f"{_SENDING} ECONNREFUSED",
        "sendmsg": _SENDING,
        "write": f"EINTR EAGAIN {SHORT} {SHORT}+ EIO ENOSPC+",
        "socket": f"{_OPENING} ENOBUFS EAFNOSUPPORT EPROTONOSUPPORT",
        "bind": "EADDRINUSE EACCES ENOMEM",
        "connect": f"EINTR ECONNREFUSED ETIMEDOUT EADDRNOTAVAIL+ EAGAIN EACCES EPERM+ {_NETWORK_GONE}",
        "getsockname": "ENOBUFS",
        "getsockopt": "ENOPROTOOPT ENOMEM",
        "setsockopt": "ENOPROTOOPT ENOMEM ENOBUFS",
        "fcntl": "EMFILE EAGAIN EACCES",
        "openat": f"{_OPENING} EINTR EIO ENOENT ELOOP ENOTDIR ENAMETOOLONG ENXIO",
        "readlink": "EACCES ENOENT ENOMEM EIO",
        "access": "EACCES ENOENT EIO ELOOP",
        "newfstatat": "EACCES ENOENT ENOMEM EIO",
        "fstat": "EIO ENOMEM",
        "getdents64": "EIO EACCES ENOENT ENOMEM",
        "unlink": "EACCES EIO EROFS",
        "flock": "EINTR ENOLCK",
        "pwrite64": "EIO ENOSPC+",
        "lseek": "ESPIPE EOVERFLOW",
        "mmap": "ENOMEM ENOMEM+ EACCES EAGAIN ENODEV ENFILE+ EPERM+",
        "mprotect": "ENOMEM ENOMEM+ EACCES+",
        "munmap": "ENOMEM ENOMEM+",
        "brk": "ENOMEM ENOMEM+",
        "dup2": "EBUSY EINTR EMFILE+",
        "close": "EINTR EIO ENOSPC",
        "poll": "EINTR ENOMEM ENOMEM+",
        "getrandom": f"EINTR EAGAIN+ ENOSYS+ {SHORT}+",
        "futex": "EAGAIN EINTR",
        "prctl": "EINVAL EPERM",
    }.items()
}
# They cannot fail as they are used here: nothing they need can be missing.
NEVER = {"rt_sigaction", "rt_sigprocmask", "getpid", "gettid", "getuid", "geteuid", "getgid", "getegid", "exit_group", "uname"}


def numbers() -> dict[str, int]:
    """The numbers of the system calls on this machine."""
    command = ["cc", "-E", "-dM", "-include", "sys/syscall.h", "-x", "c", "/dev/null"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return {name: int(number) for name, number in re.findall(r"#define __NR_(\w+) (\d+)", done.stdout)}


def is_harmless(call: str, what: str, origin: str) -> bool:
    """Whether a careful program goes on as if nothing had happened.

    The dynamic loader, the `origin` of some calls, does not, but it says what happened.
    """
    interrupted = what in ("EINTR", "EAGAIN", SHORT, f"{SHORT}+") and not origin.startswith("ld-linux")
    return interrupted and call in ("read", "recvfrom", "sendto", "sendmsg", "write", "poll", "getrandom")


def unknown(calls: set[int]) -> set[str]:
    """Those of some system calls about which this file says nothing."""
    names = {number: name for name, number in numbers().items()}
    return {names[number] for number in calls} - ERRNOS.keys() - NEVER
