"""Rank: the SQL against plain Python on generated cases, and a whole build looked over."""

from collections import Counter
from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, seed
from hypothesis import settings as bounded
from hypothesis import strategies as st

import reference
from golden import CELL, fourteen_months, result, table
from pipeline import duck, load, models, rank, settings

REGIONS = {
    "3201": ("kabupaten", "32"),
    "3216": ("kabupaten", "32"),
    "3271": ("kota", "32"),
    "3276": ("kota", "32"),
    "3171": ("kota", "31"),
}
LEAVES = [*REGIONS, "3299", "3199", "ID99"]
PORTS = ["IDTPP", "IDTPE"]
RULES = {
    "eligibility_base_share_pct": Decimal("0.1"),
    "eligibility_floor_usd": Decimal(100000),
    "eligibility_min_exporters": Decimal(3),
    "negligible_office_pct": Decimal("1.0"),
    "dominance_share_pct": Decimal(75),
    "dominance_p_pct": Decimal(10),
    "min_exporters_public": Decimal(3),
    "maturity_provisional_months": Decimal(3),
    "maturity_final_months": Decimal(12),
}
FIRST = 2021 * 12
NECK = """exporter_key VARCHAR, issuer_region_code VARCHAR, domicile_region_code VARCHAR,
    port_region_code VARCHAR, month DATE, hs_chapter VARCHAR, destination_code VARCHAR,
    form_code VARCHAR, fob_usd DECIMAL(18, 2), net_kg DECIMAL(18, 3), certificates BIGINT,
    flagged_usd DECIMAL(18, 2)"""
FROM_THE_NECK = (
    *("setting", "country", "region", "scope_member", "region_leaf", "basis", "calendar_month"),
    *("span", "span_month", "span_pair", "exporter_region_month", "region_month"),
    *("exporter_span", "region_span", "region_gap", "region_pair", "growth"),
)


