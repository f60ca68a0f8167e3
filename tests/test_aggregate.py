"""Aggregates: every rule on a cell, golden rows of the tables above, versions and blanks."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from deliveries import Row, land
from golden import CELL, cell, deliver_cells, result, seeds, table
from pipeline import duck, layouts, load, models, rank, settings, staging, suites, validate
from row_cases import CELLS, Case
from test_validate import rows_of, tripped

LAYOUT = """
name = "cells"
grain = "aggregate"
format = "csv"
delimiter = ";"
quote = '"'
encoding = "utf-8"
decimal_mark = ","
thousands_mark = "."
exponents = true
nulls = ["", "-"]
blank = "missing"
timezone = "Asia/Jakarta"
file_name = '.*'
[columns]
kode = "region_code"
nama = "region_name"
tahun = "year"
bulan = "month"
hs = "hs_code"
tujuan = "destination"
mata_uang = "currency_code"
nilai = "fob_usd"
berat = "net_kg"
[constants]
region_set = "IDPORT"
"""
WIDE = """
[unpivot]
columns = '(?P<month>[A-Za-z]+ 2022)'
value = "fob_usd"
[columns]
kode = "region_code"
nama = "region_name"
[constants]
region_set = "IDPORT"
"""
SOUND = {
    "nama": "PELABUHAN", "tahun": "2022", "bulan": "Januari", "hs": "6109", "tujuan": "JAPAN",
    "mata_uang": "USD", "nilai": "1.234,50", "berat": "10,5",
}  # fmt: skip


# --- the row suite -----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def cases(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[tuple[str, Case, Any]]]:
    """(rule, case, verdict) of a delivery per case, all judged in one call."""
    root = tmp_path_factory.mktemp("cells")
    shutil.copytree(settings.settings().seeds, root / "seeds")
    (root / "seeds" / "layouts" / "cells.toml").write_text(LAYOUT, "utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("IPSKA_HOME", str(root / "data"))
        patch.setenv("IPSKA_SEEDS", str(root / "seeds"))
        settings.settings.cache_clear()
        layouts.load_layout.cache_clear()
        found = [
            (rule, case)
            for rule, (sound, broken) in CELLS.items()
            for case in [*((rows, [set()] * len(rows)) for rows in sound), *broken]
        ]
        landings = [
            land(cells_text(rows), "BPS", "2022-01", "cells", last_month="2022-12")
            for _, (rows, _) in found
        ]
        verdicts = validate.validate(landings)
        yield [(*pair, verdict) for pair, verdict in zip(found, verdicts, strict=True)]
    settings.settings.cache_clear()
    layouts.load_layout.cache_clear()


def cells_text(rows: list[Row]) -> str:
    """These cells in front of so many sound ones that the delivery as a whole is sound."""
    names = ["kode", *SOUND]
    filler: list[Row] = [{"kode": f"P{n}"} for n in range(40)]
    lines = [
        row if isinstance(row, str)
        else ";".join({"kode": "IDTPP", **SOUND, **row}[name] for name in names)
        for row in [*rows, *filler]
    ]  # fmt: skip
    return "\n".join([";".join(names), *lines, ""])


def test_every_expectation_has_a_sound_and_a_broken_cell() -> None:
    suite = json.loads(suites.suite_file("aggregate").read_text("utf-8"))
    rules = [one["meta"]["rule"] for one in suite["expectations"]]
    assert len(rules) > 10 and sorted(rules) == sorted(CELLS)
    assert all(sound and broken for sound, broken in CELLS.values())


def test_a_cell_trips_its_rules_and_no_others(cases: list[tuple[str, Case, Any]]) -> None:
    assert len(cases) > 50
    for rule, (rows, expected), verdict in cases:
        assert (verdict["verdict"], verdict["problems"]) == ("accepted", []), rule
        assert tripped(verdict, len(rows)) == expected, (rule, rows)
        kept = len(rows_of(verdict, "accepted")) + len(rows_of(verdict, "quarantine"))
        assert kept == verdict["records"] == len(rows) + 40
        suites_run = {check["suite"] for check in verdict["checks"]}
        assert suites_run == {"aggregate", "delivery"}


def test_typed_cells(cases: list[tuple[str, Case, Any]]) -> None:
    """All values of the sound cell; and a blank, which this layout calls missing."""
    verdict = next(verdict for rule, _, verdict in cases if rule == "hs_known")
    row = rows_of(verdict, "accepted")[0]
    assert {name: str(value) for name, value in row.items() if name != "delivery_id"} == {
        "line": "2", "cell_key": "IDTPP|2022-01|97|JAPAN", "region_set": "IDPORT",
        "region_code": "IDTPP", "region_name": "PELABUHAN", "month": "2022-01-01",
        "hs_code": "97", "destination_code": "JP", "fob_usd": "1234.50", "net_kg": "10.500",
        "is_missing": "False", "is_synthetic": "None", "flags": "[]",
    }  # fmt: skip
    found = {rows[0].get("nilai"): rows_of(verdict, "accepted")[0]
             for rule, (rows, expected), verdict in cases
             if rule == "value_readable" and expected == [set()]}  # fmt: skip
    assert {text: str(row["fob_usd"]) for text, row in found.items()} == {
        "1234,5": "1234.50", "0": "0.00", "": "None", "1,7284E+08": "172840000.00",
        "1,2345e2": "123.45",
    }  # fmt: skip
    assert [text for text, row in found.items() if row["is_missing"]] == [""]


def test_a_wide_sheet_is_cells_that_stand_each_for_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Months as columns, through validate and load: several records stand on one line."""
    shutil.copytree(settings.settings().seeds, tmp_path / "seeds")
    wide = LAYOUT.replace('"cells"', '"wide"').partition("[columns]")[0] + WIDE
    (tmp_path / "seeds" / "layouts" / "wide.toml").write_text(wide, "utf-8")
    monkeypatch.setenv("IPSKA_HOME", str(tmp_path / "data"))
    monkeypatch.setenv("IPSKA_SEEDS", str(tmp_path / "seeds"))
    settings.settings.cache_clear()
    layouts.load_layout.cache_clear()
    lines = ["kode;nama;Januari 2022;Februari 2022", "IDTPP;;1.000,50;", "IDTPE;;7;x", ";;5;6"]
    lines += [f"P{n};;1;1" for n in range(20)]
    content = "".join(f"{line}\n" for line in lines)
    landing = land(content, "BPS", "2022-01", "wide", last_month="2022-12")
    (verdict,) = validate.validate([landing])
    assert (verdict["records"], verdict["quarantined_records"]) == (46, 3)
    aside = [
        (row["line"], [found["rule_name"] for found in row["findings"]])
        for row in rows_of(verdict, "quarantine")
    ]
    # Two records on one line that name no region are not the same cell twice.
    assert aside == [(3, ["value_readable"]), *[(4, ["region_present"])] * 2]
    with duck.connect() as con:
        load.load(con, [verdict], {"eska": "2022-01"})
        books = "SELECT state, state_reason, sum(records)::INT FROM core.ledger GROUP BY ALL"
        assert sorted(con.execute(books).fetchall()) == [
            ("current", "blank", 1), ("current", "counted", 42),
            ("quarantined", "critical_rule", 3),
        ]  # fmt: skip
        total = "SELECT sum(fob_usd)::VARCHAR FROM core.aggregate_cell"
        assert con.execute(total).fetchall() == [("1047.50",)]
    settings.settings.cache_clear()
    layouts.load_layout.cache_clear()


