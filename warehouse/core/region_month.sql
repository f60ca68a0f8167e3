-- en: Each region's month on each basis, with what says whether it is safe to publish
-- id: Bulan tiap wilayah pada setiap basis, dengan penanda aman atau tidak untuk diterbitkan
-- grain: basis, region_code, month
-- Every region has every month covered, zero or not; a month outside only where something stands
-- in it. Unsafe: fewer than n exporters, or one dominates (METHOD.md, "What may be published").
-- Official statistics have no exporters to count or to protect: NULL, and never unsafe.
WITH cell AS (
    SELECT m.basis, r.region_set, r.region_code, m.month
    FROM core.region AS r
    JOIN core.calendar_month AS m USING (region_set)
    WHERE r.region_kind NOT IN ('province', 'country')
    UNION
    SELECT e.basis, r.region_set, r.region_code, e.month
    FROM core.exporter_region_month AS e
    JOIN core.region AS r USING (region_code)
),
total AS (
    SELECT
        basis,
        region_code,
        month,
        sum(fob_usd) AS fob_usd,
        sum(net_kg) AS net_kg,
        sum(certificates) AS certificates,
        sum(flagged_usd) AS flagged_usd,
        count(*) FILTER (exporter_key <> 'unknown') AS exporters,
        max(fob_usd, 2) FILTER (exporter_key <> 'unknown') AS largest
    FROM core.exporter_region_month
    GROUP BY basis, region_code, month
)
SELECT
    basis,
    cell.region_set,
    region_code,
    month,
    coalesce(t.fob_usd, 0)::DECIMAL(18, 2) AS fob_usd,
    coalesce(t.net_kg, 0)::DECIMAL(18, 3) AS net_kg,
    CASE WHEN basis <> 'official' THEN coalesce(t.certificates, 0) END::BIGINT AS certificates,
    coalesce(t.flagged_usd, 0)::DECIMAL(18, 2) AS flagged_usd,
    CASE WHEN basis <> 'official' THEN coalesce(t.exporters, 0) END::BIGINT AS exporters,
    coalesce(q.quarantined_usd, 0)::DECIMAL(18, 2) AS quarantined_usd,
    basis <> 'official' AND t.fob_usd IS NOT NULL AND NOT coalesce(
        t.exporters >= s.min_exporters_public
        AND t.fob_usd > 0
        AND t.largest[1] <= 0.01 * s.dominance_share_pct * t.fob_usd
        AND t.fob_usd - t.largest[1] - t.largest[2]
            >= 0.01 * s.dominance_p_pct * t.largest[1],
        false
    ) AS is_unsafe
FROM cell
CROSS JOIN core.setting AS s
LEFT JOIN total AS t USING (basis, region_code, month)
LEFT JOIN core.quarantine_month AS q USING (basis, region_code, month)
