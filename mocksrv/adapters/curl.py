# SPDX-License-Identifier: ISC
"""curl: one server, one attempt, all recipients or none.

TLS is `--ssl`: STARTTLS if it is offered; with `--insecure`, because otherwise curl would refuse servers with a
self-signed certificate, to which other mailers deliver. It gives up at the first recipient that is refused, and then
nobody gets the message. `--crlf` is what its manual demands for a message with LF line ends.
"""

import re
from dataclasses import replace
from urllib.parse import quote

from mocksrv.adapters.base import Adapter, Job, Reports, quoted, run

# Its exit codes for errors in the command line.
_LASTING = {1, 2, 3, 4, 43}


class Curl(Adapter):
    """Configured by its command line alone. Its only other timeout is for the whole transfer, so that is not set."""

    name = "curl"
    program = "usr/bin/curl"
    resolves = False
    control = Adapter.control | {"timeoutconnect"}

    def command(self, job: Job) -> list[str]:
        """A delivery of the message on descriptor 0."""
        host = f"[{job.server}]" if ":" in job.server else job.server
        options = ["--disable", "--silent", "--show-error", "--ssl", "--insecure"]
        options += ["--crlf"] if re.search(rb"(?<!\r)\n", job.message) else []
        options += ["--upload-file", "message", "--mail-from", quoted(job.sender)]
        for recipient in job.recipients:
            options += ["--mail-rcpt", quoted(recipient)]
        if seconds := job.timeouts.get("timeoutconnect"):
            options += ["--connect-timeout", str(seconds)]
        return ["/usr/bin/curl", *options, f"smtp://{host}:25/{quote(job.helo, safe='')}"]

    def deliver(self, job: Job) -> Reports:
        """The last reply counts, which curl prints at the end."""
        told = ("--verbose", "--write-out", r"\nlast reply: %{response_code}\n")
        # Where there are both, --crlf would make CR CR LF of CR LF.
        job = replace(job, message=re.sub(rb"\r?\n", b"\r\n", job.message))
        status, output = run(job, *self.command(job), *told)
        if status == 0:
            return Reports((("r", ""),) * len(job.recipients), "K", "curl: exit status 0")
        reason = "\n".join(re.findall(r"(?m)^curl: .*|^< [45].*", output)) or f"curl: exit status {status}"
        lasting = status in _LASTING or re.search(r"(?m)^last reply: 5", output)
        return Reports.whole("D" if lasting else "Z", reason)
