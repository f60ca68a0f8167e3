"""Rows in, rows out: feed one SQL model by hand, or lay out whole deliveries as validate would."""

import glob
from collections import defaultdict
from decimal import Decimal
from typing import Any

from pipeline import conform, duck, models, staging, store

RULES_SHA = "0123456789abcdef"
# What tables above core.aggregate_cell read of it.
CELL = """delivery_id VARCHAR, line INTEGER, cell_key VARCHAR, feed VARCHAR, office_code VARCHAR,
    region_set VARCHAR, region_code VARCHAR, month DATE, stated_usd DECIMAL(18, 2),
    fob_usd DECIMAL(18, 2), net_kg DECIMAL(18, 3), is_quarantined BOOLEAN, state VARCHAR,
    is_missing BOOLEAN, is_flagged BOOLEAN"""
Row = dict[str, Any]


def table(con: duck.Connection, name: str, columns: str, rows: list[Any]) -> None:
    """Make table `schema.name` with these columns (DDL) and rows (tuples)."""
    con.execute(f"CREATE SCHEMA IF NOT EXISTS {name.split('.')[0]}")
    con.execute(f"CREATE OR REPLACE TABLE {name} ({columns})")
    if rows:
        con.executemany(f"INSERT INTO {name} VALUES ({', '.join('?' * len(rows[0]))})", rows)


def seeds(con: duck.Connection) -> None:
    """The project's own seeds, and the tables made of nothing else."""
    con.execute("CREATE SCHEMA IF NOT EXISTS seed")
    staging.seeds(con)
    con.execute("CREATE SCHEMA IF NOT EXISTS stage")
    for name, more in (("accepted_cell", ""), ("quarantine_cell", ", findings INT, raw VARCHAR")):
        con.execute(f"CREATE TABLE IF NOT EXISTS stage.{name} ({staging.CELL}{more})")
    made = ("country", "region", "issuer", "scope_member", "setting", "exchange_rate")
    models.materialise(con, "core", only=tuple(f"core.{name}" for name in made))


def result(con: duck.Connection, model: str, columns: str = "*") -> list[tuple[Any, ...]]:
    """These columns of a model's SELECT, in their order; each cell but numbers and NULL as text."""
    sql = {one.full_name: one.sql for one in models.all_models()}[model]
    found = con.execute(f"SELECT {columns} FROM ({sql}) ORDER BY ALL").fetchall()
    return [tuple(_plain(cell) for cell in row) for row in found]


def _plain(cell: Any) -> Any:
    if cell is None or isinstance(cell, bool | int | float | list):
        return cell
    return str(cell)


def line(certificate: str, number: int = 1, **changes: Any) -> Row:
    """A sound goods line of a certificate, counted at US$ 1,000.00 unless changed."""
    office, year = certificate.split("/")[1:3]
    return {
        "line": number + 1,
        "certificate_key": certificate,
        "ska_number": certificate,
        "status": "issued",
        "kind": "new",
        "status_at": f"{year}-01-15 03:00:00",
        "issued_on": f"{year}-01-15",
        "exporter_name": "PT Contoh",
        "nib": "1234567890123",
        "exporter_place": "Kab. Bogor",
        "exporter_province": "Jawa Barat",
        "office_name": office,
        "destination_code": "JP",
        "form_code": "B",
        "currency_code": "USD",
        "fob_document": Decimal("1000.00"),
        "line_number": number,
        "hs_code": "940360",
        "net_kg": Decimal("10.000"),
        "line_fob": Decimal("1000.00"),
        "is_synthetic": True,
        "flags": [],
        **changes,
    }


def cell(line: int, code: str, month: str, usd: int | None, **changes: Any) -> Row:
    """A sound cell of statistics by port, worth so many US$; None: blank."""
    return {
        "line": line,
        "cell_key": f"{code}|{month}||",
        "region_set": "IDPORT",
        "region_code": code,
        "month": f"{month}-01",
        "fob_usd": None if usd is None else Decimal(usd).quantize(Decimal("0.01")),
        "net_kg": Decimal("1.000"),
        "is_missing": False,
        "flags": [],
        **changes,
    }


