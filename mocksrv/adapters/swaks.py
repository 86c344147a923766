# SPDX-License-Identifier: ISC
"""swaks: one server, one attempt, one command at a time; recipients that are refused do not stop the others.

TLS is --tls-optional: STARTTLS if it is offered, and no check of the certificate. By default swaks edits a message
(`\\n`, %DATE%, its header), so we use --no-data-fixup: the line ends and dots of DATA are ours, and only the rest is
from swaks.
"""

import re

from mocksrv.adapters.base import Adapter, AdapterError, Fate, Job, Reports, quoted, run
from mocksrv.case.octets import dot_stuffed

# Its lines follow `<-` if swaks expects that reply, else `<**`; within TLS, `<~` or `<~*`.
_REPLY = r"((?:^<.*\n)+)"


class Swaks(Adapter):
    """Configured by its command line alone. Its transcript tells more than its exit status."""

    name = "swaks"
    program = "usr/bin/swaks"
    resolves = False
    # Its only timeout applies to connecting, too.
    control = Adapter.control | {"timeoutremote"}

    def deliver(self, job: Job) -> Reports:
        """The replies to RCPT, in order, and the one to the message; where there is none, the last reply."""
        server = f"[{job.server}]" if ":" in job.server else job.server
        options = {"server": server, "port": "25", "helo": job.helo, "from": quoted(job.sender) or "<>"}
        if any("," in recipient for recipient in job.recipients):
            raise AdapterError("it reads an address with a comma as two")
        if not job.message:
            raise AdapterError("it reads a message of one line as the name of a file")
        options["to"] = ",".join(map(quoted, job.recipients))
        if seconds := job.timeouts.get("timeoutremote"):
            options["timeout"] = str(seconds)
        (job.scratch / "data").write_bytes(dot_stuffed(job.message).removesuffix(b"\r\n"))
        words = [word for name, value in options.items() for word in (f"--{name}", value)]
        words += ["--tls-optional", "--no-data-fixup", "--data", "@data", "--suppress-data"]
        _, output = run(job, "/usr/bin/swaks", *words)
        return _reports(output, len(job.recipients))


def _reports(output: str, count: int) -> Reports:
    said = re.findall(rf"(?m)^ [-~]> RCPT TO:.*\n{_REPLY}", output)
    end = re.search(rf"(?m)^ [-~]> \d+ lines sent\n{_REPLY}", output)
    replies = [reply for reply in re.findall(rf"(?m){_REPLY}", output) if not _text(reply).startswith("221")]
    why = next(iter(re.findall(r"(?m)^\*\*\* Error.*\n.*", output)), "no reply")
    last = _fate(end[1] if end else replies[-1] if replies else why)
    if last.letter == "K" and not end:  # the message was not answered
        last = Fate("Z", why)
    if len(said) != count:  # it gave up before the last RCPT
        return Reports.whole(last.letter, last.text)
    fates = [_fate(reply) for reply in said]
    return Reports.of([last if fate.letter == "K" else Fate(fate.letter, fate.text, True) for fate in fates])


def _fate(reply: str) -> Fate:
    text = _text(reply)
    good = reply[1:3] in ("- ", "~ ") and text.startswith("2")
    return Fate("K" if good else "D" if text.startswith("5") else "Z", text)


def _text(reply: str) -> str:
    return re.sub(r"(?m)^<(?:\*\*|~\*|[-~] ) ", "", reply)
