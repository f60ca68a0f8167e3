-- en: Certificates with their value, exporter and regions; is_counted and the reason why not
-- id: SKA dengan nilai, eksportir, dan wilayahnya; is_counted dan alasan bila tidak dihitung
-- grain: certificate_key
-- part: knot
-- Goods that count under another certificate don't count here.
WITH same AS (
    SELECT certificate_key, sum(l.fob_usd) AS fob_usd
    FROM core.certificate_line AS l
    JOIN core.same_goods AS g USING (certificate_key, line)
    GROUP BY certificate_key
)
SELECT
    c.* EXCLUDE (all_line_fob, all_net_kg, main_line),
    CASE WHEN c.reason IS NULL THEN c.fob_usd - coalesce(s.fob_usd, 0) ELSE 0 END::DECIMAL(18, 2)
        AS counted_usd,
    c.reason IS NULL AS is_counted
FROM core.certificate_value AS c
LEFT JOIN same AS s USING (certificate_key)
