-- en: What was exported each month, by three regions, chapter, destination and form, whoever by
-- id: Ekspor tiap bulan menurut tiga wilayah, bab HS, tujuan, dan formulir, oleh siapa pun
-- grain: issuer_region_code, domicile_region_code, port_region_code, month, hs_chapter, destination_code, form_code
-- part: sum
SELECT
    issuer_region_code,
    domicile_region_code,
    port_region_code,
    month,
    hs_chapter,
    destination_code,
    form_code,
    sum(fob_usd)::DECIMAL(18, 2) AS fob_usd,
    sum(lines)::BIGINT AS lines
FROM core.exporter_month
GROUP BY ALL
