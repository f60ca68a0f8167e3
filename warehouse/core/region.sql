-- en: Regions that a value can stand in, by region set, with the unallocated of each province and set
-- id: Wilayah tempat suatu nilai dicatat, menurut himpunan, dengan yang tak teralokasi tiap provinsi dan himpunan
-- grain: region_code
-- A region set is what one basis or one kind of statistics is placed in: the country's kabupaten and
-- kota (its own code), its ports (<country>PORT), or what an aggregate layout brings.
WITH region AS (
    SELECT
        region_set,
        region_code,
        region_name,
        region_kind,
        province_code,
        valid_from::DATE AS valid_from,
        valid_until::DATE AS valid_until
    FROM seed.region
    UNION ALL
    SELECT c.country_code || 'PORT', p.port_code, p.port_name, 'port', NULL, NULL, NULL
    FROM seed.port AS p
    CROSS JOIN core.country AS c
),
named AS (
    SELECT country_code AS region_set, country_name AS set_name FROM core.country
    UNION ALL
    SELECT country_code || 'PORT', country_name || ': pelabuhan / ports' FROM core.country
),
set AS (
    SELECT region_set, coalesce(n.set_name, region_set) AS set_name
    FROM (SELECT region_set FROM region UNION SELECT region_set FROM named)
    LEFT JOIN named AS n USING (region_set)
)
SELECT * FROM region
UNION ALL
SELECT
    region_set,
    region_code || '99',
    region_name || ': tak teralokasi / unallocated',
    'unallocated',
    region_code,
    NULL,
    NULL
FROM region
WHERE region_kind = 'province'
UNION ALL
SELECT region_set, region_set, set_name, 'country', NULL, NULL, NULL FROM set
UNION ALL
SELECT
    region_set,
    region_set || '99',
    set_name || ': tak teralokasi / unallocated',
    'unallocated',
    NULL,
    NULL,
    NULL
FROM set
