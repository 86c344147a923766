# SPDX-License-Identifier: ISC
"""mocksrv as a foreigner has it: installed by pip, and started anywhere else."""

import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from mocksrv import __version__

from mocksrv.case.corpus import CASES
from mocksrv.case.templates import find_cases
from mocksrv.world import sandbox

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
NEEDED = ("pip", "setuptools", "wheel")  # `make ci` brings them

pytestmark = [
    pytest.mark.skipif(not all(map(importlib.util.find_spec, NEEDED)), reason=f"needs {', '.join(NEEDED)}"),
    pytest.mark.skipif(sandbox.available() is not None, reason=f"sandbox: {sandbox.available()}"),
]


def run(*words: str | Path, cwd: Path) -> str:
    """The output of a command that must succeed."""
    environment = {name: os.environ[name] for name in ("PATH", "HOME", "TMPDIR") if name in os.environ}
    done = subprocess.run(words, cwd=cwd, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def installed(tmp_path: Path) -> Path:
    """Where it was installed, from a copy of its sources, without a network. The copy is gone."""
    prefix, sources = tmp_path / "venv", tmp_path / "sources"
    for name in ("mocksrv", "fixtures", "man"):
        shutil.copytree(ROOT / name, sources / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", sources)
    run(sys.executable, "-m", "venv", "--system-site-packages", "--without-pip", prefix, cwd=sources)
    offline = ("--no-build-isolation", "--no-deps", "--no-index", "--no-cache-dir")
    run(prefix / "bin/python", "-m", "pip", "install", *offline, ".", cwd=sources)
    shutil.rmtree(sources)
    return prefix


def test_a_foreigner(tmp_path: Path) -> None:
    """The command, the manual pages, and every case with its message and its certificates are there, and work."""
    prefix = installed(tmp_path)
    assert run(prefix / "bin/mocksrv", "--version", cwd=tmp_path) == f"mocksrv {__version__}\n"
    assert {path.name for path in (prefix / "share/man").glob("man?/*")} == {"mocksrv.1", "qremote-case.5"}
    script = "from mocksrv.case import corpus, file, templates\nfor one in templates.find_cases(corpus.CASES): print(file.read_case(one).id)"
    told = run(prefix / "bin/python", "-c", script, cwd=tmp_path)
    assert told.split() == [f"{path.parent.name}/{path.stem}" for path in find_cases(CASES)]
    case = tmp_path / "starttls.case"
    shutil.copy(HERE / "cases/starttls.case", case)  # its certificates are in the corpus
    assert run(prefix / "bin/mocksrv", "run", case, "--", HERE / "client.py", cwd=tmp_path) == f"{case}: ok\n"
