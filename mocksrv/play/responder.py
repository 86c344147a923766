# SPDX-License-Identifier: ISC
"""Answers one client as a policy says, whatever the client does: the server for clients that follow no script.

It judges nothing. What was said goes on the tape, and so do the messages that were handed over, as deliveries.
"""

import contextlib
import re
import socket
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial

from mocksrv.case.steps import Close, HalfClose, KeyUpdate, Renegotiate, Reset, Say, Stall, Starttls, Step
from mocksrv.case.terms import Terms
from mocksrv.play import player
from mocksrv.play import policy as policies
from mocksrv.play.player import QUIET, Manner, Player
from mocksrv.play.policy import CHUNK, END, GREETING, LAST_CHUNK, Policy, Reaction, mailbox, recipient_key, tls_key
from mocksrv.play.records import HELLO
from mocksrv.play.tape import CLOSE, STARTTLS, Delivery
from mocksrv.play.tls import Handshake, Secured
from mocksrv.play.transcript import Mismatch, Transcript
from mocksrv.play.transport import Breach, Plain

LONGEST_LINE = 65536  # octets of a command for which the server still waits for the end
LONGEST_MESSAGE = 1 << 26  # octets of a message that the server takes
MOST_COMMANDS = 10000  # in one session, since the auditor has to read them all
_PIECE = 512  # octets that count like a line, for messages without line ends
_LENIENCE = 1.0  # seconds of silence after which a dot between wrong line ends counts as the end of a message
_ENDS = (Close, Reset, Stall)
_HANDING_OVER = ("DATA", "BDAT", END, LAST_CHUNK)
_SIZE = re.compile(rb"\d{1,20}")
_LIMIT = re.compile(rb"(?im)^250[ -]SIZE[ =]+(\d{1,20})[ \t]*\r?$")
_DECLARED = re.compile(rb"(?i) SIZE=(\d{1,20})(?= |$)")
# The default replies to commands in a valid order.
_REPLIES = {
    "MAIL": "250 2.1.0 ok", "RCPT": "250 2.1.5 ok", "DATA": "354 go on, to a line with a dot alone",
    END: "250 2.0.0 ok", "BDAT": "250 2.0.0 ok", "RSET": "250 2.0.0 ok", "NOOP": "250 2.0.0 ok",
    "QUIT": "221 2.0.0 bye", "VRFY": "252 2.1.5 try it", "HELP": "214 2.0.0 RFC 5321",
    "STARTTLS": "502 5.5.1 not here", "AUTH": "502 5.5.1 not here", "EXPN": "502 5.5.1 not here",
}  # fmt: skip
_DOT_LINE = re.compile(rb"(?:^|\n)\.\r?\n\Z")


class _Over(Exception):
    """The conversation is over; the text says why, unless it ended normally."""


