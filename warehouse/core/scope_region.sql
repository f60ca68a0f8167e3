-- en: The regions that each scope's rankings show, in which league
-- id: Wilayah yang ditampilkan peringkat tiap lingkup, dan dalam liga mana
-- grain: scope_code, league, region_code
-- A province's scope stands here, with all its regions, when anything was ever recorded in it on any
-- basis; of a whole set only the regions in which anything was. Nothing after asks for the others:
-- of 674 regions the sample has something in 80.
WITH recorded AS (
    SELECT DISTINCT r.region_code
    FROM core.region_month AS m
    JOIN core.calendar_month AS c USING (basis, region_set, month)
    JOIN core.region_leaf AS r ON r.leaf_code = m.region_code
    WHERE m.fob_usd <> 0 OR m.certificates > 0 OR m.quarantined_usd <> 0
)
SELECT DISTINCT m.scope_code, m.league, m.region_code, m.is_unallocated
FROM core.scope_member AS m
JOIN recorded AS s ON s.region_code = m.scope_code
LEFT JOIN recorded AS r ON r.region_code = m.region_code
WHERE r.region_code IS NOT NULL OR m.is_unallocated
    OR m.scope_code NOT IN (SELECT region_set FROM seed.scope)
