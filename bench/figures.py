# SPDX-License-Identifier: ISC
"""The figures: what is measured, with which messages, and what follows from it."""

import contextlib
import ctypes
import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from bench import measure
from bench.clients import Client, Mail, Own
from bench.sink import MEGABYTE, BenchError, Sink, write_message, write_raw
from testsuite import pure

RECIPIENTS = (1, 10, 100, 1000, 5000)
DELIVERIES, AT_ONCE, DELAY, LATE = 1000, 250, 200, 30
_ONE_MESSAGE = {"exim", "postfix"}  # these split many recipients into several messages
_MANY_USERS = {"exim", "postfix"}  # these change their user: callgrind's files are incomplete or late
_SLOW = 10.0  # seconds: what probably takes longer is not done at the next size

_SESSION = "Of Postfix it is the time of its session at the sink."
_MEDIAN = f"the median of runs in turn. {_SESSION}"


@dataclass
class Figure:
    """A table of numbers: a row for each client or limit. All numbers of a figure have one unit."""

    key: str
    title: str
    unit: str
    note: str
    better: str = "less"
    exact: bool = False  # the same in each run, however busy the machine is
    axis: str = ""  # of the columns, if they are numbers; then it is a growth
    rows: dict[str, dict[str, float]] = field(default_factory=dict)
    spread: dict[str, dict[str, tuple[int, float]]] = field(default_factory=dict)  # runs; half of what is between the quartiles
    why: dict[str, str] = field(default_factory=dict)  # something is missing

    def columns(self) -> list[str]:
        """In the order in which they came."""
        return list(dict.fromkeys(column for row in self.rows.values() for column in row))

    def put(self, row: str, column: str, value: float) -> None:
        """One number."""
        self.rows.setdefault(row, {})[column] = value

    def put_all(self, row: str, column: str, values: list[float]) -> None:
        """The median of some runs."""
        self.put(row, column, statistics.median(values))
        low, _, high = statistics.quantiles(values, method="inclusive") if len(values) > 1 else (0.0, 0.0, 0.0)
        self.spread.setdefault(row, {})[column] = (len(values), (high - low) / 2)

    def run(self, column: str, jobs: dict[str, Callable[[], float]], seconds: float, value: Callable[[float], float]) -> None:
        """Does these for so many seconds, and puts a value of the seconds that they take."""
        for name, values in measure.in_turn(jobs, seconds, lambda name, error: self.why.update({name: str(error)})).items():
            self.put_all(name, column, [value(one) for one in values])


