"""What the numbers and ranks of a public release say: linear statements about spans.

A span is a region's period. A statement is `low ≤ Σ weight · span ≤ high` in US$: a sum or a
difference says exactly one number, a rate says zero of its own combination, a rank gives limits.
"""

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline import duck

Span = tuple[str, str, Any]  # region_code, period_kind, period_end
Row = dict[str, Any]
RANKING = ("basis", "scope_code", "league", "period_kind", "period_end", "baseline")
# Rows that say something; what is zero on both sides has no cells.
SHOWN = """
    SELECT DISTINCT g.region_code, g.period_kind, g.period_end, s.base_end, g.scope_code,
        g.fob_usd::DOUBLE AS fob_usd, g.base_fob_usd::DOUBLE AS base_fob_usd,
        g.growth_usd::DOUBLE AS growth_usd, g.growth_pct, g.growth_pct_yearly, g.symmetric_rate,
        g.contribution_pp, g.share_pct, s.years
    FROM shown.mart.growth_ranking AS g
    JOIN core.region AS r USING (region_code)
    JOIN core.span_pair AS s USING (basis, region_set, period_kind, period_end, baseline)
    WHERE g.basis = ? AND (coalesce(g.fob_usd, 1) <> 0 OR coalesce(g.base_fob_usd, 1) <> 0)
    ORDER BY ALL
"""
MONTHS = """
    SELECT region_code, last_day(month) FROM shown.mart.region_month
    WHERE basis = $basis AND fob_usd IS NOT NULL
    UNION
    SELECT scope_code, last_day(month) FROM shown.meta.control_total
    WHERE basis = $basis AND fob_usd IS NOT NULL
    ORDER BY ALL
"""
# Who is first under each rule, and which rankings show places (`in force`), beside each member that
# this may tell something of: its figures are hidden, or its scope's base. is_sided: it is told
# whether the member's base is large enough; is_slower: that it grew no faster.
TESTED = """
    WITH line AS (
        SELECT {ranking}, eligibility_rule, base_share_pct, region_code AS first_code,
            growth_pct AS first_pct, base_fob_usd AS first_base_usd,
            eligible_regions + base_share_pct IS NOT NULL AS is_sided
        FROM shown.mart.rule_sensitivity
        UNION ALL
        SELECT {ranking}, 'in force', any_value(r.base_share_pct), NULL, NULL, NULL,
            count(growth_pct_rank) > 0
        FROM shown.mart.growth_ranking
        CROSS JOIN core.setting AS r
        GROUP BY ALL
    )
    SELECT {ranking}, l.eligibility_rule, k.region_code, s.base_end, l.first_pct,
        k.region_code = l.first_code AS is_first, l.first_base_usd,
        k.growth_pct <= l.first_pct + 1e-6 AS is_slower,
        NOT k.is_unsafe AND k.fob_usd <> 0
            AND least(k.exporters, k.base_exporters) >= r.min_exporters
            AND (l.is_sided
                OR l.eligibility_rule = 'in force' AND g.growth_status IN ('ok', 'below_base'))
            AS is_sided,
        k.base_fob_usd::DOUBLE AS base_usd, k.floor_usd::DOUBLE AS floor_usd,
        l.base_share_pct::DOUBLE AS base_share_pct, k.scope_base_usd::DOUBLE AS scope_base_usd
    FROM line AS l
    JOIN shown.mart.growth_ranking AS g USING ({ranking})
    JOIN core.ranking AS k USING ({ranking}, region_code)
    JOIN core.region AS n USING (region_code)
    JOIN core.span_pair AS s USING (basis, region_set, period_kind, period_end, baseline)
    CROSS JOIN core.setting AS r
    WHERE basis = $basis AND (NOT $is_last OR l.eligibility_rule = 'in force')
        AND k.is_complete AND NOT k.is_unallocated AND k.base_fob_usd > 0
        AND (g.suppression <> 'none' OR g.contribution_pp IS NULL)
    ORDER BY ALL
"""
# Ranked rows, with the base that a ranked region must reach.
RANKED = """
    SELECT {ranking}, g.region_code, s.base_end, g.growth_pct_rank, g.growth_usd_rank,
        g.growth_pct, g.growth_usd::DOUBLE AS growth_usd,
        greatest(k.floor_usd, 0.01 * r.base_share_pct * k.scope_base_usd)::DOUBLE AS least_base_usd
    FROM {table} AS g
    JOIN core.ranking AS k USING ({ranking}, region_code)
    JOIN core.region AS n USING (region_code)
    JOIN core.span_pair AS s USING (basis, region_set, period_kind, period_end, baseline)
    CROSS JOIN core.setting AS r
    WHERE basis = ? AND g.growth_pct_rank IS NOT NULL
    ORDER BY ALL
"""


