-- en: Which regions a scope ranks in which league, and where each one's value is found
-- id: Wilayah yang diperingkat tiap lingkup dan liga, dan asal nilai masing-masing
-- grain: scope_code, league, leaf_code
-- region_code is the row of the ranking, leaf_code the region in core.exporter_month. A province is
-- the sum of its leaves and its unallocated; <set>99 of a whole set gathers everything unallocated.
WITH leaf AS (
    SELECT
        s.scope_code,
        s.scope_code = s.region_set AS is_whole,
        r.region_code AS leaf_code,
        r.region_kind,
        r.province_code
    FROM seed.scope AS s
    JOIN core.region AS r
        ON r.region_set = s.region_set AND s.scope_code IN (s.region_set, r.province_code)
    WHERE r.region_kind NOT IN ('province', 'country')
)
SELECT
    scope_code,
    'all' AS league,
    CASE region_kind WHEN 'unallocated' THEN scope_code || '99' ELSE leaf_code END AS region_code,
    leaf_code,
    region_kind = 'unallocated' AS is_unallocated
FROM leaf
UNION ALL
SELECT scope_code, region_kind, leaf_code, leaf_code, false
FROM leaf
WHERE region_kind IN ('kota', 'kabupaten')
UNION ALL
SELECT scope_code, 'province', province_code, leaf_code, false
FROM leaf
WHERE is_whole AND province_code IS NOT NULL
