# SPDX-License-Identifier: ISC
"""The commands for people who work on the project: what they print, and what they leave in build/."""

import json
import re
import subprocess
from pathlib import Path

import pytest

from testsuite.test_install import ROOT, make_environment


def made(*arguments: str) -> tuple[int, str]:
    """The exit status of make, and its output."""
    done = subprocess.run(
        ["make", *arguments], cwd=ROOT, env=make_environment(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        text=True, check=False,
    )  # fmt: skip
    return done.returncode, done.stdout


def test_a_build_is_quiet_unless_asked(tmp_path: Path) -> None:
    """A line for each file; with V=1 the command that compiles it."""
    quiet, loud = (made(f"BUILD={tmp_path}/{number}", f"V={number}", f"{tmp_path}/{number}/obj/base/buf.o") for number in (0, 1))
    assert quiet == (0, f"compile {tmp_path}/0/obj/base/buf.o\n")
    assert loud[0] == 0 and re.fullmatch(r"\S+ -std=c11 .* -c -o \S+/1/obj/base/buf\.o src/base/buf\.c\n", loud[1]), loud


def test_compile_commands(tmp_path: Path) -> None:
    """One for each source, as make runs it, and each works."""
    status, told = made(f"BUILD={tmp_path}", "compile-commands")
    assert (status, told) == (0, "")
    commands = json.loads((tmp_path / "compile_commands.json").read_text())
    assert {one["file"] for one in commands} == {str(path.relative_to(ROOT)) for path in ROOT.glob("src/**/*.c")}
    assert all(one["directory"] == str(ROOT) and one["file"] in one["command"] for one in commands)
    [config] = [one["command"] for one in commands if one["file"].endswith("config.c")]
    assert """-DQMAIL_HOME='"/""" in config
    subprocess.run(f"{config} -fsyntax-only -MF /dev/null", shell=True, cwd=ROOT, check=True)


def test_a_case_by_its_name() -> None:
    """As a path, by topic and name, or several by a pattern; an unknown one is reported."""
    name = "invocation/no-recipient"
    for given in (name, f"{name}.case", f"fixtures/cases/{name}.case", "invocation/no-rec*"):
        status, told = made("-o", "deps-demo", "MAKE=true", "case", f"CASE={given}")
        assert status == 0 and told.endswith(f"fixtures/cases/{name}.case: ok\n"), told
    for given in ("", "no/such"):
        status, told = made("-o", "deps", "MAKE=true", "case", f"CASE={given}")
        assert status == 2 and f"no such case: CASE='{given}'" in told


@pytest.mark.parametrize(("sudo", "why"), [("echo alice is not in the sudoers file; exit 1", "that was refused"), ("", "not root, and no sudo")])
def test_what_an_administrator_must_install(sudo: str, why: str, tmp_path: Path) -> None:
    """Who may not install packages is told which ones are missing, and how to install them."""
    tools = {"id": "echo 1000", "dpkg-query": "echo 'installed:gcc '", "sudo": sudo}
    for name, text in tools.items():
        if text:
            (tmp_path / name).write_text(f"#!/bin/sh\n{text}\n")
            (tmp_path / name).chmod(0o755)
    done = subprocess.run(
        ["/bin/sh", ROOT / "ci/install-deps", "demo"], env={"PATH": str(tmp_path)}, capture_output=True, text=True, check=False
    )
    missing = "make pkg-config libc6-dev libc-ares-dev libgnutls28-dev libgsasl-dev libidn2-dev python3 python3-dnspython python3-cryptography iproute2"
    complaint = f"ci/install-deps: {why}; an administrator must run: apt-get install --no-install-recommends {missing}"
    assert done.returncode == 1 and done.stderr.splitlines()[-1] == complaint, done.stderr


def test_help_names_every_command() -> None:
    """All commands for people, each with its purpose."""
    text = (ROOT / "Makefile").read_text()
    [phony] = re.findall(r"^\.PHONY: ((?:.*\\\n)*.*)", text, re.M)
    hidden = {"libraries", "deps", "deps-demo", "deps-docs", "deps-deb", "deps-ci", "fuzz-targets", "FORCE"}
    _, told = made("help")
    assert {line.split()[1] for line in told.splitlines()} == set(phony.replace("\\\n", "").split()) - hidden
    assert all(len(line.split()) > 3 for line in told.splitlines())
