# SPDX-License-Identifier: ISC
"""`make bench` judges nobody, but counts only deliveries: a client that does something else gets no figure."""

from pathlib import Path

import pytest

from bench import measure
from bench.clients import Mail, Qmail, Run
from bench.sink import BenchError, Sink, write_message
from mocksrv.world.home import default_program

# What a client does with the sink, as lines of Python. All but the first print the reports of a delivery.
HEAD = """#!/usr/bin/python3 -IS
import os, socket, sys
route = open(os.environ["QMAILHOME"] + "/control/smtproutes").read().split(":")
def mail(text, *recipients):
    with socket.create_connection((route[1], int(route[2]))) as one:
        commands = ["EHLO a", "MAIL FROM:<a@b>", *(f"RCPT TO:<{to}>" for to in recipients), "DATA"]
        for line in [None, *commands, text.replace("\\n", "\\r\\n") + ".", "QUIT"]:
            if line is not None:
                one.sendall(line.encode() + b"\\r\\n")
            one.recv(4096)
text = sys.stdin.read()
to = sys.argv[3]
"""
K = 'print("r\\0Kok\\n\\0", end="")'
# A child whose connection is there before the client ends, and ends with the sink.
LINGER = """other = socket.create_connection((route[1], int(route[2])))
if os.fork() == 0:
    while other.recv(4096):
        pass
    os._exit(0)"""
CHEATS = {
    "has no report": ("mail(text, to)", "its report is not a K: b''"),
    "reports a delay": ('mail(text, to)\nprint("r\\0Zno\\n\\0", end="")', "its report is not a K"),
    "fails": (f"mail(text, to)\n{K}\nsys.exit(9)", "failed with status 9"),
    "delivers nothing": (K, "nothing came to the sink"),
    "delivers half of it": (f"mail(text[:1000].rpartition('\\n')[0] + '\\n', to)\n{K}", "messages of .* octets arrived"),
    "adds a recipient": (f"mail(text, to, to)\n{K}", "2 recipients, not 1"),
    "delivers twice": (f"mail(text, to)\nmail(text, to)\n{K}", "2 connections, not 1"),
    "goes on after its end": (f"mail(text, to)\n{LINGER}\n{K}", "2 connections, not 1"),
}


def deliver(program: Path, tmp_path: Path, *offers: str) -> Run:
    with Sink(*offers) as sink:
        mail = Mail(sink, write_message(tmp_path / "message", 2000))
        return Qmail("client", program, tmp_path / "qmail").deliver(mail)


def test_a_delivery_counts(tmp_path: Path) -> None:
    [report] = deliver(default_program(), tmp_path).reports
    assert (report.messages, report.recipients) == (1, 1)


@pytest.mark.parametrize("what", CHEATS)
def test_a_client_that_cheats(what: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bench.sink._PATIENCE", 0.3 if "nothing" in what else 30.0)
    body, complaint = CHEATS[what]
    program = tmp_path / "client"
    program.write_text(HEAD + body + "\n")
    program.chmod(0o755)
    with pytest.raises(BenchError, match=complaint):
        deliver(program, tmp_path)


def test_a_client_that_does_not_use_tls(tmp_path: Path) -> None:
    program = tmp_path / "client"
    program.write_text(f"{HEAD}mail(text, to)\n{K}\n")
    program.chmod(0o755)
    with pytest.raises(BenchError, match="it did not use TLS"):
        deliver(program, tmp_path, "STARTTLS")


def test_a_client_that_hangs_is_ended(tmp_path: Path) -> None:
    """Nothing of it is left, also where it is not the sandbox that ends everything."""
    program = tmp_path / "client"
    program.write_text(f"#!/bin/sh\necho $$ >{tmp_path}/pid\nexec sleep 600\n")
    program.chmod(0o755)
    with pytest.raises(BenchError, match="longer than 1 s"), measure.limited(1):
        deliver(program, tmp_path)
    number = (tmp_path / "pid").read_text().strip() if (tmp_path / "pid").exists() else ""
    assert not number or not Path(f"/proc/{number}").exists()
