"""From text to typed columns and `ok_<rule>` columns, in DuckDB; the SQL lies beside this file.

raw → line (one layout at a time) → batch (what all lines of a certificate decide) → outcome.
"""

import csv
import re
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from pipeline import countries, duck
from pipeline.layouts import Layout
from pipeline.messages import Problem
from pipeline.settings import settings

FOLDER = Path(__file__).parent


def sql(name: str) -> str:
    return (FOLDER / f"{name}.sql").read_text("utf-8")


def reference_files() -> list[Path]:
    """The seeds that decide what a row rule says."""
    return [settings().seeds / name for name in ("form.csv", "country_aliases.csv")]


def prepare(con: duck.Connection) -> None:
    """Make the tables of tables.sql and fill the reference lists."""
    con.execute(sql("tables"))
    con.execute(sql("macros"))
    names, codes = zip(*countries.country_spellings(), strict=True)
    con.execute("INSERT INTO country SELECT unnest(?), unnest(?)", [list(names), list(codes)])
    con.execute("INSERT INTO currency SELECT unnest(?)", [countries.currency_codes()])
    with (settings().seeds / "form.csv").open(encoding="utf-8", newline="") as file:
        forms = [
            [
                row["form_code"],
                row["is_preferential"],
                row["partner_codes"].split(),
                row["starts_on"],
            ]
            for row in csv.DictReader(file)
        ]
    con.executemany("INSERT INTO form SELECT ?, ?::BOOLEAN, ?, nullif(?, '')::DATE", forms)


def number_pattern(layout: Layout, decimals: int, sign: str = "") -> str:
    """The exact grammar of a number: whole groups of three or none, at most so many decimals."""
    group, mark = re.escape(layout.thousands_mark), re.escape(layout.decimal_mark)
    grouped = f"[0-9]{{1,3}}({group}[0-9]{{3}})+|" if group else ""
    return f"{sign}({grouped}[0-9]+)({mark}[0-9]{{1,{decimals}}})?"


def conform(con: duck.Connection, layouts: list[Layout]) -> None:
    """Make `batch` from `raw`. Raises Problem `rule_undecided` when an ok_ column has a NULL.

    Great Expectations leaves NULLs out of an in-set expectation: undecided would mean passed.
    """
    for position, layout in enumerate(layouts):
        con.executemany(
            "INSERT INTO layout_column VALUES (?, ?, ?)",
            [[layout.name, *names] for names in layout.columns.items()],
        )
        _set_variables(con, layout)
        into = "INSERT INTO line " if position else "CREATE TEMP TABLE line AS "
        con.execute(into + sql("line"))
    con.execute("CREATE TABLE batch AS " + sql("batch"))
    con.execute("DROP TABLE line")
    undecided = con.execute("SELECT count(*) - count(COLUMNS('^ok_')) FROM batch")
    names = [column[0] for column in undecided.description or []]
    row = undecided.fetchall()[0]
    if any(row):
        rules = [name for name, count in zip(names, row, strict=True) if count]
        raise Problem("rule_undecided", rules=", ".join(rules))


def _set_variables(con: duck.Connection, layout: Layout) -> None:
    """Tell macros.sql how this layout writes things.

    A zone of Indonesia has had one offset since 1964, so it is taken once and not per value.
    """
    offset = ZoneInfo(layout.timezone).utcoffset(datetime(2024, 1, 1))
    for name, value in {
        "layout": layout.name,
        "columns": list(layout.columns.values()),
        "nulls": list(layout.nulls),
        "thousands_mark": layout.thousands_mark,
        "decimal_mark": layout.decimal_mark,
        "money_pattern": number_pattern(layout, 2, sign="-?"),
        "weight_pattern": number_pattern(layout, 3),
        "utc_offset": offset,
    }.items():
        con.execute(f"SET VARIABLE {name} = ?", [value])


def settle(con: duck.Connection, layouts: list[Layout]) -> None:
    """Make outcome and delivery_stat, and what is to be written, from `batch` and `finding`."""
    con.execute("CREATE TABLE outcome AS " + sql("outcome"))
    con.execute("CREATE TABLE delivery_stat AS " + sql("delivery_stat"))
    con.execute("CREATE TABLE accepted_row AS " + sql("accepted"))
    for layout in layouts:
        pairs = ", ".join(
            f"{duck.literal(source)}, r.{column}" for source, column in layout.columns.items()
        )
        con.execute(
            f"INSERT INTO delivered SELECT r.rowid, d.layout, "
            f"json_merge_patch(json_object({pairs}), coalesce(r.extra, '{{}}')) "
            "FROM raw AS r JOIN delivery AS d USING (delivery_no) "
            "SEMI JOIN outcome AS o ON o.row_id = r.rowid AND NOT o.is_accepted "
            "WHERE d.layout = ?",
            [layout.name],
        )
    con.execute("CREATE TABLE quarantine_row AS " + sql("quarantine"))
