-- en: What drove each region's growth: HS chapters, destinations and forms, to the cent
-- id: Pendorong pertumbuhan tiap wilayah: bab HS, negara tujuan, dan formulir, sampai sen
-- grain: basis, region_code, period_kind, period_end, baseline, dimension, item_code
-- contribution_pp is of the region's own base: the items of a dimension add up to its growth rate.
SELECT
    i.basis,
    i.region_code,
    r.region_name,
    i.period_kind,
    i.period_end,
    i.baseline,
    i.dimension,
    i.item_code,
    i.fob_usd,
    i.base_fob_usd,
    (i.fob_usd - i.base_fob_usd)::DECIMAL(18, 2) AS growth_usd,
    100.0 * (i.fob_usd - i.base_fob_usd)::DOUBLE / nullif(p.base_fob_usd, 0)::DOUBLE
        AS contribution_pp
FROM core.item_pair AS i
JOIN core.region_pair AS p USING (basis, region_code, period_kind, period_end, baseline)
JOIN core.region AS r USING (region_code)
