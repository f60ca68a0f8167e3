-- en: Domicile against issuer: where the exporters of each region had their certificates issued
-- id: Domisili terhadap penerbit: tempat penerbitan SKA eksportir tiap wilayah
-- grain: scope_code, period_kind, period_end, baseline, domicile_region_code, issuer_region_code
-- Row and column sums are the two bases' figures; what lies outside the scope is `outside`.
WITH leaf AS (
    SELECT scope_code, leaf_code, region_code FROM core.scope_member WHERE league = 'all'
),
scope AS (
    SELECT scope_code FROM seed.scope AS s
    JOIN core.country AS c ON s.region_set = c.country_code
),
moved AS (
    SELECT
        s.scope_code,
        coalesce(d.region_code, 'outside') AS domicile_region_code,
        coalesce(i.region_code, 'outside') AS issuer_region_code,
        e.exporter_key,
        e.month,
        sum(e.fob_usd) AS fob_usd,
        sum(e.certificates) AS certificates
    FROM core.exporter_place_month AS e
    CROSS JOIN scope AS s
    LEFT JOIN leaf AS d ON d.scope_code = s.scope_code AND d.leaf_code = e.domicile_region_code
    LEFT JOIN leaf AS i ON i.scope_code = s.scope_code AND i.leaf_code = e.issuer_region_code
    WHERE d.region_code IS NOT NULL OR i.region_code IS NOT NULL
    GROUP BY ALL
),
span AS (
    SELECT
        m.scope_code,
        m.domicile_region_code,
        m.issuer_region_code,
        s.period_kind,
        s.period_end,
        sum(m.fob_usd) AS fob_usd,
        sum(m.certificates) AS certificates,
        count(DISTINCT m.exporter_key) FILTER (m.exporter_key <> 'unknown') AS exporters
    FROM moved AS m
    JOIN core.span_month AS s ON s.basis = 'domicile' AND s.month = m.month
    GROUP BY ALL
),
side AS (
    SELECT s.* , p.baseline, 0 AS base_fob_usd
    FROM span AS s
    JOIN core.span_pair AS p ON p.basis = 'domicile' AND p.period_kind = s.period_kind
        AND p.period_end = s.period_end
    WHERE p.base_end IS NOT NULL
    UNION ALL
    SELECT s.* REPLACE (p.period_end AS period_end, 0 AS fob_usd, 0 AS certificates,
        0 AS exporters), p.baseline, s.fob_usd
    FROM span AS s
    JOIN core.span_pair AS p ON p.basis = 'domicile' AND p.period_kind = s.period_kind
        AND p.base_end = s.period_end
)
SELECT
    scope_code,
    period_kind,
    period_end,
    baseline,
    domicile_region_code,
    issuer_region_code,
    sum(fob_usd)::DECIMAL(18, 2) AS fob_usd,
    sum(base_fob_usd)::DECIMAL(18, 2) AS base_fob_usd,
    sum(certificates)::BIGINT AS certificates,
    sum(exporters)::BIGINT AS exporters
FROM side
GROUP BY ALL
