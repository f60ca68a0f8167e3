"""Rank: the SQL against plain Python on generated cases, and a whole build looked over."""

from collections import Counter
from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from operator import attrgetter
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, seed
from hypothesis import settings as bounded

import reference
from golden import fourteen_months, result, table
from pipeline import duck, load, models, public, rank, settings
from worlds import FIRST, REGIONS, RULES, ranked_by_sql, worlds


def test_the_ranking_is_what_plain_python_makes_of_it() -> None:
    seen: Counter[str] = Counter()

    @seed(4)  # not derandomize, whose worlds change with every letter of this function
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
                "eligibility_rule, region_code, tied_regions, eligible_regions "
                "FROM mart.rule_sensitivity"
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
            seen["back again"] += (want["new_exporters"] or 0) > (want["first_ever_exporters"] or 0)
            seen["negative total"] += want["fob_usd"] < 0
            seen["official"] += key[0] == "official" and want["is_ranked"]
            seen["blank"] += key[0] == "official" and want["growth_status"] == "incomplete"
        seen["all unallocated"] += all(row["domicile"].endswith("99") for row in world.rows)
        firsts = reference.sensitivity(expected)
        for key, (first, *_) in firsts.items():
            if key[6] in ("without flagged", "with quarantined"):
                seen[key[6]] += first != firsts[(*key[:6], "with b = 0.1 %")][0]
        ranks = Counter((*key[:6], row["growth_pct_rank"]) for key, row in expected.items())
        seen["tied"] += sum(n > 1 for key, n in ranks.items() if key[-1])
        assert {row[:7]: row[7:] for row in tested} == firsts

    compare()
    # What was never met was never tested.
    assert seen.pop("all unallocated") > 0
    assert min(seen.values()) > 10, seen
    assert set(seen) == {
        "no_base", "unallocated", "incomplete", "no_trade", "new", "ceased", "few_exporters",
        "below_base", "concentrated", "ok", "moved", "tied", "without flagged", "with quarantined",
        "negative total", "official", "blank", "back again",
    }  # fmt: skip


def test_figures_of_trillions_are_ranked() -> None:
    # DuckDB keeps products of DECIMALs within 18 digits unless one factor is wider: 0.75 × US$ 13
    # billion overflowed, and no small figure showed it.
    months = [FIRST, FIRST + 12]
    rows = [
        {"exporter_key": f"{region}{firm}", "domicile": region, "issuer": region, "port": "IDTPP",
         "month": month, "fob_usd": Decimal("987654321098.76") * (1 + at * firm), "certificates": 1,
         "flagged_usd": Decimal(0), "hs_chapter": "94", "destination": "JP", "form": "B"}
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
            hidden = public.hidden(root / f"{name}.duckdb", None)
            with duck.connect(root / f"{name}.duckdb") as con:
                public.note(con, hidden)
                models.materialise(con, "public")
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
        for model in filter(attrgetter("is_kept"), models.all_models()):
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
    for model in filter(attrgetter("is_kept"), models.all_models()):
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
