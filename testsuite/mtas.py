# SPDX-License-Identifier: ISC
"""A real Postfix and a real Exim, which store each message in the box of its recipient. ci/fetch-mtas fetches them.

For a sandbox with all users: both switch between several. What they write is below `sandbox.SCRATCH`, so it goes with
the sandbox, and so do their processes, which have no other end.
"""

import os
import re
import socket
import subprocess
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Self

from mocksrv.world import sandbox
from testsuite.peer import ADDRESS, PATIENCE, SENDER

DOMAIN = "example.org"
_FETCHED = Path(__file__).parent.parent / "build/mtas"
_HOME = sandbox.SCRATCH / "mta"
_BOXES = _HOME / "boxes"
_CERTIFICATE = _HOME / "certificate.pem"
# Not those of this machine, which may not have them.
_USERS = {"root": 0, "postfix": 901, "Debian-exim": 902, "box": 903, "nobody": 904}
_GROUPS = _USERS | {"postdrop": 905, "nogroup": 906}


def missing() -> str | None:
    """Why they cannot run here; None if they can."""
    for name in ("postfix", "exim"):
        if not (_FETCHED / name).is_dir():
            return f"no build/mtas/{name} (ci/fetch-mtas makes it)"
    return sandbox.available(all_users=True)


@dataclass(frozen=True)
class Offers:
    """What a server offers. SMTPUTF8 is offered together with 8BITMIME, which it requires."""

    chunking: bool = True
    eightbitmime: bool = True


class Mta(ABC):
    """A server on port 25 of ADDRESS that accepts mail for its boxes, and for nobody else; a context manager.

    Its log becomes a note on any exception within the block.
    """

    package: ClassVar[str]  # below build/mtas
    program: ClassVar[str]
    trace: ClassVar[str]  # what it adds before a message for BOX, with the protocol as a group

    def __init__(self, boxes: Sequence[str], offers: Offers, certificate: bytes = b"") -> None:
        """`certificate` is PEM, with its key and chain: with it the server offers STARTTLS."""
        self._boxes, self._offers, self._certificate = boxes, offers, certificate
        self._root = _FETCHED / self.package
        libraries = {str(path.parent) for path in self._root.rglob("*.so*")}
        self._environment = {"PATH": "/usr/bin:/bin", "LD_LIBRARY_PATH": ":".join(sorted(libraries))}

    def __enter__(self) -> Self:
        os.umask(0o022)
        _HOME.mkdir()
        _become_known()
        _directory(_BOXES, "box", "box", 0o755)
        if self._certificate:
            _CERTIFICATE.write_bytes(self._certificate)
        self._process = self._start()
        _wait_until(self._is_listening, "the server")
        return self

    def __exit__(self, _kind: object, error: BaseException | None, _traceback: object) -> None:
        if error:
            logs = sorted(path for path in _HOME.rglob("*log") if path.is_file())
            error.add_note("\n".join(f"{path}:\n{path.read_text(errors='replace')[-4000:]}" for path in logs))

    @abstractmethod
    def _start(self) -> "subprocess.Popen[bytes]":
        """The server, which need not listen yet."""

    @abstractmethod
    def settle(self) -> None:
        """Returns when all that was accepted is in its box. Fails if that does not happen."""

    def stored(self, box: str) -> list[bytes]:
        """The messages in a box, with LF at the ends of their lines."""
        return [path.read_bytes() for path in _files(_BOXES / box)]

    @classmethod
    def trace_of(cls, box: str) -> re.Pattern[bytes]:
        """What it adds before a message from SENDER for this box; the first group is the protocol."""
        return re.compile(cls.trace.replace("BOX", re.escape(f"{box}@{DOMAIN}")).encode())

    def _write(self, name: str, text: str) -> Path:
        path = _HOME / name
        path.write_text(text)
        os.utime(path, (0, 0))  # Postfix waits until a file is two seconds old, as it might still be written
        return path

    def _command(self, *arguments: str | Path) -> list[str]:
        return [str(self._root / self.program), *map(str, arguments)]

    def _popen(self, *arguments: str | Path) -> "subprocess.Popen[bytes]":
        with (_HOME / "start.log").open("wb") as log:
            return subprocess.Popen(
                self._command(*arguments), env=self._environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )

    def _is_listening(self) -> bool:
        assert self._process.poll() is None, "the server did not start"
        try:
            socket.create_connection((ADDRESS, 25)).close()
        except ConnectionRefusedError:
            return False
        return True


