#!/usr/bin/python3 -IS
# SPDX-License-Identifier: ISC
"""A tiny honest SMTP client with qmail-remote's interface, for proving mocksrv without Qremote.

It knows PIPELINING, CHUNKING, STARTTLS and HELO, tries every address of every exchanger, and prints one line a report.
MISBEHAVE in the environment lists ways to be wrong, each of which a self-test must see caught.
"""

import os
import re
import socket
import ssl
import struct
import sys

BAD = os.environ.get("MISBEHAVE", "").split()
TIMEOUT = float(os.environ.get("TIMEOUT", "10"))  # seconds for a connection, and for each read
RETRY = "RETRY" in os.environ  # whether to go on after a server that is lost
CLEAR = "CLEAR" in os.environ  # whether to try the same server without TLS after a failed handshake
SUITES = os.environ.get("SUITES")  # of TLS 1.2, which is then the newest version
TYPES = {"A": 1, "CNAME": 5, "MX": 15, "AAAA": 28}


class Lost(Exception):
    """The connection ended, or was never made."""


class NoTls(Lost):
    """A handshake failed."""


def control(name: str) -> str | None:
    """The path of a control file, if it is there."""
    path = os.path.join(os.environ["QMAILHOME"], "control", name)
    return path if os.path.exists(path) else None


def home(name: str) -> str | None:
    """The first line of a control file."""
    if path := control(name):
        with open(path) as file:
            return file.readline().rstrip()
    return None


# DNS


def ask(name: str, kind: str) -> list:
    """The data of all records of a kind. Raises Lost unless the answer is NOERROR or NXDOMAIN."""
    server = (home("dnsservers") or "127.0.0.1:53").rsplit(":", 1)
    place = server[0], int(server[1])
    labels = b"".join(bytes([len(label)]) + label.encode() for label in name.rstrip(".").split("."))
    query = struct.pack("!HHHHHH", 7, 0x100, 1, 0, 0, 0) + labels + struct.pack("!BHH", 0, TYPES[kind], 1)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
        udp.settimeout(TIMEOUT)
        udp.sendto(query, place)
        try:
            answer = udp.recv(65535)
        except TimeoutError as error:
            raise Lost("dns timeout") from error
    if answer[2] & 2:  # truncated
        with socket.create_connection(place, TIMEOUT) as tcp:
            tcp.sendall(struct.pack("!H", len(query)) + query)
            with tcp.makefile("rb") as stream:
                answer = stream.read(struct.unpack("!H", stream.read(2))[0])
    return parse(answer, kind)


def parse(answer: bytes, kind: str) -> list:
    """The data of the records in an answer."""
    _, flags, _, count, *_ = struct.unpack("!HHHHHH", answer[:12])
    if flags & 15 not in (0, 3) or not flags & 0x80 or count > 1000:
        raise Lost(f"dns rcode {flags & 15} ad {flags >> 5 & 1} ra {flags >> 7 & 1}")
    at = expand(answer, 12)[1] + 4
    found = []
    for _ in range(count):
        at = expand(answer, at)[1]
        number, _, _, length = struct.unpack("!HHIH", answer[at : at + 10])
        at += 10
        if number == TYPES[kind]:
            if kind == "MX":
                found.append((struct.unpack("!H", answer[at : at + 2])[0], expand(answer, at + 2)[0]))
            else:
                family = socket.AF_INET if kind == "A" else socket.AF_INET6
                found.append(socket.inet_ntop(family, answer[at : at + length]))
        at += length
    return found


def expand(answer: bytes, at: int) -> tuple[str, int]:
    """A name and where it ends."""
    labels, end = [], 0
    while answer[at]:
        if answer[at] >= 0xC0:
            end = end or at + 2
            at = struct.unpack("!H", answer[at : at + 2])[0] & 0x3FFF
        else:
            labels.append(answer[at + 1 : at + 1 + answer[at]].decode())
            at += 1 + answer[at]
    return ".".join(labels), end or at + 1