class Responder(Player):
    """One connection to a server with a policy."""

    judges_outcome = False

    def __init__(self, connection: socket.socket, transcript: Transcript, policy: Policy) -> None:
        super().__init__(connection, transcript, policies.NO_FACTS, {})
        self._policy = policy
        self._times: dict[str, int] = {}
        self._queue: list[Reaction] = []  # reactions to commands that came together
        self._tls = False
        self._interrupted = False  # whether the server has spoken in the middle of the message
        self._commands = 0
        self._gone = False  # whether the client will say nothing more
        self.trouble = ""  # why the conversation ended, if it ended badly
        self._mute = False  # whether it has closed its direction of the connection
        self._limit = 0  # octets of a message, as it announced with SIZE; 0 if it announced no limit
        self._size = 0  # of the message, as the client declares it or as it has come
        self._sender: bytes | None = None  # of the transaction that has begun
        self._begin()
        self._be_patient()

    def play(self) -> None:
        """Answers until one side ends the conversation."""
        try:
            self._socket.settimeout(player.WAIT)
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._converse()
        except TimeoutError:
            self.trouble = self._silence()
        except Breach as breach:
            with contextlib.suppress(Breach):  # too much for the tape
                self._tape.heard(breach.received or b"")
            self.trouble = breach.what
        except Mismatch as mismatch:
            self._reset()  # nothing unread must stay in the kernel
            self.trouble = mismatch.failure.what
        except ConnectionError:
            self.trouble = "the client broke the connection"
        except OSError as error:
            self.trouble = f"the connection broke: {error.strerror or error}"
        finally:
            self._note(self.trouble)
            if not self._tape.over:
                self._tape.mark(CLOSE)
            self._socket.close()

    def _converse(self) -> None:
        try:
            self._answer(GREETING)
            while True:
                self._obey_client(self._next_line())
        except _Over as over:
            self.trouble = str(over)

    # What the client says

    def _next_line(self) -> bytes:
        """Says what is due, and returns the next line. Raises _Over if the client hangs up."""
        self._be_patient()
        while b"\n" not in self._received or self._received.startswith(HELLO):
            if self._received.startswith(HELLO):
                self._refuse_to_go_on(b"", "the client begins a TLS handshake without STARTTLS")
            if len(self._received) > LONGEST_LINE:
                self._refuse_to_go_on(b"500 5.5.2 line too long\r\n", f"a line of more than {LONGEST_LINE} octets")
            self._more()
        line = bytes(self._received[: self._received.index(b"\n") + 1])
        del self._received[: len(line)]
        return line

    def _more(self) -> None:
        """Says what is due and receives more. Raises _Over if the client hangs up instead, or TimeoutError."""
        known = len(self._received)
        self._flush()
        if len(self._received) == known:
            # The deadline is for a whole line: an octet now and then must not hold the server for ever.
            if not (self._gone or self._transport.readable(max(0.0, self._deadline - time.monotonic()))):
                raise TimeoutError
            if not self._take_in():
                left = f" in the middle of a line, after {len(self._received)} octets" if self._received else ""
                raise _Over(f"the client hung up{left}" if left or not self._bye else "")
        if b"\n" in self._received[known:] or len(self._received) - known >= _PIECE:
            self._be_patient()

    def _be_patient(self) -> None:
        """Starts the client's time anew."""
        self._deadline = time.monotonic() + player.WAIT

    def _silence(self) -> str:
        if self._received:
            return f"the client sent {len(self._received)} octets, and then nothing for {player.WAIT:g} s"
        return f"the client said nothing for {player.WAIT:g} s"

    def _obey_client(self, line: bytes) -> None:
        self._commands += 1
        if self._commands > MOST_COMMANDS:
            self._refuse_to_go_on(b"421 4.7.0 enough\r\n", f"more than {MOST_COMMANDS} commands in one session")
        verb, _, argument = line.strip().partition(b" ")
        name = verb.upper().decode("latin-1")
        self._bye = name == "QUIT"
        match name:
            case "EHLO" | "HELO":
                self._begin()
                found = _LIMIT.search(self._answer(tls_key(name, self._tls)).octets)
                self._limit = int(found[1]) if found else 0
            case "MAIL":
                declared = _DECLARED.search(argument)
                self._size = int(declared[1]) if declared else 0
                if self._answer(name).octets.startswith(b"2"):
                    self._begin()
                    self._sender = mailbox(argument)
            case "RCPT":
                if self._answer(recipient_key(argument)).octets.startswith(b"2"):
                    self._recipients.append(mailbox(argument))
            case "DATA":
                if self._answer(name).octets.startswith(b"3"):
                    self._flush()
                    self._deliver(END, self._listen())
            case "BDAT":
                self._take_chunk(argument)
            case "RSET":
                self._begin()
                self._answer(name)
            case "QUIT":
                self._answer(name)
                self._flush()
                self._close(None)
                raise _Over
            case "STARTTLS" if self._tls:
                self._react(Reaction(b"503 5.5.1 once is enough\r\n"))
            case _:
                self._answer(name if name.isalpha() else "")  # other keys, such as END, must not be found

    def _begin(self) -> None:
        """Clears the buffers of a transaction."""
        self._sender = None
        self._recipients: list[bytes] = []
        self._chunks: list[bytes] = []
        self._chunked = 0  # octets in them
        self._spoilt = False  # whether one of them was refused

    def _listen(self) -> bytes:
        """The message after 354, up to its final dot."""
        searched = 0
        while True:
            self._interrupt(len(self._received))
            if self._received.startswith(b".\r\n"):
                end = len(b".\r\n")
                break
            found = self._received.find(b"\r\n.\r\n", max(0, searched - 4))
            if found >= 0:
                end = found + len(b"\r\n.\r\n")
                break
            searched = len(self._received)
            if _DOT_LINE.search(self._received, max(0, searched - 4)) and not self._transport.readable(_LENIENCE):
                end = searched
                break
            self._more()
        data = bytes(self._received[:end])
        del self._received[:end]
        return policies.undotted(data)

    def _take_chunk(self, argument: bytes) -> None:
        size, _, last = argument.partition(b" ")
        if not _SIZE.fullmatch(size):
            self._react(Reaction(b"501 5.5.4 how many octets?\r\n"))
            return
        while True:
            self._interrupt(self._chunked + min(len(self._received), int(size)))
            if len(self._received) >= int(size):
                break
            self._more()
        chunk = bytes(self._received[: int(size)])
        del self._received[: int(size)]
        self._chunks.append(chunk)
        self._size = self._chunked = self._chunked + len(chunk)
        if last.strip().upper() == b"LAST":
            self._deliver(LAST_CHUNK, b"".join(self._chunks))
        else:
            self._spoilt |= not self._answer(CHUNK).good

    def _interrupt(self, octets: int) -> None:
        """Does what the policy says for the middle of a message, once so many octets have come."""
        if octets > LONGEST_MESSAGE:
            self._refuse_to_go_on(b"552 5.3.4 too much\r\n", f"a message of more than {LONGEST_MESSAGE} octets")
        if self._policy.early and octets >= self._policy.early[0] and not self._interrupted:
            self._interrupted = self._amid = True
            self._react(self._policy.early[1])
            self._flush()
            self._amid = False

    def _deliver(self, key: str, message: bytes) -> None:
        self._size = len(message)
        if self._policy.early:
            self._interrupt(self._policy.early[0])  # in case the message was shorter than that
        reaction = self._policy.end(key, max(0, len(self._chunks) - 1)) or self._default(key)
        if self._interrupted and self._policy.early:
            reaction = self._policy.early[1]
        elif self._policy.strict and (text := self._misplaced(key)):
            reaction = _reply(text)
        reply = b"" if self._mute else reaction.octets
        lost = self._sender is None or self._spoilt  # nobody gets this message, whatever the policy replies
        people = () if lost else tuple(self._recipients)
        self._tape.deliveries.append(Delivery(self._sender or b"", people, message, reply))
        self._begin()
        if not self._interrupted:
            self._react(reaction)
            self._flush()
        self._interrupted = False

    # What the server says

    def _answer(self, key: str) -> Reaction:
        """Chooses the reaction to an event. Replies are sent when the client waits for them."""
        if self._policy.strict and (text := self._misplaced(key.split(" ")[0])):
            reaction = _reply(text)
        else:
            times = self._times.get(key, 0)
            self._times[key] = times + 1
            found = self._policy.reaction(key, times)
            if found is None and key.startswith("RCPT "):
                found = self._policy.reaction(f"RCPT {policies.ANY_MAILBOX.decode()}", times)
            reaction = found or self._default(key)
        self._react(reaction)
        return reaction

    def _misplaced(self, verb: str) -> str | None:
        """The reply to a command that is out of order; None if it is not."""
        if verb == "MAIL" and self._sender is not None:
            return "503 5.5.1 a transaction has begun already"
        if verb in ("RCPT", *_HANDING_OVER) and self._sender is None:
            return "503 5.5.1 MAIL first"
        if verb in _HANDING_OVER and not self._recipients:
            return "554 5.5.1 no valid recipients"
        if verb in _HANDING_OVER and self._spoilt:
            return "503 5.5.1 RSET first: a chunk was refused"
        return None

    def _default(self, key: str) -> Reaction:
        """The default reaction to a command."""
        verb = key.split(" ")[0]
        if verb in ("EHLO", "HELO"):
            return _reply(f"250 {self._policy.host}")
        if text := self._misplaced(verb):
            return _reply(text)
        if verb == "RCPT" and self._policy.closed:
            return _reply("550 5.1.1 no such mailbox")
        if verb in ("MAIL", END, "BDAT") and 0 < self._limit < self._size:
            return _reply(f"552 5.3.4 more than {self._limit} octets")
        return _reply(_REPLIES.get(verb, "500 5.5.1 no such command"))

    def _react(self, reaction: Reaction) -> None:
        """Adds a reaction to those that are due; one with a manner of its own is sent alone."""
        if reaction.how:
            self._flush()
        self._queue.append(reaction)
        if reaction.how or reaction.then:
            self._flush()

    def _flush(self) -> None:
        """Sends the replies that are due, with one write."""
        group, self._queue = self._queue, []
        if group:
            self._do(Reaction(b"".join(one.octets for one in group), group[-1].how, group[-1].then))

    def _do(self, reaction: Reaction) -> None:
        if self._mute:
            return
        manner = Manner()
        for step in reaction.how:
            self._obey(step, manner)
        if reaction.octets:
            self._speak(reaction.octets, manner)
        for step in reaction.then:
            if isinstance(step, Say):
                self._speak(step.octets, Manner())
            elif isinstance(self._transport, Secured) or not isinstance(step, (KeyUpdate, Renegotiate)):
                self._obey(step, Manner())
            self._mute |= isinstance(step, HalfClose)
            if isinstance(step, _ENDS):
                raise _Over

    def expect_silence(self, seconds: float, end_allowed: bool = False) -> bool:
        """Listens for so long, and records what comes. Returns whether the client hung up, if that is allowed.

        Stops when much has come already: a client that never stops would fill the memory.
        """
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)
        deadline = time.monotonic() + seconds
        while len(self._received) < LONGEST_LINE:
            left = deadline - time.monotonic()
            if left <= 0 or not self._transport.readable(left):
                break
            if not self._take_in():
                return end_allowed
        return False

    def _take_in(self) -> bytes:
        octets = b"" if self._gone else super()._take_in()
        self._gone = not octets
        return octets

    def _speak(self, octets: bytes, manner: Manner) -> None:
        """Speaks also to a client that has sent FIN: it may still wait for the replies."""
        if not self._amid:
            self.expect_silence(max(QUIET, manner.delay))
        amid, self._amid = self._amid, True
        try:
            super()._speak(octets, manner if amid else replace(manner, delay=0.0))
        finally:
            self._amid = amid
        self._be_patient()

    def _shake_hands(self, step: Step, manner: Manner) -> None:
        """Accepts any client that completes the handshake; one that does not is no failure."""
        assert isinstance(step, Starttls)
        terms = replace(step.terms, client="accepts", alert=None, suite=None, shown=None)
        leave = partial(self._leave_shaking, manner)
        self._received.clear()  # RFC 3207, section 4.2: what came before is forgotten
        try:
            handshake = LenientHandshake(self._transport, terms, self._policy.host, leave)
            self._transport, note = handshake.secure()
        except Breach as breach:
            self._tape.heard(breach.received or b"")
            raise _Over(breach.what) from breach
        self._note(note)
        if terms.fails or terms.cut:
            return
        self._tape.mark(STARTTLS)
        self._tls = True
        self._begin()

    def _check_time(self, since: float, step: Step) -> None:
        """Other clients have other timeouts than the case."""

    def _refuse_to_go_on(self, octets: bytes, why: str) -> None:
        due = b"".join(one.octets for one in self._queue) + octets
        with contextlib.suppress(OSError, Mismatch):
            if due:
                self._speak(due, Manner())
        self._reset()
        raise _Over(why)

    def _note(self, text: str) -> None:
        if text:
            self._tape.remarks.append(text)


class LenientHandshake(Handshake):
    """A handshake that accepts any server name and any suite, but must end within a time."""

    def __init__(self, plain: Plain, terms: Terms, host: str, leave: Callable[[bytes], None]) -> None:
        super().__init__(plain, terms, host, leave)
        self._deadline = time.monotonic() + player.WAIT

    def _check_name(self, name: str | None) -> None:
        self._name = name

    def _take_in(self) -> bool:
        """Checks the deadline, also if the client sends octet by octet."""
        if time.monotonic() > self._deadline:
            raise TimeoutError
        return super()._take_in()


def _reply(text: str) -> Reaction:
    return Reaction(text.encode() + b"\r\n")
