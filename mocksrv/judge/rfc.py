# SPDX-License-Identifier: ISC
"""The level of the RFCs: a case played with a client whose commands may differ from those in the case.

The servers answer by policy. Judged are the outcome for each recipient, the message that arrived, and the findings of
the auditor.
"""

import re
import select
import socket
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from itertools import groupby
from pathlib import Path
from typing import Any

from mocksrv.audit import Finding, Grade, audit
from mocksrv.case.file import Case, for_each, same
from mocksrv.case.octets import decode, encode
from mocksrv.case.script import CaseError
from mocksrv.case.steps import Dialogue
from mocksrv.judge.clients import Client, delivery, outcomes_of_command
from mocksrv.judge.messages import difference, is_regular, may_be_refused
from mocksrv.play import policy
from mocksrv.play.player import Player
from mocksrv.play.responder import Responder
from mocksrv.play.tape import Delivery, Tape
from mocksrv.play.transcript import Failure, Transcript
from mocksrv.world import fallback, home, sandbox
from mocksrv.world.claims import LooseClaims, is_reachable
from mocksrv.world.run import Result, World, patience
from mocksrv.world.sniffer import Attempt

_FAREWELL = 20.0  # seconds, at most, from the end of the client, whose connections are closed then, to that of all conversations
_RECIPIENT_LETTERS = {"r": None, "h": "refused", "s": "deferred"}
_MESSAGE_LETTERS = {"K": "delivered", "D": "refused", "Z": "deferred"}


@dataclass
class Verdict(Result):
    """The result of a case at this level."""

    client: Client | None = None
    outcomes: tuple[str, ...] = ()  # for each recipient, or the different ones of each delivery if there are several
    findings: list[tuple[Tape, Finding]] = field(default_factory=list)

    @property
    def breaches(self) -> list[tuple[Tape, Finding]]:
        """The findings of the auditor about what is a MUST."""
        return [(tape, finding) for tape, finding in self.findings if finding.rule.grade is Grade.MUST]

    @property
    def cell(self) -> str:
        """The result in a word, for a table."""
        if self.skipped is not None:
            return "unsupported"
        if self.breaches:
            return "breach"
        return "delivered" if "delivered" in self.outcomes else next(iter(self.outcomes), "nothing")


def check(case: Case, client: Client, within: Callable[..., Any] = sandbox.call) -> Verdict:
    """Plays a case with a client `within` a sandbox; without sandboxes, on this machine if possible. Raises CaseError."""
    verdict = Verdict(case, client.program or Path(client.told), client=client)
    mute = None if case.report is not None else "it has no `report` section, so it judges nothing"
    verdict.skipped = mute or client.missing() or client.unfit(case)
    if verdict.skipped is not None:
        return verdict
    if (why := sandbox.available(all_users=client.users)) is None:
        played: Verdict = within(play, verdict, timeout=patience(case), all_users=client.users)
        return played
    try:
        return play(replace(verdict, case=fallback.localised(case)))
    except fallback.Unplayable as reason:
        return replace(verdict, skipped=f"{reason} ({why})")


def play(verdict: Verdict) -> Verdict:
    """Plays a case in the sandbox that this process is in, or a localised case outside of any. Raises CaseError."""
    with ExitStack() as stack:
        RfcWorld(verdict, Responder, stack).run()
    return verdict


