"""A delivery opened: unpacked, rewritten where need be, its records found, its limits kept.

Whatever the format, what comes of it is a plain CSV for the reader.
"""

import mmap
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from pipeline import headers, records, sheets
from pipeline.layouts import Layout
from pipeline.messages import Problem
from pipeline.settings import settings
from pipeline.unwrap import unwrap

WORK_FILES = (".unpacked", ".utf8", ".csv", ".lines", ".readable")
Facts = dict[str, Any]  # of a manifest: file_name, source; office, month, last_month, landed_at


@dataclass(frozen=True)
class Opened:
    """A delivery as a CSV, `layout` says how that is written; its physical records are found."""

    path: Path
    layout: Layout
    data: mmap.mmap
    found: records.Scan
    table: sheets.Table = field(default_factory=sheets.Table)

    @property
    def records(self) -> int:
        return len(self.found) - 1 + len(self.table.broken)


def opened(payload: Path, facts: Facts, layout: Layout, work: Path) -> Opened:
    """Find the physical records of a delivery; what has to be unpacked or rewritten goes to files
    that begin like `work`. Raises a Problem that refuses the delivery."""
    layout = layout.as_returned if facts.get("resubmits") else layout
    path = unwrap(
        payload, facts["file_name"], facts["source"], layout.format, work.with_suffix(".unpacked")
    )
    if layout.format == "csv":
        if layout.encoding != "utf-8":
            path = _transcoded(path, layout.encoding, work.with_suffix(".utf8"))
        data = records.open_bytes(path)
        found = records.scan(data, layout.delimiter, layout.quote)
        body = found.since(layout.header_row)
        if line := records.swallowed_line(data, body, layout.delimiter):
            raise Problem("quote_unclosed", line=line)
        if (layout.header_row, layout.header_rows, layout.unpivot) == (1, 1, None):
            return _checked(Opened(path, layout, data, found))
        csv_rows = _rows(data, found, layout)
        table = sheets.transcribe(csv_rows, work.with_suffix(".csv"), _shape(layout))
    else:
        limit = settings()
        table = sheets.apart(
            path,
            work.with_suffix(".csv"),
            _shape(layout),
            limit.reader_memory_mb,
            limit.reader_timeout_s,
        )
    path, layout = work.with_suffix(".csv"), replace(layout, delimiter=",", quote='"')
    data = records.open_bytes(path)
    found = records.scan(data, layout.delimiter, layout.quote)
    if len(found) - 1 != len(table.lines):
        read = len(found) - 1
        raise Problem("records_do_not_reconcile", physical=len(table.lines), read=read, broken=0)
    found = replace(found, lines=np.array([0, *table.lines]))
    return _checked(Opened(path, layout, data, found, table))


def _shape(layout: Layout) -> sheets.Shape:
    limit = settings()
    return sheets.Shape(
        format=layout.format,
        sheet=layout.sheet,
        records_at=layout.records_at,
        header_row=0 if "json" in layout.format else layout.header_row,
        header_rows=layout.header_rows,
        decimal_mark=layout.decimal_mark,
        unpivot=layout.unpivot.columns if layout.unpivot else None,
        made=layout.unpivot.names if layout.unpivot else [],
        expected=list(layout.names),
        max_bytes=limit.max_unpacked_mb << 20,
        max_record=records.MAX_RECORD_BYTES,
        max_columns=limit.max_columns,
    )


def _transcoded(path: Path, encoding: str, target: Path) -> Path:
    """The file as UTF-8. Raises Problem `not_in_encoding` with the line."""
    line = 1
    with (
        path.open(encoding=encoding, newline="") as source,
        target.open("w", encoding="utf-8", newline="") as out,
    ):
        try:
            while text := source.read(records.CHUNK):
                out.write(text)
                line += text.count("\n")
        except UnicodeError as error:
            told = str(error)
            raise Problem("not_in_encoding", encoding=encoding, line=line, error=told) from error
    return target


def _rows(data: mmap.mmap, found: records.Scan, layout: Layout) -> Iterator[sheets.Row]:
    """The records of a CSV with titles above its header or columns that are values."""
    body = found.since(layout.header_row)
    first = len(found) - len(body)
    for n in range(len(found)):
        text = data[found.starts[n] : found.ends[n]].decode()
        is_sound = n < first + layout.header_rows or body.is_sound[n - first]
        cells = headers.split(text, layout.delimiter, layout.quote) if is_sound else None
        yield sheets.Row(int(found.lines[n]), cells, text)


def _checked(delivery: Opened) -> Opened:
    """Hold it against the limits on columns and on the length of a field."""
    limit, found, layout = settings(), delivery.found, delivery.layout
    if (count := int(found.fields[0])) > limit.max_columns:
        raise Problem("too_many_columns", count=count, limit=limit.max_columns)
    # A field can't be longer than its record: only the few long ones are looked into.
    for n in np.flatnonzero(found.ends - found.starts > limit.max_cell_chars).tolist():
        text = delivery.data[found.starts[n] : found.ends[n]].decode()
        if (
            max(map(len, headers.split(text, layout.delimiter, layout.quote)))
            > limit.max_cell_chars
        ):
            line = int(found.lines[n])
            raise Problem("cell_too_long", line=line, limit=limit.max_cell_chars)
    return delivery