class Postfix(Mta):
    """master, smtpd, cleanup, qmgr, and virtual, which delivers into a maildir for each box."""

    package = "postfix"
    program = "usr/lib/postfix/sbin/master"
    trace = (
        rf"Return-Path: <{SENDER}>\nX-Original-To: BOX\nDelivered-To: BOX\n"
        rf"Received: from client\.example \(unknown \[{re.escape(ADDRESS)}\]\)\n"
        r"\tby mx\.example\.org \(Postfix\) with (\S+) id \S+\n\tfor <BOX>; .*\n"
    )
    _MAIN = f"""\
compatibility_level = 3.6
queue_directory = {_HOME}/queue
data_directory = {_HOME}/data
meta_directory = {_HOME}
daemon_directory = {{root}}/usr/lib/postfix/sbin
command_directory = {{root}}/usr/sbin
import_environment = MAIL_CONFIG LD_LIBRARY_PATH SASL_PATH
mail_owner = postfix
setgid_group = postdrop
maillog_file = {_HOME}/mail.log
maillog_file_prefixes = {_HOME}
myhostname = mx.example.org
mydestination =
local_recipient_maps =
alias_maps =
inet_protocols = ipv4
inet_interfaces = loopback-only
smtpd_peername_lookup = no
virtual_mailbox_domains = {DOMAIN}
virtual_mailbox_base = {_BOXES}
virtual_mailbox_maps = texthash:{_HOME}/boxes.map
virtual_uid_maps = static:{_USERS["box"]}
virtual_gid_maps = static:{_GROUPS["box"]}
smtpd_discard_ehlo_keywords = {{discard}}
{{tls}}
# Only CR LF ends a line.
smtpd_forbid_bare_newline = reject
smtpd_forbid_bare_newline_exclusions =
# A message keeps all its fields, and they stay as they are.
message_drop_headers =
local_header_rewrite_clients =
# Neither the many messages nor the wrong recipients are slowed down.
in_flow_delay = 0
smtpd_error_sleep_time = 0
"""
    _MASTER = f"""\
{ADDRESS}:25 inet n - n - - smtpd
anvil unix - - n - 1 anvil
cleanup unix n - n - 0 cleanup
rewrite unix - - n - - trivial-rewrite
qmgr unix n - n - 1 qmgr
virtual unix - n n - - virtual
defer unix - - n - 0 bounce
tlsmgr unix - - n - 1 tlsmgr
postlog unix-dgram n - n - 1 postlogd
"""
    # What `postfix check` would make, by owner, group and mode.
    _DIRECTORIES = {
        ("root", "root", 0o755): "queue queue/pid",
        ("postfix", "postdrop", 0o710): "queue/public",
        ("postfix", "postdrop", 0o730): "queue/maildrop",
        ("postfix", "postfix", 0o700): "data queue/private queue/incoming queue/active queue/deferred queue/defer"
        " queue/bounce queue/corrupt queue/flush queue/hold queue/saved queue/trace",
    }

    def _start(self) -> "subprocess.Popen[bytes]":
        for (owner, group, mode), names in self._DIRECTORIES.items():
            for name in names.split():
                _directory(_HOME / name, owner, group, mode)
        discard = "" if self._offers.chunking else "chunking "
        discard += "" if self._offers.eightbitmime else "8bitmime smtputf8"
        self._write("main.cf", self._MAIN.format(root=self._root, discard=discard, tls=self._tls()))
        self._write("master.cf", self._MASTER)
        self._write("boxes.map", "".join(f"{box}@{DOMAIN} {box}/\n" for box in self._boxes))
        self._environment["MAIL_CONFIG"] = str(_HOME)
        return self._popen("-c", _HOME)

    def _tls(self) -> str:
        if not self._certificate:
            return ""
        return f"smtpd_tls_security_level = may\nsmtpd_tls_chain_files = {_CERTIFICATE}\n"

    def settle(self) -> None:
        """The order counts: a message goes from queue to queue, and then it has been delivered."""
        queue = _HOME / "queue"
        _wait_until(lambda: not _files(queue / "incoming"), "an empty incoming queue")
        _wait_until(lambda: not _files(queue / "active"), "an empty active queue")
        assert not _files(queue / "deferred"), "not delivered"


