-- en: Each period of each region that a ranking shows and of each scope, on each basis, zero or not
-- id: Setiap periode tiap wilayah yang ditampilkan peringkat dan tiap lingkup, pada setiap basis, nol atau tidak
-- grain: basis, region_code, period_kind, period_end
-- Unsafe as in core.region_month, judged on the period's own sums.
WITH shown AS (
    SELECT region_code FROM core.scope_region UNION SELECT scope_code FROM core.scope_region
),
region AS (
    SELECT
        m.basis,
        m.region_set,
        r.region_code,
        s.span_no,
        s.period_kind,
        s.period_end,
        sum(m.fob_usd)::DECIMAL(18, 2) AS fob_usd,
        sum(m.certificates)::BIGINT AS certificates,
        sum(m.flagged_usd)::DECIMAL(18, 2) AS flagged_usd,
        sum(m.quarantined_usd)::DECIMAL(18, 2) AS quarantined_usd
    FROM core.region_month AS m
    JOIN core.region_leaf AS r ON r.leaf_code = m.region_code
    JOIN shown AS h ON h.region_code = r.region_code
    JOIN core.span_month AS s USING (basis, region_set, month)
    GROUP BY ALL
),
exporter AS (
    SELECT
        series_no,
        span_no,
        count(*) FILTER (exporter_no <> 0) AS exporters,
        max(fob_usd, 2) FILTER (exporter_no <> 0) AS largest
    FROM core.exporter_span
    GROUP BY series_no, span_no
)
SELECT
    r.* EXCLUDE (span_no),
    CASE WHEN r.basis <> 'official' THEN coalesce(e.exporters, 0) END::BIGINT AS exporters,
    e.exporters IS NOT NULL AND NOT coalesce(
        e.exporters >= s.min_exporters_public
        AND r.fob_usd > 0
        AND e.largest[1] <= 0.01 * s.dominance_share_pct * r.fob_usd
        AND r.fob_usd - e.largest[1] - e.largest[2]
            >= 0.01 * s.dominance_p_pct * e.largest[1],
        false
    ) AS is_unsafe
FROM region AS r
CROSS JOIN core.setting AS s
LEFT JOIN core.series AS i USING (basis, region_code)
LEFT JOIN exporter AS e ON e.series_no = i.series_no AND e.span_no = r.span_no
