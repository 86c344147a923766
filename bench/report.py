# SPDX-License-Identifier: ISC
"""The figures as text, as JSON, and as one page of HTML that needs nothing else."""

import json
import math
from dataclasses import asdict
from html import escape
from pathlib import Path

from bench.figures import Figure
from mocksrv.tell.page import document

_FIRST = "Qremote"
# Okabe and Ito's colours, which can be told apart without full colour vision; markers and labels help, too.
_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#8c8c8c", "#a07a00")
_DASHES = ("", "6 3", "2 3", "8 3 2 3", "12 4", "4 4", "1 4", "10 2 2 2")
_STYLE = """
:root { color-scheme: light dark; --line: light-dark(#d9dce0, #3a3d41); --dim: light-dark(#5f6368, #a3a8ae);
  --bar: light-dark(#8a94a0, #7d8792); --first: light-dark(#0b57a4, #8ec5ff); }
html { background: light-dark(#fff, #16181b); color: light-dark(#1b1d20, #e6e8ea); }
body { font: 16px/1.5 system-ui, sans-serif; margin: 2rem auto; padding: 0 1rem; max-width: 60rem; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.15rem; margin: 2.5rem 0 .3rem; } p { margin: .3rem 0; }
.dim { color: var(--dim); font-size: .9rem; } .wide { overflow-x: auto; }
table { border-collapse: collapse; margin: .6rem 0; font-size: .9rem; font-variant-numeric: tabular-nums; }
th, td { padding: .15rem 1rem .15rem 0; border-bottom: 1px solid var(--line); text-align: right; white-space: nowrap; }
th:first-child { text-align: left; font-weight: 400; } .us th:first-child { font-weight: 600; }
.plots { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 20rem), 1fr)); gap: 0 2rem; }
svg { display: block; width: 100%; max-width: 27rem; height: auto; font: 13px system-ui, sans-serif; margin: .5rem 0; }
svg text { fill: currentColor; } .bar { fill: var(--bar); } .bar.us { fill: var(--first); }
.axis { stroke: var(--line); } .curve { fill: none; stroke-width: 2; }
"""


def write(folder: Path, machine: str, figures: list[Figure], notes: dict[str, str]) -> None:
    """Writes bench.txt, bench.json and bench.html."""
    folder.mkdir(parents=True, exist_ok=True)
    text = "\n\n".join([machine, *map(_as_text, figures), _notes_as_text(notes)]) + "\n"
    (folder / "bench.txt").write_text(text)
    content = {"machine": machine, "notes": notes, "figures": [asdict(one) for one in figures]}
    (folder / "bench.json").write_text(json.dumps(content, indent=1) + "\n")
    body = f"<h1>Qremote beside other mail clients</h1>\n<p>{escape(machine)}</p>\n"
    body += "<p class=dim>In parentheses: times Qremote's. Each delivery that counts has arrived, once and whole. Figures that do not depend on how busy the machine was say so.</p>\n"
    body += "".join(map(_as_html, figures))
    if notes:
        body += "<h2>The clients</h2>" + "".join(f"<p><b>{escape(a)}</b>: {escape(b)}</p>\n" for a, b in notes.items())
    (folder / "bench.html").write_text(document("Qremote beside other mail clients", _STYLE, f"<main>{body}</main>"))


def number(value: float) -> str:
    """With three digits, and k, M or G."""
    for factor, letter in ((1e9, "G"), (1e6, "M"), (1e4, "k")):
        if value >= factor:
            scaled = value / (1e3 if letter == "k" else factor)
            return f"{scaled:.{max(0, 2 - int(math.log10(scaled)))}f} {letter}"
    if value >= 100 or value == int(value):
        return f"{value:.0f}"
    return f"{value:.{max(0, 2 - math.floor(math.log10(value)))}f}" if value > 0 else "0"


def _cell(figure: Figure, name: str, column: str) -> str:
    value, first = figure.rows[name].get(column), figure.rows.get(_FIRST, {}).get(column)
    if value is None:
        return "-"
    text = number(value)
    if first and name != _FIRST:
        text += f" ({value / first:.2g}x)" if value / first < 99.5 else f" ({value / first:.0f}x)"
    runs, spread = figure.spread.get(name, {}).get(column, (0, 0.0))
    return f"{text} ±{100 * spread / value:.0f}% of {runs}" if runs > 1 else f"{text} of 1" if runs else text


def _head(figure: Figure) -> str:
    runs = " After ± is half of the distance between the quartiles, then the number of runs." if figure.spread else ""
    return f"{figure.note}{runs} {'Does not depend on the load of the machine.' if figure.exact else ''}".strip()


def _as_text(figure: Figure) -> str:
    columns = figure.columns()
    heads = [f"{column} {figure.axis}".strip() for column in columns]
    lines = [f"{figure.title}, {figure.unit}; {figure.better} is better", f"  {_head(figure)}"]
    lines.append(f"  {'':32}" + "".join(f"{head:>24}" for head in heads))
    lines += [f"  {name:32}" + "".join(f"{_cell(figure, name, one):>24}" for one in columns) for name in figure.rows]
    return "\n".join(lines + [f"  {name}: {why}" for name, why in figure.why.items()])


