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
place AS (
    SELECT DISTINCT domicile_region_code, issuer_region_code FROM core.exporter_place_month
),
shown AS (
    SELECT
        s.scope_code,
        coalesce(d.region_code, 'outside') AS domicile_region_code,
        coalesce(i.region_code, 'outside') AS issuer_region_code,
        p.domicile_region_code AS domicile_leaf,
        p.issuer_region_code AS issuer_leaf
    FROM place AS p
    CROSS JOIN scope AS s
    LEFT JOIN leaf AS d ON d.scope_code = s.scope_code AND d.leaf_code = p.domicile_region_code
    LEFT JOIN leaf AS i ON i.scope_code = s.scope_code AND i.leaf_code = p.issuer_region_code
    WHERE d.region_code IS NOT NULL OR i.region_code IS NOT NULL
),
-- By number: what is grouped below are all exporters in all periods.
cell AS (
    SELECT
        *,
        dense_rank() OVER (ORDER BY scope_code, domicile_region_code, issuer_region_code)::INTEGER
            AS cell_no
    FROM shown
),
exporter AS (
    SELECT
        c.cell_no,
        n.exporter_no,
        s.span_no,
        sum(e.fob_usd) AS fob_usd,
        sum(e.certificates) AS certificates
    FROM core.exporter_place_month AS e
    JOIN core.exporter_number AS n USING (exporter_key)
    JOIN cell AS c
        ON c.domicile_leaf = e.domicile_region_code AND c.issuer_leaf = e.issuer_region_code
    JOIN core.span_month AS s ON s.basis = 'domicile' AND s.month = e.month
    GROUP BY ALL
),
span AS (
    SELECT
        cell_no,
        span_no,
        sum(fob_usd) AS fob_usd,
        sum(certificates) AS certificates,
        count(*) FILTER (exporter_no <> 0) AS exporters
    FROM exporter
    GROUP BY ALL
),
pair AS (
    SELECT span_no, base_no, period_kind, period_end, baseline
    FROM core.span_pair
    WHERE basis = 'domicile' AND base_end IS NOT NULL
),
side AS (
    SELECT s.cell_no, p.period_kind, p.period_end, p.baseline, s.fob_usd, 0 AS base_fob_usd,
        s.certificates, s.exporters
    FROM span AS s
    JOIN pair AS p USING (span_no)
    UNION ALL
    SELECT s.cell_no, p.period_kind, p.period_end, p.baseline, 0, s.fob_usd, 0, 0
    FROM span AS s
    JOIN pair AS p ON p.base_no = s.span_no
)
SELECT
    c.scope_code,
    s.period_kind,
    s.period_end,
    s.baseline,
    c.domicile_region_code,
    c.issuer_region_code,
    sum(s.fob_usd)::DECIMAL(18, 2) AS fob_usd,
    sum(s.base_fob_usd)::DECIMAL(18, 2) AS base_fob_usd,
    sum(s.certificates)::BIGINT AS certificates,
    sum(s.exporters)::BIGINT AS exporters
FROM side AS s
JOIN (SELECT DISTINCT cell_no, scope_code, domicile_region_code, issuer_region_code FROM cell) AS c
    USING (cell_no)
GROUP BY ALL