class RfcWorld(World):
    """A world whose servers can answer anything, and in which only the outcome counts."""

    claims = LooseClaims

    def __init__(self, verdict: Verdict, player: type[Player], stack: ExitStack) -> None:
        super().__init__(verdict, player, stack)
        assert verdict.client is not None
        self._verdict, self._client_kind = verdict, verdict.client
        self._required, self._leeway = verdict.client.expectation(self._case), verdict.client.leeway(self._case)
        self._right = outcomes(self._case.report or b"", recipients(self._case))
        if self._required and self._required.outcomes:
            self._right, self._leeway = for_each(self._required.outcomes, len(self._right)), None
        spoken = [one for one in self._case.dialogues if not (one.never or one.refused or one.unanswered)]
        self._intrusions: list[str] = []
        self._tried: list[str] = []  # addresses, in order
        self._policies = {one.line: self._policy(one) for one in spoken}

    def _policy(self, dialogue: Dialogue) -> policy.Policy:
        try:
            return policy.of_dialogue(dialogue, self._facts)
        except policy.Unfit as reason:
            raise CaseError(f"{self._case.path}:{dialogue.line}: {reason} (this needs `scope: exact`)") from reason

    def _routed(self, case: Case, port: int) -> Case:
        return case if self._client_kind.is_qremote else fallback.addressed(case, port)

    def _install(self, path: Path) -> None:
        self._client_kind.install(path, self._case)

    def _start(self, directory: Path) -> "subprocess.Popen[bytes]":
        return home.start(self._case, directory, privileged=self._client_kind.adapter is not None)

    def _player_for(self, connection: socket.socket, transcript: Transcript) -> Player:
        return Responder(connection, transcript, self._policies[transcript.dialogue.line])

    def _claim(self, attempt: Attempt) -> None:
        self._tried.append(attempt.address)
        super()._claim(attempt)

    def _on_intrusion(self, what: str) -> None:
        """Notes it: nobody answers, and the client goes on."""
        if what not in self._intrusions:
            self._intrusions.append(what)

    def _gave_up(self, at: float) -> None:
        """Other clients have other timeouts than the case."""
        self._hanging = None

    def _kill(self) -> None:
        """Also waits for the servers to end, so that no tape changes while it is read."""
        super()._kill()
        while self._playing and select.select([self._ended], [], [], _FAREWELL)[0]:
            self._on_player_end()

    def _judge(self, directory: Path) -> None:
        tapes = [transcript.tape for transcript in self._verdict.transcripts]
        self._verdict.findings = [(tape, finding) for tape in tapes for finding in audit(tape)]
        self._verdict.outcomes = self._outcomes()
        found = [*self._wrong_outcomes(), *self._wrong_deliveries(tapes), *self._wrong_findings()]
        for failure in (*found, *(Failure(1, what) for what in passed_over(self._case, self._tried))):
            self._fail(replace(failure, grade=Grade.MUST) if self._client_kind.is_qremote else failure)
        if octets := home.sanitizer_text(directory):
            self._fail(Failure(1, "a sanitizer complains", None, octets))

    def _outcomes(self) -> tuple[str, ...]:
        if self._client_kind.command is not None:
            return outcomes_of_command(self._case, self._verdict.status, self._verdict.stdout)
        return outcomes(self._verdict.stdout, recipients(self._case))

    def _wrong_outcomes(self) -> Iterator[Failure]:
        if not (self._required and self._required.elsewhere):
            grade = self._leeway.grade if self._leeway and self._leeway.covers_connections else self._case.grade
            yield from (Failure(1, what, grade=grade) for what in self._intrusions)
        if self._client_kind.command is None and self._verdict.status not in (None, self._case.exit):
            yield Failure(1, f"the exit status is {self._verdict.status}, so the reports do not count")
        told, right = self._verdict.outcomes, self._right
        if not same(told, right) and (self._excused or not self._delivers_more(right)):
            what = f"the outcome is {_people(told)}; expected: {_people(right)}"
            yield Failure(1, what, self._lines(right), self._lines(told), by_line=True, grade=self._grade)

    def _lines(self, told: tuple[str, ...]) -> bytes:
        """A line for each recipient, or for each report if the case is more than one delivery."""
        names = recipients(self._case) or [b"report"] * len(told)
        return b"".join(name + b": " + encode(outcome) + b"\n" for name, outcome in zip(names, told))

    @property
    def _excused(self) -> bool:
        """Whether the case says of which grade this outcome is."""
        return self._leeway is not None and self._leeway.covers(self._verdict.outcomes)

    @property
    def _grade(self) -> Grade:
        """How much the client is bound not to have the outcome that it has."""
        told, right = self._verdict.outcomes, self._right
        if self._excused and self._leeway:
            return self._leeway.grade
        if not told or same(told, right):
            return Grade.MUST
        if "delivered" not in told and may_be_refused(self._case.message, self._all_offer(b"8BITMIME")):
            return Grade.CHOICE
        if "delivered" not in told and {"delivered"} < {*right}:
            return Grade.CHOICE  # no RFC says that the others get the message if some are refused
        # RFC 5321, section 4.2.1: whether to try again is a SHOULD.
        final = all(one == other or "delivered" not in (one, other) for one, other in zip(told, right))
        return min(self._case.grade, Grade.SHOULD) if final else self._case.grade

    def _all_offer(self, keyword: bytes) -> bool:
        """Whether all servers of the case offer an extension, at first or within TLS."""
        hellos = [[one.octets.upper() for key in ("EHLO", "EHLO tls") for one in known.reactions.get(key, [])] for known in self._policies.values()]
        return all(any(keyword in octets for octets in one) for one in hellos)

    def _delivers_more(self, usual: tuple[str, ...]) -> bool:
        """Whether another MTA delivers where the client of the case gave up before any RCPT."""
        if self._client_kind.is_qremote or all(one.closed for one in self._policies.values()):
            return False
        told = self._verdict.outcomes
        more = tuple("delivered" if one == "delivered" else other for one, other in zip(told, usual))
        return len(told) == len(usual) and same(told, more)

    def _wrong_deliveries(self, tapes: list[Tape]) -> Iterator[Failure]:
        taken = [one for tape in tapes for one in tape.deliveries if one.taken and one.recipients]
        for what in _wrong_recipients(recipients(self._case), self._verdict.outcomes, taken):
            yield Failure(1, what, grade=max(self._grade, Grade.ROBUSTNESS))  # mail is lost or doubled
        words = delivery(self._case)
        senders = {sender for known in self._policies.values() for sender in known.senders}
        # If the case is several deliveries, only the dialogues tell their messages.
        told = [one for known in self._policies.values() for one in known.messages] if words is None else []
        messages = [self._case.message, *told]
        for one in taken:
            differences = [difference(message, one.message) for message in messages]
            if (first := differences[0]) and None not in differences:
                # No RFC says what becomes of a message that may not be sent as it is.
                grade = Grade.MUST if all(map(is_regular, messages)) else Grade.ROBUSTNESS
                what = f"another message arrived: {first.what}"
                yield Failure(1, what, first.given, first.arrived, grade=grade)
            if words and one.sender not in senders | {policy.folded(encode(words[1]))}:
                yield Failure(1, f"it arrived from <{decode(one.sender)}>, not from <{words[1]}>")

    def _wrong_findings(self) -> Iterator[Failure]:
        rules, tolerated = (self._required.rules, self._required.tolerated) if self._required else ((), ())
        for tape, finding in self._verdict.findings:
            if finding.rule.id not in (*rules, *tolerated):
                what = f"{tape.host}: {finding.rule.id} [{finding.rule.rfc}] {finding.what}"
                yield Failure(1, what, grade=finding.rule.grade, rule=finding.rule.id)
        for rule in {*rules} - {finding.rule.id for _, finding in self._verdict.findings}:
            yield Failure(1, f"expect-{self._client_kind.name} says that {rule} is broken, but it is not")


