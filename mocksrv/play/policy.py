# SPDX-License-Identifier: ISC
"""A dialogue as a table of replies: how the server reacts to each thing that a client may do.

For clients that say the same in other words: one command at a time where the case has a burst, DATA where it has BDAT,
recipients in another order. A reaction is found by the command's name and how often it came; for RCPT, by the mailbox.
"""

import re
import unicodedata
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from itertools import groupby

from mocksrv.case.octets import split_lines
from mocksrv.case.pattern import Facts, Hole, Pattern, fixed_octets
from mocksrv.case.steps import (
    Close, Delay, Dialogue, Drip, Either, HalfClose, Hear, Read, Reset, Say, Split, Stall, Starttls, Step,
    ends, walk,
)  # fmt: skip

GREETING, END, CHUNK, LAST_CHUNK = "greeting", ".", "BDAT", "BDAT LAST"
ANY_MAILBOX = b"*"
NO_FACTS = Facts(b"", b"")
_SAMPLES = {"int": b"1", "token": b"x", "addr": ANY_MAILBOX, "b64": b"eA==", "params": b""}
_ANSWERS = (Close, HalfClose, Reset, Stall)  # in place of a reply
_CHUNK = re.compile(rb"BDAT +(\d+)( +LAST)? *\r?\n", re.IGNORECASE)
_PATH = re.compile(rb'[^<]*<(?:@[^:"]*:)?((?:"(?:[^"\\]|\\.)*"|[^">])*)>')


class Unfit(Exception):
    """Why a dialogue can be played only as it is written."""


@dataclass(frozen=True)
class Reaction:
    """What the server does: it sends `octets`, in the manner of the directives in `how`, then does the steps `then`."""

    octets: bytes = b""
    how: tuple[Step, ...] = ()
    then: tuple[Step, ...] = ()

    @property
    def good(self) -> bool:
        """Whether it is a positive reply."""
        return self.octets[:1] in (b"2", b"3")


@dataclass
class Policy:
    """Reactions by key: GREETING, the name of a command (`EHLO tls` within TLS), `RCPT` and a mailbox, END, CHUNK,
    LAST_CHUNK. The nth occurrence gets the nth reaction; when they are used up, the last is repeated."""

    host: str
    reactions: dict[str, list[Reaction]] = field(default_factory=dict)
    early: tuple[int, Reaction] | None = None  # its reaction when so many octets of a message have come
    closed: bool = False  # whether it knows all of its mailboxes
    strict: bool = False  # whether commands out of order are refused whatever the reactions say
    senders: set[bytes] = field(default_factory=set)  # that the client of the dialogue names
    messages: list[bytes] = field(default_factory=list)  # that it sends, without dot-stuffing

    def reaction(self, key: str, times: int) -> Reaction | None:
        """The reaction to `key` when it has happened so many times before; None if there is none."""
        known = self.reactions.get(key)
        return known[min(times, len(known) - 1)] if known else None

    def end(self, key: str, chunks: int) -> Reaction | None:
        """The reaction to a whole message, by DATA (END) or in chunks (LAST_CHUNK), of which `chunks` came before.

        The client of the dialogue may have sent it the other way, or in more chunks: a refusal there counts, too.
        """
        other = LAST_CHUNK if key == END else END
        before = self.reactions.get(CHUNK, [])[chunks:] + (self.reactions.get("DATA", [])[:1] if other == END else [])
        refused = [one for one in before if not one.good]
        return next(iter([*self.reactions.get(key, []), *refused, *self.reactions.get(other, [])]), None)


def mailbox(path: bytes) -> bytes:
    """The mailbox in the argument of MAIL or RCPT, without quoting and source route, its domain in lower case."""
    found = _PATH.match(path)
    local, at, domain = _split_at(found[1] if found else path.partition(b":")[2].strip())
    if len(local) > 1 and local.startswith(b'"') and local.endswith(b'"'):
        local = re.sub(rb"\\(.)", rb"\1", local[1:-1])
    return folded(local + at + domain)


def folded(address: bytes) -> bytes:
    """An unquoted address in a form to compare: the domain in lower case and ASCII, a literal without its tag."""
    local, at, domain = _split_at(address)
    with suppress(UnicodeError):  # the two forms of a name mean the same (RFC 5890, section 2.3.2.1)
        domain = domain if domain.isascii() else b".".join(map(_a_label, re.split("[.\u3002\uff0e\uff61]", domain.decode())))
    return local + at + re.sub(rb"^\[ipv6:", b"[", domain.lower().removesuffix(b"."))


def _a_label(label: str) -> bytes:
    """A label as the DNS knows it, if IDNA allows it. Python's own codec has IDNA2003, to which a sharp s is ss."""
    mapped = unicodedata.normalize("NFKC", label.lower())
    return mapped.encode() if mapped.isascii() else b"xn--" + mapped.encode("punycode")


def _split_at(address: bytes) -> tuple[bytes, bytes, bytes]:
    local, at, domain = address.rpartition(b"@")
    return (local, at, domain) if at else (address, b"", b"")


