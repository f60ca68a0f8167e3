"""What the page tells, read from one release's ekspor.duckdb: where that is silent, so are we."""

from datetime import date
from functools import cached_property
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Any

from pipeline import duck, freshness, rankings
from pipeline.rankings import Question, Row

BASELINES = ("years_3", "prev_year")
BASES = ("domicile", "issuer", "port", "official")
KINDS = ("ytd", "year", "r12m", "quarter", "month")
LEAGUES = ("all", "kota", "kabupaten", "province")
STEPS = 24  # months, ytd periods and rolling years that a line goes back
ITEMS, SCOPE_ITEMS, CHANGES = 5, 10, 40
KEY = ("basis", "period_kind", "baseline", "league")
# The newest period of each kind that has a ranking; else that is complete; else the newest.
NEWEST = """
    SELECT basis, period_kind, coalesce(
        max(period_end) FILTER (is_ranked), max(period_end) FILTER (is_complete), max(period_end)
    ) AS period_end
    FROM mart.growth_ranking
    WHERE scope_code = $scope AND baseline IN ('years_3', 'prev_year')
    GROUP BY ALL
"""
RANKED = f"""
    SELECT g.*, p.label_id, p.label_en
    FROM mart.growth_ranking AS g
    JOIN ({NEWEST}) AS n USING (basis, period_kind, period_end)
    JOIN mart.period AS p USING (period_kind, period_end)
    WHERE g.scope_code = $scope AND g.baseline IN ('years_3', 'prev_year')
    ORDER BY g.growth_pct_rank NULLS LAST, g.region_code LIKE '%99',
        g.growth_pct DESC NULLS LAST, g.region_code
"""
STEP = f"""
    SELECT basis, baseline, league, period_end, region_code, region_name, growth_pct_rank
    FROM mart.growth_ranking
    JOIN (
        SELECT basis, period_end AS newest FROM ({NEWEST}) WHERE period_kind = 'ytd'
    ) USING (basis)
    WHERE scope_code = $scope AND baseline IN ('years_3', 'prev_year') AND period_kind = 'ytd'
        AND period_end <= newest
    QUALIFY dense_rank() OVER (PARTITION BY basis ORDER BY period_end DESC) <= {STEPS}
    ORDER BY period_end
"""
ROLLING = f"""
    SELECT basis, region_code, fob_usd
    FROM mart.growth_ranking
    WHERE scope_code = $scope AND league = 'all' AND period_kind = 'r12m'
        AND baseline = 'prev_year'
    QUALIFY dense_rank() OVER (PARTITION BY basis ORDER BY period_end DESC) <= {STEPS}
    ORDER BY period_end
"""
MONTHS = f"""
    SELECT region_code, month, basis, fob_usd, suppression
    FROM mart.region_month
    WHERE region_code IN (SELECT unnest($codes))
        AND month <= (SELECT max(period_end) FROM ({NEWEST}))
    QUALIFY dense_rank() OVER (ORDER BY month DESC) <= {STEPS}
    ORDER BY region_code, month DESC, basis
"""
DRIVERS = """
    SELECT basis, baseline, region_code, dimension, item_code, fob_usd, growth_usd, contribution_pp
    FROM mart.growth_driver
    JOIN (SELECT unnest($newest, recursive := true)) USING (basis, period_kind, period_end)
    WHERE period_kind = 'ytd' AND region_code IN (SELECT unnest($codes))
        AND baseline IN ('years_3', 'prev_year')
    QUALIFY row_number() OVER (
        PARTITION BY basis, baseline, region_code, dimension
        ORDER BY abs(growth_usd) DESC, item_code
    ) <= if(region_code = $scope, $most, $each)
    ORDER BY basis, baseline, region_code, dimension, abs(growth_usd) DESC, item_code
"""
MARGINS = """
    FROM mart.growth_margin
    JOIN (SELECT unnest($newest, recursive := true)) USING (basis, period_kind, period_end)
    WHERE period_kind = 'ytd' AND region_code IN (SELECT unnest($codes))
        AND baseline IN ('years_3', 'prev_year')
    ORDER BY region_code, basis, baseline DESC
"""
SHARES = """
    FROM mart.shift_share
    JOIN (SELECT unnest($newest, recursive := true)) USING (basis, period_kind, period_end)
    WHERE period_kind = 'ytd' AND scope_code = $scope AND region_code IN (SELECT unnest($codes))
        AND baseline IN ('years_3', 'prev_year')
    ORDER BY region_code, basis, baseline DESC
"""
SENSITIVITY = f"""
    SELECT s.*
    FROM mart.rule_sensitivity AS s
    JOIN ({NEWEST}) USING (basis, period_kind, period_end)
    WHERE s.scope_code = $scope AND s.league = 'all' AND s.period_kind = 'ytd'
        AND s.baseline IN ('years_3', 'prev_year')
    ORDER BY basis, baseline DESC, eligibility_rule <> 'none',
        eligibility_rule NOT LIKE 'with b = %', base_share_pct, eligibility_rule DESC
"""
CHANGED = f"""
    SELECT basis, region_code, region_name, change_cause, delivery_id,
        min(month) AS first_month, max(month) AS last_month,
        sum(change_usd)::DECIMAL(18, 2) AS change_usd
    FROM mart.release_change
    GROUP BY ALL
    HAVING sum(change_usd) <> 0
    ORDER BY abs(sum(change_usd)) DESC, region_code, basis, change_cause, delivery_id
    LIMIT {CHANGES}
"""
RANKING = ("basis", "scope_code", "league", "period_kind", "period_end", "baseline")
MOVED = """
    SELECT coalesce(n.region_name, w.region_name) AS region_name,
        w.growth_pct_rank AS rank_was, n.growth_pct_rank, w.fob_usd AS fob_was, n.fob_usd,
        w.base_fob_usd AS base_was, n.base_fob_usd, w.growth_pct AS pct_was, n.growth_pct
    FROM (SELECT unnest($rows, recursive := true)) AS n
    FULL JOIN (
        FROM mart.growth_ranking WHERE {same}
    ) AS w USING (region_code)
    WHERE (n.region_code, n.growth_pct_rank, n.fob_usd, n.base_fob_usd, n.growth_pct)
        IS DISTINCT FROM
        (w.region_code, w.growth_pct_rank, w.fob_usd, w.base_fob_usd, w.growth_pct)
    ORDER BY n.growth_pct_rank NULLS LAST, w.growth_pct_rank NULLS LAST, region_code
"""
DELIVERED = """
    SELECT state, count(*) AS deliveries, count(DISTINCT office_code) AS offices,
        min(month) AS first_month, max(coalesce(last_month, month)) AS last_month,
        sum(records)::BIGINT AS records, sum(quarantined_records)::BIGINT AS quarantined_records
    FROM meta.delivery GROUP BY state ORDER BY state
"""
CHECKS = """
    FROM meta.check_result WHERE unexpected > 0
    ORDER BY severity = 'critical' DESC, unexpected DESC, rule_name
"""


