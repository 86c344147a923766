# SPDX-License-Identifier: ISC
"""Our reports in the bounces of qmail-send, as bounce parsers read them.

They match qmail-remote's phrases. Sisimai 4 (Debian 12) wants one word where qmail-remote has an address, and takes the
remote host from a line that is "Giving up on WORD." and no more; Sisimai 5 (Debian 13) takes it from the first line that
begins so or "Connected to WORD", brackets and all.
"""

import email
import json
import re
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import flufl.bounce
import pytest

from mocksrv.case.file import read_case
from mocksrv.judge.rfc import recipients
from testsuite.test_rspawn import as_rspawn

ROOT = Path(__file__).parent.parent
CASES = ROOT / "fixtures/cases"
RECIPIENT = "bob@example.org"
EXPIRED = "I'm not going to try again; this message has been in the queue too long.\n"
BOUNCE = """Return-Path: <>
Received: (qmail 4711 invoked for bounce); 30 Nov 2026 03:41:30 -0000
Date: 30 Nov 2026 03:41:30 -0000
From: MAILER-DAEMON@client.example
To: alice@sender.example
Subject: failure notice

Hi. This is the qmail-send program at client.example.
I'm afraid I wasn't able to deliver your message to the following addresses.
This is a permanent error; I've given up. Sorry it didn't work out.

<{recipient}>:
{text}
--- Below this line is a copy of the message.

Return-Path: <alice@sender.example>
Received: (qmail 4700 invoked by uid 1000); 30 Nov 2026 03:41:29 -0000
Date: 30 Nov 2026 03:41:29 -0000
From: alice@sender.example
To: {recipient}
Subject: hi
Message-ID: <1@sender.example>

Hello.
"""
SISIMAI = r"""
use Sisimai; use JSON;
my $read = Sisimai->can('make') || Sisimai->can('rise');
my %found;
for my $file (@ARGV) {
    for my $one (@{ $read->('Sisimai', $file) || [] }) {
        my $command = $one->can('smtpcommand') ? $one->smtpcommand : $one->command;
        push @{ $found{$file} }, { host => $one->rhost, command => $command, reason => $one->reason,
            code => $one->deliverystatus, recipient => $one->recipient->address };
    }
}
print encode_json(\%found);
"""


@dataclass(frozen=True)
class Event:
    """A delivery that failed: the case, and what qmail-rspawn hands to qmail-send: a letter and a text."""

    case: Path
    letter: str
    text: str

    @property
    def bounce(self) -> str:
        """The bounce: at once, or when the message has been tried for a week."""
        return BOUNCE.format(recipient=RECIPIENT, text=self.text + (EXPIRED if self.letter == "Z" else ""))

    @property
    def code(self) -> str:
        """The code of the bounce: the first one."""
        found = re.search(r"\(#([45]\.\d+\.\d+)\)", self.text)
        assert found, self
        return found[1]


def events() -> Iterator[Event]:
    """All failures for one recipient in the corpus."""
    for path in sorted(CASES.glob("*/*.case")):
        case = read_case(path)
        if len(recipients(case) or []) == 1 and case.report:
            letter, text = as_rspawn(case.report)
            if letter != "K":
                yield Event(path, letter, text)


EVENTS = {str(event.case.relative_to(CASES).with_suffix("")): event for event in events()}


@cache
def sisimai() -> dict[str, list[dict[str, str]]]:
    """What Sisimai finds in the bounce of each event."""
    return read_by_sisimai({name: event.bounce for name, event in EVENTS.items()})


def read_by_sisimai(bounces: Mapping[str, str]) -> dict[str, list[dict[str, str]]]:
    """What it finds in each of them."""
    with TemporaryDirectory() as directory:
        files = {}
        for number, (name, bounce) in enumerate(bounces.items()):
            files[str(path := Path(directory) / str(number))] = name
            path.write_text(bounce)
        found = subprocess.run(["perl", "-e", SISIMAI, *files], capture_output=True, check=True, timeout=120)
    return {files[file]: list(entries) for file, entries in json.loads(found.stdout).items()}


def test_there_are_many() -> None:
    """The corpus shows more than a hundred ways to fail."""
    assert len(EVENTS) > 100


@pytest.mark.spec("RES-5")
def test_flufl_finds_the_recipient() -> None:
    """In each bounce."""
    for name, event in EVENTS.items():
        found = flufl.bounce.all_failures(email.message_from_string(event.bounce))[1]
        assert found == {RECIPIENT.encode()}, name


@pytest.mark.spec("RES-5")
def test_sisimai_finds_recipient_and_code() -> None:
    """In each bounce."""
    for name, event in EVENTS.items():
        if "unexpected" in event.text or "no valid" in event.text:
            continue  # of a reply that makes no sense, Sisimai 5 takes whatever looks like a code
        entries = sisimai().get(name, [])
        assert [(one["recipient"], one["code"]) for one in entries] == [(RECIPIENT, event.code)], name


@pytest.mark.spec("RES-5")
def test_sisimai_finds_the_host() -> None:
    """If the server sent the last word."""
    spoke = {name: event for name, event in EVENTS.items() if "Remote host said: " in event.text}
    assert len(spoke) > 50
    for name, event in spoke.items():
        told = re.search(r"^Giving up on (.*)\.$", event.text, re.M)
        assert told and sisimai()[name][0]["host"] == told[1], name


COMMANDS = {
    "ehlo/no-helo-after-421": "EHLO",
    "ehlo/helo-refused-by-all": "EHLO",
    "exchangers/mail-refused-for-good-settles-it": "MAIL",
    "connection/replies-before-a-reset-count": "MAIL",
    "size/refused-at-mail": "MAIL",
    "exchangers/a-recipient-refused-for-now-settles-it": "RCPT",
    "chunking/all-recipients-refused": "RCPT",
    "lockstep/data-refused-for-good": "DATA",
    "replies/421-to-data": "DATA",
    "replies/the-message-refused-for-good": "DATA",
    "replies/the-message-refused-for-now": "DATA",
    "chunking/the-first-chunk-refused": "DATA",
    "connection/refused-amid-the-message": "DATA",
}


@pytest.mark.spec("RES-5")
@pytest.mark.parametrize("name", COMMANDS)
def test_sisimai_finds_the_command(name: str) -> None:
    """The command that was refused. (For a greeting there is none.)"""
    assert sisimai()[name][0]["command"] == COMMANDS[name]


REASONS = {"4.4.1": {"networkerror"}, "4.4.3": {"hostunknown"}, "5.1.2": {"hostunknown"}, "5.4.6": {"networkerror"}}


@pytest.mark.spec("RES-5")
@pytest.mark.parametrize("code", REASONS)
def test_sisimai_knows_the_network_by_its_errors(code: str) -> None:
    """It does not take them for a message that was in the queue too long for an unknown reason."""
    names = [name for name, event in EVENTS.items() if event.code == code and "Sorry" in event.text]
    assert names and {sisimai()[name][0]["reason"] for name in names} == REASONS[code]


@pytest.mark.spec("RES-5")
def test_a_recipient_refused_for_now_is_not_unknown() -> None:
    """A mailing list would remove that recipient."""
    refused = [name for name, event in EVENTS.items() if event.letter == "Z" and "not like recipient" in event.text]
    assert refused
    for name in refused:
        assert sisimai()[name][0]["reason"] != "userunknown", name