def _notes_as_text(notes: dict[str, str]) -> str:
    return "\n".join(f"{name}: {note}" for name, note in notes.items())


def _as_html(figure: Figure) -> str:
    columns = figure.columns()
    heads = "".join(f"<th scope=col>{escape(f'{one} {figure.axis}'.strip())}</th>" for one in columns)
    rows = "".join(
        f"<tr{' class=us' if name == _FIRST else ''}><th scope=row>{escape(name)}</th>"
        + "".join(f"<td>{escape(_cell(figure, name, one))}</td>" for one in columns) + "</tr>\n"
        for name in figure.rows
    )  # fmt: skip
    why = "".join(f"<p class=dim>{escape(name)}: {escape(text)}</p>\n" for name, text in figure.why.items())
    plots = _curves(figure) if figure.axis else "".join(_bars(figure, one) for one in columns)
    return (
        f"<h2>{escape(figure.title)}</h2>\n<p class=dim>{escape(_head(figure))}</p>\n<div class=plots>{plots if figure.rows else ''}</div>"
        f"<div class=wide role=region tabindex=0 aria-label='{escape(figure.title)}: the numbers'>"
        f"<table><tr><td></td>{heads}</tr>\n{rows}</table></div>\n{why}"
    )


def _svg(height: int, label: str, parts: list[str]) -> str:
    return f'<svg viewBox="0 0 360 {height}" role=img aria-label="{escape(label)}">\n' + "\n".join(parts) + "\n</svg>\n"


def _bars(figure: Figure, column: str) -> str:
    """One bar for each row, from zero."""
    values = {name: row[column] for name, row in figure.rows.items() if column in row}
    most = max(values.values()) or 1
    parts = [f"<text x=0 y=14>{escape(column)}, {escape(figure.unit)}; {figure.better} is better</text>"]
    for index, (name, value) in enumerate(values.items()):
        top = 24 + 20 * index
        parts.append(f"<text x=122 y={top + 12} text-anchor=end font-size=12>{escape(name[-20:])}</text>")
        kind = "bar us" if name == _FIRST else "bar"
        parts.append(f'<rect class="{kind}" x=128 y={top} width={max(1, 160 * value / most):.1f} height=15 />')
        parts.append(f"<text x={132 + max(1, 160 * value / most):.1f} y={top + 12} font-size=12>{number(value)}</text>")
    return _svg(28 + 20 * len(values), f"{figure.title}: {column}", parts)


def _curves(figure: Figure) -> str:
    """Both axes logarithmic, a curve for each row; the legend is below."""
    points = {name: [(float(x), y) for x, y in row.items()] for name, row in figure.rows.items()}
    xs, ys = [x for row in points.values() for x, _ in row], [y for row in points.values() for _, y in row]
    low, high = math.floor(math.log10(min(ys))), math.ceil(math.log10(max(ys)))
    span = math.log10(max(xs) / min(xs)) or 1

    def at(x: float, y: float) -> tuple[float, float]:
        return 52 + 290 * math.log10(x / min(xs)) / span, 210 - 180 * (math.log10(y) - low) / ((high - low) or 1)

    parts = [f"<text x=0 y=14>{escape(figure.unit)}; {figure.better} is better</text>"]
    for power in range(low, high + 1):
        y = at(min(xs), 10**power)[1]
        parts.append(f"<line class=axis x1=52 x2=342 y1={y:.1f} y2={y:.1f} />")
        parts.append(f"<text x=46 y={y + 4:.1f} text-anchor=end font-size=12>{10.0**power:g}</text>")
    for x in sorted(set(xs)):
        parts.append(f"<text x={at(x, 1)[0]:.1f} y=226 text-anchor=middle font-size=12>{x:g}</text>")
    parts.append(f"<text x=197 y=242 text-anchor=middle font-size=12>{escape(figure.axis)}</text>")
    for index, (name, row) in enumerate(points.items()):
        colour, dash = _COLOURS[index % len(_COLOURS)], _DASHES[index % len(_DASHES)]
        line = " ".join(f"{x:.1f},{y:.1f}" for x, y in (at(*one) for one in row))
        parts.append(f'<polyline class=curve stroke="{colour}" stroke-dasharray="{dash}" points="{line}" />')
        left, top = 52 + 150 * (index % 2), 262 + 18 * (index // 2)
        parts.append(f'<line class=curve stroke="{colour}" stroke-dasharray="{dash}" x1={left} x2={left + 30} y1={top - 4} y2={top - 4} />')
        parts.append(f"<text x={left + 36} y={top} font-size=12>{escape(name[-20:])}</text>")
    return _svg(268 + 18 * ((len(points) + 1) // 2 - 1), figure.title, parts)
