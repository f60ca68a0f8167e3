"""A public file is attacked: leaks of each kind are planted in a sound one, and found."""

import json
import math
import shutil
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path

import pytest

from golden import fourteen_months
from pipeline import drivers, duck, export, load, public, rank, settings, statements, suites
from pipeline.figures import Rule
from pipeline.messages import Problem

RELEASE = {"release_id": "r", "audience": "public", "build_id": "b", "is_synthetic": True}
# Of 3271 nothing is shown in a sound file. In a `calm` build all is safe but its February 2024.
OURS = "basis = 'domicile' AND region_code = '3271'"
KEY = ["basis", "scope_code", "league", "period_kind", "period_end", "baseline", "region_code"]


def growth(columns: str, kind: str, end: str, baseline: str = "prev_year") -> str:
    """SQL that shows columns of 3271's growth, taken from `truth`."""
    sets = ", ".join(f"{one} = t.{one}" for one in columns.split())
    same = " AND ".join(f"t.{one} = growth_ranking.{one}" for one in KEY)
    return (
        f"UPDATE mart.growth_ranking SET {sets} FROM truth.mart.growth_ranking AS t WHERE {same} "
        "AND t.basis = 'domicile' AND t.region_code = '3271' "
        f"AND t.period_kind = '{kind}' AND t.period_end = '{end}' AND t.baseline = '{baseline}'"
    )


def month(region_code: str, first_day: str) -> str:
    return (
        "UPDATE mart.region_month SET fob_usd = t.fob_usd FROM truth.mart.region_month AS t "
        "WHERE t.basis = region_month.basis AND t.region_code = region_month.region_code "
        "AND t.month = region_month.month AND t.basis = 'domicile' "
        f"AND t.region_code = '{region_code}' AND t.month = '{first_day}'"
    )


def first(sets: str) -> str:
    """SQL that says who is first under the rule `none` where February 2024 is ranked."""
    return (
        f"UPDATE mart.rule_sensitivity SET {sets} WHERE basis = 'domicile' AND scope_code = '32' "
        "AND league = 'all' AND period_kind = 'month' AND period_end = '2024-02-29' "
        "AND baseline = 'prev_year' AND eligibility_rule = 'none'"
    )


FEBRUARY, LAST_YEAR = "2024-02-29", growth("base_fob_usd", "month", "2024-02-29")
# Kind of leak: what may be shown, and what together with it gives February 2024 away.
PLANTED: dict[str, tuple[list[str], str]] = {
    "a value": ([month("3271", "2024-01-01")], month("3271", "2024-02-01")),
    "difference of totals": ([month("3216", "2024-01-01")], month("3216", "2024-02-01")),
    "ytd less ytd": ([growth("fob_usd", "ytd", "2024-01-31")], growth("fob_usd", "ytd", FEBRUARY)),
    "r12m less r12m": (
        [growth("fob_usd", "r12m", "2024-01-31"), month("3271", "2023-02-01")],
        growth("fob_usd", "r12m", FEBRUARY),
    ),
    "growth in US$ beside last year": ([LAST_YEAR], growth("growth_usd", "month", FEBRUARY)),
    "growth times last year": ([LAST_YEAR], growth("growth_pct", "month", FEBRUARY)),
    "yearly growth": ([LAST_YEAR], growth("growth_pct_yearly", "month", FEBRUARY)),
    "symmetric rate": ([LAST_YEAR], growth("symmetric_rate", "month", FEBRUARY)),
    "contribution": ([LAST_YEAR], growth("contribution_pp", "month", FEBRUARY)),
    "share": ([LAST_YEAR], growth("share_pct", "month", FEBRUARY)),
    "first under another rule": (
        [LAST_YEAR],
        first("region_code = '3271', growth_pct = -100 / 3."),
    ),
    # It fell by a third itself, so this leaves it at most US$ 16,800 of 16,000.
    "slower than the first": ([LAST_YEAR], first("region_code = '3276', growth_pct = -30")),
}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, Path]]:
    """A build and the public file of it."""
    root = tmp_path_factory.mktemp("public")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("IPSKA_HOME", str(root / "data"))
        settings.settings.cache_clear()
        with duck.connect(root / "build.duckdb") as con:
            load.load(con, fourteen_months(), {"eska": "2023-01"})
            rank.rank(con)
            con.execute("CREATE TABLE meta.check_result (rule_name VARCHAR)")
        publish(root / "build.duckdb", root / "ekspor.duckdb")
        yield root / "build.duckdb", root / "ekspor.duckdb"
    settings.settings.cache_clear()


