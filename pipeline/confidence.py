"""How sure the ranks of a ranking are: its regions' exporters from a build, put to rank_sets."""

from itertools import groupby
from typing import Any

import numpy as np

from pipeline import duck, rank_sets

Row = dict[str, Any]
SEED = 20241011
KEY = ("basis", "scope_code", "league", "period_kind", "period_end", "baseline")
WANTED = "SELECT " + ", ".join(f"${name} AS {name}" for name in KEY)
FOUND = ("growth_pct_rank_low", "growth_pct_rank_high", "share_first", "may_be_first")
# Each exporter of each ranked region with enough of them, in the rankings wanted.
AMOUNTS = """
    WITH wanted AS (
        SELECT w.*, p.span_no, unnest([p.span_no, p.base_no]) AS side_no
        FROM ({wanted}) AS w
        JOIN core.span_pair AS p
            ON p.basis = 'domicile' AND p.period_kind = w.period_kind
            AND p.period_end = w.period_end AND p.baseline = w.baseline
    )
    SELECT w.basis, w.scope_code, w.league, w.period_kind, w.period_end, w.baseline,
        r.region_code,
        coalesce(sum(e.fob_usd) FILTER (w.side_no = w.span_no), 0)::DOUBLE,
        coalesce(sum(e.fob_usd) FILTER (w.side_no <> w.span_no), 0)::DOUBLE
    FROM wanted AS w
    JOIN core.ranking AS r USING (basis, scope_code, league, period_kind, period_end, baseline)
    JOIN core.series AS i ON i.basis = w.basis AND i.region_code = r.region_code
    JOIN core.exporter_span AS e ON e.series_no = i.series_no AND e.span_no = w.side_no
    WHERE r.growth_status = 'ok' AND e.exporter_no <> 0
    GROUP BY w.basis, w.scope_code, w.league, w.period_kind, w.period_end, w.baseline,
        r.region_code, e.exporter_no
    QUALIFY count(*) OVER (
        PARTITION BY w.basis, w.scope_code, w.league, w.period_kind, w.period_end, w.baseline,
            r.region_code
    ) >= (SELECT rank_set_min_exporters FROM core.setting)
    ORDER BY ALL
"""


def of(con: duck.Connection, wanted: str, facts: dict[str, Any] | None = None) -> list[Row]:
    """Rank sets (METHOD.md, "How sure is a rank") of rankings of a build.

    `wanted`: a SELECT of the rankings' keys, `facts` its parameters. Grain of what is given:
    ranking, region; regions with too few exporters to say are absent.
    """
    draws, confidence = con.execute(
        "SELECT rank_set_draws, rank_set_confidence_pct FROM core.setting"
    ).fetchall()[0]
    rows = []
    amounts = con.execute(AMOUNTS.format(wanted=wanted), facts or {}).fetchall()
    for ranking, members in groupby(amounts, key=lambda row: row[:6]):
        regions = {
            code: np.array([row[7:] for row in some]).T
            for code, some in groupby(members, key=lambda row: row[6])
        }
        sets = rank_sets.rank_sets(
            [(now, base) for now, base in regions.values()],
            draws=draws,
            seed=SEED,
            confidence=0.01 * confidence,
        )
        rows += [
            {
                **dict(zip(KEY, ranking, strict=True)),
                "region_code": code,
                "growth_pct_rank_low": int(sets.low[n]),
                "growth_pct_rank_high": int(sets.high[n]),
                "share_first": float(sets.share_first[n]),
                "may_be_first": bool(sets.may_be_first[n]),
            }
            for n, code in enumerate(regions)
        ]
    return rows


def add(con: duck.Connection, rows: list[Row]) -> None:
    """Put the rank sets of one ranking, of a build that `con` has open, into its rows."""
    key = {name: rows[0][name] for name in KEY}
    found = {one["region_code"]: one for one in of(con, WANTED, key)}
    for row in rows:
        one = found.get(row["region_code"], {})
        row |= {name: one.get(name) for name in FOUND}