def test_a_flag_is_the_cells_own(data_root: Path) -> None:
    """Also where several stand on one line, as in a wide sheet."""
    flagged = cell(2, "IDTPP", "2013-01", 5, flags=["weight_readable"])
    months = {"month": "2013-01", "last_month": "2013-12"}
    verdict = deliver_cells("BPS_2013", [flagged, cell(2, "IDTPP", "2013-02", 6)], **months)
    verdict["checks"] = [
        {"suite": "aggregate", "rule_name": "weight_readable", "severity": "warning"}
    ]
    with duck.connect() as con:
        load.load(con, [verdict], {"bps": "2013-01"})
        found = "SELECT fob_usd::INT, is_flagged FROM core.aggregate_cell ORDER BY 1"
        assert con.execute(found).fetchall() == [(5, True), (6, False)]


# --- golden rows -------------------------------------------------------------------------------


@pytest.fixture
def con() -> Iterator[duck.Connection]:
    with duck.connect() as connection:
        seeds(connection)
        yield connection


def stage(con: duck.Connection, *rows: dict[str, Any]) -> None:
    """Deliveries by id: current unless said, of office BPS, feed f, landed on 2014-02-01."""
    table(con, "stage.delivery", staging.DELIVERY, [])
    common = {"feed": "f", "office_code": "BPS", "grain": "aggregate", "region_set": "IDPORT",
              "mode": "snapshot", "first_month": "2013-01-01", "landed_at": "2014-02-01",
              "verdict": "accepted", "accepted_records": 1, "quarantined_records": 0}  # fmt: skip
    duck.insert(con, "stage.delivery", [
        {**common, "slice_code": row["delivery_id"].split("@")[0], **row} for row in rows
    ])  # fmt: skip
    models.materialise(con, "core", only=("core.delivery", "core.basis"))


