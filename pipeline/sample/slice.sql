-- What each office owes: one slice a month. Two small offices issue nothing in some months; who
-- would apply there goes to the province.
-- grain: office, month_no
WITH owed AS (
  SELECT
    month_no,
    month,
    CAST(unnest(range(len(getvariable('offices')))) AS INTEGER) AS office_no,
    unnest(getvariable('offices')) AS office
  FROM month
)

SELECT
  *,
  office IN ('SBG', 'KBG') AND (month_no + below(office, 'nil', 18)) % 18 = 0 AS is_nil,
  CASE WHEN is_nil THEN list_position(getvariable('offices'), 'JBR') - 1 ELSE office_no END
    AS acting_office_no,
  -- The extract is made on the second to fifth day of the following month, in office hours.
  CAST(month + INTERVAL 1 MONTH AS TIMESTAMP)
  + to_seconds(86400 * (1 + below(office || month, 'extract day', 4))
    + 28800 + below(office || month, 'extract time', 28800)) AS extracted_at
FROM owed
ORDER BY month_no, office_no