def deliver_cells(slice_code: str, accepted: list[Row], *more: Any, **changes: Any) -> Row:
    """As deliver, for aggregates of feed `bps`; month, last_month and mode are `changes`."""
    facts = {"feed": "bps", "grain": "aggregate", "region_set": "IDPORT", **changes}
    return deliver(slice_code, accepted, *more, **facts)


def deliver(
    slice_code: str,
    accepted: list[Row],
    quarantined: list[Row] | None = None,
    landed_at: str = "2026-11-01T00:00:00+00:00",
    feed: str = "eska",
    grain: str = "certificate_line",
    **changes: Any,
) -> Row:
    """Lay the Parquet files of one delivery under IPSKA_HOME; give its verdict."""
    columns = {"certificate_line": staging.RECORD, "aggregate": staging.CELL}[grain]
    office, month = slice_code.split("_")
    stamp = "".join(c for c in landed_at[:19] if c.isalnum())
    delivery_id = f"{feed}/{slice_code}/{stamp}000000Z-abcdef12"
    aside = quarantined or []
    if accepted and grain == "certificate_line":
        with duck.connect() as con:
            accept(con, [{"delivery_id": delivery_id, **row} for row in accepted])
            for name, table in conform.WRITTEN[grain]["accepted"].items():
                _copy(con, f"(SELECT * EXCLUDE (delivery_no) FROM {table})", "accepted",
                      delivery_id, f"{name}.parquet")  # fmt: skip
    elif accepted:
        _write("accepted", delivery_id, "line.parquet", columns, accepted)
    if aside:
        columns = f"{columns}, findings {staging.FINDING}, raw VARCHAR"
        _write("quarantine", delivery_id, "row.parquet", columns, aside)
    return {
        "delivery_id": delivery_id,
        "feed": feed,
        "slice_code": slice_code,
        "office_code": office,
        "grain": grain,
        "region_set": None,
        "mode": "snapshot",
        "resubmits": None,
        "month": month,
        "last_month": month,
        "landed_at": landed_at,
        "extracted_at": None,
        "forced": False,
        "rules_sha": RULES_SHA,
        "verdict": "accepted",
        "problems": [],
        "records": len(accepted) + len(aside),
        "accepted_records": len(accepted),
        "quarantined_records": len(aside),
        "excluded_records": 0,
        "excluded": {},
        "stated_usd": {"accepted": _stated(accepted), "quarantined": _stated(aside)},
        "control_totals": [],
        "unreadable_records": {"accepted": _unread(accepted), "quarantined": _unread(aside)},
        "is_synthetic": True,
        "checks": [
            {"suite": "row", "rule_name": "peb_complete", "severity": "info"},
            {"suite": "row", "rule_name": "nib_format", "severity": "warning"},
            {"suite": "aggregate", "rule_name": "weight_readable", "severity": "warning"},
        ],
        **changes,
    }


def _stated(rows: list[Row]) -> str:
    usd = [row for row in rows if row.get("currency_code", "USD") == "USD"]
    return str(sum((_amount(row) or 0 for row in usd), Decimal("0.00")))


def _unread(rows: list[Row]) -> int:
    return sum(_amount(row) is None for row in rows)


def _amount(row: Row) -> Decimal | None:
    found: Decimal | None = row["line_fob"] if "line_fob" in row else row["fob_usd"]
    return found


def written(folder: str, delivery_id: str, rules_sha: str, name: str) -> list[Row]:
    """The rows of a file that validate wrote, by line; those of goods lines with their header."""
    place = store.home() / folder / delivery_id / rules_sha[:8]
    if not (place / name).exists():
        return []
    source = f"read_parquet({duck.literal(glob.escape(str(place / name)))}) AS l"
    if (header := place / "certificate.parquet").exists():
        file = duck.literal(glob.escape(str(header)))
        more = f"SELECT * EXCLUDE (flags) FROM read_parquet({file})"
        source += f" JOIN ({more}) AS c USING (delivery_id, certificate_key)"
    with duck.connect() as con:
        return duck.rows(con, f"FROM {source} ORDER BY line")


