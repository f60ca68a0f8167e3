-- Spellings of a region, as often as their weight says.
-- grain: region_code, slot
SELECT
  region_code,
  CAST(row_number() OVER (PARTITION BY region_code ORDER BY place_no, copy) - 1 AS INTEGER) AS slot,
  CAST(count(*) OVER (PARTITION BY region_code) AS INTEGER) AS slots,
  place_no,
  domicile_code
FROM (SELECT *, unnest(range(weight)) AS copy FROM place)
ORDER BY region_code, slot
