-- en: Certificates with their value, exporter and regions; is_counted and the reason why not
-- id: SKA dengan nilai, eksportir, dan wilayahnya; is_counted dan alasan bila tidak dihitung
-- grain: certificate_key
WITH line AS (
    SELECT
        certificate_key,
        coalesce(sum(fob_usd) FILTER (is_counted), 0)::DECIMAL(18, 2) AS counted_usd,
        bool_or(is_counted) AS is_counted
    FROM core.certificate_line
    GROUP BY certificate_key
)
SELECT
    c.* EXCLUDE (source_key, all_line_fob, all_net_kg),
    l.counted_usd,
    l.is_counted
FROM core.certificate_value AS c
JOIN line AS l USING (certificate_key)
