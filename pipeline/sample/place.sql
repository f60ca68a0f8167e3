-- How a region's name gets written, and where a perfect reader puts it.
-- grain: place_no
WITH name AS (
  SELECT
    region_code, province_code,
    region_name AS full_name,
    regexp_replace(region_name, '^(Kab\.|Kota) (Adm\. )?', '') AS bare,
    starts_with(region_name, 'Kota') AS is_kota,
    contains(region_name, 'Adm.') AS is_administrative
  FROM seed_region
  WHERE region_kind IN ('kota', 'kabupaten')
),

province AS (
  SELECT region_code AS province_code, region_name AS province
  FROM seed_region
  WHERE region_kind = 'province'
),

full_spelling AS (
  SELECT region_code, province_code, bare, unnest(
    CASE
      WHEN is_administrative THEN [
        {'place': full_name, 'weight': 6},
        {'place': 'KOTA ADM. ' || upper(bare), 'weight': 4},
        {'place': 'Kota Administrasi ' || bare, 'weight': 3}
      ]
      WHEN is_kota THEN [
        {'place': full_name, 'weight': 30},
        {'place': upper(full_name), 'weight': 24},
        {'place': lower(full_name), 'weight': 6},
        {'place': 'KOTA  ' || upper(bare), 'weight': 4}
      ]
      ELSE [
        {'place': full_name, 'weight': 24},
        {'place': 'KAB. ' || upper(bare), 'weight': 14},
        {'place': 'KAB ' || upper(bare), 'weight': 8},
        {'place': 'Kabupaten ' || bare, 'weight': 10},
        {'place': 'kab.  ' || lower(bare), 'weight': 4},
        {'place': 'KABUPATEN  ' || upper(bare), 'weight': 4}
      ]
    END, recursive := true
  )
  FROM name
),

written AS (
  -- A full name is enough by itself; a bare one or a nickname needs its province.
  SELECT region_code, place, province, region_code AS domicile_code, weight, true AS is_lean
  FROM full_spelling
  INNER JOIN province USING (province_code)
  UNION ALL
  SELECT region_code, place, upper(province), region_code, weight // 2, false
  FROM full_spelling
  INNER JOIN province USING (province_code)
  UNION ALL
  SELECT region_code, place, NULL, region_code, 1, false
  FROM full_spelling
  UNION ALL
  SELECT region_code, unnest([bare, upper(bare)]), province, region_code, 4, false
  FROM name
  INNER JOIN province USING (province_code)
  WHERE NOT is_administrative
  QUALIFY count(*) OVER (PARTITION BY province_code, bare) = 1
  UNION ALL
  SELECT alias.region_code, spelling, province, alias.region_code, 2, false
  FROM seed_region_aliases AS alias
  INNER JOIN province USING (province_code)
  UNION ALL
  -- The last ones can't be placed: ambiguous, unknown or missing.
  SELECT region_code, place, province, domicile_code, weight, province IS NULL
  FROM spelling
)

SELECT
  CAST(row_number() OVER (ORDER BY region_code, place, province, weight) AS INTEGER) AS place_no,
  *
FROM written
INNER JOIN (SELECT region_code FROM region_spec) USING (region_code)
WHERE weight > 0 AND (is_lean OR NOT getvariable('is_lean'))
ORDER BY place_no
