-- en: What each exporter exported in each period by region of a ranking, on each basis of certificates
-- id: Ekspor tiap eksportir tiap periode menurut wilayah peringkat, pada setiap basis SKA
-- grain: series_no, exporter_no, span_no
-- part: span
-- The bases of certificates share one calendar: domicile's stands for all.
WITH month AS (
    SELECT s.series_no, n.exporter_no, e.month, sum(e.fob_usd) AS fob_usd
    FROM core.exporter_region_month AS e
    JOIN core.exporter_number AS n USING (exporter_key)
    JOIN core.region_leaf AS r ON r.leaf_code = e.region_code
    JOIN core.series AS s ON s.basis = e.basis AND s.region_code = r.region_code
    GROUP BY ALL
)
SELECT m.series_no, m.exporter_no, s.span_no, sum(m.fob_usd)::DECIMAL(18, 2) AS fob_usd
FROM month AS m
JOIN core.span_month AS s ON s.basis = 'domicile' AND s.month = m.month
GROUP BY ALL
