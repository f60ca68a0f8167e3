-- The files, in the order in which they are written.
-- grain: file_no
WITH delivered AS (
  SELECT office_no, office, month_no, month, extracted_at, 1 AS turn FROM slice
  UNION ALL
  SELECT office_no, office, month_no, month, redelivery.extracted_at, 2
  FROM redelivery
  INNER JOIN slice USING (office_no, month_no)
)

SELECT
  CAST(row_number() OVER (ORDER BY month_no, office_no, turn) - 1 AS INTEGER) AS file_no,
  *,
  max(turn) OVER (PARTITION BY office_no, month_no) = turn AS is_newest,
  office || '/SINTETIS_' || office || strftime(month, '_%Y-%m_')
    || strftime(extracted_at, '%Y%m%dT%H%M%S') || '.csv' AS path,
  below(office || month || turn, 'line end', 2) = 0 AS is_crlf
FROM delivered
ORDER BY file_no
