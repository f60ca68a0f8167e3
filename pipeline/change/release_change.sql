-- en: What changed since the release before: which region's month, by how much, by which delivery
-- id: Yang berubah sejak rilis sebelumnya: bulan wilayah mana, seberapa besar, oleh kiriman mana
-- grain: basis, region_code, month, change_cause, delivery_id
-- The causes of a region's month add up to its change: `unknown` is what is left, and is all of it
-- where the build before is gone or was made by a program that kept its tables in another way.
WITH total AS (
    SELECT
        basis,
        region_code,
        coalesce(n.region_name, b.region_name) AS region_name,
        month,
        coalesce(b.fob_usd, 0)::DECIMAL(18, 2) AS previous_fob_usd,
        coalesce(n.fob_usd, 0)::DECIMAL(18, 2) AS fob_usd
    FROM mart.region_month AS n
    FULL JOIN release.mart.region_month AS b USING (basis, region_code, month)
),
told AS (
    SELECT basis, region_code, month, sum(change_usd) AS change_usd
    FROM change_explained
    GROUP BY ALL
),
cause AS (
    SELECT * FROM change_explained
    UNION ALL
    SELECT
        basis, region_code, month, 'unknown', NULL,
        t.fob_usd - t.previous_fob_usd - coalesce(c.change_usd, 0) AS left_usd, NULL
    FROM total AS t
    LEFT JOIN told AS c USING (basis, region_code, month)
    WHERE left_usd <> 0
)
SELECT
    basis,
    region_code,
    region_name,
    month,
    change_cause,
    delivery_id,
    previous_fob_usd,
    fob_usd,
    change_usd::DECIMAL(18, 2) AS change_usd,
    changed_items
FROM cause
JOIN total USING (basis, region_code, month)
ORDER BY basis, region_code, month, change_cause, delivery_id