class Bench:
    """All figures, with these clients, at these sizes in megabytes."""

    def __init__(self, clients: list[Client], sizes: list[int], scratch: Path, tell: Callable[[str], None]) -> None:
        self._clients, self._sizes, self._scratch, self._tell = clients, sizes, scratch, tell
        self._small = write_message(scratch / "small", 2000)
        self.done: dict[str, Figure] = {}
        self._took: dict[tuple[str, str], tuple[str, float]] = {}

    def run(self, only: set[str]) -> Iterator[Figure]:
        """Each figure when it is finished; `only` these, or all."""
        wanted = {key: one for key, one in FIGURES.items() if not only or key in only}
        for number, (key, make) in enumerate(wanted.items(), 1):
            self._tell(f"[{number}/{len(wanted)}] {key}")
            for figure in make(self):
                self.done[figure.key] = figure
                yield figure

    def _try(self, figure: Figure, name: str, act: Callable[[], None]) -> None:
        try:
            with measure.limited(measure.PATIENCE):
                act()
        except (BenchError, OSError) as error:
            figure.why[name] = str(error)

    def _contenders(self, secured: bool, limits: bool = True) -> list[Client]:
        own: list[Client] = [Own("bare handshake", "sink", "-w", "0") if secured else Own("empty program", "empty")]
        return [*(one for one in self._clients if one.secures or not secured), *(own if limits else [])]

    def _each(self, figure: Figure, act: Callable[[Client, Mail], float]) -> Figure:
        """2 KB in the clear and within TLS."""
        for column, offers in (("2 KB", ()), ("2 KB in TLS", ("STARTTLS",))):
            for one in [one for one in self._contenders(bool(offers)) if one.name not in figure.why]:
                with Sink(*offers) as sink:
                    self._try(figure, one.name, lambda: figure.put(one.name, column, act(one, Mail(sink, self._small))))
        return figure

    def instructions(self) -> Iterator[Figure]:
        """Counted."""
        note = "In user space, with the dynamic linker, by a new process; counted by callgrind."
        figure = Figure("instructions", "Instructions of a delivery", "instructions", note, exact=True)
        if why := measure.unusable("valgrind"):
            figure.why["all"] = why
            yield figure
        else:
            figure.why = dict.fromkeys(sorted(_MANY_USERS & {one.name for one in self._clients}), "callgrind does not count it reliably")
            yield self._each(figure, lambda one, mail: measure.instructions(one, mail, self._scratch))

    def calls(self) -> Iterator[Figure]:
        """Counted."""
        note = "By a new process, with those of the dynamic linker; counted by strace."
        figure = Figure("calls", "System calls of a delivery", "calls", note, exact=True)
        if why := measure.unusable("strace"):
            figure.why["all"] = why
            yield figure
        else:
            yield self._each(figure, lambda one, mail: measure.system_calls(one, mail, self._scratch))

    def memory(self) -> Iterator[Figure]:
        """While the sink holds its reply."""
        note = "Proportional set size of all processes of one delivery, while it waits for the reply to its message, a single run. A page that others use too counts in part only, so it depends on who shares its libraries."
        figure = Figure("memory", "Memory of a delivery that waits", "octets", note)
        for column, offers in (("2 KB", ()), ("2 KB in TLS", ("STARTTLS",))):
            for one in self._contenders(bool(offers), False):
                with Sink(*offers, holds=True) as sink:
                    self._try(figure, one.name, lambda: self._put_memory(figure, one, column, Mail(sink, self._small), 1))
        yield figure

    def _put_memory(self, figure: Figure, one: Client, column: str, mail: Mail, count: int) -> None:
        with one.waiting(mail, count) as processes:
            octets = measure.memory(processes)
        figure.put(one.name, column, octets)

    def turns(self) -> Iterator[Figure]:
        """Counted by the sink."""
        note = f"How often the client waits for a reply, the greeting included, the reply to QUIT not; counted by a server whose replies are {LATE} ms late. A TLS handshake adds one."
        figure = Figure("turns", "Round trips of a delivery", "round trips", note, exact=True)
        ways = {
            "1 recipient": (1, Sink(late=LATE)), "10 recipients": (10, Sink(late=LATE)),
            "10, no PIPELINING": (10, Sink(offers="8BITMIME", late=LATE)), "1, CHUNKING": (1, Sink("CHUNKING", late=LATE)),
            "1, TLS": (1, Sink("STARTTLS", late=LATE)),
        }  # fmt: skip
        for column, (recipients, sink) in ways.items():
            for one in self._contenders(sink.secured, False):
                with sink:
                    self._try(figure, one.name, lambda: self._put_turns(figure, one, column, Mail(sink, self._small, recipients)))
        yield figure

    def _put_turns(self, figure: Figure, one: Client, column: str, mail: Mail) -> None:
        figure.put(one.name, column, one.deliver(mail).reports[0].turns)

    def small(self) -> Iterator[Figure]:
        """Wall time."""
        note = f"Wall time from the start of the process to its end; {_MEDIAN}"
        yield self._timed(Figure("small", "One small delivery", "ms", note), self._small, 8.0, lambda wall: wall * 1e3)

    def large(self) -> Iterator[Figure]:
        """Throughput."""
        size = 50 * MEGABYTE
        note = f"50 MB of text with LF line ends, from the start of the process to its end; {_MEDIAN}"
        figure = Figure("large", "One large delivery", "MB/s", note, better="more")
        message = write_message(self._scratch / "large", size)
        yield self._timed(figure, message, 16.0, lambda wall: 50 / wall)
        message.unlink()

    def _timed(self, figure: Figure, message: Path, seconds: float, value: Callable[[float], float]) -> Figure:
        size = message.stat().st_size
        names = ("2 KB", "2 KB in TLS") if size < MEGABYTE else ("50 MB", "50 MB in TLS")
        for column, offers in zip(names, ((), ("STARTTLS",)), strict=True):
            sinks = contextlib.ExitStack()  # one for each, so that what fails harms no other
            contenders = self._contenders(bool(offers), size < MEGABYTE)
            if size >= MEGABYTE and offers:
                contenders.append(Own("bare GnuTLS loop", "sink", "-w", str(size)))
            with sinks:
                jobs = {one.name: self._wall(one, Mail(sinks.enter_context(Sink(*offers)), message)) for one in contenders}
                if size >= MEGABYTE and not offers:
                    raw = sinks.enter_context(Sink())
                    jobs["raw writes"] = lambda: _raw(raw, size)
                figure.run(column, jobs, seconds, value)
        return figure

    def _wall(self, one: Client, mail: Mail) -> Callable[[], float]:
        """Seconds of a delivery."""
        return lambda: one.deliver(mail).seconds

    def recoded(self) -> Iterator[Figure]:
        """8-bit text for a server without 8BITMIME."""
        note = f"20 MB of UTF-8 text, 3 % of its letters umlauts, for a server without 8BITMIME; the others send it unchanged; {_MEDIAN}"
        figure = Figure("recoded", "A message that must be recoded", "MB/s", note, better="more")
        message = write_message(self._scratch / "eightbit", 20 * MEGABYTE, 0.03)
        with contextlib.ExitStack() as sinks:
            sink = {one: sinks.enter_context(Sink(offers="PIPELINING")) for one in self._clients if one.recodes}
            jobs = {one.name: self._wall(one, Mail(sink[one], message, recoded=True)) for one in sink}
            figure.run("20 MB", jobs, 8.0, lambda wall: 20 / wall)
        message.unlink()
        yield figure

    def sizes(self) -> Iterator[Figure]:
        """Growth."""
        note = f"Wall time of one delivery, a single run. {_SESSION}"
        figure = Figure("sizes", "Growth with the size of the message", "s", note, axis="MB")
        for size in self._sizes:
            message = write_message(self._scratch / "growing", size * MEGABYTE)
            self._grow(figure, str(size), message, 1, self._clients)
            with Sink() as sink:
                self._try(figure, "raw writes", lambda: figure.put("raw writes", str(size), _raw(sink, size * MEGABYTE)))
            message.unlink()
        yield figure

    def recipients(self) -> Iterator[Figure]:
        """Growth."""
        note = "Wall time of one delivery of 2 KB, a single run. Exim and Postfix split it into many messages, so they are left out."
        figure = Figure("recipients", "Growth with the number of recipients", "s", note, axis="recipients")
        for count in RECIPIENTS:
            self._grow(figure, str(count), self._small, count, [one for one in self._clients if one.name not in _ONE_MESSAGE])
        yield figure

    def _grow(self, figure: Figure, column: str, message: Path, recipients: int, clients: list[Client]) -> None:
        """All that a client did for the size before, what it prepared included, foretells what it will take."""
        for one in clients:
            before, seconds = self._took.get((figure.key, one.name), (column, 0.0))
            if one.name in figure.why or seconds * int(column) / int(before) > _SLOW:
                figure.why.setdefault(one.name, f"too slow for {column} {figure.axis}")
                continue
            begun = time.monotonic()
            with Sink() as sink:
                self._try(figure, one.name, lambda: figure.put(one.name, column, self._wall(one, Mail(sink, message, recipients))()))
            self._took[figure.key, one.name] = (column, time.monotonic() - begun)

    def parallel(self) -> Iterator[Figure]:
        """Many at a time."""
        what = f"Up to {DELIVERIES:,} deliveries of 2 KB, {AT_ONCE} at a time, to a server that takes {DELAY} ms for its reply to a message; a single run"
        rate = Figure("rate", "Deliveries a second", "1/s", f"{what}. With these {DELAY} ms, {AT_ONCE} at a time can reach {AT_ONCE * 1000 // DELAY:,} a second at most.", better="more")
        cpu = Figure("cpu", "Processor time of a delivery", "ms", f"{what}. User and system time, the client's alone.")
        note = f"The sum of the proportional set sizes of {AT_ONCE} deliveries that wait: they share their libraries. A single run."
        held = Figure("held", f"Memory of {AT_ONCE} deliveries", "octets", note)
        for column, offers in (("plain", ()), ("TLS", ("STARTTLS",))):
            for one in self._contenders(bool(offers), False):
                with Sink(*offers, delay=DELAY) as sink:
                    self._try(rate, one.name, lambda: self._put_many(rate, cpu, one, column, Mail(sink, self._small)))
                with Sink(*offers, holds=True) as sink:
                    self._try(held, one.name, lambda: self._put_memory(held, one, column, Mail(sink, self._small), AT_ONCE))
        yield from (rate, cpu, held)

    def _put_many(self, rate: Figure, cpu: Figure, one: Client, column: str, mail: Mail) -> None:
        run = one.deliver_many(mail, DELIVERIES, AT_ONCE)
        rate.put(one.name, column, len(run.reports) / run.seconds)
        rate.put("the limit", column, AT_ONCE * 1000 / DELAY)
        cpu.put(one.name, column, run.cpu * 1e3 / len(run.reports))

    def day(self) -> Iterator[Figure]:
        """Computed."""
        each = 10_000_000 / 86400
        note = f"10 million deliveries a day are {each:.0f} a second. Computed from the processor time of a delivery."
        cores = Figure("cores", "10 million deliveries a day: processors", "processors busy", note)
        note = "Computed: each waits 5 s and takes the memory of one of those that were held at the same time."
        room = Figure("room", "10 million deliveries a day: memory", "octets", note)
        for source, target, factor in (("cpu", cores, each / 1e3), ("held", room, each * 5 / AT_ONCE)):
            if source not in self.done:
                target.why["all"] = "it needs `parallel`"
            for name, row in self.done[source].rows.items() if source in self.done else ():
                for column, value in row.items():
                    target.put(name, column, value * factor)
        yield from (cores, room)

    def pure(self) -> Iterator[Figure]:
        """The pure functions of Qremote."""
        note = f"Functions of Qremote over 16 MB of text in memory, 256 KB at a time; memmove is the limit; {_MEDIAN}"
        figure = Figure("pure", "Where the octets of a message go", "MB/s", note, better="more")
        figure.run("16 MB", _pure_jobs(self._scratch), 5.0, lambda seconds: 16 / seconds)
        yield figure