def publish(build: Path, file: Path, last: public.Last | None = None) -> public.Hidden:
    hidden = public.hidden(build, last)
    export.write_database(build, file, "public", RELEASE, hidden)
    return hidden


@pytest.fixture(scope="module")
def calm(made: tuple[Path, Path]) -> Path:
    build = Path(shutil.copy(made[0], made[0].with_name("calm.duckdb")))
    with duck.connect(build) as con:
        con.execute(
            f"UPDATE core.region_span SET is_unsafe = ({OURS} AND period_kind = 'month' "
            f"AND period_end = '{FEBRUARY}')"
        )
        con.execute(  # many firms wherever there was one: what is left of a sum is safe
            "CREATE OR REPLACE TABLE core.exporter_region_month AS SELECT * REPLACE "
            "(exporter_key || n AS exporter_key, (fob_usd / 5)::DECIMAL(18, 2) AS fob_usd) "
            "FROM core.exporter_region_month CROSS JOIN range(5) AS firm (n)"
        )
        con.execute(  # of Kota Depok's 20 firms one alone exports chapter 61, four chapter 64
            "CREATE OR REPLACE TABLE core.exporter_month AS SELECT * REPLACE "
            "(exporter_key || n AS exporter_key, (fob_usd / 5)::DECIMAL(18, 2) AS fob_usd, "
            "CASE WHEN exporter_key NOT LIKE '%32760009' THEN hs_chapter WHEN n = 0 THEN '61' "
            "ELSE '64' END AS hs_chapter) FROM core.exporter_month CROSS JOIN range(5) AS firm (n)"
        )
    return build


@pytest.fixture
def plant(made: tuple[Path, Path], tmp_path: Path) -> Callable[..., Path]:
    """Change a copy of the public file; `truth` is the build."""

    def change(*statements: str, name: str = "planted") -> Path:
        file = Path(shutil.copy(made[1], tmp_path / f"{name}.duckdb"))
        with duck.connect(file) as con:
            con.execute(f"ATTACH '{made[0]}' AS truth (READ_ONLY)")
            for sql in statements:
                assert con.execute(sql).fetchall()[0][0] > 0, f"nothing was planted: {sql}"
        return file

    return change


def test_a_sound_file_passes_both_gates(made: tuple[Path, Path]) -> None:
    build, file = made
    public.audit(build, file, None)
    assert all(check.passed for check in suites.run_suite("public", file))
    with duck.connect(file, read_only=True) as con:
        kinds = dict(con.execute(
            "SELECT suppression, count(*) FROM mart.growth_ranking WHERE basis = 'domicile' "
            "GROUP BY ALL"
        ).fetchall())  # fmt: skip
        newest = con.execute(
            "SELECT count(*), count(growth_pct_rank), count(fob_usd), count(base_fob_usd) "
            "FROM mart.growth_ranking WHERE basis = 'domicile' AND scope_code = '32' AND "
            "league = 'all' AND period_kind = 'ytd' AND period_end = '2024-02-29' "
            "AND baseline = 'prev_year' AND growth_status = 'ok'"
        ).fetchall()[0]
    assert set(kinds) >= {"none", "primary"}
    assert newest[0] > 0 and len(set(newest)) == 1, "a ranked region's newest ytd always stands"


@pytest.mark.parametrize("kind", PLANTED)
def test_a_planted_leak_is_found(kind: str, calm: Path, plant: Callable[..., Path]) -> None:
    """And nothing is cried out over what may be shown."""
    harmless, leak = PLANTED[kind]
    public.audit(calm, plant(*harmless), None)
    with pytest.raises(Problem, match="leak") as raised:
        public.audit(calm, plant(*harmless, leak), None)
    assert raised.value.facts["figures"].startswith(f"3271 month {FEBRUARY}")


def test_what_is_unsafe_itself_is_found(
    made: tuple[Path, Path], plant: Callable[..., Path]
) -> None:
    with pytest.raises(Problem, match="leak"):
        public.audit(made[0], plant(LAST_YEAR), None)