def test_deltas_stand_beside_each_other_and_snapshots_replace(con: duck.Connection) -> None:
    year = {"month": "2013-01-01", "last_month": "2013-12-01"}
    stage(
        con,
        {"delivery_id": "d@1", "mode": "delta", **year},
        {"delivery_id": "d@2", "mode": "delta", "landed_at": "2014-02-02", **year},
        {"delivery_id": "s@1", **year},
        {"delivery_id": "s@2", "landed_at": "2014-02-02", **year},
        {"delivery_id": "all@1", "month": "2013-01-01"},
        {"delivery_id": "ska@1", "month": "2013-01-01", "grain": "certificate_line",
         "region_set": None},
    )  # fmt: skip
    assert result(con, "core.delivery", "delivery_id, state, last_month") == [
        ("all@1", "current", None),
        ("d@1", "current", "2013-12-01"),
        ("d@2", "current", "2013-12-01"),
        ("s@1", "superseded", "2013-12-01"),
        ("s@2", "current", "2013-12-01"),
        # All that an office has: up to the month that had ended when it came.
        ("ska@1", "current", "2014-01-01"),
    ]
    assert result(con, "core.basis") == [
        ("domicile", "certificate_line", "ID"),
        ("issuer", "certificate_line", "ID"),
        ("official", "aggregate", "IDPORT"),
        ("port", "certificate_line", "IDPORT"),
    ]


def test_each_basis_has_its_own_months(con: duck.Connection) -> None:
    stage(
        con,
        {"delivery_id": "all@1", "month": "2013-01-01"},
        {"delivery_id": "ska@1", "month": "2014-01-01", "last_month": "2014-01-01",
         "first_month": "2014-01-01", "grain": "certificate_line", "region_set": None},
    )  # fmt: skip
    cells = [("all@1", month, month is None) for month in ("2013-02-01", "2013-04-01")]
    table(con, "core.aggregate_cell", CELL, [])
    con.executemany(
        "INSERT INTO core.aggregate_cell (delivery_id, month, is_quarantined) VALUES (?, ?, ?)",
        [*cells, ("all@1", "2099-01-01", True)],
    )
    found = result(con, "core.calendar_month", "basis, region_set, month")
    assert [row for row in found if row[0] == "official"] == [
        ("official", "IDPORT", f"2013-0{month}-01") for month in (1, 2, 3, 4)
    ]
    assert [row[0] for row in found if row[0] != "official"] == ["domicile", "issuer", "port"]


def test_a_month_of_blanks_is_missing_and_a_nil_return_is_not(con: duck.Connection) -> None:
    stage(
        con,
        {"delivery_id": "BPS_2013@1", "month": "2013-01-01", "last_month": "2013-03-01"},
        {"delivery_id": "NIL_2013@1", "office_code": "NIL", "month": "2013-01-01",
         "last_month": "2013-03-01", "accepted_records": 0, "landed_at": "2013-03-01"},
    )  # fmt: skip
    table(con, "core.aggregate_cell", CELL, [])
    con.executemany(
        "INSERT INTO core.aggregate_cell (delivery_id, month, stated_usd, state, is_quarantined) "
        "VALUES ('BPS_2013@1', ?, ?, ?, ?)",
        [
            ("2013-01-01", None, "current", False),
            ("2013-01-01", 0, "current", False),
            ("2013-02-01", None, "current", False),
            ("2013-02-01", 7, "superseded", False),
            ("2013-03-01", 7, "quarantined", True),
        ],
    )
    models.materialise(con, "core", only=("core.calendar_month",))
    assert result(con, "core.slice_month", "office_code, month, is_complete") == [
        ("BPS", "2013-01-01", True),
        ("BPS", "2013-02-01", False),
        ("BPS", "2013-03-01", True),
        ("NIL", "2013-01-01", True),
        ("NIL", "2013-02-01", True),
        ("NIL", "2013-03-01", False),  # it came before the month had ended
    ]


PORTS = [
    ("IDTPP", "TANJUNG PRIOK", "IDTPP", "code"),
    ("id431", "", "IDTPP", "code"),
    ("431", "TANJUNG PRIOK", "IDTPP", "code"),
    ("IDJKT", "JAKARTA / PASAR IKAN", "IDTPP", "code"),
    ("", "Tanjung-Priok", "IDTPP", "name"),
    ("ID999", "Sukarno Hatta(U)", "IDCGK", "name"),
    ("TANJUNG PERAK", "", "IDTPE", "code"),  # a certificate that gives the name alone
    ("IDTPP", "TANJUNG PERAK", "IDPORT99", "contradictory"),
    ("IDXYZ", "NOWHERE", "IDPORT99", "unknown"),
    ("SGSIN", "", "IDPORT99", "unknown"),
    ("", "", "IDPORT99", "unknown"),
]


