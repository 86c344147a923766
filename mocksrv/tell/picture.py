# SPDX-License-Identifier: ISC
"""A dialogue as a picture in HTML: two lifelines, an arrow for each flight, round trips numbered, TLS shaded.

Each line opens to its meaning and its octets, without a script.
"""

import re
from collections.abc import Iterator, Sequence
from html import escape
from itertools import groupby

from mocksrv.audit import Grade
from mocksrv.case.octets import harmless, visible
from mocksrv.tell import flow, meaning
from mocksrv.tell.flow import Flight, Row

_RFC = re.compile(r"\b(\d{4})#([A-Z0-9]+(?:\.\d+)*)")
_OPEN = 120  # rows of a dialogue, at most, that open to their octets: a page should not be many times as long as the mail
_LONG, _FIRST, _LAST = 40, 15, 5  # lines of a message that are not folded, and of a longer one at both ends
_OCTETS = 256  # of a line that are shown one by one
ASIDE = "Each arrow is a flight: what one side says without waiting. Each line opens to its meaning and its octets."
# The lifelines are the borders of .wire, so they have no gap: there is no space between flights.
STYLE = """
.flow { margin: .8rem 0; container-type: inline-size; }
.ends, .flight { display: grid; grid-template-columns: 4.5rem minmax(0, 7fr) minmax(0, 4fr); column-gap: .8rem; }
.ends > div { grid-column: 2; display: flex; justify-content: space-between; font-weight: 600; font-size: .9rem; }
.trip { font-size: .8rem; line-height: 1.2; color: var(--dim); text-align: right; padding-top: .5rem; }
.trip b { display: block; font-size: 1.1rem; color: var(--ink); }
.wire { border: solid var(--c); border-width: 0 3px; border-right-color: var(--s); padding: .35rem 0 0; }
.tls > .wire { background: var(--tls); }
.burst { border: 1px solid; border-radius: 3px; padding: .1rem .5rem; background: var(--page); }
.burst.C { margin: 0 14% 0 .7rem; border-left-width: 4px; } .burst.S { margin: 0 .7rem 0 14%; border-right-width: 4px; }
.arrow { height: .9rem; position: relative; }
.arrow::before { content: ""; position: absolute; inset: 50% 2px auto; border-top: 2px solid; }
.arrow::after { content: ""; position: absolute; top: calc(50% - 5px); border: 6px solid transparent; }
.arrow.C::after { right: 0; border-left: 10px solid; border-right: 0; }
.arrow.S::after { left: 0; border-right: 10px solid; border-left: 0; }
.event code { font-weight: 400; font-size: 12.5px; color: var(--dim); }
.event { text-align: center; padding: .3rem .6rem .5rem; font-size: .9rem; overflow-wrap: anywhere; }
.event.secured { font-weight: 600; border-top: 2px solid var(--s); border-bottom: 2px solid var(--s); }
.event.cut { color: var(--wrong); font-weight: 600; border-top: 3px double var(--wrong); }
.event.pause, .event.end, .event.other { color: var(--dim); }
.wire:has(> .pause) { border-style: dotted; }
.part { border: solid var(--dim); border-width: 1px 0 1px 3px; border-radius: 3px; margin: .15rem 0; padding-left: .5rem; }
.part > .of { font: italic .8rem/1.4 system-ui, sans-serif; color: var(--dim); }
.burst summary { cursor: pointer; list-style: none; color: var(--dim); font-style: italic; } .burst summary .said { font-style: normal; } .burst summary::-webkit-details-marker { display: none; }
.burst summary + div:not(.said) { border-left: 2px solid var(--line); margin: .1rem 0 .5rem 4ch; padding-left: .6rem;
  color: var(--ink); font-size: .9rem; } .burst details p { margin: .2rem 0; }
.burst summary:hover .said, .burst details[open] > summary { text-decoration: underline dotted 1px; }
.hex { white-space: pre-wrap; overflow-wrap: anywhere; font-size: 12.5px; color: var(--dim); }
.flight > .beside { align-self: start; margin-top: .4rem; } .flight > .beside div { margin-bottom: .3rem; }
sup { line-height: 0; }
@container (max-width: 48rem) { .beside:empty { display: none; } .ends, .flight { grid-template-columns: minmax(0, 1fr); } .ends > div { grid-column: 1; }
  .trip { text-align: left; padding: .2rem 0 .1rem .7rem; border: solid var(--c); border-width: 0 3px; border-right-color: var(--s); }
  .trip:empty { display: none; } .trip b { display: inline; font-size: .9rem; }
  .burst.C { margin-right: 5%; } .burst.S { margin-left: 5%; }
  .flight > .beside { border: solid var(--c); border-width: 0 3px; border-right-color: var(--s); margin: 0;
    padding: .2rem .7rem .3rem; } }
@media print { .flight { break-inside: avoid; } }
"""


