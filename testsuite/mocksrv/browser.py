# SPDX-License-Identifier: ISC
"""Chromium without a window, told what to do through a pipe, by its DevTools protocol."""

import base64
import fcntl
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

PROGRAM = shutil.which("chromium")
# Its own sandbox needs what root and containers may not have; these pages are ours.
_FLAGS = (
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-default-apps",
    "--remote-debugging-pipe",
)  # fmt: skip
_READS, _WRITES = 3, 4  # its descriptors for that


class Page:
    """A page. `requested` holds the addresses of all that the browser asked for."""

    def __init__(self, to: int, back: int) -> None:
        self._to, self._back = os.fdopen(to, "wb", 0), os.fdopen(back, "rb")
        self._number, self._session = 0, ""
        self._loaded: set[str] = set()
        self.requested: list[str] = []
        target = self.ask("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.ask("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for method in ("Page.enable", "Network.enable", "Runtime.enable"):
            self.ask(method)
        self.ask("Page.setLifecycleEventsEnabled", enabled=True)

    def look(self, width: int, scheme: str, media: str = "") -> None:
        """Makes the window so wide, for people who prefer a light or a dark scheme; or for paper: `print`."""
        mobile = width < 600
        self.ask("Emulation.setDeviceMetricsOverride", width=width, height=900, deviceScaleFactor=1, mobile=mobile)
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        self.ask("Emulation.setEmulatedMedia", media=media, features=features)

    def show(self, path: Path, fragment: str = "") -> None:
        """Loads a file."""
        for url in ("about:blank", f"{path.as_uri()}{fragment}"):  # else another fragment would load nothing
            loading = self.ask("Page.navigate", url=url)["loaderId"]
            while loading not in self._loaded:
                self._hear()

    def value(self, expression: str) -> Any:
        """The value of an expression, or what its promise brings."""
        told = self.ask("Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in told, told
        return told["result"].get("value")

    def picture(self, what: str = "") -> bytes:
        """What is seen, or the first element that a selector names, as PNG."""
        if not what:
            return base64.b64decode(self.ask("Page.captureScreenshot")["data"])
        box = self.value(f"document.querySelector({json.dumps(what)}).getBoundingClientRect().toJSON()")
        clip = {name: box[name] for name in ("x", "y", "width", "height")} | {"scale": 1}
        told = self.ask("Page.captureScreenshot", clip=clip, captureBeyondViewport=True)
        return base64.b64decode(told["data"])

    def ask(self, method: str, **params: Any) -> dict[str, Any]:
        """The result of a method of the protocol."""
        self._number += 1
        message = {"id": self._number, "method": method, "params": params}
        self._to.write(json.dumps(message | ({"sessionId": self._session} if self._session else {})).encode() + b"\0")
        while (told := self._hear()).get("id") != self._number:
            pass
        assert "error" not in told, told
        result: dict[str, Any] = told["result"]
        return result

    def end(self) -> None:
        """Without the pipe the browser ends."""
        self._to.close()
        self._back.close()

    def _hear(self) -> dict[str, Any]:
        octets = bytearray()
        while (octet := self._back.read(1)) != b"\0":
            assert octet, "the browser has ended"
            octets += octet
        told: dict[str, Any] = json.loads(octets)
        params = told.get("params", {})
        if told.get("method") == "Network.requestWillBeSent":
            self.requested.append(params["request"]["url"])
        if told.get("method") == "Page.lifecycleEvent" and params["name"] == "load":
            self._loaded.add(params["loaderId"])
        return told


@contextmanager
def opened() -> Iterator[Page]:
    """A page of a browser of its own, which leaves nothing behind."""
    assert PROGRAM
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as home:
        inner, to = os.pipe()
        back, outer = os.pipe()
        ends = [fcntl.fcntl(end, fcntl.F_DUPFD_CLOEXEC, 10) for end in (inner, outer)]  # not among its own numbers
        actions: list[Any] = [(os.POSIX_SPAWN_DUP2, ends[0], _READS), (os.POSIX_SPAWN_DUP2, ends[1], _WRITES)]
        actions += [(os.POSIX_SPAWN_OPEN, number, "/dev/null", os.O_RDWR, 0) for number in (0, 1, 2)]
        words = [PROGRAM, *_FLAGS, f"--user-data-dir={home}"]
        browser = os.posix_spawn(PROGRAM, words, os.environ | {"HOME": home}, file_actions=actions)
        for end in (inner, outer, *ends):
            os.close(end)
        page = Page(to, back)
        try:
            yield page
        finally:
            page.end()
            os.waitpid(browser, 0)