def candidates(host: str) -> list[tuple[str, str, int]]:
    """Name, address and port of every server, in order."""
    if host.startswith("["):
        return [(host, host.strip("[]"), 25)]
    relay, port = host, 25
    if route := home("smtproutes"):
        _, relay, text = route.split(":")
        port = int(text)
        if relay[0] == "[":
            return [(relay, relay[1:-1], port)]
    names = [relay] if route else [name for _, name in sorted(ask(host, "MX"))] or [host]
    if "backwards" in BAD:
        names.reverse()
    return [(name, address, port) for name in names for kind in ("A", "AAAA") for address in ask(name, kind)]


# SMTP


class Session:
    """One connection."""

    def __init__(self, address: str, port: int) -> None:
        try:
            self.socket = socket.create_connection((address, port), TIMEOUT)
        except OSError as error:
            raise Lost("no connection") from error
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.stream = self.socket.makefile("rb")

    def say(self, octets: bytes) -> None:
        try:
            self.socket.sendall(octets)
        except OSError as error:
            raise Lost("broken pipe") from error

    def reply(self) -> str:
        lines = []
        while True:
            try:
                line = self.stream.readline()
            except OSError as error:
                raise Lost(reason(error)) from error
            if not line.endswith(b"\n"):
                raise Lost("hung up")
            lines.append(line.decode(errors="replace").rstrip("\r\n"))
            if line[3:4] != b"-":
                return "\n".join(lines)

    def ask(self, line: str) -> str:
        self.say(line.encode("utf-8", "surrogateescape") + b"\r\n")
        return self.reply()

    def secure(self, host: str) -> None:
        """The handshake."""
        self.socket.setblocking(False)
        if self.stream.peek():
            raise NoTls("something in the clear")
        self.socket.settimeout(TIMEOUT)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        context.set_ciphers(f"{SUITES or 'ALL'}:@SECLEVEL=0")
        if SUITES:
            context.maximum_version = ssl.TLSVersion.TLSv1_2
        if anchors := control(f"tlshosts/{host}.pem"):
            context.load_verify_locations(anchors)
            if "trust" not in BAD:
                context.verify_mode = ssl.CERT_REQUIRED
                context.check_hostname = "no-sni" not in BAD
        if certificate := control("clientcert.pem"):
            try:
                context.load_cert_chain(certificate)
            except OSError as error:
                raise Lost(f"clientcert.pem: {reason(error)}") from error
        name = None if "no-sni" in BAD or host.startswith("[") else host.upper() if "sni" in BAD else host
        kept = os.dup(self.socket.fileno())
        try:
            self.socket = context.wrap_socket(self.socket, server_hostname=name)
        except OSError as error:
            if "clear-quit" in BAD:
                os.write(kept, b"QUIT\r\n")
            raise NoTls(f"no TLS: {reason(error)}") from error
        finally:
            os.close(kept)
        self.stream = self.socket.makefile("rb")

    def leave(self) -> None:
        """Says close_notify within TLS, and waits for nothing."""
        if isinstance(self.socket, ssl.SSLSocket) and "abrupt" not in BAD:
            self.socket.setblocking(False)
            try:
                self.socket.unwrap()
            except OSError:
                pass


def reason(error: OSError) -> str:
    return getattr(error, "reason", None) or type(error).__name__


def canonical(message: bytes) -> bytes:
    lines = re.sub(rb"\r\n|\r|\n", b"\r\n", message)
    return lines if not lines or lines.endswith(b"\r\n") else lines + b"\r\n"


