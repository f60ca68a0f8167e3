"""Downloads of a release: the same figures in each form, described, harmless in a spreadsheet."""

import csv
import gzip
import io
import json
import re
import shutil
from collections import defaultdict
from collections.abc import Iterator
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import Any

import frictionless
import openpyxl
import pytest

from nights import backfill, query
from pipeline import downloads, duck, publish, releases, store, verify, workbook

HOSTILE = [
    '=HYPERLINK("http://x","y")', "@sum(1)", "+1", "-2+3", "\t=1", "\r=1", "＝cmd()", "  =1",
    'x;=cmd()|"a"', 'x,"=cmd()', "\x1b[31mred", "a\nb", "<script>alert(1)</script>", "Kab. O'Brien",
]  # fmt: skip
CONTROLS = re.compile(r"[\x00-\x1f\x7f]")
RUNS = re.compile(r"^[\s\"]*[=+\-@＝＋－＠\t\r]")


@pytest.fixture(scope="module")
def folder(night: Path) -> Path:
    """The release of that night. Read only."""
    return (night / "data" / "internal" / "current").resolve()


@pytest.fixture
def con(folder: Path) -> Iterator[duck.Connection]:
    with duck.connect(folder / releases.DATABASE, read_only=True) as connection:
        yield connection


def shrunk(folder: Path, made: Path, *more: str) -> Path:
    """A release with fewer rows, changed by more SQL."""
    shutil.copy(folder / releases.DATABASE, made)
    (made / releases.DATABASE).chmod(0o600)
    with duck.connect(made / releases.DATABASE) as con:
        con.execute(
            "DELETE FROM mart.growth_ranking WHERE scope_code <> '32' OR league <> 'all' OR "
            "period_end < DATE '2023-12-31'"
        )
        for table in downloads.tables(con):
            if table.name != "growth_ranking":
                con.execute(f"DELETE FROM {table.full_name} WHERE rowid >= 800")
        for sql in more:
            con.execute(sql)
    with duck.connect(made / releases.DATABASE, read_only=True) as con:
        store.write_atomic(made / downloads.TOTALS, publish._control_totals(con))
        downloads.write(con, made)
        workbook.write_ranking(con, made / "ranking.xlsx")
        store.write_json(made / "datapackage.json", downloads.describe(con, made))
    return made


