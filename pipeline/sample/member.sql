-- New applications and those that share a declaration (PEB) with one, with their value in US cents.
-- Values are scaled so that a region's quarter adds up to its target, however many there are.
-- link: 0 new · 5, 6 other goods under the same PEB
-- grain: root, link
WITH listed AS (
  SELECT *, 0 AS link FROM root
  UNION ALL
  SELECT *,
    unnest(CASE WHEN below(root, 'three under one PEB', 3) = 0 THEN [5, 6] ELSE [5] END)
  FROM root
  WHERE fate = 'shared'
),

weighed AS (
  SELECT * REPLACE (CASE WHEN link = 0 THEN weight
    ELSE weight * (50 + below(root * 8 + link, 'weight', 100)) // 100 END AS weight)
  FROM listed
),

total AS (
  SELECT region_code, is_dominant, quarter, sum(weight) AS total_weight
  FROM weighed
  WHERE fate NOT IN ('unissued', 'withdrawn')
  GROUP BY ALL
),

valued AS (
  SELECT
    weighed.*,
    -- Integers: a sum of floating-point weights would depend on the threads.
    greatest(1000, CAST(
      CAST(weight AS HUGEINT) * target.cents // coalesce(total_weight, weight) AS BIGINT
    )) AS cents
  FROM weighed
  INNER JOIN target USING (region_code, is_dominant, quarter)
  LEFT JOIN total USING (region_code, is_dominant, quarter)
),

shipment AS (
  SELECT root, CAST(sum(cents) AS BIGINT) AS shipment_cents
  FROM valued
  WHERE fate = 'shared'
  GROUP BY root
)

SELECT valued.*, coalesce(shipment_cents, cents) AS shipment_cents
FROM valued
LEFT JOIN shipment USING (root)
