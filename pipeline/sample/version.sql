-- What stands in each file: a certificate as that delivery tells it, and its first physical line.
-- grain: file_no, id
WITH told AS (
  SELECT file_no, id, certificate.moment, status, status_at, lines
  FROM certificate
  INNER JOIN file USING (office_no, month_no)
  LEFT JOIN change USING (id)
  WHERE turn = 1 AND change.change IS DISTINCT FROM 'late'
  UNION ALL
  SELECT file_no, id, certificate.moment,
    CASE WHEN withdrawn_at IS NULL THEN status ELSE 'Pencabutan' END,
    coalesce(withdrawn_at, status_at), lines
  FROM certificate
  INNER JOIN file USING (office_no, month_no)
  LEFT JOIN change USING (id)
  WHERE turn = 2 AND (change.change IS DISTINCT FROM 'moved' OR is_in_both)
  UNION ALL
  SELECT file_no, id, change.moment, status, change.moment, lines
  FROM change
  INNER JOIN certificate USING (id)
  INNER JOIN file
    ON file.office_no = certificate.office_no AND file.month_no = certificate.month_no + 1
  WHERE turn = 2 AND change.change = 'moved'
)

SELECT
  file_no, id, moment, status, status_at,
  CAST(2 + sum(lines) OVER (
    PARTITION BY file_no ORDER BY moment, id ROWS UNBOUNDED PRECEDING
  ) - lines AS INTEGER) AS first_line,
  lines
FROM told
ORDER BY file_no, first_line