@pytest.fixture(scope="module")
def small(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small release whose regions have hostile names."""
    return shrunk(folder, tmp_path_factory.mktemp("small"), *(
        f"UPDATE mart.growth_ranking SET region_name = {duck.literal(name)} WHERE region_code = "
        f"(SELECT DISTINCT region_code FROM mart.growth_ranking ORDER BY 1 LIMIT 1 OFFSET {at})"
        for at, name in enumerate(HOSTILE)
    ))  # fmt: skip


def lines(path: Path, delimiter: str = ",") -> list[dict[str, str]]:
    data = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    assert data.startswith(b"\xef\xbb\xbf") and data.count(b"\xef\xbb\xbf") == 1
    text = io.StringIO(data.decode("utf-8-sig"), newline="")
    return list(csv.DictReader(text, delimiter=delimiter, strict=True))


def plain(text: str) -> str:
    """A text without what defuses it."""
    return CONTROLS.sub("�", text).replace("'", "")


def test_parquet_is_the_table_types_and_order_included(con: duck.Connection, folder: Path) -> None:
    found = downloads.tables(con)
    assert len(found) >= 15 and all(table.title and table.columns for table in found)
    for table in found:
        file = f"'{folder / table.parquet}'"
        described = [
            [row[:2] for row in con.execute(f"DESCRIBE FROM {source}").fetchall()]
            for source in (table.full_name, file)
        ]
        assert described[0] == described[1], table.name
        numbered = "SELECT row_number() OVER () AS n, * FROM"
        query = f"SELECT count(*) FROM ({numbered} {table.full_name} EXCEPT {numbered} {file})"
        assert con.execute(query).fetchall() == [(0,)], table.name
        counts = [con.execute(f"SELECT count(*) FROM {one}").fetchall()
                  for one in (table.full_name, file)]  # fmt: skip
        assert counts[0] == counts[1]
    marks = con.execute(
        f"SELECT decode(key), decode(value) FROM parquet_kv_metadata('{folder}/parquet/"
        "mart.region.parquet')"
    ).fetchall()
    assert ("is_synthetic", "True") in marks


def test_both_csv_hold_what_the_table_holds(small: Path) -> None:
    compared = 0
    with duck.connect(small / releases.DATABASE, read_only=True) as con:
        found = [(table, duck.rows(con, f"FROM {table.full_name}"))
                 for table in downloads.tables(con)]  # fmt: skip
    for table, rows in found:
        for variant, delimiter, mark in (("", ",", "."), (".id", ";", ",")):
            for row, line in zip(rows, lines(small / table.csv(variant), delimiter), strict=True):
                assert list(line) == list(row)
                for name, value in row.items():
                    if isinstance(value, Decimal | float):
                        told = line[name].replace(mark, ".")
                        assert type(value)(told) == value and ("," in line[name]) <= (mark == ",")
                        compared += 1
                    elif value is None:
                        assert line[name] == ""
                    elif isinstance(value, bool | int):
                        assert line[name] == str(value).lower()
                    elif isinstance(value, str):
                        assert plain(line[name]) == plain(value)
    assert compared > 10_000


def test_control_totals_are_the_sums_of_the_downloads(con: duck.Connection, folder: Path) -> None:
    """To the cent, from Parquet by DuckDB and from CSV by hand."""
    totals = lines(folder / "csv/control_total.csv")
    wanted = {
        (row["basis"], row["month"]): Decimal(row["fob_usd"])
        for row in totals if row["scope_code"] == "32"
    }  # fmt: skip
    assert len(wanted) > 80 and sum(wanted.values()) > 0
    by_hand: dict[tuple[str, str], Decimal] = defaultdict(Decimal)
    for row in lines(folder / "csv/region_month.csv"):
        if re.fullmatch(r"32\d\d", row["region_code"]):
            by_hand[row["basis"], row["month"]] += Decimal(row["fob_usd"])
    by_duck = con.execute(
        f"SELECT basis, month::VARCHAR, sum(fob_usd) FROM '{folder}/parquet/mart.region_month."
        "parquet' WHERE regexp_full_match(region_code, '32[0-9]{2}') GROUP BY ALL"
    ).fetchall()
    assert {key: by_hand[key] for key in wanted} == wanted
    told = {(basis, month): total for basis, month, total in by_duck}
    assert {key: told[key] for key in wanted} == wanted
    with (folder / "control_totals.csv").open(newline="") as file:
        assert list(csv.DictReader(file)) == totals


def test_frictionless_finds_the_package_valid(small: Path) -> None:
    package = json.loads((small / "datapackage.json").read_text("utf-8"))
    assert package["is_synthetic"] is True and "SYNTHETIC" in package["title"]
    assert package["sources"] and package["id"]
    listed = {one["path"] for one in package["resources"]}
    there = {str(file.relative_to(small)) for file in small.rglob("*") if file.is_file()}
    assert there - listed == {"datapackage.json"} and listed <= there
    for one in package["resources"]:
        assert one["hash"] == f"sha256:{store.sha256_of(small / one['path'])}"
        assert one["bytes"] == (small / one["path"]).stat().st_size
        for field in one.get("schema", {}).get("fields", []):
            assert field["description"].count(" / ") >= 1
    ranking = next(one for one in package["resources"] if one["name"] == "growth_ranking.csv")
    assert ranking["schema"]["primaryKey"] == [
        "basis", "scope_code", "league", "period_kind", "period_end", "baseline", "region_code",
    ]  # fmt: skip
    tabular = [one for one in package["resources"] if one.get("format") == "csv"]
    parquet = [one for one in package["resources"] if one.get("format") == "parquet"]
    assert len(tabular) == 2 * len(parquet) + 1 and downloads.TOTALS in listed
    report = frictionless.validate(str(small / "datapackage.json"))
    assert report.valid, report.flatten(["name", "type", "note"])[:5]
    assert sum(task.stats.get("rows") or 0 for task in report.tasks) > 5_000
    assert {task.type for task in report.tasks} == {"file", "table"}
    assert list(frictionless.Package.metadata_validate(package)) == []


def test_the_package_of_a_public_release_is_valid(public_night: Path, tmp_path: Path) -> None:
    made = shrunk((public_night / "data/public/current").resolve(), tmp_path)
    report = frictionless.validate(str(made / "datapackage.json"))
    assert report.valid, report.flatten(["name", "type", "note"])[:5]
    assert len(report.tasks) > 30


def test_frictionless_would_see_a_change(small: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    shutil.copytree(small, broken)
    package = json.loads((broken / "datapackage.json").read_text("utf-8"))
    one = next(one for one in package["resources"] if one["name"] == "region.id.csv")
    file = broken / one["path"]
    file.chmod(0o600)
    file.write_bytes(file.read_bytes().replace(b";kota;", b";kotA;", 1))
    report = frictionless.Package({**package, "resources": [one]}, basepath=str(broken)).validate()
    assert [error for (error,) in report.flatten(["type"])] == ["hash-count"]


def test_no_text_runs_in_a_spreadsheet(small: Path) -> None:
    """Text keeps its letters; whoever reads with the other delimiter meets no formula either."""
    for name, delimiter, other in (("", ",", ";"), (".id", ";", ",")):
        file = small / f"csv/growth_ranking{name}.csv"
        rows = lines(file, delimiter)
        names = {row["region_name"] for row in rows}
        assert len(names) > len(HOSTILE)
        for text in HOSTILE:
            assert plain(text) in set(map(plain, names))
        assert not [one for one in names if RUNS.match(one) or CONTROLS.search(one)]
        assert any(row["growth_usd"].startswith("-") for row in rows), "numbers are as they were"
        for line in file.read_text("utf-8-sig").splitlines():
            cells = line.split(other)
            assert not [one for one in cells[1:] if RUNS.match(one) and not _number(one)], line


def _number(text: str) -> bool:
    """The rest of a decimal number cut at its comma, and what follows it, is no formula."""
    return bool(re.match(r"-?\d", text))


def test_no_text_of_a_workbook_is_a_formula(small: Path) -> None:
    book = openpyxl.load_workbook(small / "ranking.xlsx")
    *sheets, notes = book.worksheets
    assert [sheet.title for sheet in sheets] == ["SINTETIS domicile", "SINTETIS issuer"]
    found: set[Any] = set()
    for sheet in sheets:
        head = [cell.value for cell in sheet[1]]
        assert sheet.freeze_panes == "C2" and sheet.auto_filter.ref == sheet.dimensions
        assert head[:2] == ["growth_pct_rank", "region_name"]
        assert {cell.data_type for row in sheet.iter_rows() for cell in row} <= {"s", "n", "d", "b"}
        first = dict(zip(head, sheet[2], strict=True))
        assert first["growth_pct_rank"].value == 1 and first["baseline"].value == "years_3"
        assert first["region_name"].number_format == "@", "edited, it stays text"
        assert first["period_end"].is_date and first["fob_usd"].data_type == "n"
        assert first["is_ranked"].value is True
        found |= {row[1].value for row in sheet.iter_rows(min_row=2)}
    shown = {workbook.sent(text) for text in HOSTILE}
    assert shown <= found and "\\x1b[31mred" in found
    told = " ".join(str(cell.value) for row in notes.iter_rows() for cell in row if cell.value)
    for text in ("DATA SINTETIS", "SYNTHETIC DATA", "eligibility_min_exporters", "eska",
                 "100.000 US$ per 12 bulan: ", "100,000 US$ per 12 months: ", "1.000 undian: ",
                 "Growth rate, per cent", "Laju pertumbuhan, persen"):  # fmt: skip
        assert text in told


def test_times_move_forward_also_at_a_rollback(root: Path) -> None:
    """Caches of BI tools look at the file's time; contents and sums stay."""
    now = releases.current("internal")
    assert now
    first = releases.folder_of("internal", now["release_id"])
    second = first.with_name("20990101T000000000000Z-second")
    shutil.copytree(first, second)
    file = releases.link("internal") / releases.DATABASE
    times = [file.stat().st_mtime_ns]
    for folder in (second, first, second):
        publish.roll_back(folder.name, backfill("a rollback"))
        assert releases.link("internal").resolve() == folder
        times.append(file.stat().st_mtime_ns)
    assert all(later - sooner >= 10**9 for sooner, later in pairwise(times))
    assert not list((root / "data").rglob("*.wal"))
    assert releases.rot(first) == [] and verify.verify() == []


def test_rot_in_a_folder_of_a_release_is_found(root: Path) -> None:
    folder = releases.link("internal").resolve()
    (folder / "csv/region.csv").chmod(0o600)
    (folder / "csv/region.csv").write_text("changed by hand")
    (folder / "parquet/mart.region.parquet").unlink()
    (folder / "parquet/more.parquet").write_text("x")
    found = [str(problem) for problem in verify.verify()]
    assert len(found) == 3
    for name in ("csv/region.csv", "mart.region.parquet", "parquet/more.parquet"):
        assert any(name in line for line in found)


def test_a_column_is_defined_once_and_is_the_same_everywhere(folder: Path) -> None:
    database = folder / releases.DATABASE
    kinds = query(
        database,
        "SELECT column_name, list(DISTINCT data_type) FROM duckdb_columns() "
        "WHERE NOT internal GROUP BY ALL HAVING count(DISTINCT data_type) > 1",
    )
    assert kinds == []
    warehouse = Path(downloads.__file__).parent.parent / "warehouse"
    with (warehouse / "columns.csv").open(encoding="utf-8", newline="") as file:
        defined = [row["column_name"] for row in csv.DictReader(file)]
    used = {name for (name,) in query(
        database, "SELECT DISTINCT column_name FROM duckdb_columns() WHERE NOT internal"
    )}  # fmt: skip
    assert defined == sorted(defined) and len(defined) == len(set(defined))
    assert set(defined) == used, "nothing undefined, nothing defined that is nowhere"


def test_keys_are_marked_and_true(folder: Path) -> None:
    database = folder / releases.DATABASE
    marked: dict[str, list[str]] = defaultdict(list)
    for table, column in query(
        database,
        "SELECT schema_name || '.' || table_name, column_name FROM meta.dictionary WHERE is_key",
    ):
        marked[table].append(column)
    keyless = {"meta.release", "mart.release_change"}  # one row; a cause may have no delivery
    every = {f"{one}.{name}" for one, name in query(
        database, "SELECT schema_name, table_name FROM duckdb_tables()"
    )}  # fmt: skip
    assert every - keyless == set(marked)
    for table, columns in marked.items():
        counted = query(
            database,
            f"SELECT count(*), count(DISTINCT ({', '.join(columns)})) FROM {table}",
        )
        assert counted[0][0] == counted[0][1] > 0, table
    declared = query(
        database,
        "SELECT table_name, constraint_column_names FROM duckdb_constraints() "
        "WHERE constraint_type = 'PRIMARY KEY' ORDER BY ALL",
    )
    assert declared == [("period", ["period_kind", "period_end"]), ("region", ["region_code"])]


def test_periods_say_whether_all_that_is_owed_came(folder: Path) -> None:
    flags = query(
        folder / releases.DATABASE,
        "SELECT is_complete_certificates, is_complete_official, count(*) FROM mart.period "
        "GROUP BY ALL",
    )
    assert {row[1] for row in flags} == {None}, "no statistics are owed"
    assert True in {row[0] for row in flags}
