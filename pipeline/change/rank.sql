-- en: Ranks that a build has otherwise than a release, the newest period first
-- id: Peringkat yang pada hasil bangun lain daripada pada rilis, periode terbaru dahulu
-- grain: period_kind, period_end, baseline, region_code
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
    period_end,
    baseline,
    region_code,
    coalesce(m.region_name, k.region_name) AS region_name,
    k.growth_pct_rank AS old_rank,
    m.growth_pct_rank AS new_rank
FROM known AS k
FULL JOIN made AS m USING (period_kind, period_end, baseline, region_code)
WHERE k.growth_pct_rank IS DISTINCT FROM m.growth_pct_rank
ORDER BY period_end DESC, period_kind, baseline, new_rank NULLS LAST, region_code