def undotted(data: bytes) -> bytes:
    """The message in the octets that DATA carried: dot-stuffing undone, without the final dot."""
    return re.sub(rb"(^|\r\n)\.", rb"\1", re.sub(rb"\.\r?\n\Z", b"", data))


def recipient_key(argument: bytes) -> str:
    """The key of a RCPT command."""
    return f"RCPT {mailbox(argument).decode('latin-1')}"


def of_dialogue(dialogue: Dialogue, facts: Facts) -> Policy:
    """The policy of a server that plays a dialogue. Raises Unfit."""
    policy = Policy(dialogue.host)
    compilers = [_Compiler(dialogue.host, steps, facts) for steps in _ways(dialogue.steps)]
    found = [(compiler.policy(), compiler.odd) for compiler in compilers]
    for one, _ in sorted(found, key=lambda pair: pair[1]):
        policy.reactions = one.reactions | policy.reactions
        policy.early = policy.early or one.early
        policy.senders |= one.senders
        policy.messages += [message for message in one.messages if message not in policy.messages]
    # Without any RCPT, the client of the dialogue gave up before: that says nothing about the mailboxes.
    policy.closed = any(key.startswith("RCPT ") for key in policy.reactions)
    return policy


def _ways(steps: tuple[Step, ...]) -> list[tuple[Step, ...]]:
    """Ways through the blocks of a dialogue: where two differ about a command, the first one counts.

    All of them would be too many. These are: always the first branch, always the second and so on, without optional
    blocks; and those that differ from the first way in only one block, so that every branch is on one of them.
    """
    count = max((len(step.branches) for step in walk(steps) if isinstance(step, Either)), default=1)
    return [*(_way(steps, number) for number in range(count)), *_detours(steps)]


def _way(steps: tuple[Step, ...], number: int) -> tuple[Step, ...]:
    way: tuple[Step, ...] = ()
    for step in steps:
        if _ends(way):
            break
        if isinstance(step, Either):
            way += () if step.optional else _way(step.branches[min(number, len(step.branches) - 1)], number)
        else:
            way += (step,)
    return way


def _detours(steps: tuple[Step, ...]) -> Iterator[tuple[Step, ...]]:
    for at, step in enumerate(steps):
        for branch in step.branches if isinstance(step, Either) else ():
            for inside in (branch, *_detours(branch)):
                yield _way((*steps[:at], *inside, *steps[at + 1 :]), 0)


def _ends(steps: tuple[Step, ...]) -> bool:
    return bool(steps) and ends(steps[-1])


