-- en: What each exporter exported each month, by three regions, chapter, destination and form
-- id: Ekspor tiap eksportir tiap bulan, menurut tiga wilayah, bab HS, tujuan, dan formulir
-- grain: exporter_key, issuer_region_code, domicile_region_code, port_region_code, month, hs_chapter, destination_code, form_code
-- part: sum
-- The neck of the house: every mart reads this, none reads lines. Counted values only.
WITH flagged AS (
    SELECT DISTINCT certificate_key FROM core.certificate_flag WHERE severity = 'warning'
)
SELECT
    c.exporter_key,
    c.issuer_region_code,
    c.domicile_region_code,
    c.port_region_code,
    c.month,
    l.hs_chapter,
    coalesce(c.destination_code, 'unknown') AS destination_code,
    coalesce(c.form_code, 'unknown') AS form_code,
    sum(l.fob_usd)::DECIMAL(18, 2) AS fob_usd,
    coalesce(sum(l.net_kg), 0)::DECIMAL(18, 3) AS net_kg,
    count(*) FILTER (l.is_main) AS certificates,
    count(*) AS lines,
    coalesce(sum(l.fob_usd) FILTER (f.certificate_key IS NOT NULL), 0)::DECIMAL(18, 2)
        AS flagged_usd,
    -- Goods not made here, shown apart.
    coalesce(sum(l.fob_usd) FILTER (c.is_back_to_back), 0)::DECIMAL(18, 2) AS back_to_back_usd
FROM core.certificate_line AS l
JOIN core.certificate AS c USING (certificate_key)
LEFT JOIN flagged AS f USING (certificate_key)
WHERE l.is_counted
GROUP BY ALL
