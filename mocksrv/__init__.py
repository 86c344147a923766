"""mocksrv: a scriptable SMTP and DNS peer that proves what a mail client does, octet for octet.

A case (one text file) is parsed by `case`, played by `world` inside a `sandbox`, and explained by `show`.
"""

__version__ = "0.1.0"  # of Qremote, too: the Makefile and pyproject.toml read it here
