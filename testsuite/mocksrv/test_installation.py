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

ROOT = Path(__file__).parent.parent.parent
NEEDED = ("pip", "setuptools", "wheel")  # `make ci` brings them

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not all(map(importlib.util.find_spec, NEEDED)), reason=f"needs {', '.join(NEEDED)}"),
    pytest.mark.skipif(sandbox.available() is not None, reason=f"sandbox: {sandbox.available()}"),
]


def run(*words: str | Path, cwd: Path, status: int = 0) -> str:
    """The output of a command that must end with this status."""
    environment = {name: os.environ[name] for name in ("PATH", "HOME", "TMPDIR") if name in os.environ}
    done = subprocess.run(words, cwd=cwd, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == status, done.stdout + done.stderr
    return done.stdout


def installed(folder: Path) -> Path:
    """Where it was installed, from a copy of its sources, without a network. The copy is gone."""
    prefix, sources = folder / "venv", folder / "sources"
    for name in ("mocksrv", "fixtures", "man", "examples"):
        shutil.copytree(ROOT / name, sources / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", sources)
    run(sys.executable, "-m", "venv", "--system-site-packages", "--without-pip", prefix, cwd=sources)
    offline = ("--no-build-isolation", "--no-deps", "--no-index", "--no-cache-dir")
    run(prefix / "bin/python", "-m", "pip", "install", *offline, ".", cwd=sources)
    shutil.rmtree(sources)
    return prefix


def test_a_foreigner(tmp_path: Path) -> None:
    """All of it is there, and README's five minutes work: red, a baseline, green, and red once the client breaks."""
    prefix = installed(tmp_path)
    mocksrv, mine = prefix / "bin/mocksrv", tmp_path / "mine"
    mine.mkdir()
    assert run(mocksrv, "--version", cwd=mine) == f"mocksrv {__version__}\n"
    assert {path.name for path in (prefix / "share/man").glob("man?/*")} == {"mocksrv.1", "qremote-case.5"}
    script = "from mocksrv.case import corpus, file, templates\nfor one in templates.find_cases(corpus.CASES): print(file.read_case(one).id)"
    told = run(prefix / "bin/python", "-c", script, cwd=mine)
    assert told.split() == [f"{path.parent.name}/{path.stem}" for path in find_cases(CASES)]

    shutil.copy(prefix / "share/doc/mocksrv/examples/python-smtplib.py", mine / "deliver.py")
    test = (mocksrv, "test", f"smtp:{sys.executable} deliver.py", "--only", "demo,replies/another-2xx-to-the-message")
    told = run(*test, cwd=mine, status=1)
    assert f"\n  mocksrv run -v --match rfc replies/another-2xx-to-the-message -- 'smtp:{sys.executable} deliver.py'\n" in told
    run(*test, "--write-baseline", "known-failures", cwd=mine)
    assert run(*test, "--baseline", "known-failures", cwd=mine).endswith(", nothing unexpected\n")
    text = (mine / "deliver.py").read_text()
    assert ", message, " in text
    (mine / "deliver.py").write_text(text.replace(", message, ", ", message.upper(), "))
    told = run(*test, "--baseline", "known-failures", cwd=mine, status=1)
    assert told.count("failed: demo/a-mail-finds-its-way (deliver)\n  wrong: another message arrived") == 1
