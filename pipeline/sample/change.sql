-- What a second delivery says otherwise: certificates that came late, were withdrawn since, or were
-- moved to the next month; of the moved, every second one stays in the old slice too.
-- grain: id
WITH ranked AS (
  SELECT
    id, moment, is_earlier, extracted_at,
    row_number() OVER (PARTITION BY office_no, month_no ORDER BY draw(id, 'change')) AS position,
    count(*) OVER (PARTITION BY office_no, month_no) AS certificates
  FROM application
  INNER JOIN redelivery USING (office_no, month_no)
  ANTI JOIN fault USING (id)
  WHERE fate = 'plain'
),

sized AS (
  SELECT *,
    greatest(1, certificates * 4 // 100) AS late,
    greatest(1, certificates * 2 // 100) AS withdrawn,
    CASE WHEN is_earlier THEN greatest(2, certificates * 2 // 100) ELSE 0 END AS moved
  FROM ranked
),

told AS (
  SELECT *,
    CASE
      WHEN position <= late THEN 'late'
      WHEN position <= late + withdrawn THEN 'withdrawn'
      WHEN position <= late + withdrawn + moved THEN 'moved'
    END AS change
  FROM sized
)

SELECT
  id,
  change,
  change = 'moved' AND (position - late - withdrawn) % 2 = 0 AS is_in_both,
  CASE change
    WHEN 'moved' THEN last_day(moment) + INTERVAL 1 DAY
      + to_seconds(28800 + 86400 * below(id, 'moved to', 9) + below(id, 'moved at', 28800))
    ELSE moment
  END AS moment,
  CASE change
    WHEN 'withdrawn' THEN extracted_at - to_seconds(3600 + below(id, 'withdrawn at', 200000))
  END AS withdrawn_at
FROM told
WHERE change IS NOT NULL
ORDER BY id
