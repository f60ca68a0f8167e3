-- The goods of a trade, with their description as it stands in a CSV file and without `;` and `"`.
-- grain: family, slot
SELECT
  family,
  CAST(row_number() OVER (PARTITION BY family ORDER BY hs8) - 1 AS INTEGER) AS slot,
  CAST(count(*) OVER (PARTITION BY family) AS INTEGER) AS slots,
  hs8,
  CASE WHEN regexp_matches(description, '[;"]')
    THEN '"' || replace(description, '"', '""') || '"' ELSE description END AS quoted,
  replace(replace(description, '"', ''), ';', ',') AS plain,
  unit_code,
  usd_cent_per_kg,
  gram_per_unit
FROM goods
ORDER BY family, slot
