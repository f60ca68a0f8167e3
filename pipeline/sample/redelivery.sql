-- Pairs of slices that are delivered a second time: about 3 % of all. The second delivery of the
-- earlier month has lost some certificates to the later one, so both are made again on one day.
-- grain: office_no, month_no
WITH plain AS (
  SELECT office_no, month_no, count(*) AS certificates
  FROM application
  ANTI JOIN fault USING (id)
  WHERE fate = 'plain'
  GROUP BY ALL
),

pair AS (
  SELECT slice.*, later.extracted_at AS later_extracted_at
  FROM slice
  INNER JOIN slice AS later
    ON later.office_no = slice.office_no AND later.month_no = slice.month_no + 1
  INNER JOIN plain
    ON plain.office_no = slice.office_no AND plain.month_no = slice.month_no
  INNER JOIN plain AS later_plain
    ON later_plain.office_no = slice.office_no AND later_plain.month_no = later.month_no
  -- Even months only, so that no slice is in two pairs; not over New Year, for the number's year.
  WHERE slice.month_no % 2 = 0 AND month(slice.month) <> 12
    AND plain.certificates >= 5 AND later_plain.certificates >= 5
  QUALIFY row_number() OVER (ORDER BY draw(slice.office || slice.month, 'redelivered'))
    <= greatest(1, round(0.015 * (SELECT count(*) FROM slice)))
)

SELECT
  office_no,
  unnest([month_no, month_no + 1]) AS month_no,
  unnest([true, false]) AS is_earlier,
  later_extracted_at + to_seconds(86400 * (8 + below(office || month, 'second', 6)))
    AS extracted_at
FROM pair
ORDER BY month_no, office_no
