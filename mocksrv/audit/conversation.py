# SPDX-License-Identifier: ISC
"""A tape as a conversation: what each octet of the client belongs to, its reply, and what the client knew by then.

The client's octets are one stream; a `Turn` is a part of it that gets one reply. The tape is in the order in which the
server saw things: octets before a reply were sent without waiting for it (`Turn.ahead`). A conversation can stop
making sense, for example when message text comes before 354: then it goes `astray`, and the rest is not read.
A client need not notice a reply to nothing, nor that a line in a reply is none, or has another code. If it takes it for
the next reply, it is one reply ahead from then on: it is `misled`, and it is unknown which replies it waited for.
"""

import re
from bisect import bisect_right
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field

from mocksrv.audit.course import follow
from mocksrv.audit.turns import Command, Reply, Response, Text, Turn
from mocksrv.play.records import HELLO
from mocksrv.play.tape import CLIENT, CLOSE, HANGUP, RESET, SERVER, STARTTLS, Tape

_REPLY_LINE = re.compile(rb"([0-9]{3})(?:([ \t-])[^\n]*|\r{1,2})?\n")  # servers send TABs, and a CR too many
_RIGHT_LINE = re.compile(rb"[2-5][0-9]{2}[ -][^\r\n]*\r")  # 5321#4.2; clients need not take the others
_REPLY_LENGTH = 512  # 5321#4.5.3.1.5
_MOST_LINES = 100  # of a reply, at which some clients give up
_CHUNK = re.compile(rb"([0-9]{1,20})(?: .*)?", re.DOTALL)
_WAITING = ("PIPE-LAST", "TEXT-EARLY", "TLS-EARLY", "TLS-PLAINTEXT")  # a misled client may break these
_DOT = re.compile(rb"\n(\.\r?\n)")


@dataclass(frozen=True)
class Astray:
    """Where the conversation can no longer be followed. `why` is the ID of the rule that was broken, if any."""

    why: str
    start: int
    what: str


@dataclass
class Conversation:
    """What was said on one connection."""

    stream: bytes
    starts: list[tuple[int, int]]  # where in the stream the octets of an event begin, and the index of the event
    greeting: Turn = field(default_factory=lambda: Turn(0, 0))
    turns: list[Turn] = field(default_factory=list)
    surplus: list[Reply] = field(default_factory=list)  # replies to nothing
    astray: Astray | None = None
    read: int = 0  # how much of the stream was read
    hangup: int | None = None  # the event in which the client left, unless the server did before
    unanswered: tuple[Turn, ...] = ()  # at the end
    half_reply: bool = False  # whether the last reply of the server is incomplete
    handshake_due: bool = False  # whether the conversation ends where the handshake should have begun

    @property
    def commands(self) -> Iterator[Command]:
        """In order."""
        return (turn for turn in self.turns if isinstance(turn, Command))

    @property
    def texts(self) -> Iterator[Text]:
        """In order."""
        return (turn for turn in self.turns if isinstance(turn, Text))

    @property
    def replies(self) -> Iterator[Reply]:
        """All, in no order."""
        yield from (turn.reply for turn in (self.greeting, *self.turns) if turn.reply)
        yield from self.surplus

    @property
    def rest(self) -> bytes:
        """What the client left unfinished."""
        return b"" if self.astray else self.stream[self.read :]

    def place(self, at: int) -> tuple[int, int]:
        """The event that brought this octet of the stream, and where in the event it is."""
        found = max(bisect_right(self.starts, at, key=lambda pair: pair[0]) - 1, 0)
        if not self.starts:
            return 0, 0
        start, event = self.starts[found]
        return event, at - start


def converse(tape: Tape) -> Conversation:
    """Reads a tape with any content."""
    return _Reader(tape).read()


