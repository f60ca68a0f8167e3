-- en: How concentrated each region's exports are on firms, and its growth without the largest one
-- id: Pemusatan ekspor tiap wilayah pada perusahaan, dan pertumbuhannya tanpa eksportir terbesar
-- grain: basis, region_code, period_kind, period_end, baseline
-- Restricted: these figures give firms away. The largest is that of the present period.
SELECT
    basis,
    region_code,
    period_kind,
    period_end,
    baseline,
    sum(fob_usd) - max(fob_usd) AS rest_usd,
    sum(base_fob_usd) - arg_max(base_fob_usd, {usd: fob_usd, exporter_key: exporter_key})
        AS rest_base_usd,
    count(*) FILTER (fob_usd > 0) AS exporters,
    count(*) FILTER (base_fob_usd > 0) AS base_exporters,
    sum((fob_usd::DOUBLE) ^ 2 ORDER BY exporter_key) / nullif(sum(fob_usd)::DOUBLE ^ 2, 0)
        AS exporter_herfindahl
FROM core.exporter_margin
WHERE exporter_key <> 'unknown'
GROUP BY basis, region_code, period_kind, period_end, baseline
