-- en: Base value of each region as if every exporter had been recorded then where it is recorded now
-- id: Nilai basis tiap wilayah seandainya tiap eksportir dahulu tercatat di tempatnya yang sekarang
-- grain: basis, leaf_code, period_kind, period_end, baseline
-- An exporter's base value in all regions is shared among its regions of now by their present value;
-- the last cent goes to the largest. Who exports nothing now, and the unknown, stay where they were.
WITH leaf AS (
    SELECT
        e.basis,
        e.region_code AS leaf_code,
        e.exporter_key,
        s.period_kind,
        s.period_end,
        sum(e.fob_usd) AS fob_usd
    FROM core.exporter_region_month AS e
    JOIN core.span_month AS s USING (basis, month)
    WHERE e.basis <> 'official'
    GROUP BY ALL
),
base AS (
    SELECT p.basis, p.period_kind, p.period_end, p.baseline, l.leaf_code, l.exporter_key, l.fob_usd
    FROM core.span_pair AS p
    JOIN leaf AS l
        ON l.basis = p.basis AND l.period_kind = p.period_kind AND l.period_end = p.base_end
),
now AS (
    SELECT
        *,
        sum(fob_usd) OVER exporter AS total_usd,
        row_number() OVER (exporter ORDER BY fob_usd DESC, leaf_code) AS place
    FROM leaf
    WHERE fob_usd > 0 AND exporter_key <> 'unknown'
    WINDOW exporter AS (PARTITION BY basis, exporter_key, period_kind, period_end)
),
had AS (
    SELECT basis, period_kind, period_end, baseline, exporter_key, sum(fob_usd) AS base_usd
    FROM base
    GROUP BY ALL
),
shared AS (
    SELECT
        h.basis,
        n.leaf_code,
        h.period_kind,
        h.period_end,
        h.baseline,
        n.place,
        h.base_usd,
        (h.base_usd::DOUBLE * (n.fob_usd::DOUBLE / n.total_usd::DOUBLE))::DECIMAL(18, 2) AS part_usd,
        sum(part_usd) OVER (PARTITION BY h.basis, h.exporter_key, h.period_kind, h.period_end,
            h.baseline) AS parts_usd
    FROM had AS h
    JOIN now AS n USING (basis, exporter_key, period_kind, period_end)
),
placed AS (
    SELECT basis, leaf_code, period_kind, period_end, baseline,
        part_usd + CASE place WHEN 1 THEN base_usd - parts_usd ELSE 0 END AS base_usd
    FROM shared
    UNION ALL
    SELECT b.basis, b.leaf_code, b.period_kind, b.period_end, b.baseline, b.fob_usd
    FROM base AS b
    ANTI JOIN now AS n USING (basis, exporter_key, period_kind, period_end)
)
SELECT basis, leaf_code, period_kind, period_end, baseline,
    sum(base_usd)::DECIMAL(18, 2) AS base_fob_usd
FROM placed
GROUP BY ALL
