-- en: Each region's period beside its base: what growth is computed from
-- id: Periode tiap wilayah di samping basisnya: bahan penghitungan pertumbuhan
-- grain: basis, region_code, period_kind, period_end, baseline
WITH active AS (
    SELECT DISTINCT exporter_no, span_no FROM core.exporter_span
),
pair AS (
    SELECT DISTINCT span_no, base_no, baseline FROM core.span_pair
    WHERE basis = 'domicile' AND base_start IS NOT NULL
),
-- New: no record in any region in the base period. Few are, so they are found first.
newcomer AS (
    SELECT a.exporter_no, p.span_no, p.baseline
    FROM active AS a
    JOIN pair AS p USING (span_no)
    ANTI JOIN active AS b ON b.exporter_no = a.exporter_no AND b.span_no = p.base_no
    WHERE a.exporter_no <> 0
),
entrant AS (
    SELECT e.series_no, n.span_no, n.baseline, count(*) AS exporters
    FROM newcomer AS n
    JOIN core.exporter_span AS e USING (exporter_no, span_no)
    GROUP BY ALL
),
debut AS (
    SELECT n.exporter_no, min(e.month) AS month
    FROM core.exporter_place_month AS e
    JOIN core.exporter_number AS n USING (exporter_key)
    WHERE n.exporter_no <> 0
    GROUP BY n.exporter_no
),
first_ever AS (
    SELECT e.series_no, e.span_no, count(*) AS exporters
    FROM core.exporter_span AS e
    JOIN debut AS d USING (exporter_no)
    JOIN core.span AS s
        ON s.basis = 'domicile' AND s.span_no = e.span_no AND s.period_start <= d.month
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
LEFT JOIN core.series AS s ON s.basis = t.basis AND s.region_code = t.region_code
LEFT JOIN entrant AS n
    ON n.series_no = s.series_no AND n.span_no = p.span_no AND n.baseline = p.baseline
LEFT JOIN first_ever AS f ON f.series_no = s.series_no AND f.span_no = p.span_no
LEFT JOIN core.region_gap AS g
    ON g.basis = t.basis AND g.region_code = t.region_code
    AND g.period_kind = p.period_kind AND g.period_end = p.period_end AND g.baseline = p.baseline
