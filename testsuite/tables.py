# SPDX-License-Identifier: ISC
"""Tables of examples in fixtures/tables: columns between tabs, the escapes of case files, `#` lines are comments."""

from pathlib import Path

from mocksrv.case.octets import unescape

_TABLES = Path(__file__).parent.parent / "fixtures/tables"


def rows(name: str) -> list[tuple[bytes, ...]]:
    """The rows of a table, which must all have the same number of columns."""
    lines = (_TABLES / f"{name}.tsv").read_text().splitlines()
    table = [tuple(unescape(cell) for cell in line.split("\t")) for line in lines if not line.startswith("#")]
    assert table and len({len(row) for row in table}) == 1, f"{name}: ragged or empty"
    return table


def expanded(cell: bytes) -> bytes:
    """A cell in which `{TEXT*N}` stands for TEXT, N times over."""
    before, brace, rest = cell.partition(b"{")
    if not brace:
        return cell
    repeated, _, after = rest.partition(b"}")
    text, _, times = repeated.rpartition(b"*")
    return before + text * int(times) + expanded(after)
