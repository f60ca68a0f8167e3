-- en: Per HS subheading the range in which the unit value of goods is ordinary
-- id: Per subpos HS, rentang nilai satuan barang yang wajar
-- grain: hs6
-- Far-out fences (Tukey 1977) on the logarithm of US$ per kg: quartiles −/+ 3 × their distance, of
-- at least 30 counted lines that aren't all alike. quantile_disc gives a value that is there, so
-- nothing depends on the order of rows, and the logarithm is taken of the quartiles alone.
WITH quartile AS (
    SELECT
        hs6,
        count(*) AS lines,
        quantile_disc((fob_usd / net_kg)::FLOAT, [0.25, 0.75]) AS usd_per_kg
    FROM core.certificate_line
    WHERE is_counted AND fob_usd > 0 AND net_kg > 0 AND hs6 IS NOT NULL
    GROUP BY hs6
    HAVING count(*) >= 30
),
fence AS (
    SELECT
        hs6,
        lines,
        ln(usd_per_kg[1]) AS q1,
        ln(usd_per_kg[2]) AS q3
    FROM quartile
    WHERE usd_per_kg[1] > 0 AND usd_per_kg[2] > usd_per_kg[1]
)
SELECT
    hs6,
    lines,
    exp(q1 - 3 * (q3 - q1)) AS low_usd_per_kg,
    exp(q3 + 3 * (q3 - q1)) AS high_usd_per_kg
FROM fence
