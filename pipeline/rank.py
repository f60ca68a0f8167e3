"""Rank: how sure each rank is, and the tables that readers see, from what load has decided."""

from pipeline import confidence, duck, models, rank_sets

# METHOD.md: the newest complete ranking of each kind, all leagues together.
NEWEST = """
    SELECT basis, scope_code, league, period_kind, max(period_end) AS period_end, baseline
    FROM core.ranking
    WHERE growth_status = 'ok' AND league = 'all' AND basis IN ('domicile', 'issuer')
        AND baseline IN ('prev_year', 'years_3')
    GROUP BY ALL
"""


def rank(con: duck.Connection) -> None:
    """Make schemas mart and meta of a loaded build. Raises Problem `bad_model`."""
    con.execute(f"CREATE SCHEMA stage; CREATE TABLE stage.rank_set ({rank_sets.TABLE})")
    duck.insert(con, "stage.rank_set", confidence.of(con, NEWEST))
    models.materialise(con, "mart", "meta")
    con.execute("DROP SCHEMA stage CASCADE")