def first_day(month: int) -> date:
    return date(month // 12, month % 12 + 1, 1)


# --- generated cases ---------------------------------------------------------------------------


@st.composite
def worlds(draw: st.DrawFn) -> reference.World:
    """Small worlds with every trouble: zero bases, one exporter, ties, corrections, gaps."""
    last = FIRST + draw(st.sampled_from([38, 37, 14]))
    months = list(range(FIRST, last + 1))
    amount = st.sampled_from([Decimal(cents) / 100 for cents in (
        833334, 4000000, 4000000, 12345678, 1, 99999999, -250000)])  # fmt: skip
    rows: list[reference.Row] = []
    office_rows: list[reference.Row] = []

    def add(exporter: str, domicile: str, issuer: str, month: int, usd: Decimal, n: int) -> None:
        office = ("A", "B", "C")[n % 3] if n % 50 else "D"
        port = [*PORTS, "IDPORT99"][len(exporter) % 3 if n % 7 else 0]
        common = {"domicile": domicile, "issuer": issuer, "port": port, "month": month,
                  "fob_usd": usd}  # fmt: skip
        flagged = usd if n % 4 == 0 else Decimal(0)
        rows.append({"exporter_key": exporter, "certificates": n, "flagged_usd": flagged, **common})
        office_rows.append({"office": office, **common})

    for region in LEAVES:
        profile = draw(st.sampled_from(
            ["none", "one", "few", "many", "many", "many", "twin", "twin", "giant", "unknown"]
        ))  # fmt: skip
        if profile == "twin":  # the same figures as the region before, from other firms: a tie
            before = LEAVES[LEAVES.index(region) - 1]
            for row in [row for row in rows if row["domicile"] == row["issuer"] == before]:
                name = row["exporter_key"]
                add(f"{region} {name}", region, region, row["month"], row["fob_usd"], 1)
            continue
        firms = {"none": 0, "one": 1, "few": 2, "unknown": 1}.get(profile, 4)
        start, stop = sorted(draw(st.tuples(st.sampled_from(months), st.sampled_from(months))))
        if draw(st.booleans()):
            start, stop = FIRST, last
        for firm in range(firms):
            usd = draw(amount) if profile != "giant" or firm else Decimal(9999999)
            factor, beat = draw(st.sampled_from([1, 1, 2, 3])), draw(st.sampled_from([0, 0, 5, 7]))
            name = "unknown" if profile == "unknown" else f"{region}-{firm}"
            moves = draw(st.integers(0, 9)) == 0
            for month in range(start, stop + 1):
                value = usd * factor if month > (start + stop) // 2 else usd
                value += usd * (month % beat) if beat else 0
                issuer = "3299" if firm == 1 else region
                elsewhere = "3276" if moves and month > (start + stop) // 2 else region
                add(name, elsewhere, issuer, month, value, firm * 13 + month)
    gaps = st.tuples(st.sampled_from("ABCD"), st.sampled_from(months))
    missing = draw(st.sets(gaps, max_size=3)) if draw(st.booleans()) else set()
    stale = draw(st.sets(gaps, max_size=2))
    quarantined = [
        {"basis": "domicile", "region": "3201", "month": FIRST + 2, "fob_usd": Decimal("12.34")},
        {"basis": "issuer", "region": "ID99", "month": FIRST + 3, "fob_usd": Decimal("5.00")},
        {"basis": "port", "region": "IDTPP", "month": FIRST + 4, "fob_usd": Decimal("6.00")},
        *(
            {"basis": "domicile", "region": "3216", "month": month, "fob_usd": Decimal(98765432)}
            for month in range(FIRST + 13, last + 1)
        ),
    ]
    return reference.World(
        rows=rows,
        regions=REGIONS,
        provinces=["31", "32"],
        ports=PORTS,
        scopes=["32", "ID", "IDPORT"],
        first=FIRST,
        last=last,
        slices={
            (office, month): ((office, month) not in missing, (office, month) in stale)
            for office in "ABCD"
            for month in months
        },
        office_rows=office_rows,
        quarantined=quarantined,
        newest_on=draw(st.sampled_from([reference.last_day(last), date(2024, 5, 31)])),
        rules=RULES,
    )


def ranked_by_sql(con: duck.Connection, world: reference.World) -> None:
    """Put a world into the tables above the neck and below it, and make the marts."""
    provinces = [("ID", one, f"Provinsi {one}", "province", one) for one in world.provinces]
    regions = [
        ("ID", code, code, kind, province) for code, (kind, province) in world.regions.items()
    ]
    columns = (
        "region_set VARCHAR, region_code VARCHAR, region_name VARCHAR, region_kind VARCHAR, "
        "province_code VARCHAR, valid_from VARCHAR DEFAULT NULL, valid_until VARCHAR DEFAULT NULL"
    )
    table(con, "seed.region", columns, [(*row, None, None) for row in provinces + regions])
    table(con, "seed.port", "port_code VARCHAR, port_name VARCHAR", [(p, p) for p in world.ports])
    columns = "scope_code VARCHAR, region_set VARCHAR"
    scopes = [(scope, "IDPORT" if scope == "IDPORT" else "ID") for scope in world.scopes]
    table(con, "seed.scope", columns, scopes)
    columns = "country_code VARCHAR, country_name_id VARCHAR, time_zone VARCHAR, "
    country = [("ID", "Indonesia", "Asia/Jakarta", "USD")]
    table(con, "seed.country", f"{columns} currency_code VARCHAR", country)
    table(con, "core.aggregate_cell", CELL, [])
    rules = [(name, str(value)) for name, value in world.rules.items()]
    table(con, "seed.rule", "rule_name VARCHAR, value VARCHAR", rules)
    last = first_day(world.last)
    covered = ("d", "certificate_line", None, first_day(world.first), last, last,
               f"{world.newest_on} 10:00:00")  # fmt: skip
    columns = "delivery_id VARCHAR, grain VARCHAR, region_set VARCHAR, "
    columns += "first_month DATE, month DATE, last_month DATE, landed_at TIMESTAMP"
    table(con, "core.delivery", columns, [covered])
    columns = "feed VARCHAR, office_code VARCHAR, grain VARCHAR, region_set VARCHAR, month DATE, "
    slices = [
        ("f", office, "certificate_line", None, first_day(m), *state)
        for (office, m), state in world.slices.items()
    ]
    table(con, "core.slice_month", f"{columns} is_complete BOOLEAN, is_stale BOOLEAN", slices)
    _fill(con, "core.exporter_month", NECK, [
        (row["exporter_key"], row["issuer"], row["domicile"], row["port"], first_day(row["month"]),
         "94", "JP", f"F{index}", row["fob_usd"], 1, row["certificates"], row["flagged_usd"])
        for index, row in enumerate(world.rows)
    ])  # fmt: skip
    _fill(con, "core.office_region_month",
          "basis VARCHAR, feed VARCHAR, office_code VARCHAR, region_code VARCHAR, month DATE, "
          "fob_usd DECIMAL(18, 2)", [
        (basis, "f", row["office"], row[basis], first_day(row["month"]), row["fob_usd"])
        for row in world.office_rows for basis in ("domicile", "issuer", "port")
    ])  # fmt: skip
    columns = "basis VARCHAR, region_code VARCHAR, month DATE, quarantined_usd DECIMAL(18, 2)"
    _fill(con, "core.quarantine_month", columns, [
        (row["basis"], row["region"], first_day(row["month"]), row["fob_usd"])
        for row in world.quarantined
    ])  # fmt: skip
    models.materialise(con, "core", only=tuple(f"core.{name}" for name in FROM_THE_NECK))
    models.materialise(con, "mart", only=("mart.growth_ranking", "mart.rule_sensitivity"))


def _fill(con: duck.Connection, name: str, columns: str, rows: list[tuple[Any, ...]]) -> None:
    """As golden.table, in one statement: thousands of rows in executemany take seconds."""
    table(con, name, columns, [])
    text = ", ".join(
        "(" + ", ".join(f"'{cell}'" if isinstance(cell, str | date) else str(cell) for cell in row)
        + ")"
        for row in rows
    )  # fmt: skip
    if rows:
        con.execute(f"INSERT INTO {name} VALUES {text}")


def test_the_ranking_is_what_plain_python_makes_of_it() -> None:
    seen: Counter[str] = Counter()

    @seed(2)  # not derandomize, whose worlds change with every letter of this function
    @given(worlds())
    @bounded(
        max_examples=10, deadline=None, database=None,
        suppress_health_check=list(HealthCheck),
        phases=[Phase.generate],  # a world takes seconds: shrinking one takes half an hour
    )  # fmt: skip
    def compare(world: reference.World) -> None:
        expected = reference.ranking(world)
        with duck.connect() as con:
            ranked_by_sql(con, world)
            found = con.execute("FROM mart.growth_ranking")
            names = [column[0] for column in found.description or []]
            rows = [dict(zip(names, row, strict=True)) for row in found.fetchall()]
            tested = con.execute(
                "SELECT basis, scope_code, league, period_kind, period_end, baseline, "
                "eligibility_rule, region_code, eligible_regions FROM mart.rule_sensitivity"
            ).fetchall()
        keys = ("basis", "scope_code", "league", "period_kind", "period_end", "baseline")
        actual = {(*(row[key] for key in keys), row["region_code"]): row for row in rows}
        assert len(actual) == len(rows) and actual.keys() == expected.keys()
        for key, want in expected.items():
            for name, value in want.items():
                if name.startswith("_"):
                    continue
                got = actual[key][name]
                if isinstance(value, float):
                    assert got == pytest.approx(value, rel=1e-9, abs=1e-9), (key, name)
                else:
                    assert got == value, (key, name)
            seen[want["growth_status"]] += 1
            seen["moved"] += bool(want["rank_movement"])
        firsts = reference.sensitivity(expected)
        for key, (first, _) in firsts.items():
            if key[6] in ("without flagged", "with quarantined"):
                seen[key[6]] += first != firsts[(*key[:6], "with b = 0.1 %")][0]
        ranks = Counter((*key[:6], row["growth_pct_rank"]) for key, row in expected.items())
        seen["tied"] += sum(n > 1 for key, n in ranks.items() if key[-1])
        assert {row[:7]: row[7:] for row in tested} == firsts

    compare()
    # What was never met was never tested.
    assert min(seen.values()) > 10, seen
    assert set(seen) == {
        "no_base", "unallocated", "incomplete", "no_trade", "new", "ceased", "few_exporters",
        "below_base", "concentrated", "ok", "moved", "tied", "without flagged", "with quarantined",
    }  # fmt: skip


def test_figures_of_trillions_are_ranked() -> None:
    # DuckDB keeps products of DECIMALs within 18 digits unless one factor is wider: 0.75 × US$ 13
    # billion overflowed, and no small figure showed it.
    months = [FIRST, FIRST + 12]
    rows = [
        {"exporter_key": f"{region}{firm}", "domicile": region, "issuer": region, "port": "IDTPP",
         "month": month, "fob_usd": Decimal("987654321098.76") * (1 + at * firm), "certificates": 1,
         "flagged_usd": Decimal(0)}
        for at, month in enumerate(months) for region in REGIONS for firm in range(5)
    ]  # fmt: skip
    world = reference.World(
        rows=rows, regions=REGIONS, provinces=["31", "32"], ports=[], scopes=["32"], first=FIRST,
        last=FIRST + 12, slices={("A", month): (False, True) for month in months},
        office_rows=[{"office": "A", **row} for row in rows], quarantined=[],
        newest_on=date(2024, 5, 31), rules={**RULES, "negligible_office_pct": Decimal(101)},
    )  # fmt: skip
    with duck.connect() as con:
        ranked_by_sql(con, world)
        found = con.execute(
            "SELECT growth_pct_rank, growth_pct, is_stale FROM mart.growth_ranking WHERE league = "
            "'all' AND period_kind = 'month' AND baseline = 'prev_year' AND is_ranked"
        ).fetchall()
    assert found == [(1, 200.0, False)] * 8


GROWTH = """basis VARCHAR, scope_code VARCHAR, league VARCHAR, period_kind VARCHAR,
    period_end DATE, baseline VARCHAR, region_code VARCHAR, is_unallocated BOOLEAN,
    is_complete BOOLEAN, is_unsafe BOOLEAN, exporters BIGINT, base_exporters BIGINT,
    fob_usd DECIMAL(18, 2), base_fob_usd DECIMAL(18, 2), flagged_usd DECIMAL(18, 2),
    base_flagged_usd DECIMAL(18, 2), quarantined_usd DECIMAL(18, 2),
    base_quarantined_usd DECIMAL(18, 2), floor_usd DECIMAL(18, 2), scope_base_usd DECIMAL(18, 2),
    scope_base_flagged_usd DECIMAL(18, 2), scope_base_quarantined_usd DECIMAL(18, 2)"""


def test_who_would_be_first_with_other_values() -> None:
    """By hand. In force (floor 100): A 300/200 = +50 %, B 280/200 = +40 %, C's base 90 is too low.

    Without flagged: A (300 − 60)/(200 − 0) = +20 %, so B. With quarantined: C (200 + 0)/(90 + 10)
    = +100 % reaches the floor, so C, of three. D has two exporters, whatever its value.
    """
    key = ("domicile", "32", "all", "year", "2023-12-31", "prev_year")
    scope = (100, 560, 0, 10)  # floor, scope's base, flagged and quarantined of it
    with duck.connect() as con:
        table(con, "core.growth", GROWTH, [
            (*key, "3201", False, True, False, 5, 5, 300, 200, 60, 0, 0, 0, *scope),
            (*key, "3216", False, True, False, 5, 5, 280, 200, 0, 0, 0, 0, *scope),
            (*key, "3271", False, True, False, 5, 5, 200, 90, 0, 0, 0, 10, *scope),
            (*key, "3276", False, True, False, 2, 5, 900, 70, 0, 0, 500, 100, *scope),
            (*key, "3202", False, False, False, 5, 5, 900, 200, 0, 0, 0, 0, *scope),
            (*key, "3299", True, True, False, 5, 5, 900, 200, 0, 0, 0, 0, *scope),
        ])  # fmt: skip
        setting = "base_share_pct DECIMAL(20, 4), min_exporters INTEGER"
        table(con, "core.setting", setting, [("0.1", 3)])
        names = [(code, code) for code in ("3201", "3216", "3271")]
        table(con, "core.region", "region_code VARCHAR, region_name VARCHAR", names)
        found = result(
            con,
            "mart.rule_sensitivity",
            "eligibility_rule, base_share_pct, region_code, growth_pct, base_fob_usd, "
            "eligible_regions",
        )
    lines = {row[0]: row[1:] for row in found}
    assert lines["none"] == (None, "3276", pytest.approx(100 * 830 / 70), "70.00", 4)
    assert lines["with b = 0.1 %"] == (0.1, "3201", 50.0, "200.00", 2)
    assert lines["without flagged"] == (0.1, "3216", 40.0, "200.00", 2)
    assert lines["with quarantined"] == (0.1, "3271", 100.0, "100.00", 3)


# --- a whole build -----------------------------------------------------------------------------

ALLOWED = ("VARCHAR", "BOOLEAN", "INTEGER", "BIGINT", "DOUBLE", "DATE", "TIMESTAMP")


@pytest.fixture(scope="module")
def build(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A build of the sample, made once for this module; two of them, to compare."""
    root = tmp_path_factory.mktemp("rank")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("IPSKA_HOME", str(root / "data"))
        settings.settings.cache_clear()
        verdicts = fourteen_months()
        for name, order in (("one", verdicts), ("two", verdicts[::-1])):
            with duck.connect(root / f"{name}.duckdb") as con:
                load.load(con, order, {"eska": "2023-01"})
                rank.rank(con)
        yield root
    settings.settings.cache_clear()


@pytest.fixture
def con(build: Path) -> Iterator[duck.Connection]:
    """The build inside a transaction that is rolled back: a test may break what it likes."""
    with duck.connect(build / "one.duckdb") as connection:
        connection.execute("BEGIN")
        yield connection
        connection.execute("ROLLBACK")


def test_the_same_deliveries_give_the_same_tables(build: Path) -> None:
    compared = 0
    with duck.connect(build / "one.duckdb", read_only=True) as con:
        con.execute(f"ATTACH '{build / 'two.duckdb'}' AS two (READ_ONLY)")
        for model in models.all_models():
            (differ,) = con.execute(
                f"SELECT count(*) FROM (FROM {model.full_name} EXCEPT ALL "
                f"FROM two.{model.full_name})"
            ).fetchall()
            assert differ == (0,), model.full_name
            compared += con.execute(f"SELECT count(*) FROM {model.full_name}").fetchall()[0][0]
    assert compared > 10000


def test_published_columns_have_allowed_types_and_definitions(con: duck.Connection) -> None:
    described = models.column_descriptions()
    found = con.execute(
        "SELECT schema_name, table_name, column_name, data_type FROM duckdb_columns() "
        "WHERE schema_name IN ('mart', 'meta', 'public')"
    ).fetchall()
    assert len(found) > 100
    for schema, name, column, kind in found:
        where = f"{schema}.{name}.{column}"
        assert kind in ALLOWED or kind in ("DECIMAL(18,2)", "DECIMAL(18,3)"), where
        assert column in described, where
        assert "exporter_key" not in column and "exporter_name" not in column


def test_grain_is_unique_and_filled_in_every_table(con: duck.Connection) -> None:
    for model in models.all_models():
        rows = con.execute(f"SELECT count(*) FROM {model.full_name}").fetchall()
        if not model.grain:
            assert rows == [(1,)], model.full_name
            continue
        keys = ", ".join(model.grain)
        empty = " OR ".join(f"{column} IS NULL" for column in model.grain)
        query = f"SELECT {keys} FROM {model.full_name} GROUP BY ALL HAVING count(*) > 1 OR {empty}"
        assert con.execute(query).fetchall() == [], model.full_name


def test_the_public_face_has_the_columns_of_the_office_s(con: duck.Connection) -> None:
    def columns(schema: str, name: str) -> list[tuple[str, str]]:
        return con.execute(
            "SELECT column_name, data_type FROM duckdb_columns() WHERE schema_name = ? AND "
            "table_name = ? ORDER BY column_index",
            [schema, name],
        ).fetchall()

    for name in ("region", "period", "region_month", "growth_ranking", "rule_sensitivity"):
        assert columns("mart", name)
        assert columns("public", name) == columns("mart", name)
    for name in ("delivery", "ledger"):
        assert not [column for column, _ in columns("public", name) if column.endswith("_usd")]


def test_unsafe_values_are_hidden_and_totals_stay(con: duck.Connection) -> None:
    query = """SELECT region_code, max(fob_usd) IS NOT NULL, min(suppression), max(suppression)
        FROM public.region_month WHERE basis = 'domicile' AND month = DATE '2024-02-01'
            AND region_code IN ('3201', '3202', '3216', '3271') GROUP BY ALL ORDER BY ALL"""
    assert con.execute(query).fetchall() == [
        ("3201", True, "none", "none"),
        ("3202", True, "none", "none"),  # nothing exported: a zero gives nobody away
        ("3216", False, "primary", "primary"),  # two firms
        ("3271", False, "primary", "primary"),  # one
    ]
    ((total, counted),) = con.execute(
        """SELECT (SELECT fob_usd FROM public.control_total WHERE basis = 'domicile'
                AND scope_code = '32' AND month = DATE '2024-02-01'),
            (SELECT sum(fob_usd) FROM core.exporter_month WHERE month = DATE '2024-02-01')"""
    ).fetchall()
    assert total == counted > 0


def test_what_flagged_or_set_aside_value_would_change_is_not_public(con: duck.Connection) -> None:
    query = "SELECT DISTINCT eligibility_rule FROM {}.rule_sensitivity"
    rules = [{row[0] for row in con.execute(query.format(schema)).fetchall()}
             for schema in ("mart", "public")]  # fmt: skip
    assert rules[0] - rules[1] == {"without flagged", "with quarantined"}
    assert len(rules[1]) == 6


def test_labels(con: duck.Connection) -> None:
    labels = {row[:2]: row[2:] for row in con.execute(
        "SELECT period_kind, period_end::VARCHAR, label_en, label_id FROM mart.period"
    ).fetchall()}  # fmt: skip
    assert labels["month", "2023-05-31"] == ("May 2023", "Mei 2023")
    assert labels["quarter", "2023-06-30"] == ("Q2 2023", "Triwulan II 2023")
    assert labels["ytd", "2023-08-31"] == ("January–August 2023", "Januari–Agustus 2023")
    assert labels["ytd", "2024-01-31"] == ("January 2024", "Januari 2024")
    assert labels["year", "2023-12-31"] == ("2023", "2023")
    assert labels["r12m", "2024-02-29"] == (
        "12 months to February 2024",
        "12 bulan hingga Februari 2024",
    )
