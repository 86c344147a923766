# SPDX-License-Identifier: ISC
"""Takes a picture of what stands side by side in a lesson: only the titles, and the dialogues without their goodbye.

usage: python3 -m lessons.photo PAGE PICTURE
"""

import sys
from pathlib import Path

from testsuite.mocksrv import browser

_WIDTH, _HEIGHT = 700, 2000
_CHANGES = """
document.querySelectorAll(".sides .played > :not(h3, .flow), .flight:nth-last-child(-n + 2)").forEach(one => one.remove());
document.head.insertAdjacentHTML("beforeend", "<style>main { padding: 0; margin: 0; } .sides { padding: 0 .6rem; grid-template-columns: 1fr 1fr; gap: 1rem; } .played { border: 0; margin: 0; }" +
  ".played h3 { font-size: .85rem; } .played h3 a { text-decoration: none; } .said { font-size: 12px; } .event.pause { padding: 0 0 .2rem; font-size: .8rem; } .of { display: none; } .wire { padding-top: .15rem; }</style>");
0"""


def main(words: list[str]) -> int:
    """Returns the exit status."""
    page, picture = map(Path, words)
    with browser.opened() as chromium:
        metrics = {"width": _WIDTH, "height": _HEIGHT, "deviceScaleFactor": 1, "mobile": True}  # without scroll bars
        chromium.ask("Emulation.setDeviceMetricsOverride", **metrics)
        chromium.show(page.absolute())
        chromium.value(_CHANGES)
        picture.write_bytes(chromium.picture(".sides"))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
