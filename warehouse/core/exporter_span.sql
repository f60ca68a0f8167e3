-- en: What each exporter exported in each period by region of a ranking, on each basis of certificates
-- id: Ekspor tiap eksportir tiap periode menurut wilayah peringkat, pada setiap basis SKA
-- grain: basis, region_code, exporter_key, period_kind, period_end
WITH month AS (
    SELECT e.basis, r.region_code, e.exporter_key, e.month, sum(e.fob_usd) AS fob_usd
    FROM core.exporter_region_month AS e
    JOIN core.region_leaf AS r ON r.leaf_code = e.region_code
    WHERE e.basis <> 'official'
    GROUP BY ALL
)
SELECT
    m.basis,
    m.region_code,
    m.exporter_key,
    s.period_kind,
    s.period_end,
    sum(m.fob_usd)::DECIMAL(18, 2) AS fob_usd
FROM month AS m
JOIN core.span_month AS s USING (basis, month)
GROUP BY ALL