def _raw(sink: Sink, size: int) -> float:
    begun = time.perf_counter()
    write_raw(sink, size)
    seconds = time.perf_counter() - begun
    sink.take(1, range(size + 2, size + 3), 0)  # 2: CRLF
    return seconds


def _span(octets: bytes) -> "pure.Span":
    return pure.Span(ctypes.cast(ctypes.c_char_p(octets), ctypes.c_void_p), len(octets))


def _pure_jobs(scratch: Path) -> dict[str, Callable[[], float]]:
    plain = write_message(scratch / "plain", 16 * MEGABYTE).read_bytes()
    eightbit = write_message(scratch / "eightbit16", 16 * MEGABYTE, 0.03).read_bytes()
    room = ctypes.create_string_buffer(1 << 18)
    recoding = pure.Recoding(message=_span(eightbit), message_eightbit=True, helohost=b"client.example")
    mime, encoder = pure.Mime(), pure.Encoder()

    def write_all() -> None:
        while pure.lib.encoder_write(encoder, room, len(room)):
            pass

    def copy() -> None:
        start = ctypes.cast(ctypes.c_char_p(plain), ctypes.c_void_p).value or 0
        for at in range(0, len(plain), len(room)):
            ctypes.memmove(room, start + at, min(len(room), len(plain) - at))

    def encode() -> None:
        pure.lib.encoder_open(encoder, _span(plain), True)
        write_all()

    def recode() -> None:
        pure.lib.encoder_open_recoded(encoder, mime, recoding)
        write_all()

    def timed(act: Callable[[], object]) -> Callable[[], float]:
        def run() -> float:
            begun = time.perf_counter()
            act()
            return time.perf_counter() - begun

        return run

    jobs: dict[str, Callable[[], object]] = {
        "memmove": copy, "lines_examine": lambda: pure.lib.lines_examine(_span(plain)), "encoder_write": encode,
        "mime_survey": lambda: pure.lib.mime_survey(recoding), "encoder_write, quoted-printable": recode,
    }  # fmt: skip
    return {name: timed(act) for name, act in jobs.items()}


FIGURES: dict[str, Callable[[Bench], Iterator[Figure]]] = {
    "instructions": Bench.instructions, "calls": Bench.calls, "memory": Bench.memory, "turns": Bench.turns,
    "small": Bench.small, "large": Bench.large, "recoded": Bench.recoded, "sizes": Bench.sizes,
    "recipients": Bench.recipients, "parallel": Bench.parallel, "day": Bench.day, "pure": Bench.pure,
}  # fmt: skip
