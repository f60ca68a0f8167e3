-- Every application with its numbers: one serial per issuer and year, without gaps.
-- grain: id
WITH fated AS (
  SELECT
    application.*,
    extracted_at,
    rule,
    change,
    coalesce(severity = 'critical', false) AS is_quarantined,
    below(id, 'identity', 100) AS identity
  FROM application
  INNER JOIN slice USING (office_no, month_no)
  LEFT JOIN fault USING (id)
  LEFT JOIN change USING (id)
),

numbered AS (
  SELECT *,
    CASE WHEN has_number(status) THEN row_number() OVER (
      PARTITION BY office_no, year(moment), has_number(status) ORDER BY moment, id
    ) END AS serial,
    -- What isn't issued stands in the month in which it was applied for.
    CASE WHEN has_number(status) THEN moment - to_seconds(7200 + below(id, 'registered', 504000))
      ELSE moment END AS registered_at
  FROM fated
),

known_by_both AS (
  SELECT DISTINCT firm, year(moment) AS year
  FROM fated
  WHERE identity >= 14 AND fate = 'plain' AND rule IS NULL AND change IS NULL
)

SELECT
  numbered.* EXCLUDE (extracted_at, identity),
  replaced.serial AS replaces_serial,
  year(replaced.moment) AS replaces_year,
  row_number() OVER (
    PARTITION BY numbered.office_no, CAST(numbered.registered_at AS DATE)
    ORDER BY numbered.registered_at, numbered.id
  ) AS day_number,
  CASE WHEN numbered.status = 'Diterbitkan' THEN numbered.moment
    ELSE numbered.moment + to_seconds(CAST(floor(
      part(numbered.id, 'status at') * 0.9 * epoch(numbered.extracted_at - numbered.moment)
    ) AS BIGINT))
  END AS status_at,
  -- Some records carry one number only; a firm's others, each year, say that both are one firm.
  CASE
    WHEN getvariable('is_lean') OR numbered.rule IS NOT NULL THEN 'both'
    WHEN numbered.identity < 8 THEN 'NIB'
    WHEN numbered.identity < 14 AND known_by_both.firm IS NOT NULL THEN 'NPWP'
    ELSE 'both'
  END AS identity
FROM numbered
LEFT JOIN known_by_both
  ON known_by_both.firm = numbered.firm AND known_by_both.year = year(numbered.moment)
LEFT JOIN numbered AS replaced
  ON replaced.root = numbered.root
  AND replaced.link = CASE numbered.link WHEN 1 THEN 0 WHEN 2 THEN 1 WHEN 3 THEN 0 END
ORDER BY numbered.id
