-- en: Exporters of each region over a period and its base: who stayed, came and left, and the largest
-- id: Eksportir tiap wilayah pada suatu periode dan basisnya: tetap, masuk, keluar, dan yang terbesar
-- grain: basis, region_code, period_kind, period_end, baseline
-- part: pair
-- Who has no record in the region in the base but one elsewhere has switched here; who has none
-- anywhere is new to SKA; leaving likewise. The unknown are many under one number: unidentified.
-- Restricted: what is left without the largest exporter (of the present period, of those that are
-- named) gives firms away; what no exporter could be named for stays in the rest.
WITH pair AS (
    SELECT DISTINCT span_no, base_no, baseline FROM core.span_pair
    WHERE basis = 'domicile' AND base_no IS NOT NULL
),
active AS (
    SELECT DISTINCT exporter_no, span_no FROM core.exporter_span
),
side AS (
    SELECT e.series_no, e.exporter_no, p.span_no, p.base_no, p.baseline, e.fob_usd,
        b.fob_usd AS base_fob_usd
    FROM core.exporter_span AS e
    JOIN pair AS p USING (span_no)
    LEFT JOIN core.exporter_span AS b
        ON b.series_no = e.series_no AND b.exporter_no = e.exporter_no AND b.span_no = p.base_no
    UNION ALL
    SELECT b.series_no, b.exporter_no, p.span_no, p.base_no, p.baseline, NULL, b.fob_usd
    FROM core.exporter_span AS b
    JOIN pair AS p ON p.base_no = b.span_no
    ANTI JOIN core.exporter_span AS e
        ON e.series_no = b.series_no AND e.exporter_no = b.exporter_no AND e.span_no = p.span_no
),
judged AS (
    SELECT
        s.series_no,
        s.exporter_no,
        s.span_no,
        s.baseline,
        coalesce(s.fob_usd, 0)::DECIMAL(18, 2) AS fob_usd,
        coalesce(s.base_fob_usd, 0)::DECIMAL(18, 2) AS base_fob_usd,
        CASE
            WHEN s.exporter_no = 0 THEN 'unidentified'
            WHEN s.fob_usd IS NOT NULL AND s.base_fob_usd IS NOT NULL THEN 'continuing'
            WHEN s.fob_usd IS NOT NULL AND t.span_no IS NULL THEN 'new'
            WHEN s.fob_usd IS NOT NULL THEN 'switched_here'
            WHEN n.span_no IS NULL THEN 'left'
            ELSE 'switched_away'
        END AS margin
    FROM side AS s
    LEFT JOIN active AS n ON n.exporter_no = s.exporter_no AND n.span_no = s.span_no
    LEFT JOIN active AS t ON t.exporter_no = s.exporter_no AND t.span_no = s.base_no
),
summed AS (
    SELECT
        series_no,
        span_no,
        baseline,
        sum(fob_usd) AS fob_usd,
        sum(base_fob_usd) AS base_fob_usd,
        sum(fob_usd - base_fob_usd) FILTER (margin = 'continuing') AS continuing_usd,
        sum(fob_usd) FILTER (margin = 'new') AS new_usd,
        sum(fob_usd) FILTER (margin = 'switched_here') AS switched_here_usd,
        sum(base_fob_usd) FILTER (margin = 'left') AS left_usd,
        sum(base_fob_usd) FILTER (margin = 'switched_away') AS switched_away_usd,
        sum(fob_usd - base_fob_usd) FILTER (margin = 'unidentified') AS unidentified_usd,
        count(*) FILTER (margin = 'continuing') AS continuing_exporters,
        count(*) FILTER (margin = 'new') AS new_exporters,
        count(*) FILTER (margin = 'switched_here') AS switched_here_exporters,
        count(*) FILTER (margin = 'left') AS left_exporters,
        count(*) FILTER (margin = 'switched_away') AS switched_away_exporters,
        max(fob_usd) FILTER (exporter_no <> 0) AS largest_usd,
        arg_max(base_fob_usd, {usd: fob_usd, exporter_no: exporter_no}) FILTER (exporter_no <> 0)
            AS largest_base_usd,
        count(*) FILTER (fob_usd > 0 AND exporter_no <> 0) AS exporters,
        count(*) FILTER (base_fob_usd > 0 AND exporter_no <> 0) AS base_exporters
    FROM judged
    GROUP BY series_no, span_no, baseline
),
period AS (
    SELECT DISTINCT span_no, period_kind, period_end FROM core.span
)
SELECT
    r.basis,
    r.region_code,
    p.period_kind,
    p.period_end,
    s.* EXCLUDE (series_no, span_no, largest_usd, largest_base_usd),
    s.fob_usd - s.largest_usd AS rest_usd,
    s.base_fob_usd - s.largest_base_usd AS rest_base_usd
FROM summed AS s
JOIN core.series AS r USING (series_no)
JOIN period AS p USING (span_no)
