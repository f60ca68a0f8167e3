"""How much growth was revised: as releases said it at some ages of a period, and as it is now.

Read from the internal releases that are kept; where none was in force then, nothing is said.
"""

from collections import defaultdict
from datetime import datetime, time, timedelta
from pathlib import Path
from typing import Any

from pipeline import duck, releases, seeds, store, vintages
from pipeline.messages import Problem
from pipeline.periods import Month, months_to_base
from pipeline.rankings import Question, Row

LAGS = (1, 3, 6, 12)  # months after the period's end
RANKING = """basis = $basis AND scope_code = $scope_code AND league = $league
    AND period_kind = $period_kind AND baseline = $baseline"""


def triangle(question: Question, region_code: str | None = None) -> tuple[list[Row], list[Row]]:
    """Growth of each region and period at each lag, in per cent; and how it was revised since.

    Grain: period_end, region_code; `growth_pct_<lag>` is what was shown on the last day of the
    lag's month, NULL when nothing was. The second list has a row per lag: mean and mean absolute
    revision (now − then, percentage points) over what was ranked then and is now, all regions.
    Raises Problem `nothing_published`, `no_ranking`.
    """
    asked = {name: value for name, value in vars(question).items() if name != "period_end"}
    more = " AND period_end = $period_end" if question.period_end else ""
    facts = asked | ({"period_end": question.period_end} if more else {})
    with duck.connect(releases.database("internal"), read_only=True) as con:
        now = duck.rows(
            con,
            "SELECT period_end, region_code, region_name, is_ranked, maturity, growth_pct "
            f"FROM mart.growth_ranking WHERE {RANKING}{more} ORDER BY period_end, region_code",
            facts,
        )
    if not now:
        raise Problem("no_ranking", wanted=", ".join(f"{k}={v}" for k, v in facts.items()))
    ends = sorted({row["period_end"] for row in now})
    wanted = {(end, lag): _evening(Month.of(end).plus(lag)) for end in ends for lag in LAGS}
    known = _known(wanted, asked)
    revised: dict[int, list[float]] = {lag: [] for lag in LAGS}
    for row in now:
        for lag in LAGS:
            then = known.get((row["period_end"], lag), {}).get(row["region_code"])
            row[f"growth_pct_{lag}"] = then and then["growth_pct"]
            if then and then["is_ranked"] and row["is_ranked"]:
                revised[lag].append(row["growth_pct"] - then["growth_pct"])
    rows = [row for row in now if region_code in (None, row["region_code"])]
    if not rows:
        raise Problem("no_region", region_code=region_code, scope_code=question.scope_code)
    return rows, [_summed(lag, pairs) for lag, pairs in revised.items()]


def add_same_age(rows: list[Row]) -> None:
    """Add base_same_age_usd and growth_same_age_pct to the rows of one internal ranking.

    The base is taken from the release that was in force when it was as old as the period is now:
    young figures are held against figures that were as young. NULL where no such release is kept,
    and of periods that are final.
    """
    first = rows[0]
    shift = months_to_base(first["period_kind"], first["baseline"])
    known: dict[str, Row] = {}
    if shift and first["maturity"] != "final":
        base_end = Month.of(first["period_end"]).plus(-shift).last_day
        then = store.now() - (first["period_end"] - base_end)
        names = ("basis", "scope_code", "league", "period_kind", "baseline")
        asked = {name: first[name] for name in names}
        known = _known({(base_end, 0): then}, asked).get((base_end, 0), {})
    for row in rows:
        base = known.get(row["region_code"], {}).get("fob_usd")
        row["base_same_age_usd"] = base
        row["growth_same_age_pct"] = (
            100.0 * float(row["fob_usd"] - base) / float(base) if base else None
        )


def _evening(month: Month) -> datetime:
    """The end of the month's last day in the country."""
    return datetime.combine(
        month.last_day + timedelta(days=1), time(), tzinfo=seeds.time_zone()
    ) - timedelta(microseconds=1)


def _known(wanted: dict[tuple[Any, int], datetime], asked: Row) -> dict[Any, dict[str, Row]]:
    """By period and lag, what the release in force at a moment that has passed said of regions."""
    past = {key: moment for key, moment in wanted.items() if moment <= store.now()}
    by_file: dict[Path, list[Any]] = defaultdict(list)
    found = vintages.releases_at(list(past.values()))
    for key, release in zip(past, found, strict=True):
        if release:
            folder = releases.folder_of("internal", release["release_id"])
            by_file[folder / releases.DATABASE].append(key)
    known: dict[Any, dict[str, Row]] = {}
    for file, keys in by_file.items():
        with duck.connect(file, read_only=True) as con:
            rows = duck.rows(
                con,
                "SELECT period_end, region_code, fob_usd, growth_pct, is_ranked "
                f"FROM mart.growth_ranking WHERE {RANKING} AND list_contains($ends, period_end)",
                asked | {"ends": sorted({end for end, _ in keys})},
            )
        for key in keys:
            known[key] = {r["region_code"]: r for r in rows if r["period_end"] == key[0]}
    return known


def _summed(lag: int, revised: list[float]) -> Row:
    count = len(revised)
    return {
        "lag_months": lag,
        "compared": count,
        "mean_revision_pp": sum(revised) / count if count else None,
        "mean_absolute_revision_pp": sum(map(abs, revised)) / count if count else None,
    }
