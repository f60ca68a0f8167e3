-- The truth: every broken record with its file, physical line (the header is 1) and rule.
-- grain: file, line
WITH record AS (
  SELECT path, first_line, unnest(range(1, lines + 1)) AS number, fault.*
  FROM version
  INNER JOIN fault USING (id)
  INNER JOIN file USING (file_no)
)

SELECT path AS file, first_line + number - 1 AS line, rule, severity
FROM record
WHERE is_whole_certificate OR on_line = number
ORDER BY file, line