def drawn(rows: Sequence[Row]) -> str:
    """The picture of a dialogue."""
    found = flow.flights(rows)
    number = 0
    parts = []
    for flight in found:
        parts.append(_flight(flight, len(rows) <= _OPEN, number))
        number += sum(1 for row in flight.rows if _has_notes(row))
    count = flow.trips(found)
    total = f"<p class=dim>{count} round trip{'s' if count != 1 else ''}</p>\n" if count else ""
    ends = "<div class=ends><div><span class=C>client</span><span class=S>server</span></div></div>\n"
    return f"<div class=flow>\n{ends}{''.join(parts)}</div>\n{total}"


def linked(text: str) -> str:
    """HTML text in which each mention of a section (5321#4.2) is a link to it."""
    return _RFC.sub(r'<a href="https://www.rfc-editor.org/rfc/rfc\1#section-\2">RFC \1, \2</a>', text)


def graded(grade: Grade, what: str) -> str:
    """What differs, as HTML, in the colour of its grade, which is named first."""
    return f"<span class={grade.label}>{grade.label}: {linked(escape(harmless(what)))}</span>"


def said(row: Row, sign: str = "") -> str:
    """A line as it was said, with the sign of its notes."""
    who = f"{row.speaker}: " if row.speaker else ""
    kind = f"said {row.speaker or 'do'}{' marked' if row.wrong else ''}"
    return f'<div class="{kind}">{escape(who + row.text)}{sign}</div>'


def notes(row: Row) -> Iterator[str]:
    """What explains a line, and what is wrong with it, each as HTML."""
    yield from (linked(escape(note)) for note in row.notes)
    yield from (f"{graded(one.grade, one.what)}. {linked(escape(one.rule))}" for one in row.wrong)


def _has_notes(row: Row) -> bool:
    return bool(row.notes or row.wrong)


def _flight(flight: Flight, opens: bool, number: int) -> str:
    """A flight or an event. Its notes are numbered from `number` on: so they do not tear its lines apart."""
    signs = {}
    for row in flight.rows:
        if _has_notes(row):
            number += 1
            signs[id(row)] = number
    beside = "".join(
        f"<div><sup>{signs[id(row)]}</sup> {'<br>'.join(notes(row))}</div>" for row in flight.rows if _has_notes(row)
    )
    trip = f"round trip <b>{flight.trip}</b>" if flight.trip else ""
    pause = f'<div class="event pause">{flight.pause:.1f} s later</div>' if flight.pause else ""
    inner = "".join(_event(row, signs) for row in flight.rows) if not flight.speaker else _burst(flight, opens, signs)
    kind = "flight tls" if flight.tls else "flight"
    return (
        f'<div class="{kind}"><div class=trip>{trip}</div><div class=wire>{pause}{inner}</div>'
        f"<div class=beside>{beside}</div></div>\n"
    )


def _event(row: Row, signs: dict[int, int]) -> str:
    told = meaning.of_event(row)
    source = "" if told == row.text else f" <code>{escape(row.text)}</code>"
    return f'<div class="event {row.event or flow.OTHER}">{escape(told)}{source}{_sign(row, signs)}</div>'


def _sign(row: Row, signs: dict[int, int]) -> str:
    return f" <sup>{signs[id(row)]}</sup>" if id(row) in signs else ""


def _burst(flight: Flight, opens: bool, signs: dict[int, int]) -> str:
    parts = []
    for part, group in groupby(flight.rows, key=lambda row: row.part):
        rows = list(group)
        told = [_line(row, opens, _sign(row, signs)) for row in rows]
        if part and len(rows) > _LONG and not any(map(_has_notes, rows)):
            told[_FIRST:-_LAST] = [_folded(told[_FIRST:-_LAST])]
        lines = "".join(told)
        size = sum(len(row.octets) for row in rows)
        dot = ", and the dot that ends it" if part == flow.MESSAGE and rows[-1].octets == b".\r\n" else ""
        name = f"{part}{dot}: {size} octets"
        parts.append(f"<div class=part><div class=of>{name}</div>{lines}</div>" if part else lines)
    return f'<div class="burst {flight.speaker}">{"".join(parts)}</div><div class="arrow {flight.speaker}"></div>'


def _folded(lines: list[str]) -> str:
    return f"<details><summary>... {len(lines)} lines ...</summary>{''.join(lines)}</details>"


def _line(row: Row, opens: bool, sign: str) -> str:
    told = meaning.of_row(row)
    if not opens or not (told or row.octets):
        return said(row, sign)
    sentences = "".join(f"<p>{escape(sentence)} {linked(where)}</p>" for sentence, where in told)
    return f"<details><summary>{said(row, sign)}</summary><div>{sentences}{_octets(row.octets)}</div></details>"


def _octets(octets: bytes) -> str:
    """Octets one by one, as hexadecimal digits and as text."""
    if not octets:
        return ""
    count = f"{len(octets)} octet{'s' if len(octets) > 1 else ''}"
    more = f", the first {_OCTETS}" if len(octets) > _OCTETS else ""
    shown = octets[:_OCTETS]
    return f"<p class=dim>{count}{more}</p><div class=hex>{shown.hex(' ')}\n{escape(visible(shown))}</div>"
