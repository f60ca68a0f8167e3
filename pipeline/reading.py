"""A delivery read as text: its header compared, every physical record in a raw table, or refused.

The tables are those of conform/tables.sql.
"""

import glob
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np

from pipeline import conform, dates, duck, headers, records
from pipeline.layouts import CLOCK_SKEW, Layout, layout_file
from pipeline.messages import Problem
from pipeline.opening import Opened

PERIODS = ("d yyyy-MM", "d MMMM yyyy", "d MMM yyyy", "d M/yyyy", "d M-yyyy", "d yyyy/MM")
Facts = dict[str, Any]  # of a manifest: file_name; office, month, last_month, landed_at


@dataclass(frozen=True)
class Taken:
    """A delivery whose text stands in its raw table from row `first_row` on; what its header says:
    conformed column → source column, and the columns that the layout doesn't know."""

    delivery: Opened
    first_row: int
    source_of: dict[str, str]
    extra: list[str]


@dataclass
class Read:
    """What came of reading: rowid of its first record, warnings, optional columns it lacks
    (conformed names), records left out by each rule, and the extract time it states inside."""

    first_row: int
    records: int
    warnings: list[Problem]
    absent: str = ""
    excluded: dict[str, int] = field(default_factory=dict)
    extracted_at: datetime | None = None


def check_layout(con: duck.Connection, layout: Layout) -> None:
    """Raise Problem `bad_layout` when a layout names a column that there isn't, or a bad rule."""
    columns = {name for name, *_ in con.execute(f"DESCRIBE {layout.raw_table}").fetchall()}
    named = {"columns": layout.columns.values(), "constants": layout.constants}
    named |= {"unpivot": layout.unpivot.names if layout.unpivot else []}
    for key, names in named.items():
        if unknown := sorted({*names} - (columns - {"delivery_no", "extra"})):
            error = f"{key}: {', '.join(unknown)} is no column of {layout.raw_table}"
            raise Problem("bad_layout", file=layout_file(layout.name), error=error)
    try:
        for rule in layout.drop:
            con.execute("SELECT regexp_matches('', ?)", [rule.pattern]).fetchall()
    except duck.Error as error:
        raise Problem("bad_layout", file=layout_file(layout.name), error=error) from error


def take(con: duck.Connection, number: int, delivery: Opened, work: Path) -> Taken:
    """Read a delivery into its raw table. Within a transaction, which costs many of them a fifth,
    its rows have no lasting rowid before that ends: `read` comes after.

    Raises a Problem that refuses the delivery; rows that may already be there then belong to no
    row of `delivery` and are never looked at.
    """
    layout, data, found, path = delivery.layout, delivery.data, delivery.found, delivery.path
    header = data[found.starts[0] : found.ends[0]].decode()
    names = headers.split(header, layout.delimiter, layout.quote)
    source_of, extra = headers.compare(header, names, layout)

    # Mixed line ends stop the reader, or cost half the rows. Where it rejects it can't be relied
    # on: it names the wrong place for text after a quote, and lets one field too many pass when
    # that is empty, though all before it may have shifted. So it gets to see neither.
    if found.is_mixed or not found.is_sound.all():
        path = work.with_suffix(".readable")
        records.write_readable(data, found, layout.delimiter, path)
    first_row = int(con.execute(f"SELECT count(*) FROM {layout.raw_table}").fetchall()[0][0])
    rows = _read_csv(con, number, path, layout, names, source_of, extra)
    if rows != len(found) - 1:
        broken = int((~found.is_sound).sum())
        raise Problem("records_do_not_reconcile", physical=len(found) - 1, read=rows, broken=broken)
    # What a workbook's reader couldn't split gets a row after the file's others.
    if more := len(delivery.table.broken):
        con.execute(
            f"INSERT INTO {layout.raw_table} (delivery_no) SELECT {number} FROM range({more})"
        )
    return Taken(delivery, first_row, source_of, extra)


def read(con: duck.Connection, number: int, taken: Taken, facts: Facts) -> Read:
    """Note what is odd about a delivery that was taken, and hold it against what it states.

    Raises a Problem that refuses the delivery.
    """
    delivery, first_row, extra = taken.delivery, taken.first_row, taken.extra
    layout = delivery.layout
    _note_odd(con, number, first_row, delivery, [*layout.constants, *(["extra"] if extra else [])])
    unknown = sorted(set(extra) - set(layout.ignored))
    warnings = [Problem("new_columns", names=", ".join(unknown))] if unknown else []
    absent = " ".join(column for column in layout.optional if column not in taken.source_of)
    done = Read(first_row, delivery.records, warnings, absent)
    text_of = {source: f"r.{duck.identifier(column)}" for column, source in taken.source_of.items()}
    text_of |= {name: f"(r.extra ->> {duck.literal(_json_path(name))})" for name in extra}
    _leave_out(con, number, layout, text_of, done)
    _add_up(con, number, layout, taken.source_of, first_row)
    _check_stated(con, number, delivery, text_of, facts, done)
    return done