def test_what_a_rank_says_of_a_hidden_growth() -> None:
    """Third by rate, first by US$: 20 to 30 %, above 50 US$, with a base of at least 100."""
    key = dict.fromkeys(statements.RANKING, "x") | {"period_kind": "ytd", "period_end": "now"}
    rows: list[statements.Row] = [
        {**key, "region_code": code, "base_end": "then", "growth_pct_rank": place,
         "growth_usd_rank": other, "growth_pct": rate, "growth_usd": usd, "least_base_usd": 100.0}
        for code, place, other, rate, usd in (
            ("A", 1, 2, 40.0, 50.0), ("B", 2, 3, 30.0, 40.0), ("C", 3, 1, None, None),
            ("D", 4, 4, 20.0, 30.0))
    ]  # fmt: skip
    now, base = ("C", "ytd", "now"), ("C", "ytd", "then")
    assert [(one.weights, one.low, one.high) for one in statements.of_ranks(rows)] == [
        ({base: 1.0}, 100.0, math.inf),
        ({now: 1.0, base: -1.0}, 50.0, math.inf),
        ({now: 1.0, base: -1.3}, -math.inf, 0.0),
        ({now: 1.0, base: -1.2}, 0.0, math.inf),
    ]


def test_what_other_rules_say_of_a_hidden_region() -> None:
    """It had US$ 500, just what the rule asks for; the floor is 100."""
    row: statements.Row = dict.fromkeys(statements.RANKING, "x") | {
        "eligibility_rule": "with b = 1 %", "region_code": "C", "scope_code": "S",
        "period_kind": "ytd", "period_end": "now", "base_end": "then", "first_pct": 30.0,
        "is_first": False, "is_slower": True, "first_base_usd": 700.0, "is_sided": True,
        "base_usd": 500.0, "floor_usd": 100.0, "base_share_pct": 1.0, "scope_base_usd": 50_000.0,
    }  # fmt: skip
    now, base, total = ("C", "ytd", "now"), ("C", "ytd", "then"), ("S", "ytd", "then")

    def said(*shown: statements.Span, **changes: object) -> list[object]:
        found = statements._tested(row | changes, set(shown))
        return [(one.weights, one.low, one.high) for one in found]

    slower = ({now: 1.0, base: -1.3}, -math.inf, 0.0)
    assert said(total) == [slower, ({base: 1.0}, 500.0, math.inf)]
    assert said(total, base_usd=499.0) == [slower, ({base: 1.0}, -math.inf, 500.0)]
    assert said(total, is_sided=False) == [slower]
    assert said(total, is_slower=False, is_sided=False) == []
    assert said(total, is_first=True, is_sided=False) == [
        ({now: 1.0, base: -1.3}, None, None),
        ({base: 1.0}, None, None),
    ]
    assert said(is_slower=False)[1] == ({base: 1.0, total: -0.01}, 0.0, math.inf)
    assert said(is_slower=False, base_usd=499.0)[1] == (
        {base: 1.0, total: -0.01}, -math.inf, 0.0,
    )  # fmt: skip
    assert len(said(is_slower=False, base_usd=99.0)) == 1, "the floor may be why"


def test_which_rankings_are_without_ranks(made: tuple[Path, Path]) -> None:
    """Those in which a place, or none for want of a base, would tell of what is hidden."""
    where = "basis = 'domicile' AND region_code = '3216'"
    then, month = date(2023, 2, 28), ("32", "all", "month", date(2024, 2, 29), "prev_year")

    def without(*hidden: statements.Span) -> set[tuple[object, ...]]:
        rows = public._without_ranks(con, "domicile", set(hidden))
        assert not rows or set(rows[0]) == set(statements.RANKING)
        return {tuple(row.values())[1:] for row in rows}

    with duck.connect(made[0]) as con:
        con.execute("BEGIN")
        con.execute(f"UPDATE core.ranking SET growth_status = 'few_exporters' WHERE {where}")
        assert month not in without(("3216", "month", then))
        con.execute(f"UPDATE core.ranking SET growth_status = 'below_base' WHERE {where}")
        assert month in without(("3216", "month", then))
        assert month not in without(("3216", "month", date(2024, 2, 29)))
        assert month in without(("3201", "month", date(2024, 2, 29)))
        assert month in without(("32", "month", then))
        # The headline keeps its ranks: of the newest ytd no ranked region is ever hidden.
        ytd = without(("3216", "ytd", then))
        assert {one[0] for one in ytd} == {"ID"}
        # Also beside a hidden base of the scope, unless a place bounds that to p %.
        headline = ("32", "all", "ytd", date(2024, 2, 29), "prev_year")
        assert month in without(("32", "month", then))
        for factor, is_told in ((1.12, True), (1.08, False), (0.92, False), (0.88, True)):
            con.execute(
                "UPDATE core.ranking SET base_fob_usd = scope_base_usd * base_share_pct / 100 * "
                f"{factor} FROM core.setting WHERE {where} AND period_kind = 'ytd'"
            )
            assert (headline not in without(("32", "ytd", then))) == is_told, factor
        con.execute("ROLLBACK")


