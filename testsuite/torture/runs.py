# SPDX-License-Identifier: ISC
"""The modes of delivery, and what is done to each: one run for each fault."""

import errno
from collections.abc import Iterator
from dataclasses import dataclass

from testsuite.torture.errnos import ERRNOS
from testsuite.torture.world import Cut, Mode, Result

_FOREVER = 1 << 40
_SPECIAL = {"malloc": -1, "noise": -2, "all": -3, "octets": -4}  # as in faults.c, which knows nothing of octets
_PLAIN = {
    "lockstep": "lockstep/one-command-at-a-time",
    "pipelining": "demo/a-mail-finds-its-way",
    "bdat": "chunking/one-of-two-recipients",
    "chunks": "chunking/small-chunks-without-waiting",
    "recoded": "to-7bit/embedded-8bit",
    "exchangers": "exchangers/mail-refused-for-now-leads-to-the-next",
    "spare": "exchangers/mail-refused-for-now-leads-to-the-next",
}
_TOLD = {"bdat": "chunked", "chunks": "chunked", "recoded": "quoted-printable", "exchangers": "Kmx2."}
MODES = {
    mode.name: mode
    for mode in (
        *(
            Mode(name, case, friendly=name == "spare", traced=name == "pipelining", told=_TOLD.get(name, "accepted message"))
            for name, case in _PLAIN.items()
        ),
        # Before TLS, the first of these does what all others repeat.
        *(
            Mode(f"{name}-tls", case, tls=True, friendly=name == "spare", told="TLS1.3", alike=3 if place else None)
            for place, (name, case) in enumerate(_PLAIN.items())
        ),
        Mode("fall-back", "tls/the-server-ends-the-handshake", told="in the clear, since TLS failed"),
        Mode("dane", "dane/the-name-that-an-alias-leads-to", told="verified by DANE", alike=None),
        # These servers would take the mail, and must not get it, whatever fails.
        Mode("impostor", "tls/an-impostor", told="has an unknown issuer", alike=1),
        Mode("other-name", "dane/another-name-below-an-issuer", told="is for another name", alike=1),
        Mode("auth", "auth/in-the-clear"),
        Mode("idn", "idn/a-domain-as-people-write-it", told="Kmx.xn--"),
        Mode("race", "connecting/a-dead-address-costs-two-seconds"),
        Mode("piped", "lockstep/one-command-at-a-time", piped=True, table=True),
    )
}


@dataclass(frozen=True)
class Run:
    """One run: `call` is a system call, `malloc`, or `octets` for those that the servers send before one hangs up.

    `what` is an error, `short`, or how the server hangs up; with `+` it lasts.
    """

    mode: str
    call: str
    nth: int
    what: str

    def __str__(self) -> str:
        return f"{self.mode}/{self.call}/{self.nth}/{self.what}"

    @staticmethod
    def parse(text: str) -> "Run":
        """The inverse of str(). Raises ValueError."""
        mode, call, nth, what = text.split("/")
        if mode not in MODES:
            raise ValueError(f"there is no mode {mode}, but {', '.join(MODES)}")
        return Run(mode, call, int(nth), what)

    def fault(self, numbers: dict[str, int]) -> str:
        """For faults.c."""
        number = getattr(errno, self.what.removesuffix("+"), 0)
        call = _SPECIAL.get(self.call) or numbers[self.call]
        return f"{call}:{self.nth}:{_FOREVER if self.what.endswith('+') else self.nth}:{number}"

    @property
    def cut(self) -> Cut | None:
        """Where the server hangs up."""
        return Cut(self.nth, self.what) if self.call == "octets" else None


def all_runs(usual: dict[str, Result], numbers: dict[str, int]) -> list[Run]:
    """All of them, by what happens without a fault."""
    names = {number: name for name, number in numbers.items()}
    return [Run(mode, *fault) for mode, result in usual.items() for fault in _faults(result, names)]


def _faults(usual: Result, names: dict[int, str]) -> Iterator[tuple[str, int, str]]:
    """The faults of one mode. Where modes within TLS are still alike, only one of them has faults."""
    repeated = usual.early
    yield "noise", 0, ""
    for number, count in sorted(usual.log.calls.items()):
        for what in ERRNOS.get(names[number], []):
            begin = repeated.log.calls.get(number, 0) if repeated else 0
            yield from ((names[number], nth, what) for nth in range(begin + 1, count + 1))
    for what in ("ENOMEM", "ENOMEM+"):
        begin = repeated.log.allocations if repeated else 0
        yield from (("malloc", nth, what) for nth in range(begin + 1, usual.log.allocations + 1))
    for what in ("close", "half-close", "reset"):
        begin = repeated.spoken if repeated else 0
        yield from (("octets", nth, what) for nth in range(begin, usual.spoken))


def sample(runs: list[Run], size: int) -> list[Run]:
    """So many of them, always the same: evenly from all modes and kinds."""
    return [runs[len(runs) * number // size] for number in range(size)]
