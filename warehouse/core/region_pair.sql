-- en: Each region's period beside its base: what growth is computed from
-- id: Periode tiap wilayah di samping basisnya: bahan penghitungan pertumbuhan
-- grain: basis, region_code, period_kind, period_end, baseline
WITH active AS (
    -- The bases of certificates share one calendar: domicile's stands for all.
    SELECT DISTINCT e.exporter_key, s.period_kind, s.period_end
    FROM (SELECT DISTINCT exporter_key, month FROM core.exporter_month) AS e
    JOIN core.span_month AS s ON s.basis = 'domicile' AND s.month = e.month
),
-- New: no record in any region in the base period. Few are, so they are found first.
newcomer AS (
    SELECT a.exporter_key, p.period_kind, p.period_end, p.baseline
    FROM active AS a
    JOIN core.span_pair AS p ON p.basis = 'domicile'
        AND p.period_kind = a.period_kind AND p.period_end = a.period_end
    ANTI JOIN active AS b
        ON b.exporter_key = a.exporter_key AND b.period_kind = p.period_kind
        AND b.period_end = p.base_end
    WHERE p.base_end IS NOT NULL AND a.exporter_key <> 'unknown'
),
entrant AS (
    SELECT e.basis, e.region_code, n.period_kind, n.period_end, n.baseline, count(*) AS exporters
    FROM newcomer AS n
    JOIN core.exporter_span AS e USING (exporter_key, period_kind, period_end)
    GROUP BY ALL
),
debut AS (
    SELECT exporter_key, min(month) AS month FROM core.exporter_month
    WHERE exporter_key <> 'unknown'
    GROUP BY exporter_key
),
first_ever AS (
    SELECT e.basis, e.region_code, e.period_kind, e.period_end, count(*) AS exporters
    FROM core.exporter_span AS e
    JOIN debut AS d USING (exporter_key)
    JOIN core.span AS s
        ON s.basis = 'domicile' AND s.period_kind = e.period_kind
        AND s.period_end = e.period_end AND s.period_start <= d.month
    GROUP BY ALL
)
SELECT
    t.basis,
    t.region_code,
    p.period_kind,
    p.period_end,
    p.baseline,
    p.period_start,
    p.months,
    p.years,
    p.base_end IS NOT NULL AS has_base,
    p.previous_end,
    t.fob_usd,
    b.fob_usd AS base_fob_usd,
    t.certificates,
    t.exporters,
    b.exporters AS base_exporters,
    CASE WHEN p.base_end IS NOT NULL AND t.basis <> 'official' THEN coalesce(n.exporters, 0) END
        AS new_exporters,
    CASE WHEN p.base_end IS NOT NULL AND t.basis <> 'official' THEN coalesce(f.exporters, 0) END
        AS first_ever_exporters,
    t.flagged_usd,
    b.flagged_usd AS base_flagged_usd,
    t.quarantined_usd,
    b.quarantined_usd AS base_quarantined_usd,
    t.is_unsafe OR coalesce(b.is_unsafe, false) AS is_unsafe,
    NOT coalesce(g.is_incomplete, false) AS is_complete,
    coalesce(g.is_stale, false) AS is_stale
FROM core.span_pair AS p
JOIN core.region_span AS t USING (basis, region_set, period_kind, period_end)
LEFT JOIN core.region_span AS b
    ON b.basis = t.basis AND b.region_code = t.region_code
    AND b.period_kind = p.period_kind AND b.period_end = p.base_end
LEFT JOIN entrant AS n
    ON n.basis = t.basis AND n.region_code = t.region_code
    AND n.period_kind = p.period_kind AND n.period_end = p.period_end AND n.baseline = p.baseline
LEFT JOIN first_ever AS f
    ON f.basis = t.basis AND f.region_code = t.region_code
    AND f.period_kind = p.period_kind AND f.period_end = p.period_end
LEFT JOIN core.region_gap AS g
    ON g.basis = t.basis AND g.region_code = t.region_code
    AND g.period_kind = p.period_kind AND g.period_end = p.period_end AND g.baseline = p.baseline
