-- The truth: US$, certificates and exporters by basis, region and month.
-- grain: basis, region_code, month
SELECT
  basis,
  region_code,
  strftime(month, '%Y-%m') AS month,
  CAST(sum(cents) AS BIGINT) AS fob_usd,
  count(*) AS certificates,
  count(DISTINCT firm) AS exporters
FROM counted
GROUP BY ALL
ORDER BY ALL
