# SPDX-License-Identifier: ISC
"""mocksrv: a scriptable SMTP and DNS peer that proves what a mail client does, octet for octet.

`case` parses a case (one text file), `world` plays it inside a `sandbox`, and `show` explains the result.
"""

import sys
from pathlib import Path

__version__ = "0.1.0"  # of Qremote, too: the Makefile and pyproject.toml read it here


def command() -> str:
    """How this program was started, for messages that tell people what to type."""
    return "mocksrv" if Path(sys.argv[0]).name == "mocksrv" else f"{sys.executable} -m mocksrv"