@dataclass(frozen=True)
class Statement:
    """With a name by which an operator is told of it."""

    name: str
    weights: dict[Span, float]
    low: float | None = None  # both None: exactly what the spans are worth
    high: float | None = None


def ranked(con: duck.Connection, basis: str, table: str) -> list[Row]:
    """Ranked rows of core.ranking or of an attached file; `con` is their build."""
    query = RANKED.format(ranking=", ".join(RANKING), table=table)
    return duck.rows(con, query, [basis])


def of_file(
    con: duck.Connection, basis: str, file: Path, is_last: bool = False
) -> Iterator[Statement]:
    """All that a public ekspor.duckdb says of one basis; `con` is the build that it was made of.

    Of the last release without who is first under other rules: since nothing is told of that beside
    hidden values it says no more, and what was told before would stop every release to come.
    """
    con.execute(f"ATTACH {duck.literal(str(file))} AS shown (READ_ONLY)")
    rows = duck.rows(con, SHOWN, [basis])
    months = con.execute(MONTHS, {"basis": basis}).fetchall()
    places = ranked(con, basis, "shown.mart.growth_ranking")
    facts = {"basis": basis, "is_last": is_last}
    tested = duck.rows(con, TESTED.format(ranking=", ".join(RANKING)), facts)
    con.execute("DETACH shown")
    spans: set[Span] = {(region, "month", end) for region, end in months}
    for row in rows:
        spans |= set(_spans_shown(row))
    for span in sorted(spans, key=str):
        yield Statement(_named(span), {span: 1.0})
    for row in rows:
        for name, weights in _rates(row).items():
            if not set(weights) <= spans:  # else it says nothing that they don't
                yield Statement(f"{name} of {_named(_spans(row)[0])}", weights)
    yield from of_ranks(places)
    for row in tested:
        yield from _tested(row, spans)


def of_ranks(rows: Iterable[Row]) -> Iterator[Statement]:
    """What ranks say of regions whose growth is not shown (None in `rows`, as `ranked` gives them).

    Rate and growth lie between those of the nearest shown on both sides; the base reaches what is
    asked of a ranked region's.
    """
    rankings = defaultdict(list)
    for row in rows:
        rankings[tuple(row[name] for name in RANKING)].append(row)
    for ranking, members in rankings.items():
        shown = [row for row in members if row["growth_pct"] is not None]
        for row in members:
            if row["growth_pct"] is None:
                now = row["region_code"], row["period_kind"], row["period_end"]
                base = row["region_code"], row["period_kind"], row["base_end"]
                name = f"rank of {row['region_code']} in {' '.join(map(str, ranking))}"
                for weights, low, high in _limits(row, shown, now, base):
                    yield Statement(name, weights, low, high)


