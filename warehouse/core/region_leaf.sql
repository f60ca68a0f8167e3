-- en: The leaves of core.exporter_month that make up each region of a ranking, and each scope
-- id: Wilayah dasar yang membentuk setiap wilayah pada peringkat, dan setiap lingkup
-- grain: region_code, leaf_code
SELECT region_code, leaf_code FROM core.scope_member
UNION
SELECT scope_code, leaf_code FROM core.scope_member WHERE league = 'all'
