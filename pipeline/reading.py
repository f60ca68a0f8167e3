"""A delivery read as text: its header compared, every physical record in table `raw`, or refused.

The tables raw and odd are those of conform/tables.sql.
"""

import csv
import glob
import mmap
from collections import Counter
from difflib import get_close_matches
from pathlib import Path

import numpy as np

from pipeline import duck, records
from pipeline.layouts import Layout, layout_file
from pipeline.messages import Problem

DELIMITERS = (";", ",", "\t", "|")


def check_layout(con: duck.Connection, layout: Layout) -> None:
    """Raise Problem `bad_layout` when this code can't read what the layout describes."""
    columns = {name for name, *_ in con.execute("DESCRIBE raw").fetchall()}
    unknown = sorted({*layout.columns.values(), *layout.constants} - columns)
    doubled = [n for n, count in Counter(layout.columns.values()).items() if count > 1]
    if unknown or doubled:
        error = f"columns {', '.join(unknown + doubled)} are unknown or given twice"
    elif (layout.format, layout.encoding) != ("csv", "utf-8"):
        error = f"{layout.format} in {layout.encoding} can't be read, only csv in utf-8"
    else:
        return
    raise Problem("bad_layout", file=layout_file(layout.name), error=error)


def read(
    con: duck.Connection, number: int, payload: Path, layout: Layout, work: Path
) -> tuple[int, int, list[Problem]]:
    """Read a CSV delivery into `raw`: (rowid of its first record, records, warnings).

    Raises a Problem that refuses the delivery; rows that may already be in `raw` then belong to
    no row of `delivery` and are never looked at.
    """
    data = records.open_bytes(payload)
    found = records.scan(data, layout.delimiter, layout.quote)
    header = data[found.starts[0] : found.ends[0]].decode()
    names = _split(header, layout.delimiter, layout.quote)
    extra = _compare_header(header, names, layout)
    line = records.swallowed_line(data, found, layout.delimiter)
    if line:
        raise Problem("quote_unclosed", line=line)

    # Mixed line ends stop the reader, or cost half the rows. Where it rejects it can't be relied
    # on: it names the wrong place for text after a quote, and lets one field too many pass when
    # that is empty, though all before it may have shifted. So it gets to see neither.
    if found.is_mixed or not found.is_sound.all():
        payload = work / f"{number}.csv"
        records.write_sound(data, found, payload)
    first_row = int(con.execute("SELECT count(*) FROM raw").fetchall()[0][0])
    rows = _read_csv(con, number, payload, layout, names, extra)
    broken = len(found) - int(found.is_sound.sum())
    if rows + broken != len(found) - 1:
        raise Problem("records_do_not_reconcile", physical=len(found) - 1, read=rows, broken=broken)
    _note_odd(con, number, first_row, data, found)
    warnings = [Problem("new_columns", names=", ".join(sorted(extra)))] if extra else []
    return first_row, len(found) - 1, warnings


def count(payload: Path, layout: Layout) -> int:
    """How many records a refused delivery holds; 0 when that can't be said."""
    try:
        found = records.scan(records.open_bytes(payload), layout.delimiter, layout.quote)
    except (Problem, OSError):
        return 0
    return len(found) - 1


def _split(header: str, delimiter: str, quote: str) -> list[str]:
    if not quote:
        return header.split(delimiter)
    return next(csv.reader([header], delimiter=delimiter, quotechar=quote), [""])


def _compare_header(header: str, names: list[str], layout: Layout) -> list[str]:
    """The columns that the layout doesn't know; the order is free.

    Raises Problem `wrong_delimiter` or `header_mismatch` with what is expected and what is found.
    """
    missing = [name for name in layout.columns if name not in names]
    extra = [name for name in names if name not in layout.columns]
    doubled = [name for name, count in Counter(names).items() if count > 1]
    if not missing and not doubled:
        return extra
    for delimiter in DELIMITERS:
        known = set(layout.columns) & set(_split(header, delimiter, layout.quote))
        if len(known) > max(1, len(layout.columns) - len(missing)):
            raise Problem("wrong_delimiter", found=repr(delimiter), expected=repr(layout.delimiter))
    similar = [f"{n} ≈ {m}" for n in missing for m in get_close_matches(n, extra, 1, 0.6)]
    raise Problem(
        "header_mismatch",
        layout=layout.name,
        missing=", ".join(missing) or "–",
        unknown=", ".join(extra) or "–",
        doubled=", ".join(doubled) or "–",
        similar=", ".join(similar) or "–",
    )


def _read_csv(
    con: duck.Connection,
    number: int,
    payload: Path,
    layout: Layout,
    names: list[str],
    extra: list[str],
) -> int:
    """Append the file to `raw`; how many rows the reader gave.

    Columns are c0, c1, … in the file's order: the reader takes them by position, and no name of
    the file reaches SQL. All are projected, else the reader doesn't check what it skips.
    """
    column = {name: f"c{index}" for index, name in enumerate(names)}
    chosen = {target: column[source] for source, target in layout.columns.items()}
    chosen |= {target: duck.literal(value) for target, value in layout.constants.items()}
    chosen["delivery_no"] = str(number)
    if extra:
        pairs = ", ".join(f"{duck.literal(name)}, {column[name]}" for name in extra)
        chosen["extra"] = f"json_object({pairs})"
    types = ", ".join(f"'{one}': 'VARCHAR'" for one in column.values())
    limit, size = 2 * records.MAX_RECORD_BYTES, payload.stat().st_size
    inserted = con.execute(
        f"INSERT INTO raw ({', '.join(chosen)}) SELECT {', '.join(chosen.values())} FROM read_csv("
        f"{duck.literal(glob.escape(str(payload)))}, auto_detect = false, header = true, "
        f"columns = {{{types}}}, delim = {duck.literal(layout.delimiter)}, "
        f"quote = {duck.literal(layout.quote)}, escape = {duck.literal(layout.quote)}, "
        f"strict_mode = true, null_padding = false, store_rejects = true, "
        f"max_line_size = {limit}, buffer_size = {max(limit, min(size, 32_000_000))}, "
        # Not in pieces at once: a line end inside quotes may look like the end of a record.
        "parallel = false)"
    )
    return int(inserted.fetchall()[0][0])


def _note_odd(
    con: duck.Connection, number: int, first_row: int, data: mmap.mmap, found: records.Scan
) -> None:
    """Note the line of each record that isn't simply the next one, and the text of those that
    can't be split, which get a row of their own after the file's others.
    """
    lines = found.lines[found.is_sound][1:]
    at = np.flatnonzero(lines != np.arange(len(lines)) + 2)
    if len(at):
        shifted = {"row_id": first_row + at, "line": lines[at]}  # noqa: F841  DuckDB reads it
        con.execute("INSERT INTO odd SELECT row_id, line, NULL FROM shifted")
    broken = np.flatnonzero(~found.is_sound)
    if len(broken):
        texts = [data[found.starts[i] : found.ends[i]].decode() for i in broken.tolist()]
        row_ids = first_row + len(lines) + np.arange(len(broken))
        con.execute(f"INSERT INTO raw (delivery_no) SELECT {number} FROM range({len(broken)})")
        con.execute(
            "INSERT INTO odd SELECT unnest(?), unnest(?), unnest(?)",
            [row_ids.tolist(), found.lines[broken].tolist(), texts],
        )
