-- The story: growth of January to September 2024 over each base year, by basis, as METHOD.md ranks
-- it (floor 100,000 US$ a year, 0.1 % of the scope, three exporters, nobody dominant).
-- grain: basis, base_year, region_code
WITH firm_year AS (
  SELECT basis, region_code, year(month) AS year, firm, CAST(sum(cents) AS BIGINT) AS firm_cents
  FROM counted
  WHERE region_code LIKE '32%' AND month(month) <= 9
  GROUP BY ALL
),

placed AS (
  SELECT *,
    row_number() OVER (PARTITION BY basis, region_code, year ORDER BY firm_cents DESC) AS place,
    sum(firm_cents) OVER (PARTITION BY basis, year) AS scope_cents
  FROM firm_year
),

region_year AS (
  SELECT
    basis, region_code, year, scope_cents,
    CAST(sum(firm_cents) AS BIGINT) AS cents,
    count(*) AS exporters,
    max(firm_cents) AS largest,
    coalesce(max(firm_cents) FILTER (WHERE place = 2), 0) AS second
  FROM placed
  GROUP BY ALL
),

safe AS (
  SELECT *,
    largest <= 0.75 * cents AND cents - largest - second >= 0.1 * largest AS is_safe
  FROM region_year
)

SELECT
  base.basis,
  base.year AS base_year,
  region_code,
  present.cents AS fob_usd,
  base.cents AS base_fob_usd,
  round(100.0 * (present.cents - base.cents) / base.cents, 2) AS growth_pct,
  round(100.0 * present.largest / present.cents, 1) AS largest_firm_pct,
  base.cents >= greatest(7500000, 0.001 * base.scope_cents)
    AND least(present.exporters, base.exporters) >= 3 AND present.is_safe AND base.is_safe
    AS is_ranked
FROM safe AS present
INNER JOIN safe AS base USING (basis, region_code)
WHERE present.year = 2024 AND base.year IN (2021, 2023) AND region_code <> '3299'
ORDER BY base.basis, base_year, growth_pct DESC, region_code
