"""Other mail clients, each behind the interface of qmail-remote, so that a case can be played against them.

    python3 -m mocksrv.adapters NAME[:ROOT] HOST SENDER RECIPIENT... <message

NAME is in `ADAPTERS`; ROOT is where its Debian package was unpacked (default: build/mtas/NAME if that is there, else /,
where it is installed). It runs in a sandbox only, and leaves no process, file or mount there.

Descriptor 1: for each recipient, in order, `r\\0` (accepted), `hTEXT\\n\\0` (refused for good) or `sTEXT\\n\\0` (for
now), and then one report on the message: `KTEXT\\n\\0` (somebody has it), `ZTEXT\\n\\0` (it makes sense to try again)
or `DTEXT\\n\\0` (it does not). No reports on recipients if nothing is known of them in particular. TEXT is the
client's own, or the server's where the client shows it. Descriptor 2: the client's log. The exit status is 0.

Environment: QMAILHOME, whose control/helohost (else control/me) is the name for HELO, and of whose
control/timeoutconnect and control/timeoutremote an adapter honours those in its `control`; MOCKSRV_SERVER, the name
or the IP address that a client that does not resolve HOST is to connect to (default: HOST).

The programs are what Debian ships. Our configuration makes of each what an administrator would who wants mail to
arrive: TLS where it is offered and whoever the server is, no cache of connections, and one attempt (at all servers
that the client wants to try in it). Extensions are as the client has them by default. The message is handed in as it
is, in one submission; rewriting of addresses is off as far as it can be, and notices about failure go nowhere.
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
