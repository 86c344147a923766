# SPDX-License-Identifier: ISC
"""OpenSMTPD: the daemon, which gets the message from its sendmail(8) over a socket.

TLS is its default for relaying: STARTTLS where it is offered, whatever the certificate is. Its timeouts cannot be
configured. HOST counts only if it is an address literal; a name is always the domain of the recipient. Its log does
not say which command a reply belongs to. It looks up the names (PTR) of the addresses that it connects to.
"""

import re
import socket
import subprocess
from contextlib import suppress
from pathlib import Path

from mocksrv.world import sandbox
from mocksrv.adapters.base import (
    Adapter, AdapterError, Fate, Job, Reports, mount, quoted, read_log, run, tell, wait_for,
)  # fmt: skip

_USER, _GROUP = 911, 912
_FAREWELL = 5.0  # seconds from the last result to the end of the last session
# A notice about failure has no sender, and so matches no rule: it is refused.
_CONFIGURATION = """\
smtp max-message-size 1G
# Connections are neither kept for more mail nor spread over time.
mta limit session-keepalive 0
mta limit conn-delay-relay 0
mta limit conn-delay-route 0
mta limit reconn-delay-route 0
action out relay helo "{helo}"{host}
match from any {sender}for any action out
"""


class OpenSmtpd(Adapter):
    """Its directories are compiled in, so empty ones are mounted over them."""

    name = "opensmtpd"
    program = "usr/sbin/smtpd"
    resolves = True
    users = {"opensmtpd": _USER, "opensmtpq": _GROUP}

    def deliver(self, job: Job) -> Reports:
        """Reads the log until it has a result for each recipient."""
        # On a machine with only loopback addresses, it would resolve no other addresses (AI_ADDRCONFIG).
        sandbox.ip(["addr replace 127.0.0.2/8 dev lo", "addr replace fd00::2/128 dev lo"])
        for place in ("/var/spool", "/var/lib", "/run", "/etc/ssl"):
            mount("-t", "tmpfs", "-o", "mode=755", "tmpfs", place)
        Path("/var/lib/opensmtpd/empty").mkdir(parents=True)
        # It does not begin without authorities, though it relays whatever the certificate is.
        Path("/etc/ssl/certs").mkdir()
        Path("/etc/ssl/certs/ca-certificates.crt").touch()
        configuration, log = job.scratch / "smtpd.conf", job.scratch / "log"
        literal = job.host.startswith("[") and not job.to_hosts_of_recipients()
        host = job.host if ":" in job.host else job.host.strip("[]")
        relay = f' host "smtp://{host}"' if literal else ""
        sender = 'mail-from regex "." ' if job.sender else ""
        configuration.write_text(_CONFIGURATION.format(helo=job.helo, host=relay, sender=sender))
        with log.open("wb") as stream:
            daemon = subprocess.Popen(["/usr/sbin/smtpd", "-d", "-f", configuration], stdout=stream, stderr=stream)
        try:
            wait_for(daemon, log, lambda _: _listens() or None)
            envelope = (quoted(job.sender) or "<>", "--", *map(quoted, job.recipients))
            status, output = run(job, "/usr/sbin/sendmail", "-i", "-f", *envelope, group=_GROUP)
            if status:
                return Reports.whole("D" if "command failed: 5" in output else "Z", output)
            found = wait_for(daemon, log, lambda text: _fates(text, job.recipients))
            with suppress(AdapterError):  # it logs no end of a session if the server does not answer QUIT
                wait_for(daemon, log, lambda text: _has_quit(text) or None, _FAREWELL)
            return Reports.of(_fates(read_log(log), job.recipients) or found)
        finally:
            tell(read_log(log))


def _listens() -> bool:
    """Whether the daemon listens. Otherwise sendmail(8) would keep the message in its offline queue."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        return probe.connect_ex("/run/smtpd.sock") == 0


def _has_quit(log: str) -> bool:
    ended = set(re.findall(r"(?m)^(\w+) mta (?:disconnected|error) ", log))
    return set(re.findall(r"(?m)^(\w+) mta connecting ", log)) <= ended


def _fates(log: str, recipients: tuple[str, ...]) -> list[Fate] | None:
    found = re.findall(r'(?m) mta delivery .* to=<(.*)> rcpt=.*result="(\w+)" stat="(.*)"$', log)
    if len(found) < len(recipients):
        return None
    letters = {"Ok": "K", "TempFail": "Z"}
    results = {address: Fate(letters.get(result, "D"), text) for address, result, text in found}
    folded = {address.lower(): fate for address, fate in results.items()}  # the log may differ in case
    try:
        return [results.get(one) or folded[one.lower()] for one in map(quoted, recipients)]
    except KeyError as error:
        raise AdapterError(f"no result for {error}") from error
