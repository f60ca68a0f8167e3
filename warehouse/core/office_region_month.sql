-- en: What each office's deliveries brought each region each month; says whose absence matters
-- id: Nilai tiap wilayah tiap bulan menurut kantor pengirim; menunjukkan ketiadaan siapa yang penting
-- grain: basis, feed, office_code, region_code, month
SELECT 'domicile' AS basis, feed, office_code, domicile_region_code AS region_code, month,
    sum(counted_usd)::DECIMAL(18, 2) AS fob_usd
FROM core.certificate WHERE is_counted GROUP BY ALL
UNION ALL
SELECT 'issuer', feed, office_code, issuer_region_code, month,
    sum(counted_usd)::DECIMAL(18, 2)
FROM core.certificate WHERE is_counted GROUP BY ALL
UNION ALL
SELECT 'port', feed, office_code, port_region_code, month,
    sum(counted_usd)::DECIMAL(18, 2)
FROM core.certificate WHERE is_counted GROUP BY ALL
UNION ALL
SELECT 'official', feed, office_code, region_code, month,
    sum(fob_usd)::DECIMAL(18, 2)
FROM core.aggregate_cell WHERE fob_usd IS NOT NULL GROUP BY ALL
