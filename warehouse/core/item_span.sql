-- en: Value of each chapter, destination and form by region and period, on each basis of certificates
-- id: Nilai tiap bab HS, tujuan, dan formulir menurut wilayah dan periode, pada setiap basis SKA
-- grain: basis, region_code, period_kind, period_end, dimension, item_code
WITH item AS (
    SELECT
        b.basis,
        CASE b.basis WHEN 'domicile' THEN e.domicile_region_code
            WHEN 'issuer' THEN e.issuer_region_code ELSE e.port_region_code END AS leaf_code,
        e.month,
        d.dimension,
        CASE d.dimension WHEN 'hs_chapter' THEN e.hs_chapter
            WHEN 'destination' THEN e.destination_code ELSE e.form_code END AS item_code,
        sum(e.fob_usd) AS fob_usd
    FROM core.item_month AS e
    CROSS JOIN (VALUES ('domicile'), ('issuer'), ('port')) AS b (basis)
    CROSS JOIN (VALUES ('hs_chapter'), ('destination'), ('form')) AS d (dimension)
    GROUP BY ALL
),
small AS (
    SELECT i.basis, r.region_code, i.month, i.dimension, i.item_code, sum(i.fob_usd) AS fob_usd
    FROM item AS i
    JOIN core.region_leaf AS r USING (leaf_code)
    GROUP BY ALL
)
SELECT
    m.basis,
    m.region_code,
    s.period_kind,
    s.period_end,
    m.dimension,
    m.item_code,
    sum(m.fob_usd)::DECIMAL(18, 2) AS fob_usd
FROM small AS m
JOIN core.span_month AS s USING (basis, month)
GROUP BY ALL
