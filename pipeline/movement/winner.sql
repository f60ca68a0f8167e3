-- en: Who was first in the newest period of each kind, and who is first there now
-- id: Siapa yang tadinya pertama pada periode terbaru setiap jenis, dan siapa yang kini pertama
-- grain: basis, scope_code, league, period_kind, baseline
WITH before AS (
    SELECT
        basis,
        scope_code,
        league,
        period_kind,
        period_end,
        baseline,
        string_agg(region_name, ' = ' ORDER BY region_code) AS first_before
    FROM release.mart.growth_ranking
    WHERE growth_pct_rank = 1
    GROUP BY basis, scope_code, league, period_kind, period_end, baseline
    QUALIFY period_end = max(period_end) OVER (
        PARTITION BY basis, scope_code, league, period_kind, baseline
    )
),
now AS (
    SELECT
        basis,
        scope_code,
        league,
        period_kind,
        period_end,
        baseline,
        string_agg(region_name, ' = ' ORDER BY region_code) AS first_now
    FROM build.mart.growth_ranking
    WHERE growth_pct_rank = 1
    GROUP BY ALL
)
SELECT *
FROM before
LEFT JOIN now USING (basis, scope_code, league, period_kind, period_end, baseline)
