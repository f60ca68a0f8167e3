-- en: Who is first by growth rate, and whether without its largest exporter it still would be
-- id: Siapa yang pertama menurut laju pertumbuhan, dan apakah tetap pertama tanpa eksportir terbesarnya
-- grain: basis, scope_code, league, period_kind, period_end, baseline
-- Of those tied the lowest code. cannot_say: too few exporters or too small a base is left.
WITH placed AS (
    SELECT
        r.*,
        max(r.growth_pct) OVER (
            ranking ROWS BETWEEN 1 FOLLOWING AND UNBOUNDED FOLLOWING
        ) AS next_pct,
        row_number() OVER ranking AS place
    FROM core.ranking AS r
    WHERE r.growth_status = 'ok'
    WINDOW ranking AS (
        PARTITION BY r.basis, r.scope_code, r.league, r.period_kind, r.period_end, r.baseline
        ORDER BY r.growth_pct_rank, r.region_code
    )
)
SELECT
    p.basis,
    p.scope_code,
    p.league,
    p.period_kind,
    p.period_end,
    p.baseline,
    p.region_code,
    n.region_name,
    p.growth_pct,
    CASE
        WHEN l.region_code IS NULL
            OR least(l.exporters, l.base_exporters) - 1 < s.min_exporters
            OR l.rest_base_usd < p.floor_usd
            OR l.rest_base_usd < 0.01 * s.base_share_pct * p.scope_base_usd THEN 'cannot_say'
        WHEN p.next_pct IS NULL
            OR 100.0 * (l.rest_usd - l.rest_base_usd)::DOUBLE / l.rest_base_usd::DOUBLE
                >= p.next_pct THEN 'yes'
        ELSE 'no'
    END AS still_first
FROM placed AS p
CROSS JOIN core.setting AS s
JOIN core.region AS n USING (region_code)
LEFT JOIN core.region_margin AS l USING (basis, region_code, period_kind, period_end, baseline)
WHERE p.place = 1