def passed_over(case: Case, tried: list[str]) -> Iterator[str]:
    """Exchangers that were not tried before less preferred ones (RFC 5321, section 5.1), if the zone alone decides."""
    words, local = delivery(case), case.meta.get("address", [])
    if not words or case.control.keys() & {"smtproutes", "dnsservers"} or len(case.servers) != 1:
        return
    zone = case.servers[0].zone
    known = [(preference, name, zone.addresses(name)) for preference, name in zone.exchangers(words[0].rstrip("."))]
    if zone.faults or zone.delays or any(one in local for _, _, addresses in known for one in addresses):
        return
    best = {address: preference for preference, _, addresses in reversed(known) for address in addresses}
    for preference, name, addresses in known:
        before = next((at for at, one in enumerate(tried) if one in addresses), len(tried))
        hasty = [one for one in tried[:before] if best.get(one, preference) > preference]
        if hasty and any(map(is_reachable, addresses)):
            yield f"the client connects to {hasty[0]} before {name}, which is preferred"


def recipients(case: Case) -> list[bytes] | None:
    """The recipients, their domains in lower case, if the case is one plain delivery."""
    words = delivery(case)
    if words is None:
        return None
    return [policy.folded(encode(word)) for word in words[2:]]


def outcomes(report: bytes, known: list[bytes] | None) -> tuple[str, ...]:
    """The outcome for each of the known recipients; without them, the different ones of each delivery. Empty if the
    reports are malformed."""
    letters = decode(b"".join(record[:1] for record in report.split(b"\0")[:-1]))
    if known is None:
        return tuple(one for delivery in re.findall("[rhs]*[KDZ]", letters) for one in dict.fromkeys(_fates(delivery)))
    last = _MESSAGE_LETTERS.get(letters[-1:])
    if last is None or len(letters) > len(known) + 1 or not set(letters[:-1]) <= set(_RECIPIENT_LETTERS):
        return ()
    told = _fates(letters)
    return (*told, *[last] * (len(known) - len(told)))


def _fates(letters: str) -> list[str]:
    """What the reports of one delivery say; what they say about the message, if they name no recipient."""
    last = _MESSAGE_LETTERS[letters[-1]]
    return [_RECIPIENT_LETTERS[letter] or last for letter in letters[:-1]] or [last]


def _wrong_recipients(known: list[bytes] | None, told: tuple[str, ...], taken: list[Delivery]) -> Iterator[str]:
    got = [recipient for one in taken for recipient in one.recipients]
    fates: dict[bytes, list[str]] = {}
    for recipient, outcome in zip(known or [], told):
        fates.setdefault(recipient, []).append(outcome)
    for recipient, fate in fates.items():
        if "delivered" in fate and recipient not in got:
            yield f"{decode(recipient)} is reported as delivered, but no server accepted it"
        if "delivered" not in fate and recipient in got:
            yield f"{decode(recipient)} is reported as {fate[0]}, but a server accepted it"
        if got.count(recipient) > (known or []).count(recipient):
            yield f"{decode(recipient)} got the message {got.count(recipient)} times"
    for stranger in sorted(set(got) - set(known or got)):
        yield f"{decode(stranger)} got the message, but is not a recipient"


def _people(told: tuple[str, ...]) -> str:
    runs = [(word, len(list(group))) for word, group in groupby(told)]
    counted = (word if times == 1 else f"{times} times {word}" for word, times in runs)
    return ", ".join(counted) or "no valid report"