def deliver(
    where: tuple[str, str, int], sender: str, recipients: list[str], body: bytes, tls: bool = True
) -> list[str]:
    """The reports of one delivery, within TLS if there is any and it may. Raises Lost."""
    session = Session(*where[1:])
    if "early" in BAD:
        session.say(f"EHLO {home('helohost') or home('me')}\r\n".encode())
    greeting = session.reply()
    if greeting[0] != "2":
        return [f"Z{where[0]} [{where[1]}] says {greeting}"]
    if "early" in BAD:
        offers = session.reply()
    else:
        offers = session.ask(f"EHLO {home('helohost') or home('me')}")
    if offers[0] != "2":
        offers = session.ask(f"HELO {home('helohost') or home('me')}")
    if tls and "STARTTLS" in offers:
        if "greedy" in BAD:
            session.say(b"STARTTLS\r\nEHLO client.example\r\n")
        ready = session.reply() if "greedy" in BAD else session.ask("STARTTLS")
        if ready[0] == "2":
            if "in-the-clear" not in BAD:
                session.secure(where[0])
            offers = session.ask(f"EHLO {home('helohost') or home('me')}")
    chunking = "CHUNKING" in offers
    if "sender" in BAD:
        sender = sender.partition("@")[2]
    commands = [f"MAIL FROM:<{sender}>", *(f"RCPT TO:<{one}>" for one in recipients)]
    if not chunking:
        commands.append("DATA")
    replies = exchange(session, commands, "PIPELINING" in offers)
    reports = ["r" if reply[0] == "2" else "h" + reply for reply in replies[1 : len(recipients) + 1]]
    if chunking:
        end = session.ask(f"BDAT {len(body)} LAST\r\n{body.decode('latin-1')}"[: -2 if body else None])
    else:
        data = (body if "dots" in BAD else re.sub(rb"(?m)^\.", b"..", body)) + b".\r\n"
        session.say(data + (b"X" if "extra" in BAD else b""))
        end = session.reply()
    port = f":{where[2]}" if where[2] != 25 else ""
    reports.append(("K" if end[0] == "2" else "D") + f"{where[0]} [{where[1]}]{port} said {end}")
    if "no-quit" not in BAD:
        session.say(b"QUIT\r\n" + (b"NOOP\r\n" if "after" in BAD else b""))
    if "linger" in BAD:
        session.socket.recv(1)
    session.leave()
    return reports


def exchange(session: Session, commands: list[str], pipelining: bool) -> list[str]:
    if "case" in BAD:
        commands[0] = commands[0].lower()
    if "split" in BAD:
        return [session.ask(command) for command in commands]
    if pipelining or "unasked" in BAD:
        session.say("".join(f"{command}\r\n" for command in commands).encode("utf-8", "surrogateescape"))
        return [session.reply() for _ in commands]
    return [session.ask(command) for command in commands]


def main() -> None:
    host, sender, *recipients = sys.argv[1:]
    body = canonical(sys.stdin.buffer.read())
    if "changes" in BAD:
        body = body.replace(b"hi", b"ho")
    reports = ["Zno server"]
    try:
        if "foreign" in BAD:
            ask("elsewhere.example", "A")
        for where in candidates(host):
            try:
                try:
                    reports = deliver(where, sender, recipients, body)
                except NoTls:
                    if not CLEAR:
                        raise
                    reports = deliver(where, sender, recipients, body, tls=False)
                break
            except Lost as lost:
                reports = [f"Z{where[0]} [{where[1]}]: {lost}"]
                if not RETRY:
                    break
    except (Lost, OSError) as error:
        reports = [f"Z{error}"]
    if "lies" in BAD:
        reports = ["r" for _ in recipients] + ["Kall is well"]
    if "hides" in BAD:
        reports = [report.replace("K", "Z") for report in reports]
    if "twice" in BAD:
        deliver(candidates(host)[0], sender, recipients, body)
    if "connect" in BAD:
        Session("192.0.2.99", 25) if "listening" in BAD else refused("192.0.2.99", 4711)
    if "stderr" in BAD:
        print("oops", file=sys.stderr)
    if "report" in BAD:
        reports[-1] = reports[-1].upper()
    sys.stdout.write("".join(f"{report}\n\0" if len(report) > 1 else f"{report}\0" for report in reports))
    sys.stdout.flush()
    if "holds" in BAD and os.fork() == 0:
        pair = socket.socketpair()
        pair[0].recv(1)
    os._exit(3 if "exit" in BAD else 0)


def refused(address: str, port: int) -> None:
    try:
        Session(address, port)
    except Lost:
        pass


main()
