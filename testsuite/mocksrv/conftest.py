# SPDX-License-Identifier: ISC
"""What the self-tests share: playing a case given as text with our own client."""

from collections.abc import Callable
from pathlib import Path

import pytest

from mocksrv.case.file import Case, read_case
from mocksrv.play import player
from mocksrv.world import sandbox
from mocksrv.world.run import Result, check

HERE = Path(__file__).parent
CLIENT = HERE / "client.py"

Play = Callable[[str], Result]


@pytest.fixture
def parse(tmp_path: Path) -> Callable[[str], Case]:
    """Parses a case given as text."""

    def parse(text: str) -> Case:
        path = tmp_path / "test.case"
        path.write_text(text, errors="surrogateescape")
        return read_case(path)

    return parse


@pytest.fixture
def play(parse: Callable[[str], Case], monkeypatch: pytest.MonkeyPatch) -> Play:
    """Plays a case given as text in a sandbox; no wait is longer than three seconds."""
    if sandbox.available() is not None:
        pytest.skip(f"sandbox: {sandbox.available()}")
    monkeypatch.setattr(player, "WAIT", 3.0)
    return lambda text: check(parse(text), CLIENT, within=sandbox.run)  # a new one knows of the seconds
