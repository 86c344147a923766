# SPDX-License-Identifier: ISC
"""fuzz: its targets find no fault in the seeds, nor in the inputs that showed one before.

Here they are built without libFuzzer, beside the program under test: `make sanitize` has them with the sanitizers.
"""

import subprocess
from pathlib import Path

import pytest

from fuzz import seeds
from mocksrv.world.home import default_program

BUILD = default_program().parent


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The seeds of all targets."""
    made = tmp_path_factory.mktemp("seeds")
    seeds.write(made, seeds.TARGETS)
    return made


@pytest.mark.parametrize("target", seeds.TARGETS)
def test_no_input_shows_a_fault(target: str, folder: Path, tmp_path: Path) -> None:
    """The seeds, which are many, and what was found once."""
    files = sorted((folder / target).iterdir())
    assert len(files) > 100
    done = subprocess.run(
        [BUILD / f"fuzz-{target}", *files], env={"TMPDIR": str(tmp_path)}, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr.count("\n")) == (0, len(files)), done.stderr[-2000:]
    assert list(tmp_path.iterdir()) == []