def test_port_spellings(con: duck.Connection) -> None:
    table(con, "core.certificate_version", "load_port_code VARCHAR", [("IDTPE",), (None,)])
    rows = [cell(n, code, "2013-01", 1, region_name=name or None, region_code=code or None)
            for n, (code, name, *_) in enumerate(PORTS)]  # fmt: skip
    duck.insert(con, "stage.accepted_cell", rows)
    found = result(con, "core.port_spelling")
    assert found == sorted([*PORTS, ("IDTPE", "", "IDTPE", "code")])


REGIONS = [
    ("ID", "3276", "Kota Depok", "3276", "code"),
    ("ID", "32.76", "", "3276", "code"),
    ("ID", "", "kota depok", "3276", "name"),
    ("ID", "32", "Jawa Barat", "3299", "code"),  # a province as a whole
    ("ID", "3276", "Kab. Bogor", "ID99", "contradictory"),
    ("ID", "3271", "Bogor", "3271", "code"),  # the name alone would be ambiguous
    ("ID", "", "Bogor", "3299", "unknown"),
    ("ID", "1", "Tempat", "ID99", "unknown"),
    ("IDOFFICE", "K1", "Kantor Satu", "K1", "code"),
    ("IDOFFICE", "", "KANTOR SATU", "K1", "name"),
    ("IDOFFICE", "K9", "", "IDOFFICE99", "unknown"),
    ("IDPORT", "431", "", "IDTPP", "code"),
]


def test_regions_of_aggregates(con: duck.Connection) -> None:
    """A set of its own needs rows of seeds/region.csv, and no code."""
    con.execute(
        "INSERT INTO seed.region BY NAME SELECT 'IDOFFICE' AS region_set, 'K1' AS region_code, "
        "'Kantor Satu' AS region_name, 'kota' AS region_kind"
    )
    columns = "exporter_place VARCHAR, exporter_province VARCHAR, load_port_code VARCHAR"
    table(con, "core.certificate_version", columns, [])
    duck.insert(con, "stage.accepted_cell", [
        cell(n, code, "2013-01", 1, delivery_id=region_set, region_code=code or None,
             region_name=name or None, region_set=region_set)
        for n, (region_set, code, name, *_) in enumerate(REGIONS)
    ])  # fmt: skip
    sets = [(one, one) for one in {row[0] for row in REGIONS}]
    table(con, "core.delivery", "delivery_id VARCHAR, region_set VARCHAR", sets)
    made = ("core.region", "core.place", "core.port_spelling")
    models.materialise(con, "core", only=made)
    assert result(con, "core.aggregate_region") == sorted(REGIONS)


def test_the_later_extract_of_a_cell_wins(data_root: Path) -> None:
    """Also where it is set aside: what is lost by that shows up as quarantined."""
    day = {"mode": "delta", "month": "2013-01", "last_month": "2013-12"}
    old, new = ({"landed_at": f"2014-0{n}-01T00:00:00+00:00", **day} for n in (2, 3))
    verdicts = [
        deliver_cells("BPS_2013", [
            cell(2, "IDTPP", "2013-01", 100), cell(3, "431", "2013-01", 20),
            cell(4, "IDTPE", "2013-01", 7), cell(5, "IDXYZ", "2013-01", None),
        ], **old),
        deliver_cells(
            "BPS_2013",
            [cell(2, "IDTPP", "2013-01", 150, flags=["weight_readable"])],
            [cell(3, "IDTPE", "2013-01", 9, cell_key="IDTPE|2013-01||")],
            **new, excluded_records=2, excluded={"totals": 2}, records=4,
        ),
    ]  # fmt: skip
    with duck.connect() as con:
        load.load(con, verdicts, {"bps": "2013-01"})
        found = con.execute(
            "SELECT substr(delivery_id, 14, 6), line, region_code, state, reason, "
            "stated_usd::INT, fob_usd::INT, is_flagged FROM core.aggregate_cell ORDER BY ALL"
        ).fetchall()
        assert found == [
            ("201402", 2, "IDTPP", "superseded", None, 100, None, False),
            ("201402", 3, "IDTPP", "current", None, 20, 20, False),  # another cell
            ("201402", 4, "IDTPE", "superseded", None, 7, None, False),
            ("201402", 5, "IDPORT99", "current", "blank", None, None, False),
            ("201403", 2, "IDTPP", "current", None, 150, 150, True),
            ("201403", 3, "IDTPE", "quarantined", None, 9, None, False),
        ]
        books = con.execute(
            "SELECT substr(delivery_id, 14, 6), state, state_reason, records, stated_usd::INT, "
            "fob_usd::INT FROM core.ledger ORDER BY ALL"
        ).fetchall()
        assert books == [
            ("201402", "current", "blank", 1, 0, 0),
            ("201402", "current", "counted", 1, 20, 20),
            ("201402", "superseded", "newer_version", 2, 107, 0),
            ("201403", "current", "counted", 1, 150, 150),
            ("201403", "excluded", "totals", 2, 0, 0),
            ("201403", "quarantined", "critical_rule", 1, 9, 0),
        ]
        months = con.execute(
            "SELECT region_code, fob_usd::INT, flagged_usd::INT, quarantined_usd::INT, exporters, "
            "certificates, is_unsafe FROM core.region_month WHERE month = '2013-01-01' "
            "AND region_code IN ('IDTPP', 'IDTPE') ORDER BY ALL"
        ).fetchall()
        assert months == [
            ("IDTPE", 0, 0, 9, None, None, False), ("IDTPP", 170, 150, 0, None, None, False),
        ]  # fmt: skip


