-- Form and destination, as often as their weight says, in the months in which the form exists.
-- grain: month_no, is_coffee, slot
WITH spread AS (
  SELECT
    month_no, is_coffee, market_no,
    row_number() OVER (
      PARTITION BY month_no, is_coffee ORDER BY market_no, copy
    ) - 1 AS slot
  FROM month
  CROSS JOIN (SELECT unnest([true, false]) AS is_coffee)
  CROSS JOIN (SELECT *, unnest(range(weight)) AS copy FROM market)
  INNER JOIN seed_form USING (form_code)
  WHERE coalesce(CAST(starts_on AS DATE), DATE '1900-01-01') <= month
    AND (is_coffee OR only_family IS NULL)
)

SELECT month_no, is_coffee, CAST(slot AS INTEGER) AS slot, CAST(market_no AS INTEGER) AS market_no,
  CAST(count(*) OVER (PARTITION BY month_no, is_coffee) AS INTEGER) AS slots
FROM spread
ORDER BY month_no, is_coffee, slot