def test_beside_a_hidden_base_of_the_scope_no_place_is_told(
    made: tuple[Path, Path], tmp_path: Path
) -> None:
    then = date(2023, 2, 28)
    span = dict(zip(public.SPAN, ("domicile", "32", "month", then, "complementary"), strict=True))
    with duck.connect(made[0], read_only=True) as con:
        rankings = public._without_ranks(con, "domicile", {("32", "month", then)})
    hidden = public.Hidden([span], rankings)
    export.write_database(made[0], tmp_path / "e.duckdb", "public", RELEASE, hidden)
    with duck.connect(tmp_path / "e.duckdb", read_only=True) as con:
        where = (
            "basis = 'domicile' AND scope_code = '32' AND period_kind = 'month' "
            "AND period_end = '{}' AND baseline = 'prev_year'"
        )
        said = (
            "SELECT count(*) FILTER (growth_status IN ('ok', 'below_base')), "
            "count(*) FILTER (growth_status = 'withheld' AND fob_usd IS NOT NULL), "
            "count(growth_pct_rank), count(*) FILTER (is_ranked) FROM mart.growth_ranking WHERE "
        )
        assert con.execute(said + where.format(FEBRUARY)).fetchall() == [(0, 4, 0, 0)]
        assert con.execute(said + where.format("2024-01-31")).fetchall() == [(4, 0, 4, 4)]
        rules = (
            "SELECT count(eligible_regions), count(region_code) FROM mart.rule_sensitivity WHERE "
        )
        assert con.execute(rules + where.format(FEBRUARY)).fetchall() == [(0, 0)]
        ((eligible, named),) = con.execute(rules + where.format("2024-01-31")).fetchall()
        assert eligible == 18 and named > 0


RULE = Rule(min_exporters=3, dominance_share_pct=75, p_pct=10)
EARLY, LATE = (frozenset({date(2024, month, 1) for month in range(1, last)}) for last in (9, 10))


def goods(**items: dict[str, float]) -> drivers.Items:
    """Each item's exporters, with so much in August; `x9` means: in September."""
    found: drivers.Items = {}
    for item, firms in items.items():
        months: dict[date, dict[str, float]] = {date(2024, 8, 1): {}, date(2024, 9, 1): {}}
        for firm, usd in firms.items():
            months[date(2024, 9 if firm.endswith("9") else 8, 1)][firm[:-1]] = usd
        found[item] = months
    return found


MANY = {"a8": 50.0, "b8": 40.0, "c8": 30.0, "d8": 20.0}


def leaks(items: drivers.Items, *told: drivers.Told, before: tuple[drivers.Told, ...] = ()) -> int:
    return len(drivers.leaks("32", "hs_chapter", items, told, RULE, items, before))


def test_a_drivers_last_missing_cell_is_found() -> None:
    """One firm's chapter among safe ones: told all others, its value is the rest of the total."""
    items = goods(A=MANY, B={"e8": 70.0}, C=MANY, D=MANY)
    assert leaks(items, (LATE, frozenset("ACD"))) > 0
    assert leaks(items, (LATE, frozenset("AC"))) == 0
    assert leaks(items, (LATE, frozenset("ABCD"))) > 0
    assert drivers._listed(items, [LATE], RULE) == ["A", "C"]


def test_drivers_of_two_releases_together() -> None:
    """Each is silent about September, in which chapter A is one firm's."""
    items = goods(A=MANY | {"e9": 9.0}, B=MANY | {"f9": 9.0}, C=MANY | {"g9": 9.0, "h9": 8.0})
    early, late = (EARLY, frozenset("A")), (LATE, frozenset("A"))
    assert leaks(items, early) == leaks(items, late) == 0
    assert leaks(items, late, before=(early,)) > 0
    assert leaks(items, (LATE, frozenset("B")), before=(early,)) == 0