def _json_path(name: str) -> str:
    return '$."' + name.replace('"', '\\"') + '"'


def _read_csv(
    con: duck.Connection,
    number: int,
    payload: Path,
    layout: Layout,
    names: list[str],
    source_of: dict[str, str],
    extra: list[str],
) -> int:
    """Append the file to its raw table; how many rows the reader gave.

    Columns are c0, c1, … in the file's order: the reader takes them by position, and no name of
    the file reaches SQL. All are projected, else the reader doesn't check what it skips.
    """
    column = {name: f"c{index}" for index, name in enumerate(names)}
    chosen = {target: column[source] for target, source in source_of.items()}
    chosen |= {target: duck.literal(value) for target, value in layout.constants.items()}
    chosen["delivery_no"] = str(number)
    if extra:
        pairs = ", ".join(f"{duck.literal(name)}, {column[name]}" for name in extra)
        chosen["extra"] = f"json_object({pairs})"
    types = ", ".join(f"'{one}': 'VARCHAR'" for one in column.values())
    limit, size = 2 * records.MAX_RECORD_BYTES, payload.stat().st_size
    inserted = con.execute(
        f"INSERT INTO {layout.raw_table} ({', '.join(chosen)}) "
        f"SELECT {', '.join(chosen.values())} FROM read_csv("
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
    con: duck.Connection, number: int, first_row: int, delivery: Opened, filled: list[str]
) -> None:
    """Note the line of each record that isn't simply the next one, and the text of those that
    can't be split, of which nothing is known: not even what is `filled` in every row.
    """
    table, found, data = delivery.layout.raw_table, delivery.found, delivery.data
    lines, sound = found.lines[1:], found.is_sound[1:]
    at = np.flatnonzero((lines != np.arange(len(lines)) + 2) & sound)
    if len(at):
        shifted = {"row_id": first_row + at, "line": lines[at]}  # noqa: F841  DuckDB reads it
        con.execute("INSERT INTO odd SELECT row_id, line, NULL FROM shifted")
    broken = [
        (first_row + n - 1, int(found.lines[n]), data[found.starts[n] : found.ends[n]].decode())
        for n in np.flatnonzero(~found.is_sound).tolist()
    ]
    if broken and filled:
        nothing = ", ".join(f"{duck.identifier(name)} = NULL" for name in filled)
        rows = [row for row, *_ in broken]
        con.execute(f"UPDATE {table} SET {nothing} WHERE rowid IN (SELECT unnest(?))", [rows])
    if more := delivery.table.broken:
        broken += [(first_row + len(lines) + n, *one) for n, one in enumerate(more)]
    if broken:
        con.execute(
            "INSERT INTO odd SELECT unnest(?), unnest(?), unnest(?)",
            [*map(list, zip(*broken, strict=True))],
        )


def _leave_out(
    con: duck.Connection, number: int, layout: Layout, text_of: dict[str, str], done: Read
) -> None:
    """Note in `excluded` the records that a [[drop]] rule names: totals, mostly."""
    for rule in layout.drop:
        if rule.column not in text_of:
            continue  # an optional column that isn't there
        (count,) = con.execute(
            f"INSERT INTO excluded SELECT r.rowid, r.delivery_no, "
            f"coalesce(o.line, r.rowid - ? + 2), ?, {conform.as_delivered(layout)} "
            f"FROM {layout.raw_table} AS r LEFT JOIN odd AS o ON o.row_id = r.rowid "
            "ANTI JOIN excluded AS x ON x.row_id = r.rowid "
            f"WHERE r.delivery_no = ? AND r.rowid >= ? "
            f"AND regexp_matches(trimmed({text_of[rule.column]}), ?)",
            [done.first_row, rule.name, number, done.first_row, rule.pattern],
        ).fetchall()[0]
        if count:
            done.excluded[rule.name] = count


