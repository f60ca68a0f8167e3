"""Rank: how sure each rank is, and the tables that readers see, from what load has decided."""

from itertools import groupby

import numpy as np

from pipeline import duck, models, rank_sets

SEED = 20241011
# Each exporter of each ranked region with enough of them, in the newest ranking of each kind.
AMOUNTS = """
    WITH newest AS (
        SELECT basis, scope_code, league, period_kind, baseline, max(period_end) AS period_end
        FROM core.ranking
        WHERE growth_status = 'ok' AND league = 'all' AND basis IN ('domicile', 'issuer')
            AND baseline IN ('prev_year', 'years_3')
        GROUP BY ALL
    )
    SELECT n.basis, n.scope_code, n.league, n.period_kind, n.period_end, n.baseline,
        r.region_code, e.fob_usd::DOUBLE, e.base_fob_usd::DOUBLE
    FROM newest AS n
    JOIN core.ranking AS r USING (basis, scope_code, league, period_kind, period_end, baseline)
    JOIN core.exporter_margin AS e
        USING (basis, region_code, period_kind, period_end, baseline)
    CROSS JOIN core.setting AS s
    WHERE r.growth_status = 'ok' AND e.exporter_key <> 'unknown'
    QUALIFY count(*) OVER (
        PARTITION BY basis, n.scope_code, period_kind, period_end, baseline, region_code
    ) >= any_value(s.rank_set_min_exporters) OVER ()
    ORDER BY ALL
"""


def rank(con: duck.Connection) -> None:
    """Make schemas mart and meta of a loaded build. Raises Problem `bad_model`."""
    con.execute(f"CREATE SCHEMA stage; CREATE TABLE stage.rank_set ({rank_sets.TABLE})")
    duck.insert(con, "stage.rank_set", _rank_sets(con))
    models.materialise(con, "mart", "meta")
    con.execute("DROP SCHEMA stage CASCADE")


def _rank_sets(con: duck.Connection) -> list[dict[str, object]]:
    """How sure each rank is, for the newest ranking of each kind (METHOD.md). Grain: region."""
    draws, confidence = con.execute(
        "SELECT rank_set_draws, rank_set_confidence_pct FROM core.setting"
    ).fetchall()[0]
    names = [column.split()[0] for column in rank_sets.TABLE.split(",")][:7]
    rows = []
    for ranking, members in groupby(con.execute(AMOUNTS).fetchall(), key=lambda row: row[:6]):
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
            dict(zip(names, (*ranking, code), strict=True))
            | {
                "growth_pct_rank_low": int(sets.low[n]),
                "growth_pct_rank_high": int(sets.high[n]),
                "share_first": float(sets.share_first[n]),
                "may_be_first": bool(sets.may_be_first[n]),
            }
            for n, code in enumerate(regions)
        ]
    return rows
