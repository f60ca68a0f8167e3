-- en: What each exporter exported each month by region, once on each basis
-- id: Ekspor tiap eksportir tiap bulan menurut wilayah, sekali pada setiap basis
-- grain: basis, region_code, exporter_key, month
-- Official statistics know no exporters and no certificates: one unknown exporter, count NULL.
WITH placed AS (
    SELECT
        unnest(['domicile', 'issuer', 'port']) AS basis,
        unnest([domicile_region_code, issuer_region_code, port_region_code]) AS region_code,
        *
    FROM core.exporter_place_month
)
SELECT
    basis,
    region_code,
    exporter_key,
    month,
    sum(fob_usd)::DECIMAL(18, 2) AS fob_usd,
    sum(net_kg)::DECIMAL(18, 3) AS net_kg,
    sum(certificates)::BIGINT AS certificates,
    sum(flagged_usd)::DECIMAL(18, 2) AS flagged_usd
FROM placed
GROUP BY basis, region_code, exporter_key, month
UNION ALL
SELECT
    'official',
    region_code,
    'unknown',
    month,
    sum(fob_usd)::DECIMAL(18, 2),
    coalesce(sum(net_kg), 0)::DECIMAL(18, 3),
    NULL,
    coalesce(sum(fob_usd) FILTER (is_flagged), 0)::DECIMAL(18, 2)
FROM core.aggregate_cell
WHERE fob_usd IS NOT NULL
GROUP BY region_code, month
