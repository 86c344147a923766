# SPDX-License-Identifier: ISC
"""Exim: one process that accepts the message and delivers it at once, in the foreground.

TLS, extensions and everything else about SMTP are Exim's defaults: it tries STARTTLS, and goes on in the clear if that
fails. The only header field that it adds is Received.
"""

import re

from mocksrv.adapters.base import Adapter, Fate, Job, Reports, directory, host_name, quoted, read_log, run, tell

_USER, _MAIL = 902, 8
# A notice about failure has no sender. A message without a sender causes no notice.
_CONFIGURE = """\
primary_hostname = {name}
spool_directory = {home}/spool
log_file_path = {home}/spool/%slog
pid_file_path = {home}/spool/pid
keep_environment =
allow_domain_literals
message_size_limit = 0
received_headers_max = 10000
acl_not_smtp_start = untouched
begin acl
untouched:
  accept
    control = suppress_local_fixups
begin routers
notices:
  driver = redirect
  condition = {notices}
  senders = :
  data = :blackhole:
{routers}
begin transports
smtp:
  driver = smtp
  helo_data = \\N{helo}\\N
{timeouts}
begin retry
* * F,4d,1h
"""
_BY_DOMAIN = """\
literal:
  driver = ipliteral
  transport = smtp
dns:
  driver = dnslookup
  transport = smtp
"""
_BY_HOST = """\
host:
  driver = manualroute
  route_list = <+ * "<; {host}"
  transport = smtp
"""
_FATE = r"(?m)^[-: 0-9]+ \S+ (=>|->|\*\*|==) (?:.* <)?(?:{raw}|{quoted})[>:]? (.*)"


class Exim(Adapter):
    """Configured for outgoing mail only."""

    name = "exim"
    program = "usr/sbin/exim4"
    package = "exim4-daemon-light"
    resolves = True
    users = {"Debian-exim": _USER}
    groups = {"mail": _MAIL}
    control = Adapter.control | {"timeoutconnect", "timeoutremote"}

    def configured(self, job: Job) -> list[str]:
        """Makes its spool and its configuration. Returns the command that uses them."""
        directory(job.scratch / "spool", _USER, _USER, 0o750)
        (job.scratch / "configure").write_text(_configuration(job), errors="surrogateescape")
        return ["/usr/sbin/exim4", "-C", str(job.scratch / "configure")]

    def deliver(self, job: Job) -> Reports:
        """Runs it to its end, and reads its log."""
        options = ("-odf", "-oep", "-i", "-f", quoted(job.sender) or "<>")
        status, output = run(job, *self.configured(job), *options, "--", *map(quoted, job.recipients))
        log = read_log(job.scratch / "spool/mainlog")
        tell(log)
        fates = [_fate(log, recipient) for recipient in job.recipients]
        if status or None in fates:
            return Reports.whole("D" if "bad address" in output else "Z", output or log)
        return Reports.of([fate for fate in fates if fate])


def _configuration(job: Job) -> str:
    host = job.host.strip("[]").removeprefix("IPv6:") if job.host.startswith("[") else f"{job.host}/MX"
    timeouts = ""
    if seconds := job.timeouts.get("timeoutconnect"):
        # With TCP Fast Open, its default, the connection is made while it waits for the greeting, however long.
        timeouts += f"  connect_timeout = {seconds}s\n  hosts_try_fastopen =\n"
    if seconds := job.timeouts.get("timeoutremote"):
        timeouts += "".join(f"  {name}_timeout = {seconds}s\n" for name in ("command", "data", "final"))
    return _CONFIGURE.format(
        name=host_name(job.helo), helo=job.helo, home=job.scratch, notices="yes" if job.sender else "no",
        routers=_BY_DOMAIN if job.to_hosts_of_recipients() else _BY_HOST.format(host=host), timeouts=timeouts,
    )  # fmt: skip


def _fate(log: str, recipient: str) -> Fate | None:
    pattern = _FATE.format(raw=re.escape(recipient), quoted=re.escape(quoted(recipient)))
    found = re.search(pattern, log) or re.search(pattern, log, re.IGNORECASE)  # the log may differ in case
    if not found:
        return None
    letter = {"**": "D", "==": "Z"}.get(found[1], "K")
    return Fate(letter, found[2], bool(re.search("after (pipelined )?RCPT TO", found[2])))
