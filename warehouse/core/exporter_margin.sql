-- en: Each exporter of a region over a period and its base: continuing, entering or leaving
-- id: Tiap eksportir suatu wilayah pada suatu periode dan basisnya: tetap, masuk, atau keluar
-- grain: basis, region_code, exporter_key, period_kind, period_end, baseline
-- Who has no record in the region in the base but one elsewhere has switched here; who has none
-- anywhere is new to SKA; leaving likewise. The unknown are many under one key: `unidentified`.
WITH active AS (
    SELECT DISTINCT e.exporter_key, s.period_kind, s.period_end
    FROM (SELECT DISTINCT exporter_key, month FROM core.exporter_month) AS e
    JOIN core.span_month AS s ON s.basis = 'domicile' AND s.month = e.month
),
side AS (
    SELECT e.basis, e.region_code, e.exporter_key, p.period_kind, p.period_end, p.baseline,
        p.base_end, e.fob_usd, NULL AS base_fob_usd
    FROM core.exporter_span AS e
    JOIN core.span_pair AS p USING (basis, period_kind, period_end)
    WHERE p.base_end IS NOT NULL
    UNION ALL
    SELECT e.basis, e.region_code, e.exporter_key, p.period_kind, p.period_end, p.baseline,
        p.base_end, NULL, e.fob_usd
    FROM core.exporter_span AS e
    JOIN core.span_pair AS p
        ON p.basis = e.basis AND p.period_kind = e.period_kind AND p.base_end = e.period_end
),
pair AS (
    SELECT
        basis,
        region_code,
        exporter_key,
        period_kind,
        period_end,
        baseline,
        any_value(base_end) AS base_end,
        sum(fob_usd) AS fob_usd,
        sum(base_fob_usd) AS base_fob_usd
    FROM side
    GROUP BY ALL
)
SELECT
    p.basis,
    p.region_code,
    p.exporter_key,
    p.period_kind,
    p.period_end,
    p.baseline,
    coalesce(p.fob_usd, 0)::DECIMAL(18, 2) AS fob_usd,
    coalesce(p.base_fob_usd, 0)::DECIMAL(18, 2) AS base_fob_usd,
    CASE
        WHEN p.exporter_key = 'unknown' THEN 'unidentified'
        WHEN p.fob_usd IS NOT NULL AND p.base_fob_usd IS NOT NULL THEN 'continuing'
        WHEN p.base_fob_usd IS NULL AND then_active.exporter_key IS NULL THEN 'new'
        WHEN p.base_fob_usd IS NULL THEN 'switched_here'
        WHEN now_active.exporter_key IS NULL THEN 'left'
        ELSE 'switched_away'
    END AS margin
FROM pair AS p
LEFT JOIN active AS now_active
    ON now_active.exporter_key = p.exporter_key AND now_active.period_kind = p.period_kind
    AND now_active.period_end = p.period_end
LEFT JOIN active AS then_active
    ON then_active.exporter_key = p.exporter_key AND then_active.period_kind = p.period_kind
    AND then_active.period_end = p.base_end
