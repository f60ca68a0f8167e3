-- en: Regions ranked by both, in the newest period of each kind in which there are any
-- id: Wilayah yang diperingkat keduanya, pada periode terbaru setiap jenis
-- grain: basis, scope_code, period_kind, baseline, region_code
WITH ranked AS (
    SELECT
        *,
        count(*) OVER (
            PARTITION BY basis, scope_code, period_kind, period_end, baseline
        ) AS ranked_regions
    FROM release.mart.growth_ranking
    WHERE is_ranked AND league = 'all' AND baseline IN ('prev_year', 'years_3')
)
SELECT
    b.basis,
    b.scope_code,
    b.period_kind,
    b.period_end,
    b.baseline,
    b.region_code,
    n.region_name,
    b.growth_pct_rank AS before_rank,
    n.growth_pct_rank AS now_rank,
    abs(n.growth_pct_rank - b.growth_pct_rank) AS moved_places,
    b.ranked_regions
FROM ranked AS b
JOIN build.mart.growth_ranking AS n
    ON n.basis = b.basis AND n.scope_code = b.scope_code AND n.league = b.league
    AND n.period_kind = b.period_kind AND n.period_end = b.period_end
    AND n.baseline = b.baseline AND n.region_code = b.region_code AND n.is_ranked
QUALIFY b.period_end = max(b.period_end) OVER (
    PARTITION BY b.basis, b.scope_code, b.period_kind, b.baseline
)
