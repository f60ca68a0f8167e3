-- en: What each exporter exported each month, by three regions, whatever it was
-- id: Ekspor tiap eksportir tiap bulan menurut tiga wilayah, apa pun barangnya
-- grain: exporter_key, issuer_region_code, domicile_region_code, port_region_code, month
-- part: sum
SELECT
    exporter_key,
    issuer_region_code,
    domicile_region_code,
    port_region_code,
    month,
    sum(fob_usd)::DECIMAL(18, 2) AS fob_usd,
    sum(net_kg)::DECIMAL(18, 3) AS net_kg,
    sum(certificates)::BIGINT AS certificates,
    sum(lines)::BIGINT AS lines,
    sum(flagged_usd)::DECIMAL(18, 2) AS flagged_usd
FROM core.exporter_month
GROUP BY ALL