def _add_up(
    con: duck.Connection, number: int, layout: Layout, source_of: dict[str, str], first_row: int
) -> None:
    """Note in `control_total` what the totals rows state, and what the records as received add up
    to: a blank adds nothing; NULL where something can't be read, or no totals row is there.
    """
    rules = [rule for rule in layout.drop if rule.totals]
    if rules:
        conform.set_variables(con, layout)
    for rule in rules:
        for column in sorted(set(rule.totals) & set(source_of)):
            text = f"text_of(r.{duck.identifier(column)})"
            kind = "weight" if column.endswith("_kg") else "money"
            con.execute(
                "INSERT INTO control_total SELECT ?, ?, ?, "
                "CASE WHEN bool_and(amount IS NOT NULL) FILTER (is_total) "
                "THEN sum(amount) FILTER (is_total) END, "
                "CASE WHEN count(*) FILTER (is_record AND is_unreadable) = 0 "
                "THEN coalesce(sum(amount) FILTER (is_record), 0) END "
                "FROM (SELECT coalesce(x.rule_name = ?, false) AS is_total, "
                f"x.row_id IS NULL AS is_record, total_of({text}, '{column}', '{kind}') AS amount, "
                f"o.row_id IS NOT NULL OR ({text} IS NOT NULL AND amount IS NULL) "
                f"AS is_unreadable FROM {layout.raw_table} AS r "
                "LEFT JOIN excluded AS x ON x.row_id = r.rowid "
                "LEFT JOIN odd AS o ON o.row_id = r.rowid AND o.record IS NOT NULL "
                "WHERE r.delivery_no = ? AND r.rowid >= ?) HAVING count(*) > 0",
                [number, rule.name, column, rule.name, number, first_row],
            )


def _check_stated(
    con: duck.Connection,
    number: int,
    delivery: Opened,
    text_of: dict[str, str],
    facts: Facts,
    done: Read,
) -> None:
    """Hold the office and the period that stand inside the delivery against its slice.

    Raises Problem `wrong_slice`, `bad_extract_time` or `future_extract`.
    """
    layout, file = delivery.layout, facts["file_name"]
    for place in layout.stated:
        kind, _, where = place.partition(" ")
        if kind == "cell":
            texts = iter([delivery.table.titles.get(_cell(where), "")])
        else:
            texts = _texts(con, number, layout, text_of[where], done.first_row)
        for text in texts:
            said = layout.stated_at(place, text)
            if not said or not _fits(said, facts):
                due = f"{facts['office']} {facts['month']} – {facts['last_month'] or '…'}"
                raise Problem("wrong_slice", file=file, stated=f"{text} ({place})", due=due)
            if "extracted" in said:
                try:
                    moment = layout.moment(said["extracted"])
                except ValueError:
                    raise Problem("bad_extract_time", file=f"{file}, {place}") from None
                if moment > datetime.fromisoformat(facts["landed_at"]) + CLOCK_SKEW:
                    raise Problem("future_extract", file=f"{file}, {place}")
                done.extracted_at = max(moment, done.extracted_at or moment)


def _texts(
    con: duck.Connection, number: int, layout: Layout, text: str, first_row: int
) -> Iterator[str]:
    """Every text that stands in a column, once; a few at a time, they may be as many as rows."""
    found = con.execute(
        f"SELECT DISTINCT coalesce(trimmed({text}), '') FROM {layout.raw_table} AS r "
        "ANTI JOIN odd AS o ON o.row_id = r.rowid AND o.record IS NOT NULL "
        "ANTI JOIN excluded AS x ON x.row_id = r.rowid "
        "WHERE r.delivery_no = ? AND r.rowid >= ? ORDER BY 1",
        [number, first_row],
    )
    while some := found.fetchmany(10_000):
        yield from (text for (text,) in some)


def _cell(name: str) -> tuple[int, int]:
    """A2 → (2, 0)."""
    letters = name.rstrip("0123456789")
    column = 0
    for letter in letters:
        column = column * 26 + ord(letter) - 64
    return int(name.removeprefix(letters)), column - 1


def _fits(said: dict[str, str], facts: Facts) -> bool:
    """Whether it is of the office and the months that are due; None where that isn't known."""
    if facts["office"] and said.get("office", facts["office"]) != facts["office"]:
        return False
    text = said.get("period")
    if text is None or facts["month"] is None or (text.isdigit() and facts["month"][:4] == text):
        return True
    month = dates.read(f"1 {text}", PERIODS)
    last = facts["last_month"] or "9999-12"
    return month is not None and facts["month"] <= f"{month:%Y-%m}" <= last
