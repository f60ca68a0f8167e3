-- en: Each chapter, destination and form of a region in a period beside its base
-- id: Tiap bab HS, tujuan, dan formulir suatu wilayah pada suatu periode di samping basisnya
-- grain: basis, region_code, period_kind, period_end, baseline, dimension, item_code
WITH side AS (
    SELECT i.basis, i.region_code, p.period_kind, p.period_end, p.baseline, i.dimension,
        i.item_code, i.fob_usd, 0 AS base_fob_usd
    FROM core.item_span AS i
    JOIN core.span_pair AS p USING (basis, period_kind, period_end)
    WHERE p.base_end IS NOT NULL
    UNION ALL
    SELECT i.basis, i.region_code, p.period_kind, p.period_end, p.baseline, i.dimension,
        i.item_code, 0, i.fob_usd
    FROM core.item_span AS i
    JOIN core.span_pair AS p
        ON p.basis = i.basis AND p.period_kind = i.period_kind AND p.base_end = i.period_end
)
SELECT
    basis,
    region_code,
    period_kind,
    period_end,
    baseline,
    dimension,
    item_code,
    sum(fob_usd)::DECIMAL(18, 2) AS fob_usd,
    sum(base_fob_usd)::DECIMAL(18, 2) AS base_fob_usd
FROM side
GROUP BY ALL
