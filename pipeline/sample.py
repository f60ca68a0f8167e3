"""Sample deliveries that look like e-SKA V2 records, and the truth about them.

Everything is drawn by hash from the seed, set-based in DuckDB: one table per file of sample/*.sql.
The truth is what the generator meant; it reads no delivery and calls no code that makes figures.
"""

import shutil
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from decimal import Decimal
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Any

from pipeline import duck
from pipeline.feeds import chosen
from pipeline.layouts import load_layout
from pipeline.messages import Problem
from pipeline.periods import Month
from pipeline.settings import settings
from pipeline.store import home, write_atomic, write_json

SQL = Path(__file__).parent / "sample"
# With goods lines, followers and second deliveries; measured.
RECORDS_PER_APPLICATION = {"eska_v2": 3.04, "eska_lean": 2.79}
BATCH_RECORDS = 200_000  # 110 MB of text: what one query of text.sql holds at a time
MAX_WRITERS = 4  # each holds a batch
FIRST_GOODS_COLUMN = "no_urut_barang"  # the columns before it are the same on all goods lines

FIRST_MONTH, LAST_MONTH = Month(2021, 1), Month(2024, 9)

SPECIFICATION = {
    "region_spec": {
        "firms_2021": "INTEGER",
        "firms_2024": "INTEGER",
        "certificate_weight": "DECIMAL(6,2)",
        "usd_m_2021": "DECIMAL(12,3)",
        "usd_m_2022": "DECIMAL(12,3)",
        "usd_m_2023": "DECIMAL(12,3)",
        "usd_m_2024": "DECIMAL(12,3)",
        "spread": "DOUBLE",
        "dominant_share_pct": "INTEGER",
        "monthly_cap": "BIGINT",
        "switch_pct": "INTEGER",
    },
    "goods": {"usd_cent_per_kg": "BIGINT", "gram_per_unit": "BIGINT"},
    "market": {"weight": "INTEGER"},
    "spelling": {"weight": "INTEGER"},
    "fault_kind": {"is_one_line": "BOOLEAN", "is_whole_certificate": "BOOLEAN"},
}
# Region codes of what is told: who is first of the ranked by growth rate and who when nobody looks
# at the base, both by domicile; whose one firm is nearly all; which issuer grows by paperwork only.
STORY = {
    "first_ranked": "3276",
    "first_without_rules": "3218",
    "concentrated": "3210",
    "paper_migration": "3275",
}
SEEDS = ("region", "region_aliases", "issuer", "form")

# Each is a file of sample/ and becomes a table; later ones read earlier ones.
TABLES = (
    *("month", "slice", "firm", "active", "quota", "market_slot", "place", "place_slot"),
    *("goods_slot", "goods_family", "root", "target", "member", "application"),
    *("fault", "redelivery", "change", "certificate", "file", "version"),
    *("outcome", "counted", "region_month", "truth_fault", "story"),
)
# What nobody reads once the table on the left is made: of 10 million lines, 0.5 GB each.
LAST_READ_BY = {"member": "root", "application": "member", "certificate": "application"}


@dataclass(frozen=True)
class SampleSummary:
    """What was written. `records` counts data records in all files, second deliveries included."""

    files: int
    records: int
    faults: int
    truth: Path


def write_sample(
    to: Path,
    lines: int,
    seed: int = 1,
    first: Month = FIRST_MONTH,
    last: Month = LAST_MONTH,
    dirt: float = 0.01,
    layout: str = "eska_v2",
    progress: Callable[[int, int], None] | None = None,
) -> SampleSummary:
    """Write about `lines` records as deliveries of the feed `eska` into the folder `to`.

    `to` must be absent or empty; truth.json comes last, so its presence says that all is there.
    `dirt` is the share of records that are broken (of a slice, at most a tenth critically: more and
    it would be refused). `progress` is told records done and in all.
    Raises Problem `sample_folder_not_empty`, `bad_range`, `bad_layout` or `unknown_feed`.
    """
    if to.exists() and any(item.name != ".part" for item in to.iterdir()):
        raise Problem("sample_folder_not_empty", folder=to)
    if first > last:
        raise Problem("bad_range", first=first, last=last)
    if layout not in RECORDS_PER_APPLICATION:
        known = " and ".join(RECORDS_PER_APPLICATION)
        raise Problem("bad_layout", file=layout, error=f"samples are made in {known} only")
    columns = list(load_layout(layout).columns)
    home()  # where DuckDB spills what is more than its memory
    part = to / ".part"
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    given = {
        "seed": seed,
        "lines": lines,
        "applications": lines / RECORDS_PER_APPLICATION[layout],
        "dirt": dirt,
        "first": first.first_day,
        "last": last.first_day,
        "offices": list(chosen("eska")[0].offices),
        "columns": columns,
        "is_lean": layout == "eska_lean",
    }
    try:
        with duck.connect() as connection:
            _set_variables(connection, given)
            _make_tables(connection)
            files = _files(connection)
            _write_files(connection, part, given, files, progress)
            truth = _truth(connection)
        for folder in sorted(part.iterdir()):
            folder.rename(to / folder.name)
    finally:
        shutil.rmtree(part, ignore_errors=True)
    asked = {"seed": seed, "lines": lines, "layout": layout, "first": first, "last": last}
    write_atomic(to / "README.txt", (SQL / "README.txt").read_bytes())
    write_json(to / "truth.json", {**asked, **truth})
    return SampleSummary(len(files), truth["records"], len(truth["faults"]), to / "truth.json")