class Facts:
    """The newest rankings of one scope, and what stands behind them; nothing but one release."""

    def __init__(self, con: duck.Connection, scope: str) -> None:
        self.con, self.scope = con, scope
        (self.release,) = duck.rows(con, "FROM meta.release")
        self.is_public = self.release["audience"] == "public"
        told = con.execute("SELECT schema_name || '.' || table_name FROM duckdb_tables()")
        self.tables = {name for (name,) in told.fetchall()}
        self.regions = {row["region_code"]: row for row in duck.rows(con, "FROM mart.region")}
        self.rankings = self._rankings()
        self.headline = self._headline()

    def name(self, code: str) -> str:
        return str(self.regions[code]["region_name"]) if code in self.regions else code

    def _rankings(self) -> list[Row]:
        """One per basis, kind, baseline and league, each with its `rows`; in the selects' order."""
        rows = duck.rows(self.con, RANKED, {"scope": self.scope})
        order = dict(zip(KEY, (BASES, KINDS, BASELINES, LEAGUES), strict=True))
        rows.sort(key=lambda row: [order[name].index(row[name]) for name in KEY])  # keeps the ranks
        found = []
        for key, some in groupby(rows, key=itemgetter(*KEY)):
            ranked = list(some)
            shared = {name: ranked[0][name] for name in ("label_id", "label_en", "period_end")}
            found.append({**dict(zip(KEY, key, strict=True)), **shared, "rows": ranked})
        return found

    def _headline(self) -> Row | None:
        """The first of the newest January-to-month rankings that has anybody ranked."""
        ytd = [r for r in self.rankings if r["period_kind"] == "ytd" and r["league"] == "all"]
        with_ranks = [one for one in ytd if any(row["is_ranked"] for row in one["rows"])]
        return next(iter(with_ranks or ytd or self.rankings), None)

    def question(self) -> Question:
        """The headline's ranking, as `explain` asks for it."""
        names = ("basis", "league", "period_kind", "baseline", "period_end")
        return Question(self.scope, **{name: (self.headline or {})[name] for name in names})

    def codes(self) -> list[str]:
        """The regions of the scope by code, its unallocated left out."""
        found = {
            row["region_code"] for one in self.rankings if one["league"] == "all"
            for row in one["rows"]
        }  # fmt: skip
        return sorted(code for code in found if not code.endswith("99"))

    def _of(self, table: str, query: str, **given: Any) -> list[Row]:
        """Rows of a table; none where the audience has no such table, or nothing is ranked."""
        if table not in self.tables or given.get("newest") == []:
            return []
        return duck.rows(self.con, query, given)

    def _newest(self) -> list[Row]:
        names = ("basis", "period_kind", "period_end")
        ytd = [one for one in self.rankings if one["period_kind"] == "ytd"]
        return [{name: one[name] for name in names} for one in ytd
                if (one["league"], one["baseline"]) == ("all", ytd[0]["baseline"])]  # fmt: skip

    @cached_property
    def steps(self) -> list[Row]:
        return duck.rows(self.con, STEP, {"scope": self.scope})

    @cached_property
    def rolling(self) -> dict[tuple[str, str], list[Any]]:
        """Values of the newest rolling years, oldest first, by basis and region."""
        found: dict[tuple[str, str], list[Any]] = {}
        for row in duck.rows(self.con, ROLLING, {"scope": self.scope}):
            found.setdefault((row["basis"], row["region_code"]), []).append(row["fob_usd"])
        return found

    def months(self, codes: list[str]) -> dict[str, dict[date, dict[str, Row]]]:
        """By region, then month (newest first), then basis."""
        found: dict[str, dict[date, dict[str, Row]]] = {}
        for row in duck.rows(self.con, MONTHS, {"scope": self.scope, "codes": codes}):
            by_month = found.setdefault(row["region_code"], {})
            by_month.setdefault(row["month"], {})[row["basis"]] = row
        return found

    def drivers(self, codes: list[str]) -> list[Row]:
        given = {"newest": self._newest(), "codes": [*codes, self.scope], "scope": self.scope}
        sizes = {"most": SCOPE_ITEMS, "each": ITEMS}
        return self._of("mart.growth_driver", DRIVERS, **given, **sizes)

    def margins(self, codes: list[str]) -> list[Row]:
        return self._of("mart.growth_margin", MARGINS, newest=self._newest(), codes=codes)

    def shares(self, codes: list[str]) -> list[Row]:
        given = {"newest": self._newest(), "codes": codes, "scope": self.scope}
        return self._of("mart.shift_share", SHARES, **given)

    @cached_property
    def sensitivity(self) -> list[Row]:
        return duck.rows(self.con, SENSITIVITY, {"scope": self.scope})

    @cached_property
    def changes(self) -> list[Row]:
        return self._of("mart.release_change", CHANGED)

    def moved(self, previous: Path | None) -> list[Row] | None:
        """Regions whose figures of the headline are others than in the release before.

        None where that has no such ranking, or is gone.
        """
        if not previous or not previous.exists() or not self.headline:
            return None
        rows = self.headline["rows"]
        key = {name: rows[0][name] for name in RANKING}
        same = " AND ".join(f"{name} = ${name}" for name in key)
        with duck.connect(previous, read_only=True) as con:
            had = duck.rows(con, f"FROM mart.growth_ranking WHERE {same} LIMIT 1", key)
            return duck.rows(con, MOVED.format(same=same), {"rows": rows, **key}) if had else None

    @cached_property
    def quality(self) -> Row:
        """Books, deliveries, and what only the office's own file holds: US$, checks, freshness."""
        usd = "sum(stated_usd)" if not self.is_public else "NULL"
        books = f"""
            SELECT state, sum(records)::BIGINT AS records, {usd} AS stated_usd,
                sum(unreadable_records)::BIGINT AS unreadable_records
            FROM meta.ledger GROUP BY state ORDER BY state
        """
        fresh = self._of("meta.freshness", "FROM meta.freshness")
        return {
            "books": duck.rows(self.con, books),
            "delivered": duck.rows(self.con, DELIVERED),
            "checks": [] if self.is_public else duck.rows(self.con, CHECKS),
            "fresh": [] if self.is_public else freshness.grid(fresh),
        }

    @cached_property
    def rules(self) -> list[Row]:
        return rankings.rules(self.con)
