-- en: Each region's growth within each scope and league, before anybody is judged or ranked
-- id: Pertumbuhan tiap wilayah dalam setiap lingkup dan liga, sebelum dinilai atau diperingkat
-- grain: basis, scope_code, league, period_kind, period_end, baseline, region_code
-- Totals, the median base and the scope's rate are the scope's in every league.
WITH scope AS (
    SELECT
        m.scope_code,
        p.basis,
        p.period_kind,
        p.period_end,
        p.baseline,
        sum(p.fob_usd)::DECIMAL(18, 2) AS scope_usd,
        sum(p.base_fob_usd)::DECIMAL(18, 2) AS scope_base_usd,
        sum(p.base_flagged_usd)::DECIMAL(18, 2) AS scope_base_flagged_usd,
        sum(p.base_quarantined_usd)::DECIMAL(18, 2) AS scope_base_quarantined_usd,
        median(p.base_fob_usd::DOUBLE) FILTER (p.base_fob_usd > 0 AND NOT m.is_unallocated)
            AS median_base_usd
    FROM core.region_pair AS p
    JOIN core.scope_region AS m ON m.region_code = p.region_code AND m.league = 'all'
    GROUP BY ALL
)
SELECT
    p.basis,
    m.scope_code,
    m.league,
    m.is_unallocated,
    p.* EXCLUDE (basis),
    p.fob_usd - p.base_fob_usd AS growth_usd,
    100.0 * (p.fob_usd - p.base_fob_usd)::DOUBLE / nullif(p.base_fob_usd, 0)::DOUBLE AS growth_pct,
    -- Pro rata by months, up to the next cent.
    (ceil(100 * p.months * r.floor_usd / 12) / 100)::DECIMAL(18, 2) AS floor_usd,
    s.scope_usd,
    s.scope_base_usd,
    s.scope_base_flagged_usd,
    s.scope_base_quarantined_usd,
    s.median_base_usd,
    100.0 * (s.scope_usd - s.scope_base_usd)::DOUBLE / nullif(s.scope_base_usd, 0)::DOUBLE
        AS scope_growth_pct
FROM core.region_pair AS p
CROSS JOIN core.setting AS r
JOIN core.scope_region AS m USING (region_code)
JOIN scope AS s USING (scope_code, basis, period_kind, period_end, baseline)
