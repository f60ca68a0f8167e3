"""Official statistics by port, from the file to the ranking: a small made file, and the real one.

The real file (Indonesia's exports by port, 1999–2014) is no part of the project: it is looked for
in IPSKA_SHARED_DATA, else in ../shared/data beside the repository.
"""

import csv
import json
import os
from collections import defaultdict
from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from deliveries import land
from pipeline import (
    duck,
    feeds,
    flow,
    layouts,
    load,
    models,
    public,
    rank,
    requests,
    settings,
    store,
    validate,
)
from test_cli import call

SHARED = Path(os.environ.get("IPSKA_SHARED_DATA", settings.ROOT.parent / "shared" / "data"))
REAL = SHARED / "indonesia_exports_by_port_1999_2014.csv"
MONTHS = ["January", "February", "March", "April", "May", "June", "July", "August", "September",
          "October", "November", "December"]  # fmt: skip
HEADER = "tahun,bulan,kode_pelabuhan,nama_pelabuhan,nilai,berat"
FEEDS = """
[ports]
layout = "exports_by_port"
url = "{deliveries}/*.csv"
mode = "snapshot"
covers = "all"
offices = ["BPS"]
first_month = "2012-01"
"""
# Code and name as written, value of a month in 2012, 2013 and (January only) 2014; None: blank.
MADE = [
    ("IDTPP", "TANJUNG PRIOK", 800_000, 900_000, 1_000_000),
    ("431", "TANJUNG PRIOK", 100_000, 200_000, None),
    ("IDTPE", "TANJUNG PERAK", 500_000, 700_000, 800_000),
    ("", "TANJUNG EMAS", 400_000, 300_000, 300_000),
    ("IDBXD", "BADE, IRIAN JAYA", 90, 9_000, 0),
    ("IDKTG", "KETAPANG K. BARAT", 250_000, None, None),
    ("IDXYZ", "NOWHERE , MALUKU", 1_000, 2_000, 3_000),
    ("IDTES", "TANJUNG PRIOK", 5_000, 5_000, 5_000),
]
RANKING = ("official", "IDPORT", "all", "ytd", "prev_year")
Rows = dict[str, dict[str, Any]]


def made() -> str:
    """The small file: as the real one has it, down to line ends, and one value not readable."""
    rows = [
        [year, month, code, f'"{name}"', "" if blank else usd, "" if blank else usd * 2]
        for at, year in enumerate((2012, 2013, 2014))
        for month in MONTHS
        for code, name, *values in MADE
        for usd in [values[at]]
        for blank in [usd is None or (year == 2014 and month != "January")]
    ]
    rows[0][4] = "8.0000e+05"
    rows[1][4] = "1.23456789e+05"  # not exact to the cent: set aside
    return "\r\n".join([HEADER, *(",".join(map(str, row)) for row in rows), ""])


def ranked(con: duck.Connection, end: date) -> Rows:
    """January to `end` against the year before: the rows by region."""
    found = duck.rows(
        con,
        "FROM mart.growth_ranking WHERE (basis, scope_code, league, period_kind, baseline) = "
        "(?, ?, ?, ?, ?) AND period_end = ?",
        [*RANKING, end],
    )
    return {row["region_code"]: row for row in found}


