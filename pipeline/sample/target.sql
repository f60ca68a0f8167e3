-- What a region's firms together export in a quarter, in US cents: it doesn't depend on the number
-- of lines. The dominant firm of a region has its own.
-- grain: region_code, is_dominant, quarter
WITH whole AS (
  SELECT
    region_code,
    year(month) * 4 + quarter(month) AS quarter,
    dominant_share_pct,
    sum(season * CASE
      WHEN year(month) <= 2021 THEN usd_m_2021
      WHEN year(month) = 2022 THEN usd_m_2022
      WHEN year(month) = 2023 THEN usd_m_2023
      ELSE usd_m_2024
    END) * 1e8 / 12 AS cents
  FROM region_spec
  CROSS JOIN month
  GROUP BY ALL
)

SELECT
  region_code,
  is_dominant,
  quarter,
  CAST(round(
    cents * (0.96 + 0.08 * part(region_code || '/' || quarter, 'target'))
    * CASE WHEN is_dominant THEN dominant_share_pct ELSE 100 - dominant_share_pct END / 100
  ) AS BIGINT) AS cents
FROM whole
CROSS JOIN (SELECT unnest([true, false]) AS is_dominant)
ORDER BY region_code, quarter, is_dominant
