-- en: How concentrated each region's exports are: over HS chapters, destinations, forms and exporters
-- id: Konsentrasi ekspor tiap wilayah: menurut bab HS, negara tujuan, formulir, dan eksportir
-- grain: basis, region_code, period_kind, period_end, dimension
-- Herfindahl-Hirschman index, the sum of squared shares of what is above zero: 1 is all in one item.
-- Over exporters: of those that are named.
WITH part AS (
    SELECT basis, region_code, period_kind, period_end, dimension, fob_usd::DOUBLE AS usd
    FROM core.item_span
    WHERE fob_usd > 0
    UNION ALL
    SELECT basis, region_code, period_kind, period_end, 'exporter', fob_usd::DOUBLE
    FROM core.exporter_span
    WHERE fob_usd > 0 AND exporter_key <> 'unknown'
),
total AS (
    SELECT
        basis,
        region_code,
        period_kind,
        period_end,
        dimension,
        count(*) AS items,
        fsum(usd) AS total,
        fsum(usd * usd) AS squares,
        max(usd) AS largest
    FROM part
    GROUP BY ALL
)
SELECT
    t.basis,
    t.region_code,
    r.region_name,
    t.period_kind,
    t.period_end,
    t.dimension,
    t.items,
    t.squares / (t.total * t.total) AS herfindahl,
    100.0 * t.largest / t.total AS largest_share_pct
FROM total AS t
JOIN core.region AS r USING (region_code)