def _limits(
    row: Row, shown: list[Row], now: Span, base: Span
) -> Iterator[tuple[dict[Span, float], float, float]]:
    yield {base: 1.0}, row["least_base_usd"], math.inf
    place = row["growth_usd_rank"]
    over = [one["growth_usd"] for one in shown if one["growth_usd_rank"] <= place]
    under = [one["growth_usd"] for one in shown if one["growth_usd_rank"] >= place]
    yield (
        {now: 1.0, base: -1.0},
        max(under, default=-math.inf),
        min(over, default=math.inf),
    )
    place = row["growth_pct_rank"]
    rates = [one["growth_pct"] for one in shown if one["growth_pct_rank"] <= place]
    if rates:
        yield {now: 1.0, base: -(1 + 0.01 * min(rates))}, -math.inf, 0.0
    rates = [one["growth_pct"] for one in shown if one["growth_pct_rank"] >= place]
    if rates:
        yield {now: 1.0, base: -(1 + 0.01 * max(rates))}, 0.0, math.inf


def _tested(row: Row, shown: set[Span]) -> Iterator[Statement]:
    """What a row of TESTED says of a region's rate, its base, and its base in the scope's."""
    now, base, _, total = _spans(row)
    ranking = " ".join(str(row[name]) for name in RANKING)
    name = f"{row['eligibility_rule']}: {row['region_code']} in {ranking}"
    if row["first_pct"] is not None and row["is_slower"]:
        limits = (None, None) if row["is_first"] else (-math.inf, 0.0)
        yield Statement(name, {now: 1.0, base: -(1 + 0.01 * row["first_pct"])}, *limits)
    if row["is_first"] and row["first_base_usd"] is not None:
        yield Statement(name, {base: 1.0})
    if row["is_sided"]:
        share, usd = 0.01 * row["base_share_pct"], row["base_usd"]
        least = max(row["floor_usd"], share * row["scope_base_usd"])
        is_large = usd >= least
        yield Statement(name, {base: 1.0}, *((least, math.inf) if is_large else (-math.inf, least)))
        if total not in shown and usd >= row["floor_usd"]:
            limits = (0.0, math.inf) if is_large else (-math.inf, 0.0)
            yield Statement(name, {base: 1.0, total: -share}, *limits)


def _named(span: Span) -> str:
    return " ".join(map(str, span))


def _spans(row: Row) -> tuple[Span, Span, Span, Span]:
    """A row's period and base, and its scope's."""
    region, kind, scope = row["region_code"], row["period_kind"], row["scope_code"]
    end, base = row["period_end"], row["base_end"]
    return (region, kind, end), (region, kind, base), (scope, kind, end), (scope, kind, base)


def _spans_shown(row: Row) -> Iterator[Span]:
    """Spans that a row gives: its own, and the scope's that its shares are of."""
    now, base, total, base_total = _spans(row)
    if row["fob_usd"] is not None:
        yield now
        if row["share_pct"] is not None:
            yield total
    if row["base_fob_usd"] is not None:
        yield base
        if row["fob_usd"] is not None and row["contribution_pp"] is not None:
            yield base_total


def _rates(row: Row) -> dict[str, dict[Span, float]]:
    """The differences and rates of a row, as combinations of spans that they give exactly."""
    now, base, total, base_total = _spans(row)
    found: dict[str, dict[Span, float]] = {}
    if row["growth_usd"] is not None:
        found["growth_usd"] = {now: 1.0, base: -1.0}
    if row["growth_pct"] is not None:
        found["growth_pct"] = {now: 1.0, base: -(1 + 0.01 * row["growth_pct"])}
    if row["growth_pct_yearly"] is not None:
        factor = (1 + 0.01 * row["growth_pct_yearly"]) ** (row["years"] or 1)
        found["growth_pct_yearly"] = {now: 1.0, base: -factor}
    if (rate := row["symmetric_rate"]) is not None:
        found["symmetric_rate"] = {now: 2.0 - rate, base: -(2.0 + rate)}
    if (rate := row["contribution_pp"]) is not None:
        found["contribution_pp"] = {now: 1.0, base: -1.0, base_total: -0.01 * rate}
    if (rate := row["share_pct"]) is not None:
        found["share_pct"] = {now: 1.0, total: -0.01 * rate}
    return found
