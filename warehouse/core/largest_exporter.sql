-- en: What is left of each region's exports, and of its base, without its largest exporter
-- id: Sisa ekspor tiap wilayah, dan basisnya, tanpa eksportir terbesarnya
-- grain: basis, region_code, period_kind, period_end, baseline
-- Restricted: these figures give firms away. The largest is that of the present period, of those that
-- are named; what no exporter could be named for stays in the rest.
SELECT
    basis,
    region_code,
    period_kind,
    period_end,
    baseline,
    sum(fob_usd) - max(fob_usd) FILTER (exporter_key <> 'unknown') AS rest_usd,
    sum(base_fob_usd) - arg_max(base_fob_usd, {usd: fob_usd, exporter_key: exporter_key})
        FILTER (exporter_key <> 'unknown') AS rest_base_usd,
    count(*) FILTER (fob_usd > 0 AND exporter_key <> 'unknown') AS exporters,
    count(*) FILTER (base_fob_usd > 0 AND exporter_key <> 'unknown') AS base_exporters
FROM core.exporter_margin
GROUP BY basis, region_code, period_kind, period_end, baseline