class _Reader:
    """Reads a tape event by event. `_have` octets of the client's stream have come, `_talk.read` have been read."""

    def __init__(self, tape: Tape) -> None:
        starts, parts, length = [], [], 0
        for index, event in enumerate(tape.events):
            if event.kind == CLIENT and event.octets:
                starts.append((length, index))
                parts.append(event.octets)
                length += len(event.octets)
        self._tape = tape
        self._talk = Conversation(b"".join(parts), starts)
        self._unanswered: deque[Turn] = deque([self._talk.greeting])
        self._ahead: tuple[Turn, ...] | None = None  # unanswered turns when the next turn began, if it has begun
        self._have = 0
        self._said = b""  # of an incomplete line of a reply
        self._lines: list[bytes] = []  # of an incomplete reply
        self._text: Text | None = None  # that is being sent
        self._scanned = 0  # how far it was searched for its end
        self._chunk: Command | None = None  # the BDAT whose chunk is being sent
        self._response = False  # whether the next line continues AUTH
        self._tls = False
        self._misled = False  # whether it is unknown what the client takes for a reply

    def read(self) -> Conversation:
        talk = self._talk
        for index, event in enumerate(self._tape.events):
            if event.kind == CLIENT:
                self._have += len(event.octets)
                self._listen()
            elif event.kind == SERVER:
                self._take_replies(index, event.octets)
            elif event.kind == STARTTLS:
                self._secure()
            elif event.kind in (HANGUP, RESET):
                talk.hangup = index
            if event.kind in (CLOSE, HANGUP, RESET):
                break
        self._listen(ended=True)
        talk.stream = talk.stream[: self._have]
        for text in talk.texts:
            text.octets = talk.stream[text.start : text.end]
        talk.unanswered = tuple(self._unanswered)
        talk.half_reply = bool(self._said or self._lines)
        follow(talk.turns)
        return talk

    # The server's part

    def _take_replies(self, index: int, octets: bytes) -> None:
        self._said += octets
        *lines, self._said = self._said.split(b"\n")
        for line in lines:
            if not self._lines and not line.strip(b"\r"):
                self._misled = True  # some servers send an empty line after each reply, and few clients notice
                continue
            found = _REPLY_LINE.fullmatch(line + b"\n")
            self._lines.append(line)
            self._misled |= found is None or found[1] != self._lines[0][:3]
            # A reply of several lines may hold anything, until a line is marked as the last.
            if found and found[2] != b"-" or not found and len(self._lines) == 1:
                self._take_reply(index)

    def _take_reply(self, index: int) -> None:
        found = [_REPLY_LINE.fullmatch(line + b"\n") for line in self._lines]
        codes = {int(one[1]) if one else 0 for one in found}
        code = int(found[-1][1]) if found[-1] else 0
        turn = self._unanswered.popleft() if self._unanswered else None
        verb = turn.verb if isinstance(turn, Command) else ""
        sound = len(codes) == 1 and all(map(_RIGHT_LINE.fullmatch, self._lines)) and len(self._lines) <= _MOST_LINES
        broken = not (sound and self._has_place(turn, code) and max(map(len, self._lines)) < _REPLY_LENGTH)
        reply = Reply(index, code, tuple(self._lines), broken)
        self._lines = []
        if turn is None:
            self._talk.surplus.append(reply)
            self._misled = True
            return
        turn.reply = reply
        if verb == "DATA" and code // 100 == 3:
            self._text = Text(self._talk.read, self._talk.read, tls=self._tls)
            self._scanned = self._talk.read
            self._unanswered.append(self._text)  # at once: a server may refuse it before its end
            self._talk.turns.append(self._text)
        elif code == 334 and (verb == "AUTH" or isinstance(turn, Response)):
            self._response = True
        elif verb == "STARTTLS" and code // 100 == 2:
            self._talk.handshake_due = True

    def _has_place(self, turn: Turn | None, code: int) -> bool:
        """Whether a code is possible here."""
        if turn is self._talk.greeting:
            return code == 220 or 400 <= code < 600
        if isinstance(turn, Command) and turn.verb == "DATA":
            return code == 354 or 400 <= code < 600
        if isinstance(turn, Response) or isinstance(turn, Command) and turn.verb == "AUTH":
            return 200 <= code < 300 or code == 334 or 400 <= code < 600
        return 200 <= code < 300 or 400 <= code < 600

    def _secure(self) -> None:
        """Starts anew within TLS, even in the middle of a line."""
        self._tls = True
        self._talk.handshake_due = self._response = self._misled = False
        self._text = self._chunk = self._ahead = None
        self._talk.read = self._have
        self._said, self._lines = b"", []
        self._unanswered = deque(turn for turn in self._unanswered if turn is self._talk.greeting)

    # The client's part

    def _listen(self, ended: bool = False) -> None:
        talk = self._talk
        while not talk.astray and talk.read < self._have:
            if self._ahead is None:
                self._ahead = tuple(turn for turn in self._unanswered if turn is not self._text)
            begins = not (self._tls or self._text or self._chunk) and talk.stream.startswith(HELLO, talk.read)
            if talk.handshake_due and begins:  # the server broke the handshake: there is nothing to judge
                talk.read = self._have
            elif talk.handshake_due:
                self._go_astray("TLS-PLAINTEXT", "the client goes on in the clear instead of beginning the handshake")
            elif begins:
                self._go_astray("TLS-EARLY", "the TLS handshake begins before the 220 to STARTTLS")
            elif self._text and not self._early():
                self._hear_text(self._text)
            elif self._chunk:
                self._hear_chunk(self._chunk)
            elif not self._hear_line(ended):
                return
            self._ahead = None

    def _early(self) -> bool:
        """Whether the octets that come now were sent before the reply to DATA."""
        return any(isinstance(turn, Command) and turn.verb == "DATA" for turn in self._ahead or ())

    def _hear_line(self, ended: bool) -> bool:
        """Takes one line. Returns whether there was one."""
        talk = self._talk
        end = talk.stream.find(b"\n", talk.read, self._have) + 1
        if not end and not (ended and self._early()):
            return False
        end = end or self._have
        command = Command(
            talk.read, end, talk.stream[talk.read : end], self._ahead or (), tls=self._tls, misled=self._misled
        )
        if self._early():
            self._say_early(command)
        elif self._response:
            self._response = False
            self._add(Response(command.start, end, command.octets, command.ahead, tls=self._tls))
        elif not command.known and (why := self._lost_by()):
            self._go_astray(*why)
        else:
            self._add(command)
            if command.verb == "BDAT":
                self._begin_chunk(command)
        return True

    def _add(self, turn: Turn) -> None:
        self._talk.turns.append(turn)
        self._unanswered.append(turn)
        self._talk.read = turn.end

    def _say_early(self, command: Command) -> None:
        if command.known:
            self._go_astray("PIPE-LAST", f"{command.verb} was sent before the reply to DATA")
        else:
            self._go_astray("TEXT-EARLY", "message text was sent before the reply to DATA")

    def _lost_by(self) -> tuple[str, str] | None:
        """What a line that is not a command must be, if it is the rest of a message."""
        match self._talk.turns[-1:]:
            case [Text()]:
                return "TEXT-LONE-DOT", "the dot that ends the message is not followed by a command"
            case [Command(verb="BDAT", size=size)]:
                return "BDAT-OVERRUN", f"the chunk has more than the {size} octets that BDAT announces"
            case [Command(verb="DATA", refused=True)]:
                return "TEXT-REFUSED", "message text was sent although DATA was refused"
            case [Command(verb="DATA")]:
                return "TEXT-EARLY", "message text was sent although the reply to DATA did not ask for it"
        return None

    def _begin_chunk(self, command: Command) -> None:
        found = _CHUNK.fullmatch(command.argument)
        if found is None:
            self._go_astray("BDAT-SYNTAX", "BDAT does not say how many octets follow", command.start)
            return
        command.size = int(found[1])
        command.chunk = command.end, command.end
        self._chunk = command if command.size else None

    def _hear_chunk(self, command: Command) -> None:
        assert command.size is not None
        end = min(command.end + command.size, self._have)
        command.chunk = command.end, end
        self._talk.read = end
        if end == command.end + command.size:
            self._chunk = None

    def _hear_text(self, text: Text) -> None:
        stream = self._talk.stream
        text.ahead = text.ahead or self._ahead or ()
        # The line end before the dot may have come earlier; before the first line it is the end of the DATA line.
        found = _DOT.search(stream, max(self._scanned - 4, text.start - 1, 0), self._have)
        self._scanned = self._have
        dot = found.start(1) if found else self._have
        text.end = self._talk.read = dot
        if found is None:
            return
        if found[1] == b".\n" or dot > text.start and stream[dot - 2 : dot] != b"\r\n":
            self._go_astray("TEXT-END", "the dot that may end the message is not between CR LF and CR LF", dot)
        else:
            text.complete = True
            self._talk.read = found.end()
        self._text = None

    def _go_astray(self, why: str, what: str, start: int | None = None) -> None:
        at = self._talk.read if start is None else start
        if self._misled and why in _WAITING:
            why = ""
        self._talk.astray = Astray(why, at, f"{what}; the rest of the session was not judged")