class _Compiler:
    """Reads steps, and keeps track of what the server has not answered yet."""

    def __init__(self, host: str, steps: tuple[Step, ...], facts: Facts) -> None:
        self._steps, self._facts = steps, facts
        self._policy = Policy(host)
        self._waiting = [GREETING]
        self._how: tuple[Step, ...] = ()
        self._carry = b""  # the beginning of a reply whose end comes later
        self._last: tuple[str, int] | None = None  # the last reaction
        self._tls = False
        self._data: bytes | None = None  # what has come of a message after DATA
        self._chunk = 0  # octets of a chunk that are still to come
        self._open = False  # whether their number is a hole: then the server's reply ends the chunk
        self._chunks = b""
        self._read_amid: int | None = None  # how much of a message the server reads before it acts
        self.odd = 0  # replies to nothing, and commands without a reply: the more, the less likely is this way

    def policy(self) -> Policy:
        for kind, group in groupby(self._steps, key=type):
            if kind is Say:
                self._say(b"".join(step.octets for step in group if isinstance(step, Say)))
                continue
            for step in group:
                self._take(step)
        self._answer_incomplete()
        self.odd += len(self._waiting)
        return self._policy

    def _take(self, step: Step) -> None:
        match step:
            case Hear():
                self._hear(_sample(step.pattern, self._facts), step.pattern.is_open)
            case Delay() | Drip() | Split():
                self._how += (step,)
            case Read():
                self._read(step.octets)
            case _:
                self._do(step)

    def _hear(self, octets: bytes, is_open: bool) -> None:
        if self._chunk:
            self._chunks += octets
            self._chunk -= 0 if self._open else len(octets)
            if self._chunk < 0:
                raise Unfit("a chunk does not end where a line of the case ends")
        elif self._data is not None:
            self._data += octets
            if self._data == b".\r\n" or self._data.endswith(b"\r\n.\r\n"):
                self._keep(undotted(self._data))
                self._data = None
                self._waiting.append(END)
        else:
            self._command(octets, is_open)

    def _command(self, octets: bytes, is_open: bool) -> None:
        verb = octets.split(b" ")[0].strip().upper().decode("latin-1")
        if found := _CHUNK.fullmatch(octets):
            self._chunk, self._open = int(found[1]), is_open
            verb = LAST_CHUNK if found[2] else CHUNK
        if verb == "MAIL":
            self._policy.senders.add(mailbox(octets.partition(b" ")[2]))
            self._chunks = b""
        self._waiting.append(recipient_key(octets) if verb == "RCPT" else tls_key(verb, self._tls))

    def _keep(self, message: bytes) -> None:
        """Notes a message, unless it is empty: a lone dot for no recipients, or chunks without the last."""
        if message:
            self._policy.messages.append(message)

    def _read(self, octets: int) -> None:
        """A server that acts in the middle of a message."""
        if self._data is not None:
            self._data += b"?" * octets
        elif not self._chunk:
            raise Unfit("@read is not within a message")
        self._read_amid = octets

    @property
    def _amid(self) -> bool:
        """Whether the server acts while the message still comes."""
        return self._read_amid is not None and (self._data is not None or self._chunk > 0)

    def _interrupt(self, octets: bytes, step: Step | None = None) -> None:
        """Notes what it says or does then."""
        assert self._read_amid is not None
        early = self._policy.early[1] if self._policy.early else Reaction(how=self._how)
        self._how = ()
        early = replace(early, octets=early.octets + octets, then=(*early.then, *([step] if step else [])))
        self._policy.early = self._read_amid, early

    def _say(self, octets: bytes) -> None:
        replies, self._carry = _replies(self._carry + octets)
        if self._amid:
            self._interrupt(b"".join(replies) + self._carry)
            self._carry = b""
            return
        if self._open:
            self._chunk, self._open = 0, False
        self.odd += max(0, len(replies) - len(self._waiting))
        keys, self._waiting = self._waiting[: len(replies)], self._waiting[len(replies) :]
        for index, key in enumerate(keys):
            rest = replies[index:] if index == len(keys) - 1 else replies[index : index + 1]
            self._react(key, Reaction(b"".join(rest), self._how if index == 0 else ()))
        if replies and not keys:
            self._append(b"".join(replies))
        self._how = ()

    def _do(self, step: Step) -> None:
        """An action of the server: in place of the first reply that is due, or after its last reply."""
        self._answer_incomplete()
        if self._amid:
            self._interrupt(b"", step)
            return
        if self._waiting and isinstance(step, _ANSWERS) and not self._over():
            self._react(self._waiting.pop(0), Reaction(b"", self._how))
            self._how = ()
        if self._last is None:
            raise Unfit(f"{step.source} comes before anything else")
        key, index = self._last
        known = self._policy.reactions[key]
        known[index] = replace(known[index], then=(*known[index].then, *self._how, step))
        self._how = ()
        self._tls |= isinstance(step, Starttls)

    def _over(self) -> bool:
        """Whether the last reaction ends the conversation: then further steps belong to it."""
        if self._last is None:
            return False
        then = self._policy.reactions[self._last[0]][self._last[1]].then
        return any(isinstance(step, _ANSWERS) for step in then)

    def _answer_incomplete(self) -> None:
        """Handles a reply that has no end."""
        carry, self._carry = self._carry, b""
        if carry and self._waiting:
            self._react(self._waiting.pop(0), Reaction(carry, self._how))
            self._how = ()
        elif carry:
            self._append(carry)

    def _react(self, key: str, reaction: Reaction) -> None:
        known = self._policy.reactions.setdefault(key, [])
        known.append(reaction)
        self._last = key, len(known) - 1
        if key == "DATA" and reaction.octets.startswith(b"3"):
            self._data = b""
        if reaction.octets and key == LAST_CHUNK:
            self._keep(self._chunks)
            self._chunks = b""

    def _append(self, octets: bytes) -> None:
        """Adds an unsolicited reply to the last reaction; after a handshake that failed, as a step of it."""
        assert self._last is not None
        key, index = self._last
        last = self._policy.reactions[key][index]
        if last.then:
            step = Say(line=last.then[-1].line, source="", octets=octets)
            last = replace(last, then=(*last.then, *self._how, step))
        else:
            last = replace(last, octets=last.octets + octets)
        self._policy.reactions[key][index] = last


def tls_key(verb: str, tls: bool) -> str:
    """The key of a command; EHLO within TLS has a key of its own."""
    return f"{verb} tls" if tls and verb == "EHLO" else verb


def _sample(pattern: Pattern, facts: Facts) -> bytes:
    """Octets that match."""
    return b"".join(
        _SAMPLES[part.kind] if isinstance(part, Hole) else fixed_octets(part, facts) for part in pattern.parts
    )


def _replies(octets: bytes) -> tuple[list[bytes], bytes]:
    """The replies in what a server says, each with all of its lines; and the beginning of another one at the end."""
    found = list(_split(octets))
    whole = [reply for reply in found if _is_whole(reply)]
    return whole, b"".join(found[len(whole) :])


def _split(octets: bytes) -> Iterator[bytes]:
    reply = b""
    for line in split_lines(octets):
        reply += line
        if _is_whole(line):
            yield reply
            reply = b""
    if reply:
        yield reply


def _is_whole(reply: bytes) -> bool:
    last = reply.removesuffix(b"\n").rpartition(b"\n")[2]
    return reply.endswith(b"\n") and not re.match(rb"\d\d\d-", last)