def test_a_figure_that_is_missing_leaves_its_region_incomplete(data_root: Path) -> None:
    """Where the layout says that a blank is `missing`; the other regions are ranked."""
    cells = [
        cell(at, code, f"{year}-01", None if (code, year) == ("IDTPP", 2013) else 900_000,
             is_missing=(code, year) == ("IDTPP", 2013))
        for at, (code, year) in enumerate(
            [(code, year) for code in ("IDTPP", "IDTPE") for year in (2013, 2014)], start=2)
    ]  # fmt: skip
    with duck.connect() as con:
        verdict = deliver_cells("BPS_all", cells, month="2013-01", last_month=None)
        load.load(con, [verdict], {"bps": "2013-01"})
        rank.rank(con)
        found = con.execute(
            "SELECT region_code, growth_status FROM mart.growth_ranking WHERE period_kind = "
            "'month' AND period_end = '2014-01-31' AND baseline = 'prev_year' AND fob_usd > 0 "
            "ORDER BY ALL"
        ).fetchall()
    assert found == [("IDTPE", "ok"), ("IDTPP", "incomplete")]


def test_two_sets_of_official_figures_keep_apart(data_root: Path) -> None:
    """Each with its own months, regions and scopes: no base before a set's own figures begin."""
    ports = [cell(n, "IDTPP", f"{year}-01", 900_000) for n, year in ((2, 2013), (3, 2014))]
    homes = [cell(2, "3276", "2014-01", 500, region_set="ID"),
             cell(3, "32", "2014-01", 70, region_set="ID")]  # fmt: skip
    open_ended = {"last_month": None, "landed_at": "2014-03-01T00:00:00+00:00"}
    verdicts = [
        deliver_cells("BPS_all", ports, month="2013-01", **open_ended),
        deliver_cells("KAB_all", homes, feed="homes", region_set="ID", month="2014-01",
                      **open_ended),
    ]  # fmt: skip
    with duck.connect() as con:
        load.load(con, verdicts, {"bps": "2013-01", "homes": "2014-01"})
        rank.rank(con)
        found = con.execute(
            "SELECT scope_code, league, region_code, fob_usd::INT, growth_status "
            "FROM mart.growth_ranking WHERE period_kind = 'month' AND period_end = '2014-01-31' "
            "AND baseline = 'prev_year' AND fob_usd > 0 ORDER BY ALL"
        ).fetchall()
        totals = con.execute(
            "SELECT scope_code, month::VARCHAR, fob_usd::INT FROM meta.control_total "
            "WHERE fob_usd > 0 ORDER BY ALL"
        ).fetchall()
    assert found == [
        ("32", "all", "3276", 500, "no_base"),
        ("32", "all", "3299", 70, "no_base"),
        ("32", "kota", "3276", 500, "no_base"),
        ("ID", "all", "3276", 500, "no_base"),
        ("ID", "all", "ID99", 70, "no_base"),
        ("ID", "kota", "3276", 500, "no_base"),
        ("ID", "province", "32", 570, "no_base"),
        ("IDPORT", "all", "IDTPP", 900_000, "ok"),
    ]
    assert totals == [
        ("32", "2014-01-01", 570), ("ID", "2014-01-01", 570),
        ("IDPORT", "2013-01-01", 900_000), ("IDPORT", "2014-01-01", 900_000),
    ]  # fmt: skip
