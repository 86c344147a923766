# SPDX-License-Identifier: ISC
"""The rules of qmail's table of hosts that timed out, beside a model of them in Python; and its lock."""

import ctypes
import fcntl
import os
import re
import struct
import subprocess
import time
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mocksrv.world import sandbox
from testsuite.peer import ADDRESS, MESSAGE, PATIENCE, Outcome, Peer, command, environment, memory_file
from testsuite.pure import Tcpto, address, lib

RECORD, SIZE = 16, 1024
HOSTS = st.sampled_from([f"192.0.2.{number}" for number in range(1, 8)])
NOW = 4_000_000_000  # more than 31 bits
AGES = st.one_of(st.integers(0, 300), st.integers(3500, 6500), st.integers(0, NOW))


@dataclass(frozen=True)
class Entry:
    """A record: the count is that of timeouts, the time that of the last."""

    host: str
    count: int
    time: int

    @property
    def octets(self) -> bytes:
        return struct.pack("<4B2I4x", *map(int, self.host.split(".")), self.count, self.time)


FREE = Entry("0.0.0.0", 0, 0)
ENTRIES = st.builds(Entry, HOSTS, st.integers(0, 10), AGES.map(lambda age: NOW - age))
TABLES = st.lists(st.one_of(ENTRIES, st.just(FREE)), max_size=64).flatmap(
    lambda some: st.sampled_from([some, (some * 64)[:64], [*some, *[FREE] * (64 - len(some))]])
)


def table_of(entries: list[Entry]) -> Tcpto:
    octets = b"".join(entry.octets for entry in entries)
    return Tcpto(len(entries), (ctypes.c_uint8 * SIZE)(*octets))


def place_of(entries: list[Entry], host: str) -> int | None:
    return next((place for place, entry in enumerate(entries) if entry.host == host), None)


def noted(entries: list[Entry], host: str, timed_out: bool) -> list[Entry]:
    """The table after an attempt to connect."""
    place, after = place_of(entries, host), list(entries)
    if place is None and timed_out and entries:
        free = (number for number, entry in enumerate(entries) if not entry.count)
        oldest = min(range(len(entries)), key=lambda number: entries[number].time + 1024 * entries[number].count)
        after[next(free, oldest)] = Entry(host, 1, NOW)
    elif place is not None and not timed_out:
        after[place] = replace(entries[place], count=0)
    elif place is not None and (not entries[place].count or NOW - entries[place].time >= 120):
        after[place] = Entry(host, min(entries[place].count + 1, 10), NOW)
    return after


@pytest.mark.spec("TPO-2")
@given(TABLES, HOSTS, st.booleans())
def test_what_is_noted(entries: list[Entry], host: str, timed_out: bool) -> None:
    """One record changes, or none, and the function says which."""
    table = table_of(entries)
    record = lib.tcpto_note(ctypes.byref(table), ctypes.byref(address(host)), timed_out, NOW)
    expected = noted(entries, host, timed_out)
    assert bytes(table.records)[: len(entries) * RECORD] == b"".join(entry.octets for entry in expected)
    changed = [number * RECORD for number, entry in enumerate(expected) if entry != entries[number]]
    assert changed in ([record], []) and (changed or record == SIZE or expected[record // RECORD].time == NOW)


@pytest.mark.spec("TPO-1")
@given(TABLES, HOSTS, st.integers(60, 91))
def test_who_is_passed_over(entries: list[Entry], host: str, patience: int) -> None:
    """Whoever timed out twice, the last time not long ago. A time in the future means nothing."""
    table, place = table_of(entries), place_of(entries, host)
    found = lib.tcpto_find(ctypes.byref(table), ctypes.byref(address(host)))
    assert found == (SIZE if place is None else place * RECORD)
    if place is None:
        return
    deferred = entries[place].count >= 2 and NOW - entries[place].time < patience * 64
    assert lib.tcpto_defers(ctypes.byref(table), found, NOW, patience * 64) == deferred
    if entries[place].time > 0:
        assert not lib.tcpto_defers(ctypes.byref(table), found, entries[place].time - 1, patience * 64)


@pytest.mark.spec("TPO-2")
def test_ipv6_has_no_place() -> None:
    """Even if its first octets are those of an entry."""
    table = table_of([Entry("32.1.13.184", 5, NOW), FREE])
    six = ctypes.byref(address("2001:db8::1"))
    assert lib.tcpto_find(ctypes.byref(table), six) == SIZE
    assert lib.tcpto_note(ctypes.byref(table), six, True, NOW) == SIZE


def after_another_process() -> tuple[Outcome, int]:
    """A delivery that begins while another process, which holds the lock, notes that its host timed out."""
    variables = environment()
    table = Path(variables["QMAILHOME"]) / "queue/lock/tcpto"
    table.parent.mkdir(parents=True)
    table.write_bytes(FREE.octets * 64)
    message = memory_file(MESSAGE)
    with table.open("r+b") as other, Peer() as peer:
        fcntl.flock(other, fcntl.LOCK_EX)
        process = subprocess.Popen(command(), stdin=message, stdout=subprocess.PIPE, env=variables)
        waiting = re.compile(rf"-> FLOCK .*:{table.stat().st_ino} ")
        while not waiting.search(Path("/proc/locks").read_text()):
            assert process.poll() is None, "it did not wait for the lock"
        other.write(Entry(ADDRESS, 2, int(time.time())).octets)
        other.flush()
        fcntl.flock(other, fcntl.LOCK_UN)
        reports, _ = process.communicate(timeout=PATIENCE)
    os.close(message)
    return Outcome(process.returncode, reports, b""), len(peer.sessions)


@pytest.mark.spec("TPO-1")
@pytest.mark.skipif(sandbox.available() is not None, reason=f"{sandbox.available()}")
def test_the_table_is_locked() -> None:
    """Else qmail-tcpok, or another delivery, would be half seen."""
    outcome, sessions = sandbox.run(after_another_process)
    assert (outcome.letters, sessions) == ("Z", 0) and "it timed out before" in outcome.report