def test_months_that_the_same_periods_hold_are_one_piece() -> None:
    """EARLY ends in August and LATE in September: what is told never takes the others apart."""
    pieces = drivers._pieces({EARLY, LATE})
    assert pieces == dict.fromkeys(EARLY, date(2024, 1, 1)) | {date(2024, 9, 1): date(2024, 9, 1)}


def driver(item: str, part: float) -> str:
    """SQL that tells an item of Kota Depok's chapters, worth a part of what 94 is."""
    value = f"({part} * fob_usd)::DECIMAL(18, 2) AS fob_usd"
    return (
        f"INSERT INTO mart.growth_driver SELECT * REPLACE ('{item}' AS item_code, {value}) "
        "FROM mart.growth_driver WHERE basis = 'domicile' AND region_code = '3276' "
        "AND dimension = 'hs_chapter' AND item_code = '94'"
    )


def test_a_file_that_tells_a_drivers_last_missing_item_is_stopped(
    calm: Path, plant: Callable[..., Path]
) -> None:
    """Chapter 61 is one firm's: with 64 told beside 94, `others` is that firm."""
    others, all_but_one = driver("others", 0.3), driver("64", 0.25)
    lowered = "UPDATE mart.growth_driver SET fob_usd = fob_usd / 6 WHERE item_code = 'others'"
    sound = plant(others, name="sound")
    public.audit(calm, sound, None)
    telling = plant(others, all_but_one, lowered)
    for file, last in ((telling, None), (sound, (telling, calm))):
        with pytest.raises(Problem, match="leak") as raised:
            public.audit(calm, file, last)
        assert raised.value.facts["figures"].startswith("3276 hs_chapter 61 2024-01")


def test_two_public_releases_together(calm: Path, plant: Callable[..., Path]) -> None:
    """Each is silent about February; one shows ytd to January, the next ytd to February."""
    last = plant(growth("fob_usd", "ytd", "2024-01-31"), name="last")
    now = plant(growth("fob_usd", "ytd", FEBRUARY), name="now")
    public.audit(calm, last, None)
    public.audit(calm, now, None)
    with pytest.raises(Problem, match="leak"):
        public.audit(calm, now, (last, calm))


def test_what_the_last_release_told_is_minded(made: tuple[Path, Path], tmp_path: Path) -> None:
    """The next release hides so that both together are silent."""
    build, file = made
    hidden = publish(build, tmp_path / "next.duckdb", (file, build))
    public.audit(build, tmp_path / "next.duckdb", (file, build))
    assert hidden.spans


BREAKS = {
    "hidden_growth_says_nothing": "UPDATE mart.growth_ranking SET new_exporters = 1 "
    "WHERE suppression = 'primary'",
    "ranks_have_no_holes": "UPDATE mart.growth_ranking SET growth_pct_rank = NULL "
    "WHERE growth_pct_rank = 2",
    "nothing_of_parts": "UPDATE mart.growth_ranking SET shrunken_pct = 1",
    "hidden_month_says_nothing": "UPDATE mart.region_month SET exporters = 1 "
    "WHERE suppression = 'primary'",
    "hidden_total_says_nothing": "UPDATE meta.control_total SET suppression = 'primary'",
    "hidden_winner_unnamed": "UPDATE mart.rule_sensitivity SET eligible_regions = 3, "
    "suppression = 'none'",
    "drivers_add_up_to_what_is_shown": "UPDATE mart.growth_driver SET fob_usd = fob_usd + 0.01",
    "first_place_is_ranked": "UPDATE mart.first_place SET region_code = '3202'",
}


@pytest.mark.parametrize("rule", BREAKS)
def test_a_rule_of_the_public_suite_speaks(rule: str, plant: Callable[..., Path]) -> None:
    path = settings.settings().expectations / "public.json"
    found = {one["meta"]["rule"]: one for one in json.loads(path.read_text())["expectations"]}
    assert set(found) == set(BREAKS)
    one = found[rule]
    query = one["kwargs"]["unexpected_rows_query"].format(batch=one["meta"]["table"])
    with duck.connect(plant(BREAKS[rule]), read_only=True) as con:
        assert con.execute(query).fetchall() != []
