# SPDX-License-Identifier: ISC
"""Whether each step of a dialogue makes sense in its place, on every way through its blocks."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from mocksrv.case.blocks import Fail
from mocksrv.case.steps import (
    Close, Delay, Drip, Either, HalfClose, Hear, KeyUpdate, NoAnswer, Read, Refuse, Renegotiate, Reset, Say, Split,
    Stall, Starttls, Step, ends, walk,
)  # fmt: skip

_MANNERS = (Delay, Drip, Split)


@dataclass(frozen=True)
class _Past:
    """What has happened before a step: on some way that leads to it, or on every way."""

    shaken: Starttls | None = None  # some way
    within_tls: bool = False  # every way
    deaf: bool = False  # some way: the server cannot understand the client any more
    halved: HalfClose | None = None  # some way


def check(fail: Fail, steps: list[Step]) -> None:
    """Fails for the first step that does not."""
    for step in list(walk(steps))[1:]:
        if isinstance(step, (Refuse, NoAnswer)):
            fail(step.line, f"{step.source} must be alone in its dialogue")
    _follow(fail, steps, None, _Past())


def _follow(fail: Fail, steps: Sequence[Step], after: Step | None, past: _Past) -> _Past | None:
    """Checks steps; `after` is what follows them. Returns what has happened then, or None if nothing can follow."""
    for index, step in enumerate(steps):
        following = steps[index + 1] if index + 1 < len(steps) else after
        _check_place(fail, step, following)
        _check_tls(fail, step, following, past)
        if past.halved and not isinstance(step, (Hear, Read, Reset, Either)):
            what = f"only C lines, @read and @reset can follow @half-close (line {past.halved.line})"
            fail(step.line, f"{what}, not {step.source}")
        if isinstance(step, Either):
            ways = [_follow(fail, branch, following, past) for branch in step.branches]
            past = _merged([way for way in ways if way]) or past
        past = _passed(past, step)
        if ends(step):
            if index + 1 < len(steps):
                fail(steps[index + 1].line, f"nothing can follow {step.source}")
            return None
    return past


def _passed(past: _Past, step: Step) -> _Past:
    match step:
        case Starttls():
            cut = step.terms.cut is not None
            return replace(past, shaken=past.shaken or step, within_tls=not cut, deaf=cut)
        case HalfClose():
            return replace(past, halved=step)
    return past


def _merged(ways: list[_Past]) -> _Past | None:
    if not ways:
        return None
    return _Past(
        shaken=next((way.shaken for way in ways if way.shaken), None),
        within_tls=all(way.within_tls for way in ways),
        deaf=any(way.deaf for way in ways),
        halved=next((way.halved for way in ways if way.halved), None),
    )


def _check_place(fail: Fail, step: Step, following: Step | None) -> None:
    if isinstance(step, _MANNERS) and not isinstance(following, (Say, Starttls, *_MANNERS)):
        fail(step.line, f"{step.source} must come before an S line or @starttls")
    if isinstance(step, Either) and step.optional and following and not isinstance(following, (Hear, Either)):
        what = f"only a C line, a block or the end can follow @optional (line {step.line})"
        fail(following.line, f"{what}: otherwise it is unclear when to go on")


def _check_tls(fail: Fail, step: Step, following: Step | None, past: _Past) -> None:
    if isinstance(step, Starttls):
        if past.shaken:
            fail(step.line, f"a second @starttls (the first is in line {past.shaken.line})")
        if step.terms.cut and not isinstance(following, (Say, Stall, Close, Reset, *_MANNERS)):
            fail(step.line, "the handshake is cut: @close, @reset, @stall or an S line must follow, to say how")
    elif isinstance(step, (KeyUpdate, Renegotiate)) or isinstance(step, Close) and step.how:
        if not past.within_tls:
            fail(step.line, f"{step.source} must be within TLS")
    elif isinstance(step, (Hear, Read)) and past.deaf:
        fail(step.line, "the server cannot understand the client after a handshake that was cut")
    if isinstance(step, Drip) and step.within and isinstance(following, Starttls):
        if following.terms.client != "rejects":
            fail(following.line, f"{step.source} means that the client hangs up: it needs `client=rejects`")
