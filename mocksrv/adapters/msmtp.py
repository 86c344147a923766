# SPDX-License-Identifier: ISC
"""msmtp: one server, one attempt, all recipients or none.

TLS is off: `tls on` would insist on STARTTLS, and msmtp has no opportunistic TLS. It gives up at the first recipient
that is refused, and then nobody gets the message.
"""

import os
import re

from mocksrv.adapters.base import Adapter, Job, Reports, quoted, run


class Msmtp(Adapter):
    """Configured by its command line alone."""

    name = "msmtp"
    program = "usr/bin/msmtp"
    resolves = False
    # Its only timeout applies to connecting, too.
    control = Adapter.control | {"timeoutremote"}

    def command(self, job: Job) -> list[str]:
        """A delivery of the message on descriptor 0."""
        options = {
            "host": job.server, "port": "25", "domain": job.helo, "from": quoted(job.sender), "tls": "off",
            "set-from-header": "off", "set-date-header": "off", "set-msgid-header": "off",
            "remove-bcc-headers": "off", "undisclosed-recipients": "off",
        }  # fmt: skip
        if seconds := job.timeouts.get("timeoutremote"):
            options["timeout"] = str(seconds)
        words = [f"--{name}={value}" for name, value in options.items()]
        return ["/usr/bin/msmtp", *words, "--", *map(quoted, job.recipients)]

    def deliver(self, job: Job) -> Reports:
        """The server's reply counts; if there is none, the exit status, one of sysexits(3)."""
        status, output = run(job, *self.command(job))
        if status == 0:
            return Reports((("r", ""),) * len(job.recipients), "K", "msmtp: exit status 0")
        reply = re.search(r"server message: ([45])", output)
        lasting = reply[1] == "5" if reply else status in (os.EX_USAGE, os.EX_DATAERR, os.EX_CONFIG)
        return Reports.whole("D" if lasting else "Z", output)
