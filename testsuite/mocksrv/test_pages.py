# SPDX-License-Identifier: ISC
"""The manual pages of mocksrv are complete, and their examples are right."""

import argparse
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from mocksrv import commands as mocksrv_commands
from mocksrv import testing
from mocksrv.audit import Grade
from mocksrv.case import file as case_format
from mocksrv.case import script, terms, zone
from mocksrv.case.file import Case, read_case
from mocksrv.case.script import parse_dialogue
from mocksrv.case.templates import filled
from mocksrv.play import responder, tape
from mocksrv.play.tape import read_tapes
from mocksrv.serve import command as serve
from mocksrv.serve import oneline, server
from testsuite.mocksrv.conftest import Play
from testsuite.mocksrv.serving import ROOT, serving, talk

COMMAND_PAGE, FORMAT_PAGE = ROOT / "man/mocksrv.1", ROOT / "man/qremote-case.5"
HEAD = "a\n\n-- run --\nQremote\n"


def plain(page: Path) -> str:
    """The words of a page, without its macros."""
    lines = [line for line in page.read_text().split("\n") if not line.startswith('.\\"')]
    text = "\n".join(re.sub(r"^\.[A-Z][a-z] |\b(?:Ns|Li|Ar|Oo|Oc|Op|Cm|Fl) ", "", line) for line in lines)
    return text.replace(r"\&", "").replace(r"\e", "\\")


def examples(page: Path) -> list[str]:
    """The literal blocks of a page."""
    found = re.findall(r"(?ms)^\.Bd -literal[^\n]*\n(.*?)^\.Ed$", page.read_text())
    return [block.replace(r"\&", "").replace(r"\e", "\\") for block in found]


def parsers() -> dict[str, argparse.ArgumentParser]:
    """What understands each command."""
    commands = argparse.ArgumentParser().add_subparsers()
    for add in (serve.add_command, mocksrv_commands.add_run, mocksrv_commands.add_audit, mocksrv_commands.add_show):
        add(commands)
    testing.add_test(commands)
    return commands.choices


@pytest.mark.parametrize("name", parsers())
def test_every_option(name: str) -> None:
    """In the section of the command; the synopsis has it, too."""
    page = COMMAND_PAGE.read_text()
    section = re.search(rf"(?ms)^\.Ss {name}\n(.*?)^\.S[sh] ", page)
    synopsis = re.search(rf"(?ms)^\.Nm\n\.Cm {name}\n(.*?)^\.(Nm|Sh)", page)
    assert section and synopsis
    for action in parsers()[name]._actions:
        for option in action.option_strings:
            if option in ("-h", "--help", "--verbose"):
                continue
            assert f"\n.It Fl {option.removeprefix('-')}" in section[1], option
            assert f".Op Fl {option.removeprefix('-')}" in synopsis[1] or name == "serve", option


def test_limits_of_serve() -> None:
    page = plain(COMMAND_PAGE)
    for limit in (server.MOST_SESSIONS, responder.LONGEST_LINE, responder.LONGEST_MESSAGE, responder.MOST_COMMANDS):
        assert f" {limit} " in page or f" {limit}," in page
    for offer in oneline.OFFERS:
        assert offer.split()[0] in page


def test_everything_in_a_case() -> None:
    """Directives, options of handshakes, faults of name servers, marks of tapes."""
    page = plain(FORMAT_PAGE)
    for word in (
        *(f"@{name}" for name in script._DIRECTIVES), *(f"{name}=" for name in terms._OPTIONS if name != "ask"), "ask",
        *(f";@{name}" for name in zone._FAULTS), *tape._MARKS, "dns-log",
        *(f"{name}:" for name in case_format._META), "expect-", " | ".join(case_format._SCOPES), "order: any",
        *case_format.OUTCOMES, case_format._ELSEWHERE, *(f"\n{grade.word}" for grade in Grade), *(f"--{name}" for name in case_format._ONCE),
        "{name:params}", "{name:b64}", "{name:addr}", "{name:token}", "{name:int}", "{helo}", "{message}", r"\xHH",
    ):  # fmt: skip
        assert word.replace(" ", "") in page.replace(" ", ""), word


@pytest.mark.parametrize("block", examples(FORMAT_PAGE), ids=lambda block: block.split("\n")[0])
def test_examples_of_the_format(parse: Callable[[str], Case], tmp_path: Path, block: str) -> None:
    """Each is a case, a part of one, or a transcript."""
    if "[127.0.0.1] --" in block:
        path = tmp_path / "it.tape"
        path.write_text(block)
        assert len(read_tapes(path)) == 1
    elif "-- run --" in block:
        parse(filled(block, "plain", b"").replace("-- message plain.eml --\n", ""))
    elif block.startswith("-- "):
        parse(HEAD + block)
    else:
        parse(HEAD)  # puts the certificates there
        parse_dialogue(str(tmp_path / "test.case"), 0, "mx.example.org", block.rstrip("\n").split("\n"))


def test_the_whole_example(play: Play) -> None:
    """It can be played. Our client has its own words for reports."""
    ours = (ROOT / "testsuite/mocksrv/cases/pipelined.case").read_text().partition("-- report --")[2]
    text, _, theirs = examples(FORMAT_PAGE)[0].partition("-- report --")
    assert theirs.startswith("\nr\\0\nh")
    result = play(f"{text}-- report --{ours}")
    assert result.passed, result.failures


@pytest.mark.skipif(shutil.which("mandoc") is None, reason="mandoc is not installed")
@pytest.mark.parametrize("page", [COMMAND_PAGE, FORMAT_PAGE], ids=lambda page: page.name)
def test_lint(page: Path) -> None:
    done = subprocess.run(["mandoc", "-T", "lint", "-W", "warning", page], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_examples_of_the_command(parse: Callable[[str], Case]) -> None:
    """What they name is there, and their options are understood."""
    lines = [line for block in examples(COMMAND_PAGE) for line in block.split("\n")]
    lines += re.findall(r"(?m)^\.Dl (mocksrv .*)$", COMMAND_PAGE.read_text())
    called = [re.sub(r" --( .*)|[|]", "", line).split()[1:] for line in lines if line.startswith("mocksrv ")]
    assert {words[0] for words in called} == {*parsers()} - {"show"} and len(called) >= 8
    for name, *words in called:
        options = parsers()[name].parse_args(words)
        if name == "serve" and options.case:
            assert serve.case_roles(read_case(ROOT / options.case), exact=False)
        for case in options.cases if name == "run" else ():
            read_case(ROOT / case)


def test_the_dialogue_with_curl() -> None:
    """The page shows the output for a client that says the same."""
    page = COMMAND_PAGE.read_text()
    options = re.search(r"(?m)^\.Dl mocksrv serve (.*)", page)
    shown = next(block for block in examples(COMMAND_PAGE) if block.startswith("listening on")).split("\n")[2:-1]
    said = [line.partition("C: ")[2] for line in shown if "C: " in line]
    assert options and said
    with serving(*options[1].split()) as server:
        with server.connected() as client:
            talk(client, b"", *(f"{line}\r\n".encode() for line in said))
        server.told(shown[-1])
        assert [line for line in server.lines if line.startswith("1 ")][1:] == shown
