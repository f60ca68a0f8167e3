-- en: Regions that a value can stand in, with one unallocated row per province and one for the country
-- id: Wilayah tempat suatu nilai dicatat, dengan satu baris tak teralokasi per provinsi dan satu untuk negara
-- grain: region_code
SELECT region_code, region_name, region_kind, province_code
FROM seed.region
UNION ALL
SELECT
    region_code || '99',
    region_name || ': tak teralokasi / unallocated',
    'unallocated',
    region_code
FROM seed.region
WHERE region_kind = 'province'
UNION ALL
SELECT 'ID', 'Indonesia', 'country', NULL
UNION ALL
SELECT 'ID99', 'Indonesia: tak teralokasi / unallocated', 'unallocated', NULL
