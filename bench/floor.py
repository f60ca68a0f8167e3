"""What DuckDB alone needs: the same files read into columns of the types that validate gives them,
locale dates and numbers included; then ranked. No rule is checked, nothing is set aside."""

import glob
import re
from pathlib import Path

MONTHS = "Januari Februari Maret April Mei Juni Juli Agustus September Oktober November Desember"
# "20 Desember 2022 15:51:44", "11 Oktober 2024, 13:56:27", "11 Oktober 2024", "2022-10-11 10:35:02"
DAY = """
    CASE WHEN {value}[5] = '-' THEN {value}[:10]
        ELSE split_part({value}, ' ', 3)[:4] || '-'
            || list_position({months}, split_part({value}, ' ', 2)) || '-'
            || split_part({value}, ' ', 1)
    END"""
RANKING = """
    SELECT exporter_place,
        sum(line_fob) FILTER (year(issued_on) = 2024)
            / nullif(sum(line_fob) FILTER (year(issued_on) = 2021), 0) - 1 AS growth
    FROM line
    WHERE status = 'Diterbitkan' AND month(issued_on) <= 9
    GROUP BY exporter_place
    ORDER BY growth DESC NULLS LAST
"""


def typed(value: str, kind: str) -> str:
    """The value of a text column in its type."""
    day = DAY.format(value=value, months=str(MONTHS.split()))
    if kind.startswith("DECIMAL"):
        return f"TRY_CAST(replace(replace({value}, '.', ''), ',', '.') AS {kind})"
    if kind == "DATE":
        return f"TRY_CAST({day} AS DATE)"
    if kind == "TIMESTAMP":
        return f"TRY_CAST({day} || ' ' || right({value}, 8) AS TIMESTAMP) - INTERVAL 7 HOUR"
    if kind == "BOOLEAN":
        return f"{value} = 'Ya'"
    if kind == "INTEGER":
        return f"TRY_CAST({value} AS INTEGER)"
    return value


def query(layout: str, files: list[Path]) -> str:
    from pipeline import layouts, staging

    known = layouts.load_layout(layout)
    types = dict(re.findall(r"(\w+) (DECIMAL\(\d+, \d+\)|[A-Z]+)", staging.RECORD))
    columns = [
        f"{typed(source, types[column])} AS {column}"
        for source, column in known.columns.items()
        if column in types
    ]
    names = ", ".join(f"'{source}': 'VARCHAR'" for source in known.columns)
    listed = str([glob.escape(str(file)) for file in files])
    return (
        f"SELECT {', '.join(columns)} FROM read_csv({listed}, auto_detect = false, header = true, "
        f"ignore_errors = true, delim = ';', quote = '\"', escape = '\"', "
        f"nullstr = {list(known.nulls)}, columns = {{{names}}})"
    )


def run(files: list[Path], layout: str, database: Path) -> None:
    """Read, type and rank in a file of its own, which is removed."""
    from pipeline import duck

    with duck.connect(database) as con:
        con.execute("SET preserve_insertion_order = false")
        con.execute(f"CREATE TABLE line AS {query(layout, files)}")
        found = con.execute(RANKING).fetchall()
    if len(found) < 2:
        raise SystemExit("the floor ranked nothing")
    database.unlink()
