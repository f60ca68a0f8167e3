"""A public file is attacked: leaks of each kind are planted in a sound one, and found."""

import json
import shutil
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path

import pytest

from golden import fourteen_months
from pipeline import drivers, duck, export, load, public, rank, settings, suites
from pipeline.figures import Rule
from pipeline.messages import Problem

RELEASE = {"release_id": "r", "audience": "public", "build_id": "b", "is_synthetic": True}
# 3271 is one firm's, 3216 two firms': nothing of theirs is safe in any month.
OURS = "basis = 'domicile' AND region_code = '3271'"
TRUE = "t.basis = 'domicile' AND t.region_code = '3271'"
PLANTED = {
    "a value": "UPDATE mart.region_month SET fob_usd = t.fob_usd FROM truth.mart.region_month AS t "
    "WHERE t.basis = region_month.basis AND t.region_code = region_month.region_code "
    f"AND t.month = region_month.month AND {TRUE} AND t.month = DATE '2024-01-01'",
    "differences of totals": "UPDATE mart.region_month SET fob_usd = t.fob_usd "
    "FROM truth.mart.region_month AS t WHERE t.basis = region_month.basis "
    "AND t.region_code = region_month.region_code AND t.month = region_month.month "
    "AND t.basis = 'domicile' AND t.region_code <> '3271'",
}
COLUMNS = {
    "ytd less ytd": ("fob_usd", "period_kind = 'ytd'"),
    "r12m less r12m": ("fob_usd", "period_kind = 'r12m'"),
    "growth in US$ beside last year's": ("growth_usd, base_fob_usd", "period_kind = 'quarter'"),
    "growth times last year's": ("growth_pct, base_fob_usd", "period_kind = 'month'"),
    "yearly growth times last year's": ("growth_pct_yearly, base_fob_usd", "period_kind = 'month'"),
    "symmetric rate of last year's": ("symmetric_rate, base_fob_usd", "period_kind = 'month'"),
    "contribution": ("contribution_pp, base_fob_usd", "period_kind = 'month'"),
    "share": ("share_pct", "period_kind = 'month'"),
}
RANKING_KEY = "basis, scope_code, league, period_kind, period_end, baseline, region_code"
for name, (columns, kind) in COLUMNS.items():
    sets = ", ".join(f"{one} = t.{one}" for one in columns.split(", "))
    same = " AND ".join(f"t.{one} = growth_ranking.{one}" for one in RANKING_KEY.split(", "))
    PLANTED[name] = (
        f"UPDATE mart.growth_ranking SET {sets} FROM truth.mart.growth_ranking AS t "
        f"WHERE {same} AND {TRUE} AND t.{kind}"
    )


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


@pytest.fixture
def plant(made: tuple[Path, Path], tmp_path: Path) -> Callable[[str], Path]:
    """Change a copy of the public file; `truth` is the build."""

    def change(sql: str) -> Path:
        file = shutil.copy(made[1], tmp_path / "planted.duckdb")
        with duck.connect(file) as con:
            con.execute(f"ATTACH '{made[0]}' AS truth (READ_ONLY)")
            changed = con.execute(sql).fetchall()[0][0]
            assert changed > 0, "nothing was planted"
        return Path(file)

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
def test_a_planted_leak_is_found(
    kind: str, made: tuple[Path, Path], plant: Callable[[str], Path]
) -> None:
    with pytest.raises(Problem, match="leak") as raised:
        public.audit(made[0], plant(PLANTED[kind]), None)
    assert "32" in raised.value.facts["figures"]


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


def test_two_public_releases_together(made: tuple[Path, Path], tmp_path: Path) -> None:
    """Each is silent about 3271; one shows ytd to January, the next ytd to February."""
    build, file = made
    last = Path(shutil.copy(file, tmp_path / "last.duckdb"))
    same = " AND ".join(f"t.{one} = growth_ranking.{one}" for one in RANKING_KEY.split(", "))
    show = (
        "UPDATE mart.growth_ranking SET fob_usd = t.fob_usd FROM truth.mart.growth_ranking AS t "
        f"WHERE {same} AND {TRUE} AND t.period_kind = 'ytd' AND t.period_end = "
    )
    now = Path(shutil.copy(file, tmp_path / "now.duckdb"))
    # As if both sums were safe: what is protected is the month between them.
    calm = Path(shutil.copy(build, tmp_path / "calm.duckdb"))
    with duck.connect(calm) as con:
        con.execute(
            f"UPDATE core.region_span SET is_unsafe = false WHERE {OURS} "
            "AND (period_kind <> 'month' OR period_end < '2024-02-01')"
        )
        con.execute(f"UPDATE core.exporter_region_month SET exporter_key = 'x' WHERE {OURS}")
    for shown, end in ((last, "2024-01-31"), (now, "2024-02-29")):
        with duck.connect(shown) as con:
            con.execute(f"ATTACH '{build}' AS truth (READ_ONLY)")
            assert con.execute(f"{show} DATE '{end}'").fetchall()[0][0] > 0
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
    "hidden_winner_unnamed": "UPDATE mart.rule_sensitivity SET region_code = '3271', "
    "suppression = 'primary'",
    "drivers_add_up_to_what_is_shown": "UPDATE mart.growth_driver SET fob_usd = fob_usd + 0.01",
    "first_place_is_ranked": "UPDATE mart.first_place SET region_code = '3202'",
}


@pytest.mark.parametrize("rule", BREAKS)
def test_a_rule_of_the_public_suite_speaks(rule: str, plant: Callable[[str], Path]) -> None:
    path = settings.settings().expectations / "public.json"
    found = {one["meta"]["rule"]: one for one in json.loads(path.read_text())["expectations"]}
    assert set(found) == set(BREAKS)
    one = found[rule]
    query = one["kwargs"]["unexpected_rows_query"].format(batch=one["meta"]["table"])
    with duck.connect(plant(BREAKS[rule]), read_only=True) as con:
        assert con.execute(query).fetchall() != []
