# SPDX-License-Identifier: ISC
"""make uninstall removes what make install installs, and QMAIL reaches the program."""

import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import mocksrv

ROOT = Path(__file__).parent.parent

MODULES = sorted(path.name for path in (ROOT / "build").glob("qremote-*.so"))


def make_environment() -> dict[str, str]:
    """The environment for an independent make, not a part of the make that runs the tests."""
    outer = ("MAKEFLAGS", "MFLAGS", "MAKELEVEL", "QMAIL", "PREFIX")
    return {name: value for name, value in os.environ.items() if name not in outer}


def make(*arguments: str) -> None:
    """Runs an independent make."""
    done = subprocess.run(["make", "-s", *arguments], cwd=ROOT, env=make_environment(), capture_output=True, check=False)
    assert done.returncode == 0, done


def files(directory: Path) -> set[str]:
    """All files below a directory."""
    return {str(path.relative_to(directory)) for path in directory.rglob("*") if not path.is_dir()}


def test_install_and_uninstall(tmp_path: Path) -> None:
    """The programs and their manual pages come and go; nothing is compiled, and nothing of mocksrv is installed."""
    (tmp_path / "usr/bin").mkdir(parents=True)
    (tmp_path / "usr/bin/other").touch()
    where = (f"DESTDIR={tmp_path}", "PREFIX=/usr")
    built = [word for name in ("Qremote", "qremote-try", *MODULES, "module-directory") for word in ("-o", f"build/{name}")]
    make(*built, "install", *where)
    programs = {f"usr/bin/{name}" for name in ("Qremote", "qremote-try")}
    pages = {f"usr/share/man/man8/{name}.8" for name in ("Qremote", "qremote-try")}
    modules = {f"usr/lib/qremote/{name}" for name in MODULES}
    assert files(tmp_path) == {"usr/bin/other", *programs, *modules, *pages}
    for name in MODULES:
        assert (tmp_path / "usr/lib/qremote" / name).read_bytes() == (ROOT / "build" / name).read_bytes()
    for name in programs:
        installed = tmp_path / name
        assert installed.read_bytes() == (ROOT / "build" / installed.name).read_bytes()
        assert installed.stat().st_mode & 0o777 == 0o755
    for page in pages:
        assert (tmp_path / page).stat().st_mode & 0o777 == 0o644
    make("uninstall", *where)
    assert files(tmp_path) == {"usr/bin/other"}
    assert not (tmp_path / "usr/lib/qremote").exists()


@pytest.mark.spec("SYN-5")
def test_the_qmail_home_is_compiled_in(tmp_path: Path) -> None:
    """/var/qmail, or QMAIL. A change is noticed although no file has changed; a plain make keeps the last value."""
    made = tmp_path / "obj/qmail/config.o"
    standard, other = b"/var/qmail\0", b"/srv/mail/qmail\0"
    steps = ("", standard), ("QMAIL=/srv/mail/qmail", other), ("", other), ("QMAIL=/var/qmail", standard)
    for argument, home in steps:
        make(f"BUILD={tmp_path}", *filter(None, [argument]), str(made))
        assert home in made.read_bytes()
        assert (b"/srv/mail" in made.read_bytes()) == (b"/srv" in home)


@pytest.mark.spec("SYN-6")
def test_one_version() -> None:
    """Both programs print the number in mocksrv/__init__.py, and the package has it, too."""
    told = [[ROOT / "build/Qremote"], [sys.executable, "-m", "mocksrv"]]
    for command, name in zip(told, ("Qremote", "mocksrv"), strict=True):
        done = subprocess.run([*command, "--version"], cwd=ROOT, capture_output=True, text=True, check=True)
        assert (done.stdout, done.stderr) == (f"{name} {mocksrv.__version__}\n", "")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    assert "version" in project["project"]["dynamic"]
    assert project["tool"]["setuptools"]["dynamic"]["version"] == {"attr": "mocksrv.__version__"}