def _set_variables(connection: duck.Connection, given: dict[str, Any]) -> None:
    for name, value in given.items():
        connection.execute(f"SET VARIABLE {name} = ?", [value])


def _make_tables(connection: duck.Connection) -> None:
    """Load specification and seeds, then make one table after the other."""
    connection.execute((SQL / "macro.sql").read_text("utf-8"))
    for name, types in SPECIFICATION.items():
        _load_csv(connection, name, SQL / f"{name}.csv", types)
    for name in SEEDS:
        _load_csv(connection, f"seed_{name}", settings().seeds / f"{name}.csv", {})
    for name in TABLES:
        sql = (SQL / f"{name}.sql").read_text("utf-8")
        connection.execute(f"CREATE TABLE {name} AS {sql}")
        if name in LAST_READ_BY:
            connection.execute(f"DROP TABLE {LAST_READ_BY[name]}")


def _load_csv(connection: duck.Connection, table: str, file: Path, types: dict[str, str]) -> None:
    """A reviewed CSV as a table of text, but for the columns in `types`; rows are numbered."""
    casts = ", ".join(f"CAST({name} AS {kind}) AS {name}" for name, kind in types.items())
    replace = f"REPLACE ({casts})" if casts else ""
    connection.execute(
        f"CREATE TABLE {table} AS SELECT row_number() OVER () AS {table}_no, * {replace} "
        "FROM read_csv(?, header = true, delim = ',', quote = '\"', all_varchar = true)",
        [str(file)],
    )


def _files(connection: duck.Connection) -> list[tuple[str, bool, int]]:
    """Path, whether lines end in CRLF, and number of records of each file."""
    return connection.execute(
        "SELECT path, is_crlf, CAST(coalesce(sum(lines), 0) AS BIGINT) FROM file "
        "LEFT JOIN version USING (file_no) GROUP BY file_no, path, is_crlf ORDER BY file_no"
    ).fetchall()


def _write_files(
    connection: duck.Connection,
    folder: Path,
    given: dict[str, Any],
    files: list[tuple[str, bool, int]],
    progress: Callable[[int, int], None] | None,
) -> None:
    """Write every file. Several batches at a time: one has too few rows for DuckDB to share out.

    No fsync: a sample is made again with the same bytes, and 556 flushes cost more than it does.
    """
    columns = given["columns"]
    cut = columns.index(FIRST_GOODS_COLUMN)
    sql = (SQL / "text.sql").read_text("utf-8")
    for mark, names in (("{head}", columns[:cut]), ("{goods}", columns[cut:])):
        sql = sql.replace(mark, ", ".join(names))
    header = ("\ufeff" + ";".join(columns)).encode()
    for path, is_crlf, _ in files:
        (folder / path).parent.mkdir(exist_ok=True)
        (folder / path).write_bytes(header + (b"\r\n" if is_crlf else b"\n"))

    def write(batch: tuple[int, int]) -> int:
        first, last = batch
        with connection.cursor() as cursor:
            _set_variables(cursor, given)
            cursor.execute(sql, {"first": first, "last": last})
            rows = iter(cursor.fetchone, None)
            for number, pieces in groupby(rows, key=itemgetter(0)):
                with (folder / files[number][0]).open("ab") as file:
                    file.writelines(piece for _, _, piece in pieces)
        return sum(records for *_, records in files[first : last + 1])

    sizes = [records for *_, records in files]
    threads = connection.execute("SELECT current_setting('threads')").fetchall()[0][0]
    done = 0
    with ThreadPoolExecutor(min(threads, MAX_WRITERS)) as pool:
        for records in pool.map(write, _batches(sizes)):
            done += records
            if progress:
                progress(done, sum(sizes))


def _batches(sizes: list[int]) -> Iterator[tuple[int, int]]:
    """First and last index of runs of files that together hold about BATCH_RECORDS."""
    first, held = 0, 0
    for index, size in enumerate(sizes):
        held += size
        if held >= BATCH_RECORDS or index == len(sizes) - 1:
            yield first, index
            first, held = index + 1, 0


def _truth(connection: duck.Connection) -> dict[str, Any]:
    """What a perfect pipeline must find; US$ as strings with two decimals."""
    records, superseded, quarantined = connection.execute(
        "SELECT sum(version.lines), sum(version.lines) FILTER (WHERE NOT is_newest), "
        "sum(version.lines) FILTER (WHERE is_newest AND is_quarantined) "
        "FROM version INNER JOIN file USING (file_no) INNER JOIN certificate USING (id)"
    ).fetchall()[0]
    return {
        "synthetic": True,
        "note_en": "Synthetic. What a perfect pipeline must find in the deliveries beside this.",
        "note_id": "Sintetis. Apa yang harus ditemukan pengolahan sempurna dari kiriman di sini.",
        "records": int(records or 0),
        "superseded_records": int(superseded or 0),
        "quarantined_records": int(quarantined or 0),
        "region_month": _dictionaries(connection, "region_month"),
        "faults": _dictionaries(connection, "truth_fault"),
        "story": {**STORY, "growth": _dictionaries(connection, "story")},
    }


def _dictionaries(connection: duck.Connection, table: str) -> list[dict[str, Any]]:
    """The rows of a table in their order; columns `*_usd` hold cents and become US$."""
    found = connection.execute(f"FROM {table}")
    names = [column[0] for column in found.description]
    return [
        {
            name: f"{Decimal(value) / 100:.2f}" if name.endswith("_usd") else value
            for name, value in zip(names, row, strict=True)
        }
        for row in found.fetchall()
    ]
