-- en: Exporters by a number, which joins faster than their key. Restricted
-- id: Eksportir menurut nomor, yang lebih cepat digabungkan daripada kuncinya. Terbatas
-- grain: exporter_key
-- 0 is what no exporter could be named for.
SELECT
    exporter_key,
    CASE WHEN exporter_key = 'unknown' THEN 0
        ELSE row_number() OVER (ORDER BY exporter_key = 'unknown', exporter_key) END::INTEGER
        AS exporter_no
FROM (SELECT DISTINCT exporter_key FROM core.exporter_place_month)
