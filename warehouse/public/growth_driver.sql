-- en: What drove growth: of each region's newest ytd and year the ten largest items that are safe, and others
-- id: Pendorong pertumbuhan: sepuluh butir terbesar yang aman dari ytd dan tahun terbaru tiap wilayah, dan lainnya
-- grain: basis, region_code, period_kind, period_end, baseline, dimension, item_code
-- temp.shown_driver is what pipeline/drivers.py found safe to tell; `others` is the rest to the cent.
WITH told AS (
    SELECT DISTINCT basis, region_code, period_kind, period_end, baseline, dimension
    FROM temp.shown_driver
),
item AS (
    SELECT m.* REPLACE (if(s.item_code IS NULL, 'others', m.item_code) AS item_code)
    FROM mart.growth_driver AS m
    JOIN told USING (basis, region_code, period_kind, period_end, baseline, dimension)
    LEFT JOIN temp.shown_driver AS s
        USING (basis, region_code, period_kind, period_end, baseline, dimension, item_code)
)
SELECT
    basis,
    region_code,
    region_name,
    period_kind,
    period_end,
    baseline,
    dimension,
    item_code,
    sum(fob_usd)::DECIMAL(18, 2) AS fob_usd,
    sum(base_fob_usd)::DECIMAL(18, 2) AS base_fob_usd,
    sum(growth_usd)::DECIMAL(18, 2) AS growth_usd,
    sum(contribution_pp) AS contribution_pp
FROM item
GROUP BY ALL
