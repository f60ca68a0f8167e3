-- en: How concentrated each region's exports are: over HS chapters, destinations, forms and exporters
-- id: Konsentrasi ekspor tiap wilayah: menurut bab HS, negara tujuan, formulir, dan eksportir
-- grain: basis, region_code, period_kind, period_end, dimension
-- Herfindahl-Hirschman index, the sum of squared shares of what is above zero: 1 is all in one item.
-- Over exporters: of those that are named. Summed in whole cents: a sum of DOUBLEs depends on the
-- order of rows.
WITH part AS (
    SELECT basis, region_code, period_kind, period_end, dimension,
        (fob_usd * 100)::HUGEINT AS cents
    FROM core.item_span
    WHERE fob_usd > 0
    UNION ALL
    SELECT s.basis, s.region_code, p.period_kind, p.period_end, 'exporter',
        (e.fob_usd * 100)::HUGEINT
    FROM core.exporter_span AS e
    JOIN core.series AS s USING (series_no)
    JOIN core.span AS p ON p.basis = 'domicile' AND p.span_no = e.span_no
    WHERE e.fob_usd > 0 AND e.exporter_no <> 0
),
total AS (
    SELECT
        basis,
        region_code,
        period_kind,
        period_end,
        dimension,
        count(*) AS items,
        sum(cents)::DOUBLE AS total,
        sum(cents * cents)::DOUBLE AS squares,
        max(cents) AS largest
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
