-- en: What each office's deliveries brought each region each month; says whose absence matters
-- id: Nilai tiap wilayah tiap bulan menurut kantor pengirim; menunjukkan ketiadaan siapa yang penting
-- grain: basis, feed, office_code, region_code, month
-- part: sum
WITH placed AS (
    SELECT
        unnest(['domicile', 'issuer', 'port']) AS basis,
        unnest([domicile_region_code, issuer_region_code, port_region_code]) AS region_code,
        feed,
        office_code,
        month,
        counted_usd AS fob_usd
    FROM core.certificate
    WHERE is_counted
    UNION ALL
    SELECT 'official', region_code, feed, office_code, month, fob_usd
    FROM core.aggregate_cell
    WHERE fob_usd IS NOT NULL
)
SELECT
    basis,
    feed,
    office_code,
    region_code,
    month,
    sum(fob_usd)::DECIMAL(18, 2) AS fob_usd,
    count(*) AS records
FROM placed
GROUP BY basis, feed, office_code, region_code, month
