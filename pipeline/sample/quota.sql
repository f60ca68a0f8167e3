-- How many new applications a region's firms make in a month, and from which number on. Counted,
-- not drawn, so that the story holds for any seed; never none in Jawa Barat, so that it has 27
-- regions, and two where there are enough, so that one withdrawal empties no small region's month.
-- grain: region_code, month_no
WITH weighed AS (
  SELECT
    active.region_code, month_no, firms,
    CAST(1e6 * certificate_weight * season * firms
      / avg(firms) OVER (PARTITION BY active.region_code) AS BIGINT) AS weight
  FROM active
  INNER JOIN month USING (month_no)
  INNER JOIN region_spec USING (region_code)
  WHERE position = 0
),

shared AS (
  SELECT *,
    getvariable('applications') * weight / sum(weight) OVER ()
      AS wanted
  FROM weighed
),

whole AS (
  SELECT
    region_code, month_no, firms,
    greatest(
      CASE
        WHEN region_code NOT LIKE '32%' THEN 0
        WHEN getvariable('applications') < 5000 THEN 1
        ELSE 2
      END,
      least(
        CAST(floor(wanted + part(region_code || '/' || month_no, 'quota')) AS BIGINT),
        coalesce(monthly_cap, 1000000000)
      )
    ) AS applications
  FROM shared
  INNER JOIN region_spec USING (region_code)
)

SELECT *,
  CAST(sum(applications) OVER (ORDER BY month_no, region_code) - applications + 1 AS BIGINT)
    AS first_root
FROM whole
ORDER BY month_no, region_code