@pytest.fixture(scope="module")
def night(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """The report of one run over the small file; both suites of the build are run."""
    root = tmp_path_factory.mktemp("ports")
    (root / "deliveries").mkdir()
    (root / "deliveries" / "SINTETIS_ports.csv").write_bytes(made().encode())
    (root / "feeds.toml").write_text(FEEDS, "utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("IPSKA_HOME", str(root / "data"))
        patch.setenv("IPSKA_DELIVERIES", str(root / "deliveries"))
        patch.setenv("IPSKA_FEEDS", str(root / "feeds.toml"))
        settings.settings.cache_clear()
        layouts.load_layout.cache_clear()
        assert [part.code for part in feeds.load_feeds()["ports"].slices([])] == []
        yield flow.run(requests.nightly(store.now()), tell=lambda _: None)
    settings.settings.cache_clear()
    layouts.load_layout.cache_clear()


def test_a_run_over_the_small_file(
    night: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    assert night["problem"] is None and night["publish"]["published"], night["text_en"]
    assert night["validate"]["quarantined_records"] == 1
    options = "--scope IDPORT --basis official --period-end 2013-09-30 --baseline prev_year --json"
    code, out, _ = call(capsys, "rank", *options.split())
    assert code == 0
    shown = json.loads(out)
    rows = {row["region_code"]: row for row in shown["rows"]}
    assert shown["is_synthetic"] is True
    figures = [(code, row["fob_usd"], row["base_fob_usd"], row["growth_status"])
               for code, row in rows.items() if row["growth_status"] != "no_trade"]  # fmt: skip
    assert figures == [
        # Tanjung Priok's base lacks the 100,000 that were set aside.
        ("IDTPE", "6300000.00", "4500000.00", "ok"),
        ("IDTPP", "9900000.00", "8000000.00", "ok"),
        ("IDTES", "2700000.00", "3600000.00", "ok"),
        ("IDBXD", "81000.00", "810.00", "below_base"),
        ("IDKTG", "0.00", "2250000.00", "ceased"),
        ("IDPORT99", "63000.00", "54000.00", "unallocated"),
    ]
    for row in rows.values():
        assert (row["exporters"], row["certificates"], row["new_exporters"]) == (None,) * 3
        assert row["suppression"] == "none" and row["is_complete"]


def test_nobody_is_ranked_in_a_year_with_one_month(night: dict[str, Any]) -> None:
    with duck.connect(store.home() / "internal/current/ekspor.duckdb", read_only=True) as con:
        rows = ranked(con, date(2014, 9, 30))
        assert {row["growth_status"] for row in rows.values()} == {"incomplete", "unallocated"}
        assert rows["IDTPP"]["fob_usd"] == 1_000_000  # January's, shown all the same
        first = ranked(con, date(2014, 1, 31))
        assert first["IDTPP"]["is_ranked"] and first["IDTPP"]["fob_usd"] == 1_000_000
        books = con.execute(
            "SELECT state, state_reason, records, fob_usd::BIGINT FROM meta.ledger ORDER BY ALL"
        ).fetchall()
        blanks = 12 + 1 + 1 + 11 * 8  # 2013 of one port, its January 2014, 431's, and the rest
        total = 12 * sum(values[0] or 0 for _, _, *values in MADE) - 100_000
        total += 12 * sum(values[1] or 0 for _, _, *values in MADE)
        total += sum(values[2] or 0 for _, _, *values in MADE)
        assert books == [
            ("current", "blank", blanks, 0),
            ("current", "counted", 3 * 12 * 8 - blanks - 1, total),
            ("quarantined", "critical_rule", 1, 0),
        ]


def test_what_is_not_resolved_is_listed(
    night: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, _ = call(capsys, "quarantine", "list", "--unplaced", "--json")
    assert code == 0
    found = [(row["kind"], row["spelling"], row["resolution"], row["seed_row"])
             for row in json.loads(out)]  # fmt: skip
    assert sorted(found) == [
        ("port", "IDTES TANJUNG PRIOK", "contradictory", None),
        ("port", "IDXYZ NOWHERE , MALUKU", "unknown", '"IDXYZ",<port_code>,'),
    ]
    code, out, _ = call(capsys, "quarantine", "list", "--json")
    assert [row["rule_name"] for row in json.loads(out)] == ["value_readable"]


# --- the real file -----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Iterator[duck.Connection]:
    """A build of the real file alone."""
    if not REAL.exists():
        pytest.skip(f"the real file is not here: {REAL}; set IPSKA_SHARED_DATA to its folder")
    root = tmp_path_factory.mktemp("real")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("IPSKA_HOME", str(root))
        settings.settings.cache_clear()
        layouts.load_layout.cache_clear()
        landing = land(REAL.read_bytes(), "BPS", "1999-01", "exports_by_port", last_month=None,
                       file_name=REAL.name, extracted_at=None, feed="ports")  # fmt: skip
        (verdict,) = validate.validate([landing])
        assert (verdict["accepted_records"], verdict["quarantined_records"]) == (43_128, 0)
        with duck.connect() as con:
            load.load(con, [verdict], {"eska": "1999-01", "ports": "1999-01"})
            rank.rank(con)
            public.note(con, public.Hidden())  # no firm stands behind official statistics
            models.materialise(con, "public")
            yield con
    settings.settings.cache_clear()
    layouts.load_layout.cache_clear()


@pytest.fixture(scope="module")
def records() -> list[dict[str, str]]:
    """The real file once more, with nothing but Python's own csv."""
    with REAL.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_totals_are_those_of_the_file(real: duck.Connection, records: list[dict[str, str]]) -> None:
    years: dict[int, Decimal] = defaultdict(Decimal)
    for record in records:
        if record["nilai"]:
            years[int(record["tahun"])] += Decimal(record["nilai"])
    assert years[2013] == 182_551_090_210
    for table, where in (
        ("mart.growth_ranking", "league = 'all' AND period_kind = 'year' "
         "AND baseline = 'prev_year'"),
        ("public.growth_ranking", "league = 'all' AND period_kind = 'year' "
         "AND baseline = 'years_3'"),
    ):  # fmt: skip
        found = real.execute(
            f"SELECT year(period_end), sum(fob_usd) FROM {table} WHERE basis = 'official' "
            f"AND scope_code = 'IDPORT' AND {where} GROUP BY ALL"
        ).fetchall()
        assert dict(found) == years
    found = real.execute(
        "SELECT year(month), sum(fob_usd) FROM meta.control_total GROUP BY ALL"
    ).fetchall()
    assert dict(found) == years
    blank, zero = real.execute(
        "SELECT count(*) FILTER (reason = 'blank'), count(*) FILTER (fob_usd = 0) "
        "FROM core.aggregate_cell"
    ).fetchall()[0]
    assert (blank, zero) == (16_683, 1_010)


def test_most_of_the_value_is_resolved(real: duck.Connection) -> None:
    found = dict(real.execute(
        "SELECT year(period_end), share_pct FROM mart.growth_ranking WHERE region_code = "
        "'IDPORT99' AND period_kind = 'year' AND baseline = 'prev_year'"
    ).fetchall())  # fmt: skip
    assert found[2013] < 0.1 and len(found) == 16
    assert max(found.values()) < 0.5


@pytest.mark.parametrize("year", [2000, 2009, 2013])
def test_january_to_september_ranked_as_plain_python_ranks_it(
    real: duck.Connection, records: list[dict[str, str]], year: int
) -> None:
    """Which port a spelling means is taken from the build; the rest is computed anew."""
    port = {
        (code, name): region
        for code, name, region in real.execute(
            "SELECT written_code, written_name, region_code FROM core.aggregate_region"
        ).fetchall()
    }
    sums: dict[tuple[str, int], Decimal] = defaultdict(Decimal)
    for record in records:
        name = "" if record["nama_pelabuhan"] == "NA" else record["nama_pelabuhan"]
        if record["nilai"] and MONTHS.index(record["bulan"]) < 9:
            region = port[record["kode_pelabuhan"], name]
            sums[region, int(record["tahun"])] += Decimal(record["nilai"])
    whole = sum(usd for (_, at), usd in sums.items() if at == year - 1)
    rates = {}
    for region in {region for region, _ in sums} - {"IDPORT99"}:
        now, base = sums[region, year], sums[region, year - 1]
        if now and base and base >= max(Decimal(75_000), whole / 1000):
            rates[region] = 100 * (Fraction(now) / Fraction(base) - 1)
    rows = ranked(real, date(year, 9, 30))
    assert {region for region, row in rows.items() if row["is_ranked"]} == set(rates)
    assert len(rates) > 50
    for region, rate in rates.items():
        assert rows[region]["growth_pct"] == pytest.approx(float(rate), rel=1e-9, abs=1e-9)
        assert rows[region]["growth_usd"] == sums[region, year] - sums[region, year - 1]
        place = 1 + sum(round(float(other), 6) > round(float(rate), 6) for other in rates.values())
        assert rows[region]["growth_pct_rank"] == place
    assert sum(row["base_fob_usd"] for row in rows.values()) == whole


def test_2014_has_january_only(real: duck.Connection) -> None:
    rows = ranked(real, date(2014, 9, 30))
    assert len(rows) > 100 and not any(row["is_ranked"] for row in rows.values())
    assert {row["growth_status"] for row in rows.values()} == {"incomplete", "unallocated"}
    assert ranked(real, date(2014, 1, 31))["IDTPP"]["growth_status"] == "ok"
    assert ranked(real, date(2013, 9, 30))["IDCXP"]["growth_pct_rank"] == 1
