# SPDX-License-Identifier: ISC
"""Other mail clients, each with the interface of qmail-remote, so that a case can be played against them.

    python3 -m mocksrv.adapters NAME[:ROOT] HOST SENDER RECIPIENT... <message

NAME is in `ADAPTERS`; ROOT is where its Debian package was unpacked (default: build/mtas/NAME if that exists, else /,
where it is installed). It runs only in a sandbox, and leaves no process, file or mount there.

Descriptor 1: for each recipient, in order, `r\\0` (accepted), `hTEXT\\n\\0` (refused for good) or `sTEXT\\n\\0` (for
now), and then one report on the message: `KTEXT\\n\\0` (somebody has it), `ZTEXT\\n\\0` (it makes sense to try again)
or `DTEXT\\n\\0` (it does not). There are no reports on recipients if nothing is known about each of them. TEXT is the
client's own, or the server's if the client shows it. Descriptor 2: the client's log. The exit status is 0.

Environment: QMAILHOME, with control/helohost (else control/me) for the name in HELO, and control/timeoutconnect and
control/timeoutremote, if they are in the adapter's `control`; MOCKSRV_SERVER, the name or the IP address to which a
client that does not resolve HOST connects (default: HOST).

The programs are those of Debian, configured as by an administrator who wants mail to arrive: TLS where it is offered,
whoever the server is; no cache of connections; and one attempt (with all servers that the client tries in it).
Extensions are the client's defaults. The message is handed in unchanged, in one submission; rewriting of addresses is
off as far as possible, and notices about failure are discarded.
"""

from pathlib import Path

from mocksrv.adapters.base import Adapter
from mocksrv.adapters.curl import Curl
from mocksrv.adapters.exim import Exim
from mocksrv.adapters.msmtp import Msmtp
from mocksrv.adapters.opensmtpd import OpenSmtpd
from mocksrv.adapters.postfix import Postfix
from mocksrv.adapters.swaks import Swaks

_ALL: tuple[type[Adapter], ...] = (Postfix, Exim, OpenSmtpd, Msmtp, Curl, Swaks)
ADAPTERS = {adapter.name: adapter for adapter in _ALL}


def adapter_named(spec: str) -> Adapter:
    """The adapter for NAME[:ROOT]. Raises KeyError."""
    name, _, root = spec.partition(":")
    return ADAPTERS[name](Path(root) if root else None)
