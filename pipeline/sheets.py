"""Rows with titles, headers of several rows or columns that are values, as plain CSV."""

import csv
import json
import re
import sys
from array import array
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from itertools import groupby
from pathlib import Path
from subprocess import TimeoutExpired, run
from typing import TextIO

from pipeline.messages import Problem  # nothing heavier: each workbook starts a process

FAILED = 3


@dataclass(frozen=True)
class Row:
    """A physical row; `cells` is None when it can't be split, `text` is what stands there."""

    line: int
    cells: list[str] | None
    text: str = ""


@dataclass(frozen=True)
class Shape:
    """What of a layout decides where the header is and how cells become text."""

    format: str
    sheet: str | int
    records_at: str
    header_row: int  # the first line is 1; JSON has its header as row 0
    header_rows: int  # 0: only look at what stands above header_row
    decimal_mark: str
    unpivot: str | None
    made: list[str]  # columns that unpivoting makes: what the header says, and the value
    expected: list[str]  # the header of an empty JSON array
    max_bytes: int
    max_record: int
    max_columns: int


@dataclass
class Table:
    """What was written: the line of each record, cells above the header by (line, column from 0),
    and the rows that can't be split, as (line, text)."""

    lines: "array[int]" = field(default_factory=lambda: array("q"))
    titles: dict[tuple[int, int], str] = field(default_factory=dict)
    broken: list[tuple[int, str]] = field(default_factory=list)


def apart(payload: Path, target: Path, shape: Shape, memory_mb: int, timeout_s: float) -> Table:
    """Write a workbook or JSON as CSV to `target`, in a process of its own (cells.py).

    Raises a Problem as `transcribe` does, or `reader_failed` when the limits were not enough.
    """
    asked = json.dumps([str(payload), str(target), asdict(shape), memory_mb])
    command = [sys.executable, "-m", "pipeline.cells"]
    try:
        done = run(  # noqa: S603  our own module
            command,
            input=asked,
            capture_output=True,
            encoding="utf-8",
            timeout=timeout_s,
            cwd=Path(__file__).parent.parent,
            check=False,
        )
    except TimeoutExpired as error:
        raise Problem("reader_failed", error=f"{timeout_s:.0f} s", memory=memory_mb) from error
    if done.returncode == FAILED:
        told = json.loads(done.stdout)
        if "errno" in told:
            raise OSError(told["errno"], told["text"])
        raise Problem(told.pop("code"), **told)
    if done.returncode:
        said = (done.stderr.strip().splitlines() or [f"exit {done.returncode}"])[-1]
        raise Problem("reader_failed", error=said, memory=memory_mb)
    told = json.loads(done.stdout)
    titles = {(line, column): text for line, column, text in told["titles"]}
    table = Table(titles=titles, broken=[(line, text) for line, text in told["broken"]])
    with target.with_suffix(".lines").open("rb") as file:
        table.lines.frombytes(file.read())
    return table


def transcribe(rows: Iterable[Row], target: Path, shape: Shape) -> Table:
    """Write the records among `rows` to `target`; each cell of an unpivoted sheet is a record.

    Raises Problem `no_header`, `too_many_columns`, `no_value_columns` or `unpacks_too_far`.
    """
    table, above, names = Table(), list[list[str]](), list[str]()
    ids: list[int] = []
    values: list[tuple[int, tuple[str, ...]]] = []
    first_record = shape.header_row + shape.header_rows
    with target.open("w", encoding="utf-8", errors="backslashreplace", newline="") as file:
        out = csv.writer(_Bounded(file, shape.max_bytes), lineterminator="\n")
        for row in rows:
            if row.line < shape.header_row:
                table.titles |= {(row.line, n): text for n, text in enumerate(row.cells or [])}
                continue
            if not shape.header_rows:
                break
            if row.line < first_record:
                above.append(row.cells or [])
                continue
            if not names:
                names = _names(above, shape)
                ids, values = _columns(names, shape)
                out.writerow(_header(names, ids, values, shape))
            cells = row.cells
            if cells is None or len(cells) != len(names) or _strays(cells, names):
                text = row.text or json.dumps(cells, ensure_ascii=False)
                table.broken.append((row.line, text))
                continue
            kept = [cells[n] for n in ids]
            for n, said in values:
                out.writerow([*kept, *said, cells[n]])
                table.lines.append(row.line)
            if not shape.unpivot:
                out.writerow(kept)
                table.lines.append(row.line)
        if not names and shape.header_rows:
            names = _names(above, shape)
            out.writerow(_header(names, *_columns(names, shape), shape))
    return table


class _Bounded:
    """A file that takes only so much: a short text may be repeated for a million cells."""

    def __init__(self, file: TextIO, limit: int) -> None:
        self.file, self.left, self.limit = file, limit, limit

    def write(self, text: str) -> int:
        self.left -= len(text)
        if self.left < 0:
            mb = self.limit >> 20
            raise Problem("unpacks_too_far", file="–", packed="–", limit=mb, ratio="–")
        return self.file.write(text)


def _names(above: list[list[str]], shape: Shape) -> list[str]:
    """One name per column. Of a header of several rows the parts from top to bottom; what stands
    over several columns stands in the first of them only, unless a workbook says how far it goes.
    """
    width = max(map(len, above), default=0)
    grid = [
        [" ".join(text.split()) for text in [*row, *[""] * (width - len(row))]] for row in above
    ]
    for depth, row in enumerate(grid[:-1] if shape.format == "csv" else []):
        for n in range(1, width):
            if not row[n] and all(upper[n] == upper[n - 1] for upper in grid[:depth]):
                row[n] = row[n - 1]
    columns = zip(*grid, strict=True)
    names = [" / ".join(part for part, _ in groupby(filter(None, one))) for one in columns]
    if not any(names):
        raise Problem("no_header")
    if (count := sum(map(bool, names))) > shape.max_columns:
        raise Problem("too_many_columns", count=count, limit=shape.max_columns)
    return names


Values = list[tuple[int, tuple[str, ...]]]


def _columns(names: list[str], shape: Shape) -> tuple[list[int], Values]:
    """Columns to keep, and those that are values, with what their header says."""
    if not shape.unpivot:
        return [n for n, name in enumerate(names) if name], []
    found = [(n, re.fullmatch(shape.unpivot, name)) for n, name in enumerate(names)]
    values = [(n, tuple(text or "" for text in match.groups())) for n, match in found if match]
    if not values:
        shown = ", ".join(filter(None, names))
        raise Problem("no_value_columns", pattern=shape.unpivot, names=shown)
    return [n for n, match in found if not match and names[n]], values


def _header(names: list[str], ids: list[int], values: Values, shape: Shape) -> list[str]:
    return [names[n] for n in ids] + (shape.made if values else [])


def _strays(cells: list[str], names: list[str]) -> bool:
    """Whether something stands in a column without a name."""
    return any(text.strip() and not name for text, name in zip(cells, names, strict=True))