class Exim(Mta):
    """A daemon that only queues; `settle` runs the queue, and appendfile writes a file for each message."""

    package = "exim"
    program = "usr/sbin/exim4"
    trace = (
        rf"Return-path: <{SENDER}>\nEnvelope-to: BOX\nDelivery-date: .*\n"
        rf"Received: from \[{re.escape(ADDRESS)}\] \(helo=client\.example\)\n"
        r"\tby mx\.example\.org with (\S+) .*\n\t\(envelope-from .*\)\n\tid .*\n\tfor BOX;\n\t.*\n"
    )
    _CONFIGURE = f"""\
primary_hostname = mx.example.org
spool_directory = {_HOME}/spool
log_file_path = {_HOME}/spool/%slog
pid_file_path = {_HOME}/spool/pid
keep_environment = LD_LIBRARY_PATH
local_interfaces = {ADDRESS}
daemon_smtp_ports = 25
{{tls}}
queue_only
{{offers}}
# A message keeps all its fields.
no_return_path_remove
no_envelope_to_remove
no_delivery_date_remove
acl_smtp_rcpt = recipients
begin acl
recipients:
  accept
    verify = recipient
    control = dkim_disable_verify
begin routers
boxes:
  driver = accept
  domains = {DOMAIN}
  local_parts = {{boxes}}
  transport = box
begin transports
box:
  driver = appendfile
  file = {_BOXES}/$local_part_data/$message_exim_id
  user = box
  return_path_add
  envelope_to_add
  delivery_date_add
  # No `From ` line before, no `>From `, no blank line after.
  message_prefix =
  check_string =
  escape_string =
  message_suffix =
"""

    def _start(self) -> "subprocess.Popen[bytes]":
        _directory(_HOME / "spool", "Debian-exim", "Debian-exim", 0o750)
        offers = "" if self._offers.chunking else "chunking_advertise_hosts =\n"
        offers += "" if self._offers.eightbitmime else "no_accept_8bitmime\nsmtputf8_advertise_hosts =\n"
        text = self._CONFIGURE.format(offers=offers, boxes=" : ".join(self._boxes), tls=self._tls())
        return self._popen("-C", self._write("configure", text), "-bdf")

    def _tls(self) -> str:
        if not self._certificate:
            return "tls_advertise_hosts ="
        os.chown(_CERTIFICATE, _USERS["Debian-exim"], -1)
        return f"tls_certificate = {_CERTIFICATE}"

    def settle(self) -> None:
        """A message that the daemon still holds is passed over, so the queue is run until there is none."""
        _wait_until(self._has_delivered, "an empty queue")

    def _has_delivered(self) -> bool:
        subprocess.run(self._command("-C", _HOME / "configure", "-qff"), env=self._environment, check=True)
        return not _files(_HOME / "spool/input")


def _become_known() -> None:
    """Gives this mount namespace users and groups of its own."""
    users = "".join(f"{name}:x:{number}:{number}::/:/bin/false\n" for name, number in _USERS.items())
    groups = "".join(f"{name}:x:{number}:\n" for name, number in _GROUPS.items())
    for name, text in (("passwd", users), ("group", groups)):
        (_HOME / name).write_text(text)
        subprocess.run(["mount", "--bind", _HOME / name, f"/etc/{name}"], check=True)


def _directory(path: Path, owner: str, group: str, mode: int) -> None:
    path.mkdir()
    os.chown(path, _USERS[owner], _GROUPS[group])
    path.chmod(mode)


def _files(directory: Path) -> list[Path]:
    return [path for path in directory.rglob("*") if path.is_file()]


def _wait_until(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, f"waited in vain for {what}"
        time.sleep(0.01)
