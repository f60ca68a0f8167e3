-- The months of the range. Months are numbered from 2021-01 = 0, so that a firm's life lies at the
-- same dates whatever the range.
-- grain: month_no
SELECT
  CAST((year(month) - 2021) * 12 + month(month) - 1 AS INTEGER) AS month_no,
  CAST(month AS DATE) AS month,
  day(last_day(month)) AS days,
  -- Idul Fitri empties ports and offices (DOMAIN: April 2023 −34.6 %).
  CASE WHEN strftime(month, '%Y-%m') IN ('2021-05', '2022-05', '2023-04', '2024-04')
    THEN 0.7 ELSE 1.0 END AS season
FROM (
  SELECT unnest(generate_series(
    getvariable('first'), getvariable('last'), INTERVAL 1 MONTH
  )) AS month
)
ORDER BY month_no
