-- Which firms of a region export in a month, numbered from 0.
-- grain: region_code, month_no, position
SELECT
  region_code,
  month_no,
  CAST(row_number() OVER (PARTITION BY region_code, month_no ORDER BY number) - 1 AS INTEGER)
    AS position,
  CAST(count(*) OVER (PARTITION BY region_code, month_no) AS INTEGER) AS firms,
  firm
FROM firm
CROSS JOIN month
WHERE month_no >= enters_no AND month_no < leaves_no
ORDER BY month_no, region_code, position
