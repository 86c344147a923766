# SPDX-License-Identifier: ISC
"""Postfix: master, pickup, cleanup, qmgr and smtp(8), with a queue of its own for each message.

TLS is opportunistic: smtp_tls_security_level = may. Everything else about SMTP is Postfix's default, and so are the
header fields that it adds to a message from sendmail(1): Received, and Date, From and Message-Id if they are missing.
"""

import os
import re
import subprocess
from pathlib import Path

from mocksrv.adapters.base import (
    Adapter, Fate, Job, Reports, directory, host_name, quoted, read_log, run, tell, wait_for,
)  # fmt: skip

_USER, _DROP = 901, 905
_MAIN = """\
compatibility_level = 3.6
queue_directory = {home}/queue
data_directory = {home}/data
meta_directory = {home}
daemon_directory = /usr/lib/postfix/sbin
command_directory = /usr/sbin
mail_owner = postfix
setgid_group = postdrop
maillog_file = {home}/mail.log
maillog_file_prefixes = {home}
myhostname = {name}
smtp_helo_name = {helo}
smtp_tls_security_level = may
smtp_connection_cache_on_demand = no
default_transport = smtp:{host}
mydestination =
alias_maps =
local_recipient_maps =
# Mail goes out as it was handed in: no limit, no change.
message_size_limit = 0
mailbox_size_limit = 0
message_drop_headers =
append_at_myorigin = no
append_dot_mydomain = no
swap_bangpath = no
allow_percent_hack = no
"""
# A notice about failure has no sender. A message without a sender causes no notice.
_NO_NOTICES = "sender_dependent_default_transport_maps = inline:{<>=discard:}\n"
_TIMEOUTS = "helo mail rcpt data_init data_xfer data_done starttls rset quit"
_MASTER = """\
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
smtp unix - - n - - smtp
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
postlog unix-dgram n - n - 1 postlogd
"""


class Postfix(Adapter):
    """A daemon for one message."""

    name = "postfix"
    program = "usr/lib/postfix/sbin/master"
    resolves = True
    users = {"postfix": _USER}
    groups = {"postdrop": _DROP}
    control = Adapter.control | {"timeoutconnect", "timeoutremote"}

    def deliver(self, job: Job) -> Reports:
        """Reads the log until it has a status for each recipient."""
        self.configure(job)
        log = job.scratch / "mail.log"
        master = subprocess.Popen(["/usr/lib/postfix/sbin/master", "-c", job.scratch], stdin=subprocess.DEVNULL)
        try:
            wait_for(master, log, lambda _: (job.scratch / "queue/public/pickup").exists() or None)
            envelope = (quoted(job.sender) or "<>", "--", *map(quoted, job.recipients))
            status, output = run(job, "/usr/sbin/sendmail", "-C", str(job.scratch), "-i", "-f", *envelope)
            if status:
                return Reports.whole("Z" if status == os.EX_TEMPFAIL else "D", output)
            message = wait_for(master, log, lambda text: _finished(text, job.scratch / "queue"))
            # The log may lag behind.
            fates = wait_for(master, log, lambda text: _fates(text, message, job.recipients), patience=60.0)
            return Reports.of(fates)
        finally:
            tell(read_log(log))

    def configure(self, job: Job) -> None:
        """Makes its queue and its configuration."""
        home, timeouts = job.scratch, job.timeouts
        text = _MAIN.format(home=home, name=host_name(job.helo), helo=job.helo, host=job.host)
        text += _NO_NOTICES if job.sender else ""
        if seconds := timeouts.get("timeoutconnect"):
            text += f"smtp_connect_timeout = {seconds}\n"
        if seconds := timeouts.get("timeoutremote"):
            text += "".join(f"smtp_{name}_timeout = {seconds}\n" for name in _TIMEOUTS.split())
        for name, octets in (("main.cf", text), ("master.cf", _MASTER)):
            (home / name).write_text(octets)
            os.utime(home / name, (0, 0))  # Postfix waits until a file is two seconds old, lest it be still written
        directory(home / "queue/pid")
        directory(home / "queue/public", _USER, _DROP, 0o710)
        directory(home / "queue/maildrop", _USER, _DROP, 0o730)
        for name in "active bounce corrupt defer deferred flush hold incoming private saved trace".split():
            directory(home / "queue" / name, _USER, _USER, 0o700)
        directory(home / "data", _USER, _USER, 0o700)


def _finished(log: str, queue: Path) -> str | None:
    """The name of the message in the queue, once it is no longer active: then smtp(8) has also said QUIT."""
    found = re.search(r"postfix/pickup\[\d+\]: (\w+): uid=", log)
    waits = found and any((queue / name / found[1]).exists() for name in ("incoming", "active"))
    return found[1] if found and not waits else None


def _fates(log: str, message: str, recipients: tuple[str, ...]) -> list[Fate] | None:
    fates = []
    for recipient in recipients:
        line = re.search(rf"(?i): {message}: to=<{re.escape(quoted(recipient))}>, .*status=(\w+) \((.*)\)\n", log)
        if not line:
            return None
        letter = {"sent": "K", "deferred": "Z"}.get(line[1], "D")
        fates.append(Fate(letter, line[2], "in reply to RCPT TO command" in line[2]))
    return fates
