# SPDX-License-Identifier: ISC
"""The mail transaction that each command belongs to, and the EHLO that counts for it: as the server saw it."""

from collections.abc import Iterable

from mocksrv.audit.turns import Command, Text, Transaction, Turn


def follow(turns: Iterable[Turn]) -> None:
    """Sets the place of each command and each text in the session."""
    course = _Course()
    for turn in turns:
        if turn.tls and not course.tls:  # RFC 3207#4.2: all is forgotten
            course = _Course(tls=True)
        if isinstance(turn, Command):
            course.enter(turn)
            course.take(turn)
        elif isinstance(turn, Text):
            turn.transaction = course.open
            course.close()


class _Course:
    """The state of the session between two commands."""

    def __init__(self, tls: bool = False) -> None:
        self.tls = tls
        self.open: Transaction | None = None
        self.mail: Command | None = None
        self.hello: Command | None = None
        self.after_last = False

    def enter(self, command: Command) -> None:
        """Sets what comes before a command."""
        command.transaction = self.open
        command.mail = self.mail
        command.hello = self.hello
        command.after_last = self.after_last

    def take(self, command: Command) -> None:
        """Takes over what a command changes."""
        match command.verb:
            case "EHLO" | "HELO" if not command.refused:
                self.hello = command
                self.open = self.mail = None
                self.after_last = False
            case "RSET" if not command.refused:
                self.open = self.mail = None
                self.after_last = False
            case "MAIL":
                self.mail = command
                self.after_last = False
                if not command.refused:
                    self.open = Transaction(command)
            case "RCPT" if self.open:
                self.open.recipients.append(command)
            case "DATA" | "BDAT" if self.open:
                self.open.carriers.append(command)
                if command.verb == "BDAT" and command.last:
                    self.close()
                    self.after_last = True

    def close(self) -> None:
        """The end of a message, whatever the server replies (RFC 5321#4.1.1.4)."""
        self.open = self.mail = None
