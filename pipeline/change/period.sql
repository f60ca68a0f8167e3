-- en: Periods of which a build has other figures than a release: new ones, those that a changed
-- month is part of, and those of which it is part of the base
-- id: Periode yang angkanya pada hasil bangun lain daripada pada rilis: yang baru, yang memuat bulan
-- yang berubah, dan yang pembandingnya memuatnya
-- grain: period_kind, baseline, period_end
WITH known AS (
    SELECT *
    FROM release.mart.growth_ranking
    WHERE scope_code = $scope_code AND basis = $basis AND league = $league
),
made AS (
    SELECT *
    FROM build.mart.growth_ranking
    WHERE scope_code = $scope_code AND basis = $basis AND league = $league
)
SELECT
    period_kind,
    baseline,
    period_end,
    bool_and(k.region_code IS NULL) AS is_new,
    bool_or(k.fob_usd IS DISTINCT FROM m.fob_usd) AS is_part,
    bool_or(k.base_fob_usd IS DISTINCT FROM m.base_fob_usd) AS is_base
FROM known AS k
FULL JOIN made AS m USING (period_kind, period_end, baseline, region_code)
GROUP BY period_kind, baseline, period_end
HAVING is_part OR is_base
ORDER BY period_kind, baseline, period_end