def accept(con: duck.Connection, rows: list[Row]) -> None:
    """Make what validate accepts of these records, as its own SQL does: tables accepted and
    accepted_certificate."""
    con.execute(conform.sql("macros") + conform.sql("tables"))
    con.execute("CREATE TABLE aside (row_id BIGINT, delivery_no INTEGER, certificate_key VARCHAR)")
    con.execute("CREATE TABLE flag (row_id BIGINT, flags VARCHAR[])")
    con.execute(
        "CREATE TABLE batch (row_id BIGINT, delivery_no INTEGER, is_split BOOLEAN DEFAULT true, "
        f"may_lack_fob BOOLEAN DEFAULT false, {staging.RECORD})"
    )
    numbers = {one: n for n, one in enumerate(dict.fromkeys(row["delivery_id"] for row in rows))}
    for delivery_id, number in numbers.items():
        insert(con, "delivery", {"delivery_no": number, "delivery_id": delivery_id})
    for n, row in enumerate(rows):
        insert(con, "batch", {"row_id": n, "delivery_no": numbers[row["delivery_id"]], **row})
    con.execute("INSERT INTO flag SELECT row_id, flags FROM batch WHERE len(flags) > 0")
    con.execute("CREATE TABLE certificate AS " + conform.sql("certificate"))
    for name in conform.WRITTEN["certificate_line"]["accepted"].values():
        con.execute(f"CREATE TABLE {name} AS " + conform.sql(name))


def insert(con: duck.Connection, name: str, row: Row) -> None:
    marks = ", ".join("?" * len(row))
    con.execute(f"INSERT INTO {name} ({', '.join(row)}) VALUES ({marks})", [*row.values()])


def _write(folder: str, delivery_id: str, name: str, columns: str, rows: list[Row]) -> None:
    with duck.connect() as con:
        con.execute(f"CREATE TABLE t ({columns})")
        for row in rows:
            insert(con, "t", {"delivery_id": delivery_id, **row})
        _copy(con, "t", folder, delivery_id, name)


def _copy(con: duck.Connection, source: str, folder: str, delivery_id: str, name: str) -> None:
    path = store.home() / folder / delivery_id / RULES_SHA[:8] / name
    path.parent.mkdir(parents=True, exist_ok=True)
    con.execute(f"COPY {source} TO {duck.literal(str(path))} (FORMAT parquet)")


PLACES = {"3201": "Kab. Bogor", "3276": "Kota Depok", "3216": "Kab. Bekasi", "3271": "Kota Bogor"}


def fourteen_months() -> list[Row]:
    """Fourteen months of three offices: sound regions, one firm's own (3271), one of two (3216)."""
    verdicts = []
    counters: dict[str, int] = defaultdict(int)  # one per issuer and year
    for month in range(14):
        year, number = 2023 + month // 12, month % 12 + 1
        for serial, office in enumerate(("BGR", "DPK", "JBR")):
            rows = []
            for region, firms in (("3201", 5), ("3276", 4), ("3216", 2), ("3271", 1)):
                for firm in range(firms):
                    n = ((month * 4 + int(region) % 4) * 9 + firm) * 3 + serial
                    value = Decimal(8000 + 1000 * firm + 300 * month * (region == "3276"))
                    day = f"{year}-{number:02}-{firm + 3:02}"
                    counter = f"{office}/{year}"
                    counters[counter] += 1
                    rows.append(line(
                        f"{counters[counter]:07}/{counter}",
                        nib=f"12345{region}{firm}{firm}{firm}9",
                        exporter_place=PLACES[region], issued_on=day, status_at=day,
                        fob_document=value, line_fob=value,
                        status="withdrawn" if n % 11 == 0 else "issued",
                        flags=["nib_format"] if n % 5 == 0 and 2 <= month < 6 else [],
                        replaces_ska_number=f"{counters[counter] - 1:07}/{counter}"
                        if n % 28 == 0 else None,
                    ))  # fmt: skip
            for at, row in enumerate(rows):
                row["line"] = at + 2
            verdicts.append(deliver(f"{office}_{year}-{number:02}", rows[1:], rows[:1]))
    return verdicts
